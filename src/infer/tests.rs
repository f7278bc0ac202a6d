//! What is inferred from records, and that it accepts them.

use proptest::prelude::*;

use super::*;
use crate::format::{Extras, Format as _, Input, Json, JsonScratch};
use crate::reject::Faults;
use crate::schema::{Extra, Kind, Schema};

/// Passes lines to inference, each as a record of one file.
fn seen<S: AsRef<str>>(lines: &[S]) -> Seen {
    seen_from(0, lines)
}

fn seen_from<S: AsRef<str>>(from: usize, lines: &[S]) -> Seen {
    let format = Json::new::<String>(&[], Extras::Gathered);
    let mut seen = Seen::default();
    for (number, line) in lines.iter().enumerate() {
        let line = line.as_ref().as_bytes();
        let (arena, mut scratch, mut record) = (Bump::new(), JsonScratch::default(), Record::default());
        let spot = Spot { file: 0, offset: (from + number) as u64 };
        match format.parse(Input::new(line, &arena), &mut scratch, &mut record) {
            Ok(_) => seen.record(spot, &record, &arena),
            Err(malformed) => seen.malformed(spot, &malformed),
        }
    }
    seen
}

/// A short form of a proposal: `name: type`, `?` if it may be absent, `|null` if it may be null, and the
/// note.
fn short(proposal: &Proposal) -> Vec<String> {
    let fields = proposal.fields.iter().map(|Inferred { field, note, .. }| {
        let absent = if field.required { "" } else { "?" };
        let null = if field.nullable && field.required { "|null" } else { "" };
        let note = if note.is_empty() { String::new() } else { format!(" # {note}") };
        format!("{}{absent}: {}{null}{note}", field.name, field.kind.name())
    });
    fields.collect()
}

/// The type and the note of a field with these values.
fn of(values: &[&str]) -> String {
    let lines: Vec<String> = values.iter().map(|value| format!("{{\"a\":{value}}}")).collect();
    short(&seen(&lines).propose(&Terms::default())).remove(0)
}

