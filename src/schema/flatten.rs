//! Objects whose fields become columns of their own.
//!
//! A field of the record that is such an object is replaced by its fields, as in `user_id` from `user`. The
//! rules of the object itself are kept beside them as a [`Group`]: whether it is required, and what else it
//! may contain. Faults name places as if nothing had been flattened: `user.id`.

use std::collections::BTreeSet;
use std::ops::Range;

use super::read::{At, Context};
use super::{Extra, Field, Kind, Object, Owned, Schema, Value};
use crate::format::{Item, Raw, Record};
use crate::reject::{Path, code};

/// A flattened object.
#[derive(Clone, Debug)]
pub struct Group {
    /// The object, without its fields.
    pub field: Field,
    /// What happens to members that none of its fields names.
    pub extra: Extra,
    /// The keys that its fields name.
    pub keys: Vec<String>,
    /// The range of its fields among the fields of the record.
    pub fields: Range<usize>,
}

impl Group {
    /// How many bytes of its fields' names are its own name.
    fn prefix(&self) -> usize {
        self.field.name.len() + SEPARATOR.len()
    }
}

/// The separator between the name of an object and that of its field.
const SEPARATOR: &str = "_";

/// Whether a field, or one within it, is to be flattened.
fn says_flatten(field: &Field) -> bool {
    matches!(&field.kind, Kind::Object(object) if object.flatten)
        || field.kind.fields().into_iter().any(says_flatten)
}

impl Schema {
    /// The same schema, with each object to be flattened replaced by its fields; or why that is impossible.
    pub fn flattened(self) -> Result<Schema, String> {
        let Schema { fields, extra, nul, nulls, .. } = self;
        let mut flat = Schema { extra, nul, nulls, ..Schema::default() };
        for field in fields {
            if let Some(inner) = field.kind.fields().into_iter().find(|inner| says_flatten(inner)) {
                let (name, inner) = (&field.name, &inner.name);
                return Err(format!(
                    "{inner:?} in {name:?} cannot be flattened: only an object of the record itself can"
                ));
            }
            match &field.kind {
                Kind::Object(object) if object.flatten => flat.add(&field, object)?,
                _ => flat.fields.push(field),
            }
        }
        let names: Vec<&str> = flat.fields.iter().map(|field| field.name.as_str()).collect();
        let twice = |group: &Group| {
            let own = &names[group.fields.clone()];
            own.iter().find(|name| names.iter().filter(|other| other == name).count() > 1).copied()
        };
        match flat.groups.iter().find_map(twice) {
            Some(name) => {
                Err(format!("there would be two fields called {name:?}; give one of them another name"))
            }
            None => Ok(flat),
        }
    }

    /// Adds the fields of an object in its place.
    fn add(&mut self, field: &Field, object: &Object) -> Result<(), String> {
        let Field { name, from, .. } = field;
        let start = self.fields.len();
        let Object { schema, members, .. } = object;
        if schema.fields.is_empty() || members.is_some() || schema.extra == Extra::Keep {
            return Err(format!("{name:?} cannot be flattened: it may have members that no field asks for"));
        }
        if field.default.as_ref().is_some_and(|default| *default != Owned::Plain(Value::Null)) {
            return Err(format!(
                "{name:?} cannot be flattened: it has a default, which belongs to its fields"
            ));
        }
        if let Some(inner) = schema.stands_alone() {
            return Err(format!("{name:?} cannot be flattened: {inner:?} in it is like it"));
        }
        for inner in &schema.fields {
            self.fields.push(Field {
                name: format!("{name}{SEPARATOR}{}", inner.name),
                from: from.iter().chain(&inner.from).cloned().collect(),
                may_be_absent: field.may_be_null(),
                ..inner.clone()
            });
        }
        self.groups.push(Group {
            field: Field { kind: Kind::Bool, ..field.clone() },
            extra: schema.extra,
            keys: schema.fields.iter().filter_map(|inner| inner.from.first().cloned()).collect(),
            fields: start..self.fields.len(),
        });
        Ok(())
    }

