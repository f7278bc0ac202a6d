//! The rules of a type: what a value of a field must be.
//!
//! The schema lists the rules of each type. Each rule is read here into the place that the list shows,
//! according to what such a place holds. Rules that allow no value, such as a minimum above the maximum, are
//! reported.

use regex::Regex;
use toml::Spanned;
use toml::de::DeValue;

use super::super::keys;
use super::super::reader::Reader;
use super::super::scope::{Scope, TextRange, as_integer, as_text};
use super::{Common, Part, field, fields};
use crate::schema::{
    self, Bounds, Constant, Exact, Extra, Field, Kind, Object, OfSource, Rule, Schema, StampFormat, Strptime,
    Union, Values, Zone, branch_name,
};

/// The rules of one field in the job, and the field's name.
pub(super) struct Rules<'f, 'd> {
    pub(super) scope: &'f Scope<'d>,
    /// Its name, preceded by the names that lead to it.
    pub(super) path: &'f str,
    /// Its name in messages.
    pub(super) called: &'f str,
    pub(super) place: &'f TextRange,
    pub(super) common: &'f Common,
}

impl Rules<'_, '_> {
    /// The kind of a value of the type `kind_name`. `None` if it cannot be determined, which has been
    /// reported then.
    pub(super) fn read(&self, reader: &mut Reader<'_>, kind_name: &str) -> Option<Kind> {
        let mut kind = Kind::named(kind_name).expect("a type of the table of keys");
        let mut is_known = true;
        kind.rules(&mut |name, rule| is_known &= self.rule(reader, kind_name, name, rule).is_some());
        if let Kind::Timestamp(rules) = &mut kind
            && !rules.format.may_lack_year()
        {
            // A timestamp that contains its year takes none from elsewhere.
            rules.year = None;
        }
        self.check(reader, &kind);
        is_known.then_some(kind)
    }

    /// Reads the rule `name` into its place. A rule that is absent or wrong leaves it unchanged; `None` if
    /// the type cannot exist without it.
    fn rule(
        &self,
        reader: &mut Reader<'_>,
        kind_name: &str,
        name: &'static str,
        rule: Rule<'_>,
    ) -> Option<()> {
        let scope = self.scope;
        match rule {
            Rule::Flag(is_so) => *is_so = reader.flag(scope, name),
            Rule::Length(length) => *length = reader.count_given(scope, name).map(fits),
            Rule::Digits(digits) => *digits = reader.count_given(scope, name).map(fits),
            Rule::Pattern(pattern) => *pattern = self.pattern(reader, name),
            Rule::Int(limit) => {
                *limit =
                    self.limit(reader, name, "a whole number", |value| as_integer(value).map(i128::from));
            }
            Rule::Float(limit) => *limit = self.limit(reader, name, "a number", as_double),
            Rule::Decimal(limit) => *limit = self.limit(reader, name, "a number", as_exact),
            Rule::Name(given) => *given = reader.text(scope, name).map(|(text, _)| text),
            Rule::Version(version) => *version = self.version(reader, name, kind_name),
            Rule::Values(values) => *values = self.values(reader, name),
            Rule::Format(format) => *format = self.format(reader, name),
            Rule::Zone(zone) => *zone = Zone::from_word(reader.word(scope, name)),
            Rule::Extra(extra) => {
                let given = reader.word_given(scope, name);
                *extra = given.map_or(self.common.extra, |(word, _)| Extra::from_word(word));
            }
            Rule::Fields(object) => {
                let Object { schema: Schema { extra, .. }, .. } = object;
                let is_any = *extra == Extra::Keep && scope.has("extra") || scope.has("members");
                let fields = match scope.value(name) {
                    None if is_any => Vec::new(),
                    _ => {
                        let value = self.needed(reader, name, "an object and needs its own 'fields'")?;
                        fields(reader, value, &format!("{}.", self.path), self.common)
                    }
                };
                // Members that have rules are kept.
                let extra = if scope.has("members") { Extra::Keep } else { *extra };
                *object = Object {
                    flatten: object.flatten,
                    text: object.text,
                    ..Object::new(Schema { fields, extra, nul: self.common.nul, ..Schema::default() })
                };
            }
            Rule::Items(items) => {
                let value = self.needed(reader, name, "a list and needs 'items', as in items = \"text\"")?;
                *items = self.inner(reader, name, Part::Inner(name), value)?;
            }
            Rule::Members(given) => {
                if let Some(value) = scope.value(name) {
                    *given = Some(Box::new(self.inner(reader, name, Part::Inner(name), value)?));
                }
            }
            Rule::Like(given) => {
                if let Some(value) = scope.value(name) {
                    let common = &Common { is_like: true, ..*self.common };
                    let like = Rules { common, ..*self }.inner(reader, name, Part::Inner(name), value)?;
                    *given = Some(Box::new(like));
                }
            }
            Rule::Branches(rules) => *rules = self.branches(reader, name)?,
            Rule::OfSource(OfSource::Clock(clock)) => *clock = self.common.clock,
            Rule::OfSource(OfSource::Year(year)) => *year = self.common.year,
        }
        Some(())
    }

