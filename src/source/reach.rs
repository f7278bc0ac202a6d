//! Reaching buckets: how long one that is away is waited for, who is told of it, and what else is to be
//! known of each to get there.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::bucket::{Bucket, Failure, Listed, Pending};
use crate::error::{Error, ErrorKind, Result};
use crate::event::Observer;
use crate::outage::{Outage, Patience};
use crate::stop::Stop;

/// How buckets are reached. Those who have none of their own wait for nothing.
#[derive(Clone, Default)]
pub struct Reach {
    /// How long an outage is waited out.
    retry_for: Duration,
    /// Ends the waiting.
    stop: Stop,
    /// Is told of it. A run finds its files before it shows how far it is.
    observer: Arc<Mutex<Observer>>,
    opened: Opened,
    /// Held by whoever waits for a bucket that is away, in the name of all who ask it for something; and
    /// what was the matter when that was in vain.
    in_vain: Arc<Mutex<Option<String>>>,
}

/// The buckets that were opened: each once, for to open one takes some time.
#[derive(Clone, Default)]
pub struct Opened(Arc<Mutex<Open>>);

#[derive(Default)]
struct Open {
    /// By their URLs with all settings.
    buckets: HashMap<String, Bucket>,
    /// The settings of buckets, by their URLs without. What is remembered of an object is its URL without.
    settings: HashMap<String, String>,
    /// Listings of folders, by their URLs: what was found, from the second time on that it is asked for.
    listings: HashMap<String, Option<Arc<[Listed]>>>,
}

/// A listing that may have been made before.
pub(super) enum Listing {
    /// It was, and is kept.
    Known(Arc<[Listed]>),
    /// It is to be made; and kept, if it is asked for again and again, as for each day of a pattern with a date in it.
    ToMake { is_kept: bool },
}

impl Opened {
    fn lock(&self) -> MutexGuard<'_, Open> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} buckets", self.lock().buckets.len())
    }
}

/// How often a request to stop is looked for while an answer is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(100);

impl Reach {
    /// How buckets are reached that are waited for so long.
    pub fn new(retry_for: Duration, stop: &Stop, observer: &Observer) -> Reach {
        let reach = Reach { retry_for, stop: stop.clone(), ..Reach::default() };
        reach.tell(observer);
        reach
    }

    /// Has waiting told to this observer from now on.
    pub(super) fn tell(&self, observer: &Observer) {
        *self.observer.lock().unwrap_or_else(PoisonError::into_inner) = observer.clone();
    }

    pub(super) fn stop(&self) -> &Stop {
        &self.stop
    }

    /// The same for buckets of which some may be open.
    pub fn among(self, opened: &Opened) -> Reach {
        Reach { opened: opened.clone(), ..self }
    }

    /// Takes note of a URL of the job: its settings are those of its bucket.
    pub fn note(&self, url: &Path) {
        let (name, settings) = Bucket::apart(url.to_str().unwrap_or_default());
        if !settings.is_empty() {
            self.opened.lock().settings.insert(root_and_key(name).0.to_owned(), settings.to_owned());
        }
    }

    /// The bucket of a URL, which may have settings and goes on with a key; and that key.
    pub(super) fn bucket(&self, url: &str) -> Result<(Bucket, String)> {
        let (name, settings) = Bucket::apart(url);
        let (root, key) = root_and_key(name);
        let mut opened = self.opened.lock();
        let settings = match settings.is_empty() {
            true => opened.settings.get(root).map_or("", String::as_str),
            false => settings,
        };
        let whole = format!("{root}{settings}");
        let bucket = match opened.buckets.get(&whole) {
            Some(bucket) => bucket.clone(),
            None => Bucket::open(&whole)?,
        };
        opened.buckets.insert(whole, bucket.clone());
        Ok((bucket, key.to_owned()))
    }

