//! Stores: maps from keys to bytes in which a value changes only if it is the expected one.
//!
//! That is all that a bucket, Redis and DynamoDB have in common, and it is enough to keep a ledger in.

use crate::error::Error;

/// A store. Whatever it has acknowledged is durable, and it reads and lists the newest values.
pub trait Store: Send + Sync {
    /// Checks whether it keeps its word, before it is relied on. Returns doubts, for a person.
    fn check(&self) -> Result<Vec<String>, Failure> {
        Ok(Vec::new())
    }

    /// The value under a key.
    fn get(&self, key: &str) -> Result<Option<Entry>, Failure>;

    /// All keys with this prefix, with their values.
    fn list(&self, prefix: &str) -> Result<Vec<(String, Entry)>, Failure>;

    /// Writes `value` under a key, or removes the present value, if that has the expected version: `None`
    /// expects no value. Tried only once: a second try would find the effect of the first and take it for
    /// another run's.
    fn compare_and_set(
        &self,
        key: &str,
        expected: Option<&Version>,
        value: Option<&[u8]>,
    ) -> Result<Swap, Failure>;
}

/// Identifies one of the values that a key has had. No version is ever used twice, even by a store that was
/// restored to an older state; so versions are random, not counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version(pub String);

impl Version {
    /// A version that no value has had.
    pub fn fresh() -> Version {
        Version(format!("{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..)))
    }
}

/// A value under a key.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its version.
    pub version: Version,
    /// Its bytes.
    pub value: Vec<u8>,
}

/// The outcome of a compare-and-set.
#[derive(Clone, Debug)]
pub enum Swap {
    /// It took effect, with this version; `None` if the key was removed.
    Done(Option<Version>),
    /// Another value was there.
    Refused,
}

/// Why there is no answer. Whether the operation took effect is unknown.
#[derive(Debug)]
pub enum Failure {
    /// The store may come back and is asked again; says what was wrong.
    Away(String),
    /// The answer will be the same however often it is asked.
    Final(Error),
}

/// A bound in byte order that every key with this prefix comes before.
pub fn behind(prefix: &str) -> String {
    let last = prefix
        .chars()
        .next_back()
        .filter(char::is_ascii)
        .and_then(|last| char::from_u32(u32::from(last) + 1));
    match last {
        Some(next) => format!("{}{next}", &prefix[..prefix.len() - 1]),
        None => format!("{prefix}\u{10ffff}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_begins_so_is_before_what_is_behind() {
        for prefix in ["run/", "a", "ä", "", "\u{7f}"] {
            let behind = behind(prefix);
            for rest in ["", "0", "zz", "ä", "\u{10ffff}"] {
                assert!(format!("{prefix}{rest}") <= behind, "{prefix} {rest}");
            }
        }
        assert_eq!(behind("run/"), "run0");
    }
}
