//! Buckets: one interface to object stores, with the few calls that the rest of the program needs.
//!
//! It covers S3, GCS, Azure and, as a fourth store, a folder, so that everything built on a bucket works and is tested
//! without a server. Calls block; those that end in `_later` return while the request is under way, so that a caller can
//! have several in flight.
//!
//! This module makes no decisions. It reports that a store is unavailable, and the caller waits. It reports that the
//! outcome of a conditional write is unknown, and never repeats that write.

mod address;
#[cfg(feature = "buckets")]
pub mod aws;
#[cfg(feature = "buckets")]
mod cloud;
mod failure;
mod folder;
#[cfg(feature = "buckets")]
pub mod runtime;
#[cfg(feature = "buckets")]
mod settings;
#[cfg(feature = "buckets")]
mod verdict;

use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};

use address::Address;
pub use failure::Failure;
use folder::Folder;

use crate::error::Result;

/// A bucket, and where in it all keys begin.
#[derive(Clone)]
pub struct Bucket {
    address: Arc<Address>,
    store: Store,
}

#[derive(Clone)]
enum Store {
    Folder(Folder),
    #[cfg(feature = "buckets")]
    Cloud(cloud::Cloud),
}

/// Which of all the contents that a key had.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Version(pub String);

/// An object, read whole.
#[derive(Clone, Debug)]
pub struct Object {
    /// What it holds.
    pub bytes: Bytes,
    /// Its version.
    pub version: Version,
}

/// What can be told of an object without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// How many bytes it holds.
    pub size: u64,
    /// Its version.
    pub version: Version,
    /// When it was written, by the clock of the store.
    pub modified: DateTime<Utc>,
}

/// An object in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its key, without what all keys begin with.
    pub key: String,
    /// What can be told of it.
    pub head: Head,
}

/// What became of a conditional write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Swap {
    /// It was done, and this is the version now.
    Done(Version),
    /// Something else stood there. After a write of which the outcome was unknown that may be one's own.
    Refused,
    /// It was done or not: the answer is lost, or the store was too busy to say. Why, in words.
    Unknown(String),
}

/// The answer of a call that is under way.
pub struct Pending<T>(Answer<T>);

enum Answer<T> {
    Here(Result<T, Failure>),
    #[cfg_attr(not(feature = "buckets"), expect(dead_code, reason = "a folder answers at once"))]
    Coming(Receiver<Result<T, Failure>>),
}

impl<T> Pending<T> {
    /// An answer that is there.
    pub fn of(answer: Result<T, Failure>) -> Pending<T> {
        Pending(Answer::Here(answer))
    }

    /// Waits for it. Each call has a bound of its own.
    pub fn wait(self) -> Result<T, Failure> {
        match self.0 {
            Answer::Here(answer) => answer,
            Answer::Coming(coming) => coming.recv().unwrap_or_else(|_| Err(no_answer())),
        }
    }

    /// The answer, if it comes in this time.
    pub fn wait_at_most(self, time: Duration) -> Result<Result<T, Failure>, Pending<T>> {
        let Answer::Coming(coming) = &self.0 else { return Ok(self.wait()) };
        match coming.recv_timeout(time) {
            Ok(answer) => Ok(answer),
            Err(RecvTimeoutError::Timeout) => Err(self),
            Err(RecvTimeoutError::Disconnected) => Ok(Err(no_answer())),
        }
    }
}

impl Bucket {
    /// Whether a text names one.
    pub fn is_named(text: &str) -> bool {
        address::is_named(text)
    }

    /// Whether a URL can be understood.
    pub fn check(url: &str) -> Result<()> {
        Address::parse(url).map(drop)
    }

    /// A URL without its settings; and these, with their question mark.
    pub fn apart(url: &str) -> (&str, &str) {
        let (name, _) = address::apart(url);
        url.split_at(name.len())
    }

    /// The bucket of a URL: `s3://`, `gs://`, `az://` or `file:///`. Nothing is asked of it yet.
    pub fn open(url: &str) -> Result<Bucket> {
        let address = Address::parse(url)?;
        let store = match address.scheme {
            address::Scheme::File => Store::Folder(Folder::new(&address.path)),
            #[cfg(feature = "buckets")]
            _ => Store::Cloud(cloud::Cloud::open(&address)?),
            #[cfg(not(feature = "buckets"))]
            _ => {
                let kind = crate::error::ErrorKind::NotCompiled {
                    what: "S3, GCS and Azure (an object can be piped in: aws s3 cp URL - | logmill load -j JOB -)",
                    feature: "buckets",
                };
                return Err(kind.into());
            }
        };
        Ok(Bucket { address: Arc::new(address), store })
    }

    /// The folder that it is, if it is one.
    pub fn folder(&self) -> Option<&std::path::Path> {
        match &self.store {
            Store::Folder(folder) => Some(folder.root()),
            #[cfg(feature = "buckets")]
            Store::Cloud(_) => None,
        }
    }

