//! Cuts in PostgreSQL: the checkpoint of a split becomes the checkpoints of its parts.

use std::collections::HashMap;

use postgres::Row;

use super::ask::Ask as _;
use super::constants::Constants;
use super::link::{Backend, Link};
use super::trouble::{Trouble, at, pass};
use super::verdict::Step;
use crate::sink::Cut;
use crate::sink::claim::{lost_ownership, signed, unsigned};
use crate::sink::ledger::Holdings;
use crate::source::hash16;
use crate::split::Split;

/// Ends splits of this run at their first places. No other run may own them, and nothing after the places may
/// be loaded.
const END_SQL: &str = "UPDATE logmill.checkpoints c SET split_end = n.place
     FROM unnest($1::int[], $2::bigint[], $3::bigint[], $4::bigint[]) n (id, start, epoch, place)
     WHERE c.source_id = n.id AND c.split_start = n.start AND c.epoch = n.epoch AND c.owner_run = $5
       AND NOT c.complete AND c.position < n.place";

/// Creates the parts. If they exist already, the answer to an earlier attempt was lost: this run created
/// them, and nothing of them is loaded.
const MAKE_SQL: &str = "INSERT INTO logmill.checkpoints AS c
         (source_id, split_start, split_end, position, tail_hash, epoch, owner_run, owner_pid, owner_start, rules_hash)
     SELECT n.id, n.start, n.ends, n.start, $5, 1, $6, $7, to_timestamp(0) + $8::bigint * interval '1 microsecond',
            p.rules_hash
     FROM unnest($1::int[], $2::bigint[], $3::bigint[], $4::bigint[]) n (id, parent, start, ends)
     JOIN logmill.checkpoints p ON p.source_id = n.id AND p.split_start = n.parent
     ON CONFLICT (source_id, split_start) DO UPDATE
         SET epoch = c.epoch + 1, owner_pid = EXCLUDED.owner_pid, owner_start = EXCLUDED.owner_start
         WHERE c.owner_run = EXCLUDED.owner_run AND c.position = c.split_start
     RETURNING source_id, split_start, epoch";

/// Cuts splits in one transaction, and returns what the run holds then. Safe to repeat.
pub(super) fn cut(
    link: &mut Link,
    constants: &Constants,
    cuts: &[Cut],
    owned: &Holdings,
    run: i64,
    backend: Backend,
) -> Result<Holdings, Trouble> {
    let client = &mut link.client;
    pass(Step::Claim, "before-cut")?;
    at(Step::Claim, client.batch_execute(&constants.begin_sql))?;
    let ids: Vec<i32> = cuts.iter().map(|cut| cut.split.source).collect();
    let starts: Vec<i64> = cuts.iter().map(|cut| signed(cut.split.start)).collect();
    let epochs: Vec<i64> = cuts.iter().map(|cut| owned.get(cut.split).epoch).collect();
    let places: Vec<i64> = cuts.iter().map(|cut| signed(cut.places[0])).collect();
    let ended = client.tell(END_SQL, &[&ids, &starts, &epochs, &places, &run]);
    if at(Step::Claim, ended)? != cuts.len() as u64 {
        return Err(Trouble::Ours(lost_ownership()));
    }
    let parts = || cuts.iter().flat_map(|cut| cut.parts().map(move |(part, end)| (cut.split, part, end)));
    let ids: Vec<i32> = parts().map(|(_, part, _)| part.source).collect();
    let parents: Vec<i64> = parts().map(|(parent, ..)| signed(parent.start)).collect();
    let starts: Vec<i64> = parts().map(|(_, part, _)| signed(part.start)).collect();
    let ends: Vec<Option<i64>> = parts().map(|(.., end)| end.map(signed)).collect();
    let made = client.ask(
        MAKE_SQL,
        &[&ids, &parents, &starts, &ends, &&hash16(b"").0[..], &run, &backend.pid, &backend.start_us],
    );
    let made = at(Step::Claim, made)?;
    if made.len() != ids.len() {
        return Err(Trouble::Ours(lost_ownership()));
    }
    let split = |row: &Row| Split { source: row.get(0), start: unsigned(row.get(1)) };
    let epochs: HashMap<Split, i64> = made.iter().map(|row| (split(row), row.get(2))).collect();
    let mut owned = owned.clone();
    owned.cut(cuts, |split| epochs.get(&split).copied().unwrap_or(1));
    pass(Step::Claim, "before-cut-commit")?;
    at(Step::Claim, client.batch_execute("SET CONSTRAINTS ALL IMMEDIATE; COMMIT"))?;
    pass(Step::Claim, "after-cut")?;
    Ok(owned)
}
