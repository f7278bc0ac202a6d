//! Detects the format of files: every candidate is tried on samples of them.

use std::path::Path;
use std::slice;
use std::sync::Arc;

use crate::config::{Config, Overrides};
use crate::error::{Error, ErrorKind, Result};
use crate::figure;
use crate::format::{self, Extras, Spec};
use crate::infer::{
    Candidate, Explained, Looks, Sample, begins_otherwise, candidates, explain, look, payloads,
};
use crate::source::{Found, Settings, Source};
use crate::stop::Stop;

/// How much is read of the start of a file, and also of its middle and its end.
const LOOK_BYTES: usize = 64 << 10;

/// Only this many files are sampled throughout.
const SAMPLES_MAX: usize = 16;

/// The maximum number of formats that are listed.
const FORMATS_SHOWN: usize = 3;

/// A format that explains at least this much is taken before less specific ones that may explain more.
const ENOUGH_PERCENT: u64 = 90;

/// The format of some files.
#[derive(Debug)]
pub(super) struct Detected {
    /// The lines of a job that specify it.
    pub(super) lines: String,
    pub(super) spec: Spec,
    /// Texts that mean null in it.
    pub(super) nulls: Vec<String>,
    /// What was tried, with what each explains; this format first.
    pub(super) tried: Vec<(String, Explained)>,
}

impl Detected {
    /// Whether its records are lines of JSON.
    pub(super) fn is_ndjson(&self) -> bool {
        matches!(self.spec, Spec::Ndjson { .. })
    }
}