    /// The listing of a folder, by its URL. One command looks at a bucket once: what comes meanwhile is for the next.
    pub(super) fn listing(&self, folder: &str) -> Listing {
        let mut opened = self.opened.lock();
        match opened.listings.get(folder) {
            Some(Some(listed)) => Listing::Known(Arc::clone(listed)),
            Some(None) => Listing::ToMake { is_kept: true },
            None => {
                opened.listings.insert(folder.to_owned(), None);
                Listing::ToMake { is_kept: false }
            }
        }
    }

    /// Keeps a listing.
    pub(super) fn keep(&self, folder: String, listed: Vec<Listed>) {
        self.opened.lock().listings.insert(folder, Some(listed.into()));
    }

    /// Asks a bucket for something about `path`, until there is an answer or the time for that is over. The
    /// first try is under way.
    pub(super) fn go_on_asking<T>(
        &self,
        path: &Path,
        stop: &Stop,
        begun: Pending<T>,
        ask: impl Fn() -> Pending<T>,
    ) -> Result<T> {
        self.wait_out(path, stop, Some(begun), ask, |pending| answer(path, pending, stop))
    }

    /// Tries something that blocks, until there is an answer or the time for that is over.
    pub(super) fn persist<T>(&self, path: &Path, mut ask: impl FnMut() -> Result<T, Failure>) -> Result<T> {
        let stop = &self.stop;
        self.wait_out(path, stop, None, || (), |()| Ok(ask()))
    }

    fn wait_out<T, P>(
        &self,
        path: &Path,
        stop: &Stop,
        mut begun: Option<P>,
        begin: impl Fn() -> P,
        mut end: impl FnMut(P) -> Result<Result<T, Failure>>,
    ) -> Result<T> {
        let observer = self.observer.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let patience = Patience { retry_for: self.retry_for, stop, observer: &observer };
        let mut outage = Outage::new(patience);
        let mut waiting = None;
        loop {
            let what = match end(begun.take().unwrap_or_else(&begin))? {
                Ok(found) => return Ok(found),
                Err(Failure::Away(what)) => format!("{}: {what}", path.display()),
                Err(failure) => return Err(refused(path, failure)),
            };
            let away = |what: &str| ErrorKind::Unreachable { what: what.to_owned(), waited: None }.into();
            // Where another waits already, its end is what is waited for.
            let in_vain =
                waiting.get_or_insert_with(|| self.in_vain.lock().unwrap_or_else(PoisonError::into_inner));
            if let Some(what) = &**in_vain {
                return Err(away(what));
            }
            let waited = outage.wait("bucket", &what, || away(&what));
            if waited.as_ref().is_err_and(|error| matches!(error.kind(), ErrorKind::Unreachable { .. })) {
                **in_vain = Some(what);
            }
            waited?;
        }
    }
}

impl fmt::Debug for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reach({:?})", self.retry_for)
    }
}

/// The URL of a bucket, and the key behind it.
pub(super) fn root_and_key(url: &str) -> (&str, &str) {
    let bucket = url.find("://").map_or(0, |scheme| scheme + "://".len());
    match url[bucket..].find('/') {
        Some(slash) => (&url[..bucket + slash], &url[bucket + slash + 1..]),
        None => (url, ""),
    }
}

/// The answer, unless it is no longer wanted.
fn answer<T>(path: &Path, mut pending: Pending<T>, stop: &Stop) -> Result<Result<T, Failure>> {
    loop {
        match pending.wait_at_most(LOOK_EVERY) {
            Ok(answer) => return Ok(answer),
            Err(still) => pending = still,
        }
        super::still_wanted(path, stop)?;
    }
}

/// What is said of an object that a bucket does not give.
fn refused(path: &Path, failure: Failure) -> Error {
    let what = match failure {
        Failure::Changed => {
            "the object was rewritten since it was listed, and nothing of the new one was loaded. When its writer has \
             finished, run the same command again"
                .to_owned()
        }
        other => other.to_string(),
    };
    Error::source(path, what)
}
