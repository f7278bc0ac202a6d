//! What one value must be: the keywords that stand for a type, and those that go with it.

use super::super::{
    Bounds, Decimal, Enum, Extra, Field, Float, Json, Kind, List, Object, Schema, Text, Timestamp,
};
use super::node::Node;
use super::number::{self, decimal_of_pattern};
use super::{Import, Result};
use crate::format::Raw;

/// A kind, and whether null is allowed beside it.
pub(super) struct Shape {
    pub(super) kind: Kind,
    pub(super) nullable: bool,
}

impl Shape {
    fn of(kind: Kind) -> Shape {
        Shape { kind, nullable: false }
    }

    fn any() -> Shape {
        Shape { kind: Kind::Json(Json::default()), nullable: true }
    }
}

impl<'s> Import<'s> {
    /// The shape that a schema describes.
    pub(super) fn shape(&mut self, mut node: Node<'s>) -> Result<Shape> {
        match node.item.raw() {
            Raw::Bool(true) => return Ok(Shape::any()),
            Raw::Bool(false) => return Err(node.error("no value is allowed")),
            Raw::Object { .. } => {}
            _ => return Err(node.error("not a schema")),
        }
        let shape = if let Some(reference) = node.take("$ref") {
            self.follow(&reference, |import, target| {
                let mut shape = import.shape(target)?;
                // Pydantic defines the classes of enums, and writes literals where they stand.
                if let Kind::Enum(rules) = &mut shape.kind {
                    rules.literal = false;
                }
                Ok(shape)
            })?
        } else if let Some(branches) = node.take("anyOf").or_else(|| node.take("oneOf")) {
            self.union(&branches)?
        } else if let Some(branches) = node.take("allOf") {
            match &*branches.items("a list of schemas")? {
                [one] => self.shape(one.clone())?,
                _ => {
                    self.fault(branches.error("several schemas at once are not enforced"));
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
        self.finish(&node);
        Ok(shape)
    }

    /// One of several schemas: one and null, or the two that stand for a decimal.
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
            [one] => self.shape(one.clone())?,
            [one, other] => {
                let is_of = |branch: &Node<'s>, name| {
                    branch.clone().take("type").map(|node| node.item.raw()) == Some(Raw::Text(name))
                };
                let (number, text) = if is_of(one, "number") { (one, other) } else { (other, one) };
                if !is_of(number, "number") || !is_of(text, "string") {
                    return Err(branches.error("a column has one type, these are several"));
                }
                Shape::of(number::decimal(self, number.clone(), text.clone()))
            }
            _ => return Err(branches.error("a column has one type, these are several")),
        };
        Ok(Shape { nullable: nullable || shape.nullable, ..shape })
    }

    /// A schema with a `type`, or with keywords that go with only one.
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
                "null" => Err(named.error("no value is allowed but null")),
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
        names.sort_unstable_by_key(|(name, _)| *name);
        let shape = match &*names {
            [(name, place)] => self.of_type(name, place, node)?,
            [("number", _), ("string", _)] => Shape::of(Kind::Decimal(Decimal::default())),
            _ => return Err(named.error("a column has one type, these are several")),
        };
        Ok(Shape { nullable: nullable || shape.nullable, ..shape })
    }

    /// The shape of the type `name`, which stands at `place`.
    fn of_type(&mut self, name: &str, place: &Node<'s>, node: &mut Node<'s>) -> Result<Shape> {
        Ok(Shape::of(match name {
            "string" => self.string(node)?,
            "integer" => {
                let mut kind = number::limits(self, node, Kind::Int(Bounds::default()));
                if let (Kind::Int(bounds), Some(format)) = (&mut kind, node.take("format"))
                    && !number::is_of_machine_type(&format, bounds)
                {
                    self.fault(format.error("this format of an integer is not enforced"));
                }
                kind
            }
            "number" => {
                if let Some(format) = node.take("format")
                    && format.item.raw() != Raw::Text("double")
                {
                    self.fault(format.error("this format of a number is not enforced"));
                }
                number::limits(self, node, Kind::Float(Float::default()))
            }
            "boolean" => Kind::Bool,
            "array" => self.list(node)?,
            "object" => self.object_or_any(node)?,
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
                self.fault(media.error("only JSON within a text is enforced"));
            }
            if let Some(inner) = node.take("contentSchema")
                && !matches!(inner.item.raw(), Raw::Bool(true) | Raw::Object { len: 0 })
            {
                self.fault(inner.error("rules for JSON within a text are not enforced"));
            }
            return Ok(Kind::Json(Json { text: true }));
        }
        if let Some(format) = node.take("format") {
            let Raw::Text(name) = format.item.raw() else {
                return Err(format.error("not the name of a format"));
            };
            match name {
                "date-time" => {
                    return Ok(Kind::Timestamp(Timestamp { clock: self.clock, ..Timestamp::default() }));
                }
                "date" => return Ok(Kind::Date),
                "time" => return Ok(Kind::Time),
                "uuid" => return Ok(Kind::Uuid),
                "ipv4" => return Ok(Kind::Ip { version: Some(4) }),
                "ipv6" => return Ok(Kind::Ip { version: Some(6) }),
                "ipvanyaddress" => return Ok(Kind::Ip { version: None }),
                "json-string" => return Ok(Kind::Json(Json { text: true })),
                // How it is shown, not what it is.
                "password" => {}
                _ => self.fault(format.error(format!("the format {name:?} is not enforced"))),
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

    fn object_or_any(&mut self, node: &mut Node<'s>) -> Result<Kind> {
        let any = Schema { extra: Extra::Keep, ..Schema::default() };
        Ok(Kind::Object(Box::new(Object::new(self.object(node)?.unwrap_or(any)))))
    }

    fn list(&mut self, node: &mut Node<'s>) -> Result<Kind> {
        let Shape { kind, nullable } = match node.take("items") {
            Some(items) => self.shape(items)?,
            None => Shape::any(),
        };
        // Null within JSON is JSON, there is no column for it to be absent from.
        let nullable = nullable && !matches!(kind, Kind::Json(_));
        let items = Field { nullable, strict: self.strict, ..Field::new("", kind) };
        Ok(number::limits(self, node, Kind::List(Box::new(List::of(items)))))
    }
}

/// One of the texts that are listed.
fn enumerated<'s>(node: &mut Node<'s>, list: &Node<'s>, values: &[Node<'s>]) -> Result<Shape> {
    let (mut texts, mut nullable) = (Vec::new(), false);
    for value in values {
        match value.item.raw() {
            Raw::Text(text) if text.contains('\0') => {
                return Err(value.error("a NUL character, which no column can hold"));
            }
            Raw::Text(text) => texts.push(text),
            Raw::Null => nullable = true,
            _ => return Err(value.error("a value that is not text")),
        }
    }
    if let Some(named) = node.take("type") {
        let is_of = |name| {
            named.item.raw() == Raw::Text(name)
                || named.item.items().any(|item| item.raw() == Raw::Text(name))
        };
        if !is_of("string") || (nullable && !is_of("null")) {
            return Err(named.error("not the type of the values"));
        }
    }
    if texts.is_empty() {
        let message = if nullable { "no value is allowed but null" } else { "no value is allowed" };
        return Err(list.error(message));
    }
    let rules = Enum { literal: true, ..Enum::new(texts) };
    Ok(Shape { kind: Kind::Enum(rules), nullable })
}
