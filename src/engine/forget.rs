//! `forget`: removes sources from a job's memory, so that they are loaded again.
//!
//! The rows stay, unless they are to be deleted too. What remaining rows mean for the next load depends on
//! the key, and is reported.

use std::path::PathBuf;

use chrono::NaiveDate;

use super::selected::selected;
use super::status::old_rows;
use super::{Watch, destination};
use crate::config::Config;
use crate::error::{Error, ErrorKind, Result, Unclear};
use crate::report::{Forget, OldRows, RowsLeft};
use crate::sink::history::SourceStatus;
use crate::sink::statement::{delete_rows, delete_some};
use crate::sink::{Destination, Key};

/// Which sources are selected.
#[derive(Clone, Debug, Default)]
pub struct Meant {
    /// Those of these files, which may no longer exist.
    pub files: Vec<PathBuf>,
    /// Only those of this day.
    pub date: Option<NaiveDate>,
    /// Those with these ids.
    pub ids: Vec<i32>,
}

/// What to do with them.
#[derive(Clone, Copy, Debug, Default)]
pub struct ForgetOptions {
    /// Nothing; only reports what would be done.
    pub is_rehearsal: bool,
    /// Delete their rows, too.
    pub deletes_rows: bool,
}

/// Forgets sources, or only reports which it would forget. `consent` receives what is about to be done, and
/// can refuse.
pub fn forget(
    config: &Config,
    meant: &Meant,
    options: ForgetOptions,
    watch: &Watch,
    consent: &mut dyn FnMut(&Forget) -> bool,
) -> Result<Forget> {
    let destination = destination(config, watch)?;
    let has_place = config.destination.key.has_places();
    if options.deletes_rows && !has_place {
        return Err(Error::usage(
            "--delete-rows: the rows of this job do not say which source they are of (its key is neither \"position\" nor \
             \"none\"); forget without it, and a load finds them by their key",
        ));
    }
    let status = destination.history()?.status(&config.name)?.unwrap_or_default();
    let sources = meant.among(&status.sources, &config.name)?;
    let ids: Vec<i32> = sources.iter().map(|source| source.id).collect();
    let count = if has_place { destination.rows_of(&ids, options.deletes_rows)? } else { None };
    let takes_sql = has_place && destination.takes_sql();
    let delete_sql = takes_sql.then(|| match count {
        Some(_) => delete_rows(&*destination, &ids),
        None => delete_some(&*destination),
    });
    let left = rows(config, &*destination, options, delete_sql.as_deref());
    let delete_sql = delete_sql.filter(|_| count.is_some());
    let mut forget = Forget::new(&config.name, destination.describe(), &sources, count, delete_sql, left);
    if !options.is_rehearsal && consent(&forget) {
        forget.done(destination.forget(&ids, options.deletes_rows)?);
    }
    Ok(forget)
}

impl Meant {
    /// The selected sources. A name that matches none, or sources of several days, is more likely a mistake
    /// than intended.
    fn among<'a>(&self, sources: &'a [SourceStatus], job: &str) -> Result<Vec<&'a SourceStatus>> {
        let (mut meant, unknown) = selected(&self.files, sources)?;
        if let Some(file) = unknown.first() {
            return Err(ErrorKind::from(Unclear::NoFile { job: job.to_owned(), file: file.clone() }).into());
        }
        if let Some(date) = self.date {
            meant.retain(|source| source.data_date == Some(date));
            if meant.is_empty() && !self.files.is_empty() {
                return Err(ErrorKind::from(Unclear::NoFileOn { job: job.to_owned(), date }).into());
            }
        }
        let of_two_days =
            meant.iter().find(|one| meant.iter().any(|other| other.name == one.name && other.id != one.id));
        if let Some(source) = of_two_days {
            return Err(ErrorKind::from(Unclear::Several { name: source.name.clone() }).into());
        }
        for &id in &self.ids {
            let source = sources.iter().find(|source| source.id == id);
            let source = source.ok_or_else(|| ErrorKind::from(Unclear::NoId { job: job.to_owned(), id }))?;
            if !meant.iter().any(|meant| meant.id == id) {
                meant.push(source);
            }
        }
        Ok(meant)
    }
}

/// What happens to existing rows when their sources are loaded again.
fn rows(
    config: &Config,
    destination: &dyn Destination,
    options: ForgetOptions,
    delete_sql: Option<&str>,
) -> RowsLeft {
    let because = match config.destination.key {
        Key::None => "the job has no key",
        _ => "their key is the source and the place in it",
    };
    match delete_sql {
        _ if options.deletes_rows => RowsLeft::Deleted,
        Some(sql) => RowsLeft::Doubled { because, command: destination.shell(sql) },
        None => RowsLeft::Found { stay: old_rows(config) == OldRows::Kept },
    }
}
