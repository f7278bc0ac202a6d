//! Every key of a job file, once.
//!
//! This table is the only list of keys. The reader and its errors, the JSON Schema for editors and the page
//! of the manual all use it, so they cannot drift apart; the files beside this one define what values
//! *mean*.
//!
//! The schema determines which type of field takes which rule.

mod key;
mod words;

pub(super) use key::{Fallback, Key, Table, Takes, Word, any_of, any_word};
pub(super) use words::TYPES;
use words::{EXTRAS, FORMATS, FORMS, PAYLOADS, PRESET_WORDS};

use crate::schema::Kind;
use crate::sink::objects::layout::DEFAULT_PATH;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const SECOND_MS: u64 = 1_000;
const HOUR_MS: u64 = 3_600 * SECOND_MS;
const DAY_MS: u64 = 24 * HOUR_MS;

/// Longer texts and lists do not fit into a record.
const LENGTH_MAX: u64 = 1_000_000_000;

/// The job file as a whole.
pub(super) static JOB: Table = Table {
    called: "the job file",
    doc: "What to load, by which rules, and where to.",
    keys: &[
        Key::new(
            "name",
            Takes::Text,
            "The name of the job. logmill remembers what it has loaded under this name, so a renamed job starts over.",
        )
        .required(),
        Key::new("source", Takes::Table(&SOURCE), SOURCE.doc).required(),
        Key::new("record", Takes::Table(&RECORD), RECORD.doc).required(),
        Key::new("destination", Takes::Table(&DESTINATION), DESTINATION.doc).required(),
        Key::new("state", Takes::Table(&STATE), STATE.doc),
        Key::new("dead_letters", Takes::Table(&DEAD_LETTERS), DEAD_LETTERS.doc),
        Key::new("pipeline", Takes::Table(&PIPELINE), PIPELINE.doc),
        Key::new("rollup", Takes::Tables(&ROLLUP), ROLLUP.doc),
    ],
};

static SOURCE: Table = Table {
    called: "[source]",
    doc: "Which files are read, and how their bytes become records.",
    keys: &[
        Key::new(
            "files",
            Takes::Texts,
            "Files, directories and globs, or URLs of objects (`s3://`, `gs://`, `az://`), loaded in this order. Relative ones start at the folder of the job file. `{date}`, `{yyyy}`, `{mm}` and `{dd}` stand for the data date; `[{]` is a brace.",
        )
        .flag("FILE…"),
        Key::new(
            "include",
            Takes::Texts,
            "Globs. Of the files found in directories, only those whose names match one of them are loaded.",
        )
        .otherwise("every file"),
        Key::new(
            "exclude",
            Takes::Texts,
            "Globs. Of the files found in directories, those whose names match one of them are skipped, even if `include` matches them, too.",
        )
        .otherwise("no file"),
        Key::new("format", Takes::Word(FORMATS), "How a record is written.").required(),
        Key::new(
            "payload",
            Takes::Word(PAYLOADS),
            "For `cri`, `docker` and `compose`: the format of the programs in the containers. The keys of that format are written beside it.",
        )
        .default("text"),
        Key::new(
            "pattern",
            Takes::Text,
            "For `regex`: a regular expression whose named groups are the fields. `%{NAME:field}` stands for a pattern of the library.",
        ),
        Key::new(
            "preset",
            Takes::Word(&PRESET_WORDS),
            "For `regex`: uses the `pattern` and `record_start` of a well-known log. For `logfmt` and `ndjson`: names the program that writes the log.",
        ),
        Key::new(
            "record_start",
            Takes::Text,
            "A regular expression for the first line of a record. Lines that do not match belong to the preceding record.",
        )
        .otherwise("every line is a record"),
        Key::new(
            "log_format",
            Takes::Text,
            "For `access`: the `log_format` of nginx or the `LogFormat` of Apache, copied from the configuration of the server: the whole directive, or only the string. Dollar signs in it are the server's and not environment variables.",
        ),
        Key::new("delimiter", Takes::Text, "For `csv`: the character between columns.").default(","),
        Key::new("quote", Takes::Text, "For `csv`: the character around values.").default("\""),
        Key::new(
            "escape",
            Takes::Text,
            "For `csv` and `tsv`: the character that escapes the next one, inside and outside quotes. A doubled quote inside quotes still counts as one.",
        )
        .otherwise("none"),
        Key::new("header", Takes::Flag, "For `csv`: whether the first line names the columns.")
            .default("true"),
        Key::new("columns", Takes::Texts, "For `csv`: the names of the columns, if there is no header."),
        Key::new("comment", Takes::Text, "Lines that begin with this text are skipped and counted."),
        Key::new("nulls", Takes::Texts, "For text formats: the texts that mean null.")
            .otherwise("`-` for access logs, syslog and W3C, else none"),
        Key::new(
            "max_record",
            Takes::Size { min: 1, max: GIB },
            "Longer records are rejected; only their place and hash are kept.",
        )
        .default("16MiB"),
        Key::new(
            "timezone",
            Takes::Zone,
            "The zone of timestamps without one: `UTC`, an offset such as `+02:00`, or a name of the IANA database such as `Europe/Berlin`.",
        )
        .default("UTC"),
        Key::new("year", Takes::Count { min: 1, max: 9999 }, "The year of timestamps without one.")
            .otherwise("that of the data date, or the year before if the timestamp would be more than 180 days after it"),
        Key::new(
            "order",
            Takes::Word(&[
                Word::new("name", "by name, with numbers in natural order"),
                Word::new("name-reverse", "the reverse, for logs whose oldest file has the greatest number"),
            ]),
            "The order of files within one glob or directory. If two records have the same key, the later one wins.",
        )
        .default("name"),
        Key::new(
            "growing",
            Takes::Flag,
            "Whether the files are still being written. A last line without its newline then waits for the rest.",
        )
        .default("false"),
        Key::new(
            "mmap",
            Takes::Flag,
            "Whether large plain files are mapped into memory. If other programs truncate files while they are read, set it to `false` to read them instead, which is somewhat slower.",
        )
        .default("true"),
    ],
};

