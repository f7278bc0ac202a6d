//! Names and types of the values in access logs.
//!
//! nginx and Apache use different words for the same values. Here each value has one name: the usual one
//! for what nearly every log has, otherwise nginx's without the dollar.

use super::super::usual::Holds;

/// A value of a log format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Variable {
    /// The name that it shares with similar values; the first of them in a log format gets it.
    pub(super) usual: &'static str,
    /// Its own name, if it has no usual name or another value got it.
    pub(super) own: String,
    pub(super) holds: Kind,
    /// Whether it may be a list, as `a, b : c`.
    pub(super) is_list: bool,
}

/// What the values of a variable are; the letters of a stamp belong to the log format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Anything,
    Text,
    Int,
    Float,
    Stamp(Option<String>),
}

impl Kind {
    pub(super) fn holds(&self) -> Holds<'_> {
        match self {
            Kind::Anything => Holds::Anything,
            Kind::Text => Holds::Text,
            Kind::Int => Holds::Int,
            Kind::Float => Holds::Float,
            Kind::Stamp(letters) => Holds::Stamp(letters.as_deref()),
        }
    }
}

/// The default timestamp of both servers.
pub(super) const COMMON_STAMP: &str = "%d/%b/%Y:%H:%M:%S %z";

/// nginx's variables that have a usual name or values of a known type.
const NGINX: &[(&str, &str, Kind)] = &[
    ("remote_addr", "client", Kind::Anything),
    ("remote_user", "user", Kind::Text),
    ("time_iso8601", "timestamp", Kind::Stamp(None)),
    ("request", "request", Kind::Text),
    ("request_method", "method", Kind::Text),
    ("request_uri", "target", Kind::Text),
    ("server_protocol", "protocol", Kind::Text),
    ("status", "status", Kind::Int),
    ("body_bytes_sent", "bytes", Kind::Int),
    ("bytes_sent", "bytes", Kind::Int),
    ("http_referer", "referer", Kind::Text),
    ("http_user_agent", "user_agent", Kind::Text),
    ("http_x_forwarded_for", "", Kind::Text),
    ("proxy_add_x_forwarded_for", "", Kind::Text),
    ("uri", "path", Kind::Text),
    ("document_uri", "path", Kind::Text),
    ("args", "query", Kind::Text),
    ("query_string", "query", Kind::Text),
    ("request_time", "", Kind::Float),
    ("request_length", "", Kind::Int),
    ("connection", "", Kind::Int),
    ("connection_requests", "", Kind::Int),
    ("server_port", "", Kind::Int),
    ("remote_port", "", Kind::Int),
    ("pid", "", Kind::Int),
    ("gzip_ratio", "", Kind::Float),
];

/// nginx's variable of this name; every name is possible.
pub(super) fn nginx(name: &str) -> Variable {
    let stamp = |letters: &str| ("timestamp", Kind::Stamp(Some(letters.to_owned())));
    let known = NGINX.iter().find(|(known, ..)| *known == name);
    let (usual, holds) = match (name, known) {
        ("time_local", _) => stamp(COMMON_STAMP),
        ("msec", _) => stamp("epoch_s"),
        (_, Some((_, usual, holds))) => (*usual, holds.clone()),
        (_, None) => ("", Kind::Anything),
    };
    Variable { usual, own: name.to_owned(), holds, is_list: is_list(name) }
}

/// Whether the value is a list: nginx writes one item per upstream server, and some headers list the
/// proxies of a request.
fn is_list(name: &str) -> bool {
    ["upstream_", "http_", "sent_http_", "proxy_"].iter().any(|prefix| name.starts_with(prefix))
}

/// Apache's directive of this letter with this argument, if there is one.
pub(super) fn apache(letter: &str, argument: Option<&str>) -> Option<Variable> {
    let lower = |prefix: &str| {
        let argument = argument.unwrap_or_default().to_ascii_lowercase();
        format!("{prefix}{}", argument.replace(|ch: char| !ch.is_ascii_alphanumeric(), "_"))
    };
    let like = |name: &str| Some(nginx(name));
    let of = |usual, own: &str, holds| Some(Variable { usual, own: own.to_owned(), holds, is_list: false });
    match (letter, argument) {
        ("a", Some("c")) => of("", "peer_addr", Kind::Anything),
        ("a", _) => like("remote_addr"),
        ("A", _) => like("server_addr"),
        ("b" | "B", _) => like("body_bytes_sent"),
        ("C", Some(_)) => like(&lower("cookie_")),
        ("D", _) | ("T", Some("us")) => of("", "request_time_us", Kind::Int),
        ("T", Some("ms")) => of("", "request_time_ms", Kind::Int),
        ("T", _) => like("request_time"),
        ("e", Some(_)) => of("", &lower("env_"), Kind::Anything),
        ("f", _) => like("request_filename"),
        ("h", _) => of("client", "remote_host", Kind::Anything),
        ("H", _) => like("server_protocol"),
        ("i", Some(_)) => like(&lower("http_")),
        ("I", _) => like("request_length"),
        ("k", _) => like("connection_requests"),
        ("l", _) => of("ident", "remote_logname", Kind::Text),
        ("L", _) => of("", "log_id", Kind::Text),
        ("m", _) => like("request_method"),
        ("n", Some(_)) => of("", &lower("note_"), Kind::Anything),
        ("o", Some(_)) => like(&lower("sent_http_")),
        ("O", _) => like("bytes_sent"),
        ("p", Some("remote")) => like("remote_port"),
        ("p", Some("local")) => of("", "local_port", Kind::Int),
        ("p", _) => like("server_port"),
        ("P", Some("tid" | "hextid")) => of("", "tid", Kind::Anything),
        ("P", _) => like("pid"),
        ("q", _) => like("args"),
        ("r", _) => like("request"),
        ("R", _) => of("", "handler", Kind::Text),
        ("s", _) => like("status"),
        ("S", _) => of("", "bytes_total", Kind::Int),
        ("t", argument) => Some(stamp(argument)),
        ("u", _) => like("remote_user"),
        ("U", _) => like("uri"),
        ("v", _) => like("server_name"),
        ("V", _) => of("server_name", "canonical_name", Kind::Anything),
        ("x" | "c", Some(_)) => like(&lower("")),
        ("X", _) => of("", "connection_status", Kind::Text),
        ("^ti", Some(_)) => like(&lower("trailer_")),
        ("^to", Some(_)) => like(&lower("sent_trailer_")),
        _ => None,
    }
}

/// Apache's `%t`, or `%{…}t` with a word of its own or the letters of `strftime`.
fn stamp(argument: Option<&str>) -> Variable {
    let argument = argument.unwrap_or_default();
    let letters = ["begin:", "end:"].iter().find_map(|prefix| argument.strip_prefix(prefix));
    let letters = match letters.unwrap_or(argument) {
        "" | "begin" | "end" => COMMON_STAMP,
        "sec" => "epoch_s",
        "msec" => "epoch_ms",
        "usec" => "epoch_us",
        "msec_frac" => "%3f",
        "usec_frac" => "%6f",
        letters => letters,
    };
    let own = "time_local".to_owned();
    Variable { usual: "timestamp", own, holds: Kind::Stamp(Some(letters.to_owned())), is_list: false }
}
