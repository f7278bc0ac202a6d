//! The command. The only place that prints.
//!
//! [`run()`] is the program: it reads the command line, does one thing, prints an error once and returns the
//! exit code. Results go to stdout, everything for people to stderr.

mod args;
mod backfill;
mod bench;
mod check;
mod completions;
mod dead_letters;
mod files;
mod forget;
mod infer;
mod inferred;
mod lineage;
mod listen;
mod load;
mod man;
mod next;
mod overrides;
mod plan;
mod progress;
mod report;
mod rollup;
mod speech;
mod status;
mod terminal;
mod typed;
mod verify;
mod version;
mod watchers;

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::FromArgMatches as _;
use signal_hook::consts::{SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::Signals;

use crate::engine;
use crate::error::Error;
use crate::report::{Bare, Exit, Head, JSON_SCHEMA};
use crate::sink::is_of_answer;
use crate::stop::Stop;
use args::{Command, CommandLine, DeadLettersCommand, Output, SpeechArgs};
use next::Advised;
use speech::{Speech, close_line, print, print_as_is};

/// Runs the command line of this process.
pub fn run() -> ExitCode {
    completions::answer(args::command_line);
    crate::failpoint::setup();
    let Line { speech, name, job, command } = match read_line() {
        Ok(line) => line,
        // Help and version are results; everything else is a usage error.
        Err(error) if error.use_stderr() => return typed::refuse(error).into(),
        Err(result) => {
            let _ = result.print();
            return Exit::Success.into();
        }
    };
    tell_panics(speech);
    let has_one_result = command.as_ref().map_or(true, has_one_result);
    let output = if has_one_result { speech.output } else { Output::Text };
    let stop = Stop::default();
    let rebuilds = command.as_ref().is_ok_and(rebuilds);
    let exit = watch_signals(&stop, rebuilds, speech).map_err(anyhow::Error::from).and_then(|()| {
        let command = command?;
        // A panic is a bug, and ends like everything else: nothing is lost, and the exit code says to run
        // again.
        let ended = catch_unwind(AssertUnwindSafe(|| match &command {
            Command::Load(args) => load::load(args, speech, &stop),
            Command::Backfill(args) => backfill::backfill(args, speech, &stop),
            Command::Infer(args) => infer::infer(args, speech, &stop),
            Command::Check(args) => check::check(args, speech, &stop),
            Command::Plan(args) => plan::plan(args, speech, &stop),
            Command::Status(args) => status::status(args, speech),
            Command::DeadLetters(command) => dead_letters::dead_letters(command, speech, &stop),
            Command::Report(args) => report::report(args, speech),
            Command::Verify(args) => verify::verify(args, speech, &stop),
            Command::Rollup(args) => rollup::rollup(args, speech, &stop),
            Command::Forget(args) => forget::forget(args, speech),
            Command::Bench(command) => bench::bench(command, speech, &stop),
            Command::Config { output_schema, .. } => schema(*output_schema),
            Command::Completions { shell } => {
                print_as_is(&completions::script(*shell)?)?;
                Ok(Exit::Success)
            }
            Command::Man { command } => man::man(command),
        }));
        ended.unwrap_or_else(|_| Err(Error::broken("a step of the run panicked").into()))
    });
    exit.unwrap_or_else(|error| failed(&error, (&name, job.as_deref()), speech, output)).into()
}

/// A command line that was read successfully.
struct Line {
    /// How to print messages.
    speech: Speech,
    /// The name of the command in words.
    name: String,
    /// The job file named on it.
    job: Option<PathBuf>,
    /// The command. If flags of it do not go together, this is an error, which is reported like every other
    /// error.
    command: Result<Command, Error>,
}

fn read_line() -> Result<Line, clap::Error> {
    let mut line = args::command_line().color(typed::colour());
    let matches = line.try_get_matches_from_mut(std::env::args_os())?;
    let speech = Speech::new(&SpeechArgs::from_arg_matches(&matches)?);
    let command = match bench::refused(&matches) {
        Some(error) => Err(error),
        None => {
            let mut read =
                CommandLine::from_arg_matches(&matches).map_err(|error| error.format(&mut line))?;
            bench::settle(&mut read.command, &matches);
            Ok(read.command)
        }
    };
    let (mut names, mut job) = (Vec::new(), None);
    let mut below = matches.subcommand();
    while let Some((name, matches)) = below {
        names.push(name);
        job = matches.try_get_one::<PathBuf>("job").ok().flatten().cloned();
        below = matches.subcommand();
    }
    Ok(Line { speech, name: names.join(" "), job, command })
}

/// Whether stdout is reserved for one result, whatever its form.
fn has_one_result(command: &Command) -> bool {
    match command {
        Command::DeadLetters(DeadLettersCommand::Show(args)) => !args.raw,
        Command::Report(args) => args.out != Path::new("-"),
        Command::Check(args) => args.verdicts.as_deref() != Some(Path::new("-")),
        Command::Config { .. } | Command::Completions { .. } | Command::Man { .. } => false,
        _ => true,
    }
}

/// Makes the message of a panic pass the same filter as everything else.
fn tell_panics(speech: Speech) {
    std::panic::set_hook(Box::new(move |panic| {
        // Not a bug of this program; it becomes an error.
        if is_of_answer(panic.payload()) {
            return;
        }
        // If RUST_BACKTRACE asks for one.
        let trace = Backtrace::capture();
        match trace.status() {
            BacktraceStatus::Captured => speech.error(&format!("{panic}\n{trace}")),
            _ => speech.error(&panic.to_string()),
        }
    }));
}

/// Reports how a command failed. A caller that asked for one object on stdout gets one.
fn failed(
    error: &anyhow::Error,
    (command, job): (&str, Option<&Path>),
    speech: Speech,
    output: Output,
) -> Exit {
    let text = format!("{error:#}");
    speech.error(&text);
    let advised = error.downcast_ref::<Advised>().map(|advised| &advised.error);
    let known = error.downcast_ref::<Error>().or(advised);
    let exit = known.map_or(Exit::Failed, Exit::of_error);
    if output == Output::Json {
        // It may be stdout that failed.
        let error_kind = known.map(|error| error.kind().code());
        let job = job.and_then(engine::job_name);
        let head = Head::new(command, job.as_deref(), exit);
        let _ = speech.show(&Bare { head, error: Some(text), error_kind });
    }
    exit
}

/// Whether a command reloads known sources.
fn rebuilds(command: &Command) -> bool {
    match command {
        Command::Load(args) => args.loading.rebuild,
        Command::Backfill(args) => args.loading.rebuild,
        _ => false,
    }
}

/// The first signal requests a clean stop, the second ends the process.
fn watch_signals(stop: &Stop, rebuilds: bool, speech: Speech) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    // A file at the limit of its size (`ulimit -f`) is an error of its writer like a full disk. By itself the signal
    // would end the process without a word, even if it is only the file of a watcher.
    signal_hook::flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false)))?;
    let stop = stop.clone();
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        for signal in signals.forever() {
            if stop.asked().is_some() {
                close_line();
                std::process::exit(i32::from(Exit::Stopped(signal).code()));
            }
            stop.ask(signal);
            speech.inform(match rebuilds {
                true => "stopping: an unfinished rebuild is rolled back; a second signal stops at once",
                false => "stopping: what has been read is committed first; a second signal stops at once",
            });
        }
    })?;
    Ok(())
}

/// The schema of a job file, for editors, or of the outputs, for programs.
fn schema(is_of_outputs: bool) -> anyhow::Result<Exit> {
    match is_of_outputs {
        true => print(JSON_SCHEMA)?,
        false => print(&format!("{:#}\n", crate::config::json_schema()))?,
    }
    Ok(Exit::Success)
}
