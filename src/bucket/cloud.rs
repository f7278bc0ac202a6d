//! S3, GCS and Azure, through the one interface of `object_store`.
//!
//! A call is bounded by what it has to carry, and tried a few times where doing it twice is doing it
//! once. A conditional write is not: its second try would find the first one's object and say that
//! another writer was faster.

use std::future::Future;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use object_store::list::PaginatedListOptions;
use object_store::path::Path;
use object_store::{
    GetOptions, GetRange, ObjectMeta, ObjectStoreExt as _, PutMode, PutOptions, PutPayload, UpdateVersion,
};

use super::address::{Address, Scheme};
use super::settings::{Client, client};
use super::verdict::{Outcome, failure, outcome};
use super::{Answer, Failure, Head, Listed, Object, PAGE, PageOf, Pending, Swap, Version, runtime};
use crate::error::Result;

/// A bucket of an object store. Keys are whole here.
#[derive(Clone)]
pub(super) struct Cloud {
    scheme: Scheme,
    /// Tries again by itself what can be done twice.
    patient: Arc<dyn Client>,
    /// Tries once.
    once: Arc<dyn Client>,
}

/// How long a call may take that carries nothing.
const CALL: Duration = Duration::from_secs(30);
/// How many bytes a line carries in a second that is worth waiting for.
const SLOWEST: u64 = 256 << 10;
const TRIES: usize = 3;

impl Cloud {
    pub(super) fn open(address: &Address) -> Result<Cloud> {
        runtime::start()?;
        Ok(Cloud {
            scheme: address.scheme,
            patient: client(address, TRIES, CALL / 2)?,
            once: client(address, 0, CALL / 2)?,
        })
    }

    pub(super) fn get(&self, key: String) -> Pending<Option<Object>> {
        let client = Arc::clone(&self.patient);
        let scheme = self.scheme;
        pending(async move {
            let path = path(&key)?;
            let found = match within(0, client.get(&path)).await {
                Err(Failure::Missing(_)) => return Ok(None),
                found => found?,
            };
            let version = version(scheme, &found.meta)?;
            let size = found.meta.size;
            Ok(Some(Object { bytes: within(size, found.bytes()).await?, version }))
        })
    }

    pub(super) fn head(&self, key: String) -> Pending<Option<Head>> {
        let client = Arc::clone(&self.patient);
        pending(async move {
            let path = path(&key)?;
            match within(0, client.head(&path)).await {
                Err(Failure::Missing(_)) => Ok(None),
                found => Ok(Some(head(&found?)?)),
            }
        })
    }

    pub(super) fn read(&self, key: String, range: Range<u64>, expected: Option<Version>) -> Pending<Bytes> {
        let client = Arc::clone(&self.patient);
        pending(async move {
            let size = range.end.saturating_sub(range.start);
            if size == 0 {
                return Ok(Bytes::new());
            }
            let path = path(&key)?;
            let options = GetOptions {
                range: Some(GetRange::Bounded(range)),
                if_match: expected.map(|version| version.0),
                ..GetOptions::default()
            };
            within(size, async { client.get_opts(&path, options).await?.bytes().await }).await
        })
    }

    pub(super) fn put(&self, key: String, pieces: &[Bytes]) -> Pending<()> {
        let client = Arc::clone(&self.patient);
        let payload: PutPayload = pieces.iter().cloned().collect();
        pending(async move {
            let path = path(&key)?;
            within(payload.content_length() as u64, client.put(&path, payload)).await?;
            Ok(())
        })
    }