static RECORD: Table = Table {
    called: "[record]",
    doc: "The rules for valid records.",
    keys: &[
        Key::new(
            "mode",
            Takes::Word(&[
                Word::new("lax", "`\"7\"` is an integer, as in Pydantic's JSON mode"),
                Word::new("strict", "it is not"),
            ]),
            "Whether values of another type are converted if nothing is lost.",
        )
        .default("lax"),
        Key::new("extra", Takes::Word(EXTRAS), "What happens to members that no field asks for.")
            .default("ignore"),
        Key::new(
            "schema",
            Takes::Text,
            "A JSON Schema file that describes the record. A field of `[record.fields]` replaces the property of the same name, or adds a field. A relative path starts at the folder of the job file.",
        ),
        Key::new(
            "on_unsupported",
            Takes::Word(&[
                Word::new("refuse", "the job is refused, with a list of all such places"),
                Word::new("json", "the field is stored as JSON, and validated as far as possible"),
            ]),
            "What happens to a field of `schema` with a keyword that is not enforced.",
        )
        .default("refuse"),
        Key::new(
            "nul",
            Takes::Word(&[
                Word::new("reject", "the record is rejected"),
                Word::new("strip", "the NUL is removed"),
                Word::new("replace", "the NUL becomes U+FFFD"),
            ]),
            "What happens to a NUL character in a text, which no database can hold.",
        )
        .default("reject"),
        Key::new(
            "time",
            Takes::Text,
            "The field with the time of a record, a timestamp or a date. Rollups use its days, in the `timezone` of `[source]`; a record without it is in none of them.",
        )
        .otherwise("none; a job with rollups must have it"),
        Key::new(
            "fields",
            Takes::Fields,
            "The fields, which are the columns of the table. Required unless there is a `schema`.",
        ),
    ],
};

