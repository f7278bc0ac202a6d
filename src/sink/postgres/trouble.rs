//! What can go wrong between logmill and the server, before it is judged.

use std::error::Error as _;

use postgres::error::SqlState;

use super::connect::hostility;
use super::names::IndexName;
use super::verdict::{Step, Verdict, verdict};
use crate::error::{Error, ErrorKind};
use crate::failpoint;
use crate::reject::Code;
use crate::sink::dead_letter::Refused;

/// A failure at a step.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The server answered with an error.
    Server(Box<Refusal>),
    /// The connection is gone. Nothing is known about the last message.
    Lost {
        /// What was being done.
        step: Step,
        /// What the system or the driver said.
        what: String,
    },
    /// logmill's own: a source changed, an invariant broke. Passed on unchanged.
    Ours(Error),
}

/// An error as the server gave it.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) step: Step,
    pub(super) code: SqlState,
    pub(super) message: String,
    /// The server's detail about the row. It goes into the dead letter, and is never shown otherwise.
    detail: Option<String>,
    pub(super) hint: Option<String>,
    /// The schema of the table it is about.
    schema: Option<String>,
    pub(super) constraint: Option<String>,
    pub(super) column: Option<String>,
    /// The row of the batch, if the server named it. This is a hint that saves time: the row is tried alone
    /// before it is called bad.
    pub(super) row: Option<usize>,
    context: Option<String>,
    /// What could not be done, if that says more than the step.
    doing: Option<String>,
}

/// Adds the step to a failure.
pub(super) fn at<T>(step: Step, result: Result<T, postgres::Error>) -> Result<T, Trouble> {
    result.map_err(|error| Trouble::new(step, &error))
}

/// Passes a failpoint. An injected failure looks as if the connection were lost.
pub(super) fn pass(step: Step, point: &'static str) -> Result<(), Trouble> {
    match failpoint::reached(point) {
        true => Err(Trouble::Lost { step, what: format!("failpoint {point}") }),
        false => Ok(()),
    }
}

/// The server gave an answer that no PostgreSQL gives.
pub(super) fn odd_answer(step: Step) -> Error {
    ErrorKind::Server {
        doing: step.doing().to_owned(),
        sqlstate: None,
        message: "the server answered with other columns than were asked for; is it a PostgreSQL server?"
            .to_owned(),
    }
    .into()
}

/// The longest text of an error that is kept: a server can send megabytes, and all of it would be shown.
const SAID_BYTES_MAX: usize = 16 << 10;

/// The longest context. The functions that called each other come before the line of the COPY.
const CONTEXT_BYTES_MAX: usize = 256 << 10;

