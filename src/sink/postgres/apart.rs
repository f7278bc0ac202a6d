//! Taking a batch apart: the server tries each row by itself.
//!
//! Finding a refused row by sending less takes a few messages. That is cheap when most rows pass, and too
//! expensive when almost none does: a partition is missing, or a row that a foreign key refers to. In that
//! case the rows are staged as they are, without the target's lengths, domains and CHECKs, and a function on
//! the server does with each what a merge would, in a subtransaction of its own. It returns the refused rows,
//! and why. The function is temporary and ends with the connection; if the role may not create one, pieces
//! are sent as before.

use postgres::SimpleQueryMessage;

use super::catalog::Target;
use super::link::{Link, OUR_PATH};
use super::marks::Marks;
use super::names::literal;
use super::staging::STAGE;
use super::trouble::{Refusal, Trouble, at};
use super::verdict::Step;
use super::wire::{Column, Wire};
use super::words::{Operators, Words};
use crate::error::Error;
use crate::sink::key::quote;
use crate::sink::{Key, OnConflict};

/// The name of the temporary table, and of the function.
const APART: &str = "logmill_apart";

/// How many rows one statement tries, so that there is a sign of life now and then.
pub(super) const ROWS_MAX: usize = 10_000;

/// The statements that take a batch apart.
#[derive(Debug)]
pub(super) struct Apart {
    make_sql: String,
    pub(super) copy_sql: String,
    /// The dates of the rows that those of the batch replace.
    pub(super) replaced_sql: Option<String>,
}

/// The outcome of a run of rows, up to one that the server refused in a way that the function does not
/// handle.
#[derive(Debug, Default)]
pub(super) struct Tried {
    /// The number of the last row that was tried, counted from one.
    pub(super) last: usize,
    pub(super) inserted: i64,
    pub(super) updated: i64,
    pub(super) unchanged: i64,
    pub(super) superseded: i64,
    /// Neither refused nor present afterwards.
    pub(super) swallowed: i64,
    /// The refused rows, by number.
    pub(super) refused: Vec<(usize, Refusal)>,
}

impl Apart {
    pub(super) fn new(
        target: &Target,
        columns: &[Column],
        key: &Key,
        on_conflict: &OnConflict,
        operators: &Operators,
        marks: &Marks,
    ) -> Apart {
        let words =
            Words { columns, key_columns: target.identity(key), on_conflict, operators, is_raw: true };
        let staged = words.list(columns, |column| {
            let kind = if column.wire == Wire::Cast { "text" } else { &column.base_type };
            format!("{} {kind}", quote(&column.name))
        });
        let replaced = words.replaced(*key == Key::Position);
        let replaced_sql = replaced
            .and_then(|joined| marks.replaced_sql(&target.quoted(), &format!("pg_temp.{APART}"), &joined));
        Apart {
            replaced_sql,
            make_sql: format!(
                "DROP TABLE IF EXISTS pg_temp.{APART};
                 CREATE TEMPORARY TABLE {APART} (logmill_row bigint GENERATED ALWAYS AS IDENTITY, {staged}) ON COMMIT DROP;
                 CREATE OR REPLACE FUNCTION pg_temp.{APART}(logmill_from bigint, logmill_to bigint)
                 RETURNS TABLE (logmill_row bigint, logmill_code text, logmill_message text, logmill_detail text,
                                logmill_schema text, logmill_constraint text, logmill_column text)
                 LANGUAGE plpgsql AS {}",
                literal(&body(&words, &target.quoted(), *key == Key::Position))
            ),
            copy_sql: format!("COPY pg_temp.{APART} ({}) FROM STDIN BINARY", words.names()),
        }
    }

    /// Creates the table and the function, in a transaction that resolves names on `path`.
    pub(super) fn make(&self, link: &mut Link, path: &str) -> Result<(), Trouble> {
        let sql =
            format!("SET LOCAL search_path = {OUR_PATH}; {}; SET LOCAL search_path = {path}", self.make_sql);
        at(Step::Begin, link.client.batch_execute(&sql))
    }