/// A field, in `[record.fields]`, in the `fields` of an object or as the `items` of a list.
pub(super) static FIELD: Table = Table {
    called: "[record.fields.X]",
    doc: "One field of the record, and column of the table. A field that needs only a type can be written as the name of the type: `message = \"text\"`.",
    keys: &[
        Key::new("type", Takes::Word(TYPES), "The type of its value.").required(),
        Key::new(
            "from",
            Takes::Text,
            "The place of its value: a key, or a JSON pointer, which begins with a slash.",
        )
        .otherwise("its own name"),
        Key::new("required", Takes::Flag, "Whether a record without it is rejected.")
            .otherwise("`true`, unless there is a default"),
        Key::new("nullable", Takes::Flag, "Whether it may be null.")
            .otherwise("`true` if it is neither required nor has a default"),
        Key::new("default", Takes::Value, "Its value if the record has none. A null counts as a value."),
        Key::new("strict", Takes::Flag, "Whether `mode` is `strict` for this field.")
            .otherwise("as `mode` says"),
        Key::new(
            "min_length",
            Takes::Count { min: 0, max: LENGTH_MAX },
            "The minimum number of characters.",
        ),
        Key::new("max_length", Takes::Count { min: 0, max: LENGTH_MAX }, "The maximum number of characters."),
        Key::new("pattern", Takes::Text, "A regular expression that must match somewhere in the value."),
        Key::new("ge", Takes::Number, "The value must be greater than or equal to this."),
        Key::new("gt", Takes::Number, "The value must be greater than this."),
        Key::new("le", Takes::Number, "The value must be less than or equal to this."),
        Key::new("lt", Takes::Number, "The value must be less than this."),
        Key::new("multiple_of", Takes::Number, "The value must be a multiple of this."),
        Key::new("values", Takes::Constants, "The allowed values: texts, whole numbers, booleans. Required for an enum."),
        Key::new("literal", Takes::Flag, "Whether its values are literals, like Pydantic's `Literal`: they are compared without conversion, so a text is never a number. The code of any other value is `literal_error`.")
            .default("false"),
        Key::new("class", Takes::Text, "What a union calls it where a fault lies: `str-enum[Colour]` for the class `Colour` of a model.")
            .otherwise("`enum`"),
        Key::new(
            "format",
            Takes::Text,
            "The format of the timestamp: `rfc3339`, `epoch_s`, `epoch_ms`, `epoch_us`, `epoch_ns`, `syslog`, or a pattern such as `%d/%b/%Y:%H:%M:%S %z`.",
        )
        .otherwise("every ISO 8601 form, and epochs as Pydantic reads them"),
        Key::new(
            "zone",
            Takes::Word(&[
                Word::new("any", "a timestamp without a zone is in `timezone`"),
                Word::new("required", "a timestamp without a zone is a fault"),
                Word::new("naive", "timestamps have no zone and are stored without one"),
            ]),
            "Whether timestamps have a zone.",
        )
        .default("any"),
        Key::new("max_digits", Takes::Count { min: 1, max: 1000 }, "The maximum number of digits."),
        Key::new(
            "decimal_places",
            Takes::Count { min: 0, max: 1000 },
            "The maximum number of digits after the point.",
        ),
        Key::new("finite", Takes::Flag, "Whether NaN and the infinities are faults.")
            .default("false"),
        Key::new("version", Takes::Version, "The only accepted version: 4 or 6 for addresses, 1 to 8 for UUIDs.")
            .otherwise("all"),
        Key::new("trim", Takes::Flag, "Whether to remove white space at both ends first.")
            .default("false"),
        Key::new("lower", Takes::Flag, "Whether to convert to lower case.")
            .default("false"),
        Key::new("json_text", Takes::Flag, "Whether the input is a text that contains JSON.")
            .default("false"),
        Key::new("like", Takes::Field, "A further rule for the value, which is still stored unchanged."),
        Key::new("fields", Takes::Fields, "Its own fields. An object must have this, or `members`, or `extra = \"keep\"`."),
        Key::new("flatten", Takes::Flag, "Whether its fields become columns of their own, such as `user_id` for `id` in `user`. Only for an object of the record itself.")
            .default("false"),
        Key::new("members", Takes::Field, "The rule for members that none of its fields asks for; they are all stored."),
        Key::new("extra", Takes::Word(EXTRAS), "What happens to members that none of its fields asks for.")
            .otherwise("as `extra` of `[record]` says"),
        Key::new("items", Takes::Field, "The rule for its items. Required for a list."),
        Key::new("min_items", Takes::Count { min: 0, max: LENGTH_MAX }, "The minimum number of items."),
        Key::new("max_items", Takes::Count { min: 0, max: LENGTH_MAX }, "The maximum number of items."),
        Key::new("of", Takes::Kinds, "Its possible types. Required for a union."),
        Key::new("up", Takes::Count { min: 1, max: 1000 }, "How many levels further out the repeated object is.")
            .otherwise("the object that contains the field"),
    ],
};