/// The text, or its start if it is longer than `bytes_max`.
fn shortened(text: &str, bytes_max: usize) -> String {
    match text.len() <= bytes_max {
        true => text.to_owned(),
        false => format!("{}…", &text[..text.floor_char_boundary(bytes_max)]),
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Trouble {
        Trouble::Ours(error)
    }
}

impl Trouble {
    /// The server refused what was sent at this step.
    pub(super) fn is_refusal_at(&self, step: Step) -> bool {
        matches!(self, Trouble::Server(refusal) if refusal.step == step)
    }

    pub(super) fn new(step: Step, error: &postgres::Error) -> Trouble {
        match error.as_db_error() {
            Some(db) => Trouble::Server(Box::new(Refusal {
                step,
                code: well_formed(db.code()),
                message: shortened(db.message(), SAID_BYTES_MAX),
                detail: db.detail().map(|detail| shortened(detail, SAID_BYTES_MAX)),
                hint: db.hint().map(|hint| shortened(hint, SAID_BYTES_MAX)),
                schema: db.schema().map(str::to_owned),
                constraint: db.constraint().map(str::to_owned),
                column: db.column().map(str::to_owned),
                row: None,
                context: db.where_().map(|context| shortened(context, CONTEXT_BYTES_MAX)),
                doing: None,
            })),
            None if let Some(why) = hostility(error) => Trouble::Ours(
                ErrorKind::Server {
                    doing: format!("broke off while {}", step.doing()),
                    sqlstate: None,
                    message: format!("{why}; what was committed is kept"),
                }
                .into(),
            ),
            None if breaks_off(error) => Trouble::Lost { step, what: describe(error) },
            None => Trouble::Ours(
                ErrorKind::Server {
                    doing: step.doing().to_owned(),
                    sqlstate: None,
                    message: format!("{}; what was committed is kept", describe(error)),
                }
                .into(),
            ),
        }
    }

    /// Nothing answered at the server's address.
    pub(super) fn is_unreached(&self) -> bool {
        matches!(self, Trouble::Lost { step: Step::Connect, .. })
    }

    /// Two transactions waited for each other, and this one was ended.
    pub(super) fn is_deadlock(&self) -> bool {
        matches!(self, Trouble::Server(refusal) if refusal.code == SqlState::T_R_DEADLOCK_DETECTED)
    }

    /// The wait for a lock exceeded the session's limit.
    pub(super) fn is_lock_timeout(&self) -> bool {
        matches!(self, Trouble::Server(refusal) if refusal.code == SqlState::LOCK_NOT_AVAILABLE)
    }

    /// A failure of `write` during a COPY: the driver's error is wrapped in a system error.
    pub(super) fn of_write(step: Step, error: std::io::Error) -> Trouble {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<postgres::Error>()) {
            Some(inner) => Trouble::new(step, inner),
            None => Trouble::Lost { step, what: error.to_string() },
        }
    }

    /// Adds the row of the batch at which a COPY into `table`, beginning with row `first`, stopped. The
    /// message is the same whether the rows went through the stage or not.
    pub(super) fn in_copy(mut self, table: &str, target: &str, first: usize) -> Trouble {
        if let Trouble::Server(refusal) = &mut self {
            refusal.row = refusal.line_of(table).map(|line| first + line);
            refusal.message = refusal.message.replace(&format!("\"{table}\""), &format!("\"{target}\""));
        }
        self
    }

    /// What to do about it. `key_index` are the indexes of the job's own key.
    pub(super) fn verdict(&self, key_index: &[IndexName]) -> Verdict {
        match self {
            Trouble::Server(refusal) => {
                let is_refusals = |index: &IndexName| {
                    refusal.constraint.as_ref() == Some(&index.name)
                        && refusal.schema.as_ref() == Some(&index.schema)
                };
                let own_key = key_index.iter().any(is_refusals);
                verdict(refusal.step, &refusal.code, own_key)
            }
            Trouble::Lost { .. } => Verdict::Reconnect,
            Trouble::Ours(_) => Verdict::Stop,
        }
    }

    /// The findings, if the destination does not fit the job.
    pub(super) fn findings(&self) -> Option<&[String]> {
        match self {
            Trouble::Ours(error) => match error.kind() {
                ErrorKind::Unfit(findings) => Some(findings),
                _ => None,
            },
            _ => None,
        }
    }

    /// What happened, in one line, for the time it is waited out.
    pub(super) fn summary(&self) -> String {
        match self {
            Trouble::Server(refusal) => format!("{}: {}", refusal.doing(), refusal.told()),
            Trouble::Lost { step: Step::Connect, what } => what.clone(),
            Trouble::Lost { step, what } => format!("lost the server while {}: {what}", step.doing()),
            Trouble::Ours(error) => error.to_string(),
        }
    }

    /// The same trouble, to be waited out like a conflict between transactions.
    pub(super) fn retryable(self) -> Trouble {
        match self {
            Trouble::Server(refusal) if refusal.code == SqlState::UNIQUE_VIOLATION => {
                Trouble::Server(Box::new(Refusal::raced()))
            }
            trouble => trouble,
        }
    }

    /// The error that a person sees when nothing more can be done.
    pub(super) fn into_error(self) -> Error {
        match self {
            Trouble::Server(refusal) => {
                let (message, advice, code) = (refusal.told(), advice(&refusal.code), refusal.code.code());
                // A server that refuses the login gives its code with its reason.
                let (doing, message) = match refusal.step {
                    Step::Connect => (refusal.doing().to_owned(), format!("{message}{advice}")),
                    step => (
                        format!("while {}, the server said", step.doing()),
                        format!("{message} [{code}]{advice}"),
                    ),
                };
                ErrorKind::Server { doing, sqlstate: Some(code.to_owned()), message }.into()
            }
            Trouble::Lost { step: Step::Connect, what } => {
                ErrorKind::Unreachable { what, waited: None }.into()
            }
            Trouble::Lost { step, what } => ErrorKind::Server {
                doing: format!("lost the server while {}", step.doing()),
                sqlstate: None,
                message: format!("{what}; what was committed is kept. To resume, run the same command again"),
            }
            .into(),
            Trouble::Ours(error) => error,
        }
    }
}

impl Refusal {
    /// Stands for a row that another session wrote at the same time: the batch is sent again.
    pub(super) fn raced() -> Refusal {
        Refusal::conflict(Step::Merge, "another session wrote rows of the same keys meanwhile")
    }

    /// Stands for a checkpoint that was moved while it was being claimed.
    pub(super) fn overtaken() -> Refusal {
        Refusal::conflict(Step::Claim, "a checkpoint was moved by its last owner meanwhile")
    }

