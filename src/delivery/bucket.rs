//! A bucket as a target: one object per stretch of a source.
//!
//! If two deliveries write the same object, the one that read the table earlier must not overwrite the
//! other's. So the object's version is read before the table, and an object that was written since is not
//! overwritten: the table is read again. A lost answer leaves the letters due, and the next delivery writes
//! the same bytes.

use bytes::Bytes;

use super::envelope::Envelope;
use super::{Target, mark, stretches, undelivered};
use crate::bucket::{self, Bucket, Swap};
use crate::error::{Error, Result};
use crate::failpoint;
use crate::sink::outbox::{Delivered, Outbox, Stretch};
use crate::stop::Stop;

/// Objects below a bucket's prefix.
pub(super) struct Letters {
    bucket: Bucket,
}

/// How often to start over with an object that others write meanwhile.
const TRIES: usize = 10;

impl Letters {
    pub(super) fn open(url: &str) -> Result<Letters> {
        Ok(Letters { bucket: Bucket::open(url)? })
    }

    fn failed(&self, key: &str, failure: &bucket::Failure) -> Error {
        undelivered(self.bucket.url_of(key), failure.to_string())
    }

    /// Rewrites the object of a stretch. It exists when this returns.
    fn write(&self, stretch: Stretch, outbox: &mut dyn Outbox, envelope: &Envelope) -> Result<Delivered> {
        let key = format!("{}/{}", stretches::folders(envelope).join("/"), stretches::name(stretch));
        for _ in 0..TRIES {
            let head = self.bucket.head(&key).map_err(|failure| self.failed(&key, &failure))?;
            let mut bytes = Vec::new();
            let failed = |cause: std::io::Error| undelivered(self.bucket.url_of(&key), cause.to_string());
            let delivered = stretches::write(stretch, outbox, envelope, &mut bytes, failed)?;
            failpoint::reached("before-letters-file");
            let version = head.map(|head| head.version);
            match self.bucket.put_if(&key, Bytes::from(bytes), version.as_ref()) {
                Ok(Swap::Done(_)) => {
                    failpoint::reached("after-letters-file");
                    return Ok(delivered);
                }
                Ok(Swap::Refused) => {}
                Ok(Swap::Unknown(why)) => return Err(undelivered(self.bucket.url_of(&key), why)),
                Err(failure) => return Err(self.failed(&key, &failure)),
            }
        }
        Err(undelivered(self.bucket.url_of(&key), "other runs keep overwriting it"))
    }
}

impl Target for Letters {
    fn take(&mut self, outbox: &mut dyn Outbox, envelope: &Envelope, stop: &Stop) -> Result<()> {
        for stretch in outbox.due_stretches()? {
            if stop.asked().is_some() {
                break;
            }
            let delivered = self.write(stretch, outbox, envelope)?;
            mark(outbox, &delivered)?;
        }
        Ok(())
    }
}
