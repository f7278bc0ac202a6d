//! A PostgreSQL database for one measurement, and COPY of finished rows as the lower bound of a load.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, BufReader, Read, Write as _};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use postgres::Client;

use super::connect::{Limits, NotConnected, Server};
use super::destination::is_connection_string;
use super::trouble::describe;
use crate::error::{Error, ErrorKind, Result};
use crate::sink::TableName;
use crate::sink::scratch::{Ready, Scratch};

/// Distinguishes databases within this process.
static DATABASES: AtomicU32 = AtomicU32::new(0);

const APPLICATION_NAME: &str = "logmill bench";

/// How much is sent at a time, the same as in a load.
const WRITE_BYTES: usize = 64 << 10;

/// The bytes that a binary COPY begins and ends with.
const HEADER_BYTES: usize = 19;
const TRAILER: [u8; 2] = (-1_i16).to_be_bytes();

/// A database of its own, on the given server.
struct PostgresScratch {
    /// A connection to the database that was named, on the same server.
    admin: Client,
    name: String,
    address: String,
    product: String,
    server: BTreeMap<String, String>,
}

/// Creates a database on the server that was named.
pub(in crate::sink) fn scratch(text: &str) -> Result<Box<dyn Scratch>> {
    let mut admin = connect(text)?;
    let server = facts(&mut admin, text)?;
    let row = admin.query_one("SHOW server_version", &[]).map_err(failed("asking for the version"))?;
    let version: String = row.get(0);
    let number = DATABASES.fetch_add(1, Ordering::Relaxed);
    // A process on another machine can have the same number.
    let name = format!("logmill_bench_{}_{number}_{:08x}", std::process::id(), fastrand::u32(..));
    admin.batch_execute(&format!("CREATE DATABASE {name}")).map_err(|error| {
        Error::usage(format!(
            "cannot make a database for the measurement: {}; give a role that may (CREATEDB), for nothing is measured in \
             a database that is in use",
            describe(&error)
        ))
    })?;
    let version = version.split(' ').next().unwrap_or_default();
    let address = address(text, &name);
    Ok(Box::new(PostgresScratch { admin, name, address, product: format!("PostgreSQL {version}"), server }))
}

/// The settings that determine how fast a server commits, besides its version and its machine.
const SETTINGS: [&str; 18] = [
    "archive_mode",
    "block_size",
    "checkpoint_timeout",
    "commit_delay",
    "data_checksums",
    "debug_assertions",
    "fsync",
    "full_page_writes",
    "huge_pages",
    "max_wal_size",
    "shared_buffers",
    "synchronous_commit",
    "synchronous_standby_names",
    "wal_buffers",
    "wal_compression",
    "wal_level",
    "wal_segment_size",
    "wal_sync_method",
];

/// What distinguishes servers that load at different speeds. Neither the port nor the identity is included: a
/// server created for each measurement counts as the same.
fn facts(admin: &mut Client, text: &str) -> Result<BTreeMap<String, String>> {
    let sql = "SELECT name, current_setting(name) FROM pg_settings WHERE name = ANY($1)";
    let rows = admin.query(sql, &[&&SETTINGS[..]]).map_err(failed("asking for the settings"))?;
    let mut facts: BTreeMap<String, String> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    facts.insert("host".to_owned(), server(text)?.names());
    Ok(facts)
}

/// The text that names another database of the same server. In both forms the last value wins.
fn address(text: &str, database: &str) -> String {
    match (is_connection_string(text), text.contains('?')) {
        (true, _) => format!("{text} dbname={database}"),
        (false, true) => format!("{text}&dbname={database}"),
        (false, false) => format!("{text}?dbname={database}"),
    }
}

fn connect(text: &str) -> Result<Client> {
    let unreachable =
        |error: NotConnected| Error::from(ErrorKind::Unreachable { what: error.to_string(), waited: None });
    server(text)?.connect(APPLICATION_NAME).map_err(unreachable)
}

fn server(text: &str) -> Result<Server> {
    Server::new(text, true, &|name| std::env::var(name).ok(), Limits::default())
}

fn failed(doing: &'static str) -> impl Fn(postgres::Error) -> Error {
    move |error| {
        let sqlstate = error.code().map(|code| code.code().to_owned());
        ErrorKind::Server { doing: doing.to_owned(), sqlstate, message: describe(&error) }.into()
    }
}

fn failed_io(doing: &'static str) -> impl Fn(io::Error) -> Error {
    move |error| {
        ErrorKind::Server { doing: doing.to_owned(), sqlstate: None, message: error.to_string() }.into()
    }
}

impl Scratch for PostgresScratch {
    fn address(&self) -> &str {
        &self.address
    }

