//! A schema from a JSON Schema: 2020-12, as Pydantic emits it and as people write it.
//!
//! A validator that ignores keywords is worse than none, so every keyword is enforced, is
//! known to say nothing about values, or is refused with its place. What a JSON Schema
//! cannot say it does not decide: whether values are coerced is the mode of the job, a
//! `date-time` is read as a timestamp field of the job reads it, and a `number` may be infinite.
//!
//! References are followed where they stand, so a schema that refers to itself has no end
//! and is refused.

mod node;
mod number;
mod shape;

use std::fmt;

use bumpalo::Bump;

use self::node::Node;
use self::shape::Shape;
use super::{Clock, Extra, Field, Kind, Owned, Schema, Value};
use crate::format::{Item, JsonScratch, Raw, Record, parse_json};

/// The schema that the JSON Schema in `text` describes. With `strict`, values are taken as
/// they are; without, they are coerced. A stamp that names no zone, a default too, is in
/// that of `clock`, which is for the job to say.
///
/// The properties become fields in their order, each under its own name. Members that the
/// schema does not name are ignored, or with `additionalProperties: false` refused.
pub fn from_json_schema(text: &str, strict: bool, clock: Clock) -> Result<Schema, JsonSchemaError> {
    let (arena, mut scratch, mut record) = (Bump::new(), JsonScratch::default(), Record::default());
    parse_json(text.as_bytes(), &arena, &mut scratch, &mut record).map_err(|malformed| {
        let message = format!("{} at byte {}", malformed.what, malformed.at);
        JsonSchemaError { faults: vec![Fault { path: "#".to_owned(), message }] }
    })?;
    let mut import =
        Import { root: record.root(), strict, clock, references: Vec::new(), fields: 0, faults: Vec::new() };
    let schema = import.record(Node::new(record.root(), "#".to_owned()));
    let schema = schema.map_err(|fault| import.fault(fault));
    match schema {
        Ok(schema) if import.faults.is_empty() => Ok(schema),
        _ => Err(JsonSchemaError { faults: import.faults }),
    }
}

/// What is wrong with a JSON Schema: everything that it asks for and that would not be enforced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonSchemaError {
    /// At least one, in the order of the schema, each place once.
    pub faults: Vec<Fault>,
}

/// One thing that is wrong with a JSON Schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// A pointer into the schema, as `#/properties/host/pattern`.
    pub path: String,
    /// What is wrong there.
    pub message: String,
}

/// More are not told, and not looked for.
const FAULTS_MAX: usize = 1000;

impl fmt::Display for JsonSchemaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [Fault { path, message }] = self.faults.as_slice() {
            return write!(f, "{path}: {message}");
        }
        let or_more = if self.faults.len() < FAULTS_MAX { "" } else { " or more" };
        write!(f, "{}{or_more} things are wrong with it:", self.faults.len())?;
        self.faults.iter().try_for_each(|Fault { path, message }| write!(f, "\n  - {path}: {message}"))
    }
}

impl std::error::Error for JsonSchemaError {}

type Result<T, E = Fault> = std::result::Result<T, E>;

/// References that meet at one definition multiply. No table has more columns than 1,600, and
/// no record that many fields.
const FIELDS_MAX: usize = 10_000;

/// A longer chain of references is one that somebody has made to be long.
const REFERENCES_MAX: usize = 100;

/// What the import carries along.
struct Import<'s> {
    root: Item<'s>,
    strict: bool,
    clock: Clock,
    /// The references that are being followed, to see one that leads to itself.
    references: Vec<String>,
    fields: usize,
    /// What is wrong so far.
    faults: Vec<Fault>,
}

impl<'s> Import<'s> {
    /// Notes what is wrong, once for each place: definitions are read wherever they are referred to.
    fn fault(&mut self, fault: Fault) {
        if self.faults.len() < FAULTS_MAX && !self.faults.contains(&fault) {
            self.faults.push(fault);
        }
    }

    /// Notes the keywords of a place that nobody has asked for: they would go unenforced.
    fn finish(&mut self, node: &Node<'_>) {
        node.left().for_each(|fault| self.fault(fault));
    }

