//! URLs of buckets: which store, which bucket, where in it, and what else is to be known to reach it.

use std::fmt;
use std::path::PathBuf;

use crate::error::{Error, Result};

/// A URL, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) scheme: Scheme,
    /// The bucket, or container. Empty for a folder.
    pub(super) bucket: String,
    /// What all keys begin with, without a slash at its ends.
    pub(super) prefix: String,
    /// The folder, if it is one.
    pub(super) path: PathBuf,
    /// Settings, by their names.
    pub(super) settings: Vec<(String, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    S3,
    Gcs,
    Azure,
    File,
}

impl Scheme {
    const ALL: [Scheme; 4] = [Scheme::S3, Scheme::Gcs, Scheme::Azure, Scheme::File];

    fn text(self) -> &'static str {
        match self {
            Scheme::S3 => "s3://",
            Scheme::Gcs => "gs://",
            Scheme::Azure => "az://",
            Scheme::File => "file://",
        }
    }

    /// Which settings a URL can have.
    fn settings(self) -> &'static [&'static str] {
        match self {
            Scheme::S3 => &["endpoint", "region", "allow_http", "path_style", "anonymous"],
            Scheme::Gcs => &["endpoint", "allow_http", "anonymous"],
            Scheme::Azure => &["account", "endpoint", "allow_http", "anonymous"],
            Scheme::File => &[],
        }
    }
}

/// Whether a text names a bucket. A `file:` without three slashes is a name of SQLite's, or none.
pub(super) fn is_named(text: &str) -> bool {
    Scheme::ALL.iter().any(|scheme| text.starts_with(scheme.text()))
}

impl Address {
    pub(super) fn parse(url: &str) -> Result<Address> {
        let Some((scheme, rest)) =
            Scheme::ALL.iter().find_map(|scheme| url.strip_prefix(scheme.text()).map(|rest| (*scheme, rest)))
        else {
            return Err(Error::connection(
                "the URL of a bucket begins with s3://, gs:// or az://, and that of a folder with file:///",
            ));
        };
        let (rest, query) = match scheme {
            Scheme::File => (rest, None),
            _ => apart(rest),
        };
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        let shown = format!("{}{rest}", scheme.text());
        if bucket.contains('@') {
            return Err(Error::connection(format!(
                "a URL of {} has no credentials; they come from the environment",
                scheme.text()
            )));
        }
        match (scheme, bucket.is_empty()) {
            (Scheme::File, false) => {
                return Err(Error::connection(format!(
                    "{shown}: a folder is written as file:///FOLDER, with an absolute path"
                )));
            }
            (Scheme::S3 | Scheme::Gcs | Scheme::Azure, true) => {
                return Err(Error::connection(format!("{shown}: it names no bucket")));
            }
            _ => {}
        }
        let prefix = key.trim_end_matches('/');
        if prefix.split('/').any(|part| matches!(part, "." | "..") || part.is_empty() && !prefix.is_empty()) {
            return Err(Error::connection(format!("{shown}: no part of the path may be empty, . or ..")));
        }
        Ok(Address {
            scheme,
            bucket: bucket.to_owned(),
            prefix: if scheme == Scheme::File { String::new() } else { prefix.to_owned() },
            path: if scheme == Scheme::File { PathBuf::from(format!("/{prefix}")) } else { PathBuf::new() },
            settings: settings(scheme, query.unwrap_or_default(), &shown)?,
        })
    }