/// The files that have records, and the format of these. An unreadable file is left to the load, which
/// reports it; a file that no format can read is an error here.
pub(super) fn detect(files: &[Found], stop: &Stop) -> Result<(Vec<Found>, Detected)> {
    let (mut readable, mut samples, mut failed, mut seems) = (Vec::new(), Vec::new(), None, None);
    for file in files {
        match sample(file, samples.len() < SAMPLES_MAX, stop) {
            Ok((Looks::Empty, _)) => {}
            Ok((Looks::Other { what, hint }, _)) => {
                return Err(Error::usage(format!(
                    "{} looks like {what}, which contains no records that logmill reads{}",
                    file.path.display(),
                    hint.map_or_else(String::new, |command| format!("; `{command}` turns it into lines"))
                )));
            }
            Ok((looks, sample)) => {
                readable.push(file.clone());
                samples.extend((samples.len() < SAMPLES_MAX).then_some(sample));
                seems.get_or_insert(looks);
            }
            Err(error) if matches!(error.kind(), ErrorKind::Stopped(_)) => return Err(error),
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    let Some(looks) = seems else { return Err(failed.unwrap_or_else(|| empty(files))) };
    let detected = choose(&samples).or_else(|tried| match looks {
        // A record that is longer than the sample.
        Looks::Ndjson if samples.iter().all(|sample| !sample.start.contains(&b'\n')) => {
            let lines = "format = \"ndjson\"\n".to_owned();
            let (spec, nulls) = read(&lines).expect("a format of ours");
            Ok(Detected { lines, spec, nulls, tried })
        }
        looks => {
            let several = of_several_formats(&readable, &samples);
            Err(Error::usage(several.unwrap_or_else(|| unexplained(&readable[0].path, looks, &tried))))
        }
    })?;
    if !detected.tried[0].1.is_share(ENOUGH_PERCENT)
        && let Some(several) = of_several_formats(&readable, &samples)
    {
        return Err(Error::usage(several));
    }
    refuse_mixed(&readable, &samples, &detected.spec, stop)?;
    Ok((readable, detected))
}

/// The error for files in several formats: a job has one format, and the files of the others would become
/// nothing but dead letters.
fn of_several_formats(files: &[Found], samples: &[Sample]) -> Option<String> {
    let mut formats: Vec<(String, &Path)> = Vec::new();
    for (file, sample) in files.iter().zip(samples) {
        let Ok(detected) = choose(slice::from_ref(sample)) else { continue };
        let name = detected.tried.into_iter().next()?.0;
        if formats.iter().all(|(other, _)| *other != name) {
            formats.push((name, &file.path));
        }
    }
    if formats.len() < 2 {
        return None;
    }
    let shown = formats.iter().take(FORMATS_SHOWN);
    let shown: Vec<String> = shown.map(|(name, path)| format!("{} is {name}", path.display())).collect();
    let more = if formats.len() > FORMATS_SHOWN { ", …" } else { "" };
    Some(format!(
        "these {} files are in several formats, and a job has one: {}{more}; load those of one format together, as in \
         `logmill load {}`",
        files.len(),
        shown.join(", "),
        formats[0].1.display()
    ))
}

/// Refuses delimited files of which some begin with a header and some do not: a record would name columns, or
/// a header would be a record.
fn refuse_mixed(files: &[Found], samples: &[Sample], spec: &Spec, stop: &Stop) -> Result<()> {
    let (Spec::Csv(dialect), [first, ..]) = (spec, samples) else { return Ok(()) };
    for (number, file) in files.iter().enumerate().skip(1) {
        let is_otherwise = match samples.get(number) {
            Some(sample) => begins_otherwise(sample, first, dialect),
            // No samples are kept beyond SAMPLES_MAX.
            None => begins_otherwise(&sample(file, false, stop)?.1, first, dialect),
        };
        if is_otherwise {
            let (one, other) = (file.path.display(), files[0].path.display());
            return Err(Error::usage(match dialect.columns {
                None => format!(
                    "{one} begins with a record where {other} has a header: its first record would name columns; \
                     load them apart, or give `columns` in a job"
                ),
                Some(_) => format!(
                    "{one} begins with a header where {other} has a record: its header would be a record; \
                     load them apart, or give {other} a header"
                ),
            }));
        }
    }
    Ok(())
}

/// What a file looks like, and samples of it.
fn sample(file: &Found, all_over: bool, stop: &Stop) -> Result<(Looks, Sample)> {
    let (source, is_cut) = Source::preview(file, stop)?;
    let source = Arc::new(source);
    let (start, is_all) = source.beginning(LOOK_BYTES, Settings::default().record_bytes_max)?;
    let is_all = is_all && !is_cut;
    let looks = look(&start, is_all);
    let mut others = Vec::new();
    let look_bytes = LOOK_BYTES as u64;
    if let Some(size) =
        source.size().filter(|&size| !is_all && !source.is_compressed() && size > 3 * look_bytes)
        && all_over
    {
        others.push(source.lines_at(size / 2, LOOK_BYTES)?);
        others.push(source.lines_at(size - look_bytes, LOOK_BYTES)?);
    }
    Ok((looks, Sample { start, others }))
}

/// A candidate, and how much it explains.
struct Tried {
    candidate: Candidate,
    spec: Spec,
    nulls: Vec<String>,
    explained: Explained,
}

/// The format that explains most lines, or otherwise what was tried.
fn choose(samples: &[Sample]) -> std::result::Result<Detected, Vec<(String, Explained)>> {
    let (mut tried, best) = attempt(samples);
    let mut shares: Vec<(String, Explained)> =
        tried.iter().map(|tried| (tried.candidate.name.clone(), tried.explained)).collect();
    let chosen = shares.remove(best);
    shares.retain(|(_, explained)| explained.lines > 0);
    shares.sort_by_key(|(_, explained)| std::cmp::Reverse(explained.lines));
    shares.insert(0, chosen);
    let Tried { candidate, spec, nulls, explained } = tried.swap_remove(best);
    if !explained.is_most() {
        return Err(shares);
    }
    let detected = Detected { lines: candidate.lines, spec, nulls, tried: shares };
    Ok(within(samples, &detected).unwrap_or(detected))
}

/// Tries every format on the samples. The second value is the index of the one to take, if it explains most
/// of them.
fn attempt(samples: &[Sample]) -> (Vec<Tried>, usize) {
    let mut tried: Vec<Tried> = Vec::new();
    for candidate in samples.first().map(candidates).unwrap_or_default() {
        // A format that is not compiled in is not a candidate.
        let Some((spec, nulls)) = read(&candidate.lines) else { continue };
        let format = format::of::<String>(&spec, &[], Extras::Gathered);
        let explained = explain(&candidate, &format, samples, record_bytes_max());
        tried.push(Tried { candidate, spec, nulls, explained });
    }
    let enough = tried.iter().position(|tried| tried.explained.is_share(ENOUGH_PERCENT));
    let best = enough.unwrap_or_else(|| {
        let mut best = 0;
        for (place, other) in tried.iter().enumerate() {
            if other.explained.is_more(tried[best].explained) {
                best = place;
            }
        }
        best
    });
    (tried, best)
}

/// The format within the lines of a container, if they are such lines and one format explains nearly all;
/// text would accept everything.
fn within(samples: &[Sample], detected: &Detected) -> Option<Detected> {
    let Spec::Contained { runtime, .. } = detected.spec else { return None };
    let text = format::of(&detected.spec, &[vec!["message"]], Extras::Ignored);
    let payloads: Vec<Sample> =
        samples.iter().map(|sample| payloads(&text, sample, record_bytes_max())).collect();
    let (mut tried, best) = attempt(&payloads);
    let best = tried.swap_remove(best);
    if !best.explained.is_share(ENOUGH_PERCENT) {
        return None;
    }
    let Candidate { name, lines, .. } = best.candidate.within(runtime.name());
    // Not every format is allowed there.
    let (spec, nulls) = read(&lines)?;
    let mut tried = detected.tried.clone();
    tried.first_mut()?.0 = name;
    Some(Detected { lines, spec, nulls, tried })
}

/// A longer record is not examined.
fn record_bytes_max() -> usize {
    Settings::default().record_bytes_max
}

/// The meaning of these lines of a job, if they can be read.
fn read(lines: &str) -> Option<(Spec, Vec<String>)> {
    let job = format!(
        "name = \"x\"\n[source]\n{lines}[record.fields]\nx = \"text\"\n[destination]\ntable = \"x\"\n"
    );
    let source = Config::of_text(Path::new("job.toml"), &job, &Overrides::default()).ok()?.source;
    let nulls = source.nulls.texts().map(str::to_owned).collect();
    Some((source.format, nulls))
}

fn empty(files: &[Found]) -> Error {
    Error::usage(match files {
        [file] => format!(
            "{} is empty, so there is nothing to infer a job from; name one with -j",
            file.path.display()
        ),
        files => format!(
            "all {} files are empty, so there is nothing to infer a job from; name one with -j",
            files.len()
        ),
    })
}

fn unexplained(path: &Path, looks: Looks, tried: &[(String, Explained)]) -> String {
    let (what, hint) = match looks {
        Looks::Text { what, hint } | Looks::Other { what, hint } => (what, hint),
        Looks::Pairs { what } => (what, None),
        Looks::Ndjson | Looks::Empty => ("JSON mixed with other lines", None),
    };
    let best = match tried.first() {
        Some((name, explained)) if explained.lines > 0 => {
            format!("; the best, {name}, explains {}", share(*explained))
        }
        _ => String::new(),
    };
    let then = match (hint, looks) {
        (Some(command), _) => format!("`{command}` makes lines of it"),
        (None, Looks::Pairs { .. }) => {
            "two columns without a header could be prose; write `columns` in a job with a `format`".to_owned()
        }
        (None, _) => "write a job with a `format`, or with a `pattern` of your own".to_owned(),
    };
    format!("{} looks like {what}, and no format explains most of its lines{best}; {then}", path.display())
}

/// A share of lines, in words.
pub(super) fn share(explained: Explained) -> String {
    let of = figure::some(explained.of, "line");
    format!("{} of {of}", figure::share(explained.lines, explained.of))
}
