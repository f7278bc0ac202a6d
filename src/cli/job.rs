//! The job of a command: the one that is named, the one that stands beside, or a new one.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::inferred::Inferred;
use super::speech::Speech;
use crate::config::{Config, Overrides};
use crate::engine::{self, Watch, nothing_found};
use crate::error::{Error, Result};
use crate::failpoint;
use crate::infer::{job_name, job_name_of_directory};
use crate::source::{Discovered, Found, Pattern, STDIN, Selection, discover};
use crate::stop::Stop;
use crate::trust::{open_found, others_may_read};

/// A job, and where it came from.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) config: Config,
    /// Its file, or where its file would be.
    pub(super) path: PathBuf,
    /// Whether it was not named, but found or inferred.
    pub(super) is_found: bool,
    /// What it was inferred from, if it was just now. There is no file of it then.
    pub(super) inferred: Option<Inferred>,
}

/// The job that is named; else the one that is called after the files; else what can be
/// inferred from them.
pub(super) fn choose(
    named: Option<&Path>,
    overrides: &Overrides,
    speech: Speech,
    stop: &Stop,
) -> Result<Job> {
    if let Some(path) = named {
        let config = read(path, overrides, speech)?;
        return Ok(Job { config, path: path.to_owned(), is_found: false, inferred: None });
    }
    let names = overrides.files.as_deref().unwrap_or_default();
    let (path, name, files) = place(names)?;
    let found = open_found(&path).map_err(|why| {
        Error::usage(format!(
            "{} was not named, but is there, and {why}; if it is the right job, name it with -j",
            path.display()
        ))
    })?;
    if let Some(file) = found {
        speech.inform(&format!("{} is there, so it is used as it stands", path.display()));
        let config = Config::of_file(&path, file, overrides)?;
        warn_of_password(&config, &path, speech);
        return Ok(Job { config, path, is_found: true, inferred: None });
    }
    let inferred = Inferred::of(&name, names, &files, overrides, stop)?;
    let config = Config::of_text(&path, &inferred.text, overrides)?;
    Ok(Job { config, path, is_found: true, inferred: Some(inferred) })
}

/// Reads a job that was named.
pub(super) fn read(path: &Path, overrides: &Overrides, speech: Speech) -> Result<Config> {
    let config = Config::load(path, overrides)?;
    warn_of_password(&config, path, speech);
    Ok(config)
}

fn warn_of_password(config: &Config, path: &Path, speech: Speech) {
    let can_be_read = std::fs::metadata(path).is_ok_and(|metadata| others_may_read(&metadata));
    if config.destination.has_password && can_be_read {
        speech.warn(&format!(
            "{} holds a password, and others may read it; `chmod 600` it, or let ~/.pgpass or ${{VARIABLE}} hold the password",
            path.display()
        ));
    }
}

/// Refuses a database that nobody named and somebody else may have put there.
pub(super) fn refuse_found_database(config: &Config, overrides: &Overrides) -> Result<()> {
    let destination = engine::destination(config, &Watch::default())?;
    let Some(path) = destination.file().filter(|_| overrides.into.is_none()) else { return Ok(()) };
    match open_found(path) {
        Ok(_) => Ok(()),
        Err(why) => Err(Error::usage(format!(
            "{} was not named, but is there, and {why}; if it is the right database, name it with --into {}",
            path.display(),
            config.destination.url
        ))),
    }
}

/// Where the job for these files is or would be, what it is called, and the files.
pub(super) fn place(names: &[PathBuf]) -> Result<(PathBuf, String, Vec<Found>)> {
    if names.is_empty() {
        return Err(Error::usage("name files, or a job with -j"));
    }
    let patterns: Vec<Pattern> =
        names.iter().map(|name| Pattern { text: name.clone(), base: PathBuf::new() }).collect();
    let Discovered { files, passed_over } = discover(&patterns, &Selection::default())?;
    // The standard input is looked at and then read; of another stream a look takes something away.
    if let Some(stream) = files.iter().find(|file| file.is_stream()).filter(|_| names != [Path::new(STDIN)]) {
        return Err(Error::usage(format!(
            "{} can be read only once, so no job can be inferred from it; name a job with -j, or give it alone as stdin (-)",
            stream.path.display()
        )));
    }
    let paths: Vec<&Path> = files.iter().map(|file| file.path.as_path()).collect();
    let name = match names {
        [name] if name == Path::new(STDIN) => Some("stdin".to_owned()),
        // All that is in a directory is called like the directory.
        [directory] if directory.is_dir() => {
            std::fs::canonicalize(directory).ok().and_then(|path| job_name_of_directory(&path))
        }
        _ => None,
    };
    let name = name.or_else(|| job_name(&paths));
    let name = name.filter(|_| !paths.is_empty()).ok_or_else(|| nothing_found(names, &passed_over))?;
    // A path that begins with a dash would be taken for a flag.
    let here = if name.starts_with('-') { "./" } else { "" };
    Ok((PathBuf::from(format!("{here}{name}.logmill.toml")), name, files))
}

/// Writes a job file, whole or not at all, unless one is there: half a job would be found by the
/// next run.
pub(super) fn write(path: &Path, text: &str) -> Result<()> {
    // Nobody takes it for a job or a log, and it is on the same file system.
    let draft = path.with_file_name(format!(".logmill-{}.tmp", std::process::id()));
    let written = write_draft(&draft, text).and_then(|()| give_name(&draft, path));
    let _ = fs::remove_file(&draft);
    written.map_err(|cause| match cause.kind() {
        io::ErrorKind::AlreadyExists => Error::usage(format!(
            "{} is there already, and a job that somebody may have edited is not written over; \
             name another file with -o, or remove it",
            path.display()
        )),
        _ => Error::file("write the job file", path, cause),
    })
}

fn write_draft(draft: &Path, text: &str) -> io::Result<()> {
    // Of a run that was killed.
    let _ = fs::remove_file(draft);
    let mut file = File::create_new(draft)?;
    let (one_half, other_half) = text.as_bytes().split_at(text.len() / 2);
    file.write_all(one_half)?;
    if failpoint::reached("job-file") {
        return Err(io::ErrorKind::StorageFull.into());
    }
    file.write_all(other_half)?;
    file.sync_all()
}

/// Gives the file its name, if that is free. (A rename would take it.)
fn give_name(draft: &Path, path: &Path) -> io::Result<()> {
    match fs::hard_link(draft, path) {
        // Some file systems have no links.
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists && fs::symlink_metadata(path).is_err() => {
            fs::rename(draft, path)
        }
        linked => linked,
    }
}
