//! `dead-letters`: the records that did not become rows, with the evidence.

use std::ops::ControlFlow;
use std::path::Path;

use super::args::{
    DeadLettersCommand, DeliverArgs, DiscardArgs, ExportArgs, FilterArgs, JobArgs, ListArgs, Output,
    ReplayArgs, ShowArgs,
};
use super::next::next_command;
use super::speech::{Speech, json_lines, print, print_as_is, refuse_two_results};
use super::watchers::{Watchers, exit_of};
use crate::engine::{self, ExportTo, ReplayOptions, Watch};
use crate::error::{Error, ErrorKind, Result, Unclear};
use crate::figure;
use crate::report::Exit;
use crate::sink::history::Filter;
use crate::stop::Stop;

pub(super) fn dead_letters(
    command: &DeadLettersCommand,
    speech: Speech,
    stop: &Stop,
) -> anyhow::Result<Exit> {
    match command {
        DeadLettersCommand::List(args) => list(args, speech),
        DeadLettersCommand::Show(args) => show(args, speech),
        DeadLettersCommand::Deliver(args) => deliver(args, speech, stop),
        DeadLettersCommand::Export(args) => export(args, speech),
        DeadLettersCommand::Replay(args) => replay(args, speech, stop),
        DeadLettersCommand::Discard(args) => discard(args, speech),
    }
}

fn list(args: &ListArgs, speech: Speech) -> anyhow::Result<Exit> {
    let config = engine::read_job(&args.job.job, &args.job.destination.overrides(), &speech.watch())?;
    let filter = Filter { state: state(&args.state), ..args.filter.filter() };
    let limit = if args.counts { Some(0) } else { (args.limit > 0).then_some(args.limit) };
    let is_json = speech.output == Output::Json;
    let shown = |text: &str| if is_json { print(text) } else { speech.show_text(text) };
    let mut printed = Ok(());
    let letters = engine::dead_letters(&config, filter, limit, &speech.watch(), &mut |letters| {
        printed = shown(&letters.take_piece(is_json));
        if printed.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    let letters = advised(letters, &args.job)?;
    printed?;
    if args.counts && !is_json {
        shown(&letters.counts())?;
        return Ok(Exit::Success);
    }
    shown(&letters.end(is_json))?;
    if letters.more > 0 && !is_json {
        speech.inform(&format!("{} more; -n 0 lists all", figure::count(letters.more)));
    }
    Ok(Exit::Success)
}

fn discard(args: &DiscardArgs, speech: Speech) -> anyhow::Result<Exit> {
    let config = engine::read_job(&args.job.job, &args.job.destination.overrides(), &speech.watch())?;
    let note = args.note.as_deref();
    let discarded = engine::discard(&config, args.filter.filter(), note, &speech.watch());
    speech.show_unless_quiet(&advised(discarded, &args.job)?)?;
    Ok(Exit::Success)
}

/// If the letters with given ids do not exist, adds how to see those that do.
fn advised<T>(result: Result<T>, args: &JobArgs) -> anyhow::Result<T> {
    result.map_err(|error| match error.kind() {
        ErrorKind::Unclear(Unclear::NoLetter { .. }) => {
            let (into, table) = (args.destination.into.as_ref(), args.destination.table.as_ref());
            let list = next_command("dead-letters list", &args.job, into, table);
            Error::usage(format!("{error}; `{list}` shows them")).into()
        }
        _ => error.into(),
    })
}

/// The state that a word stands for; `None` for any.
fn state(word: &str) -> Option<String> {
    (word != "any").then(|| word.to_owned())
}

impl FilterArgs {
    fn filter(&self) -> Filter {
        let FilterArgs { code, field, source, since, id } = self;
        Filter {
            code: code.clone(),
            field: field.clone(),
            source: source.clone(),
            since: *since,
            ids: id.clone(),
            ..Filter::default()
        }
    }
}

fn export(args: &ExportArgs, speech: Speech) -> anyhow::Result<Exit> {
    let config = engine::read_job(&args.job.job, &args.job.destination.overrides(), &speech.watch())?;
    let filter = Filter { state: state(&args.state), ..args.filter.filter() };
    if args.out != Path::new("-") {
        let to = if args.raw { ExportTo::Records(&args.out) } else { ExportTo::Objects(&args.out) };
        speech
            .show_unless_quiet(&advised(engine::export(&config, filter, to, &speech.watch()), &args.job)?)?;
        return Ok(Exit::Success);
    }
    if args.raw {
        return Err(
            Error::usage("--raw writes the ids to a file beside the records; name a file with -o").into()
        );
    }
    refuse_two_results("-o -", speech)?;
    let mut out = json_lines(None);
    match engine::export(&config, filter, ExportTo::Reader(&mut out), &speech.watch()) {
        Err(error) if matches!(error.kind(), ErrorKind::Stopped(libc::SIGPIPE)) => {
            Ok(Exit::Stopped(libc::SIGPIPE))
        }
        exported => {
            speech.summarize(&advised(exported, &args.job)?)?;
            Ok(Exit::Success)
        }
    }
}

fn replay(args: &ReplayArgs, speech: Speech, stop: &Stop) -> anyhow::Result<Exit> {
    let mut watch = Watch { stop: stop.clone(), ..speech.watch() };
    let ReplayArgs { overwrite, dry_run, .. } = *args;
    let options = ReplayOptions { from: args.from.as_deref(), overwrite, dry_run };
    let config = engine::read_job(&args.job.job, &args.job.destination.overrides(), &watch)?;
    let watchers = Watchers::start(&args.watch, speech, &config, &watch.stats)?;
    watch.observer = watchers.observer();
    let replay = engine::replay(&config, args.filter.filter(), options, &watch);
    watchers.end(exit_of(&replay, |replay| replay.head.exit));
    let replay = advised(replay, &args.job)?;
    if let Some(error) = &replay.error {
        speech.error(error);
    }
    speech.show_unless_quiet(&replay)?;
    Ok(replay.head.exit)
}

fn show(args: &ShowArgs, speech: Speech) -> anyhow::Result<Exit> {
    let config = engine::read_job(&args.job.job, &args.job.destination.overrides(), &speech.watch())?;
    let letter = advised(engine::dead_letter(&config, args.id, &speech.watch()), &args.job)?;
    if args.raw {
        let raw = letter.raw.as_ref().ok_or_else(|| Error::usage(letter.not_kept()))?;
        print_as_is(raw)?;
        return Ok(Exit::Success);
    }
    speech.show(&letter)?;
    Ok(Exit::Success)
}

fn deliver(args: &DeliverArgs, speech: Speech, stop: &Stop) -> anyhow::Result<Exit> {
    let config = engine::read_job(&args.job.job, &args.job.destination.overrides(), &speech.watch())?;
    let delivered = engine::deliver(&config, &Watch { stop: stop.clone(), ..speech.watch() })?;
    speech.show_unless_quiet(&delivered)?;
    if let Some(error) = &delivered.delivery.error {
        speech.error(error);
    }
    Ok(delivered.head.exit)
}