    fn conflict(step: Step, message: &str) -> Refusal {
        Refusal::bare(step, SqlState::T_R_SERIALIZATION_FAILURE, message.to_owned())
    }

    /// A server's refusal to accept a connection.
    pub(super) fn at_connecting(code: SqlState, doing: String, message: String) -> Refusal {
        Refusal { doing: Some(doing), ..Refusal::bare(Step::Connect, well_formed(&code), message) }
    }

    /// Stands for a server that is there and accepts no writes.
    pub(super) fn taking_no_writes(message: String) -> Refusal {
        Refusal::bare(Step::Prepare, SqlState::READ_ONLY_SQL_TRANSACTION, message)
    }

    /// The server's refusal of a row that it tried by itself.
    pub(super) fn in_row(
        code: &str,
        message: &str,
        detail: Option<&str>,
        schema: Option<&str>,
        constraint: Option<&str>,
        column: Option<&str>,
    ) -> Refusal {
        let named = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(str::to_owned);
        let bare = Refusal::bare(Step::Merge, well_formed(&SqlState::from_code(code)), message.to_owned());
        Refusal {
            detail: named(detail),
            schema: named(schema),
            constraint: named(constraint),
            column: named(column),
            ..bare
        }
    }

    fn bare(step: Step, code: SqlState, message: String) -> Refusal {
        Refusal {
            step,
            code,
            message,
            detail: None,
            hint: None,
            schema: None,
            constraint: None,
            column: None,
            row: None,
            context: None,
            doing: None,
        }
    }

    /// The refusal as that of a row.
    pub(super) fn of_row(self, row: usize) -> Refused {
        let code = self.code.code().as_bytes().first_chunk().copied();
        Refused {
            row,
            code: Code::Server(code.expect("a SQLSTATE has five characters")),
            column: self.column,
            constraint: self.constraint,
            message: self.message,
            detail: self.detail,
        }
    }

    fn doing(&self) -> &str {
        self.doing.as_deref().unwrap_or(self.step.doing())
    }

    /// The server's message, for people. The words of a trigger or function are its author's, and can contain
    /// the row: they are not repeated.
    fn told(&self) -> String {
        let is_own = |context: &str| context.lines().any(|line| !line.starts_with("COPY "));
        if self.context.as_deref().is_some_and(is_own) {
            if let Some(waited) = self.waited() {
                return waited;
            }
            return "a trigger or function of the database stopped it; its message may hold a row, and is in the \
                    server's log"
                .to_owned();
        }
        match &self.hint {
            Some(hint) => format!("{} ({hint})", self.message),
            None => self.message.clone(),
        }
    }

    /// What it waited for, if that is why it was ended. The server's own words come first in the context,
    /// before those of whatever was running, and name the table. In another language they are not recognised,
    /// and it is unclear whether the message is the server's.
    fn waited(&self) -> Option<String> {
        let why = match self.code {
            SqlState::T_R_DEADLOCK_DETECTED => "deadlock detected",
            SqlState::LOCK_NOT_AVAILABLE => "lock not available",
            _ => return None,
        };
        let place = self.context.as_deref().and_then(|context| {
            let line = context.lines().next()?.strip_prefix("while ")?;
            line.rsplit_once(" in relation \"")?.1.strip_suffix('"')
        });
        Some(match place {
            Some(table) => format!("{why}: another transaction holds what it waited for in \"{table}\""),
            None => format!("{why}: another transaction holds what it waited for"),
        })
    }

    /// The line of a COPY into `table` at which the server stopped, counted from zero.
    ///
    /// The context is translated (`line 5`, `Zeile 5`), so only what precedes the number is relied upon.
    fn line_of(&self, table: &str) -> Option<usize> {
        let prefix = format!("COPY {table},");
        let line = self.context.as_ref()?.lines().find_map(|line| line.strip_prefix(&prefix))?;
        let digits = line.find(|ch: char| ch.is_ascii_digit())?;
        let number = line[digits..].split(|ch: char| !ch.is_ascii_digit()).next()?;
        number.parse::<usize>().ok()?.checked_sub(1)
    }
}

/// What a person can do about an error that stopped the run.
fn advice(code: &SqlState) -> &'static str {
    match code.code() {
        "28P01" => {
            "; PGPASSWORD and ~/.pgpass take a password as it is, in a URL its special characters are %-encoded"
        }
        "3D000" => "; `createdb` makes a database, logmill makes none",
        "42501" => "; `logmill plan --print-sql` prints the rights that are needed",
        "22P04" | "22P03" => {
            "; the types of the table may have changed during the run. Run the same command again"
        }
        "42P01" | "42703" => "; the target, or a table of logmill, was changed during the run",
        "53100" => "; what was committed is kept. Free space on the server, and run the same command again",
        "25006" => "; the server takes no writes: is it a standby?",
        _ => "",
    }
}

