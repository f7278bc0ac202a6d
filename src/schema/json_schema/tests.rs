//! JSON Schemas as Pydantic writes them: what becomes a rule, and what is refused.

use super::super::probe::{check as check_field, given};
use super::super::{Bounds, Kind, StampFormat, Zone};
use super::*;

fn import(properties: &str) -> Result<Schema, JsonSchemaError> {
    from_json_schema(
        &format!(r#"{{"type":"object","properties":{{{properties}}}}}"#),
        false,
        Clock::default(),
    )
}

/// The one field of a schema with one property.
fn field(property: &str) -> Field {
    import(&format!(r#""f":{property}"#)).expect(property).fields.remove(0)
}

/// The complaint about a schema with one property.
fn complaint(property: &str) -> String {
    import(&format!(r#""f":{property}"#)).expect_err(property).to_string()
}

fn check(property: &str, cases: &[(&str, &str)]) {
    check_field(&field(property), cases);
}

#[test]
fn every_type_has_a_kind() {
    for (property, kind) in [
        (r#"{"type":"string"}"#, "text"),
        (r#"{"type":"string","format":"password","writeOnly":true}"#, "text"),
        (r#"{"type":"integer"}"#, "int"),
        (r#"{"type":"number"}"#, "float"),
        (r#"{"type":"boolean"}"#, "bool"),
        (r#"{"type":"string","format":"date-time"}"#, "timestamp"),
        (r#"{"type":"string","format":"date"}"#, "date"),
        (r#"{"type":"string","format":"time"}"#, "time"),
        (r#"{"type":"string","format":"uuid"}"#, "uuid"),
        (r#"{"type":"string","format":"ipv4"}"#, "ip"),
        (r#"{"type":"string","format":"ipvanyaddress"}"#, "ip"),
        (r#"{"anyOf":[{"type":"number"},{"type":"string"}]}"#, "decimal"),
        (r#"{"type":["string","number"]}"#, "decimal"),
        (r#"{"type":"string","contentMediaType":"application/json","contentSchema":{}}"#, "json"),
        (r#"{"type":"string","format":"json-string"}"#, "json"),
        (
            r#"{"type":"string","contentMediaType":"application/json","contentSchema":{"type":"object"}}"#,
            "object",
        ),
        (r#"{"anyOf":[{"type":"integer"},{"type":"integer","title":"B"}]}"#, "int"),
        ("{}", "json"),
        ("true", "json"),
        (r#"{"title":"Any","description":"d","examples":[1],"x-own":{}}"#, "json"),
        (r#"{"const":"a"}"#, "enum"),
        (r#"{"enum":["a","b"],"type":"string"}"#, "enum"),
        (r#"{"type":"object"}"#, "object"),
        (r#"{"properties":{"a":{}}}"#, "object"),
        (r#"{"type":"array"}"#, "list"),
    ] {
        assert_eq!(field(property).kind.name(), kind, "{property}");
    }
}

#[test]
fn limits_of_every_type_are_enforced() {
    check(
        r#"{"type":"string","minLength":1,"maxLength":2,"pattern":"^a"}"#,
        &[
            (r#""a""#, r#""a""#),
            (r#""""#, "string_too_short"),
            (r#""aaa""#, "string_too_long"),
            (r#""b""#, "string_pattern_mismatch"),
        ],
    );
    check(
        r#"{"type":"integer","minimum":0.5,"exclusiveMaximum":10.0,"multipleOf":3}"#,
        &[("3", "3"), ("0", "greater_than_equal"), ("12", "less_than"), ("4", "multiple_of")],
    );
    check(
        r#"{"type":"integer","exclusiveMinimum":-1.5,"maximum":18446744073709551615}"#,
        &[("-1", "-1"), ("-2", "greater_than"), ("18446744073709551616", "less_than_equal")],
    );
    check(
        r#"{"type":"integer","format":"uint8"}"#,
        &[("255", "255"), ("256", "less_than_equal"), ("-1", "greater_than_equal")],
    );
    check(
        r#"{"type":"integer","format":"int8","maximum":3}"#,
        &[("4", "less_than_equal"), ("-129", "greater_than_equal")],
    );
    check(
        r#"{"type":"number","minimum":0,"exclusiveMaximum":1,"multipleOf":0.25}"#,
        &[("0.25", "0.25"), ("-0.25", "greater_than_equal"), ("1", "less_than"), ("0.3", "multiple_of")],
    );
    check(
        r#"{"type":"array","items":{"type":"integer"},"minItems":1,"maxItems":2}"#,
        &[("[1]", "[1]"), ("[]", "too_short"), ("[1,2,3]", "too_long"), (r#"["x"]"#, "0: int_parsing")],
    );
}

#[test]
fn decimals_are_told_by_their_union() {
    check(
        r#"{"anyOf":[{"type":"number","minimum":0,"multipleOf":0.1},{"type":"string"}]}"#,
        &[(r#""1.50""#, r#""1.50""#), ("-1", "greater_than_equal"), (r#""0.05""#, "multiple_of")],
    );
    // The form written by Pydantic before 2.14.
    let both = r#"{"anyOf":[{"type":"number"},{"type":"string","pattern":"^(?!^[-+.]*$)[+-]?0*(?:\\d{0,8}|(?=[\\d.]{1,11}0*$)\\d{0,8}\\.\\d{0,2}0*$)"}]}"#;
    check(
        both,
        &[
            ("99999999.99", r#""99999999.99""#),
            ("0.001", "decimal_max_places"),
            ("123456789", "decimal_whole_digits"),
        ],
    );
    let digits = r#"{"anyOf":[{"type":"string","pattern":"^(?!^[-+.]*$)[+-]?0*(?:\\d{0,3}|(?=[\\d.]{1,4}0*$)\\d*\\.\\d*0*$)"},{"type":"number"}]}"#;
    check(digits, &[("1.25", r#""1.25""#), ("1.255", "decimal_max_digits")]);
    let places = r#"{"type":"string","pattern":"^(?!^[-+.]*$)[+-]?0*\\d*\\.?\\d{0,2}0*$"}"#;
    check(places, &[(r#""1234.25""#, r#""1234.25""#), (r#""1.255""#, "decimal_max_places")]);
    let free = r#"{"type":"string","pattern":"^(?!^[-+.]*$)[+-]?0*\\d*\\.?\\d*$"}"#;
    check(free, &[(r#""1e3""#, r#""1000""#)]);
}

#[test]
fn an_enum_by_reference_is_a_type_and_one_in_place_is_literal() {
    let text = r##"{"properties":{"a":{"$ref":"#/$defs/E"},"b":{"enum":["x"]},"c":{"$ref":"#/$defs/E","default":"x"}},"$defs":{"E":{"enum":["x"],"type":"string"}}}"##;
    let schema = from_json_schema(text, false, Clock::default()).expect("a schema");
    super::super::probe::check(&schema.fields[0], &[(r#""y""#, "enum")]);
    super::super::probe::check(&schema.fields[1], &[(r#""y""#, "literal_error")]);
    assert_eq!(schema.fields[2].default, Some(super::super::Owned::Text("x".into())));
}

#[test]
fn null_makes_a_field_nullable() {
    for property in [
        r#"{"anyOf":[{"type":"integer"},{"type":"null"}]}"#,
        r#"{"oneOf":[{"type":"null"},{"type":"integer"}]}"#,
        r#"{"type":["integer","null"]}"#,
        r#"{"enum":["a",null]}"#,
        "{}",
    ] {
        assert!(field(property).nullable, "{property}");
    }
    assert!(!field(r#"{"type":"integer"}"#).nullable);
}

#[test]
fn a_default_may_be_null_where_a_value_may_not() {
    let field = field(r#"{"type":"integer","default":null}"#);
    assert!(!field.required && !field.nullable && field.may_be_null());
    assert_eq!(field.default, Some(Owned::Plain(Value::Null)));
}

#[test]
fn a_default_without_a_zone_is_in_the_zone_of_the_job() {
    let text =
        r##"{"properties":{"at":{"type":"string","format":"date-time","default":"1970-01-01T02:00:01"}}}"##;
    let schema = from_json_schema(text, false, Clock::ahead(7200)).expect("a schema");
    assert_eq!(schema.fields[0].default, Some(Owned::Plain(Value::Timestamp(1_000_000))));
    super::super::probe::check(
        &schema.fields[0],
        &[(r#""1970-01-01T02:00:00""#, r#""1970-01-01T00:00:00.000000Z""#)],
    );
}

#[test]
fn required_and_default_are_told_apart() {
    let text = r#"{"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"integer","default":3},"c":{"type":"integer"}},"required":["a"]}"#;
    let schema = from_json_schema(text, true, Clock::default()).expect("a schema");
    let told: Vec<_> = schema
        .fields
        .iter()
        .map(|field| (field.required, field.default.is_some(), field.may_be_null()))
        .collect();
    assert_eq!(told, [(true, false, false), (false, true, false), (false, false, true)]);
    assert!(schema.fields.iter().all(|field| field.strict));
}

#[test]
fn members_without_a_name_are_ignored_refused_or_kept() {
    assert_eq!(import(r#""a":{}"#).expect("a schema").extra, Extra::Ignore);
    let closed = r#"{"properties":{"a":{}},"additionalProperties":false}"#;
    assert_eq!(from_json_schema(closed, false, Clock::default()).expect("a schema").extra, Extra::Forbid);
    let open = r#"{"properties":{"a":{}},"additionalProperties":true}"#;
    assert_eq!(from_json_schema(open, false, Clock::default()).expect("a schema").extra, Extra::Keep);
    check(open, &[(r#"{"a":1,"b":2}"#, r#"{"a":1,"b":2}"#)]);
    check(r#"{"properties":{"a":{}}}"#, &[(r#"{"a":1,"b":2}"#, r#"{"a":1}"#)]);
    check(r#"{"type":"object"}"#, &[(r#"{"b": 2}"#, r#"{"b":2}"#), ("[]", "dict_type")]);
    check(closed, &[(r#"{"b":2}"#, "b: extra_forbidden")]);
    check(
        r#"{"properties":{"a":{}},"additionalProperties":{"type":"integer"}}"#,
        &[(r#"{"b":"2","a":"x"}"#, r#"{"a":"x","b":2}"#), (r#"{"b":"x"}"#, "b: int_parsing")],
    );
}

#[test]
fn formats_of_stamps_and_zones_are_those_of_a_field() {
    let Kind::Timestamp(rules) = field(r#"{"type":"string","format":"date-time"}"#).kind else {
        panic!("no timestamp");
    };
    assert!(matches!(rules.format, StampFormat::Any) && rules.zone == Zone::Any);
    let Kind::Int(bounds) = field(r#"{"type":"integer"}"#).kind else { panic!("no integer") };
    assert_eq!(bounds, Bounds::default());
}

#[test]
fn what_is_not_enforced_is_refused_with_its_place() {
    for (property, expected) in [
        (
            r#"{"type":"string","format":"email"}"#,
            "#/properties/f/format: the format \"email\" is not enforced",
        ),
        (
            r#"{"type":"string","format":"uuid2"}"#,
            "#/properties/f/format: the format \"uuid2\" is not enforced",
        ),
        (
            r#"{"type":"string","contentEncoding":"base64"}"#,
            "#/properties/f/contentEncoding: this keyword is not enforced",
        ),
        (r#"{"type":"integer","minLength":1}"#, "#/properties/f/minLength: this keyword is not enforced"),
        (
            r#"{"type":"string","format":"date","pattern":"x"}"#,
            "#/properties/f/pattern: this keyword is not enforced",
        ),
        (
            r#"{"type":"array","uniqueItems":true}"#,
            "#/properties/f/uniqueItems: this keyword is not enforced",
        ),
        (
            r#"{"type":"array","prefixItems":[{}]}"#,
            "#/properties/f/prefixItems: this keyword is not enforced",
        ),
        (r#"{"type":"array","items":{"not":{}}}"#, "#/properties/f/items/not: this keyword is not enforced"),
        (r#"{"not":{}}"#, "#/properties/f/not: this keyword is not enforced"),
        (r#"{"typo":1}"#, "#/properties/f/typo: this keyword is not enforced"),
        (
            r#"{"type":"object","additionalProperties":{"not":{}}}"#,
            "#/properties/f/additionalProperties/not: this keyword is not enforced",
        ),
        (
            r#"{"type":"string","contentMediaType":"application/json","contentSchema":{"type":"integer"}}"#,
            "#/properties/f/contentSchema: JSON within a text is stored as it stands, not as it is read",
        ),
        (
            r#"{"anyOf":[{"type":"integer"},{"type":"array"}]}"#,
            "#/properties/f/anyOf: of several types, only those of single values are enforced",
        ),
        (
            r#"{"anyOf":[{"type":"integer"}],"minimum":1}"#,
            "#/properties/f/minimum: this keyword is not enforced",
        ),
        (
            r#"{"type":["integer","object"]}"#,
            "#/properties/f/type: of several types, only those of single values are enforced",
        ),
        (
            r#"{"enum":[1,2.5]}"#,
            "#/properties/f/enum/1: a value that is neither text, an integer of 64 bits nor a boolean",
        ),
        (r#"{"enum":["a",1],"type":"string"}"#, "#/properties/f/type: not the type of the values"),
        (r#"{"type":"text","x-logmill":{"zone":"naive"}}"#, "#/properties/f/type: there is no type \"text\""),
        (
            r#"{"type":"string","x-logmill":{"zone":"naive"}}"#,
            "#/properties/f/x-logmill/zone: not a key of a field of type text",
        ),
        (
            r#"{"type":"string","format":"date-time","x-logmill":{"zone":"none"}}"#,
            "#/properties/f/x-logmill/zone: neither \"any\", \"required\" nor \"naive\"",
        ),
        (r#"{"enum":["a"],"type":"integer"}"#, "#/properties/f/type: not the type of the values"),
        (r#"{"enum":[]}"#, "#/properties/f/enum: no value is allowed"),
        (r#"{"enum":["a","\u0000"]}"#, "#/properties/f/enum/1: a NUL character, which no column can hold"),
        (r#"{"const":null}"#, "#/properties/f/const: no value is allowed but null"),
        (r#"{"type":"null"}"#, "#/properties/f/type: no value is allowed but null"),
        ("false", "#/properties/f: no value is allowed"),
        ("1", "#/properties/f: not a schema"),
        (r#"{"type":"decimal"}"#, "#/properties/f/type: there is no type \"decimal\""),
        (r#"{"type":["strng","null"]}"#, "#/properties/f/type/0: there is no type \"strng\""),
        (r#"{"type":"string","pattern":"(?=x)"}"#, "#/properties/f/pattern: "),
        (r#"{"type":"string","minLength":-1}"#, "#/properties/f/minLength: not a count"),
        (r#"{"type":"integer","minimum":"1"}"#, "#/properties/f/minimum: not a number"),
        (
            r#"{"type":"integer","multipleOf":0.5}"#,
            "#/properties/f/multipleOf: not a whole number above zero",
        ),
        (r#"{"type":"integer","maximum":1e300}"#, "#/properties/f/maximum: a number beyond 128 bits"),
        (r#"{"type":"integer","default":"x"}"#, "#/properties/f/default: text that is not an integer"),
        (r##"{"$ref":"#/$defs/No"}"##, "#/properties/f/$ref: there is no \"#/$defs/No\" in this document"),
        (
            r##"{"$ref":"other.json#/a"}"##,
            "#/properties/f/$ref: there is no \"other.json#/a\" in this document",
        ),
        (
            r##"{"$ref":"#/properties/f"}"##,
            "#/properties/f/$ref: \"#/properties/f\" refers to itself, and no object that is defined is in between",
        ),
        (
            r##"{"type":"array","items":{"$ref":"#/properties/f"}}"##,
            "#/properties/f/items/$ref: \"#/properties/f\" refers to itself",
        ),
    ] {
        let complaint = complaint(property);
        assert!(complaint.starts_with(expected), "{property}: {complaint}");
    }
    for (text, expected) in [
        ("{", "#: something that is not a key in double quotes at byte 1"),
        ("[]", "#: not a schema"),
        (r#"{"type":"array"}"#, "#/type: a record is an object"),
        (r#"{"type":"object"}"#, "#: there are no properties"),
        (
            r#"{"properties":{"a":{}},"required":["b"]}"#,
            "#/required/0: \"b\" is required, but is none of the properties",
        ),
        (
            r#"{"properties":{"a":{}},"patternProperties":{}}"#,
            "#/patternProperties: this keyword is not enforced",
        ),
    ] {
        let complaint = from_json_schema(text, false, Clock::default()).expect_err(text).to_string();
        assert!(complaint.starts_with(expected), "{text}: {complaint}");
    }
}

#[test]
fn everything_that_is_not_enforced_is_told_at_once() {
    let text = r##"{"properties": {"a": {"type": "string", "format": "email", "contains": {}}, "b": {"type": "integer", "not": {}, "minimum": "x"},
        "c": {"properties": {"d": {"contains": {}}, "e": {"$ref": "#/$defs/E"}}}, "f": {"$ref": "#/$defs/E"}},
        "$defs": {"E": {"type": "string", "if": {}, "else": {}}}, "minProperties": 1}"##;
    let error = from_json_schema(text, false, Clock::default()).expect_err("nothing of it can be enforced");
    let places: Vec<&str> = error.faults.iter().map(|fault| fault.path.as_str()).collect();
    assert_eq!(
        places,
        [
            "#/properties/a/format",
            "#/properties/a/contains",
            "#/properties/b/minimum",
            "#/properties/b/not",
            "#/properties/c/properties/d/contains",
            "#/$defs/E/if",
            "#/$defs/E/else",
            "#/minProperties",
        ]
    );
    assert!(
        error.to_string().starts_with("8 things are wrong with it:\n  - #/properties/a/format: "),
        "{error}"
    );
}

#[test]
fn an_object_may_refer_to_itself() {
    let text = r##"{"$ref":"#/$defs/R","$defs":{"R":{"properties":{
        "n":{"type":"integer"},"r":{"$ref":"#/$defs/R"},"l":{"type":"array","items":{"$ref":"#/$defs/R"}}},"required":["n"]}}}"##;
    let schema = from_json_schema(text, false, Clock::default()).expect("a schema");
    assert_eq!(schema.stands_alone(), None);
    super::super::probe::check(
        &schema.fields[1],
        &[
            (r#"{"n":1}"#, r#"{"n":1,"r":null,"l":null}"#),
            (r#"{"n":1,"r":{"n":"2"}}"#, r#"{"n":1,"r":{"n":2,"r":null,"l":null},"l":null}"#),
            (r#"{"n":1,"r":{"r":{"n":"x"}}}"#, "r.n: missing, r.r.n: int_parsing"),
            (r#"{"n":1,"l":[{"n":1,"l":[3]}]}"#, "l.0.l.0: model_type"),
            (r#"{"n":1,"r":3}"#, "r: model_type"),
        ],
    );
    let document = r##"{"properties":{"n":{"type":"integer"},"of":{"type":"array","items":{"$ref":"#"}}}}"##;
    let schema = from_json_schema(document, false, Clock::default()).expect("a schema");
    super::super::probe::check(
        &schema.fields[1],
        &[
            (r#"[{"of":[{"n":1}]}]"#, r#"[{"n":null,"of":[{"n":1,"of":null}]}]"#),
            (r#"[{"of":[1]}]"#, "0.of.0: model_type"),
        ],
    );
    // Two that refer to each other, and each to itself.
    let two = r##"{"properties":{"a":{"$ref":"#/$defs/A"}},"$defs":{
        "A":{"type":"object","properties":{"a":{"$ref":"#/$defs/A"},"b":{"$ref":"#/$defs/B"},"x":{"type":"boolean"}}},
        "B":{"type":"object","properties":{"a":{"$ref":"#/$defs/A"},"b":{"$ref":"#/$defs/B"},"y":{"type":"boolean"}}}}}"##;
    let schema = from_json_schema(two, false, Clock::default()).expect("a schema");
    super::super::probe::check(
        &schema.fields[0],
        &[(r#"{"b":{"b":{"a":{"x":0,"b":{"y":"?"}}}}}"#, "b.b.a.b.y: bool_parsing")],
    );
}

#[test]
fn what_is_not_enforced_may_be_kept_as_json() {
    let kept = |text: &str, overrides: &[Field]| {
        let terms =
            ImportTerms { strict: false, clock: Clock::default(), overrides, keeps_unsupported: true };
        import_json_schema(text, &terms)
    };
    let text = r##"{"properties":{
        "site":{"type":"string","format":"uri","minLength":3},
        "tags":{"type":"array","items":{"type":"integer"},"uniqueItems":true,"default":[]},
        "at":{"type":"object","properties":{"x":{"not":{}},"y":{"type":"integer"}},"required":["y"]},
        "one":{"oneOf":[{"type":"object","properties":{"k":{"const":"a"}},"required":["k"]},{"type":"integer"}]},
        "n":{"type":"integer"}},"required":["site","n"]}"##;
    let Imported { schema, weaker, .. } = kept(text, &[]).expect("kept");
    let places: Vec<&str> = weaker.iter().map(|fault| fault.path.as_str()).collect();
    assert_eq!(
        places,
        [
            "#/properties/site/format",
            "#/properties/tags/uniqueItems",
            "#/properties/at/properties/x/not",
            "#/properties/one/oneOf"
        ]
    );
    let kinds: Vec<&str> = schema.fields.iter().map(|field| field.kind.name()).collect();
    assert_eq!(kinds, ["json", "json", "object", "json", "int"]);
    let check = super::super::probe::check;
    check(
        &schema.fields[0],
        &[(r#""abc""#, r#""abc""#), (r#""a""#, "string_too_short"), ("1", "string_type")],
    );
    check(&schema.fields[1], &[(r#"[1,"1"]"#, r#"[1,"1"]"#), (r#"["x"]"#, "0: int_parsing")]);
    check(&schema.fields[2], &[(r#"{"x":[],"y":"1"}"#, r#"{"x":[],"y":1}"#), ("{}", "y: missing")]);
    check(
        &schema.fields[3],
        &[
            (r#"{"k":"a","z":1}"#, r#"{"k":"a","z":1}"#),
            ("7", "7"),
            (r#"{"k":"b"}"#, "model.k: literal_error, int: int_type"),
        ],
    );
    assert_eq!(schema.fields[1].default, Some(Owned::Json(b"[]".to_vec())));

    // What cannot be understood is refused all the same, and so are faults of the record itself.
    for (text, place) in [
        (r#"{"properties":{"a":{"type":"strng"}}}"#, "#/properties/a/type"),
        (r#"{"properties":{"a":{"minLength":-1,"type":"string","not":{}}}}"#, "#/properties/a/minLength"),
        (r#"{"properties":{"a":{}},"minProperties":1}"#, "#/minProperties"),
    ] {
        assert_eq!(kept(text, &[]).expect_err(text).faults[0].path, place);
    }

    // A field of the job replaces a property, which is not read, or adds to all of them.
    let mine = [Field::new("one", Kind::Bool), Field::new("more", Kind::Bool)];
    let Imported { schema, weaker, .. } = kept(text, &mine).expect("kept");
    assert!(weaker.iter().all(|fault| fault.path != "#/properties/one/oneOf"));
    let names: Vec<&str> = schema.fields.iter().map(|field| field.name.as_str()).collect();
    assert_eq!(names, ["site", "tags", "at", "one", "n", "more"]);
    assert_eq!(schema.fields[3].kind.name(), "bool");
}

#[test]
fn chains_of_references_and_large_patterns_are_bounded() {
    let chain = |length: usize| {
        let links = (0..length).map(|n| format!(r##""d{n}":{{"$ref":"#/$defs/d{}"}}"##, n + 1));
        let links: Vec<String> = links.chain([format!(r#""d{length}":{{"type":"string"}}"#)]).collect();
        from_json_schema(
            &format!(r##"{{"properties":{{"a":{{"$ref":"#/$defs/d0"}}}},"$defs":{{{}}}}}"##, links.join(",")),
            false,
            Clock::default(),
        )
    };
    assert!(chain(REFERENCES_MAX - 1).is_ok());
    let complaint = chain(100_000).expect_err("too long").to_string();
    assert!(complaint.ends_with("more than 100 references, one behind the other"), "{complaint}");
    let complaint = complaint_about_pattern(r"((\\w{99}){99}){99}");
    assert!(complaint.ends_with("it becomes larger than 1 MiB; shorten what repeats"), "{complaint}");
}

fn complaint_about_pattern(pattern: &str) -> String {
    complaint(&format!(r#"{{"type":"string","pattern":"{pattern}"}}"#))
}

#[test]
fn references_that_multiply_are_bounded() {
    let definitions: Vec<_> = (0..40)
        .map(|n| format!(r##""d{n}":{{"properties":{{"a":{{"$ref":"#/$defs/d{0}"}},"b":{{"$ref":"#/$defs/d{0}"}}}}}}"##, n + 1))
        .chain([r#""d40":{"type":"string"}"#.to_owned()])
        .collect();
    let text = format!(r##"{{"$ref":"#/$defs/d0","$defs":{{{}}}}}"##, definitions.join(","));
    let complaint = from_json_schema(&text, false, Clock::default()).expect_err("too many").to_string();
    assert!(complaint.ends_with("more than 10000 fields"), "{complaint}");
}

#[test]
fn references_are_pointers() {
    let text = r##"{"properties":{"a":{"$ref":"#/definitions/x~1y%20z"},"b":{"allOf":[{"$ref":"#/properties/a"}],"title":"B"}},"definitions":{"x/y z":{"type":"boolean"}}}"##;
    let schema = from_json_schema(text, false, Clock::default()).expect("a schema");
    assert!(schema.fields.iter().all(|field| field.kind.name() == "bool"));
}

#[test]
fn unions_that_double_at_each_level_are_refused_at_once() {
    let level = |n: u32| {
        format!(r##""T{n}": {{"anyOf": [{{"$ref": "#/$defs/T{0}"}}, {{"$ref": "#/$defs/T{0}"}}]}}"##, n - 1)
    };
    let levels: Vec<String> = (1..30).map(level).collect();
    let text = format!(
        r##"{{"$defs": {{"T0": {{"anyOf": [{{"type": "integer"}}, {{"type": "string"}}]}}, {}}}, "type": "object",
            "properties": {{"a": {{"$ref": "#/$defs/T29"}}}}, "required": ["a"]}}"##,
        levels.join(", ")
    );
    let complaint = from_json_schema(&text, false, Clock::default()).expect_err("too deep").to_string();
    assert!(complaint.contains("more than 10000 fields"), "{complaint}");
}

/// The field `f` of a schema, where fields that are not enforced are kept as JSON.
fn kept_field(property: &str, definitions: &str) -> Field {
    let text = format!(r#"{{"properties":{{"f":{property}}},"required":["f"],"$defs":{{{definitions}}}}}"#);
    let terms =
        ImportTerms { strict: false, clock: Clock::default(), overrides: &[], keeps_unsupported: true };
    let imported = import_json_schema(&text, &terms).expect("a schema");
    imported.schema.fields.into_iter().next().expect("a field")
}

#[test]
fn a_value_in_unions_that_hold_themselves_is_read_once_by_each() {
    // If each level were read again to report it, the deepest would be read more often than there are atoms.
    let node = r##""N":{"properties":{"next":{"anyOf":[{"$ref":"#/$defs/N"},{"type":"integer"}]}}}"##;
    let field = kept_field(r##"{"$ref":"#/$defs/N"}"##, node);
    let nested = |value: &str| format!("{}{value}{}", r#"{"next":"#.repeat(60), "}".repeat(60));
    assert!(given(&field, &nested("3")).starts_with(r#"{"next":{"next":"#));
    assert!(given(&field, &nested("[]")).starts_with("next.model.next.model."));
}

#[test]
fn faults_of_one_kind_beyond_those_that_are_kept_do_not_hide_those_of_the_next() {
    let lists = |other: &str| {
        format!(r#"{{"anyOf":[{{"type":"array","items":{{"type":"integer"}}}},{{"type":"{other}"}}]}}"#)
    };
    let texts = format!("[{}]", vec![r#""x""#; 1500].join(","));
    assert_eq!(given(&kept_field(&lists("array"), ""), &texts), texts);
    assert!(given(&kept_field(&lists("boolean"), ""), &texts).starts_with("list.0: int_parsing"));
}

#[test]
fn what_a_schema_has_no_word_for_is_told_once_for_each_place() {
    let stamp = r#"{"type":"string","format":"date-time"}"#;
    let said = r#"{"type":"string","format":"date-time","x-logmill":{"zone":"any"}}"#;
    let text = format!(
        r##"{{"properties":{{"a":{stamp},"b":{{"anyOf":[{stamp},{{"type":"null"}}]}},"c":{{"type":"array","items":{stamp}}},
            "d":{said},"e":{{"$ref":"#/$defs/S"}},"f":{{"$ref":"#/$defs/S"}},"g":{{"type":"integer"}},
            "h":{{"anyOf":[{{"type":"number"}},{{"type":"string"}}]}},"i":{stamp}}},"$defs":{{"S":{stamp}}}}}"##
    );
    let mine = [Field::new("i", Kind::Bool)];
    let terms =
        ImportTerms { strict: false, clock: Clock::default(), overrides: &mine, keeps_unsupported: false };
    let unsaid = import_json_schema(&text, &terms).expect("a schema").unsaid;
    let places: Vec<&str> = unsaid.iter().map(|fault| fault.path.as_str()).collect();
    assert_eq!(
        places,
        ["#/properties/a", "#/properties/b/anyOf/0", "#/properties/c/items", "#/$defs/S", "#/properties/h",]
    );
}

#[test]
fn json_within_a_text_is_read_as_what_it_is() {
    let property =
        r#"{"type":"string","contentMediaType":"application/json","contentSchema":SCHEMA,"default":DEFAULT}"#;
    let field = |schema: &str, default: &str| {
        kept_field(&property.replace("SCHEMA", schema).replace("DEFAULT", default), "")
    };
    let object = field(r#"{"properties":{"a":{"type":"integer"},"b":{"type":"string"}}}"#, "null");
    check_field(
        &object,
        &[
            (r#""{\"a\":\"7\",\"b\":\"\\u00e4\"}""#, "{\"a\":7,\"b\":\"ä\"}"),
            (r#""{\"a\":[]}""#, "a: int_type"),
            (r#""[]""#, "model_type"),
            (r#""{""#, "json_invalid"),
            ("{}", "json_type"),
        ],
    );
    let list = field(r#"{"type":"array","items":{"type":"string"}}"#, "null");
    check_field(&list, &[(r#"" [\"x\"]""#, r#"["x"]"#), (r#""[1]""#, "0: string_type"), ("[]", "json_type")]);
    // A default is given as it is, or as its text.
    for default in [r#"["x"]"#, r#""[\"x\"]""#] {
        let text = property.replace("SCHEMA", r#"{"type":"array"}"#).replace("DEFAULT", default);
        let schema =
            from_json_schema(&format!(r#"{{"properties":{{"f":{text}}}}}"#), false, Clock::default());
        assert!(schema.expect("a schema").fields[0].default.is_some());
    }
}
