//! `dead-letters`: the records that did not become rows, with the evidence.

use std::ops::ControlFlow;

use super::{Watch, destination};
use crate::config::Config;
use crate::error::Result;
use crate::report::{Exit, Head, Letters, ShownLetter};
use crate::sink::history::{DeadLetter, Filter};

/// The job's dead letters that pass the filter, without their records; all of them, or up to a
/// limit.
pub fn dead_letters(config: &Config, filter: Filter, limit: Option<u64>, watch: &Watch) -> Result<Letters> {
    let filter = Filter { job: config.name.clone(), ..filter };
    let (mut dead_letters, mut more) = (Vec::new(), 0);
    destination(config, watch)?.history()?.dead_letters(&filter, &mut |letter| {
        if limit.is_none_or(|limit| (dead_letters.len() as u64) < limit) {
            dead_letters.push(DeadLetter { raw: None, ..letter });
        } else {
            more += 1;
        }
        ControlFlow::Continue(())
    })?;
    Ok(Letters {
        head: Head::new("dead-letters list", Some(&config.name), Exit::Success),
        dead_letters,
        more,
    })
}

/// One of them, with its record.
pub fn dead_letter(config: &Config, id: i64, watch: &Watch) -> Result<Option<ShownLetter>> {
    let filter = Filter { job: config.name.clone(), id: Some(id), ..Filter::default() };
    let mut found = None;
    destination(config, watch)?.history()?.dead_letters(&filter, &mut |letter| {
        found = Some(letter);
        ControlFlow::Break(())
    })?;
    let head = Head::new("dead-letters show", Some(&config.name), Exit::Success);
    Ok(found.map(|mut letter| ShownLetter { head, raw: letter.raw.take(), letter }))
}
