//! A schema from a JSON Schema: 2020-12, as Pydantic emits it and as people write it.
//!
//! A validator that ignores keywords is worse than none, so every keyword is enforced, is known to say
//! nothing about values, or is refused with its place; a job may have the values of such a field stored as
//! JSON instead, validated as far as possible. What a JSON Schema cannot express, it does not decide: whether
//! values are coerced is the mode of the job, a `date-time` is read as a timestamp field of the job would be,
//! and a `number` may be infinite. The job can specify such rules for a field of its own, or the schema can
//! under `x-logmill`.
//!
//! References are followed in place. An object that refers to itself is [`Kind::Again`]; any other reference
//! to itself has no end and is refused.

mod node;
mod number;
mod shape;

pub use shape::unsaid;

use std::fmt;

use bumpalo::Bump;

use self::node::Node;
use self::shape::Shape;
use super::{Clock, Extra, Field, Kind, Object, Owned, Schema, Value};
use crate::format::{Item, JsonScratch, Raw, Record, parse_json};

/// The schema that the JSON Schema in `text` describes, all of which must be enforceable.
pub fn from_json_schema(text: &str, strict: bool, clock: Clock) -> Result<Schema, JsonSchemaError> {
    let terms = ImportTerms { strict, clock, overrides: &[], keeps_unsupported: false };
    import_json_schema(text, &terms).map(|imported| imported.schema)
}

/// What a job specifies besides a JSON Schema.
#[derive(Clone, Copy, Debug)]
pub struct ImportTerms<'t> {
    /// Whether values are accepted only as they are, or coerced.
    pub strict: bool,
    /// The time zone of timestamps that name none, in defaults too.
    pub clock: Clock,
    /// Fields that replace the properties with their names, which are then not read, or add to them.
    pub overrides: &'t [Field],
    /// Whether a field that cannot be enforced is kept as JSON, validated as far as it can be.
    pub keeps_unsupported: bool,
}

/// The result of importing a JSON Schema.
#[derive(Clone, Debug, Default)]
pub struct Imported {
    /// The schema.
    pub schema: Schema,
    /// What is not enforced, and therefore kept as JSON.
    pub weaker: Vec<Fault>,
    /// What it cannot express, and the model behind it may require.
    pub unsaid: Vec<Fault>,
}

/// The schema that the JSON Schema in `text` describes on these terms.
///
/// The properties become fields in their order, each under its own name. Members that the schema does not
/// name are ignored, with `additionalProperties: false` refused, and with `true` kept.
pub fn import_json_schema(text: &str, terms: &ImportTerms<'_>) -> Result<Imported, JsonSchemaError> {
    let (arena, mut scratch, mut record) = (Bump::new(), JsonScratch::default(), Record::default());
    parse_json(text.as_bytes(), &arena, &mut scratch, &mut record).map_err(|malformed| {
        let message = format!("{} at byte {}", malformed.what, malformed.at);
        JsonSchemaError { faults: vec![Fault { path: "#".to_owned(), message, is_unsupported: false }] }
    })?;
    let mut import = Import {
        root: record.root(),
        terms: *terms,
        references: Vec::new(),
        depth: 0,
        fields: 0,
        faults: Vec::new(),
        weaker: Vec::new(),
        unsaid: Vec::new(),
    };
    let schema = import.record(Node::new(record.root(), "#".to_owned()));
    let schema = schema.map_err(|fault| import.fault(fault));
    match schema {
        Ok(schema) if import.faults.is_empty() => {
            Ok(Imported { schema, weaker: import.weaker, unsaid: import.unsaid })
        }
        _ => Err(JsonSchemaError { faults: import.faults }),
    }
}

/// What is wrong with a JSON Schema: every demand that would not be enforced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonSchemaError {
    /// At least one, in the order of the schema, each place once.
    pub faults: Vec<Fault>,
}

/// One thing that is wrong with a JSON Schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// A pointer into the schema, such as `#/properties/host/pattern`.
    pub path: String,
    /// What is wrong there.
    pub message: String,
    /// Whether it is a valid demand that is not enforced, rather than something that cannot be understood.
    pub is_unsupported: bool,
}

/// What may be in an object besides the members it names.
enum Allowed<'s> {
    /// Nothing.
    None,
    /// Anything.
    Any,
    /// Anything that satisfies this.
    Only(Node<'s>),
}

/// More faults are neither reported nor searched for.
const FAULTS_MAX: usize = 1000;

