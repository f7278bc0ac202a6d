//! Every key of a job file, once.
//!
//! This table is the only list of keys. What the reader accepts and how it complains, the
//! JSON Schema for editors and the page of the manual are all made from it, so they cannot
//! drift apart; what a value *means* is in the files beside this one.
//!
//! Which type of field takes which rule is told by the schema.

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

/// A text or list that is longer does not fit into a record.
const LENGTH_MAX: u64 = 1_000_000_000;

/// The job file as a whole.
pub(super) static JOB: Table = Table {
    called: "the job file",
    doc: "What to load, by which rules, and where to.",
    keys: &[
        Key::new(
            "name",
            Takes::Text,
            "The name of the job. What was loaded is remembered under it, so a job with another name begins anew.",
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
            "Globs. Of the files found in directories, only those are loaded whose name matches one of them.",
        )
        .otherwise("every file"),
        Key::new(
            "exclude",
            Takes::Texts,
            "Globs. Of the files found in directories, those are left out whose name matches one of them, also if `include` has them.",
        )
        .otherwise("no file"),
        Key::new("format", Takes::Word(FORMATS), "How a record is written.").required(),
        Key::new(
            "payload",
            Takes::Word(PAYLOADS),
            "For `cri`, `docker` and `compose`: how the programs in the containers write. The keys of that format stand beside it.",
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
            "For `regex`: the `pattern` and `record_start` of a well-known log, in the place of one's own. For `logfmt` and `ndjson`: whose log it is.",
        ),
        Key::new(
            "record_start",
            Takes::Text,
            "A regular expression for the first line of a record. Lines that do not match belong to the record before.",
        )
        .otherwise("every line is a record"),
        Key::new(
            "log_format",
            Takes::Text,
            "For `access`: the `log_format` of nginx or the `LogFormat` of Apache, as it stands in the configuration of the server: all of it, or only the string. Its dollars are the server's, and no variables of the environment.",
        ),
        Key::new("delimiter", Takes::Text, "For `csv`: the character between columns.").default(","),
        Key::new("quote", Takes::Text, "For `csv`: the character around values.").default("\""),
        Key::new(
            "escape",
            Takes::Text,
            "For `csv` and `tsv`: the character that takes its meaning from the next one, within quotes and outside. A doubled quote within quotes is one all the same.",
        )
        .otherwise("none"),
        Key::new("header", Takes::Flag, "For `csv`: whether the first line names the columns.")
            .default("true"),
        Key::new("columns", Takes::Texts, "For `csv`: the names of the columns, where no header has them."),
        Key::new("comment", Takes::Text, "Lines that begin with this are skipped, and counted."),
        Key::new("nulls", Takes::Texts, "For formats of text: texts that mean null.")
            .otherwise("`-` for access logs, syslog and W3C, else none"),
        Key::new(
            "max_record",
            Takes::Size { min: 1, max: GIB },
            "A longer record is a reject, kept by its place and its hash.",
        )
        .default("16MiB"),
        Key::new(
            "timezone",
            Takes::Zone,
            "The zone of stamps that name none: `UTC`, an offset such as `+02:00`, or a name of the IANA database such as `Europe/Berlin`.",
        )
        .default("UTC"),
        Key::new("year", Takes::Count { min: 1, max: 9999 }, "The year of stamps that name none.")
            .otherwise("that of the data date, or the year before where the stamp would be more than 180 days after it"),
        Key::new(
            "order",
            Takes::Word(&[
                Word::new("name", "by name; numbers in it by their value"),
                Word::new("name-reverse", "the reverse, for logs whose oldest has the greatest number"),
            ]),
            "The order of the files that one glob or directory gives. Where two records have the same key, the later one wins.",
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
            "Whether large plain files are mapped into memory. Where others cut files while they are read, `false` reads them instead, somewhat slower.",
        )
        .default("true"),
    ],
};