    pub(super) fn put_if(&self, key: String, bytes: Bytes, expected: Option<Version>) -> Pending<Swap> {
        let client = Arc::clone(&self.once);
        let scheme = self.scheme;
        let size = bytes.len() as u64;
        let mode = match expected {
            None => PutMode::Create,
            Some(Version(version)) if scheme == Scheme::Gcs => {
                PutMode::Update(UpdateVersion { e_tag: None, version: Some(version) })
            }
            Some(Version(e_tag)) => PutMode::Update(UpdateVersion { e_tag: Some(e_tag), version: None }),
        };
        pending(async move {
            let path = path(&key)?;
            let put = client.put_opts(&path, bytes.into(), PutOptions { mode, ..PutOptions::default() });
            // A bound that cuts it leaves open what became of it.
            let answer = match tokio::time::timeout(bound(size), put).await {
                Ok(answer) => answer,
                Err(_) => return Ok(Swap::Unknown(NO_ANSWER.to_owned())),
            };
            match answer {
                Ok(put) => match own(scheme, put.e_tag, put.version) {
                    Some(version) => Ok(Swap::Done(version)),
                    None => Err(no_version()),
                },
                Err(error) => match outcome(&error) {
                    Outcome::Refused => Ok(Swap::Refused),
                    Outcome::Unknown(why) => Ok(Swap::Unknown(why)),
                    Outcome::Failed(failure) => Err(failure),
                },
            }
        })
    }

    pub(super) fn delete(&self, key: String) -> Pending<()> {
        let client = Arc::clone(&self.patient);
        pending(async move {
            let path = path(&key)?;
            match within(0, client.delete(&path)).await {
                Err(Failure::Missing(_)) => Ok(()),
                done => done,
            }
        })
    }

    pub(super) fn list(&self, prefix: String, token: Option<String>) -> Pending<PageOf> {
        let client = Arc::clone(&self.patient);
        pending(async move {
            let options = PaginatedListOptions {
                max_keys: Some(PAGE),
                page_token: token,
                ..PaginatedListOptions::default()
            };
            let prefix = Some(prefix.as_str()).filter(|prefix| !prefix.is_empty());
            let listed = within(0, client.list_paginated(prefix, options)).await?;
            let objects = listed
                .result
                .objects
                .iter()
                .map(|meta| Ok(Listed { key: meta.location.to_string(), head: head(meta)? }));
            Ok(PageOf { objects: objects.collect::<Result<_, Failure>>()?, next: listed.page_token })
        })
    }
}

const NO_ANSWER: &str = "the store has not answered in time";

/// Hands a call over to the thread.
fn pending<T: Send + 'static>(call: impl Future<Output = Result<T, Failure>> + Send + 'static) -> Pending<T> {
    Pending(Answer::Coming(runtime::spawn(call)))
}

/// Waits for an answer that carries so many bytes.
async fn within<T>(size: u64, call: impl Future<Output = object_store::Result<T>>) -> Result<T, Failure> {
    match tokio::time::timeout(bound(size), call).await {
        Ok(answer) => answer.map_err(|error| failure(&error)),
        Err(_) => Err(Failure::Away(NO_ANSWER.to_owned())),
    }
}

fn bound(size: u64) -> Duration {
    CALL + Duration::from_secs(size / SLOWEST)
}

/// A key as the store's client takes it, which is as it is or not at all.
fn path(key: &str) -> Result<Path, Failure> {
    match Path::parse(key) {
        Ok(path) if path.as_ref() == key => Ok(path),
        _ => Err(Failure::Broken(format!(
            "the key {key:?} cannot be requested: it has a part that is empty, . or .., or a control character"
        ))),
    }
}

/// What is told of an object that is only looked at: its entity tag, which all stores have in their listings too.
fn head(meta: &ObjectMeta) -> Result<Head, Failure> {
    let version = meta.e_tag.clone().map(Version).ok_or_else(no_version)?;
    Ok(Head { size: meta.size, version, modified: meta.last_modified })
}

fn version(scheme: Scheme, meta: &ObjectMeta) -> Result<Version, Failure> {
    own(scheme, meta.e_tag.clone(), meta.version.clone()).ok_or_else(no_version)
}

/// What a store compares before it writes: generations on GCS, entity tags everywhere else.
fn own(scheme: Scheme, e_tag: Option<String>, version: Option<String>) -> Option<Version> {
    match scheme {
        Scheme::Gcs => version,
        _ => e_tag,
    }
    .map(Version)
}

fn no_version() -> Failure {
    Failure::Broken("the store returns no version (ETag) of an object, and logmill needs one".to_owned())
}
