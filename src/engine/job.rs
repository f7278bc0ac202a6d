//! The job of a command: the one that is named, the one that stands beside, or a new one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::infer::{Inferred, Unwritten};
use super::{Watch, destination};
use crate::config::{Config, Overrides};
use crate::error::{Error, ErrorKind, Result};
use crate::event::Event;
use crate::failpoint;
use crate::infer::is_same_log;
use crate::trust::{open_found, others_may_read};

/// A job, and where it came from.
#[derive(Debug)]
pub struct Job {
    /// What is to be done.
    pub config: Config,
    /// Its file, or where its file would be.
    pub path: PathBuf,
    /// Whether it was not named, but found or inferred.
    pub is_found: bool,
    /// What it was inferred from, if it was just now. There is no file of it then.
    pub inferred: Option<Inferred>,
}

/// The job that is named; else the one that is called after the files; else what can be
/// inferred from them.
pub fn choose_job(named: Option<&Path>, overrides: &Overrides, watch: &Watch) -> Result<Job> {
    if let Some(path) = named {
        let config = read_job(path, overrides, watch)?;
        return Ok(Job { config, path: path.to_owned(), is_found: false, inferred: None });
    }
    let names = overrides.files.as_deref().unwrap_or_default();
    let unwritten = Unwritten::of(names)?;
    let path = unwritten.path.clone();
    let found = open_found(&path, OpenOptions::new().read(true)).map_err(|why| ErrorKind::Untrusted {
        path: path.clone(),
        what: "job",
        why,
        flag: "-j".to_owned(),
    })?;
    if let Some(file) = found {
        let mut config = Config::of_file(&path, file, overrides)?;
        note_found(&mut config, overrides);
        refuse_stranger(&config, &path, names)?;
        watch.observer.tell(&Event::JobFound { file: path.clone() });
        warn_of_password(&config, &path, watch);
        return Ok(Job { config, path, is_found: true, inferred: None });
    }
    let inferred = unwritten.infer(&path, overrides, &watch.stop)?;
    let mut config = Config::of_text(&path, &inferred.text, overrides)?;
    note_found(&mut config, overrides);
    Ok(Job { config, path, is_found: true, inferred: Some(inferred) })
}

/// What the job in a file is called, as far as that can be read, for who is told that something failed.
pub fn job_name(path: &Path) -> Option<String> {
    let text = path.is_file().then(|| fs::read_to_string(path).ok()).flatten()?;
    let job: toml::Table = text.parse().ok()?;
    Some(job.get("name")?.as_str()?.to_owned())
}

/// Refuses a job that was only found for files of another folder, or for another log: names repeat from
/// folder to folder, and what is in the one is not what is in the other; and `app.log` and `app.ndjson`
/// have one name for their jobs.
fn refuse_stranger(config: &Config, job: &Path, names: &[PathBuf]) -> Result<()> {
    let named = config.source.named_files();
    let stranger = names.iter().find_map(|name| {
        let is_same = |file: &PathBuf| is_same_log(file, name);
        match named.first() {
            _ if !config.source.is_for(name) => {
                Some((name, format!("files in another folder than {}", name.display())))
            }
            Some(first) if !named.iter().any(is_same) && name.is_file() => {
                Some((name, format!("{}, not for {}", first.display(), name.display())))
            }
            _ => None,
        }
    });
    let Some((stranger, what)) = stranger else { return Ok(()) };
    Err(Error::usage(format!(
        "{job} was not named, but is there, and is for {what}; if it is the right job, name it with -j, else write \
         another: logmill infer {stranger} -o OTHER.toml",
        job = job.display(),
        stranger = stranger.display()
    )))
}

/// Its destination is as little named as the job is, unless it was said apart.
fn note_found(config: &mut Config, overrides: &Overrides) {
    if overrides.into.is_none() {
        config.destination.url = config.destination.url.clone().found();
    }
}

/// Reads a job that was named.
pub fn read_job(path: &Path, overrides: &Overrides, watch: &Watch) -> Result<Config> {
    let config = Config::load(path, overrides)?;
    warn_of_password(&config, path, watch);
    Ok(config)
}

fn warn_of_password(config: &Config, path: &Path, watch: &Watch) {
    let can_be_read = std::fs::metadata(path).is_ok_and(|metadata| others_may_read(&metadata));
    let has_password =
        config.destination.has_password || config.state.has_password || config.dead_letters.has_password;
    if has_password && can_be_read {
        let text = format!(
            "{} holds a password, and others may read it; `chmod 600` it, or let ~/.pgpass or ${{VARIABLE}} hold the password",
            path.display()
        );
        watch.observer.tell(&Event::Warning { text });
    }
}

/// Refuses a database that was not named and that another user may have put there, before anything
/// is written. It is looked at again once it is open.
pub fn refuse_found_database(config: &Config) -> Result<()> {
    let destination = destination(config, &Watch::default())?;
    let Some(path) = destination.file().filter(|_| config.destination.url.is_found()) else { return Ok(()) };
    match open_found(path, OpenOptions::new().read(true)) {
        Ok(_) => Ok(()),
        Err(why) => Err(Error::found_database(path, why, &config.destination.url.to_string())),
    }
}

/// Writes a job file, whole or not at all, unless one is there: half a job would be found by the
/// next run.
pub fn write_job(path: &Path, text: &str) -> Result<()> {
    // The name is neither that of a job nor of a log, and it is on the same file system.
    let draft = path.with_file_name(format!(".logmill-{}.tmp", std::process::id()));
    let written = write_draft(&draft, text).and_then(|()| give_name(&draft, path));
    let _ = fs::remove_file(&draft);
    written.map_err(|cause| match cause.kind() {
        io::ErrorKind::AlreadyExists => ErrorKind::JobExists { path: path.to_owned() }.into(),
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
