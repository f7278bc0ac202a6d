//! What one value must be: the keywords that stand for a type, and those that belong to it.

use std::collections::HashSet;

use super::super::{
    Again, Bounds, Constant, Decimal, Enum, Field, Float, Json, Kind, List, Object, Text, Timestamp, Union,
    Values, Zone, branch_name,
};
use super::node::{self, Node};
use super::number::{self, decimal_of_pattern};
use super::{FIELDS_MAX, Import, Result};
use crate::format::Raw;

/// A kind, and the other rules for its values.
pub(super) struct Shape {
    /// Boxed: schemas nest, and each level of the import has a few of these on its stack.
    pub(super) kind: Box<Kind>,
    /// Whether null is allowed beside it.
    pub(super) nullable: bool,
    /// Whether values are accepted only as they are, if the schema specifies it.
    pub(super) strict: Option<bool>,
    /// Whether the inexpressible rules were reported, or given in logmill's own words.
    is_told: bool,
}

impl Shape {
    fn of(kind: Kind) -> Shape {
        Shape { kind: Box::new(kind), nullable: false, strict: None, is_told: false }
    }

    pub(super) fn any() -> Shape {
        Shape { nullable: true, ..Shape::of(Kind::Json(Json::default())) }
    }

    /// The same, kept as JSON.
    pub(super) fn kept(self, strict: bool) -> Shape {
        if matches!(&*self.kind, Kind::Json(rules) if !rules.text) {
            return self;
        }
        let strict = self.strict.unwrap_or(strict);
        let like = Field { nullable: self.nullable, strict, ..Field::new("like", *self.kind) };
        let kind = Kind::Json(Json { text: false, like: Some(Box::new(like)) });
        Shape { nullable: self.nullable, ..Shape::of(kind) }
    }
}

impl<'s> Import<'s> {
    /// The shape that a schema describes.
    pub(super) fn shape(&mut self, mut node: Node<'s>) -> Result<Shape> {
        self.fields += 1;
        if self.fields > FIELDS_MAX {
            return Err(node.error(format!("more than {FIELDS_MAX} fields")));
        }
        match node.item.raw() {
            Raw::Bool(true) => return Ok(Shape::any()),
            Raw::Bool(false) => return Err(node.error("no value is allowed")),
            Raw::Object { .. } => {}
            _ => return Err(node.error("not a schema")),
        }
        let mut shape = if let Some(reference) = node.take("$ref") {
            self.referred(&reference)?
        } else if let Some(branches) = node.take("anyOf").or_else(|| node.take("oneOf")) {
            self.union(&branches)?
        } else if let Some(branches) = node.take("allOf") {
            match &*branches.items("a list of schemas")? {
                [one] => self.shape(one.clone())?,
                _ => {
                    self.fault(branches.unsupported("several schemas at once are not enforced"));
                    Shape::any()
                }
            }
        } else if let Some(values) = node.take("enum") {
            enumerated(&mut node, &values, &values.items("a list of values")?)?
        } else if let Some(value) = node.take("const") {
            enumerated(&mut node, &value, std::slice::from_ref(&value))?
        } else {
            self.typed(&mut node)?
        };
        let said = node.take("x-logmill");
        if let Some(said) = &said {
            self.say(said, &mut shape)?;
        }
        shape.is_told |= said.is_some();
        // The items of a list have reported their own.
        if !shape.is_told
            && !matches!(&*shape.kind, Kind::List(_))
            && let Some(what) = unsaid(&shape.kind)
        {
            self.unsaid(node.error(what));
            shape.is_told = true;
        }
        self.finish(&node);
        Ok(shape)
    }

    /// The target of a reference.
    fn referred(&mut self, reference: &Node<'s>) -> Result<Shape> {
        if let Some(up) = self.again(reference) {
            return Ok(Shape::of(Kind::Again(Again { up: (up > 0).then_some(up) })));
        }
        self.follow(reference, true, |import, target| {
            let mut shape = import.shape(target)?;
            // Pydantic defines the classes of enums, and writes literals in place.
            if let Kind::Enum(rules) = &mut *shape.kind {
                rules.literal = false;
            }
            Ok(shape)
        })
    }

