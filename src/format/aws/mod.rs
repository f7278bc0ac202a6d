//! The logs that AWS delivers as lines: values in a known order, separated by single blanks.
//!
//! A quoted value ends at the first quote that a blank or the end follows, so a quote in a user agent
//! shifts nothing. Values that AWS adds at the end of a line are skipped until they are known here. VPC
//! flow logs can have other values: then a header names those of the lines after it.

mod layouts;
#[cfg(test)]
mod plain;

use memchr::{memchr, memchr_iter, memrchr};

use super::columns::{Columns, Wants};
use super::usual::{Holds, Usual};
use super::{Chunk, Extras, Format, Input, Malformed, Parsed, Preamble, Record};
use crate::source::Framing;
use layouts::{Entry, Layout};

/// A log that AWS delivers, by the name that a job has for it.
#[derive(Clone, Copy, Debug)]
pub struct AwsLog(&'static Layout);

impl AwsLog {
    /// The log of this name.
    pub fn named(name: &str) -> Option<AwsLog> {
        layouts::named(name).map(AwsLog)
    }

    /// As a job calls it.
    pub fn name(self) -> &'static str {
        self.0.name
    }

    /// The fields that its lines have.
    pub(super) fn usual_fields(self) -> Vec<Usual<'static>> {
        let mut fields = Vec::new();
        for (place, entry) in self.0.entries.iter().enumerate() {
            // Any value except the first few may be a hyphen.
            let mut field = |name, holds, is_required| fields.push(Usual { name, holds, is_required });
            match *entry {
                Entry::Value(name, holds) | Entry::Bracketed(name, holds) => field(name, holds, place < 3),
                Entry::Address(address, port) => {
                    field(address, Holds::Text, false);
                    field(port, Holds::Int, false);
                }
                Entry::Request(names) => names.iter().for_each(|name| field(name, Holds::Text, false)),
            }
        }
        fields
    }
}

/// One line of a log of AWS per record.
#[derive(Clone, Debug)]
pub struct Aws {
    layout: &'static Layout,
    wants: Wants,
    columns: Columns,
}

/// The columns of a header.
#[derive(Default)]
pub struct Scratch {
    /// The reader that it was read for, and its bytes.
    of: Option<(Wants, Preamble)>,
    columns: Option<Columns>,
}

impl Aws {
    /// A reader for the values at `paths`; path `n` goes to slot `n`.
    pub fn new<S: AsRef<str>>(AwsLog(layout): AwsLog, paths: &[Vec<S>], extras: Extras) -> Aws {
        let wants = Wants::new(paths, extras);
        let names = AwsLog(layout).usual_fields();
        let names: Vec<&str> = names.iter().map(|field| field.name).collect();
        Aws { layout, columns: wants.columns(&names), wants }
    }

    /// Reads a header.
    fn read(&self, header: &[u8]) -> Scratch {
        let text = String::from_utf8_lossy(header).replace('-', "_");
        let names: Vec<&str> = text.split(' ').collect();
        let columns = (!header.is_empty()).then(|| self.wants.columns(&names));
        Scratch { of: Some((self.wants.clone(), Preamble::new(header))), columns }
    }

    fn is_header(&self, line: &[u8]) -> bool {
        self.layout.has_header
            && line.first().is_some_and(u8::is_ascii_lowercase)
            && std::str::from_utf8(line).is_ok_and(|line| line.split(' ').all(layouts::is_vpc_field))
    }
}

impl Format for Aws {
    type Scratch = Scratch;

    fn framing(&self) -> &Framing {
        &Framing::Lines
    }

    fn is_settled(&self, _: &Preamble) -> bool {
        !self.layout.has_header
    }

