//! The format of a job: the only place that distinguishes between formats.
//!
//! [`Spec`] is what a job says, [`AnyFormat`] is the reader for a schema. The format is matched once per
//! chunk; the loop over records is compiled for each format.

use std::fmt;

use bumpalo::Bump;
use regex::bytes::Regex;

use super::directives::MARK;
use super::each::{Chunk, Counted, Memory, Place, each_record};
use super::{
    Access, Aws, AwsLog, Contained, Csv, Dialect, Extras, Format, Json, LogFormat, Logfmt, Malformed,
    Matched, Pattern, Payload, Preamble, Record, Syslog, Usual, W3c, Zeek, contained, syslog,
};
use crate::source::{Body, Framing, Objects, Parts, Runtime};

/// How records are written, as a job says it.
#[derive(Clone, Debug)]
pub enum Spec {
    /// One JSON object per record.
    Ndjson {
        /// Found in the first line of a record; without it each line is one.
        record_start: Option<Regex>,
    },
    /// JSON objects one behind the other, in an array or not.
    Json(Objects),
    /// What a pattern finds in each record.
    Regex {
        /// The pattern.
        pattern: Pattern,
        /// Found in the first line of a record; without it each line is one.
        record_start: Option<Regex>,
    },
    /// Values with a delimiter between them.
    Csv(Dialect),
    /// What a web server wrote.
    Access(LogFormat),
    /// `key=value` pairs.
    Logfmt,
    /// What a daemon of the system wrote.
    Syslog,
    /// The extended log format of the W3C.
    W3c,
    /// The logs of Zeek.
    Zeek,
    /// A log that AWS delivers.
    Aws(AwsLog),
    /// What programs in containers wrote, in the lines of their runtime.
    Contained {
        /// Whose lines.
        runtime: Runtime,
        /// The format of the programs: neither one that needs a preamble, such as [`Spec::Csv`], nor a
        /// container again.
        payload: Box<Spec>,
    },
}

/// Everything that determines what a record is, in the form that is hashed: a line for each key.
impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, record_start) = match self {
            Spec::Ndjson { record_start } => ("ndjson", record_start.as_ref()),
            Spec::Regex { record_start, .. } => ("regex", record_start.as_ref()),
            Spec::Json(_) => ("json", None),
            Spec::Csv(_) => ("csv", None),
            Spec::Access(log_format) => (log_format.format_name(), None),
            Spec::Logfmt => ("logfmt", None),
            Spec::Syslog => ("syslog", None),
            Spec::W3c => ("w3c", None),
            Spec::Zeek => ("zeek", None),
            Spec::Aws(log) => (log.name(), None),
            Spec::Contained { runtime, payload } => {
                return write!(f, "container {}\n{payload}", runtime.name());
            }
        };
        write!(f, "format {name}")?;
        if let Some(pattern) = record_start {
            write!(f, "\nrecord_start {:?}", pattern.as_str())?;
        }
        match self {
            Spec::Json(Objects { list: Some(list) }) => write!(f, "\nlist {list:?}"),
            Spec::Ndjson { .. } | Spec::Json(_) | Spec::W3c | Spec::Zeek | Spec::Aws(_) => Ok(()),
            Spec::Regex { pattern, .. } => write!(f, "\npattern {:?}", pattern.to_string()),
            Spec::Csv(dialect) => write!(f, "\n{dialect}"),
            Spec::Access(log_format) if name == "access" => {
                write!(f, "\nlog_format {:?}", log_format.to_string())
            }
            Spec::Access(_) | Spec::Logfmt | Spec::Syslog | Spec::Contained { .. } => Ok(()),
        }
    }
}

/// A format, ready for the records of a schema.
#[derive(Clone, Debug)]
pub enum AnyFormat {
    /// One JSON object per record, on a line or not.
    Ndjson(Json),
    /// What a pattern finds in each record.
    Regex(Matched),
    /// Values with a delimiter between them.
    Csv(Csv),
    /// What a web server wrote.
    Access(Access),
    /// `key=value` pairs.
    Logfmt(Logfmt),
    /// What a daemon of the system wrote.
    Syslog(Syslog),
    /// The extended log format of the W3C.
    W3c(W3c),
    /// The logs of Zeek.
    Zeek(Zeek),
    /// A log that AWS delivers.
    Aws(Aws),
    /// What programs in containers wrote, in the lines of their runtime.
    Contained(Contained),
}

/// The same for each format: `$body`, with the format called `$format`.
macro_rules! with {
    ($any:expr, $format:ident => $body:expr) => {
        match $any {
            AnyFormat::Ndjson($format) => $body,
            AnyFormat::Regex($format) => $body,
            AnyFormat::Csv($format) => $body,
            AnyFormat::Access($format) => $body,
            AnyFormat::Logfmt($format) => $body,
            AnyFormat::Syslog($format) => $body,
            AnyFormat::W3c($format) => $body,
            AnyFormat::Zeek($format) => $body,
            AnyFormat::Aws($format) => $body,
            AnyFormat::Contained($format) => $body,
        }
    };
}

