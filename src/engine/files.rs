//! The files of a job, or those given in their place.

use std::path::PathBuf;
use std::slice;

use super::run::settings;
use super::{Watch, destination};
use crate::config::Config;
use crate::delivery::Address;
use crate::error::{Error, ErrorKind, Result};
use crate::event::Event;
use crate::figure;
use crate::pipeline::{self, Settings};
use crate::sink::{Answer, Rebuild};
use crate::source::{Discovered, Found, LETTERS, Pattern, Places, Reach, discover};

/// The files, of which none need exist.
pub fn files_or_none(config: &Config, watch: &Watch) -> Result<Discovered> {
    found(config, &config.patterns()?, &watch.reach(config))
}

/// The files that patterns match. Refuses files that the job itself delivers: it would load its dead letters,
/// and the dead letters of these.
fn found(config: &Config, patterns: &[Pattern], reach: &Reach) -> Result<Discovered> {
    let found = discover(patterns, &config.source.selection, reach)?;
    let Some(Address::Folder(to)) = &config.dead_letters.to else { return Ok(found) };
    let mut places = Places::default();
    let letters = places.of_folder(&to.join(LETTERS));
    match found.files.iter().find(|file| places.of(&file.path).starts_with(&letters)) {
        Some(file) => Err(Error::usage(format!(
            "{} is one of the dead letters that this job delivers to {}; they are not logs of it: leave that folder \
             out, or let 'to' name another",
            file.path.display(),
            to.display()
        ))),
        None => Ok(found),
    }
}

/// The files, in the order in which they are loaded. Finding none is an error, unless their names depend on a
/// day: a day may have none.
pub fn files(config: &Config, watch: &Watch) -> Result<Discovered> {
    let reach = &watch.reach(config);
    let patterns = config.patterns()?;
    let (mut there, mut absent) = (Vec::new(), Vec::new());
    for (pattern, is_dated) in patterns.into_iter().zip(config.source.are_dated()) {
        let is_absent = is_dated && found(config, slice::from_ref(&pattern), reach)?.is_none_there();
        match is_absent {
            true => absent.push(pattern.base.join(&pattern.text)),
            false => there.push(pattern),
        }
    }
    let patterns = there;
    let mut found = found(config, &patterns, reach)?;
    found.absent = absent;
    for stranger in &found.strangers {
        watch.observer.tell(&Event::PassedOver { file: stranger.path.clone(), what: stranger.what });
    }
    if found.files.is_empty() && !patterns.is_empty() {
        let names: Vec<PathBuf> = patterns.iter().map(|pattern| pattern.base.join(&pattern.text)).collect();
        return Err(nothing_found(&names, &found));
    }
    warn_of_idle(&found, watch);
    Ok(found)
}

/// The files of a rebuild. If sources without files may be removed, no file need exist, provided that the job
/// has loaded any: for a job that has not, a mistake in its names is more likely.
pub fn files_to_rebuild(config: &Config, rebuild: Rebuild, watch: &Watch) -> Result<Discovered> {
    let may_go = rebuild.is_whole && rebuild.allow_missing && has_loaded(config, watch)?;
    match files(config, watch) {
        Ok(mut found) if may_go => {
            found.files.retain(|file| file.is_stream() || file.is_there());
            Ok(found)
        }
        Err(error) if may_go && matches!(error.kind(), ErrorKind::NoFiles { .. }) => {
            Ok(Discovered::default())
        }
        found => found,
    }
}

/// Whether the job has loaded anything, on its day if it has one.
fn has_loaded(config: &Config, watch: &Watch) -> Result<bool> {
    let status = destination(config, watch)?.history()?.status(&config.name)?.unwrap_or_default();
    Ok(status.sources.iter().any(|source| source.data_date == config.date))
}

/// Warns of names and patterns without files, which may be misspelt.
fn warn_of_idle(found: &Discovered, watch: &Watch) {
    for name in &found.unmatched {
        let name = name.display();
        watch.observer.warn(format!("{name}: no file matches this name; the others are read"));
    }
    for glob in &found.idle {
        watch
            .observer
            .warn(format!("`include` has '{glob}', which matches no file; correct it or leave it out"));
    }
}

/// Marks the objects that the destination remembers as loaded: of these, not even the beginning is read.
/// Anything that cannot be determined now is determined when they are claimed.
pub(super) fn note_finished(files: &mut [Found], config: &Config, watch: &Watch) {
    if files.iter().all(|file| file.container().is_none()) {
        return;
    }
    // The load itself reports what there is to report.
    let quiet = Watch { stop: watch.stop.clone(), ..Watch::default() };
    let mut objects: Vec<Found> = files.iter().filter(|file| file.container().is_some()).cloned().collect();
    objects.iter_mut().for_each(Found::set_finished);
    // They are finished under other rules too.
    let settings = Settings { accept_new_rules: true, ..settings(config, &quiet) };
    let answers = pipeline::asked(&objects, &settings, &quiet.stop)
        .and_then(|(asked, _)| Ok(destination(config, &quiet)?.forecast(&asked)?.answers));
    let Ok(answers) = answers else { return };
    let objects = files.iter_mut().filter(|file| file.container().is_some());
    for (object, answer) in objects.zip(answers) {
        if matches!(answer, Answer::Finished { .. }) {
            object.set_finished();
        }
    }
}

/// The notices of the summary about names of a day that match no file.
pub(super) fn notices_of_absent(names: &[PathBuf]) -> impl Iterator<Item = (PathBuf, String)> {
    names.iter().map(|name| (name.clone(), "there is no such file for this day".to_owned()))
}

/// Why a link is skipped.
pub(super) const LINK_OF_ANOTHER: &str =
    "a link of another user, which is not followed; name it to load its target";

/// The notice of the summary about skipped links, in one: there can be many.
pub(super) fn notice_of_links(links: &[PathBuf]) -> Option<(PathBuf, String)> {
    let (first, more) = links.split_first()?;
    let more = match more.len() {
        0 => String::new(),
        more => format!(" ({} like it)", figure::some(more, "more link")),
    };
    Some((first.clone(), format!("{LINK_OF_ANOTHER}{more}")))
}

/// The error for names that match no file at all.
pub(super) fn nothing_found(names: &[PathBuf], found: &Discovered) -> Error {
    ErrorKind::NoFiles {
        names: names.to_vec(),
        are_folders: names.iter().all(|name| name.is_dir()),
        passed_over: notice_of_links(&found.passed_over),
        not_selected: found.not_selected,
    }
    .into()
}
