//! `plan`: what a load would do, and what it promises, before it is let.

use std::fmt::Write as _;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::args::{Output, PlanArgs};
use super::destination::destination;
use super::exit::Exit;
use super::guarantees::{Kinds, guarantees};
use super::run::settings;
use super::speech::{Speech, one_line, print, printable};
use super::{files, job, table};
use crate::config::{Config, Overrides};
use crate::figure;
use crate::pipeline::{self, bytes_to_read};
use crate::sink::forecast::Forecast;
use crate::sink::{Claim, Claims, Destination, Key};
use crate::source::{Discovered, Found};
use crate::stop::Stop;

/// How many files of a kind are named; a machine gets them all.
const FILES_SHOWN: usize = 20;

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
    let mut plan = Plan::new(&config, &*destination, claims, unreadable, streams, forecast);
    let passed_over = passed_over.into_iter();
    plan.files.extend(
        passed_over.map(|path| Planned { path, fate: Fate::LeftOut(files::LINK_OF_ANOTHER.to_owned()) }),
    );
    if only_sql {
        for obstacle in &plan.forecast.obstacles {
            speech.warn(obstacle);
        }
        print(&plan.forecast.sql)?;
        // They are what is asked for when something stands in the way.
        return Ok(Exit::Success);
    }
    match speech.output {
        Output::Json => print(&format!("{}\n", plan.json(args.print_sql)))?,
        Output::Text => print(&plan.text())?,
    }
    Ok(plan.exit())
}

/// A plan, ready to be told.
struct Plan<'a> {
    config: &'a Config,
    destination: &'a dyn Destination,
    files: Vec<Planned>,
    guarantees: Vec<(&'static str, String)>,
    forecast: Forecast,
}

/// What would be done with a file.
struct Planned {
    path: PathBuf,
    fate: Fate,
}

enum Fate {
    /// It is read, from this position; so many bytes of the file, where that is known.
    Read { position: u64, bytes: Option<u64> },
    /// It is left out: there is nothing new in it. Why.
    LeftOut(String),
    /// It cannot be loaded. Why.
    Refused(String),
}