/// The format that `spec` asks for, for the values at `paths`; path `n` goes to slot `n`.
pub fn of<S: AsRef<str>>(spec: &Spec, paths: &[Vec<S>], extras: Extras) -> AnyFormat {
    match spec {
        Spec::Ndjson { .. } | Spec::Json(_) => {
            AnyFormat::Ndjson(Json::new(paths, extras).framed(spec.framing()))
        }
        Spec::Regex { pattern, .. } => AnyFormat::Regex(Matched::new(pattern, spec.framing(), paths, extras)),
        Spec::Csv(dialect) => AnyFormat::Csv(Csv::new(dialect.clone(), paths, extras)),
        Spec::Access(log_format) => AnyFormat::Access(Access::new(log_format.clone(), paths, extras)),
        Spec::Logfmt => AnyFormat::Logfmt(Logfmt::new(paths, extras)),
        Spec::Syslog => AnyFormat::Syslog(Syslog::new(paths, extras)),
        Spec::W3c => AnyFormat::W3c(W3c::new(paths, extras)),
        Spec::Zeek => AnyFormat::Zeek(Zeek::new(paths, extras)),
        Spec::Aws(log) => AnyFormat::Aws(Aws::new(*log, paths, extras)),
        Spec::Contained { runtime, payload } => {
            let payload = payload_of(payload, paths, extras);
            AnyFormat::Contained(Contained::new(*runtime, payload, spec.framing(), paths))
        }
    }
}

/// The format within the lines of a container.
fn payload_of<S: AsRef<str>>(spec: &Spec, paths: &[Vec<S>], extras: Extras) -> Payload {
    match of(spec, paths, extras) {
        AnyFormat::Ndjson(format) => Payload::Ndjson(format),
        AnyFormat::Regex(format) => Payload::Regex(format),
        AnyFormat::Access(format) => Payload::Access(format),
        AnyFormat::Logfmt(format) => Payload::Logfmt(format),
        AnyFormat::Syslog(format) => Payload::Syslog(format),
        AnyFormat::Csv(_)
        | AnyFormat::W3c(_)
        | AnyFormat::Zeek(_)
        | AnyFormat::Aws(_)
        | AnyFormat::Contained(_) => unreachable!("no job can name it as what is within a container"),
    }
}

impl Spec {
    /// What separates its records.
    pub fn framing(&self) -> Framing {
        match self {
            Spec::Ndjson { record_start: Some(pattern) }
            | Spec::Regex { record_start: Some(pattern), .. } => Framing::Starts(pattern.clone()),
            Spec::Ndjson { .. } | Spec::Regex { .. } | Spec::Access(_) | Spec::Logfmt => Framing::Lines,
            Spec::Syslog | Spec::Aws(_) => Framing::Lines,
            Spec::Csv(dialect) => dialect.framing(),
            Spec::Json(objects) => Framing::Objects(*objects),
            Spec::W3c | Spec::Zeek => Framing::Commented(MARK),
            Spec::Contained { runtime, payload } => match (payload.framing(), *runtime) {
                // Its lines have no parts.
                (Framing::Lines, Runtime::Compose) => Framing::Lines,
                (Framing::Starts(start), runtime) => {
                    Framing::Parts(Parts { runtime, record_start: Some(start) })
                }
                (_, runtime) => Framing::Parts(Parts { runtime, record_start: None }),
            },
        }
    }

    /// The usual fields of its records, in order; none if only the records tell. Inference and presets
    /// propose these, and look at the values of a field that may hold anything.
    pub fn usual_fields(&self) -> Vec<Usual<'_>> {
        match self {
            Spec::Ndjson { .. } | Spec::Csv(_) | Spec::Logfmt => Vec::new(),
            Spec::Json(_) | Spec::W3c | Spec::Zeek => Vec::new(),
            Spec::Aws(log) => log.usual_fields(),
            Spec::Regex { pattern, .. } => pattern.usual_fields(),
            Spec::Access(log_format) => log_format.usual_fields(),
            Spec::Syslog => syslog::usual_fields(),
            Spec::Contained { runtime, payload } => {
                let mut fields = contained::usual_fields(*runtime);
                fields.extend(payload.usual_fields());
                fields
            }
        }
    }
}

impl AnyFormat {
    /// What separates its records.
    pub fn framing(&self) -> &Framing {
        with!(self, format => format.framing())
    }

    /// Whether this preamble is final.
    pub fn is_settled(&self, preamble: &Preamble) -> bool {
        with!(self, format => format.is_settled(preamble))
    }

    /// Whether the beginning of a source settles its preamble for good.
    pub fn settles(&self) -> bool {
        self.is_settled(&Preamble::new(b"settled"))
    }

    /// The preamble of the next chunk, given the one of this chunk. `copy` is memory for a stable copy of
    /// the bytes, if they must be read.
    pub fn behind(
        &self,
        before: &Preamble,
        body: &Body,
        record_bytes_max: usize,
        copy: &mut Vec<u8>,
    ) -> Preamble {
        match body {
            Body::Records(bytes) if !self.is_settled(before) => {
                let chunk = Chunk { bytes: bytes.stable(copy), preamble: before, record_bytes_max };
                with!(self, format => format.follow(chunk))
            }
            _ => before.clone(),
        }
    }

    /// Shows every record of a chunk to `visit`, with memory that lives as long as the record.
    #[inline]
    pub fn each_record(
        &self,
        chunk: Chunk<'_>,
        memory: &mut Memory,
        visit: impl FnMut(Place<'_>, Result<&Record<'_>, Malformed>, &Bump),
    ) -> Counted {
        with!(self, format => each_record(format, chunk, memory, visit))
    }

    /// The preamble of the next chunk.
    pub fn follow(&self, chunk: Chunk<'_>) -> Preamble {
        match self.is_settled(chunk.preamble) {
            true => chunk.preamble.clone(),
            false => with!(self, format => format.follow(chunk)),
        }
    }
}