pub(super) static DESTINATION: Table = Table {
    called: "[destination]",
    doc: "Where rows go, and what identifies them.",
    keys: &[
        Key::new(
            "url",
            Takes::Text,
            "The database: `postgres://…`, `host=… dbname=…` as in libpq, or `sqlite:PATH`, relative to the folder of the job file; or a bucket: `s3://BUCKET/FOLDER`, `gs://…`, `az://…`, `file:///FOLDER`. Put passwords into `PGPASSWORD`, `~/.pgpass` or `${VARIABLES}`. In a URL they must be percent-encoded, even if they come from a variable.",
        )
        .default("sqlite:logmill.db")
        .flag("--into"),
        Key::new("table", Takes::Text, "The table: `events`, `logs.events`, or any name in quotes, as in `'\"My events\"'`. Names without quotes are folded to lower case, as in PostgreSQL. A missing table is created; an existing one is never altered.")
            .required()
            .flag("--table"),
        Key::new(
            "key",
            Takes::Identity,
            "What identifies a row: `position`, its place in its source; `content`, a hash of its record, of the constant columns and, in a text format, of the column names in the header and of timestamps whose year or zone comes from `[source]`; a list of fields, as in `[\"tenant\", \"event_id\"]`; or `none`, which only appends.",
        )
        .default("position"),
        Key::new(
            "on_conflict",
            Takes::Conflict,
            "What happens if a row with the same key exists: `update`, the later record wins; `keep`, the existing row stays; `newest(column)`, the one with the greater value in this field wins.",
        )
        .default("update"),
        Key::new(
            "columns",
            Takes::Columns,
            "Columns with the same value in every row: `columns = { host = \"web-1\", data_date = \"{date}\" }`. `{date}`, `{yyyy}`, `{mm}` and `{dd}` stand for the data date, `{next_date}` for the day after it, and `[{]` is a brace. In a new table, the type of such a column follows from its value: `{date}` and `{next_date}` are dates, numbers and booleans keep their type, and anything else is text. In an existing table, the value is converted to the type of the column.",
        ),
        Key::new("create", Takes::Flag, "Whether to create a missing table.").default("true"),
        Key::new("as", Takes::Word(FORMS), "For buckets: the format of the objects.").default("ndjson.zst"),
        Key::new(
            "object_size",
            Takes::Size { min: KIB, max: GIB },
            "For buckets: how much of a source goes into one object, in decompressed bytes of the source. A batch is one such range, and is held in memory.",
        )
        .default("64MiB"),
        Key::new(
            "path",
            Takes::Text,
            "For buckets: the names of objects, made of `{table}`, `{day}` (of the record's `[record] time`, else the data date), `{source}`, `{start}`, `{end}`, `{rules}`, `{generation}`, `{part}` and `{ext}`. Text in brackets is omitted if a part in it is empty.",
        )
        .default(DEFAULT_PATH),
    ],
};

static STATE: Table = Table {
    called: "[state]",
    doc: "Where a load into a bucket keeps its state. A database keeps its own, in the transaction that writes the rows.",
    keys: &[
        Key::new(
            "url",
            Takes::Text,
            "The store: a bucket (`s3://BUCKET/PREFIX`, `gs://…`, `az://…`), `postgres://HOST/DATABASE`, `sqlite:PATH`, `redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE]` or `dynamodb://TABLE?region=NAME`. See *State stores* in the manual for the guarantees of each.",
        )
        .otherwise("beside the objects, below `_logmill/`"),
        Key::new(
            "lease",
            Takes::Duration { min_ms: SECOND_MS, max_ms: HOUR_MS },
            "A run without a heartbeat for this long is considered dead, and another may take over its sources. Runs send three heartbeats per lease.",
        )
        .default("30s"),
    ],
};

