//! Job files: arbitrary text is either a job or gives a message that says what is wrong and where.

use std::path::Path;

use logmill::config::{Config, Overrides};

pub const SEEDS: &[&[u8]] = &[
    br#"name = "app-logs"
[source]
files  = ["logs/{date}/*.ndjson.gz"]
format = "ndjson"
[record]
extra = "ignore"
[record.fields]
timestamp = { type = "timestamp", format = "%Y-%m-%d" }
severity  = { type = "enum", values = ["INFO", "WARN"], default = "INFO" }
user_id   = { type = "int", from = "/user/id", required = false, ge = 0 }
ctx       = { type = "object", fields = { a = { type = "list", items = { type = "decimal" } } } }
[destination]
url         = "postgres://user:secret@localhost/app?sslmode=require"
table       = "log_entries"
key         = ["user_id"]
on_conflict = "newest(timestamp)"
[pipeline]
batch_bytes = "24MiB"
"#,
    "name = \"ä\"\n[source]\nfiles = 1\n[record.fields]\nx = { type = \"txt\", pattern = \"(\" }\nbad\n"
        .as_bytes(),
    b"name = \"${HOME}\"\r\n[destination]\nurl = \"sqlite:x.db\"\ncolumns = { a = \"{date}\" }\n[nope]\n",
];

pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    // A job can name a schema file, and a fuzzer can name an endless one.
    if text.contains("/dev") || text.contains("/proc") {
        return;
    }
    if let Err(error) = Config::of_text(Path::new("job.toml"), text, &Overrides::default()) {
        assert!(!error.to_string().is_empty());
    }
}
