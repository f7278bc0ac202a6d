//! A database that is only read, perhaps by people who may not write to it.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use chrono::{DateTime, Utc};
use nix::unistd::{AccessFlags, access};
use rusqlite::{Connection, OpenFlags, Row};

use super::lock::SourceLocks;
use super::prepare::{beside, refuse_files_of_others};
use super::{BUSY_WAIT, Trouble};
use crate::error::Error;

/// A connection that writes nothing, and the locks of the sources.
pub(super) struct Look {
    // Declared before the locks, because these must be dropped after it.
    pub(super) connection: Connection,
    pub(super) locks: SourceLocks,
    /// Whether a load could write to it.
    pub(super) is_writable: bool,
}

impl Look {
    /// Opens an existing database.
    pub(super) fn open(path: &Path) -> Result<Look, Trouble> {
        let locks = SourceLocks::open_to_look(path);
        let locks = locks.map_err(|cause| Trouble::Ours(Error::file("open", path, cause)))?;
        let is_writable = is_writable(path);
        refuse_files_of_others(path)?;
        let connection = connect(path, is_writable)?;
        connection.busy_timeout(BUSY_WAIT)?;
        connection.pragma_update(None, "query_only", true)?;
        Ok(Look { connection, locks, is_writable })
    }
}

/// Reading a WAL may require its index to be created, so this opens for writing if it may.
fn connect(path: &Path, is_writable: bool) -> rusqlite::Result<Connection> {
    if is_writable {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        return Connection::open_with_flags(path, flags);
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let wal = fs::metadata(beside(path, "-wal"));
    if wal.is_ok_and(|wal| wal.len() > 0) {
        // Another process is using it, and its index can be read.
        return Connection::open_with_flags(path, flags);
    }
    // No process is using it, so it does not change: without that flag SQLite wants to create a WAL.
    Connection::open_with_flags(immutable(path), flags | OpenFlags::SQLITE_OPEN_URI)
}

/// Whether a WAL and its index can be created for this database. Permissions do not bind root, but a file
/// without any write permission is meant to stay as it is.
fn is_writable(path: &Path) -> bool {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::metadata(path).is_ok_and(|file| !file.permissions().readonly())
        && [path, folder].iter().all(|path| access(*path, AccessFlags::W_OK).is_ok())
}

/// A timestamp as logmill writes it. One that another program wrote differently is shown as the epoch.
pub(super) fn time(row: &Row<'_>, index: usize) -> rusqlite::Result<DateTime<Utc>> {
    Ok(moment(&row.get::<_, String>(index)?))
}

pub(super) fn moment(text: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(text).map(|time| time.to_utc()).unwrap_or_default()
}

/// The URI of a file that does not change.
fn immutable(path: &Path) -> String {
    let mut uri = String::from("file:");
    for &byte in path.as_os_str().as_bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' | b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => uri.push(char::from(byte)),
            _ => {
                let _ = write!(uri, "%{byte:02X}");
            }
        }
    }
    uri + "?immutable=1"
}
