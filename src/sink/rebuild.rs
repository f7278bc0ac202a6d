//! Rebuilds: loaded sources are loaded again, in place of their rows.
//!
//! A rebuild is a load whose batches commit together. One transaction removes what its sources had, resets
//! their checkpoints to the start, takes the batches as usual, each under a savepoint, and commits once all
//! of them are in. So a reader sees the old rows or the new ones, and any failure leaves the old ones. This
//! file has the parts that are the same for every destination.

use chrono::NaiveDate;

use super::destination::Settings;
use super::history::Filter;
use super::key::quote;
use super::{Key, OnConflict};
use crate::error::{Error, ErrorKind};

/// The effects of a rebuild besides loading.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Rebuilt {
    /// Rows that were deleted.
    pub rows_removed: u64,
    /// Dead letters that are superseded.
    pub dead_letters_superseded: u64,
    /// Sources that were removed because their file no longer exists.
    pub sources_removed: u64,
    /// Letters that recurred unchanged, and stay discarded.
    pub discarded_again: u64,
    /// Letters whose record is a row again by the bytes that a person had mended.
    pub mended_again: u64,
    /// Decisions about letters that no longer apply: discarded letters that recurred differently or are
    /// rows now, and replayed ones that are open again.
    pub undone: u64,
}

/// The column that holds the day of a row, for rows that do not name their source.
pub const DATA_DATE: &str = "data_date";

/// How a rebuild identifies the rows that it removes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Provenance {
    /// They record their source.
    Source,
    /// They record the day of the run, in [`DATA_DATE`].
    Day(NaiveDate),
}

impl Provenance {
    /// How the rows of a job are identified, if they can be.
    pub(super) fn of(settings: &Settings) -> Option<Provenance> {
        if settings.key.has_places() {
            return Some(Provenance::Source);
        }
        let date = settings.data_date?;
        let is_written =
            |name: &str, text: Option<&str>| name == DATA_DATE && text == Some(&date.to_string());
        let mut constants = settings.constants.iter();
        let is_day = constants.any(|constant| is_written(&constant.name, constant.text.as_deref()));
        is_day.then_some(Provenance::Day(date))
    }

    /// The day, if it identifies the rows.
    pub(super) fn day(self) -> Option<NaiveDate> {
        match self {
            Provenance::Source => None,
            Provenance::Day(date) => Some(date),
        }
    }
}

/// Refuses a job whose rows cannot be distinguished from others.
pub fn refuse_unknowable(settings: &Settings, is_whole: bool) -> Result<(), Error> {
    let why = match (Provenance::of(settings), &settings.key) {
        (Some(Provenance::Source), _) => return Ok(()),
        (Some(Provenance::Day(_)), _) if is_whole => return Ok(()),
        (Some(Provenance::Day(_)), _) => {
            "the rows of this job record their day but not their source, so you can rebuild a day but not \
            single files; leave out the FILEs"
        }
        (None, Key::Content) => {
            "the rows of this job (key = \"content\") do not record their source, so a rebuild cannot find \
            them; a job with a data date can record it: data_date = \"{date}\" in [destination] columns"
        }
        (None, _) => {
            "the rows of this job do not record their source, so a rebuild cannot find them; use key = \
            \"position\", or, in a job with a data date, record it: data_date = \"{date}\" in [destination] columns"
        }
    };
    Err(Error::usage(format!("--rebuild: {why}")))
}

/// How to reload a changed file in place of its rows, where these can be distinguished from others.
pub fn advice(settings: &Settings) -> Option<String> {
    let day = match (Provenance::of(settings)?, settings.data_date) {
        (Provenance::Source, day) => day.map(|day| format!(" --date {day}")).unwrap_or_default(),
        (Provenance::Day(day), _) => {
            return Some(format!(
                "if it was corrected, `logmill load -j JOB --date {day} --rebuild` replaces the rows of its day"
            ));
        }
    };
    Some(format!("if it was corrected, `logmill load -j JOB{day} --rebuild FILE` replaces its rows"))
}

/// The error when another job writes a table whose rows name only their day.
pub(super) fn not_alone(table: &str, job: &str) -> Error {
    Error::usage(format!(
        "--rebuild: job {job} also loads into {table}, and rows record their day but not their job, so \
        they cannot be told apart; nothing was changed"
    ))
}

/// The error when a row meets one of another day.
pub(super) fn of_another_day(table: &str, date: NaiveDate) -> Error {
    not_rebuilt(format!(
        "a record of {date} has a key that a row of another data_date has in {table}: writing it would \
        change that day; rebuild that day first, or correct the key"
    ))
}

/// The error when the old rows stay.
pub(super) fn not_rebuilt(why: String) -> Error {
    ErrorKind::NotRebuilt(why).into()
}

/// The column that [`Provenance::Day`] is compared with to remove the rows of a day.
pub(super) fn day_column() -> String {
    quote(DATA_DATE)
}

/// The table in which superseded letters wait for their successors: their ids, and their former states.
pub(super) const BEFORE: &str = "logmill_before";

