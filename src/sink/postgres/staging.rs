//! Staging: the temporary table in which rows wait for their merge, and what is known about it.
//!
//! A connection keeps it from one transaction to the next, and COMMIT empties it. A rollback undoes what its
//! transaction did to it, but does not free the space in its file. So there are two predictions of what the
//! next transaction will find, and the end of this one selects one.

/// The name of the temporary table.
pub(super) const STAGE: &str = "logmill_stage";

/// The column that keeps the order of staged rows, if keys repeat.
pub(super) const STAGE_ROW: &str = "logmill_row";

/// Numbers the rows that are copied into the stage from then on. A sequence costs as much as the copy itself,
/// so it is used only if an order is needed.
const NUMBER_ROWS_SQL: &str = "ALTER TABLE pg_temp.logmill_stage
     ADD COLUMN IF NOT EXISTS logmill_row bigint GENERATED ALWAYS AS IDENTITY";

/// What a transaction finds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Content {
    /// No usable table. One with its name may exist: another job's, if a pool passes connections on; or one
    /// with numbered rows, which cost time at every COPY.
    #[default]
    Nothing,
    /// This connection's own table, empty.
    Empty,
    /// This connection's own table, whose file may contain the space of rolled-back rows.
    Littered,
}

/// The state of a connection's stage.
#[derive(Debug, Default)]
pub(super) struct Staging {
    /// What the next transaction finds if this one is rolled back.
    after_rollback: Content,
    /// What it finds if this one is committed.
    after_commit: Content,
    /// This transaction has copied rows into it.
    holds_rows: bool,
}

impl Staging {
    /// Begins a transaction. Whatever happened to the last one, no commit was reported.
    pub(super) fn begin(&mut self) {
        self.after_commit = self.after_rollback;
        self.holds_rows = false;
    }

    /// The statements that make the table exist and be empty.
    pub(super) fn make(&mut self, create_sql: &str) -> String {
        let make = match self.after_rollback {
            Content::Nothing => format!("DROP TABLE IF EXISTS pg_temp.{STAGE}; {create_sql}; "),
            Content::Empty => String::new(),
            Content::Littered => format!("TRUNCATE pg_temp.{STAGE}; "),
        };
        if self.after_rollback == Content::Empty {
            self.after_rollback = Content::Littered;
        }
        self.after_commit = Content::Empty;
        make
    }

    /// The statements that prepare it for the next rows, numbered if necessary.
    pub(super) fn clear(&mut self, must_number: bool) -> String {
        let mut sql = String::new();
        if self.holds_rows {
            sql = format!("TRUNCATE pg_temp.{STAGE}; ");
        }
        if must_number {
            sql.push_str(NUMBER_ROWS_SQL);
            self.after_commit = Content::Nothing;
        }
        self.holds_rows = true;
        sql
    }

    /// A part of the transaction was rolled back, which may have created the table.
    pub(super) fn forget(&mut self) {
        (self.after_rollback, self.after_commit) = (Content::Nothing, Content::Nothing);
    }

    pub(super) fn committed(&mut self) {
        self.after_rollback = self.after_commit;
    }

    /// A batch ends within a larger transaction: nothing has emptied the table.
    pub(super) fn released(&mut self) {
        self.after_rollback = match self.after_commit {
            Content::Nothing => Content::Nothing,
            Content::Empty | Content::Littered => Content::Littered,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A transaction that stages rows this many times. Returns the statements it sends for that.
    fn transaction(staging: &mut Staging, pieces: usize, numbered: bool, commits: bool) -> Vec<String> {
        staging.begin();
        let mut sent = vec![staging.make("CREATE")];
        sent.extend((0..pieces).map(|_| staging.clear(numbered)));
        if commits {
            staging.committed();
        }
        sent
    }

    const MAKE: &str = "DROP TABLE IF EXISTS pg_temp.logmill_stage; CREATE; ";
    const EMPTY: &str = "TRUNCATE pg_temp.logmill_stage; ";

    #[test]
    fn what_is_there_is_used_again_and_emptied_only_where_it_must_be() {
        let mut staging = Staging::default();
        assert_eq!(transaction(&mut staging, 2, false, true), [MAKE, "", EMPTY]);
        assert_eq!(transaction(&mut staging, 1, false, true), ["", ""]);
        assert_eq!(transaction(&mut staging, 1, false, false), ["", ""]);
        // That was rolled back.
        assert_eq!(transaction(&mut staging, 1, false, false), [EMPTY, ""]);
        assert_eq!(transaction(&mut staging, 1, false, true), [EMPTY, ""]);
        assert_eq!(transaction(&mut staging, 0, false, true), [""]);
    }

    #[test]
    fn one_that_was_made_in_vain_or_numbers_its_rows_is_made_anew() {
        let mut staging = Staging::default();
        transaction(&mut staging, 1, false, false);
        assert_eq!(transaction(&mut staging, 1, false, true)[0], MAKE);
        transaction(&mut staging, 1, true, true);
        assert_eq!(transaction(&mut staging, 1, false, true)[0], MAKE);
    }

    #[test]
    fn a_transaction_without_it_changes_nothing() {
        let mut staging = Staging::default();
        transaction(&mut staging, 1, false, true);
        staging.begin();
        staging.committed();
        assert_eq!(transaction(&mut staging, 1, false, true)[0], "");
    }
}