    /// The value of a rule that its type requires.
    fn needed(&self, reader: &mut Reader<'_>, name: &str, what: &str) -> Option<&Spanned<DeValue<'_>>> {
        let value = self.scope.value(name);
        if value.is_none() {
            reader.find(format!("{} is {what}", self.called), self.place);
        }
        value
    }

    /// The rules for values within this one.
    fn inner<'s>(
        &self,
        reader: &mut Reader<'_>,
        name: &str,
        part: Part,
        value: &'s Spanned<DeValue<'s>>,
    ) -> Option<Field> {
        field(reader, name, self.path, self.place, value, self.common, part)
    }

    /// The types that a value may have.
    fn branches(&self, reader: &mut Reader<'_>, name: &'static str) -> Option<Union> {
        let what = "a union and needs the types that it may be 'of', as in of = [\"int\", \"text\"]";
        let value = self.needed(reader, name, what)?;
        let Some(list) = value.get_ref().as_array().filter(|list| list.len() > 1) else {
            reader.find("'of' takes a list of at least two types", &value.span());
            return None;
        };
        let mut branches = Vec::new();
        for item in list {
            let field = self.inner(reader, "", Part::Inner(name), item)?;
            if !field.kind.is_single() && !self.common.is_like {
                let message =
                    format!("a union is of types of single values, not of type {}", field.kind.name());
                reader.find(message, &item.span());
            }
            branches.push(Field { name: branch_name(&field.kind), ..field });
        }
        Some(Union::new(branches))
    }

