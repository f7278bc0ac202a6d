//! Logs that describe their structure at the beginning: a table of orders, Microsoft's web server, Zeek's
//! connections, a JSON array.

use std::fmt::Write as _;

use super::text::{AGENTS, METHODS, Moment, SECTIONS, STATUSES, address, words};
use super::{Format, Numbers};

/// What precedes the first line.
pub(super) fn head(format: Format) -> &'static str {
    match format {
        Format::Csv => "at,order,customer,items,total,currency,note,state\r\n",
        Format::W3c => {
            "#Software: Microsoft Internet Information Services 10.0\r\n#Version: 1.0\r\n#Date: 2024-01-01 00:00:00\r\n\
             #Fields: date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs(User-Agent) cs(Referer) sc-status sc-bytes time-taken\r\n"
        }
        Format::Zeek => {
            "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tconn\n#open\t2024-01-01-00-00-00\n\
             #fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\tservice\tduration\torig_bytes\tresp_bytes\tconn_state\tlocal_orig\thistory\ttunnel_parents\n\
             #types\ttime\tstring\taddr\tport\taddr\tport\tenum\tstring\tinterval\tcount\tcount\tstring\tbool\tstring\tset[string]\n"
        }
        Format::Json => "[\n",
        _ => "",
    }
}

/// What follows a line, and the last line.
pub(super) fn line_end(format: Format, is_last: bool) -> &'static str {
    match (format, is_last) {
        (Format::Csv | Format::W3c, _) => "\r\n",
        (Format::Json, false) => ",\n",
        (Format::Json, true) => "\n]\n",
        (Format::Zeek, true) => "\n#close\t2024-01-01-01-00-00\n",
        _ => "\n",
    }
}

/// An order. One note in four has quotes, commas or line ends.
pub(super) fn csv(numbers: &mut Numbers, at_ms: u64, line: &mut String) {
    // Within quotes a quote is doubled.
    let quotable = |numbers: &mut Numbers| words(numbers, 4).replace('"', "\"\"");
    let note = match numbers.below(8) {
        0 => format!("\"{}, {}\"", quotable(numbers), quotable(numbers)),
        1 => format!("\"\"\"{}\"\"\r\n{}\"", quotable(numbers), quotable(numbers)),
        _ => words(numbers, 8),
    };
    let _ = write!(
        line,
        "{},{},customer-{:08},{},{}.{:02},{},{note},{}",
        Moment::new(at_ms).iso(),
        numbers.below(90_000_000) + 10_000_000,
        numbers.below(1_000_000),
        numbers.below(20) + 1,
        numbers.below(1_000),
        numbers.below(100),
        numbers.one_of(&["EUR", "USD", "GBP"]),
        numbers.one_of(&["paid", "shipped", "open", "returned"]),
    );
}

/// A request in the format of IIS.
pub(super) fn w3c(numbers: &mut Numbers, at_ms: u64, line: &mut String) {
    let stamp = Moment::new(at_ms).iso();
    let (section, page) = (numbers.one_of(SECTIONS), numbers.below(90));
    let _ = write!(
        line,
        "{} {} 10.0.0.5 {} /{section} {} 443 {} {} {} {} {} {} {}",
        &stamp[..10],
        &stamp[11..19],
        numbers.one_of(METHODS),
        if page == 0 { "-".to_owned() } else { format!("page={page}") },
        numbers.one_of(&["-", "-", "-", "CORP\\ada"]),
        address(numbers),
        numbers.one_of(AGENTS).replace(' ', "+").replace(['\\', '"'], ""),
        numbers.one_of(&["-", "https://www.example.com/shop/"]),
        numbers.one_of(STATUSES),
        numbers.below(200_000),
        numbers.below(3_000),
    );
}

/// A connection in the format of Zeek.
pub(super) fn zeek(numbers: &mut Numbers, at_ms: u64, line: &mut String) {
    let service = numbers.one_of(&["http", "dns", "ssl", "-"]);
    let _ = write!(
        line,
        "{}.{:06}\tC{:016x}\t{}\t{}\t{}\t{}\t{}\t{service}\t{}.{:06}\t{}\t{}\tSF\t{}\tShADadfF\t{}",
        at_ms / 1_000,
        at_ms % 1_000 * 1_000,
        numbers.next(),
        address(numbers),
        numbers.below(65_536),
        address(numbers),
        numbers.below(1_024),
        numbers.one_of(&["tcp", "udp"]),
        numbers.below(100),
        numbers.below(1_000_000),
        numbers.below(100_000),
        numbers.below(1_000_000),
        numbers.one_of(&["T", "F"]),
        numbers.one_of(&["(empty)", "(empty)", "C1a,C2b"]),
    );
}