    fn follow(&self, chunk: Chunk<'_>) -> Preamble {
        if !self.layout.has_header {
            return chunk.preamble.clone();
        }
        let mut last = chunk.preamble.clone();
        let ends = memchr_iter(b'\n', chunk.bytes).chain([chunk.bytes.len()]);
        let mut start = 0;
        for end in ends {
            let line = &chunk.bytes[start..end];
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.len() <= chunk.record_bytes_max && self.is_header(line) {
                last = Preamble::new(line);
            }
            start = end + 1;
        }
        last
    }

    fn begin(&self, preamble: &Preamble, scratch: &mut Scratch) {
        let is_same = |(wants, header): &(Wants, Preamble)| wants.are(&self.wants) && header == preamble;
        if !scratch.of.as_ref().is_some_and(is_same) {
            *scratch = self.read(preamble.bytes());
        }
    }

    fn parse<'r>(
        &'r self,
        input: Input<'r>,
        scratch: &'r mut Scratch,
        record: &mut Record<'r>,
    ) -> Result<Parsed, Malformed> {
        if self.is_header(input.raw) {
            *scratch = self.read(input.raw);
            return Ok(Parsed::Skipped);
        }
        let text = input.utf8()?;
        if let Some(columns) = &scratch.columns {
            record.begin_columns(columns, &input);
            record.outside = scratch.of.as_ref().map_or(&[], |(_, header)| header.bytes());
            let mut values = Values { text, at: Some(0) };
            let mut count = 0;
            while let Some((_, value)) = values.next(false)? {
                if count < columns.len() {
                    record.put(columns, count, value);
                }
                count += 1;
            }
            if count != columns.len() {
                return Err(Malformed::column_count(count, columns.len()));
            }
            record.end();
            return Ok(Parsed::Record);
        }
        record.begin_columns(&self.columns, &input);
        self.put_entries(text, record)?;
        record.end();
        Ok(Parsed::Record)
    }
}

impl Aws {
    fn put_entries<'r>(&'r self, text: &'r str, record: &mut Record<'r>) -> Result<(), Malformed> {
        let Layout { entries, entries_min, has_header, .. } = *self.layout;
        let mut values = Values { text, at: Some(0) };
        let (mut count, mut column) = (0, 0);
        for entry in entries {
            let Some((at, value)) = values.next(matches!(entry, Entry::Bracketed(..)))? else { break };
            count += 1;
            let mut put = |value| {
                record.put(&self.columns, column, value);
                column += 1;
            };
            match entry {
                Entry::Value(..) => put(value),
                Entry::Bracketed(..) if text.as_bytes().get(at) != Some(&b'[') => {
                    return Err(Malformed::no_match("a stamp without its brackets", at));
                }
                Entry::Bracketed(..) => put(value),
                Entry::Address(..) => {
                    let colon = memrchr(b':', value.as_bytes());
                    let (address, port) = colon.map_or((value, "-"), |at| (&value[..at], &value[at + 1..]));
                    put(address);
                    put(port);
                }
                Entry::Request(_) => {
                    put(value);
                    parts(value).into_iter().for_each(put);
                }
            }
        }
        if count < entries_min || has_header && values.at.is_some() {
            let more = usize::from(values.at.is_some());
            return Err(Malformed::column_count(count + more, entries_min));
        }
        Ok(())
    }
}

/// Verb, URL and protocol of a request; hyphens, if it is none.
fn parts(request: &str) -> [&str; 3] {
    let parts = request.split_once(' ').and_then(|(verb, rest)| {
        let (url, protocol) = rest.rsplit_once(' ')?;
        Some([verb, url, protocol])
    });
    parts.unwrap_or(["-"; 3])
}

/// The values of a line.
struct Values<'r> {
    text: &'r str,
    /// The start of the next value, if there is one.
    at: Option<usize>,
}

