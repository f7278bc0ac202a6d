//! `plan`: what a load would do, and what it promises, before it is let.

use std::path::PathBuf;

use super::args::{Output, PlanArgs};
use super::destination::destination;
use super::guarantees::{Kinds, guarantees};
use super::run::settings;
use super::speech::{Speech, print_as_is};
use super::{files, job};
use crate::config::{Config, Overrides};
use crate::pipeline::{self, bytes_to_read};
use crate::report::{Exit, Fate, Head, Plan, PlannedFile};
use crate::sink::forecast::Forecast;
use crate::sink::{Claim, Claims, Destination, Key};
use crate::source::{Discovered, Found};
use crate::stop::Stop;

pub(super) fn plan(args: &PlanArgs, speech: Speech, stop: &Stop) -> anyhow::Result<Exit> {
    let given = files::given(&args.files)?;
    let overrides = Overrides { files: given, date: args.date.date, ..args.job.destination.overrides() };
    let config = job::read(&args.job.job, &overrides, speech)?;
    let only_sql = args.print_sql && speech.output == Output::Text;
    // There may be none yet, and a statement asks for no day.
    let Discovered { files: found, passed_over } =
        if only_sql { Discovered::default() } else { files::of(&config)? };
    let pace = pipeline::Settings {
        allow_duplicates: args.allow_duplicates,
        accept_new_rules: args.accept_new_rules,
        ..settings(&config)
    };
    // To look at a stream is to take from it.
    let (streams, found): (Vec<Found>, Vec<Found>) = found.into_iter().partition(Found::is_stream);
    let (claims, unreadable) = pipeline::claims(&found, &pace, stop)?;
    let destination = destination(&config, stop, speech.observer())?;
    let forecast = destination.forecast(&claims)?;
    if only_sql {
        for obstacle in &forecast.obstacles {
            speech.warn(obstacle);
        }
        print_as_is(forecast.sql.as_bytes())?;
        // They are what is asked for when something stands in the way.
        return Ok(Exit::Success);
    }
    let kinds = kinds(&claims, &streams);
    let files = files_of(claims, &forecast, unreadable, streams, passed_over);
    let (plan, exit) = report(&config, &*destination, kinds, files, forecast, args.print_sql);
    speech.show(&plan)?;
    Ok(exit)
}

/// Which kinds of sources there are.
fn kinds(claims: &Claims, streams: &[Found]) -> Kinds {
    let archive = claims.files.iter().any(|file| file.fingerprint.container.is_some());
    let plain = claims.files.iter().any(|file| file.fingerprint.container.is_none());
    Kinds { plain, archive, stream: !streams.is_empty() }
}

/// What would be done with each file.
fn files_of(
    claims: Claims,
    forecast: &Forecast,
    unreadable: Vec<(PathBuf, String)>,
    streams: Vec<Found>,
    passed_over: Vec<PathBuf>,
) -> Vec<PlannedFile> {
    let decided = claims.files.into_iter().zip(&forecast.claims).map(|(file, claim)| {
        let fate = match claim {
            Claim::Load { tasks, .. } => Fate::Read {
                position: tasks.first().map_or(0, |task| task.start.record),
                bytes: Some(tasks.iter().map(|task| bytes_to_read(task, &file)).sum()),
            },
            Claim::Finished { .. } => Fate::LeaveOut { why: "loaded to the end before".to_owned() },
            Claim::Duplicate(of) => Fate::LeaveOut { why: format!("holds the same as {of}") },
            Claim::Changed(why) => Fate::Refuse { why: why.clone() },
        };
        (file.path, fate)
    });
    let unreadable = unreadable.into_iter().map(|(path, why)| (path, Fate::Refuse { why }));
    let streams = streams.into_iter().map(|found| (found.path, Fate::Read { position: 0, bytes: None }));
    let links = passed_over.into_iter();
    let links = links.map(|path| (path, Fate::LeaveOut { why: files::LINK_OF_ANOTHER.to_owned() }));
    let files = decided.chain(streams).chain(unreadable).chain(links);
    files.map(|(path, fate)| PlannedFile { file: path.to_string_lossy().into_owned(), fate }).collect()
}

/// The plan, and how a load would end before it has read anything.
fn report(
    config: &Config,
    destination: &dyn Destination,
    kinds: Kinds,
    sources: Vec<PlannedFile>,
    forecast: Forecast,
    with_sql: bool,
) -> (Plan, Exit) {
    let exit = if !forecast.obstacles.is_empty() {
        Exit::Usage
    } else if sources.iter().any(|file| matches!(file.fate, Fate::Refuse { .. })) {
        Exit::Failed
    } else {
        Exit::Success
    };
    let plan = Plan {
        head: Head::new("plan", Some(&config.name), exit),
        destination: destination.describe(),
        sources,
        target_exists: forecast.has_target,
        would_make: forecast.makes,
        obstacles: forecast.obstacles,
        warnings: forecast.warnings,
        held: forecast.held,
        key: key(config),
        guarantees: guarantees(config, kinds, destination.rests_on()),
        sql: with_sql.then_some(forecast.sql),
    };
    (plan, exit)
}

/// The key in words.
fn key(config: &Config) -> String {
    match &config.destination.key {
        Key::Position => "\"position\"".to_owned(),
        Key::Content => "\"content\"".to_owned(),
        Key::Columns(columns) => format!("[{}]", columns.join(", ")),
        Key::None => "\"none\"".to_owned(),
    }
}