    /// Reads the fields of a record, some of which come from flattened objects.
    pub(super) fn bind_groups<'a>(
        &'a self,
        record: &'a Record<'a>,
        values: &mut [Value<'a>],
        context: &mut Context<'a, '_>,
    ) {
        let get = |slot: usize| record.get(slot);
        let mut next = 0;
        for (number, group) in self.groups.iter().enumerate() {
            let Range { start, end } = group.fields;
            self.bind_some(next..start, 0, get, &Path::Record, values, context);
            next = end;
            let path = Path::Field(&Path::Record, &group.field.name);
            if self.opens(group, record.get(self.fields.len() + number), &path, context) {
                self.bind_some(start..end, group.prefix(), get, &path, values, context);
            }
        }
        self.bind_some(next..self.fields.len(), 0, get, &Path::Record, values, context);
    }

    /// Whether an object is there to be read. A missing required object, or a member that it must not have,
    /// is noted as a fault.
    fn opens<'a>(
        &self,
        group: &'a Group,
        item: Option<Item<'a>>,
        path: &Path<'_>,
        context: &mut Context<'a, '_>,
    ) -> bool {
        let Group { field, extra, keys, .. } = group;
        let Some(item) = item else {
            if field.required {
                context.note(code::MISSING, path, format_args!("this field is required"), None);
            }
            return false;
        };
        let at = At { item, path };
        match item.raw() {
            Raw::Object { .. } => {}
            Raw::Null if field.nullable => return false,
            _ => {
                context.refuse::<()>(at, code::MODEL_TYPE, format_args!("not an object"));
                return false;
            }
        }
        let mut told = BTreeSet::new();
        let others = item.members().filter(|(key, _)| !keys.iter().any(|known| known == key));
        for (key, item) in others.filter(|_| *extra == Extra::Forbid) {
            if told.insert(key) {
                let at = At { item, path: &Path::Field(path, key) };
                let message = format_args!("no field of the schema has this name");
                context.refuse::<()>(at, code::EXTRA_FORBIDDEN, message);
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Again, Bounds, Text};
    use super::*;

    fn user(fields: Vec<Field>, extra: Extra) -> Field {
        let object = Object::new(Schema { fields, extra, ..Schema::default() });
        Field::new("user", Kind::Object(Box::new(Object { flatten: true, ..object })))
    }

    fn int(name: &str) -> Field {
        Field::new(name, Kind::Int(Bounds::default()))
    }

    fn schema(fields: Vec<Field>) -> Schema {
        Schema { fields, ..Schema::default() }
    }

    #[test]
    fn an_object_becomes_its_fields() {
        let object = user(vec![int("id"), Field::new("name", Kind::Text(Text::default()))], Extra::Ignore);
        let flat = schema(vec![int("a"), object.clone().optional(), int("b")]).flattened().expect("flat");
        let names: Vec<&str> = flat.fields.iter().map(|field| field.name.as_str()).collect();
        assert_eq!(names, ["a", "user_id", "user_name", "b"]);
        assert_eq!(flat.paths()[1..], [vec!["user", "id"], vec!["user", "name"], vec!["b"], vec!["user"]]);
        let may_be_null: Vec<bool> = flat.fields.iter().map(Field::may_be_null).collect();
        assert_eq!(may_be_null, [false, true, true, false]);
        // An object without rules that must be there.
        assert!(!schema(vec![object]).flattened().expect("flat").fields[0].may_be_null());
    }

    #[test]
    fn what_cannot_be_flattened_is_told() {
        let again = Field::new("next", Kind::Again(Again::default())).optional();
        let inner = Field::new(
            "outer",
            Kind::Object(Box::new(Object::new(schema(vec![user(vec![int("id")], Extra::Ignore)])))),
        );
        for (fields, expected) in [
            (vec![user(vec![int("id")], Extra::Keep)], "it may have members that no field asks for"),
            (vec![user(vec![int("id"), again], Extra::Ignore)], "\"next\" in it is like it"),
            (vec![int("user_id"), user(vec![int("id")], Extra::Ignore)], "two fields called \"user_id\""),
            (vec![inner], "only an object of the record itself can"),
        ] {
            let message = schema(fields).flattened().expect_err(expected);
            assert!(message.contains(expected), "{message}");
        }
    }
}
