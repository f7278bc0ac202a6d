//! `dead-letters`: the records that did not become rows, with the evidence.

use std::ops::ControlFlow;

use super::args::{DeadLettersCommand, ListArgs, Output, ShowArgs};
use super::destination::{looked_at, next_command};
use super::job;
use super::speech::{Speech, print_as_is};
use crate::error::Error;
use crate::figure;
use crate::report::{Exit, Head, Letter, Letters, ShownLetter};
use crate::sink::history::Filter;

pub(super) fn dead_letters(command: &DeadLettersCommand, speech: Speech) -> anyhow::Result<Exit> {
    match command {
        DeadLettersCommand::List(args) => list(args, speech),
        DeadLettersCommand::Show(args) => show(args, speech),
    }
}

fn list(args: &ListArgs, speech: Speech) -> anyhow::Result<Exit> {
    let config = job::read(&args.job.job, &args.job.destination.overrides(), speech)?;
    let filter = Filter {
        job: config.name.clone(),
        id: None,
        state: (args.state != "any").then(|| args.state.clone()),
        code: args.code.clone(),
        field: args.field.clone(),
        source: args.source.clone(),
    };
    let (mut dead_letters, mut more) = (Vec::new(), 0);
    looked_at(&config, speech.observer())?.history()?.dead_letters(&filter, &mut |letter| {
        if args.limit == 0 || (dead_letters.len() as u64) < args.limit {
            // Without its record, which may be long.
            dead_letters.push(Letter::from(letter));
        } else {
            more += 1;
        }
        ControlFlow::Continue(())
    })?;
    let head = Head::new("dead-letters list", Some(&config.name), Exit::Success);
    speech.show(&Letters { head, dead_letters, more })?;
    if more > 0 && speech.output == Output::Text {
        speech.inform(&format!("{} more; -n 0 lists all", figure::count(more)));
    }
    Ok(Exit::Success)
}

fn show(args: &ShowArgs, speech: Speech) -> anyhow::Result<Exit> {
    let config = job::read(&args.job.job, &args.job.destination.overrides(), speech)?;
    let filter = Filter { job: config.name.clone(), id: Some(args.id), ..Filter::default() };
    let mut found = None;
    looked_at(&config, speech.observer())?.history()?.dead_letters(&filter, &mut |letter| {
        found = Some(letter);
        ControlFlow::Break(())
    })?;
    let mut letter = found.ok_or_else(|| {
        let list = next_command("dead-letters list", &args.job.job, args.job.destination.into.as_ref());
        Error::usage(format!("job {} has no dead letter {}; `{list}` shows them", config.name, args.id))
    })?;
    let (raw, letter) = (letter.raw.take(), Letter::from(letter));
    if args.raw {
        let raw = raw.ok_or_else(|| Error::usage(letter.not_kept()))?;
        print_as_is(&raw)?;
        return Ok(Exit::Success);
    }
    let head = Head::new("dead-letters show", Some(&config.name), Exit::Success);
    speech.show(&ShownLetter { head, letter, raw })?;
    Ok(Exit::Success)
}