impl fmt::Display for JsonSchemaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [Fault { path, message, .. }] = self.faults.as_slice() {
            return write!(f, "{path}: {message}");
        }
        let or_more = if self.faults.len() < FAULTS_MAX { "" } else { " or more" };
        write!(f, "{}{or_more} things are wrong with it:", self.faults.len())?;
        self.faults.iter().try_for_each(|Fault { path, message, .. }| write!(f, "\n  - {path}: {message}"))
    }
}

impl std::error::Error for JsonSchemaError {}

type Result<T, E = Fault> = std::result::Result<T, E>;

/// References that meet at one definition multiply. No table has more than 1,600 columns, and no record that
/// many fields.
const FIELDS_MAX: usize = 10_000;

/// A longer chain of references was made to be long.
const REFERENCES_MAX: usize = 100;

/// The state of the import.
struct Import<'s> {
    root: Item<'s>,
    terms: ImportTerms<'s>,
    /// The references being followed, to detect one that leads to itself.
    references: Vec<Followed>,
    /// The number of objects around the current place.
    depth: usize,
    fields: usize,
    /// The faults so far.
    faults: Vec<Fault>,
    /// What is kept as JSON because of them.
    weaker: Vec<Fault>,
    /// What a JSON Schema cannot express.
    unsaid: Vec<Fault>,
}

/// A reference that is being followed.
struct Followed {
    target: String,
    /// If it leads to an object: how many objects surround that one.
    object: Option<usize>,
}

impl<'s> Import<'s> {
    /// Adds a fault, once for each place: definitions are read wherever they are referred to.
    fn fault(&mut self, fault: Fault) {
        if self.faults.len() < FAULTS_MAX && !self.faults.contains(&fault) {
            self.faults.push(fault);
        }
    }

    /// Adds what a place does not express, once: it may be referred to from many places.
    fn unsaid(&mut self, what: Fault) {
        if self.unsaid.len() < FAULTS_MAX && !self.unsaid.contains(&what) {
            self.unsaid.push(what);
        }
    }

    /// Reports the unread keywords of a place: they would not be enforced.
    fn finish(&mut self, node: &Node<'_>) {
        node.left().for_each(|fault| self.fault(fault));
    }

    /// The schema of a record: an object, perhaps by reference.
    fn record(&mut self, mut node: Node<'s>) -> Result<Schema> {
        let Raw::Object { .. } = node.item.raw() else { return Err(node.error("not a schema")) };
        if let Some(reference) = node.take("$ref") {
            self.finish(&node);
            return self.follow(&reference, false, Import::record);
        }
        match node.take("type") {
            Some(name) if name.item.raw() != Raw::Text("object") => {
                return Err(name.error("a record is an object"));
            }
            _ => {}
        }
        let (allowed, overrides) = (self.allowed(&mut node), self.terms.overrides);
        let mut fields = self.fields(&mut node, overrides)?;
        self.finish(&node);
        let is_there = |field: &Field| fields.iter().any(|other| other.name == field.name);
        let beside: Vec<Field> = overrides.iter().filter(|field| !is_there(field)).cloned().collect();
        fields.extend(beside);
        if fields.is_empty() {
            return Err(node.error("there are no properties, so there would be no columns"));
        }
        let extra = match allowed {
            None => Extra::Ignore,
            Some(Allowed::None) => Extra::Forbid,
            Some(Allowed::Any) => Extra::Keep,
            Some(Allowed::Only(rules)) => {
                self.fault(
                    rules.unsupported("rules for members of a record that are not named are not enforced"),
                );
                Extra::Keep
            }
        };
        Ok(Schema { fields, extra, ..Schema::default() })
    }

    /// An object with properties, or with any members.
    fn object(&mut self, node: &mut Node<'s>) -> Result<Object> {
        self.depth += 1;
        let has_properties = node.clone().take("properties").is_some();
        let (allowed, fields) = (self.allowed(node), self.fields(node, &[]));
        let (extra, members) = match allowed {
            None if has_properties => (Extra::Ignore, Ok(None)),
            None | Some(Allowed::Any) => (Extra::Keep, Ok(None)),
            Some(Allowed::None) => (Extra::Forbid, Ok(None)),
            Some(Allowed::Only(rules)) => (Extra::Keep, self.field("", rules, true).map(Some)),
        };
        self.depth -= 1;
        let (fields, members) = (fields?, members?);
        let schema = Schema { fields, extra, ..Schema::default() };
        Ok(Object { members: members.map(Box::new), ..Object::new(schema) })
    }