    /// A limit of numbers of one type; `read` reads such a number.
    fn limit<T>(
        &self,
        reader: &mut Reader<'_>,
        name: &str,
        expected: &str,
        read: impl Fn(&Spanned<DeValue<'_>>) -> Option<T>,
    ) -> Option<T> {
        let value = self.scope.value(name)?;
        let number = read(value);
        if number.is_none() {
            let given = reader.describe(value);
            reader.find(format!("'{name}' takes {expected}, not {given}"), &value.span());
        }
        number
    }

    fn version(&self, reader: &mut Reader<'_>, name: &str, kind_name: &str) -> Option<u8> {
        let value = self.scope.value(name)?;
        let (known, expected): (&[i64], _) = match kind_name {
            "uuid" => (&[1, 3, 4, 5, 6, 7, 8], "1 or 3 to 8"),
            _ => (&[4, 6], "4 or 6"),
        };
        let version = as_integer(value).filter(|version| known.contains(version));
        if version.is_none() {
            let given = reader.describe(value);
            reader.find(format!("'{name}' takes {expected}, not {given}"), &value.span());
        }
        version.map(fits)
    }

    fn values(&self, reader: &mut Reader<'_>, name: &'static str) -> Values {
        let what = "an enum and needs its 'values', as in values = [\"on\", \"off\"]";
        let none = Values::Texts(Vec::new());
        let Some(list) = self.needed(reader, name, what) else { return none };
        let Some(items) = list.get_ref().as_array() else {
            reader.mismatch(keys::FIELD.key(name), list);
            return none;
        };
        if items.is_empty() {
            reader.find("an enum needs at least one value", &list.span());
        }
        let mut values: Vec<Constant> = Vec::new();
        for item in items {
            let Some(value) = self.constant(reader, name, item) else { continue };
            if matches!(&value, Constant::Text(text) if text.contains('\0')) {
                reader.find("a NUL character, which no column can hold", &item.span());
            }
            if values.contains(&value) {
                reader.find("this value is in the list already", &item.span());
            }
            values.push(value);
        }
        Values::new(values)
    }

    fn constant(
        &self,
        reader: &mut Reader<'_>,
        name: &'static str,
        item: &Spanned<DeValue<'_>>,
    ) -> Option<Constant> {
        if let Some(text) = as_text(item) {
            return reader.expand(&text).map(Constant::Text);
        }
        let constant = match item.get_ref() {
            DeValue::Boolean(value) => Some(Constant::Bool(*value)),
            _ => as_integer(item).map(Constant::Int),
        };
        if constant.is_none() {
            let given = reader.describe(item);
            let expected = "texts, whole numbers and booleans";
            reader.find(format!("'{name}' takes {expected}, not {given}"), &item.span());
        }
        constant
    }

    fn pattern(&self, reader: &mut Reader<'_>, name: &str) -> Option<Regex> {
        let (text, place) = reader.text(self.scope, name)?;
        match schema::pattern(&text) {
            Ok(pattern) => Some(pattern),
            Err(what) => {
                reader.find(format!("'{name}' cannot be read as a regular expression: {what}"), &place);
                None
            }
        }
    }

    /// The format of a timestamp.
    fn format(&self, reader: &mut Reader<'_>, name: &str) -> StampFormat {
        let Some((text, place)) = reader.text(self.scope, name) else { return StampFormat::Any };
        if let Some(format) = StampFormat::from_word(&text) {
            return format;
        }
        let wrong = if !text.contains('%') {
            let known =
                StampFormat::NAMED.iter().filter_map(StampFormat::word).collect::<Vec<_>>().join(", ");
            format!("not a format; it is one of {known}, or letters such as %d/%b/%Y:%H:%M:%S %z")
        } else {
            match Strptime::new(&text) {
                Ok(letters) => return StampFormat::Strptime(letters),
                Err(_) if reader.has_variable(&place) => "the format cannot be read".to_owned(),
                Err(what) => format!("the format cannot be read: {what}"),
            }
        };
        reader.find(wrong, &place);
        StampFormat::Any
    }

    /// Reports rules that allow no value.
    fn check(&self, reader: &mut Reader<'_>, kind: &Kind) {
        match kind {
            Kind::Text(rules) => {
                self.check_lengths(reader, ["min_length", "max_length"], rules.min_length, rules.max_length)
            }
            Kind::List(rules) => {
                self.check_lengths(reader, ["min_items", "max_items"], rules.min_items, rules.max_items)
            }
            Kind::Int(limits) => self.check_bounds(reader, limits, &0),
            Kind::Float(rules) => self.check_bounds(reader, &rules.bounds, &0.0),
            Kind::Decimal(rules) => {
                if let (Some(max), Some(places)) = (rules.max_digits, rules.decimal_places)
                    && places > max
                {
                    self.contradict(
                        reader,
                        "decimal_places",
                        format!("'decimal_places' is {places}, but there are only {max} digits"),
                    );
                }
                self.check_bounds(reader, &rules.bounds, &Exact::from(0));
            }
            _ => {}
        }
    }

    fn check_lengths(
        &self,
        reader: &mut Reader<'_>,
        [low, high]: [&str; 2],
        min: Option<usize>,
        max: Option<usize>,
    ) {
        if let (Some(min), Some(max)) = (min, max)
            && min > max
        {
            self.contradict(reader, high, format!("nothing fits: '{low}' is {min} and '{high}' is {max}"));
        }
    }

    fn check_bounds<T: PartialOrd + std::fmt::Display>(
        &self,
        reader: &mut Reader<'_>,
        limits: &Bounds<T>,
        zero: &T,
    ) {
        let Bounds { ge, gt, le, lt, multiple_of } = limits;
        for (low_name, low, high_name, high) in
            [("ge", ge, "le", le), ("ge", ge, "lt", lt), ("gt", gt, "le", le), ("gt", gt, "lt", lt)]
        {
            let (Some(low), Some(high)) = (low, high) else { continue };
            let may_be_equal = low_name == "ge" && high_name == "le";
            if low > high || low == high && !may_be_equal {
                let message = format!("no number fits: '{low_name}' is {low} and '{high_name}' is {high}");
                self.contradict(reader, high_name, message);
            }
        }
        if multiple_of.as_ref().is_some_and(|step| step <= zero) {
            self.contradict(reader, "multiple_of", "'multiple_of' takes a number above zero".to_owned());
        }
    }

    fn contradict(&self, reader: &mut Reader<'_>, name: &str, message: String) {
        reader.find(message, &self.scope.place_of(name).expect("it is given"));
    }
}

/// Converts a number whose limits in the table of keys guarantee that it fits.
fn fits<A: TryInto<B>, B>(number: A) -> B {
    number.try_into().ok().expect("the limits of a rule fit into its type")
}

/// A number, exactly; integers are numbers too.
fn as_exact(value: &Spanned<DeValue<'_>>) -> Option<Exact> {
    match value.get_ref() {
        DeValue::Integer(_) => Some(Exact::from(as_integer(value)?)),
        DeValue::Float(number) => Exact::parse(number.as_str()),
        _ => None,
    }
}

/// A number as a double; integers are numbers too.
fn as_double(value: &Spanned<DeValue<'_>>) -> Option<f64> {
    let number = match value.get_ref() {
        DeValue::Integer(_) => as_integer(value)? as f64,
        DeValue::Float(number) => number.as_str().parse().ok()?,
        _ => return None,
    };
    number.is_finite().then_some(number)
}

#[cfg(test)]
mod tests {
    use super::super::super::tests::{assert_wrong, complaint, config, small_with};
    use super::super::tests::field_of;
    use super::*;

