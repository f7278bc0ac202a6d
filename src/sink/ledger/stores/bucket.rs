//! A bucket as a store: a value is an object, and its version is the one that the bucket compares.
//!
//! Not every bucket can remove an object under a condition, so what is removed is an object of no
//! bytes from then on.

use bytes::Bytes;

use super::super::store::{Entry, Failure, Store, Swap, Version};
use crate::bucket::{self, Bucket};

/// The objects below a bucket.
pub struct InBucket(pub Bucket);

impl Store for InBucket {
    fn get(&self, key: &str) -> Result<Option<Entry>, Failure> {
        Ok(self.read(key)?.filter(|entry| !entry.value.is_empty()))
    }

    fn list(&self, prefix: &str) -> Result<Vec<(String, Entry)>, Failure> {
        let mut found = Vec::new();
        for page in self.0.list(prefix) {
            for listed in page.map_err(failed)? {
                // One that was removed meanwhile is not there.
                let entry = if listed.head.size == 0 { None } else { self.get(&listed.key)? };
                found.extend(entry.map(|entry| (listed.key, entry)));
            }
        }
        Ok(found)
    }

    fn compare_and_set(
        &self,
        key: &str,
        expected: Option<&Version>,
        value: Option<&[u8]>,
    ) -> Result<Swap, Failure> {
        let bytes = Bytes::copy_from_slice(value.unwrap_or_default());
        let expected = expected.map(|version| bucket::Version(version.0.clone()));
        let mut swap = self.0.put_if(key, bytes.clone(), expected.as_ref()).map_err(failed)?;
        if swap == bucket::Swap::Refused && expected.is_none() {
            // What was removed is as good as nothing.
            swap = match self.read(key)? {
                Some(entry) if entry.value.is_empty() => {
                    let removed = bucket::Version(entry.version.0);
                    self.0.put_if(key, bytes, Some(&removed)).map_err(failed)?
                }
                _ => swap,
            };
        }
        match swap {
            bucket::Swap::Done(version) => Ok(Swap::Done(value.map(|_| Version(version.0)))),
            bucket::Swap::Refused => Ok(Swap::Refused),
            bucket::Swap::Unknown(why) => Err(Failure(why)),
        }
    }
}

impl InBucket {
    fn read(&self, key: &str) -> Result<Option<Entry>, Failure> {
        let object = self.0.get(key).map_err(failed)?;
        Ok(object.map(|object| Entry { version: Version(object.version.0), value: object.bytes.to_vec() }))
    }
}

fn failed(failure: bucket::Failure) -> Failure {
    Failure(failure.to_string())
}