    fn product(&self) -> &str {
        &self.product
    }

    fn server(&self) -> &BTreeMap<String, String> {
        &self.server
    }

    fn rows(&mut self, table: &TableName) -> Result<u64> {
        let sql = format!("SELECT count(*) FROM {}", table.quoted());
        let row = connect(&self.address)?.query_one(&sql, &[]).map_err(failed("counting the rows"))?;
        Ok(u64::try_from(row.get::<_, i64>(0)).unwrap_or_default())
    }

    fn copy_ready(&mut self, table: &TableName, piece_rows: usize) -> Result<Ready> {
        let doing = "copying rows that are ready";
        let (mut from, mut to) = (connect(&self.address)?, connect(&self.address)?);
        let (table, copy) = (table.quoted(), "logmill_bench_ready");
        to.batch_execute(&format!(
            "DROP TABLE IF EXISTS {copy}; CREATE TABLE {copy} (LIKE {table} INCLUDING ALL)"
        ))
        .map_err(failed(doing))?;
        let mut columns = String::new();
        let sql = "SELECT quote_ident(attname) FROM pg_attribute WHERE attrelid = $1::text::regclass AND attnum > 0 \
                   AND NOT attisdropped AND attgenerated = '' ORDER BY attnum";
        for row in from.query(sql, &[&table]).map_err(failed(doing))? {
            let _ =
                write!(columns, "{}{}", if columns.is_empty() { "" } else { ", " }, row.get::<_, &str>(0));
        }
        let out = from.copy_out(&format!("COPY {table} ({columns}) TO STDOUT (FORMAT binary)"));
        let mut rows = BufReader::with_capacity(1 << 20, out.map_err(failed(doing))?);
        let mut header = [0; HEADER_BYTES];
        rows.read_exact(&mut header).map_err(failed_io(doing))?;

        let (mut ready, mut piece, mut goes_on) = (Ready::default(), Vec::new(), true);
        while goes_on {
            piece.clear();
            piece.extend_from_slice(&header);
            let mut count = 0;
            while goes_on && count < piece_rows {
                goes_on = take_row(&mut rows, &mut piece).map_err(failed_io(doing))?;
                count += usize::from(goes_on);
            }
            piece.extend_from_slice(&TRAILER);
            let began = Instant::now();
            let into = to.copy_in(&format!("COPY {copy} ({columns}) FROM STDIN (FORMAT binary)"));
            let mut into = into.map_err(failed(doing))?;
            for part in piece.chunks(WRITE_BYTES) {
                into.write_all(part).map_err(failed_io(doing))?;
            }
            into.finish().map_err(failed(doing))?;
            ready.time += began.elapsed();
            ready.rows += count as u64;
        }
        Ok(ready)
    }
}

/// Reads a row of a COPY unchanged; false at its end.
fn take_row(from: &mut impl Read, piece: &mut Vec<u8>) -> io::Result<bool> {
    let mut columns = [0; 2];
    from.read_exact(&mut columns)?;
    let Ok(count) = u16::try_from(i16::from_be_bytes(columns)) else { return Ok(false) };
    piece.extend_from_slice(&columns);
    for _ in 0..count {
        let mut length = [0; 4];
        from.read_exact(&mut length)?;
        piece.extend_from_slice(&length);
        // A null has the length -1, and no bytes.
        let length = u64::try_from(i32::from_be_bytes(length)).unwrap_or_default();
        if from.by_ref().take(length).read_to_end(piece)? as u64 != length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(true)
}

impl Drop for PostgresScratch {
    fn drop(&mut self) {
        // The server waits for ending sessions, five seconds at most.
        let _ = self.admin.batch_execute(&format!("DROP DATABASE IF EXISTS {}", self.name));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_database_is_named_in_every_form() {
        for (text, expected) in [
            ("postgres://ada@h/app", "postgres://ada@h/app?dbname=b"),
            ("postgresql:///app?host=/run", "postgresql:///app?host=/run&dbname=b"),
            ("host=h dbname=app", "host=h dbname=app dbname=b"),
        ] {
            assert_eq!(address(text, "b"), expected);
        }
    }

    #[test]
    fn a_row_is_taken_as_it_is_and_the_end_is_seen() {
        let row = [&[0, 2][..], &[0, 0, 0, 3], b"abc", &[0xff; 4]].concat();
        let bytes = [&row[..], &TRAILER].concat();
        let (mut from, mut piece) = (&bytes[..], Vec::new());
        assert!(take_row(&mut from, &mut piece).expect("a row"));
        assert_eq!(piece, row);
        assert!(!take_row(&mut from, &mut piece).expect("the end"));
        assert!(take_row(&mut &row[..5], &mut piece).is_err());
    }
}