    /// The schema of a record: an object, perhaps by reference.
    fn record(&mut self, mut node: Node<'s>) -> Result<Schema> {
        let Raw::Object { .. } = node.item.raw() else { return Err(node.error("not a schema")) };
        if let Some(reference) = node.take("$ref") {
            self.finish(&node);
            return self.follow(&reference, Import::record);
        }
        match node.take("type") {
            Some(name) if name.item.raw() != Raw::Text("object") => {
                return Err(name.error("a record is an object"));
            }
            _ => {}
        }
        let schema = self.object(&mut node)?;
        self.finish(&node);
        match schema {
            Some(Schema { extra: Extra::Keep, fields, .. }) => Ok(Schema { fields, ..Schema::default() }),
            Some(schema) if !schema.fields.is_empty() => Ok(schema),
            _ => Err(node.error("there are no properties, so there would be no columns")),
        }
    }

    /// The fields of an object; none if any object will do.
    fn object(&mut self, node: &mut Node<'s>) -> Result<Option<Schema>> {
        let properties = node.take("properties");
        let extra = match node.take("additionalProperties") {
            None => None,
            Some(allowed) => match allowed.item.raw() {
                Raw::Bool(true) | Raw::Object { len: 0 } => Some(Extra::Keep),
                Raw::Bool(false) => Some(Extra::Forbid),
                _ => {
                    self.fault(allowed.error("rules for members that are not named are not enforced"));
                    None
                }
            },
        };
        let mut required = Vec::new();
        if let Some(names) = node.take("required") {
            for name in names.items("a list of names")? {
                match name.item.raw() {
                    Raw::Text(text) => required.push((text, name)),
                    _ => return Err(name.error("not a name")),
                }
            }
        }
        let mut fields: Vec<Field> = Vec::new();
        if let Some(properties) = &properties {
            for (name, property) in properties.members("an object of properties")? {
                let is_required = required.iter().any(|(required, _)| *required == name);
                // Of equal keys the last counts.
                fields.retain(|other| other.name != name);
                match self.field(name, property, is_required) {
                    Ok(field) => fields.push(field),
                    // So that all is told at once.
                    Err(fault) => {
                        self.fault(fault);
                        fields.push(Field::new(name, Kind::Bool));
                    }
                }
            }
        }
        if let Some((name, place)) =
            required.iter().find(|(name, _)| fields.iter().all(|field| field.name != *name))
        {
            return Err(place.error(format!("{name:?} is required, but is none of the properties")));
        }
        if properties.is_none() && extra.is_none_or(|extra| extra == Extra::Keep) {
            return Ok(None);
        }
        Ok(Some(Schema { fields, extra: extra.unwrap_or_default(), ..Schema::default() }))
    }

    fn field(&mut self, name: &str, mut node: Node<'s>, required: bool) -> Result<Field> {
        self.fields += 1;
        if self.fields > FIELDS_MAX {
            return Err(node.error(format!("more than {FIELDS_MAX} fields")));
        }
        let default = node.take("default");
        let Shape { kind, nullable } = self.shape(node)?;
        let field = Field { required, nullable, strict: self.strict, ..Field::new(name, kind) };
        match default {
            // A model's `int = None`: its own default need not be valid, and this one can be told.
            Some(default) if !required && default.item.raw() == Raw::Null => {
                Ok(Field { default: Some(Owned::Plain(Value::Null)), ..field })
            }
            Some(default) if !required => {
                // Pydantic writes defaults in their JSON form, which strict mode may not take.
                let lax = Field { strict: false, ..field.clone() };
                let value = lax.read_default(default.text()?).map_err(|fault| default.error(fault))?;
                Ok(Field { default: Some(value), ..field })
            }
            _ => Ok(field),
        }
    }

    /// Goes on at the place that a reference names.
    fn follow<T>(
        &mut self,
        reference: &Node<'s>,
        read: impl FnOnce(&mut Import<'s>, Node<'s>) -> Result<T>,
    ) -> Result<T> {
        let Raw::Text(target) = reference.item.raw() else { return Err(reference.error("not a reference")) };
        if self.references.iter().any(|known| known == target) || target == "#" {
            return Err(reference.error(format!("{target:?} refers to itself, and a record has an end")));
        }
        if self.references.len() == REFERENCES_MAX {
            return Err(
                reference.error(format!("more than {REFERENCES_MAX} references, one behind the other"))
            );
        }
        let found = node::find(self.root, target)
            .ok_or_else(|| reference.error(format!("there is no {target:?} in this document")))?;
        self.references.push(target.to_owned());
        let read = read(self, Node::new(found, target.to_owned()));
        self.references.pop();
        read
    }
}

#[cfg(test)]
mod tests;