    /// Reads the rules that JSON Schema cannot express, given by the keys of a job.
    fn say(&mut self, said: &Node<'s>, shape: &mut Shape) -> Result<()> {
        for (name, given) in said.members("an object of keys of a field")? {
            let mut is_known = false;
            if name == "strict" {
                let Raw::Bool(strict) = given.item.raw() else {
                    return Err(given.error("neither true nor false"));
                };
                (shape.strict, is_known) = (Some(strict), true);
            }
            let mut fault = None;
            if name == "flatten" && self.depth > 0 {
                return Err(given.error("only an object of the record itself can be flattened"));
            }
            shape.kind.rules(&mut |rule_name, rule| {
                if rule_name == name {
                    is_known = true;
                    fault = number::said(rule, &given).err();
                }
            });
            if !is_known {
                fault = Some(given.error(format!("not a key of a field of type {}", shape.kind.name())));
            }
            if let Some(fault) = fault {
                self.fault(fault);
            }
        }
        Ok(())
    }

    /// One of several schemas: one and null, or the two that stand for a decimal, or a union.
    fn union(&mut self, branches: &Node<'s>) -> Result<Shape> {
        let (mut nullable, mut others) = (false, Vec::new());
        for branch in branches.items("a list of schemas")? {
            if self.is_null(&branch) {
                nullable = true;
            } else {
                others.push(branch);
            }
        }
        let shape = match &*others {
            [] => return Err(branches.unsupported("no value is allowed but null")),
            [one] => self.shape(one.clone())?,
            [one, other] if is_decimal(one, other) => {
                Shape::of(number::decimal(self, one.clone(), other.clone()))
            }
            [one, other] if is_decimal(other, one) => {
                Shape::of(number::decimal(self, other.clone(), one.clone()))
            }
            _ => {
                let shape = |other: Node<'s>| {
                    let class = self.class(&other);
                    let mut shape = self.shape(other)?;
                    if let Kind::Enum(rules) = &mut *shape.kind {
                        rules.class = class;
                    }
                    Ok(shape)
                };
                let shapes = others.into_iter().map(shape).collect::<Result<Vec<_>>>()?;
                self.one_of(shapes, branches)
            }
        };
        Ok(Shape { nullable: nullable || shape.nullable, ..shape })
    }

    /// A value of one of several shapes.
    fn one_of(&mut self, shapes: Vec<Shape>, place: &Node<'s>) -> Shape {
        if !shapes.iter().all(|shape| shape.kind.is_single()) {
            self.fault(place.unsupported("of several types, only those of single values are enforced"));
        }
        let nullable = shapes.iter().any(|shape| shape.nullable);
        let branches = shapes.into_iter().map(|Shape { kind, nullable, strict, .. }| {
            let name = branch_name(&kind);
            let name = if nullable { format!("nullable[{name}]") } else { name };
            Field { strict: strict.unwrap_or(self.terms.strict), ..Field::new(name, *kind) }
        });
        // Patterns have no equality, and so kinds have none: their debug output distinguishes them.
        let mut known = HashSet::new();
        let distinct: Vec<Field> = branches.filter(|branch| known.insert(format!("{branch:?}"))).collect();
        if let [only] = distinct.as_slice() {
            return Shape { nullable, strict: Some(only.strict), ..Shape::of(only.kind.clone()) };
        }
        Shape { nullable, ..Shape::of(Kind::Union(Union::new(distinct))) }
    }

    /// The name of a definition, if it is one by reference.
    fn class(&self, node: &Node<'s>) -> Option<String> {
        let reference = node.clone().take("$ref").map(|reference| reference.item.raw());
        let Some(Raw::Text(target)) = reference else { return None };
        let title = node::find(self.root, target)
            .and_then(|found| Node::new(found, String::new()).take("title"))
            .and_then(|title| if let Raw::Text(title) = title.item.raw() { Some(title) } else { None });
        title.or(target.rsplit('/').next()).map(ToOwned::to_owned)
    }

    /// A schema with a `type`, or with keywords that belong to only one.
    fn typed(&mut self, node: &mut Node<'s>) -> Result<Shape> {
        let Some(named) = node.take("type") else {
            let has = |keyword| node.clone().take(keyword).is_some();
            if has("properties") || has("additionalProperties") {
                return Ok(Shape::of(self.object_or_any(node)?));
            }
            return Ok(Shape::any());
        };
        if let Raw::Text(name) = named.item.raw() {
            return match name {
                "null" => Err(named.unsupported("no value is allowed but null")),
                _ => self.of_type(name, &named, node),
            };
        }
        let (mut names, mut nullable) = (Vec::new(), false);
        for place in named.items("a type or a list of types")? {
            match place.item.raw() {
                Raw::Text("null") => nullable = true,
                Raw::Text(name) => names.push((name, place)),
                _ => return Err(place.error("not a type")),
            }
        }
        let mut sorted = names.clone();
        sorted.sort_unstable_by_key(|(name, _)| *name);
        let shape = match &*sorted {
            [(name, place)] => self.of_type(name, place, node)?,
            [("number", _), ("string", _)] => Shape::of(Kind::Decimal(Decimal::default())),
            [] => return Err(named.unsupported("no value is allowed but null")),
            _ => {
                let mut shapes = Vec::new();
                for (name, place) in names {
                    shapes.push(self.of_type(name, &place, node)?);
                }
                self.one_of(shapes, &named)
            }
        };
        Ok(Shape { nullable: nullable || shape.nullable, ..shape })
    }

    /// The shape of the type `name`, given at `place`.
    fn of_type(&mut self, name: &str, place: &Node<'s>, node: &mut Node<'s>) -> Result<Shape> {
        Ok(Shape::of(match name {
            "string" => self.string(node)?,
            "integer" => {
                let mut kind = number::limits(self, node, Kind::Int(Bounds::default()));
                if let (Kind::Int(bounds), Some(format)) = (&mut kind, node.take("format"))
                    && !number::is_of_machine_type(&format, bounds)
                {
                    self.fault(format.unsupported("this format of an integer is not enforced"));
                }
                kind
            }
            "number" => {
                if let Some(format) = node.take("format")
                    && format.item.raw() != Raw::Text("double")
                {
                    self.fault(format.unsupported("this format of a number is not enforced"));
                }
                number::limits(self, node, Kind::Float(Float::default()))
            }
            "boolean" => Kind::Bool,
            "array" => return self.list(node).map(Shape::of),
            "object" => return self.object_or_any(node).map(Shape::of),
            _ => return Err(place.error(format!("there is no type {name:?}"))),
        }))
    }

    /// Whether a schema allows null and nothing else.
    fn is_null(&mut self, node: &Node<'s>) -> bool {
        let mut node = node.clone();
        let is_null = node.take("type").is_some_and(|name| name.item.raw() == Raw::Text("null"));
        if is_null {
            self.finish(&node);
        }
        is_null
    }

    fn string(&mut self, node: &mut Node<'s>) -> Result<Kind> {
        if let Some(media) = node.take("contentMediaType") {
            if media.item.raw() != Raw::Text("application/json") {
                self.fault(media.unsupported("only JSON within a text is enforced"));
            }
            let inner = node.take("contentSchema");
            return match inner
                .filter(|inner| !matches!(inner.item.raw(), Raw::Bool(true) | Raw::Object { len: 0 }))
            {
                Some(inner) => self.within_text(inner),
                None => Ok(Kind::Json(Json { text: true, like: None })),
            };
        }
        if let Some(format) = node.take("format") {
            let Raw::Text(name) = format.item.raw() else {
                return Err(format.error("not the name of a format"));
            };
            match name {
                "date-time" => {
                    return Ok(Kind::Timestamp(Timestamp {
                        clock: self.terms.clock,
                        ..Timestamp::default()
                    }));
                }
                "date" => return Ok(Kind::Date),
                "time" => return Ok(Kind::Time),
                "uuid" => return Ok(Kind::Uuid { version: None }),
                "uuid1" | "uuid3" | "uuid4" | "uuid5" | "uuid6" | "uuid7" | "uuid8" => {
                    let version = name.bytes().last().map(|digit| digit - b'0');
                    return Ok(Kind::Uuid { version });
                }
                "ipv4" => return Ok(Kind::Ip { version: Some(4) }),
                "ipv6" => return Ok(Kind::Ip { version: Some(6) }),
                "ipvanyaddress" => return Ok(Kind::Ip { version: None }),
                "json-string" => return Ok(Kind::Json(Json { text: true, like: None })),
                // Concerns how it is displayed, not its value.
                "password" => {}
                _ => self.fault(format.unsupported(format!("the format {name:?} is not enforced"))),
            }
        }
        if let Some(pattern) = node.clone().take("pattern")
            && let Some(rules) = decimal_of_pattern(&pattern)
        {
            node.take("pattern");
            return Ok(Kind::Decimal(rules));
        }
        Ok(number::limits(self, node, Kind::Text(Text::default())))
    }

    /// What the JSON within a text must be.
    fn within_text(&mut self, inner: Node<'s>) -> Result<Kind> {
        let place = inner.clone();
        let field = self.field("like", inner, true)?;
        Ok(match field.kind {
            Kind::Object(object) if !field.nullable && !object.text => {
                Kind::Object(Box::new(Object { text: true, ..*object }))
            }
            Kind::List(list) if !field.nullable && !list.text => {
                Kind::List(Box::new(List { text: true, ..*list }))
            }
            _ => {
                self.fault(place.unsupported("JSON within a text is stored as it stands, not as it is read"));
                Kind::Json(Json { text: true, like: Some(Box::new(field)) })
            }
        })
    }

    fn object_or_any(&mut self, node: &mut Node<'s>) -> Result<Kind> {
        Ok(Kind::Object(Box::new(self.object(node)?)))
    }

    fn list(&mut self, node: &mut Node<'s>) -> Result<Kind> {
        let Shape { kind, nullable, strict, .. } = match node.take("items") {
            Some(items) => self.shape(items)?,
            None => Shape::any(),
        };
        // A null within JSON is JSON; there is no column in which it could be absent.
        let nullable = nullable && !matches!(*kind, Kind::Json(_));
        let items = Field { nullable, strict: strict.unwrap_or(self.terms.strict), ..Field::new("", *kind) };
        Ok(number::limits(self, node, Kind::List(Box::new(List::of(items)))))
    }
}

