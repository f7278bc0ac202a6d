//! An SQLite file for one measurement, and a loop of prepared statements as the lower bound of a load.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use nix::sys::statfs::{self, statfs};
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use super::destination::path;
use super::{Trouble, open_existing, set_up};
use crate::error::Result;
use crate::sink::TableName;
use crate::sink::key::quote;
use crate::sink::scratch::{Ready, Scratch};

/// Distinguishes files within this process.
static FILES: AtomicU32 = AtomicU32::new(0);

/// A database of its own, whose file is removed with it.
struct SqliteScratch {
    path: PathBuf,
    address: String,
    product: String,
    server: BTreeMap<String, String>,
}

/// Creates a place beside the file that is named, or in `folder` if none is.
pub(in crate::sink) fn scratch(text: Option<&str>, folder: &Path) -> Result<Box<dyn Scratch>> {
    let named = text.and_then(path).map(Path::new).and_then(Path::parent);
    let folder = match named.map(|parent| if parent == Path::new("") { Path::new(".") } else { parent }) {
        Some(parent) => std::path::absolute(parent).unwrap_or_else(|_| parent.to_owned()),
        None => folder.to_owned(),
    };
    let number = FILES.fetch_add(1, Ordering::Relaxed);
    // A process in another container can have the same number, and share the folder.
    let name = format!("logmill-bench-{}-{number}-{:08x}.db", std::process::id(), fastrand::u32(..));
    let path = folder.join(name);
    let address = format!("sqlite:{}", path.display());
    let server = BTreeMap::from([("filesystem".to_owned(), filesystem(&folder))]);
    let product = format!("SQLite {}", rusqlite::version());
    Ok(Box::new(SqliteScratch { path, address, product, server }))
}

/// The type of a folder's filesystem: a commit to one in memory costs nothing.
fn filesystem(folder: &Path) -> String {
    let Ok(system) = statfs(folder) else { return "unknown".to_owned() };
    let known = [
        (statfs::TMPFS_MAGIC, "tmpfs"),
        (statfs::EXT4_SUPER_MAGIC, "ext4"),
        (statfs::XFS_SUPER_MAGIC, "xfs"),
        (statfs::BTRFS_SUPER_MAGIC, "btrfs"),
        (statfs::OVERLAYFS_SUPER_MAGIC, "overlay"),
    ];
    let found = known.iter().find(|(kind, _)| *kind == system.filesystem_type());
    found.map_or_else(|| format!("{:#x}", system.filesystem_type().0), |(_, name)| (*name).to_owned())
}

impl Scratch for SqliteScratch {
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
        let count = || {
            let sql = format!("SELECT count(*) FROM {}", table.quoted());
            let rows: i64 = open_existing(&self.path)?.query_row(&sql, [], |row| row.get(0))?;
            Ok(u64::try_from(rows).unwrap_or_default())
        };
        count().map_err(|trouble: Trouble| trouble.into_error(&self.path))
    }

    fn copy_ready(&mut self, table: &TableName, piece_rows: usize) -> Result<Ready> {
        let copy = self.path.with_extension("ready.db");
        let copied = copy_ready(&self.path, &copy, table, piece_rows);
        remove(&copy);
        copied.map_err(|trouble| trouble.into_error(&self.path))
    }
}

impl Drop for SqliteScratch {
    fn drop(&mut self) {
        remove(&self.path);
    }
}

/// Removes a database, with the files that SQLite and the locks of sources keep beside it.
fn remove(path: &Path) {
    for end in ["", "-wal", "-shm", "-journal", "-lock"] {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        let _ = std::fs::remove_file(name);
    }
}

fn copy_ready(from: &Path, to: &Path, table: &TableName, piece_rows: usize) -> Result<Ready, Trouble> {
    let from = open_existing(from)?;
    remove(to);
    let to = Connection::open(to)?;
    set_up(&from)?;
    set_up(&to)?;
    let mut made =
        from.prepare("SELECT sql FROM sqlite_schema WHERE tbl_name = ?1 AND sql IS NOT NULL ORDER BY rowid")?;
    let made: Vec<String> = made.query_map([&table.name], |row| row.get(0))?.collect::<Result<_, _>>()?;
    for sql in made {
        to.execute_batch(&sql)?;
    }

    let mut select = from.prepare(&format!("SELECT * FROM {}", table.quoted()))?;
    let columns: Vec<String> = select.column_names().map(quote).collect();
    let marks = vec!["?"; columns.len()].join(", ");
    let sql = format!("INSERT INTO {} ({}) VALUES ({marks})", table.quoted(), columns.join(", "));
    let mut insert = to.prepare(&sql)?;
    let (mut ready, mut rows) = (Ready::default(), select.query([])?);
    let mut piece: Vec<Vec<Value>> = Vec::with_capacity(piece_rows);
    loop {
        let next = match rows.next()? {
            Some(row) => {
                let values = (0..columns.len()).map(|column| row.get(column));
                piece.push(values.collect::<Result<_, _>>()?);
                true
            }
            None => false,
        };
        if piece.len() == piece_rows || !next && !piece.is_empty() {
            let began = Instant::now();
            to.execute_batch("BEGIN IMMEDIATE")?;
            for row in &piece {
                insert.execute(params_from_iter(row))?;
            }
            to.execute_batch("COMMIT")?;
            ready.time += began.elapsed();
            ready.rows += piece.len() as u64;
            piece.clear();
        }
        if !next {
            return Ok(ready);
        }
    }
}