impl<'r> Values<'r> {
    /// The next value without quotes or brackets, and its position.
    fn next(&mut self, is_bracketed: bool) -> Result<Option<(usize, &'r str)>, Malformed> {
        let Some(start) = self.at else { return Ok(None) };
        let bytes = self.text.as_bytes();
        let closing = match bytes.get(start) {
            Some(b'"') => b'"',
            Some(b'[') if is_bracketed => b']',
            _ => {
                let end = memchr(b' ', &bytes[start..]).map(|length| start + length);
                self.at = end.map(|end| end + 1);
                return Ok(self.text.get(start..end.unwrap_or(bytes.len())).map(|value| (start, value)));
            }
        };
        let is_end = |end: &usize| bytes.get(end + 1).is_none_or(|&byte| byte == b' ');
        let end = memchr_iter(closing, &bytes[start + 1..]).map(|length| start + 1 + length).find(is_end);
        let Some(end) = end else {
            return Err(Malformed::no_match("a quote or bracket that is not closed", start));
        };
        self.at = (end + 1 < bytes.len()).then_some(end + 2);
        Ok(self.text.get(start + 1..end).map(|value| (start, value)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{shown, shown_in_chunks, text_of};
    use super::super::{Memory, each_record};
    use super::*;

    /// The values of these names, in the order of the line, which are also those in the slots of fields
    /// that ask for nothing else.
    fn read(name: &str, text: &str, names: &[&str]) -> Vec<String> {
        let paths: Vec<_> = names.iter().map(|name| vec![*name]).collect();
        let of = |extras| Aws::new(AwsLog::named(name).expect("a log of AWS"), &paths, extras);
        let (preamble, mut slots) = (Preamble::default(), Vec::new());
        let chunk = Chunk { bytes: text.as_bytes(), preamble: &preamble, record_bytes_max: 1000 };
        each_record(&of(Extras::Ignored), chunk, &mut Memory::default(), |_, record, _| {
            let values = |record: &Record<'_>| {
                let value = |slot| record.get(slot).map(|item| item.to_string());
                (0..names.len()).map(value).collect::<Vec<_>>()
            };
            slots.push(record.ok().map(values));
        });
        let records = shown(&of(Extras::Gathered), text.as_bytes()).records;
        assert_eq!(slots.len(), records.len());
        let wanted = |(record, slots): (String, Option<Vec<_>>)| {
            let Ok(mut members) = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&record)
            else {
                assert_eq!(slots, None);
                return record;
            };
            members.retain(|name, _| names.contains(&name.as_str()));
            let told =
                |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let values = names.iter().map(|name| members.get(*name).map(told)).collect();
            assert_eq!(slots, Some(values));
            serde_json::to_string(&members).expect("JSON")
        };
        records.into_iter().zip(slots).map(wanted).collect()
    }

    /// As in the documentation of AWS.
    const ALB: &str = r#"https 2018-07-02T22:23:00.186641Z app/my-loadbalancer/50dc6c495c0c9188 192.168.131.39:2817 10.0.0.1:80 0.086 0.048 0.037 200 200 0 57 "GET https://www.example.com:443/ HTTP/1.1" "curl/7.46.0 "x"y" ECDHE-RSA-AES128-GCM-SHA256 TLSv1.2 arn:aws:elasticloadbalancing:us-east-2:123456789012:targetgroup/my-targets/73e2d6bc24d8a067 "Root=1-58337281-1d84f3d73c47ec4e58577259" "www.example.com" "arn:aws:acm:us-east-2:123456789012:certificate/12345678-1234-1234-1234-123456789012" 1 2018-07-02T22:22:48.364000Z "authenticate,forward" "-" "-" "10.0.0.1:80" "200" "-" "-" TID_123456 and more"#;

    #[test]
    fn a_load_balancer_says_who_asked_for_what() {
        let names =
            ["client_ip", "client_port", "request_verb", "request_url", "user_agent", "conn_trace_id"];
        assert_eq!(
            read("alb", ALB, &names),
            [
                r#"{"client_ip":"192.168.131.39","client_port":"2817","request_verb":"GET","request_url":"https://www.example.com:443/","user_agent":"curl/7.46.0 \"x\"y","conn_trace_id":"TID_123456"}"#
            ]
        );
        let elb = r#"2015-05-13T23:39:43.945958Z my-loadbalancer 192.168.131.39:2817 - 0.000086 -1 -1 504 0 0 57 "- - - ""#;
        let names = ["time", "backend_ip", "backend_port", "request", "request_url", "user_agent"];
        assert_eq!(
            read("elb", elb, &names),
            [
                r#"{"time":"2015-05-13T23:39:43.945958Z","backend_ip":"-","backend_port":"-","request":"- - - ","request_url":"- -"}"#
            ]
        );
        assert_eq!(read("elb", "a b c:1 d\n\"a b\n", &names), ["column_count", "no_match"]);
    }

    #[test]
    fn a_bucket_says_when_in_brackets() {
        let line = r#"79a59 awsexamplebucket1 [06/Feb/2019:00:00:38 +0000] 192.0.2.3 79a59 3E57 REST.GET.VERSIONING - "GET /awsexamplebucket1?versioning HTTP/1.1" 200 - 113 - 7 - "-" "S3Console/0.4" - s9lz SigV4 ECDHE AuthHeader host TLSV1.1 - -"#;
        assert_eq!(
            read(
                "s3_access",
                line,
                &["time", "key", "request_url", "http_status", "host_id", "acl_required"]
            ),
            [
                r#"{"time":"06/Feb/2019:00:00:38 +0000","key":"-","request_url":"/awsexamplebucket1?versioning","http_status":"200","host_id":"s9lz","acl_required":"-"}"#
            ]
        );
        assert_eq!(read("s3_access", &line.replace(['[', ']'], ""), &["time"]), ["no_match"]);
    }

    #[test]
    fn flow_logs_may_name_their_values() {
        let text = "2 123456789010 eni-1235b8ca 172.31.16.139 172.31.16.21 20641 22 6 20 4249 1418530010 1418530070 ACCEPT OK\n\
            version srcaddr tcp-flags\n3 10.0.0.1 2\n3 10.0.0.1\n2 1 - - - - - - - - 1 2 - NODATA x\n";
        assert_eq!(
            read("vpc_flow", text, &["version", "dstport", "srcaddr", "tcp_flags"]),
            [
                r#"{"version":"2","srcaddr":"172.31.16.139","dstport":"22"}"#,
                r#"{"version":"3","srcaddr":"10.0.0.1","tcp_flags":"2"}"#,
                "column_count",
                "column_count",
            ]
        );
        assert_eq!(read("vpc_flow", "2 1 - - - - - - - - 1 2 - NODATA x\n", &["version"]), ["column_count"]);
    }

    const PIECES: [&[u8]; 22] = [
        b"\n",
        b"\n",
        b"\r\n",
        b" ",
        b" ",
        b" ",
        b" a b c d",
        b" e f g h i",
        b"\"",
        b"\"a b\" ",
        b"[",
        b"[x y] ",
        b"]",
        b":",
        b"-",
        b"1.2.3.4:5",
        b"\nversion srcaddr",
        b"\nend vpc-id",
        b"x",
        b"\"GET / HTTP/1.1\"",
        b"\xc3\xa4",
        b"\xff",
    ];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]

        #[test]
        fn it_reads_what_the_plain_reader_reads(text in text_of(&PIECES), bytes_max in 1_usize..40) {
            for name in ["alb", "elb", "s3_access", "vpc_flow"] {
                let log = AwsLog::named(name).expect("a log of AWS");
                let format = Aws::new::<&str>(log, &[], Extras::Gathered);
                prop_assert_eq!(&shown(&format, &text).records, &plain::read(log.0, &text), "{}", name);
                prop_assert_eq!(shown_in_chunks(&format, &text, bytes_max), shown(&format, &text));
            }
        }
    }
}
