//! Reasons and rejects, as they are stored.

use super::*;

#[test]
fn a_path_reads_like_an_attribute() {
    let record = Path::Record;
    let ctx = Path::Field(&record, "ctx");
    let tags = Path::Field(&ctx, "tags");
    assert_eq!(Path::Item(&tags, 3).to_string(), "ctx.tags.3");
    assert_eq!(record.to_string(), "");
}

#[test]
fn faults_become_a_json_list_that_jsonb_can_hold() {
    let mut faults = Faults::default();
    faults.push(code::MISSING, &Path::Field(&Path::Record, "a\"b"), "field required", None);
    faults.push(code::NUL, &Path::Record, "a NUL", Some(&"x\0y\n"));
    let mut json = String::new();
    faults.write_json(&mut json);
    assert_eq!(
        json,
        "[{\"code\":\"missing\",\"field\":\"a\\\"b\",\"message\":\"field required\"},\
         {\"code\":\"nul\",\"field\":\"\",\"message\":\"a NUL\",\"input\":\"x\u{fffd}y\\n\"}]"
    );
    serde_json::from_str::<serde_json::Value>(&json).expect("valid JSON");
}

#[test]
fn a_long_input_is_cut_between_characters() {
    let mut faults = Faults::default();
    let input = "ä".repeat(500);
    faults.push(code::STRING_TOO_LONG, &Path::Record, "too long", Some(&input));
    let mut json = String::new();
    faults.write_json(&mut json);
    assert_eq!(json.matches('ä').count(), 100);
}

#[test]
fn what_is_wrong_with_a_record_is_told_up_to_a_bound() {
    let told = |faults: &Faults| {
        let mut json = String::from("before");
        faults.write_json(&mut json);
        serde_json::from_str::<Vec<serde_json::Value>>(&json[6..]).expect("valid JSON")
    };
    let mut faults = Faults::default();
    for n in 0..1_000 {
        faults.push(code::MISSING, &Path::Item(&Path::Record, n), "this field is required", None);
    }
    let (reasons, mut json) = (told(&faults), String::new());
    faults.write_json(&mut json);
    assert!(json.len() < REASONS_BYTES_MAX + REASON_BYTES, "{} bytes", json.len());
    let (last, others) = reasons.split_last().expect("reasons");
    assert_eq!(last["code"], "more_reasons");
    assert_eq!(last["message"], format!("{} more", 1_000 - others.len()));
    // A single reason is always complete, however much the record inflates it.
    let mut faults = Faults::default();
    let hostile = "\u{1}".repeat(1 << 20);
    for _ in 0..2 {
        faults.push(code::EXTRA_FORBIDDEN, &Path::Field(&Path::Record, &hostile), &hostile, Some(&hostile));
    }
    let reasons = told(&faults);
    assert_eq!(reasons.len(), 2);
    assert_eq!(reasons[0]["field"].as_str().map(str::len), Some(FIELD_BYTES_MAX));
}

#[test]
fn a_record_over_the_bound_is_kept_by_hash() {
    let mut rejects = Rejects::default();
    rejects.push(Span::new(0, 4), 0, Stage::Parse, &Faults::default(), b"abcd", 3);
    let reject = rejects.iter().next().expect("one");
    assert_eq!(rejects.raw(reject), b"");
    assert_eq!(reject.hash, Some(*blake3::hash(b"abcd").as_bytes()));
}

#[test]
fn the_tally_is_bounded() {
    let mut tally = Vec::new();
    for n in 0..10_000 {
        add_to_tally(&mut tally, code::EXTRA_FORBIDDEN, &n.to_string(), 1, 0, 0);
    }
    assert!(tally.len() <= TALLIES_MAX + 1);
    assert_eq!(tally.iter().map(|entry| entry.count).sum::<u64>(), 10_000);
    assert!(tally.is_sorted_by_key(|entry| (entry.code, entry.field.clone())), "each is found by halves");
    let mut tally = Vec::new();
    add_to_tally(&mut tally, code::EXTRA_FORBIDDEN, &"ä".repeat(1_000), 1, 0, 0);
    assert_eq!(tally[0].field.len(), FIELD_BYTES_MAX);
}
