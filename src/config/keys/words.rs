//! The words that keys take, where they are many.

use super::key::Word;
use crate::format::PRESETS;

pub(super) const FORMATS: &[Word] = &[
    Word::new("ndjson", "one JSON object per line"),
    Word::new("json", "JSON objects, consecutive or in an array, on any number of lines"),
    Word::new("regex", "a regular expression with named groups"),
    Word::new("csv", "values separated by a delimiter"),
    Word::new("tsv", "values separated by tabs"),
    Word::new("combined", "the access log of nearly every web server"),
    Word::new("common", "the same without referer and user agent"),
    Word::new("vhost_combined", "`combined` behind the name of the virtual host"),
    Word::new("logfmt", "`key=value` pairs"),
    Word::new("syslog", "RFC 3164 and RFC 5424"),
    Word::new("access", "an access log of nginx or Apache with a custom `log_format`"),
    Word::new("w3c", "the extended log format of the W3C: IIS, CloudFront, proxies"),
    Word::new("cloudtrail", "the files of AWS CloudTrail, one record for each of their `Records`"),
    Word::new("alb", "the access log of an AWS load balancer"),
    Word::new("elb", "the access log of a classic AWS load balancer"),
    Word::new("s3_access", "the access log of an S3 bucket"),
    Word::new("vpc_flow", "AWS VPC flow logs, with or without a line of names"),
    Word::new("zeek", "the logs of Zeek (formerly Bro)"),
    Word::new("cri", "container logs of Kubernetes, with a `payload` in each line"),
    Word::new("docker", "Docker's JSON files, with a `payload` in each line"),
    Word::new("compose", "the output of `docker compose logs`, with a `payload` in each line"),
];

pub(super) const PAYLOADS: &[Word] = &[
    Word::new("text", "any text, which becomes the field `message`"),
    Word::new("ndjson", "one JSON object"),
    Word::new("regex", "a regular expression with named groups"),
    Word::new("combined", "the access log of nearly every web server"),
    Word::new("common", "the same without referer and user agent"),
    Word::new("vhost_combined", "`combined` behind the name of the virtual host"),
    Word::new("access", "an access log with a custom `log_format`"),
    Word::new("logfmt", "`key=value` pairs"),
    Word::new("syslog", "RFC 3164 and RFC 5424"),
];

pub(super) static PRESET_WORDS: [Word; PRESETS.len()] = {
    let mut words = [const { Word::new("", "") }; PRESETS.len()];
    let mut at = 0;
    while at < words.len() {
        words[at] = Word::new(PRESETS[at].name, PRESETS[at].about);
        at += 1;
    }
    words
};

pub(super) const EXTRAS: &[Word] = &[
    Word::new("ignore", "they are ignored"),
    Word::new("forbid", "each is a reason to reject the record"),
    Word::new("keep", "they are stored together, as one JSON object"),
];

/// The types of fields.
pub(in crate::config) const TYPES: &[Word] = &[
    Word::new("text", "text"),
    Word::new("int", "an integer"),
    Word::new("float", "a double"),
    Word::new("bool", "true or false"),
    Word::new("timestamp", "a point in time; with `zone = \"naive\"` a date and time without a zone"),
    Word::new("date", "a calendar day"),
    Word::new("time", "a time of day"),
    Word::new("uuid", "a UUID"),
    Word::new("decimal", "a decimal number, exact"),
    Word::new("json", "any JSON value"),
    Word::new("ip", "an IP address"),
    Word::new("enum", "one of `values`: stored as text or integer, or as JSON if they are mixed"),
    Word::new("object", "an object with `fields` of its own, stored as JSON"),
    Word::new("list", "a list of `items`, stored as an array if the column is one, else as JSON"),
    Word::new(
        "union",
        "a value of one of several types: stored as text if all of them are texts, else as JSON",
    ),
    Word::new("again", "an object like the one that contains it"),
];

/// How rows are written into objects.
pub(super) const FORMS: &[Word] = &[
    Word::new("ndjson", "one JSON object per line"),
    Word::new("ndjson.gz", "the same, compressed with gzip"),
    Word::new("ndjson.zst", "the same, compressed with Zstandard"),
    Word::new("parquet", "columns, for engines that read only the columns they need"),
];
