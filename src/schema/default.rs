//! Defaults, which are read as if a record had held them.
//!
//! So a default has the type of its field, an object's default is stored like an object,
//! and a default that breaks a rule of its own field is found before the first record.

use bumpalo::Bump;

use super::read::{Context, read};
use super::value::{Owned, Value};
use super::{Field, Nul};
use crate::format::{Raw, Record, parse_json};
use crate::reject::{Faults, Path};

impl Field {
    /// The value that `json` is to this field, or what is wrong with it.
    pub fn read_default(&self, json: &str) -> Result<Owned, String> {
        let (arena, mut record) = (Bump::new(), Record::default());
        parse_json(json.as_bytes(), &arena, &mut record).map_err(|malformed| malformed.what.to_owned())?;
        if record.root().raw() == Raw::Null && self.nullable {
            return Ok(Owned::Plain(Value::Null));
        }
        let mut faults = Faults::default();
        let mut context = Context::new(&arena, &mut faults, Nul::Reject);
        let mut value = Value::Null;
        read(self, record.root(), &Path::Record, &mut context, &mut value);
        if faults.is_empty() {
            Ok(Owned::new(value))
        } else {
            Err(faults.messages().collect::<Vec<_>>().join("; "))
        }
    }
}