/// If a name occurs twice, the record has the last value.
#[test]
fn a_value_that_yields_decides_nothing() {
    let proposal = |lines: &[&str]| short(&seen(lines).propose(&Terms::default()));
    assert_eq!(proposal(&[r#"{"a":"x","b":1,"a":7}"#]), ["a: int # always 7", "b: int # always 1"]);
    assert_eq!(proposal(&[r#"{"a":7,"a":null}"#, r#"{"a":8}"#]), ["a: int|null # always 8; null in 1"]);
    // First seen in another place, and among members in another order.
    assert_eq!(
        proposal(&[r#"{"b":1,"a":2}"#, r#"{"a":"x","a":"y","b":true,"b":3,"a":4}"#]),
        ["b: int # 1 to 3", "a: int # 2 to 4"]
    );
    // Within objects and lists too.
    let members = seen(&[r#"{"a":{"b":"x","b":1}}"#, r#"{"a":{"b":2}}"#]).propose(&Terms::default()).members;
    assert_eq!(members.iter().map(|it| it.field.kind.name()).collect::<Vec<_>>(), ["int"]);
}

#[test]
fn the_type_is_that_of_all_values() {
    for (values, expected) in [
        (&["1", "-5"][..], "a: int # -5 to 1"),
        (&["7"], "a: int # always 7"),
        (&["1", "2.5"], "a: float # 1 to 2.5"),
        (&["true", "false"], "a: bool"),
        (&["9223372036854775807"], "a: int # always 9223372036854775807"),
        (&["1", "9223372036854775808"], "a: decimal # integers beyond 64 bits"),
        (&["123456789012345678901234567890"], "a: decimal # integers beyond 64 bits"),
        (
            &["9007199254740993", "0.5"],
            "a: decimal # fractions, and integers that a float does not hold exactly",
        ),
        (&["1", "\"1\""], "a: json # texts in 1, numbers in 1"),
        (
            &["1", "true", "\"\"", "[]", "{}", "2"],
            "a: json # numbers in 2, texts in 1, booleans in 1, lists in 1, objects in 1",
        ),
        (&["{\"b\":1}"], "a: json # objects"),
        (&["[1]", "[]"], "a: list # lists of integers"),
        (&["[1]", "[null,2.5]"], "a: list # lists of numbers"),
        (&["[\"a\"]", "[]"], "a: list # lists of texts"),
        (&["[true]"], "a: list # lists of booleans"),
        (&["[1]", "[\"a\"]"], "a: json # lists"),
        (&["[[1]]"], "a: json # lists"),
        (&["[]"], "a: json # empty lists"),
        (&["null"], "a: json|null # never anything but null"),
        (&["null", "1"], "a: int|null # always 1; null in 1"),
        (&["\"\""], "a: text # always empty"),
        (&["\"a\"", "\"ab\""], "a: text # up to 2 characters"),
        // Texts that look like something else stay texts.
        (&["\"1\"", "\"002\""], "a: text # up to 3 characters"),
        (&["\"true\""], "a: text # up to 4 characters"),
        (&["\"1698364800\""], "a: text # up to 10 characters"),
        (&["1698364800"], "a: int # always 1698364800"),
    ] {
        assert_eq!(of(values), expected, "{values:?}");
    }
}

#[test]
fn texts_of_one_form_have_its_type() {
    let stamp = "\"2023-10-27T12:34:56.789Z\"";
    let uuid = "\"b91d39e4-b81a-4ac6-8048-7a967ab2af2b\"";
    for (values, expected) in [
        (&[stamp][..], "a: timestamp # 2023-10-27"),
        (&[stamp, "\"2023-11-02 00:00:00+02:00\""], "a: timestamp # 2023-10-27 to 2023-11-01"),
        (&[stamp, "\"2023-10-27T12:34:56.7890001Z\""], "a: timestamp # 2023-10-27; cut to microseconds"),
        (&["\"2023-10-27T12:34:56.789000000Z\""], "a: timestamp # 2023-10-27"),
        (
            &["\"2023-10-27 12:34:56\""],
            "a: timestamp # 2023-10-27; no zone is given, read as UTC (timezone under [source] changes that)",
        ),
        (
            &[stamp, "\"2023-10-27 12:34\""],
            "a: timestamp # 2023-10-27; 1 of 2 name no zone, read as UTC (timezone under [source] changes that)",
        ),
        (&[stamp, "\"\""], "a: text # up to 24 characters"),
        (&[stamp, "\"2023-10-27\""], "a: text # up to 24 characters"),
        (&["\"2023-13-27T12:34:56Z\""], "a: text # up to 20 characters"),
        (&["\"2023-10-27T23:59:60Z\""], "a: text # up to 20 characters"),
        (&["\"2024-02-29\"", "\"2024-03-01\""], "a: date # 2024-02-29 to 2024-03-01"),
        (&["\"2023-02-29\""], "a: text # up to 10 characters"),
        (&[uuid], "a: uuid"),
        (&[uuid, "\"-\""], "a: text # up to 36 characters"),
        (&["\"b91d39e4b81a4ac680487a967ab2af2b\""], "a: text # up to 32 characters"),
        (&["\"1.2.3.4\"", "\"::1\""], "a: ip"),
        (&["\"1.2.3.4\"", "\"localhost\""], "a: text # up to 9 characters"),
    ] {
        assert_eq!(of(values), expected, "{values:?}");
    }
    // A version number can look like an address.
    let lines = ["{\"app_version\":\"1.2.3.4\"}"];
    assert_eq!(short(&seen(&lines).propose(&Terms::default())), ["app_version: text # up to 7 characters"]);
}

#[test]
fn few_texts_are_named_and_are_no_enum() {
    let lines: Vec<String> =
        (0..60).map(|n| format!("{{\"level\":\"{}\"}}", ["INFO", "WARN", "A\\\"B"][n % 3])).collect();
    assert_eq!(
        short(&seen(&lines).propose(&Terms::default())),
        [r#"level: text # only "A\"B", "INFO", "WARN""#]
    );
}

#[test]
fn what_a_record_may_lack_is_not_required() {
    let mut lines = vec!["{\"a\":1,\"b\":null,\"a\":2}".to_owned(); 1_000];
    lines.push("{\"c\":\"x\"}".to_owned());
    assert_eq!(
        short(&seen(&lines).propose(&Terms::default())),
        [
            "a?: int # always 2; absent in 1 of 1,001 records",
            "b?: json # absent in 1 of 1,001 records; never anything but null",
            "c?: text # up to 1 character; absent in 1,000 of 1,001 records",
        ]
    );
}

#[test]
fn lines_that_are_no_objects_are_counted_and_not_inferred_from() {
    let proposal = seen(&["{\"a\":1}", "started", "[1]", "{\"a\":"]).propose(&Terms::default());
    assert_eq!((proposal.records, proposal.malformed), (1, 3));
    let (spot, code, _) = proposal.first_malformed.expect("one");
    assert_eq!((spot.offset, code.to_string().as_str()), (1, "json_invalid"));
}

#[test]
fn keys_become_columns_and_are_still_found() {
    let proposal = seen(&[r#"{"userId":1,"USERID":2,"a.b":3,"":4,"/x":5,"~":6}"#]).propose(&Terms::default());
    let names: Vec<_> = proposal
        .fields
        .iter()
        .map(|inferred| (inferred.field.name.as_str(), &*inferred.field.from))
        .collect();
    let key = |key: &str| vec![key.to_owned()];
    let expected = [
        ("user_id", "userId"),
        ("userid", "USERID"),
        ("a_b", "a.b"),
        ("field", ""),
        ("x", "/x"),
        ("field_2", "~"),
    ];
    assert_eq!(names.len(), expected.len());
    for ((name, from), (expected, expected_from)) in names.into_iter().zip(expected) {
        assert_eq!((name, from), (expected, &*key(expected_from)));
    }
}

#[test]
fn too_many_keys_leave_the_rarest_out() {
    let lines: Vec<String> = (0..6_000).map(|n| format!("{{\"id\":{n},\"k{n}\":1}}")).collect();
    let proposal = seen(&lines).propose(&Terms::default());
    assert_eq!(proposal.fields.len(), FIELDS_MAX);
    assert_eq!(proposal.fields[0].field.name, "id");
    assert!(proposal.left_out > 3_000, "{}", proposal.left_out);
}

fn any_value() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<u64>().prop_map(Into::into),
        (-1000_i64..1000).prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        "[a-z\"\\\\\u{e4}]{0,5}".prop_map(Into::into),
        "20[0-9]{2}-[01][0-9]-[0-3][0-9]".prop_map(Into::into),
        "20[0-9]{2}-[01][0-9]-[0-3][0-9][T _][0-2][0-9]:[0-6][0-9](:[0-6][0-9](\\.[0-9]{1,9})?)?(Z|[+-][0-2][0-9]:?[0-5][0-9])?"
            .prop_map(Into::into),
        "[0-9a-fA-F]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}".prop_map(Into::into),
        "[12]?[0-9]?[0-9]\\.[0-9]\\.[0-9]\\.[0-9]".prop_map(Into::into),
        Just("::1".into()),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Into::into),
            proptest::collection::btree_map("[ab]", inner, 0..3)
                .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Records whose keys have mostly values of one kind, as in logs.
fn records() -> impl Strategy<Value = Vec<String>> {
    let record = proptest::collection::btree_map("[abAB.]{1,2}", any_value(), 0..4);
    proptest::collection::vec(record, 1..8).prop_map(|records| {
        records
            .into_iter()
            .map(|members| serde_json::Value::Object(members.into_iter().collect()).to_string())
            .collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_was_seen_fits_what_is_proposed(lines in records()) {
        let proposal = seen(&lines).propose(&Terms::default());
        let fields: Vec<Field> = proposal.fields.into_iter().map(|inferred| inferred.field).collect();
        let schema = Schema { fields, extra: Extra::Forbid, ..Schema::default() };
        let format = Json::new(&schema.paths(), schema.extras());
        for line in &lines {
            let (arena, mut scratch) = (Bump::new(), JsonScratch::default());
            let (mut record, mut faults) = (Record::default(), Faults::default());
            let input = Input::new(line.as_bytes(), &arena);
            format.parse(input, &mut scratch, &mut record).expect("an object");
            let is_bound = schema.bind(&record, &arena, &mut faults).is_some();
            prop_assert!(is_bound, "{line}: {:?}", faults.messages().collect::<Vec<_>>());
        }
    }

    #[test]
    fn it_does_not_matter_who_saw_what(lines in records(), at in any::<prop::sample::Index>()) {
        let at = at.index(lines.len() + 1);
        let whole = seen(&lines).propose(&Terms::default());
        let (front, back) = (seen(&lines[..at]), seen_from(at, &lines[at..]));
        let parts = front.merge(back).propose(&Terms::default());
        prop_assert_eq!(short(&whole), short(&parts));
    }
}

#[test]
fn a_field_that_is_proposed_converts_nothing() {
    let field = seen(&["{\"a\":1}"]).propose(&Terms::default()).fields.remove(0).field;
    assert!(field.strict && matches!(field.kind, Kind::Int(_)));
}

/// What is proposed for a field of a text format with these values.
fn of_texts(values: &[&str]) -> (String, Vec<&'static str>, Option<String>) {
    use crate::format::{Chunk, Extras, Memory, Pattern, Preamble, Spec, of};
    let pattern = Pattern::new("^(?P<a>.*)$").expect("a pattern");
    let format = of::<String>(&Spec::Regex { pattern, record_start: None }, &[], Extras::Gathered);
    let (mut seen, preamble) = (Seen::default(), Preamble::default());
    // A blank line is not a record, so an empty text is written with quotes that the format takes literally.
    let text = values.join("\n");
    let chunk = Chunk { bytes: text.as_bytes(), preamble: &preamble, record_bytes_max: 100 };
    format.each_record(chunk, &mut Memory::default(), |place, record, arena| {
        let spot = Spot { file: 0, offset: place.start as u64 };
        seen.record(spot, record.expect("any line"), arena);
    });
    let proposal = seen.propose(&Terms::default());
    let instead = proposal.fields[0].instead.as_ref().map(|(field, what)| match &field.kind {
        Kind::Timestamp(rules) => format!("{} {what}", rules.format.word().unwrap_or("any")),
        _ => unreachable!("only timestamps are asked for"),
    });
    (short(&proposal).remove(0), proposal.nulls, instead)
}

#[test]
fn a_text_is_what_it_is_written_like() {
    let is = |values: &[&str]| {
        let (found, nulls, instead) = of_texts(values);
        assert!(nulls.is_empty() && instead.is_none(), "{found}");
        found
    };
    for (values, expected) in [
        (&["1", "-5", "0"][..], "a: int # -5 to 1"),
        (&["1.5", "2", "1e3"], "a: float # 1.5 to 1000"),
        (&["18446744073709551616"], "a: decimal # integers beyond 64 bits"),
        (&["true", "false"], "a: bool"),
        // Codes and names, not numbers.
        (&["007", "1"], "a: text # up to 3 characters"),
        (&["-0", "1"], "a: text # up to 2 characters"),
        (&["+1"], "a: text # up to 2 characters"),
        (&["1_000"], "a: text # up to 5 characters"),
        (&["1."], "a: text # up to 2 characters"),
        (&["nan", "inf"], "a: text # up to 3 characters"),
        (&["yes", "no"], "a: text # up to 3 characters"),
        // A null elsewhere is a text among texts.
        (&["-", "x"], "a: text # up to 1 character"),
        (&["12:34:56", "00:00:00.5"], "a: time"),
        (
            &["2023-10-27 12:34:56,789"],
            "a: timestamp # 2023-10-27; no zone is given, read as UTC (timezone under [source] changes that)",
        ),
        (
            &["27/Oct/2023:12:34:56 +0200", "28/Oct/2023:00:00:00 +0000"],
            "a: timestamp # 2023-10-27 to 2023-10-28",
        ),
        (&["Fri, 27 Oct 2023 12:34:56 GMT"], "a: timestamp # 2023-10-27"),
        (&["2023-10-27 12:34:56 UTC"], "a: timestamp # 2023-10-27"),
        (
            &["10/27/2023 12:34:56", "11/01/2023 00:00:00"],
            "a: timestamp # 2023-10-27 to 2023-11-01; no zone is given, read as UTC (timezone under [source] changes that)",
        ),
    ] {
        assert_eq!(is(values), expected, "{values:?}");
    }
}

#[test]
fn a_text_among_values_of_a_type_means_null() {
    assert_eq!(of_texts(&["1", "-", "2"]), ("a: int|null # 1 to 2; null in 1".into(), vec!["-"], None));
    let (found, nulls, _) = of_texts(&["12:00:00", "NULL", "\\N", "N/A"]);
    assert_eq!((found.as_str(), nulls), ("a: time|null # null in 3", vec!["N/A", "NULL", "\\N"]));
}

#[test]
fn a_field_of_text_that_was_never_there_is_text() {
    let mut seen = seen(&["{\"a\":null}"]);
    seen.is_text = true;
    let terms = Terms { texts: vec!["a".to_owned()], optional: vec!["a".to_owned()], ..Terms::default() };
    let proposal = seen.propose(&terms);
    assert!(proposal.fields[0].instead.is_none() && proposal.zoneless.is_empty());
    assert_eq!(short(&proposal), ["a?: text # never anything but null"]);
}

#[test]
fn what_only_a_person_knows_is_asked() {
    for (values, asked) in [
        (&["Oct  7 12:34:56", "Feb 29 00:00:00"][..], "syslog with year = … under [source], or with --date"),
        (&["Oct  7 12:34:56", "2023-10-27T12:34:56Z"], "syslog with year = … under [source], or with --date"),
        (&["1027 12:34:56.789012"], "%m%d %H:%M:%S%.f with year = … under [source], or with --date"),
        (&["10/11/2023 12:34:56"], "%m/%d/%Y %H:%M:%S or %d/%m/%Y: no day is above the 12th"),
        (&["23/10/27 12:34:56"], "%y/%m/%d %H:%M:%S if the year stands first"),
    ] {
        let (found, _, instead) = of_texts(values);
        assert!(found.starts_with("a: text # timestamps "), "{found}");
        assert_eq!(instead.as_deref(), Some(asked), "{values:?}");
    }
}

#[test]
fn a_number_is_a_point_in_time_by_its_name_and_range() {
    let of = |name: &str, values: &[&str]| {
        let lines: Vec<String> = values.iter().map(|value| format!("{{{name:?}:{value}}}")).collect();
        short(&seen(&lines).propose(&Terms::default())).remove(0)
    };
    for (name, value, expected) in [
        ("ts", "1698410096", "ts: timestamp # 2023-10-27; seconds since 1970"),
        ("ts", "1698410096.5", "ts: timestamp # 2023-10-27; seconds since 1970"),
        ("createdAt", "1698410096789", "created_at: timestamp # 2023-10-27; milliseconds since 1970"),
        ("@timestamp", "1698410096789000", "timestamp: timestamp # 2023-10-27; microseconds since 1970"),
        ("event_time", "1698410096789000000", "event_time: timestamp # 2023-10-27; nanoseconds since 1970"),
        ("id", "1698410096", "id: int # always 1698410096"),
        ("response_time", "1698410096", "response_time: int # always 1698410096"),
        ("ts", "12", "ts: int # always 12"),
    ] {
        assert_eq!(of(name, &[value]), expected);
    }
    // A single exception decides, as long as there are few values.
    assert_eq!(of("ts", &["1698410096", "0"]), "ts: int # 0 to 1698410096");
}
