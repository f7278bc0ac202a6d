//! Generates the files of `hostile/`, one for each thing that goes wrong with the bytes of a log file.
//!
//! `cargo run --example hostile -- datasets/hostile`
//!
//! The files are committed so that people can try their own tools on them, and generated so that anyone can
//! see what is in them. A test keeps the two in step.

/// The name and the bytes of each file. Every good record is `{"n":…,"s":…}`.
pub(crate) fn files() -> Vec<(&'static str, Vec<u8>)> {
    let long = format!("{{\"n\":2,\"s\":\"{}\"}}\n", "x".repeat(200_000));
    let deep = format!("{{\"n\":2,\"s\":\"deep\",\"x\":{}{}}}\n", "[".repeat(5_000), "]".repeat(5_000));
    vec![
        ("bom.ndjson", b"\xef\xbb\xbf{\"n\":1,\"s\":\"after a byte order mark\"}\n{\"n\":2,\"s\":\"b\"}\n".to_vec()),
        ("crlf.ndjson", b"{\"n\":1,\"s\":\"a\"}\r\n\r\n{\"n\":2,\"s\":\"b\"}\r\n".to_vec()),
        ("cr-only.ndjson", b"{\"n\":1,\"s\":\"a\"}\r{\"n\":2,\"s\":\"b\"}\r{\"n\":3,\"s\":\"c\"}\r".to_vec()),
        ("no-last-newline.ndjson", b"{\"n\":1,\"s\":\"a\"}\n{\"n\":2,\"s\":\"no line end\"}".to_vec()),
        ("blank-lines.ndjson", b"\n\n  \n{\"n\":1,\"s\":\"a\"}\n\t\n{\"n\":2,\"s\":\"b\"}\n\n".to_vec()),
        ("empty.ndjson", Vec::new()),
        (
            "nul.ndjson",
            b"{\"n\":1,\"s\":\"a\"}\n{\"n\":2,\"s\":\"an escaped \\u0000\"}\n{\"n\":3,\"s\":\"a raw \x00\"}\n".to_vec(),
        ),
        // What a power loss can leave: the length of the file was on disk, its bytes were not.
        ("nul-tail.ndjson", [b"{\"n\":1,\"s\":\"a\"}\n{\"n\":2,\"s\":\"b".as_slice(), &[0; 4_096]].concat()),
        (
            "invalid-utf8.ndjson",
            b"{\"n\":1,\"s\":\"a\"}\n{\"n\":2,\"s\":\"caf\xe9\"}\n{\"n\":3,\"s\":\"\xf0\x9f\"}\n{\"n\":4,\"s\":\"d\"}\n".to_vec(),
        ),
        ("lone-surrogate.ndjson", b"{\"n\":1,\"s\":\"\\ud83d\\ude00\"}\n{\"n\":2,\"s\":\"\\ud83d\"}\n".to_vec()),
        ("long-line.ndjson", [b"{\"n\":1,\"s\":\"a\"}\n", long.as_bytes(), b"{\"n\":3,\"s\":\"c\"}\n"].concat()),
        ("deep.ndjson", [b"{\"n\":1,\"s\":\"a\"}\n", deep.as_bytes(), b"{\"n\":3,\"s\":\"c\"}\n"].concat()),
        (
            "not-objects.ndjson",
            b"[1,2]\n\"text\"\n12\nnull\n{\"n\":1,\"s\":\"a\"}{\"n\":2,\"s\":\"b\"}\n{\"n\":3,\"s\":\"c\"\n{\"n\":4,\"s\":\"d\"}\n".to_vec(),
        ),
        (
            "keys.ndjson",
            b"{\"n\":1,\"n\":2,\"s\":\"the last of two\"}\n{\"\\u006e\":3,\"s\":\"an escaped key\"}\n{\"N\":4,\"s\":\"another key\"}\n".to_vec(),
        ),
        (
            "numbers.ndjson",
            b"{\"n\":9223372036854775807,\"s\":\"the greatest\"}\n{\"n\":9223372036854775808,\"s\":\"one more\"}\n\
              {\"n\":1e3,\"s\":\"a whole float\"}\n{\"n\":1.5,\"s\":\"a fraction\"}\n{\"n\":01,\"s\":\"a leading zero\"}\n\
              {\"n\":NaN,\"s\":\"no number\"}\n{\"n\":-0,\"s\":\"minus zero\"}\n"
                .to_vec(),
        ),
        (
            "utf16.ndjson",
            "\u{feff}{\"n\":1,\"s\":\"a\"}\r\n{\"n\":2,\"s\":\"b\"}\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect(),
        ),
    ]
}

#[allow(dead_code, reason = "as a module, only `files` is used")]
fn main() -> std::io::Result<()> {
    let Some(directory) = std::env::args_os().nth(1) else {
        eprintln!("usage: hostile DIRECTORY");
        std::process::exit(2);
    };
    for (name, bytes) in files() {
        std::fs::write(std::path::Path::new(&directory).join(name), bytes)?;
    }
    Ok(())
}