    /// The setting of a name.
    #[cfg(feature = "buckets")]
    pub(super) fn setting(&self, name: &str) -> Option<&str> {
        self.settings.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A key as the store knows it.
    pub(super) fn full(&self, key: &str) -> String {
        match self.prefix.is_empty() {
            true => key.to_owned(),
            false => format!("{}/{key}", self.prefix),
        }
    }

    /// Takes off what all keys begin with. False if this one does not.
    pub(super) fn shorten(&self, key: &mut String) -> bool {
        if self.prefix.is_empty() {
            return true;
        }
        let own = key.strip_prefix(&self.prefix).and_then(|key| key.strip_prefix('/')).map(str::len);
        own.map(|own| key.drain(..key.len() - own)).is_some()
    }

    pub(super) fn url_of(&self, key: &str) -> String {
        format!("{self}/{key}")
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Address { scheme, bucket, prefix, path, .. } = self;
        match scheme {
            Scheme::File if path.as_os_str() == "/" => f.write_str("file://"),
            Scheme::File => write!(f, "file://{}", path.display()),
            _ if prefix.is_empty() => write!(f, "{}{bucket}", scheme.text()),
            _ => write!(f, "{}{bucket}/{prefix}", scheme.text()),
        }
    }
}

/// Cuts settings off. A question mark with no setting behind it belongs to a key, or is a wildcard.
pub(super) fn apart(text: &str) -> (&str, Option<&str>) {
    let is_setting = |query: &str| {
        query.split_once('=').is_some_and(|(name, _)| {
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        })
    };
    match text.rsplit_once('?') {
        Some((rest, query)) if is_setting(query) => (rest, Some(query)),
        _ => (text, None),
    }
}

fn settings(scheme: Scheme, query: &str, shown: &str) -> Result<Vec<(String, String)>> {
    let known = scheme.settings();
    let mut settings = Vec::new();
    for part in query.split('&').filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let why = match name {
            _ if !known.contains(&name) => "cannot be set",
            "allow_http" | "path_style" | "anonymous" if !matches!(value, "true" | "false") => {
                "is true or false"
            }
            _ if value.is_empty() => "has no value",
            _ => {
                settings.push((name.to_owned(), value.to_owned()));
                continue;
            }
        };
        return Err(Error::connection(format!(
            "{shown}: {name:?} {why} there; a URL of {} takes {}, and credentials come from the environment",
            scheme.text(),
            known.join(", ")
        )));
    }
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart() {
        let address =
            Address::parse("s3://logs/2023/a?.gz?endpoint=http://h:1&allow_http=true").expect("it is there");
        assert_eq!((address.bucket.as_str(), address.prefix.as_str()), ("logs", "2023/a?.gz"));
        assert_eq!(address.settings[0], ("endpoint".to_owned(), "http://h:1".to_owned()));
        assert_eq!(address.to_string(), "s3://logs/2023/a?.gz");
        assert_eq!(address.full("k"), "2023/a?.gz/k");
        let address = Address::parse("file:///var/log/").expect("it is there");
        assert_eq!(
            (address.path.to_str(), address.to_string()),
            (Some("/var/log"), "file:///var/log".to_owned())
        );
        let address = Address::parse("gs://logs").expect("it is there");
        assert_eq!((address.full("k").as_str(), address.to_string().as_str()), ("k", "gs://logs"));
    }

    #[test]
    fn keys_lose_what_all_of_them_begin_with() {
        let address = Address::parse("s3://logs/a").expect("it is there");
        for (key, expected) in [("a/b/c", Some("b/c")), ("ab/c", None), ("a", None)] {
            let mut key = key.to_owned();
            assert_eq!(address.shorten(&mut key).then_some(key.as_str()), expected);
        }
    }

    #[test]
    fn what_names_no_bucket_is_refused_and_no_secret_is_shown() {
        for (url, word) in [
            ("s3:///key", "no bucket"),
            ("file://host/folder", "an absolute path"),
            ("s3://logs/../x", "may be empty"),
            ("s3://logs//x", "may be empty"),
            ("s3://key:hushhush@logs/x", "environment"),
            ("s3://logs/x?secret_access_key=hushhush", "environment"),
            ("s3://logs/x?allow_http=yes", "true or false"),
            ("az://logs/x?region=", "cannot be set"),
        ] {
            let error = Address::parse(url).expect_err(url).to_string();
            assert!(error.contains(word), "{error}");
            assert!(!error.contains("hushhush"), "{error}");
        }
    }
}