static RECORD: Table = Table {
    called: "[record]",
    doc: "What a record must be to become a row.",
    keys: &[
        Key::new(
            "mode",
            Takes::Word(&[
                Word::new("lax", "`\"7\"` is an integer, as in Pydantic's JSON mode"),
                Word::new("strict", "it is not"),
            ]),
            "Whether values of another type are converted where nothing is lost.",
        )
        .default("lax"),
        Key::new("extra", Takes::Word(EXTRAS), "What happens to members that no field asks for.")
            .default("ignore"),
        Key::new(
            "schema",
            Takes::Text,
            "A JSON Schema file that describes the record. A field of `[record.fields]` beside it stands for the property of its name, or is one more. A relative path starts at the folder of the job file.",
        ),
        Key::new(
            "on_unsupported",
            Takes::Word(&[
                Word::new("refuse", "the job is refused, and all such places are told"),
                Word::new("json", "the field is stored as JSON, and validated as far as it can be"),
            ]),
            "What happens to a field of `schema` that asks for something that is not enforced.",
        )
        .default("refuse"),
        Key::new(
            "nul",
            Takes::Word(&[
                Word::new("reject", "the record is a reject"),
                Word::new("strip", "it is left out"),
                Word::new("replace", "it becomes U+FFFD"),
            ]),
            "What happens to a NUL character in a text, which no database can hold.",
        )
        .default("reject"),
        Key::new(
            "time",
            Takes::Text,
            "The field that says when a record happened, a timestamp or a date. Rollups are by its days, on the clock of `timezone` in `[source]`; a record without it is in none of them.",
        )
        .otherwise("none; a job with rollups must say it"),
        Key::new(
            "fields",
            Takes::Fields,
            "The fields, which are the columns of the table. A record must have these, or a `schema`.",
        ),
    ],
};

/// A field, in `[record.fields]`, in the `fields` of an object or as the `items` of a list.
pub(super) static FIELD: Table = Table {
    called: "[record.fields.X]",
    doc: "One field of the record, and column of the table. A field that needs nothing but a type can be written as the type's name: `message = \"text\"`.",
    keys: &[
        Key::new("type", Takes::Word(TYPES), "What its value is.").required(),
        Key::new(
            "from",
            Takes::Text,
            "Where its value is: a key, or a JSON pointer, which begins with a slash.",
        )
        .otherwise("its own name"),
        Key::new("required", Takes::Flag, "Whether a record without it is a reject.")
            .otherwise("`true`, unless there is a default"),
        Key::new("nullable", Takes::Flag, "Whether it may be null.")
            .otherwise("`true` if it is neither required nor has a default"),
        Key::new("default", Takes::Value, "Its value where the record has none. A null is not none."),
        Key::new("strict", Takes::Flag, "Whether `mode` is `strict` for this field.")
            .otherwise("as `mode` says"),
        Key::new(
            "min_length",
            Takes::Count { min: 0, max: LENGTH_MAX },
            "The least number of characters.",
        ),
        Key::new("max_length", Takes::Count { min: 0, max: LENGTH_MAX }, "The greatest number of characters."),
        Key::new("pattern", Takes::Text, "A regular expression that it matches somewhere."),
        Key::new("ge", Takes::Number, "It is at least this."),
        Key::new("gt", Takes::Number, "It is greater than this."),
        Key::new("le", Takes::Number, "It is at most this."),
        Key::new("lt", Takes::Number, "It is less than this."),
        Key::new("multiple_of", Takes::Number, "It is a multiple of this."),
        Key::new("values", Takes::Constants, "What it can be: texts, whole numbers, truth values. An enum must have this."),
        Key::new("literal", Takes::Flag, "Whether its values are literals, as Pydantic's `Literal` has them: compared as they are, so that no text is a number. What is none of them is `literal_error`.")
            .default("false"),
        Key::new("class", Takes::Text, "What a union calls it where a fault lies: `str-enum[Colour]` for the class `Colour` of a model.")
            .otherwise("`enum`"),
        Key::new(
            "format",
            Takes::Text,
            "How it is written: `rfc3339`, `epoch_s`, `epoch_ms`, `epoch_us`, `epoch_ns`, `syslog`, or a pattern such as `%d/%b/%Y:%H:%M:%S %z`.",
        )
        .otherwise("every ISO 8601 form, and epochs as Pydantic reads them"),
        Key::new(
            "zone",
            Takes::Word(&[
                Word::new("any", "a stamp without a zone is in `timezone`"),
                Word::new("required", "a stamp without a zone is a fault"),
                Word::new("naive", "stamps have no zone and are stored without one"),
            ]),
            "What is known about its zone.",
        )
        .default("any"),
        Key::new("max_digits", Takes::Count { min: 1, max: 1000 }, "The greatest number of digits."),
        Key::new(
            "decimal_places",
            Takes::Count { min: 0, max: 1000 },
            "The greatest number of digits after the point.",
        ),
        Key::new("finite", Takes::Flag, "Whether NaN and the infinities are faults.")
            .default("false"),
        Key::new("version", Takes::Version, "Only addresses of this version, 4 or 6; only UUIDs of this one, 1 to 8.")
            .otherwise("all"),
        Key::new("trim", Takes::Flag, "Whether white space at both ends is left out first.")
            .default("false"),
        Key::new("lower", Takes::Flag, "Whether upper case becomes lower case.")
            .default("false"),
        Key::new("json_text", Takes::Flag, "Whether it is given as a text that holds JSON.")
            .default("false"),
        Key::new("like", Takes::Field, "What it must be besides, though it is stored as it stands."),
        Key::new("fields", Takes::Fields, "Its own fields. An object must have this, or `members`, or `extra = \"keep\"`."),
        Key::new("flatten", Takes::Flag, "Whether its fields are columns of their own, as `user_id` out of `user`. An object of the record itself can have this.")
            .default("false"),
        Key::new("members", Takes::Field, "What each member must be that none of its fields asks for; all of them are stored then."),
        Key::new("extra", Takes::Word(EXTRAS), "What happens to members that none of its fields asks for.")
            .otherwise("as `extra` of `[record]` says"),
        Key::new("items", Takes::Field, "What its items are. A list must have this."),
        Key::new("min_items", Takes::Count { min: 0, max: LENGTH_MAX }, "The least number of items."),
        Key::new("max_items", Takes::Count { min: 0, max: LENGTH_MAX }, "The greatest number of items."),
        Key::new("of", Takes::Kinds, "The types that it may be of. A union must have this."),
        Key::new("up", Takes::Count { min: 1, max: 1000 }, "How many objects further out the one is that it is like.")
            .otherwise("it is like the one that it stands in"),
    ],
};

