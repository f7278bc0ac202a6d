//! Runs the tests of this binary like the standard runner, except that a test can skip itself with a reason,
//! and is then counted as ignored.
//!
//! The output and the panic of a test are held back and shown if it fails. Threads that a test starts print
//! at once.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::cell::RefCell;
use std::fmt::{self, Write as _};
use std::panic::{self, PanicHookInfo};
use std::process::ExitCode;
use std::thread;

use libtest_mimic::{Arguments, Completion, Failed, Trial};

use crate::harness::Lacking;

/// A registered `#[test]` function.
pub(crate) struct Test {
    /// With the crate's name.
    pub(crate) path: &'static str,
    pub(crate) run: fn(),
}

inventory::collect!(Test);

thread_local! {
    /// The output of the test on this thread so far, if it is held back.
    static SAID: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// The paths of all tests.
pub(crate) fn paths() -> impl Iterator<Item = &'static str> {
    inventory::iter::<Test>.into_iter().map(Test::path)
}

impl Test {
    /// The path without the crate's name.
    fn path(&self) -> &'static str {
        self.path.split_once("::").map_or(self.path, |(_, path)| path)
    }
}

/// Options that take a value.
const WITH_VALUE: [&str; 6] = ["--skip", "--test-threads", "--color", "--format", "--logfile", "-Z"];

/// Runs the tests that the command line selects.
pub(crate) fn main() -> ExitCode {
    let (mut arguments, filters) = arguments();
    // Most tests wait for servers and for programs that they have killed, so one more than there are cores.
    arguments.test_threads.get_or_insert_with(|| thread::available_parallelism().map_or(1, usize::from) + 1);
    let mut trials: Vec<Trial> = inventory::iter::<Test>
        .into_iter()
        .map(|test| (test.path(), test.run))
        .filter(|(path, _)| {
            filters.is_empty() || filters.iter().any(|filter| is_meant(path, filter, &arguments))
        })
        .map(|(path, run)| {
            let is_shown = arguments.nocapture;
            Trial::ignorable_test(path, move || ended(run, is_shown))
        })
        .collect();
    trials.sort_by(|one, other| one.name().cmp(other.name()));
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        if !is_held(panic) {
            usual(panic);
        }
    }));
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Parses the command line. A test runs if it matches any filter, which the library does not support itself.
fn arguments() -> (Arguments, Vec<String>) {
    let (mut options, mut filters) = (Vec::new(), Vec::new());
    let mut given = std::env::args();
    options.extend(given.next());
    while let Some(argument) = given.next() {
        if !argument.starts_with('-') {
            filters.push(argument);
            continue;
        }
        let value = WITH_VALUE.contains(&argument.as_str()).then(|| given.next()).flatten();
        options.push(argument);
        options.extend(value);
    }
    if let [only] = &filters[..] {
        options.push(only.clone());
        filters.clear();
    }
    (Arguments::from_iter(options), filters)
}

fn is_meant(path: &str, filter: &str, arguments: &Arguments) -> bool {
    if arguments.exact { path == filter } else { path.contains(filter) }
}

/// Runs a test and reports how it ended.
fn ended(run: fn(), is_shown: bool) -> Result<Completion, Failed> {
    SAID.set((!is_shown).then(String::new));
    let end = panic::catch_unwind(run);
    let said = SAID.take();
    let Err(panic) = end else { return Ok(Completion::Completed) };
    match panic.downcast::<Lacking>() {
        Ok(lacking) => Ok(Completion::ignored_with(lacking.0)),
        Err(_) => Err(said.map_or_else(Failed::without_message, Failed::from)),
    }
}

/// Holds output back. Returns false if this thread holds nothing back.
fn hold(said: fmt::Arguments<'_>) -> bool {
    SAID.with_borrow_mut(|held| held.as_mut().map(|held| writeln!(held, "{said}")).is_some())
}

fn is_held(panic: &PanicHookInfo<'_>) -> bool {
    let backtrace = Backtrace::capture();
    match backtrace.status() {
        BacktraceStatus::Captured => hold(format_args!("{panic}\n{backtrace}")),
        _ => hold(format_args!("{panic}")),
    }
}

/// The tests' `println!` and `eprintln!`.
pub(crate) fn say(said: fmt::Arguments<'_>) {
    if !hold(said) {
        std::eprintln!("{said}");
    }
}

mod tests {
    use std::process::{Command, Output};

    use crate::harness::{skip, skip_here};

    /// Runs one of these tests again, in the role that the variable names.
    fn play(test: &str, part: &str, is_strict: bool) -> (Option<i32>, String) {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", &format!("runner::tests::{test}")]).env("LOGMILL_PART", part);
        command.env("LOGMILL_NO_SKIPS", if is_strict { "1" } else { "0" });
        let Output { status, stdout, stderr } = command.output().unwrap();
        (status.code(), String::from_utf8(stdout).unwrap() + &String::from_utf8(stderr).unwrap())
    }

    fn part() -> Option<String> {
        std::env::var("LOGMILL_PART").ok()
    }

    #[test]
    fn a_test_with_a_missing_requirement_is_ignored() {
        const TEST: &str = "a_test_with_a_missing_requirement_is_ignored";
        match part().as_deref() {
            Some("lacks a part") => skip("there is no part"),
            Some("lacks a right") => skip_here("there is no right"),
            _ => {}
        }
        for (lacks, why, strict_code) in
            [("lacks a part", "there is no part", 101), ("lacks a right", "there is no right", 0)]
        {
            let (code, said) = play(TEST, lacks, false);
            assert_eq!(code, Some(0), "{said}");
            assert!(said.contains("test result: ok. 0 passed; 0 failed; 1 ignored;"), "{said}");
            assert!(said.contains(why), "{said}");
            let (code, said) = play(TEST, lacks, true);
            assert_eq!(code, Some(strict_code), "{said}");
            assert!(said.contains(why), "{said}");
        }
    }

    #[test]
    fn the_output_of_a_failed_test_is_shown() {
        const TEST: &str = "the_output_of_a_failed_test_is_shown";
        match part().as_deref() {
            Some("passes") => return eprintln!("what was said"),
            Some("fails") => {
                eprintln!("what was said");
                assert_eq!(1, 2, "why it failed");
            }
            _ => {}
        }
        let (code, said) = play(TEST, "passes", false);
        assert!(code == Some(0) && !said.contains("what was said"), "{said}");
        let (code, said) = play(TEST, "fails", false);
        assert!(code == Some(101) && said.contains("what was said\n"), "{said}");
        assert!(said.contains("tests/runner.rs") && said.contains("why it failed"), "{said}");
        assert!(said.contains("test result: FAILED. 0 passed; 1 failed; 0 ignored;"), "{said}");
    }
}
