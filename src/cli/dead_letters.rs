//! `dead-letters`: the records that did not become rows, with the evidence.

use std::ops::ControlFlow;

use super::args::{
    DeadLettersCommand, DeliverArgs, DiscardArgs, ExportArgs, FilterArgs, ListArgs, Output, ReplayArgs,
    ShowArgs,
};
use super::next::next_command;
use super::speech::{Speech, print, print_as_is};
use crate::engine::{self, ReplayOptions, Watch};
use crate::error::Error;
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
    let mut printed = Ok(());
    let letters = engine::dead_letters(&config, filter, limit, &speech.watch(), &mut |letters| {
        printed = print(&letters.take_piece(is_json));
        if printed.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    printed?;
    if args.counts && !is_json {
        print(&letters.counts())?;
        return Ok(Exit::Success);
    }
    print(&letters.end(is_json))?;
    if letters.more > 0 && !is_json {
        speech.inform(&format!("{} more; -n 0 lists all", figure::count(letters.more)));
    }
    Ok(Exit::Success)
}

fn discard(args: &DiscardArgs, speech: Speech) -> anyhow::Result<Exit> {
    let config = engine::read_job(&args.job.job, &args.job.destination.overrides(), &speech.watch())?;
    let note = args.note.as_deref();
    speech.show(&engine::discard(&config, args.filter.filter(), note, &speech.watch())?)?;
    Ok(Exit::Success)
}

/// The state that is meant by a word, unless it is any.
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
    let exported = engine::export(&config, filter, &args.out, args.raw, &speech.watch())?;
    speech.show(&exported)?;
    Ok(Exit::Success)
}

fn replay(args: &ReplayArgs, speech: Speech, stop: &Stop) -> anyhow::Result<Exit> {
    let watch = Watch { stop: stop.clone(), ..speech.watch() };
    let ReplayArgs { overwrite, dry_run, .. } = *args;
    let options = ReplayOptions { from: args.from.as_deref(), overwrite, dry_run };
    let overrides = args.job.destination.overrides();
    let replay = engine::replay(&args.job.job, &overrides, args.filter.filter(), options, &watch)?;
    if let Some(error) = &replay.error {
        speech.error(error);
    }
    speech.show(&replay)?;
    Ok(replay.head.exit)
}

fn show(args: &ShowArgs, speech: Speech) -> anyhow::Result<Exit> {
    let config = engine::read_job(&args.job.job, &args.job.destination.overrides(), &speech.watch())?;
    let letter = engine::dead_letter(&config, args.id, &speech.watch())?.ok_or_else(|| {
        let destination = &args.job.destination;
        let list = next_command(
            "dead-letters list",
            &args.job.job,
            destination.into.as_ref(),
            destination.table.as_ref(),
        );
        Error::usage(format!("job {} has no dead letter {}; `{list}` shows them", config.name, args.id))
    })?;
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
    speech.show(&delivered)?;
    if let Some(error) = &delivered.delivery.error {
        speech.error(error);
    }
    Ok(delivered.head.exit)
}
