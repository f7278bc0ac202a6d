//! How fast a job is: how quickly a core parses its records, how quickly its destination accepted earlier
//! loads, and what follows for a user who considers more cores, more machines, or another destination.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::Watch;
use super::run::{cores, recipe, settings};
use crate::config::Config;
use crate::event::{Event, Observer};
use crate::figure;
use crate::pipeline::{self, Outcome, Settings, Stats};
use crate::report::{Fate, Pace, Plan};
use crate::sink::Destination;
use crate::sink::judge::Judge;
use crate::source::{Found, is_in_bucket};
use crate::stop::Stop;

/// A smaller load is done before anyone has read an estimate.
const TOLD_FROM: u64 = 64 << 20;

/// How much of a file is parsed as a sample.
const SAMPLE_BYTES: u64 = 8 << 20;

/// Batches of the sample: it ends with one.
const SAMPLE_BATCH_ROWS: usize = 10_000;

/// A shorter load shows how loads begin, not how they continue.
const LOAD_MIN: Duration = Duration::from_secs(2);

/// A user who has to wait longer will want another way.
const TOO_LONG: Duration = Duration::from_secs(48 * 3600);

/// How fast the load of a plan would be; `None` if it is short, or if no estimate is possible.
pub(super) fn pace(
    config: &Config,
    found: &[Found],
    plan: &Plan,
    destination: &dyn Destination,
    watch: &Watch,
) -> Option<Pace> {
    let mut raw = 0;
    let mut first = None;
    for file in &plan.sources {
        let Fate::Read { bytes: Some(bytes), .. } = file.fate else { continue };
        raw += bytes;
        first = first.or_else(|| found.iter().find(|found| found.path == file.file));
    }
    if raw < TOLD_FROM {
        return None;
    }
    let sample = sample(config, first?, watch)?;
    let parsed = sample.bytes as f64 / sample.work.as_secs_f64();
    let stored = stored(config, destination);
    // An archive expands, by about the same factor as its beginning.
    let bytes = raw as f64 * sample.bytes as f64 / sample.raw_bytes.max(1) as f64;
    let seconds = stored.map(|stored| bytes / stored.min(parsed * cores() as f64));
    let busy = stored.map(|stored| stored / parsed);
    let is_bucket = |url: &str| is_in_bucket(Path::new(url)) || url.starts_with("file://");
    Some(Pace {
        bytes: bytes as u64,
        file: first?.path.clone(),
        sample_bytes: sample.bytes,
        parsed_per_second: parsed as u64,
        stored_per_second: stored.map(|stored| stored as u64),
        cores: busy,
        seconds,
        advice: advice(busy, seconds, is_bucket(config.destination.url.reveal())),
    })
}

/// What was parsed of a file.
struct Sample {
    bytes: u64,
    raw_bytes: u64,
    work: Duration,
}

/// Parses and checks the beginning of a file, as a load would, with one worker and without a destination.
fn sample(config: &Config, file: &Found, watch: &Watch) -> Option<Sample> {
    let (stop, read) = (Stop::default(), AtomicU64::new(0));
    let enough = stop.clone();
    let observer = Observer::new(move |event| {
        if let Event::Committed { bytes, .. } = event
            && read.fetch_add(*bytes, Ordering::Relaxed) + bytes >= SAMPLE_BYTES
        {
            enough.ask(libc::SIGTERM);
        }
    });
    let settings =
        Settings { threads: 1, lanes: 1, batch_rows: SAMPLE_BATCH_ROWS, observer, ..settings(config, watch) };
    let (stats, mut outcome) = (Arc::<Stats>::default(), Outcome::default());
    let mut judge = Judge::new(Arc::new(config.record.schema.clone()), None);
    let files = std::slice::from_ref(file);
    // Faults in a file are reported by the plan, or by a load.
    pipeline::run(files, recipe(config), &mut judge, &settings, &stop, &stats, &mut outcome).ok();
    let work = stats.times().work;
    let is_seen = outcome.bytes > 0 && !work.is_zero();
    is_seen.then_some(Sample { bytes: outcome.bytes, raw_bytes: outcome.raw_bytes, work })
}

/// How many bytes a second the destination accepted in the best of the job's last loads.
fn stored(config: &Config, destination: &dyn Destination) -> Option<f64> {
    let status = destination.history().ok()?.status(&config.name).ok()??;
    let loads = status.runs.iter().filter(|run| ["load", "backfill"].contains(&run.command.as_str()));
    let rates = loads.filter_map(|run| {
        let took = (run.ended_at? - run.started_at).to_std().ok().filter(|took| *took >= LOAD_MIN)?;
        Some(run.bytes as f64 / took.as_secs_f64()).filter(|rate| *rate > 0.0)
    });
    rates.max_by(f64::total_cmp)
}

/// The advice for a user who is about to load.
fn advice(busy: Option<f64>, seconds: Option<f64>, is_bucket: bool) -> String {
    let (Some(busy), Some(seconds)) = (busy, seconds) else {
        return "only a load can measure the destination: load one large file first, then plan again"
            .to_owned();
    };
    if is_bucket {
        return "a bucket keeps up with many writers: more cores help, and so do more machines, each with \
                its own splits or days"
            .to_owned();
    }
    let help = match busy {
        busy if busy <= 1.0 => {
            "one core is enough: more cores or machines would only wait for this destination"
        }
        _ => {
            "more cores help up to that number; if one machine has fewer, divide the files among several \
             (plan --split-size)"
        }
    };
    let long = Duration::from_secs_f64(seconds.min(1e9));
    match long > TOO_LONG {
        true => format!(
            "{help}; {} is long, so consider a bucket (as = \"parquet\"), which many machines can fill at \
             once, and load only the recent days here",
            figure::time(long)
        ),
        false => help.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_is_told_by_what_is_waited_for() {
        let told = |busy, hours: f64| advice(Some(busy), Some(hours * 3600.0), false);
        assert!(told(0.2, 1.0).contains("one core is enough"));
        assert!(told(3.5, 1.0).contains("up to that number"));
        assert!(!told(0.2, 47.0).contains("bucket") && told(0.2, 49.0).contains("bucket"));
        assert!(told(0.2, 49.0).contains("49 h 00 min"));
        assert!(advice(None, None, false).contains("load one large file first"));
        assert!(advice(Some(9.0), Some(1e6), true).contains("more machines"));
    }
}
