//! The job of a command: the named one, the one found beside the files, or a new one.

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

/// A job, and its origin.
#[derive(Debug)]
pub struct Job {
    /// Its configuration.
    pub config: Config,
    /// Its file, or the place for it.
    pub path: PathBuf,
    /// Whether it was found or inferred rather than named.
    pub is_found: bool,
    /// What it was inferred from, if it was just inferred. Then it has no file.
    pub inferred: Option<Inferred>,
}

/// The named job; otherwise the job with the name of the files; otherwise a job inferred from them.
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

/// The name of the job in a file, as far as it can be read, for the report on a failure.
pub fn job_name(path: &Path) -> Option<String> {
    let text = path.is_file().then(|| fs::read_to_string(path).ok()).flatten()?;
    let job: toml::Table = text.parse().ok()?;
    Some(job.get("name")?.as_str()?.to_owned())
}

/// Refuses a merely found job for files in another folder, or for another log: names repeat from folder to
/// folder with different content; and `app.log` and `app.ndjson` give their jobs the same name.
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
        "{job} exists, but is for {what}; if it is the right job, name it with -j, otherwise write \
         another: logmill infer {stranger} -o OTHER.toml",
        job = job.display(),
        stranger = stranger.display()
    )))
}

/// Marks its destination as found too, unless that was given separately.
fn note_found(config: &mut Config, overrides: &Overrides) {
    if overrides.into.is_none() {
        config.destination.url = config.destination.url.clone().found();
    }
}

/// Reads a named job.
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

/// Refuses a database that was not named and that another user may have placed there, before anything is
/// written. It is checked again once it is open.
pub fn refuse_found_database(config: &Config) -> Result<()> {
    let destination = destination(config, &Watch::default())?;
    let Some(path) = destination.file().filter(|_| config.destination.url.is_found()) else { return Ok(()) };
    match open_found(path, OpenOptions::new().read(true)) {
        Ok(_) => Ok(()),
        Err(why) => Err(Error::found_database(path, why, &config.destination.url.to_string())),
    }
}

/// Writes a job file, completely or not at all, unless one exists: the next run would find half a job.
pub fn write_job(path: &Path, text: &str) -> Result<()> {
    // The draft's name is neither that of a job nor of a log, and it is on the same file system.
    let draft = path.with_file_name(format!(".logmill-{}.tmp", std::process::id()));
    let written = write_draft(&draft, text).and_then(|()| give_name(&draft, path));
    let _ = fs::remove_file(&draft);
    written.map_err(|cause| match cause.kind() {
        io::ErrorKind::AlreadyExists => ErrorKind::JobExists { path: path.to_owned() }.into(),
        _ => Error::file("write the job file", path, cause),
    })
}

fn write_draft(draft: &Path, text: &str) -> io::Result<()> {
    // Left behind by a killed run.
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

/// Gives the file its name, if that is free. (A rename would replace an existing file.)
fn give_name(draft: &Path, path: &Path) -> io::Result<()> {
    match fs::hard_link(draft, path) {
        // Some file systems have no hard links.
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists && fs::symlink_metadata(path).is_err() => {
            fs::rename(draft, path)
        }
        linked => linked,
    }
}