/// The rules for such values that a JSON Schema cannot express, and a model may have.
pub fn unsaid(kind: &Kind) -> Option<&'static str> {
    match kind {
        Kind::Timestamp(rules) if rules.zone == Zone::Any => {
            Some("a zone may be missing, or add zone = \"required\" or \"naive\"")
        }
        Kind::Decimal(rules) if rules.max_digits.is_none() && rules.decimal_places.is_none() => Some(
            "of any size, or add max_digits and decimal_places; a schema has the same words for float | str",
        ),
        Kind::List(list) => unsaid(&list.items.kind),
        _ => None,
    }
}

/// Whether these are the two schemas that Pydantic writes for a decimal.
fn is_decimal(number: &Node<'_>, text: &Node<'_>) -> bool {
    let is_of = |branch: &Node<'_>, name| {
        branch.clone().take("type").map(|node| node.item.raw()) == Some(Raw::Text(name))
    };
    let (mut is_plain, mut rest) = (true, text.clone());
    rest.take("type");
    if let Some(pattern) = rest.take("pattern") {
        is_plain = decimal_of_pattern(&pattern).is_some();
    }
    is_of(number, "number") && is_of(text, "string") && is_plain && rest.left().next().is_none()
}

/// One of the listed values.
fn enumerated<'s>(node: &mut Node<'s>, list: &Node<'s>, values: &[Node<'s>]) -> Result<Shape> {
    let (mut constants, mut nullable) = (Vec::new(), false);
    for value in values {
        match value.item.raw() {
            Raw::Text(text) if text.contains('\0') => {
                return Err(value.error("a NUL character, which no column can hold"));
            }
            Raw::Text(text) => constants.push(Constant::Text(text.to_owned())),
            Raw::Int(number) => constants.push(Constant::Int(number)),
            Raw::Bool(truth) => constants.push(Constant::Bool(truth)),
            Raw::Null => nullable = true,
            _ => {
                return Err(
                    value.unsupported("a value that is neither text, an integer of 64 bits nor a boolean")
                );
            }
        }
    }
    if let Some(named) = node.take("type") {
        let is_of = |name| {
            named.item.raw() == Raw::Text(name)
                || named.item.items().any(|item| item.raw() == Raw::Text(name))
        };
        let is_type = |constant: &Constant| match constant {
            Constant::Text(_) => is_of("string"),
            Constant::Int(_) => is_of("integer") || is_of("number"),
            Constant::Bool(_) => is_of("boolean"),
        };
        if !constants.iter().all(is_type) || (nullable && !is_of("null")) {
            return Err(named.error("not the type of the values"));
        }
    }
    if constants.is_empty() && nullable {
        return Err(list.unsupported("no value is allowed but null"));
    }
    if constants.is_empty() {
        return Err(list.error("no value is allowed"));
    }
    let rules = Enum { literal: true, ..Enum::of(Values::new(constants)) };
    Ok(Shape { nullable, ..Shape::of(Kind::Enum(rules)) })
}