    fn kind_of(line: &str) -> String {
        format!("{:?}", field_of(line).kind)
    }

    #[test]
    fn rules_come_into_the_schema() {
        for (line, expected) in [
            (
                "a = { type = \"text\", min_length = 1, max_length = 9, trim = true, lower = true }",
                "Text(Text { trim: true, min_length: Some(1), max_length: Some(9), pattern: None, lower: true })",
            ),
            (
                "a = { type = \"int\", ge = -5, lt = 0x10, multiple_of = 5 }",
                "Int(Bounds { ge: Some(-5), gt: None, le: None, lt: Some(16), multiple_of: Some(5) })",
            ),
            (
                "a = { type = \"float\", gt = 0, le = 1e3, finite = true }",
                "Float(Float { bounds: Bounds { ge: None, gt: Some(0.0), le: Some(1000.0), lt: None, multiple_of: None }, finite: true })",
            ),
            (
                "a = { type = \"text\", pattern = \"^[a-z]+$\" }",
                "Text(Text { trim: false, min_length: None, max_length: None, pattern: Some(Regex(\"^[a-z]+$\")), lower: false })",
            ),
            (
                "a = { type = \"timestamp\", zone = \"naive\", format = \"epoch_ms\" }",
                "Timestamp(Timestamp { format: EpochMs, zone: Naive, clock: Clock(UTC), year: None })",
            ),
            (
                "a = { type = \"decimal\", max_digits = 10, decimal_places = 2 }",
                "Decimal(Decimal { max_digits: Some(10), decimal_places: Some(2), bounds: Bounds { ge: None, gt: None, le: None, lt: None, multiple_of: None } })",
            ),
            ("a = { type = \"json\", json_text = true }", "Json(Json { text: true, like: None })"),
            ("a = { type = \"ip\", version = 4 }", "Ip { version: Some(4) }"),
            (
                "a = { type = \"enum\", values = [\"x\", \"y\"], lower = true }",
                "Enum(Enum { values: Texts([\"x\", \"y\"]), literal: false, class: None, trim: false, lower: true })",
            ),
        ] {
            assert_eq!(kind_of(line), expected);
        }
    }