static DEAD_LETTERS: Table = Table {
    called: "[dead_letters]",
    doc: "What happens to records that cannot become rows.",
    keys: &[
        Key::new(
            "stop_above",
            Takes::Bar,
            "The limit of dead letters per source: a count, or a share of its records, as in `1000` or `\"5%\"`. A source with more open dead letters, whichever run wrote them, is given up; the others continue, and the load exits with 4. Checked after every 10,000th record of a source and at its end.",
        )
        .flag("--stop-above"),
        Key::new(
            "max_raw",
            Takes::Size { min: 0, max: 64 * MIB },
            "For longer records, only the place and a hash are kept.",
        )
        .default("1MiB"),
        Key::new(
            "to",
            Takes::Text,
            "A further place to deliver dead letters to, at the end of every load and by `dead-letters deliver`: a folder (a path, or `file:///PATH`), a bucket (`s3://BUCKET/PREFIX`, `gs://…`, `az://…`), a FIFO queue of SQS (`sqs://NAME.fifo?region=NAME`), or a stream of Redis (`redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE]/STREAM`).",
        )
        .otherwise("nowhere"),
    ],
};

pub(super) static PIPELINE: Table = Table {
    called: "[pipeline]",
    doc: "Performance and patience. Nothing here changes the resulting rows.",
    keys: &[
        Key::new("threads", Takes::Count { min: 1, max: 1024 }, "The number of threads that parse.")
            .otherwise("one per core; a load into a database leaves one core to its writer")
            .flag("--threads"),
        // A larger chunk than the mapped window would be cut at its end anyway.
        Key::new(
            "chunk_size",
            Takes::Size { min: 1, max: 16 * MIB },
            "How much of a file one thread parses at a time.",
        )
        .default("1MiB")
        .flag("--chunk-size"),
        Key::new(
            "batch_rows",
            Takes::Count { min: 1, max: 10_000_000 },
            "The approximate number of rows per commit; the first batches of a run have fewer.",
        )
        .default("100000")
        .flag("--batch-rows"),
        Key::new(
            "batch_bytes",
            Takes::Size { min: KIB, max: GIB },
            "The approximate number of bytes per commit; the first batches of a run have fewer. Memory holds a few batches, shared by all lanes.",
        )
        .default("24MiB")
        .flag("--batch-bytes"),
        Key::new(
            "lanes",
            Takes::Count { min: 1, max: 64 },
            "The number of connections that write in parallel, each with its own files and parts of files. SQLite has one.",
        )
        .default("1")
        .flag("--lanes"),
        Key::new(
            "retry_for",
            Takes::Duration { min_ms: 0, max_ms: 7 * DAY_MS },
            "How long to wait for a destination that becomes unreachable. If it was never reached, logmill waits 30 s, unless this key is given.",
        )
        .default("10m")
        .flag("--retry-for"),
        Key::new(
            "deadline",
            Takes::Duration { min_ms: 100, max_ms: DAY_MS },
            "How long a connection may be silent before it counts as lost.",
        )
        .default("60s")
        .flag("--deadline"),
        Key::new(
            "statement_timeout",
            Takes::Duration { min_ms: 1, max_ms: DAY_MS },
            "How long the server may work on one statement.",
        )
        .default("5m"),
        Key::new(
            "lock_timeout",
            Takes::Duration { min_ms: 1, max_ms: DAY_MS },
            "How long the server may wait for a lock.",
        )
        .default("30s"),
        Key::new(
            "connect_timeout",
            Takes::Duration { min_ms: 1, max_ms: HOUR_MS },
            "The maximum duration of one attempt to connect.",
        )
        .default("10s"),
    ],
};

static ROLLUP: Table = Table {
    called: "[[rollup]]",
    doc: "A metric per date, computed again for every date that a load touches. A job may have any number of them. They do not affect which records are valid.",
    keys: &[
        Key::new("metric", Takes::Text, "The name of the metric.").required(),
        Key::new(
            "of",
            Takes::Text,
            "The metric, if it needs no SQL: `rows`, `rejects` (records of the data date that have not become rows), or for a column, `count(COLUMN)` (of its values), `distinct(COLUMN)`, `sum(COLUMN)`, `min(COLUMN)`, `max(COLUMN)`.",
        ),
        Key::new(
            "sql",
            Takes::Text,
            "Alternatively, a query over the rows from `{date}` (inclusive) to `{next_date}` (exclusive), which stand for the beginning of a day and of the next. It returns the columns of `by` under their names and one more, the value; without `by`, at most one row. Dollar signs in it are SQL's and not environment variables.",
        ),
        Key::new("by", Takes::Texts, "Columns to group by: there is one value per group.")
            .otherwise("none"),
        Key::new(
            "table",
            Takes::Text,
            "The table of its values, with the columns `date`, `metric_id`, `value` and those of `by`. A missing table is created, in the schema of the target unless another is named.",
        )
        .default("daily_metrics"),
        Key::new(
            "allow_clock",
            Takes::Flag,
            "Whether the query may use the clock or random numbers. Its value for a day is then different each time.",
        )
        .default("false"),
    ],
};

