//! The manual page, made from the help texts.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use clap::Command;
use clap_mangen::Man;

use super::args::command_line;
use super::speech::print_as_is;
use crate::error::Error;
use crate::report::Exit;

/// Prints the page of a command, or of all of them.
pub(super) fn man(path: &[String]) -> anyhow::Result<Exit> {
    let mut command = command_line();
    command.build();
    for name in path {
        command = command.find_subcommand(name).cloned().ok_or_else(|| {
            Error::usage(format!("there is no command {name}; `logmill help` lists the commands"))
        })?;
    }
    print_as_is(&page(&command)?)?;
    Ok(Exit::Success)
}

/// The page of a command, with those of its subcommands as sections.
fn page(command: &Command) -> std::io::Result<Vec<u8>> {
    let version = concat!("logmill ", env!("CARGO_PKG_VERSION"));
    let man = Man::new(command.clone()).title(title(command).replace(' ', "-")).source(version);
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    for subcommand in shown(command) {
        section(&mut page, subcommand)?;
    }
    page.extend_from_slice(closing(command).as_bytes());
    Ok(page)
}

/// The closing sections of a page.
fn closing(command: &Command) -> String {
    let mut roff = String::new();
    terms(&mut roff, "EXIT STATUS", Exit::TABLE.map(|(code, meaning)| (code.to_owned(), meaning.to_owned())));
    let mut variables = BTreeMap::new();
    variables_of(command, &mut variables);
    let others = ENVIRONMENT.map(|(name, meaning)| (name.to_owned(), meaning.to_owned()));
    terms(&mut roff, "ENVIRONMENT", variables.into_iter().chain(others));
    terms(&mut roff, "FILES", FILES.map(|(name, meaning)| (name.to_owned(), meaning.to_owned())));
    let name = title(command);
    let examples = EXAMPLES.iter().filter(|(command, _)| {
        name == "logmill"
            || command.strip_prefix(&name).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
    });
    roff.push_str(".SH EXAMPLES\n");
    for (command, meaning) in examples {
        let _ = write!(roff, ".PP\n{}\n.PP\n.RS 4\n.nf\n{}\n.fi\n.RE\n", line(meaning), line(command));
    }
    roff
}

/// A section of terms, each with its meaning.
fn terms(roff: &mut String, title: &str, terms: impl IntoIterator<Item = (String, String)>) {
    let _ = writeln!(roff, ".SH \"{title}\"");
    for (word, meaning) in terms {
        let _ = write!(roff, ".TP\n\\fB{}\\fR\n{}\n", line(&word), line(&meaning));
    }
}

/// A text on one line, escaped for roff.
fn line(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-").replace('\n', " ");
    if text.starts_with(['.', '\'']) { format!("\\&{text}") } else { text }
}

/// The variables that replace flags of a command and its subcommands, with the meaning of the flags.
fn variables_of(command: &Command, variables: &mut BTreeMap<String, String>) {
    for argument in command.get_arguments() {
        let (Some(variable), Some(flag)) = (argument.get_env(), argument.get_long()) else { continue };
        let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
        variables.insert(variable.to_string_lossy().into_owned(), format!("Stands in for --{flag}: {help}"));
    }
    shown(command).for_each(|command| variables_of(command, variables));
}

/// The other variables that the program reads.
const ENVIRONMENT: [(&str, &str); 11] = [
    (
        "AWS_*, AZURE_*, GOOGLE_*",
        "Credentials and settings for buckets and queues, as used by the tools of these clouds.",
    ),
    ("NO_COLOR", "If not empty, turns colours off, unless --color says otherwise."),
    (
        "OPENLINEAGE_API_KEY, OPENLINEAGE_NAMESPACE, OPENLINEAGE_PARENT_ID",
        "For --lineage: a bearer token, the namespace of the job, the parent run.",
    ),
    ("AIRFLOW_CTX_*", "For --lineage: the parent run, as set by Airflow."),
    (
        "PGHOST, PGPORT, PGUSER, PGDATABASE, PGSERVICE, PGSSLMODE, ...",
        "As with psql, for settings that the URL of a destination omits.",
    ),
    (
        "PGPASSWORD, PGPASSFILE",
        "The password, or the file that contains it: better than in a job or on a command line.",
    ),
    ("RUST_BACKTRACE", "1 prints a backtrace if there is a bug."),
    ("SOURCE_DATE_EPOCH", "The time at the foot of a `report` page, for reproducible bytes."),
    ("SSL_CERT_FILE, SSL_CERT_DIR", "Trusted certificates, instead of those of the system."),
    ("TERM", "dumb replaces the progress bar by occasional lines."),
    ("any other", "A job may use it as ${NAME}, to keep passwords out of the file."),
];

