//! Stores: keys to bytes, which change only as somebody expects them to be.
//!
//! That is all that a bucket, Redis and DynamoDB have in common, and enough to keep a ledger in.

use crate::error::Error;

/// A store. What it has acknowledged is durable, and what it reads or lists is the newest.
pub trait Store: Send + Sync {
    /// Finds out whether it keeps its word, before it is relied on. What it gives are doubts, for a person.
    fn check(&self) -> Result<Vec<String>, Failure> {
        Ok(Vec::new())
    }

    /// What stands under a key.
    fn get(&self, key: &str) -> Result<Option<Entry>, Failure>;

    /// All keys that begin so, with what stands under them.
    fn list(&self, prefix: &str) -> Result<Vec<(String, Entry)>, Failure>;

    /// Puts `value` under a key, or removes what stands there, if that is of the version that is
    /// expected: none, if nothing is to be there. It is tried once: a second try would find what the first one has
    /// done, and take it for another's.
    fn compare_and_set(
        &self,
        key: &str,
        expected: Option<&Version>,
        value: Option<&[u8]>,
    ) -> Result<Swap, Failure>;
}

/// Which of all the values that a key had. Each is given once, also to a store that was put back to what it was: so it
/// is drawn, and not counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version(pub String);

impl Version {
    /// One that no value has had.
    pub fn fresh() -> Version {
        Version(format!("{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..)))
    }
}

/// What stands under a key.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its version.
    pub version: Version,
    /// Its bytes.
    pub value: Vec<u8>,
}

/// What became of a compare-and-set.
#[derive(Clone, Debug)]
pub enum Swap {
    /// It was done, and this is the version now; none if the key was removed.
    Done(Option<Version>),
    /// Something else stood there.
    Refused,
}

/// Why there is no answer. Whether anything was done is unknown.
#[derive(Debug)]
pub enum Failure {
    /// It may come back, and is asked again: what was wrong.
    Away(String),
    /// It will say the same however often it is asked.
    Final(Error),
}

/// What no key that begins so comes behind, in the order of bytes.
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