/// A code in the form that all servers use. Any other form says nothing, and counts as an internal error of
/// the peer.
fn well_formed(code: &SqlState) -> SqlState {
    let text = code.code().as_bytes();
    let is_of_code = |byte: &u8| byte.is_ascii_digit() || byte.is_ascii_uppercase();
    match text.len() == 5 && text.iter().all(is_of_code) {
        true => code.clone(),
        false => SqlState::INTERNAL_ERROR,
    }
}

/// Whether a driver error is one of the line: it is closed, a socket failed, or what came over it was not an
/// answer. Other errors (an answer with unexpected rows or types) are logmill's own, and a new connection
/// does not fix them.
fn breaks_off(error: &postgres::Error) -> bool {
    let is_io = |cause: &(dyn std::error::Error + 'static)| cause.is::<std::io::Error>();
    // The driver gives this one no cause and no name.
    error.is_closed()
        || error.source().is_some_and(is_io)
        || error.to_string() == "unexpected message from server"
}

/// A driver's error with its causes: its own text is only "error communicating with the server".
pub(super) fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.ends_with(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(context: &str) -> Refusal {
        let bare = Refusal::bare(Step::Copy, SqlState::CHECK_VIOLATION, String::new());
        Refusal { context: Some(context.to_owned()), ..bare }
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        assert_eq!(shortened("abc", 3), "abc");
        assert_eq!(shortened("aäb", 2), "a…");
    }

    #[test]
    fn the_line_is_read_from_the_context_in_any_language() {
        assert_eq!(refusal("COPY t, line 5, column a: \"7\"").line_of("t"), Some(4));
        assert_eq!(refusal("COPY t2, Zeile 12").line_of("t2"), Some(11));
        assert_eq!(refusal("PL/pgSQL function f() line 3 at RAISE\nCOPY t, line 9").line_of("t"), Some(8));
        assert_eq!(refusal("SQL statement \"INSERT\"").line_of("t"), None);
        assert_eq!(refusal("COPY other, line 5").line_of("t"), None);
    }

    #[test]
    fn what_was_waited_for_is_said_and_no_word_of_a_function() {
        let told = |code: &SqlState, context: &str| {
            let message = "a row of Ms X".to_owned();
            Refusal { code: code.clone(), message, ..refusal(context) }.told()
        };
        let mark = "while inserting index tuple (0,2) in relation \"dirty_dates_pkey\"";
        let deadlock = told(&SqlState::T_R_DEADLOCK_DETECTED, mark);
        assert!(deadlock.starts_with("deadlock detected") && deadlock.ends_with("in \"dirty_dates_pkey\""));
        let in_trigger =
            format!("{mark}\nSQL statement \"INSERT\"\nPL/pgSQL function f() line 3 at SQL statement");
        let timeout = told(&SqlState::LOCK_NOT_AVAILABLE, &in_trigger);
        assert!(
            timeout.starts_with("lock not available") && timeout.ends_with("in \"dirty_dates_pkey\""),
            "{timeout}"
        );
        for context in
            ["PL/pgSQL function f() line 3 at RAISE", "beim Sperren von Tupel (0,1) in Relation »t«"]
        {
            let unknown = told(&SqlState::LOCK_NOT_AVAILABLE, context);
            assert!(unknown.starts_with("lock not available") && !unknown.contains("Ms X"), "{unknown}");
        }
        assert!(told(&SqlState::CHECK_VIOLATION, mark).starts_with("a trigger or function"));
    }

    #[test]
    fn a_code_of_another_form_is_an_internal_error() {
        for (code, expected) in [
            ("23505", "23505"),
            ("ZZ001", "ZZ001"),
            ("", "XX000"),
            ("1", "XX000"),
            ("ééééé", "XX000"),
            ("23505\0", "XX000"),
        ] {
            assert_eq!(well_formed(&SqlState::from_code(code)).code(), expected, "{code:?}");
        }
    }

    #[test]
    fn only_what_goes_wrong_on_the_line_is_a_lost_connection() {
        let nobody = postgres::Client::connect("host=/nowhere user=me", postgres::NoTls).err();
        let nobody = Trouble::new(Step::Claim, &nobody.expect("nobody is there"));
        assert!(matches!(nobody, Trouble::Lost { .. }), "{nobody:?}");
        let ours = "of no use".parse::<postgres::Config>().expect_err("no connection string");
        assert_eq!(Trouble::new(Step::Claim, &ours).verdict(&[]), Verdict::Stop);
    }
}