const FILES: [(&str, &str); 6] = [
    (
        "NAME.logmill.toml",
        "The job that a load without one infers and writes to the current directory. It is yours to edit; \
        later loads use it.",
    ),
    ("logmill.db", "The database of such a job."),
    ("~/.pgpass, ~/.pg_service.conf", "Passwords and services of PostgreSQL, as for psql."),
    ("~/.postgresql/root.crt, postgresql.crt, postgresql.key", "Certificates for PostgreSQL, as for psql."),
    ("FILE.ids", "The ids of the records that `dead-letters export --raw` wrote."),
    (".logmill-*.tmp", "An unfinished file. A killed command can leave one behind; you may remove it."),
];

const EXAMPLES: [(&str, &str); 17] = [
    ("logmill load app.log", "Load a file into logmill.db, and detect its format:"),
    ("logmill load -j app.toml --into postgres://loader@db/logs", "Load a job into another database:"),
    ("zcat old/*.gz | logmill load -j app.toml -", "Load the output of another program:"),
    ("logmill load -j app.toml --date 2023-10-27 --output json", "Load a day from a scheduler:"),
    (
        "logmill backfill -j app.toml --from 2023-10-01 --to 2023-11-01",
        "Load a month, and later its missing days:",
    ),
    ("logmill check -j app.toml logs/today.ndjson", "Validate records, and write nothing:"),
    ("logmill infer logs -o app.toml", "Write a job for the logs of a folder:"),
    ("logmill plan -j app.toml -v", "Show what a load would do, and its guarantees:"),
    ("logmill status -j app.toml --fail-if-open --fail-if-older 1d", "Monitor a job:"),
    ("logmill report -j app.toml -o app.html", "Put everything on one page:"),
    ("logmill dead-letters list -j app.toml --counts", "Show what was rejected, and why:"),
    (
        "logmill dead-letters export -j app.toml --code json_invalid -o bad.ndjson",
        "Write records to a file, to mend them there:",
    ),
    ("logmill dead-letters replay -j app.toml --from bad.ndjson", "Replay the mended records:"),
    ("logmill verify -j app.toml", "Compare the files with the rows:"),
    ("logmill rollup -j app.toml --check", "Check the metrics:"),
    (
        "logmill forget -j app.toml logs/a.ndjson --delete-rows",
        "Forget a file and delete its rows, so that it is loaded again:",
    ),
    ("logmill bench run --into postgres://loader@db/logs", "Measure where the time goes:"),
];

/// A subcommand as one section, with its parts one level lower than on a page of its own. Flags common to all
/// commands are described above.
fn section(page: &mut Vec<u8>, command: &Command) -> std::io::Result<()> {
    let own =
        command.clone().mut_args(|argument| match argument.is_global_set() || argument.get_id() == "help" {
            true => argument.hide(true),
            false => argument,
        });
    let man = Man::new(own.clone());
    let mut parts = Vec::new();
    man.render_synopsis_section(&mut parts)?;
    man.render_description_section(&mut parts)?;
    if own.get_arguments().any(|argument| !argument.is_hide_set()) {
        man.render_options_section(&mut parts)?;
    }
    let parts = String::from_utf8_lossy(&parts).replace("\n.SH ", "\n.SS ");
    page.extend_from_slice(format!(".SH \"{}\"\n{parts}", title(command).to_uppercase()).as_bytes());
    for subcommand in shown(command) {
        section(page, subcommand)?;
    }
    Ok(())
}

fn shown(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|command| !command.is_hide_set() && command.get_name() != "help")
}

fn title(command: &Command) -> String {
    command.get_bin_name().unwrap_or(command.get_name()).to_owned()
}