/// All tables that have keys.
pub(super) fn tables() -> [&'static Table; 9] {
    [&JOB, &SOURCE, &RECORD, &FIELD, &DESTINATION, &STATE, &DEAD_LETTERS, &PIPELINE, &ROLLUP]
}

/// The types of fields that take a key of [`FIELD`], because they have such a rule. None if it is not a
/// rule of a type, and every field takes it.
pub(super) fn types(key: &str) -> Vec<&'static str> {
    let has_rule = |kind: &mut Kind| {
        let mut has_rule = false;
        kind.rules(&mut |name, rule| has_rule |= name == key && rule.is_of_job());
        has_rule
    };
    Kind::all().into_iter().filter_map(|mut kind| has_rule(&mut kind).then(|| kind.name())).collect()
}

/// The key that a flag of the command line sets.
pub(super) fn of_flag(flag: &str) -> Option<&'static Key> {
    tables().into_iter().flat_map(|table| table.keys).find(|key| key.flag == Some(flag))
}

#[cfg(test)]
mod tests {
    use super::super::units;
    use super::*;
    use crate::schema::Rule;

    #[test]
    fn every_key_is_there_once_and_says_what_it_means() {
        for table in tables() {
            for key in table.keys {
                assert_eq!(table.keys.iter().filter(|other| other.name == key.name).count(), 1);
                assert!(key.doc.ends_with(['.', ')']), "{}: {}", key.name, key.doc);
            }
        }
    }

    #[test]
    fn every_type_and_every_rule_of_one_is_a_key() {
        let types: Vec<&str> = TYPES.iter().map(|word| word.name).collect();
        assert_eq!(types, Kind::all().iter().map(Kind::name).collect::<Vec<_>>());
        for mut kind in Kind::all() {
            let type_name = kind.name();
            kind.rules(&mut |name, rule| {
                if !rule.is_of_job() {
                    return;
                }
                let takes = FIELD.key(name).takes;
                let is_fit = match rule {
                    Rule::Flag(_) => matches!(takes, Takes::Flag),
                    Rule::Length(_) | Rule::Digits(_) => matches!(takes, Takes::Count { .. }),
                    Rule::Pattern(_) | Rule::Format(_) | Rule::Name(_) => matches!(takes, Takes::Text),
                    Rule::Int(_) | Rule::Float(_) | Rule::Decimal(_) => matches!(takes, Takes::Number),
                    Rule::Version(_) => matches!(takes, Takes::Version),
                    Rule::Values(_) => matches!(takes, Takes::Constants),
                    Rule::Branches(_) => matches!(takes, Takes::Kinds),
                    Rule::Zone(_) | Rule::Extra(_) => matches!(takes, Takes::Word(_)),
                    Rule::Fields(_) => matches!(takes, Takes::Fields),
                    Rule::Items(_) | Rule::Members(_) | Rule::Like(_) => matches!(takes, Takes::Field),
                    Rule::OfSource(_) => false,
                };
                assert!(is_fit, "{name} of {type_name} takes {takes:?}");
            });
        }
    }

    #[test]
    fn every_default_is_a_value_that_its_key_takes() {
        for key in tables().iter().flat_map(|table| table.keys) {
            let Some(default) = key.default_text() else { continue };
            let is_fit = match key.takes {
                Takes::Flag => matches!(default, "true" | "false"),
                Takes::Word(words) => words.iter().any(|word| word.name == default),
                Takes::Count { min, max } => {
                    units::parse_count(default).is_ok_and(|count| (min..=max).contains(&count))
                }
                Takes::Size { min, max } => {
                    units::parse_size(default).is_ok_and(|size| (min..=max).contains(&size))
                }
                Takes::Duration { min_ms, max_ms } => units::parse_duration(default)
                    .is_ok_and(|span| (u128::from(min_ms)..=u128::from(max_ms)).contains(&span.as_millis())),
                Takes::Text | Takes::Zone | Takes::Identity | Takes::Conflict => true,
                _ => false,
            };
            assert!(is_fit, "{} = {default}", key.name);
        }
    }
}
