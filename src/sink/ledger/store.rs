//! Stores: keys to bytes, which change only as somebody expects them to be.
//!
//! That is all that a bucket, Redis and DynamoDB have in common, and enough to keep a ledger in.

/// A store. What it has acknowledged is durable, and what it reads or lists is the newest.
pub trait Store: Send + Sync {
    /// What stands under a key.
    fn get(&self, key: &str) -> Result<Option<Entry>, Failure>;

    /// All keys that begin so, with what stands under them.
    fn list(&self, prefix: &str) -> Result<Vec<(String, Entry)>, Failure>;

    /// Puts `value` under a key, or removes what stands there, if that is of the version that is
    /// expected: none, if nothing is to be there. The version of what stands there now is unknown
    /// if it was not.
    fn compare_and_set(
        &self,
        key: &str,
        expected: Option<&Version>,
        value: Option<&[u8]>,
    ) -> Result<Swap, Failure>;
}

/// Which of all the values that a key had. Each is given once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version(pub String);

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
#[derive(Clone, Debug)]
pub struct Failure(pub String);