impl<'a> Plan<'a> {
    fn new(
        config: &'a Config,
        destination: &'a dyn Destination,
        claims: Claims,
        unreadable: Vec<(PathBuf, String)>,
        streams: Vec<Found>,
        forecast: Forecast,
    ) -> Plan<'a> {
        let kinds = claims.files.iter().fold(
            Kinds { stream: !streams.is_empty(), ..Kinds::default() },
            |kinds, file| Kinds {
                plain: kinds.plain || file.fingerprint.container.is_none(),
                archive: kinds.archive || file.fingerprint.container.is_some(),
                ..kinds
            },
        );
        let decided = claims.files.into_iter().zip(&forecast.claims).map(|(file, claim)| {
            let fate = match claim {
                Claim::Load { tasks, .. } => Fate::Read {
                    position: tasks.first().map_or(0, |task| task.start.record),
                    bytes: Some(tasks.iter().map(|task| bytes_to_read(task, &file)).sum()),
                },
                Claim::Finished { .. } => Fate::LeftOut("loaded to the end before".to_owned()),
                Claim::Duplicate(of) => Fate::LeftOut(format!("holds the same as {of}")),
                Claim::Changed(why) => Fate::Refused(why.clone()),
            };
            Planned { path: file.path, fate }
        });
        let unreadable = unreadable.into_iter().map(|(path, why)| Planned { path, fate: Fate::Refused(why) });
        let streams = streams
            .into_iter()
            .map(|found| Planned { path: found.path, fate: Fate::Read { position: 0, bytes: None } });
        Plan {
            config,
            destination,
            files: decided.chain(streams).chain(unreadable).collect(),
            guarantees: guarantees(config, kinds, destination.rests_on()),
            forecast,
        }
    }

    /// How a load would end before it has read anything.
    fn exit(&self) -> Exit {
        match () {
            () if !self.forecast.obstacles.is_empty() => Exit::Usage,
            () if self.files.iter().any(|file| matches!(file.fate, Fate::Refused(_))) => Exit::Failed,
            () => Exit::Success,
        }
    }

    fn text(&self) -> String {
        let mut out = format!("{} → {}\n", self.config.name, self.destination.describe());
        self.list(&mut out, "would be read", |fate| match fate {
            Fate::Read { position, bytes } => {
                let from = match position {
                    0 => String::new(),
                    position => format!(", from byte {} on", figure::count(*position)),
                };
                let bytes = bytes.map_or("a stream, which only a load can look at".to_owned(), figure::bytes);
                Some(format!("{bytes}{from}"))
            }
            _ => None,
        });
        self.list(&mut out, "would be left out", |fate| match fate {
            Fate::LeftOut(why) => Some(why.clone()),
            _ => None,
        });
        self.list(&mut out, "cannot be loaded", |fate| match fate {
            Fate::Refused(why) => Some(why.clone()),
            _ => None,
        });
        if let Some(held) = &self.forecast.held {
            let _ = writeln!(out, "\n{}, and would be waited for", printable(held));
        }
        paragraphs(&mut out, "stands in the way", &self.forecast.obstacles);
        paragraphs(&mut out, "to know", &self.forecast.warnings);
        if !self.forecast.makes.is_empty() {
            out.push_str("\nwould be made first (--print-sql shows the statements)\n");
            for make in &self.forecast.makes {
                let _ = writeln!(out, "  {}", printable(make));
            }
        }
        let _ = writeln!(out, "\nguaranteed, with key {}", key(self.config));
        let width = self.guarantees.iter().map(|(what, _)| what.chars().count()).max().unwrap_or(0);
        for (what, holds) in &self.guarantees {
            let lines = wrapped(&printable(holds), table::width().saturating_sub(width + 4));
            for (number, line) in lines.iter().enumerate() {
                let what = if number == 0 { what } else { "" };
                let _ = writeln!(out, "  {what:<width$}  {line}");
            }
        }
        out
    }

    /// The files of one fate, with what there is to say of each.
    fn list(&self, out: &mut String, title: &str, say: impl Fn(&Fate) -> Option<String>) {
        let said = self.files.iter().filter_map(|file| say(&file.fate).map(|text| (&file.path, text)));
        let files: Vec<(&PathBuf, String)> = said.collect();
        if files.is_empty() {
            return;
        }
        let _ = writeln!(out, "\n{} {title}", figure::some(files.len(), "file"));
        for (path, text) in files.iter().take(FILES_SHOWN) {
            let _ = writeln!(out, "  {}: {}", one_line(&path.to_string_lossy()), one_line(text));
        }
        if files.len() > FILES_SHOWN {
            let _ = writeln!(out, "  and {} more (--output json names all)", files.len() - FILES_SHOWN);
        }
    }

    fn json(&self, with_sql: bool) -> Value {
        let forecast = &self.forecast;
        let files = self.files.iter().map(|file| {
            let path = file.path.to_string_lossy();
            match &file.fate {
                Fate::Read { position, bytes } => {
                    json!({"file": path, "action": "read", "position": position, "bytes": bytes})
                }
                Fate::LeftOut(why) => json!({"file": path, "action": "leave_out", "why": why}),
                Fate::Refused(why) => json!({"file": path, "action": "refuse", "why": why}),
            }
        });
        let mut object = json!({
            "schema_version": 1,
            "command": "plan",
            "job": self.config.name,
            "destination": self.destination.describe(),
            "exit_code": self.exit().code(),
            "sources": files.collect::<Vec<_>>(),
            "target_exists": forecast.has_target,
            "would_make": forecast.makes,
            "obstacles": forecast.obstacles,
            "warnings": forecast.warnings,
            "held": forecast.held,
            "key": key(self.config),
            "guarantees": self.guarantees.iter()
                .map(|(what, holds)| json!({"what": what, "holds": holds})).collect::<Vec<_>>(),
        });
        if with_sql {
            object["sql"] = json!(forecast.sql);
        }
        object
    }
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

/// A text in lines of at most `width` characters, where its words allow it.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

fn paragraphs(out: &mut String, title: &str, texts: &[String]) {
    if texts.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n{title}");
    for text in texts {
        let _ = writeln!(out, "  {}", printable(text).replace('\n', "\n  "));
    }
}