    /// Tries the rows with these numbers, in order.
    pub(super) fn run(&self, link: &mut Link, first: usize, last: usize) -> Result<Tried, Trouble> {
        let sql = format!("SELECT * FROM pg_temp.{APART}({first}, {last})");
        let answer = at(Step::Merge, link.client.simple_query(&sql))?;
        link.pulse.beat();
        let mut tried = Tried::default();
        for message in &answer {
            let SimpleQueryMessage::Row(row) = message else { continue };
            let text = |index: usize| row.try_get(index).ok().flatten();
            let (number, code) = (text(0).and_then(|text| text.parse().ok()), text(1));
            let (Some(number), Some(said)) = (number, text(2)) else { return Err(no_answer()) };
            match code {
                Some(code) => {
                    let refusal = Refusal::in_row(code, said, text(3), text(4), text(5), text(6));
                    tried.refused.push((number, refusal));
                }
                None => {
                    let mut numbers = said.split(' ').map_while(|number| number.parse().ok());
                    let mut next = || numbers.next().ok_or_else(no_answer);
                    tried.last = number;
                    tried.inserted = next()?;
                    tried.updated = next()?;
                    tried.unchanged = next()?;
                    tried.superseded = next()?;
                    tried.swallowed = next()?;
                }
            }
        }
        Ok(tried)
    }
}

fn no_answer() -> Trouble {
    Trouble::Ours(Error::broken("the server took a batch apart and did not say what became of it"))
}

/// The function. Every row passes through the stage, whose CHECKs judge it whatever happens to it later. The
/// function stops after a refusal outside the usual classes; the caller decides what that means.
fn body(words: &Words<'_>, table: &str, is_position: bool) -> String {
    let (join, new_row, names) = (words.join(), words.new_row(), words.names());
    let staged = words.list(words.columns, |column| format!("s.{}", quote(&column.name)));
    let insert = format!("INSERT INTO {table} AS t ({names}) VALUES ({new_row})");
    let apply = if words.key_columns.is_empty() {
        format!(
            "{insert};
             GET DIAGNOSTICS logmill_rows = ROW_COUNT;
             inserted := inserted + logmill_rows; swallowed := swallowed + 1 - logmill_rows;"
        )
    } else {
        let differs = if words.can_change() { words.differs("s") } else { "false".to_owned() };
        let update = match words.can_change() {
            true => format!("UPDATE {table} t SET {} WHERE {join}; updated := updated + 1;", words.set("s")),
            false => "NULL;".to_owned(),
        };
        let remove_moved = match words.has_moved().filter(|_| is_position) {
            Some(has_moved) => {
                format!("DELETE FROM {table} t WHERE {has_moved}; GET DIAGNOSTICS moved = ROW_COUNT;")
            }
            None => String::new(),
        };
        format!(
            "{remove_moved}
             SELECT {differs}, {} INTO is_other, is_better FROM {table} t WHERE {join};
             IF NOT FOUND THEN
                 {insert} {};
                 GET DIAGNOSTICS logmill_rows = ROW_COUNT;
                 IF logmill_rows = 1 THEN
                     inserted := inserted + 1 - moved; updated := updated + moved;
                 ELSE
                     -- A trigger has made of it what is there already, or has left it out.
                     PERFORM FROM {table} t WHERE {join};
                     IF FOUND THEN unchanged := unchanged + 1; ELSE swallowed := swallowed + 1; END IF;
                 END IF;
             ELSIF is_better THEN
                 {update}
             ELSIF is_other THEN superseded := superseded + 1;
             ELSE unchanged := unchanged + 1;
             END IF;",
            words.wins("s"),
            words.instead()
        )
    };
    format!(
        "#variable_conflict use_column
         DECLARE
             s record; tried bigint := logmill_from; moved bigint := 0; logmill_rows bigint; is_other boolean; is_better boolean;
             inserted bigint := 0; updated bigint := 0; unchanged bigint := 0; superseded bigint := 0; swallowed bigint := 0;
         BEGIN
             FOR s IN SELECT a.* FROM pg_temp.{APART} a
                      WHERE a.logmill_row >= logmill_from AND a.logmill_row <= logmill_to ORDER BY a.logmill_row LOOP
                 tried := s.logmill_row;
                 BEGIN
                     INSERT INTO pg_temp.{STAGE} ({names}) VALUES ({staged});
                     {apply}
                 EXCEPTION WHEN OTHERS THEN
                     GET STACKED DIAGNOSTICS logmill_code = RETURNED_SQLSTATE, logmill_message = MESSAGE_TEXT,
                         logmill_detail = PG_EXCEPTION_DETAIL, logmill_schema = SCHEMA_NAME, logmill_constraint = CONSTRAINT_NAME, logmill_column = COLUMN_NAME;
                     logmill_row := tried;
                     RETURN NEXT;
                     EXIT WHEN pg_catalog.left(logmill_code, 2) NOT IN ('22', '23', '44', '54', 'P0');
                 END;
             END LOOP;
             logmill_row := tried;
             logmill_code := NULL;
             logmill_message := pg_catalog.concat_ws(' ', inserted, updated, unchanged, superseded, swallowed);
             RETURN NEXT;
         END"
    )
}