    #[test]
    fn kinds_of_models_come_into_the_schema() {
        for (line, expected) in [
            ("a = { type = \"enum\", values = [1, 2] }", "values: Ints([1, 2])"),
            ("a = { type = \"enum\", values = [\"x\", 2, true] }", "values: Mixed([\"x\", 2, true])"),
            ("a = { type = \"uuid\", version = 7 }", "Uuid { version: Some(7) }"),
            ("a = { type = \"object\", members = \"int\" }", "members: Some(Field { name: \"members\""),
            ("a = { type = \"object\", extra = \"keep\" }", "extra: Keep"),
            (
                "a = { type = \"union\", of = [\"int\", { type = \"text\", min_length = 1 }] }",
                "name: \"constrained-str\"",
            ),
            ("a = { type = \"json\", like = \"int\" }", "like: Some(Field { name: \"like\""),
            (
                "a = { type = \"json\", like = { type = \"union\", of = [\"int\", { type = \"list\", items = \"int\" }] } }",
                "name: \"list\"",
            ),
            (
                "a = { type = \"union\", of = [{ type = \"union\", of = [\"int\", \"date\"] }, \"bool\"] }",
                "name: \"union[int,date]\"",
            ),
            ("a = { type = \"enum\", values = [1], literal = true }", "literal: true"),
            ("a = { type = \"list\", items = \"int\", json_text = true }", "text: true"),
            ("a = { type = \"object\", fields = { b = \"int\" }, json_text = true }", "text: true"),
            (
                "a = { type = \"object\", fields = { b = { type = \"again\", required = false } } }",
                "kind: Again(Again { up: None })",
            ),
        ] {
            let kind = kind_of(line);
            assert!(kind.contains(expected), "{line}: {kind}");
        }
        for (line, message, marked) in [
            (
                "a = { type = \"enum\", values = [1.5] }",
                "'values' takes texts, whole numbers and booleans, not 1.5",
                "1.5",
            ),
            ("a = { type = \"enum\", values = [1, 1] }", "this value is in the list already", "1"),
            ("a = { type = \"uuid\", version = 2 }", "'version' takes 1 or 3 to 8, not 2", "2"),
            (
                "a = \"union\"",
                "field 'a' is a union and needs the types that it may be 'of', as in of = [\"int\", \"text\"]",
                "a",
            ),
            (
                "a = { type = \"union\", of = [\"int\"] }",
                "'of' takes a list of at least two types",
                "[\"int\"]",
            ),
            (
                "a = { type = \"union\", of = [\"int\", \"json\"] }",
                "a union is of types of single values, not of type json",
                "\"json\"",
            ),
        ] {
            assert_wrong("record.fields", line, message, marked);
        }
        let alone = complaint(&small_with("record.fields", "a = { type = \"again\", required = false }"));
        assert!(alone.contains("field 'a' has type 'again', but no object contains it"), "{alone}");
    }

    #[test]
    fn patterns_and_formats_that_cannot_be_read_are_refused() {
        for (line, message, marked) in [
            (
                "a = { type = \"text\", pattern = \"a(\" }",
                "'pattern' cannot be read as a regular expression: unclosed group",
                "\"a(\"",
            ),
            (
                "a = { type = \"text\", pattern = '((\\w{99}){99}){99}' }",
                "'pattern' cannot be read as a regular expression: it becomes larger than 1 MiB; shorten what repeats",
                "'((\\w{99}){99}){99}'",
            ),
            (
                "a = { type = \"timestamp\", format = \"iso\" }",
                "not a format; it is one of rfc3339, epoch_s, epoch_ms, epoch_us, epoch_ns, syslog, or letters such as %d/%b/%Y:%H:%M:%S %z",
                "\"iso\"",
            ),
            (
                "a = { type = \"decimal\", ge = 2.5, le = 2.25 }",
                "no number fits: 'ge' is 2.5 and 'le' is 2.25",
                "le",
            ),
        ] {
            assert_wrong("record.fields", line, message, marked);
        }
    }

