//! Single values, read by a field outside of a row: defaults, and the candidates of inference.
//!
//! A default is read as if a record had contained it, so it has the type of its field, an object's default is
//! stored like an object, and a default that breaks a rule of its own field is found before the first record.

use bumpalo::Bump;

use super::read::{Context, read};
use super::value::{Owned, Value};
use super::{Field, Nul};
use crate::format::{Item, JsonScratch, Raw, Record, parse_json};
use crate::reject::{Faults, Path};

impl Field {
    /// The value of `item` for this field, or `None` if the field would refuse it.
    pub fn value_of<'a>(&'a self, item: Item<'a>, arena: &'a Bump) -> Option<Value<'a>> {
        if item.raw() == Raw::Null && self.nullable {
            return Some(Value::Null);
        }
        let mut faults = Faults::default();
        let mut context = Context::new(arena, &mut faults, Nul::Reject);
        let mut value = Value::Null;
        read(self, item, &Path::Record, &mut context, &mut value);
        faults.is_empty().then_some(value)
    }

    /// The value of `json` inside the kind of text that this field is given as; the error is `fault`.
    pub(super) fn read_default_within(&self, json: &str, fault: String) -> Result<Owned, String> {
        match self.kind.is_in_text() {
            true => self.read_default(&serde_json::to_string(json).map_err(|_| fault)?),
            false => Err(fault),
        }
    }

    /// The value of `json` for this field, or what is wrong with it.
    pub fn read_default(&self, json: &str) -> Result<Owned, String> {
        let (arena, mut scratch, mut record) = (Bump::new(), JsonScratch::default(), Record::default());
        parse_json(json.as_bytes(), &arena, &mut scratch, &mut record)
            .map_err(|malformed| malformed.what.to_owned())?;
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