    /// Its URL for people: without settings and secrets.
    pub fn describe(&self) -> String {
        self.address.to_string()
    }

    /// The URL of an object, for people and to know it again by.
    pub fn url_of(&self, key: &str) -> String {
        self.address.url_of(key)
    }

    /// An object, if it is there.
    pub fn get(&self, key: &str) -> Result<Option<Object>, Failure> {
        self.get_later(key).wait()
    }

    /// The same, under way.
    pub fn get_later(&self, key: &str) -> Pending<Option<Object>> {
        match &self.store {
            Store::Folder(folder) => Pending(Answer::Here(folder.get(key))),
            #[cfg(feature = "buckets")]
            Store::Cloud(cloud) => cloud.get(self.address.full(key)),
        }
    }

    /// What can be told of an object, if it is there.
    pub fn head(&self, key: &str) -> Result<Option<Head>, Failure> {
        match &self.store {
            Store::Folder(folder) => folder.head(key),
            #[cfg(feature = "buckets")]
            Store::Cloud(cloud) => cloud.head(self.address.full(key)).wait(),
        }
    }

    /// A range of an object, which must be of the version that is expected, if one is. Fewer bytes where
    /// the object ends before the range does.
    pub fn read(&self, key: &str, range: Range<u64>, expected: Option<&Version>) -> Result<Bytes, Failure> {
        self.read_later(key, range, expected).wait()
    }

    /// The same, under way.
    pub fn read_later(&self, key: &str, range: Range<u64>, expected: Option<&Version>) -> Pending<Bytes> {
        match &self.store {
            Store::Folder(folder) => Pending(Answer::Here(folder.read(key, range, expected))),
            #[cfg(feature = "buckets")]
            Store::Cloud(cloud) => cloud.read(self.address.full(key), range, expected.cloned()),
        }
    }

    /// Writes an object unconditionally.
    pub fn put(&self, key: &str, bytes: Bytes) -> Result<(), Failure> {
        self.put_later(key, &[bytes]).wait()
    }

    /// Writes an object that consists of these pieces, and returns while it is under way. The pieces are not copied
    /// together: an object may be large.
    pub fn put_later(&self, key: &str, pieces: &[Bytes]) -> Pending<()> {
        match &self.store {
            Store::Folder(folder) => Pending(Answer::Here(folder.put(key, pieces))),
            #[cfg(feature = "buckets")]
            Store::Cloud(cloud) => cloud.put(self.address.full(key), pieces),
        }
    }

    /// Writes an object if the present one has the expected version; `None` expects no object.
    pub fn put_if(&self, key: &str, bytes: Bytes, expected: Option<&Version>) -> Result<Swap, Failure> {
        match &self.store {
            Store::Folder(folder) => folder.put_if(key, bytes, expected),
            #[cfg(feature = "buckets")]
            Store::Cloud(cloud) => cloud.put_if(self.address.full(key), bytes, expected.cloned()).wait(),
        }
    }

    /// Removes an object, if it is there.
    pub fn delete(&self, key: &str) -> Result<(), Failure> {
        match &self.store {
            Store::Folder(folder) => folder.delete(key),
            #[cfg(feature = "buckets")]
            Store::Cloud(cloud) => cloud.delete(self.address.full(key)).wait(),
        }
    }

    /// All objects with this prefix, page by page, in the store's order of keys.
    pub fn list(&self, prefix: &str) -> Pages<'_> {
        Pages { bucket: self, prefix: self.address.full(prefix), next: Next::Page(None) }
    }
}

fn no_answer() -> Failure {
    Failure::Broken("a call to a bucket ended without an answer".to_owned())
}

/// A listing. After a failure the same page is asked for again.
pub struct Pages<'b> {
    bucket: &'b Bucket,
    prefix: String,
    next: Next,
}

enum Next {
    /// The page that this token stands for; the first one without.
    Page(Option<String>),
    End,
}

/// Objects of a listing, and what stands for the next of them, if there are more.
struct PageOf {
    objects: Vec<Listed>,
    next: Option<String>,
}

impl Iterator for Pages<'_> {
    type Item = Result<Vec<Listed>, Failure>;

    fn next(&mut self) -> Option<Self::Item> {
        let Next::Page(token) = &self.next else { return None };
        let page = match &self.bucket.store {
            Store::Folder(folder) => folder.list(&self.prefix, token.as_deref()),
            #[cfg(feature = "buckets")]
            Store::Cloud(cloud) => cloud.list(self.prefix.clone(), token.clone()).wait(),
        };
        Some(page.map(|PageOf { mut objects, next }| {
            self.next = next.map_or(Next::End, |token| Next::Page(Some(token)));
            objects.retain_mut(|listed| self.bucket.address.shorten(&mut listed.key));
            objects
        }))
    }
}

/// How many objects a page has at most.
const PAGE: usize = 1000;