pub(super) static DESTINATION: Table = Table {
    called: "[destination]",
    doc: "Where rows go, and what makes two of them the same.",
    keys: &[
        Key::new(
            "url",
            Takes::Text,
            "The database: `postgres://…`, `host=… dbname=…` as libpq has it, or `sqlite:PATH` with a path that starts at the folder of the job file; or a bucket: `s3://BUCKET/FOLDER`, `gs://…`, `az://…`, `file:///FOLDER`. Passwords are better in `PGPASSWORD`, `~/.pgpass` or `${VARIABLES}`; in a URL they are percent-encoded, also what a variable holds.",
        )
        .default("sqlite:logmill.db")
        .flag("--into"),
        Key::new("table", Takes::Text, "The table: `events`, `logs.events`, or any name in quotes, as in `'\"My events\"'`. Without quotes its letters are small, as PostgreSQL has it. It is made if it is not there; one that is there is used as it is.")
            .required()
            .flag("--table"),
        Key::new(
            "key",
            Takes::Identity,
            "What identifies a row: `position`, its place in its source; `content`, a hash of its record, of the constant columns and, in a format of text, of the names that a header gives its values and of the stamps that take a year or a zone from `[source]`; a list of fields, as in `[\"tenant\", \"event_id\"]`; or `none`, which only ever appends.",
        )
        .default("position"),
        Key::new(
            "on_conflict",
            Takes::Conflict,
            "What happens to a row whose key is there already: `update`, the later record wins; `keep`, the one that is there stays; `newest(column)`, the one with the greater value in this field wins.",
        )
        .default("update"),
        Key::new(
            "columns",
            Takes::Columns,
            "Columns with the same value in every row: `columns = { host = \"web-1\", data_date = \"{date}\" }`. `{date}`, `{yyyy}`, `{mm}` and `{dd}` stand for the data date, `{next_date}` for the day after it, and `[{]` is a brace. In a table that is made, a column that is `{date}` or `{next_date}` is a date, another text, unless a number, `true` or `false` is given; in one that is there, the value is read as the type of the column.",
        ),
        Key::new("create", Takes::Flag, "Whether a missing table is made.").default("true"),
        Key::new("as", Takes::Word(FORMS), "For buckets: how rows are written.").default("ndjson.zst"),
        Key::new(
            "object_size",
            Takes::Size { min: KIB, max: GIB },
            "For buckets: how much of a source goes into one object, in bytes of the source, decompressed. A batch is such a range, and is held in memory.",
        )
        .default("64MiB"),
        Key::new(
            "path",
            Takes::Text,
            "For buckets: how the names of objects are made. There are `{table}`, `{day}` (of the record's `[record] time`, else the data date), `{source}`, `{start}`, `{end}`, `{rules}`, `{generation}`, `{part}` and `{ext}`; what is in brackets vanishes when a part in it is empty.",
        )
        .default(DEFAULT_PATH),
    ],
};