    /// The rule for members that are not named.
    fn allowed(&mut self, node: &mut Node<'s>) -> Option<Allowed<'s>> {
        let allowed = node.take("additionalProperties")?;
        Some(match allowed.item.raw() {
            Raw::Bool(true) | Raw::Object { len: 0 } => Allowed::Any,
            Raw::Bool(false) => Allowed::None,
            _ => Allowed::Only(allowed),
        })
    }

    /// The fields of an object, some of which are given.
    fn fields(&mut self, node: &mut Node<'s>, overrides: &[Field]) -> Result<Vec<Field>> {
        let properties = node.take("properties");
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
                if let Some(given) = overrides.iter().find(|field| field.name == name) {
                    fields.push(given.clone());
                    continue;
                }
                match self.field(name, property, is_required) {
                    Ok(field) => fields.push(field),
                    // Continues, so that everything is reported at once.
                    Err(fault) => {
                        self.fault(fault);
                        fields.push(Field::new(name, Kind::Bool));
                    }
                }
            }
        }
        if let Some((name, place)) =
            required.iter().find(|(name, _)| fields.iter().chain(overrides).all(|field| field.name != *name))
        {
            return Err(place.error(format!("{name:?} is required, but is none of the properties")));
        }
        Ok(fields)
    }

    fn field(&mut self, name: &str, mut node: Node<'s>, required: bool) -> Result<Field> {
        let (default, before) = (node.take("default"), self.faults.len());
        let shape = match self.shape(node) {
            Err(fault) if self.terms.keeps_unsupported && fault.is_unsupported => {
                self.faults.push(fault);
                Shape::any()
            }
            shape => shape?,
        };
        let shape = if self.is_kept(before) { shape.kept(self.terms.strict) } else { shape };
        let Shape { kind, nullable, strict, .. } = shape;
        let strict = strict.unwrap_or(self.terms.strict);
        let field = Field { required, nullable, strict, ..Field::new(name, *kind) };
        match default {
            // `int = None` in a model: the model's own default need not be valid, and this one is
            // recognisable.
            Some(default) if !required && default.item.raw() == Raw::Null => {
                Ok(Field { default: Some(Owned::Plain(Value::Null)), ..field })
            }
            Some(default) if !required => {
                // Pydantic writes defaults in their JSON form, which strict mode may not accept.
                let lax = Field { strict: false, ..field.clone() };
                let given = default.text()?;
                // The default of a text that contains JSON is given in either form.
                let value = lax.read_default(given).or_else(|fault| lax.read_default_within(given, fault));
                let value = value.map_err(|fault| default.error(fault))?;
                Ok(Field { default: Some(value), ..field })
            }
            _ => Ok(field),
        }
    }

    /// Whether everything since then is merely unenforced, and the job keeps such fields as JSON.
    fn is_kept(&mut self, before: usize) -> bool {
        let found = &self.faults[before..];
        let is_kept = self.terms.keeps_unsupported
            && !found.is_empty()
            && found.iter().all(|fault| fault.is_unsupported);
        if is_kept {
            for fault in self.faults.drain(before..) {
                if !self.weaker.contains(&fault) {
                    self.weaker.push(fault);
                }
            }
        }
        is_kept
    }

    /// How many objects further out the object is that a reference names, if the reference is inside it.
    fn again(&self, reference: &Node<'s>) -> Option<usize> {
        let Raw::Text(target) = reference.item.raw() else { return None };
        let followed = self.references.iter().rev().find(|followed| followed.target == target)?;
        self.depth.checked_sub(followed.object? + 1)
    }

    /// Continues at the place that a reference names, which is a value or the record.
    fn follow<T>(
        &mut self,
        reference: &Node<'s>,
        is_value: bool,
        read: impl FnOnce(&mut Import<'s>, Node<'s>) -> Result<T>,
    ) -> Result<T> {
        let Raw::Text(target) = reference.item.raw() else { return Err(reference.error("not a reference")) };
        // An anonymous object may be passed through once more.
        if self.references.iter().filter(|known| known.target == target).count() > 1 {
            let message = format!("{target:?} refers to itself, and no object that is defined is in between");
            return Err(reference.unsupported(message));
        }
        if self.references.len() == REFERENCES_MAX {
            return Err(
                reference.error(format!("more than {REFERENCES_MAX} references, one behind the other"))
            );
        }
        let found = node::find(self.root, target)
            .ok_or_else(|| reference.error(format!("there is no {target:?} in this document")))?;
        let object = (is_value && node::is_object(found)).then_some(self.depth);
        self.references.push(Followed { target: target.to_owned(), object });
        let read = read(self, Node::new(found, target.to_owned()));
        self.references.pop();
        read
    }
}

#[cfg(test)]
mod tests;