    #[test]
    fn rules_that_cannot_be_are_refused() {
        for (line, message, marked) in [
            (
                "a = \"enum\"",
                "field 'a' is an enum and needs its 'values', as in values = [\"on\", \"off\"]",
                "a",
            ),
            ("a = { type = \"enum\", values = [] }", "an enum needs at least one value", "[]"),
            (
                "a = { type = \"enum\", values = [\"x\", \"\\u0000\"] }",
                "a NUL character, which no column can hold",
                "\"\\u0000\"",
            ),
            (
                "a = { type = \"enum\", values = [\"x\", 'y', 'x'] }",
                "this value is in the list already",
                "'x'",
            ),
            ("a = \"object\"", "field 'a' is an object and needs its own 'fields'", "a"),
            (
                "a = { type = \"object\", fields = {} }",
                "there is no field here; name at least one, as in message = \"text\"",
                "{}",
            ),
            ("a = { type = \"object\", fields = [] }", "'fields' takes a table of fields, not a list", "[]"),
            (
                "a = { type = \"object\", fields = { b = { type = \"list\" } } }",
                "field 'a.b' is a list and needs 'items', as in items = \"text\"",
                "b",
            ),
            (
                "a = { type = \"text\", min_length = 3, max_length = 2 }",
                "nothing fits: 'min_length' is 3 and 'max_length' is 2",
                "max_length",
            ),
            ("a = { type = \"int\", ge = 3, lt = 3 }", "no number fits: 'ge' is 3 and 'lt' is 3", "lt"),
            ("a = { type = \"int\", ge = 0.5 }", "'ge' takes a whole number, not 0.5", "0.5"),
            ("a = { type = \"float\", ge = nan }", "'ge' takes a number, not nan", "nan"),
            (
                "a = { type = \"int\", multiple_of = 0 }",
                "'multiple_of' takes a number above zero",
                "multiple_of",
            ),
            (
                "a = { type = \"decimal\", max_digits = 2, decimal_places = 3 }",
                "'decimal_places' is 3, but there are only 2 digits",
                "decimal_places",
            ),
            ("a = { type = \"ip\", version = 5 }", "'version' takes 4 or 6, not 5", "5"),
        ] {
            assert_wrong("record.fields", line, message, marked);
        }
        // Equal bounds allow one number.
        field_of("a = { type = \"int\", ge = 3, le = 3 }");
    }

    #[test]
    fn objects_and_lists_have_fields_of_their_own() {
        let field = field_of(
            "a = { type = \"object\", extra = \"forbid\", fields = { b = { type = \"list\", items = { type = \"int\", nullable = true }, min_items = 1 }, c = { type = \"text\", from = \"/x/y\" } } }",
        );
        let Kind::Object(object) = field.kind else { panic!("an object") };
        assert_eq!(object.schema.extra, Extra::Forbid);
        assert_eq!(object.schema.paths(), [vec!["b".to_owned()], vec!["x".to_owned(), "y".to_owned()]]);
        let Kind::List(list) = &object.schema.fields[0].kind else { panic!("a list") };
        assert_eq!((list.min_items, list.max_items, list.items.nullable), (Some(1), None, true));
        assert!(matches!(list.items.kind, Kind::Int(_)));
        // The record's rule for members that no field names also applies below it.
        let text = small_with(
            "record",
            "extra = \"forbid\"\n[record.fields.o]\ntype = \"object\"\nfields.x = \"int\"",
        );
        let fields = config(&text).record.schema.fields;
        let object = fields.iter().find(|field| field.name == "o").expect("a field");
        assert!(matches!(&object.kind, Kind::Object(object) if object.schema.extra == Extra::Forbid));
    }
}