static STATE: Table = Table {
    called: "[state]",
    doc: "Where a load into a bucket keeps how far it is. A database keeps that in the transaction that writes the rows.",
    keys: &[
        Key::new(
            "url",
            Takes::Text,
            "The store: a bucket (`s3://BUCKET/PREFIX`, `gs://…`, `az://…`), `postgres://HOST/DATABASE`, `sqlite:PATH`, `redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE]` or `dynamodb://TABLE?region=NAME`. What each guarantees is in the manual under State stores.",
        )
        .otherwise("beside the objects, below `_logmill/`"),
        Key::new(
            "lease",
            Takes::Duration { min_ms: SECOND_MS, max_ms: HOUR_MS },
            "A run that gives no sign of life for this long is dead, and another may go on with its sources. It gives one three times as often.",
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
            "How many dead letters of a source are too many: a count, or a share of its records, as in `1000` or `\"5%\"`. A source with more of them open, whichever run wrote them, is given up, the others go on, and the load ends with 4. Judged after every 10,000th record of a source and at its end.",
        )
        .flag("--stop-above"),
        Key::new(
            "max_raw",
            Takes::Size { min: 0, max: 64 * MIB },
            "A longer record is kept by its place and its hash, not by its bytes.",
        )
        .default("1MiB"),
        Key::new(
            "to",
            Takes::Text,
            "Where dead letters are delivered besides, at the end of every load and by `dead-letters deliver`: a folder (a path, or `file:///PATH`), a bucket (`s3://BUCKET/PREFIX`, `gs://…`, `az://…`), a FIFO queue of SQS (`sqs://NAME.fifo?region=NAME`), or a stream of Redis (`redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE]/STREAM`).",
        )
        .otherwise("nowhere"),
    ],
};

pub(super) static PIPELINE: Table = Table {
    called: "[pipeline]",
    doc: "How fast, and how patiently. Nothing here changes which rows there will be.",
    keys: &[
        Key::new("threads", Takes::Count { min: 1, max: 1024 }, "Threads that parse.")
            .otherwise("one per core; a load into a database leaves one core to its writer")
            .flag("--threads"),
        // A chunk larger than the window that is mapped at a time would be cut at its end anyway.
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
            "About how many rows commit together; the first batches of a run have fewer.",
        )
        .default("100000")
        .flag("--batch-rows"),
        Key::new(
            "batch_bytes",
            Takes::Size { min: KIB, max: GIB },
            "About how many bytes of rows commit together; the first batches of a run have fewer. Memory holds a few of them, and the lanes share it.",
        )
        .default("24MiB")
        .flag("--batch-bytes"),
        Key::new(
            "lanes",
            Takes::Count { min: 1, max: 64 },
            "Connections that write side by side, each with files and parts of files of its own. SQLite has one.",
        )
        .default("1")
        .flag("--lanes"),
        Key::new(
            "retry_for",
            Takes::Duration { min_ms: 0, max_ms: 7 * DAY_MS },
            "How long a destination that cannot be reached any more is waited for. One that was never reached is waited for 30 s, unless this is given.",
        )
        .default("10m")
        .flag("--retry-for"),
        Key::new(
            "deadline",
            Takes::Duration { min_ms: 100, max_ms: DAY_MS },
            "How long nothing may move before a connection counts as lost.",
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
            "How long one attempt to connect may take.",
        )
        .default("10s"),
    ],
};

static ROLLUP: Table = Table {
    called: "[[rollup]]",
    doc: "A metric per date, computed again for every date that a load touched. There can be any number of them; what is computed here is no rule of the records.",
    keys: &[
        Key::new("metric", Takes::Text, "Its name, under which its values are found.").required(),
        Key::new(
            "of",
            Takes::Text,
            "What it is, where that needs no SQL: `rows`, `rejects` (records of the data date that have not become rows), or of a column `count(COLUMN)` (of its values), `distinct(COLUMN)`, `sum(COLUMN)`, `min(COLUMN)`, `max(COLUMN)`.",
        ),
        Key::new(
            "sql",
            Takes::Text,
            "Or a query for it, of the rows from `{date}` on and before `{next_date}`, which stand for the beginning of a day and of the next. It gives the columns of `by` by their names and one more, the value; without `by`, one row at most. Its dollars are SQL's, and no variables of the environment.",
        ),
        Key::new("by", Takes::Texts, "Columns that it is taken by: there is a value for each group of them.")
            .otherwise("none"),
        Key::new(
            "table",
            Takes::Text,
            "The table of its values, with the columns `date`, `metric_id`, `value` and those of `by`. It is made if it is not there, in the schema of the target unless another is named.",
        )
        .default("daily_metrics"),
        Key::new(
            "allow_clock",
            Takes::Flag,
            "Whether the query may ask what time it is, or draw random numbers. What it gives for a day is then another each time.",
        )
        .default("false"),
    ],
};

/// All tables that have keys.
pub(super) fn tables() -> [&'static Table; 9] {
    [&JOB, &SOURCE, &RECORD, &FIELD, &DESTINATION, &STATE, &DEAD_LETTERS, &PIPELINE, &ROLLUP]
}

/// The types of fields that take a key of [`FIELD`]: those that have such a rule. None if it is
/// no rule of a type, and every field takes it.
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
