//! The password file: lines of `host:port:database:user:password`, of which the first match counts.
//!
//! `*` matches anything, `\:` and `\\` stand for themselves. A socket is looked up by its directory as given;
//! one in a default directory as `localhost`. A file that others can read is refused once one of its lines
//! would be used. libpq only warns and continues without a password, but then the resulting failure hides the
//! cause.

use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use crate::error::{Error, Result};

/// What a line of the file is compared with.
pub(super) struct Login<'a> {
    pub(super) host: &'a str,
    pub(super) port: u16,
    pub(super) database: &'a str,
    pub(super) user: &'a str,
}

/// The password file, read once for all hosts.
pub(super) struct Passfile<'a> {
    path: &'a Path,
    text: Vec<u8>,
    open_to_others: bool,
}

impl<'a> Passfile<'a> {
    /// Reads the file. A missing file, or one that is not a plain file, has no passwords.
    pub(super) fn read(path: &'a Path) -> Result<Option<Passfile<'a>>> {
        if !path.is_file() {
            return Ok(None);
        }
        let failed = |cause| Error::file("read the password file", path, cause);
        let mut file = std::fs::File::open(path).map_err(failed)?;
        // Checks the open file, not its name.
        let open_to_others = file.metadata().map_err(failed)?.mode() & 0o077 != 0;
        let mut text = Vec::new();
        file.read_to_end(&mut text).map_err(failed)?;
        Ok(Some(Passfile { path, text, open_to_others }))
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        self.path
    }

    /// The password of the first matching line.
    pub(super) fn find(&self, login: &Login<'_>) -> Result<Option<Vec<u8>>> {
        let password = self.text.split(|&byte| byte == b'\n').find_map(|line| password(line, login));
        if password.is_some() && self.open_to_others {
            return Err(Error::connection(format!(
                "the password file {0} can be read by others; run chmod 600 {0}",
                self.path.display()
            )));
        }
        Ok(password)
    }
}

fn password(line: &[u8], login: &Login<'_>) -> Option<Vec<u8>> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.starts_with(b"#") {
        return None;
    }
    let port = login.port.to_string();
    let mut rest = line;
    for expected in [login.host, &port, login.database, login.user] {
        let (field, after) = field(rest);
        // An escaped star is a literal star.
        if field != expected.as_bytes() && !rest.starts_with(b"*:") {
            return None;
        }
        rest = after?;
    }
    Some(field(rest).0)
}

/// The text up to the next colon, unescaped, and what follows the colon.
fn field(text: &[u8]) -> (Vec<u8>, Option<&[u8]>) {
    let mut field = Vec::new();
    let mut bytes = text.iter().enumerate();
    while let Some((at, &byte)) = bytes.next() {
        match byte {
            b':' => return (field, Some(&text[at + 1..])),
            b'\\' => field.push(bytes.next().map_or(b'\\', |(_, &escaped)| escaped)),
            _ => field.push(byte),
        }
    }
    (field, None)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const WANTED: Login<'_> = Login { host: "db", port: 5432, database: "app", user: "me" };

    #[test]
    fn the_first_line_that_fits_gives_the_password() {
        for (file, expected) in [
            ("db:5432:app:me:pw", Some("pw")),
            ("# a comment\n\ndb:5432:app:me:pw\r\n", Some("pw")),
            ("*:*:*:*:pw", Some("pw")),
            ("db:*:app:*:one\ndb:*:app:*:two", Some("one")),
            ("other:5432:app:me:one\n*:5432:app:me:two", Some("two")),
            ("db:5432:app:me:", Some("")),
            (r"db:5432:app:me:a\:b\\c\d", Some(r"a:b\cd")),
            ("db:5432:app:me:pw:rest", Some("pw")),
            (r"\d\b:5432:app:me:pw", Some("pw")),
            (r"\*:5432:app:me:pw", None),
            ("db:5433:app:me:pw", None),
            ("db:5432:app:you:pw", None),
            ("d:5432:app:me:pw", None),
            ("dbx:5432:app:me:pw", None),
            ("db:5432:app:me", None),
            ("db:5432:app", None),
            ("", None),
        ] {
            let found = file.split('\n').find_map(|line| password(line.as_bytes(), &WANTED));
            assert_eq!(found.as_deref(), expected.map(str::as_bytes), "{file:?}");
        }
    }

    #[test]
    fn a_file_that_others_can_read_is_refused_when_it_would_be_used() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("pgpass");
        std::fs::write(&path, "db:*:*:*:s3cr3t\n").expect("written");
        for (mode, refused) in [(0o600, false), (0o400, false), (0o640, true), (0o604, true), (0o666, true)] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("set");
            let file = Passfile::read(&path).expect("read").expect("there");
            let found = file.find(&WANTED);
            assert_eq!(found.is_err(), refused, "{mode:o}");
            if let Err(error) = found {
                let message = error.to_string();
                assert!(message.contains("chmod 600") && !message.contains("s3cr3t"), "{message}");
            }
            // A file without a line for this host is not checked.
            assert_eq!(file.find(&Login { host: "other", ..WANTED }).expect("not used"), None);
        }
        assert!(Passfile::read(&directory.path().join("absent")).expect("no complaint").is_none());
        assert!(Passfile::read(directory.path()).expect("no complaint").is_none());
    }
}
