//! The sources that a job remembers, with their checkpoints.

use chrono::NaiveDate;
use postgres::Client;

use super::ask::{Answer, Line, ask_all, with_values};
use super::tables;
use super::trouble::Trouble;
use super::verdict::Step;
use crate::sink::claim::{Scope, Whose, hash, inode, unsigned};
use crate::sink::{Checkpoint, Owner, Remembered};
use crate::source::{Container, Preamble};
use crate::split::Split;

/// The remembered sources, from tables of this version.
pub(super) fn remembered(
    client: &mut Client,
    scope: &Scope,
    whose: Whose,
    version: i32,
) -> Result<Vec<Remembered>, Trouble> {
    let [sources, containers] = ask_all(client, Step::Claim, questions(scope, whose, version))?;
    remembered_by(&sources, &containers)
}

/// The same for the sources of all days; the day of the scope is ignored.
pub(super) fn remembered_of_days(
    client: &mut Client,
    scope: &Scope,
    version: i32,
) -> Result<Vec<Remembered>, Trouble> {
    let of_any_day = "s.data_date IS DISTINCT FROM $3";
    let questions = questions_of(scope, Whose::Own, of_any_day, version);
    let [sources, containers] = ask_all(client, Step::Claim, questions)?;
    remembered_by(&sources, &containers)
}

/// What is asked about the sources in the scope, and about the archives they were seen in.
pub(super) fn questions(scope: &Scope, whose: Whose, version: i32) -> [String; 2] {
    questions_of(scope, whose, "s.data_date IS NOT DISTINCT FROM $3", version)
}

fn questions_of(scope: &Scope, whose: Whose, of_days: &str, version: i32) -> [String; 2] {
    let (sources, checkpoints) = tables::of_version(version);
    let is_asked_for = match whose {
        // Sources from an older version have no table yet, and are taken to be in the job's.
        Whose::Own => "s.job = $1 AND coalesce(s.target, $2) = $2",
        Whose::Others => "s.job <> $1 AND s.target = $2",
    };
    let sources = format!("{sources} s WHERE {is_asked_for} AND {of_days}");
    let ask = |sql: String| with_values(&sql, &[&scope.job, &scope.target, &scope.data_date]);
    [
        ask(format!(
            "SELECT s.id, s.name, s.head_len, encode(s.head_hash, 'hex'), s.tail_start,
                    c.split_start, c.split_end, c.position, c.lines, c.tail_len, encode(c.tail_hash, 'hex'), c.complete,
                    encode(c.rules_hash, 'hex'), c.epoch, c.owner_run, c.owner_pid,
                    (extract(epoch FROM c.owner_start) * 1000000)::bigint,
                    encode(c.preamble, 'hex'), s.job, s.device, s.inode, c.rules_since,
                    s.data_date - '1970-01-01'::date, s.generation
             FROM (SELECT s.* FROM {sources}) s JOIN {checkpoints} c ON c.source_id = s.id
             ORDER BY s.id, c.split_start"
        )),
        ask(format!(
            "SELECT k.source_id, k.raw_size, encode(k.raw_head_hash, 'hex'), encode(k.raw_tail_hash, 'hex')
             FROM logmill.containers k JOIN (SELECT s.id FROM {sources}) s ON s.id = k.source_id"
        )),
    ]
}

/// The sources that the answers describe, sorted by id.
pub(super) fn remembered_by(sources: &Answer, containers: &Answer) -> Result<Vec<Remembered>, Trouble> {
    let bytes = |line: Line<'_>, column: usize| line.get::<Vec<u8>>(column);
    let mut remembered: Vec<Remembered> = Vec::new();
    for line in sources.rows() {
        let id = line.get(0)?;
        if remembered.last().is_none_or(|memory| memory.source_id != id) {
            let head_len = u32::try_from(line.get::<i32>(2)?).unwrap_or(0);
            let tail_start = line.get::<Option<i64>>(4)?.map(unsigned);
            let head = (head_len, hash(&bytes(line, 3)?));
            let mut memory = Remembered::new(id, line.get(18)?, line.get(1)?, head, tail_start);
            memory.known.inode = inode(line.get(19)?, line.get(20)?);
            memory.data_date = line.get::<Option<i32>>(22)?.and_then(NaiveDate::from_epoch_days);
            memory.generation = line.get(23)?;
            remembered.push(memory);
        }
        let memory = remembered.last_mut().expect("just pushed");
        memory.push(checkpoint(line)?);
    }
    for line in containers.rows() {
        let container = Container {
            size: unsigned(line.get(1)?),
            head_hash: hash(&bytes(line, 2)?),
            tail_hash: hash(&bytes(line, 3)?),
        };
        if let Ok(index) = remembered.binary_search_by_key(&line.get(0)?, |memory| memory.source_id) {
            remembered[index].known.containers.push(container);
        }
    }
    Ok(remembered)
}

fn checkpoint(line: Line<'_>) -> Result<Checkpoint, Trouble> {
    let owner = match (line.get(14)?, line.get(15)?) {
        (Some(run), Some(pid)) => Some(Owner { run, pid, start_us: line.get(16)? }),
        _ => None,
    };
    Ok(Checkpoint {
        split: Split { source: line.get(0)?, start: unsigned(line.get(5)?) },
        end: line.get::<Option<i64>>(6)?.map(unsigned),
        position: unsigned(line.get(7)?),
        lines: unsigned(line.get(8)?),
        tail: (u32::try_from(line.get::<i32>(9)?).unwrap_or(0), hash(&line.get::<Vec<u8>>(10)?)),
        preamble: Preamble::new(&line.get::<Option<Vec<u8>>>(17)?.unwrap_or_default()),
        complete: line.get(11)?,
        rules_hash: hash(&line.get::<Vec<u8>>(12)?),
        rules_since: unsigned(line.get(21)?),
        epoch: line.get(13)?,
        owner,
    })
}
