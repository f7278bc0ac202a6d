//! Completions: the script for a shell, and the program's answers to its queries.
//!
//! A shell asks the program itself at each Tab, so the offers match this build, and can come from the
//! machine: jobs from the folder, ids of dead letters from the destination.

use std::ffi::{OsStr, OsString};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::time::Duration;

use clap_complete::Shell;
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate, PathCompleter};
use clap_complete::env::{CompleteEnv, Shells};

use crate::config::Overrides;
use crate::engine::{self, Watch};
use crate::error::{Error, Result};
use crate::printable::one_line;
use crate::sink::history::Filter;

/// The variable by which a shell asks.
const ASKED: &str = "LOGMILL_COMPLETE";

/// A completion must not wait for a server.
const DEADLINE: Duration = Duration::from_secs(1);

/// At most this many ids are offered.
const IDS_MAX: u64 = 50;

/// Answers a shell that asks, and then ends the process.
pub(super) fn answer(command_line: fn() -> clap::Command) {
    CompleteEnv::with_factory(command_line).var(ASKED).complete();
}

/// The script with which a shell asks.
pub(super) fn script(shell: Shell) -> anyhow::Result<Vec<u8>> {
    let mut script = Vec::new();
    let shells = Shells::builtins();
    let shell = shells
        .completer(&shell.to_string())
        .ok_or_else(|| Error::usage(format!("there are no completions for {shell}")))?;
    shell.write_registration(ASKED, "logmill", "logmill", "logmill", &mut script)?;
    Ok(script)
}

/// Job files, and folders that may contain some.
pub(super) fn jobs() -> ArgValueCompleter {
    let is_job = |path: &Path| {
        path.extension().is_some_and(|extension| extension == "toml") && engine::job_name(path).is_some()
    };
    ArgValueCompleter::new(PathCompleter::any().filter(is_job))
}

/// The open dead letters of the job on the command line.
pub(super) fn letters() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let (give, take) = channel();
        let thread = std::thread::Builder::new().name("letters".into()).spawn(move || {
            // The receiver may be gone.
            let _ = give.send(open_letters().unwrap_or_default());
        });
        let found = thread.ok().and_then(|_| take.recv_timeout(DEADLINE).ok()).unwrap_or_default();
        let current = current.to_string_lossy();
        found
            .into_iter()
            .filter(|letter| letter.get_value().to_string_lossy().starts_with(&*current))
            .collect()
    })
}

fn open_letters() -> Result<Vec<CompletionCandidate>> {
    let Some(job) = typed(&["-j", "--job"], "LOGMILL_JOB") else { return Ok(Vec::new()) };
    let parsed =
        |flag: &str, variable: &str| typed(&[flag], variable).map(|it| it.to_string_lossy().into_owned());
    let overrides = Overrides {
        into: parsed("--into", "LOGMILL_INTO").and_then(|url| url.parse().ok()),
        table: parsed("--table", "LOGMILL_TABLE").and_then(|table| table.parse().ok()),
        ..Overrides::default()
    };
    let watch = Watch::default();
    let config = engine::read_job(&PathBuf::from(job), &overrides, &watch)?;
    let filter = Filter { state: Some("open".to_owned()), ..Filter::default() };
    let mut candidates = Vec::new();
    engine::dead_letters(&config, filter, Some(IDS_MAX), &watch, &mut |letters| {
        for letter in letters.dead_letters.drain(..) {
            let place = format!("{}:{}", one_line(&letter.source), letter.line);
            candidates.push(CompletionCandidate::new(letter.id.to_string()).help(Some(place.into())));
        }
        ControlFlow::Continue(())
    })?;
    Ok(candidates)
}

/// The value of a flag in the line being typed, or of the variable that replaces it.
fn typed(flags: &[&str], variable: &str) -> Option<OsString> {
    let mut words = std::env::args_os().skip_while(|word| word != "--").skip(1);
    while let Some(word) = words.next() {
        let text = word.to_string_lossy();
        for flag in flags {
            match text.strip_prefix(flag) {
                Some("") => return words.next(),
                // `--job=x` and `-jx`.
                Some(rest) if flag.starts_with("--") => {
                    if let Some(value) = rest.strip_prefix('=') {
                        return Some(value.into());
                    }
                }
                Some(rest) if !text.starts_with("--") => return Some(rest.trim_start_matches('=').into()),
                _ => {}
            }
        }
    }
    std::env::var_os(variable)
}