/// A destination's words for the statements of [`pairs_sql`] and the functions after it.
pub(super) struct Words<'a> {
    pub(super) letters: &'a str,
    /// The table of [`BEFORE`], with its schema.
    pub(super) before: &'a str,
    /// The codes of the reasons of letter `d`, in a fixed order.
    pub(super) codes: &'a str,
}

/// Asks whether people had decided anything about the letters.
pub(super) fn is_decided_sql(words: &Words<'_>) -> String {
    let Words { letters, before, .. } = words;
    format!(
        "SELECT EXISTS (SELECT 1 FROM {before} b JOIN {letters} d ON d.id = b.id
                        WHERE b.state <> 'open' OR d.fixed IS NOT NULL)"
    )
}

/// The new letters, each with its predecessor: a letter of the same bytes in the same source. The first is
/// paired with the first, and so on, because a mended file has them at other offsets.
fn pairs_sql(words: &Words<'_>, sources: &str) -> String {
    let Words { letters, before, codes } = words;
    let number =
        "row_number() OVER (PARTITION BY d.source_id, coalesce(d.raw_hash, d.raw) ORDER BY d.source_offset)";
    format!(
        "WITH old AS (
             SELECT b.id, b.state, d.source_id, coalesce(d.raw_hash, d.raw) AS bytes, d.note, d.fixed, {codes} AS codes,
                    {number} AS number
             FROM {before} b JOIN {letters} d ON d.id = b.id
         ), new AS (
             SELECT d.id, d.state, d.source_id, coalesce(d.raw_hash, d.raw) AS bytes, {codes} AS codes, {number} AS number
             FROM {letters} d WHERE d.source_id IN ({sources}) AND d.state <> 'superseded'
         ), pair AS (
             SELECT new.id, new.state, old.id AS old_id, old.state AS old_state, old.note, old.fixed,
                    old.state = 'discarded' AND old.codes = new.codes AS is_discarded
             FROM new JOIN old ON old.source_id = new.source_id AND old.bytes = new.bytes AND old.number = new.number
         )"
    )
}

/// Carries decisions over to letters that came again: a discarded letter stays discarded, and a mended record
/// is kept, to be retried.
pub(super) fn carry_over_sql(words: &Words<'_>, sources: &str) -> String {
    format!(
        "{} UPDATE {} AS d SET state = CASE WHEN p.is_discarded THEN 'discarded' ELSE d.state END,
                note = CASE WHEN p.is_discarded THEN p.note ELSE d.note END, fixed = p.fixed
         FROM pair p WHERE p.id = d.id AND (p.is_discarded OR p.fixed IS NOT NULL)",
        pairs_sql(words, sources),
        words.letters
    )
}

/// The letters to retry with their mended bytes.
pub(super) fn mended_sql(words: &Words<'_>, sources: &str) -> String {
    format!(
        "SELECT d.id FROM {} d WHERE d.source_id IN ({sources}) AND d.state = 'open' AND d.fixed IS NOT NULL ORDER BY d.id",
        words.letters
    )
}

/// Letters to retry with their mended bytes.
#[derive(Clone, Debug)]
pub struct Mended {
    /// Which letters.
    pub filter: Filter,
    /// From the last to the first, like any replay in which existing rows win.
    pub is_backwards: bool,
}

impl Mended {
    /// The letters with these ids, if there are any.
    pub(super) fn of(settings: &Settings, ids: Vec<i64>) -> Option<Mended> {
        let (job, state) = (settings.job.clone(), Some("open".to_owned()));
        let is_backwards =
            matches!(settings.key, Key::Columns(_)) && settings.on_conflict == OnConflict::Update;
        let is_empty = ids.is_empty();
        let filter = Filter { job, ids, state, ..Filter::default() };
        (!is_empty).then_some(Mended { filter, is_backwards })
    }
}

/// What happens in a rebuild when the row of a mended letter meets one with its key: that row comes from a
/// later record, and wins.
pub(super) fn conflict_of_letters(settings: &Settings) -> OnConflict {
    match settings.on_conflict {
        OnConflict::Update => OnConflict::Keep,
        ref other => other.clone(),
    }
}

/// The outcome of the decisions: how many letters are discarded again, how many became rows again with their
/// mended bytes, and how many decisions no longer hold.
pub(super) fn decisions_sql(words: &Words<'_>, sources: &str) -> String {
    format!(
        "{} SELECT count(*) FILTER (WHERE o.state = 'discarded' AND p.state = 'discarded'),
                   count(*) FILTER (WHERE p.state = 'replayed'),
                   count(*) FILTER (WHERE o.state = 'discarded' AND coalesce(p.state, '') <> 'discarded'
                                       OR o.state = 'replayed' AND p.state = 'open')
         FROM old o LEFT JOIN pair p ON p.old_id = o.id",
        pairs_sql(words, sources)
    )
}

/// Ids as a list in a statement. There may be none.
pub(super) fn listed(ids: impl IntoIterator<Item = i32>) -> String {
    let ids: Vec<String> = ids.into_iter().map(|id| id.to_string()).collect();
    if ids.is_empty() { "NULL".to_owned() } else { ids.join(", ") }
}
