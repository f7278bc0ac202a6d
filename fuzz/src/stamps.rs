//! Timestamps: for arbitrary text, the positional readers agree with the slow ones.

use bumpalo::Bump;
use chrono::{Datelike as _, NaiveDate, Timelike as _};
use logmill::format::{Format, Input, Json, JsonScratch, Record};
use logmill::reject::Faults;
use logmill::schema::{Field, Kind, Schema, StampFormat, Strptime, Timestamp, Value};
use speedate::{DateTime, DateTimeConfig, MicrosecondsPrecisionOverflowBehavior, TimeConfig, TimestampUnit};

pub const SEEDS: &[&[u8]] = &[
    b"2023-10-27T12:34:56.789Z",
    b"44.%#z",
    b"2023-10-27 12:34:56,123456789+05:30",
    b"0001-01-01t00:00:00-23:59",
    b"9999-12-31_23:59:59.9999999",
    b"2024-02-29T00:00Z",
    b"1698410096789.5",
    b"27/Oct/2023:12:34:56 +0200",
    b"27/Oct/2023:12:34:56 +8200",
    b"2023-10-27",
];

const LAYOUT: &str = "%d/%b/%Y:%H:%M:%S %z";

pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let any = read(StampFormat::Any, text);
    if let Some(stamp) = speedate(text) {
        assert_eq!(any, stamp, "as speedate reads it");
    }
    let rfc3339 = chrono::DateTime::parse_from_rfc3339(text).ok().and_then(stamp_of);
    assert_eq!(read(StampFormat::Rfc3339, text), rfc3339, "as chrono reads RFC 3339");
    if let Ok(layout) = Strptime::new(LAYOUT) {
        let chrono = chrono::DateTime::parse_from_str(text, LAYOUT).ok().and_then(stamp_of);
        assert_eq!(read(StampFormat::Strptime(layout), text), chrono, "as chrono reads {LAYOUT}");
    }
    // The text as a layout is either refused, or one that reads without a panic.
    if let Ok(layout) = Strptime::new(text) {
        read(StampFormat::Strptime(layout), "2023-10-27 12:34:56");
    }
}

/// Reads a timestamp through the schema, as microseconds in UTC.
fn read(format: StampFormat, text: &str) -> Option<i64> {
    let field = Field::new("at", Kind::Timestamp(Timestamp { format, ..Timestamp::default() }));
    let schema = Schema { fields: vec![field], ..Schema::default() };
    let json = Json::new(&schema.paths(), schema.extras());
    let line = format!("{{\"at\":{}}}", serde_json::Value::from(text));
    let (arena, mut scratch) = (Bump::new(), JsonScratch::default());
    let (mut record, mut faults) = (Record::default(), Faults::default());
    json.parse(Input::new(line.as_bytes(), &arena), &mut scratch, &mut record).expect("an object");
    let row = schema.bind(&record, &arena, &mut faults)?;
    match row.values()[0] {
        Value::Timestamp(micros) => Some(micros),
        other => panic!("{other:?} is no timestamp"),
    }
}

/// Reads a timestamp with speedate and Pydantic's settings. The outer `None` means that speedate sees no
/// timestamp, though the text may be a date; the inner one, that its year does not exist in Python.
fn speedate(text: &str) -> Option<Option<i64>> {
    let config = DateTimeConfig {
        timestamp_unit: TimestampUnit::Infer,
        time_config: TimeConfig {
            microseconds_precision_overflow_behavior: MicrosecondsPrecisionOverflowBehavior::Truncate,
            unix_timestamp_offset: Some(0),
        },
    };
    let DateTime { date, time } = DateTime::parse_bytes_with_config(text.as_bytes(), &config).ok()?;
    let local = NaiveDate::from_ymd_opt(date.year.into(), date.month.into(), date.day.into())?
        .and_hms_micro_opt(time.hour.into(), time.minute.into(), time.second.into(), time.microsecond)?;
    let micros = local.and_utc().timestamp_micros() - i64::from(time.tz_offset.unwrap_or(0)) * 1_000_000;
    Some((1..=9999).contains(&local.year()).then_some(micros))
}

/// Converts chrono's result to ours: chrono accepts leap seconds and more years.
fn stamp_of(stamp: chrono::DateTime<chrono::FixedOffset>) -> Option<i64> {
    let is_ours = stamp.nanosecond() < 1_000_000_000 && (1..=9999).contains(&stamp.year());
    is_ours.then(|| stamp.timestamp_micros())
}
