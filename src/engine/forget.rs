//! `forget`: sources out of the memory of a job, so that they are loaded again.
//!
//! The rows stay. What that means for the next load depends on the key, so it is said.

use std::path::PathBuf;

use chrono::NaiveDate;

use super::selected::selected;
use super::{Watch, destination};
use crate::config::Config;
use crate::error::{ErrorKind, Result, Unclear};
use crate::report::{Forget, RowsLeft};
use crate::sink::history::SourceStatus;
use crate::sink::key::SOURCE_ID;
use crate::sink::statement::delete_rows;
use crate::sink::{Destination, Key};

/// Which sources are meant.
#[derive(Clone, Debug, Default)]
pub struct Meant {
    /// Those of these files, which may be gone.
    pub files: Vec<PathBuf>,
    /// Of these, only those of this day.
    pub date: Option<NaiveDate>,
    /// Those with these ids.
    pub ids: Vec<i32>,
}

/// Forgets sources, or says only which would be.
pub fn forget(config: &Config, meant: &Meant, is_rehearsal: bool, watch: &Watch) -> Result<Forget> {
    let destination = destination(config, watch)?;
    let status = destination.history()?.status(&config.name)?.unwrap_or_default();
    let sources = meant.among(&status.sources, &config.name)?;
    let ids: Vec<i32> = sources.iter().map(|source| source.id).collect();
    let forgotten = if is_rehearsal { None } else { Some(destination.forget(&ids)?) };
    let has_place = config.destination.key.extra_columns().contains(&SOURCE_ID);
    let delete_sql = has_place.then(|| delete_rows(&*destination, &ids));
    let rows = rows(config, &*destination, delete_sql.as_deref());
    Ok(Forget::new(&config.name, destination.describe(), &sources, forgotten, delete_sql, rows))
}

impl Meant {
    /// The sources that are meant. A name that means none, or sources of several days, is more
    /// likely a mistake than a wish.
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

/// What becomes of rows that are there when their sources are loaded again.
fn rows(config: &Config, destination: &dyn Destination, delete_sql: Option<&str>) -> RowsLeft {
    let because = match config.destination.key {
        Key::None => "the job has no key",
        _ => "their key is the source and the place in it",
    };
    delete_sql.map_or(RowsLeft::Found, |sql| RowsLeft::Doubled { because, command: destination.shell(sql) })
}
