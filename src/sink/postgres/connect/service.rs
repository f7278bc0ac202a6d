//! Service files: named sets of parameters, written as `[name]` with `key=value` lines below.
//!
//! As in libpq, PGSERVICEFILE (or `servicefile`) names the user's file, by default `~/.pg_service.conf`; a
//! service that is not in it is looked up in `pg_service.conf` in PGSYSCONFDIR. libpq has that directory
//! compiled in; Debian's is used here. A service cannot refer to another, and LDAP lines are refused.

use std::path::{Path, PathBuf};

use super::parameter::{Origin, Parameters, Replace};
use crate::error::{Error, Result};

/// The directory of the system's service file, if the environment names none.
const SYSTEM_DIRECTORY: &str = "/etc/postgresql-common";

/// Adds the parameters of the service that `given` or the environment names, if any.
pub(super) fn apply(
    given: &mut Parameters,
    env: &dyn Fn(&str) -> Option<String>,
    home: Option<&Path>,
) -> Result<()> {
    let from_env = |name| env(name).filter(|value| !value.is_empty());
    let Some(service) = given.text("service").map(str::to_owned).or_else(|| from_env("PGSERVICE")) else {
        return Ok(());
    };
    let named = given.text("servicefile").map(str::to_owned).or_else(|| from_env("PGSERVICEFILE"));
    let mut files = Vec::new();
    match (&named, home) {
        // A named file must exist.
        (Some(file), _) => files.push(PathBuf::from(file)),
        (None, Some(home)) => files.extend(exists(home.join(".pg_service.conf"))),
        (None, None) => {}
    }
    let directory = from_env("PGSYSCONFDIR").unwrap_or_else(|| SYSTEM_DIRECTORY.to_owned());
    files.extend(exists(Path::new(&directory).join("pg_service.conf")));

    for file in &files {
        let text = std::fs::read_to_string(file)
            .map_err(|cause| Error::file("read the service file", file, cause))?;
        if read(&text, file, &service, given)? {
            return Ok(());
        }
    }
    let service = match given.shows("service") {
        true => format!("service {service:?}"),
        false => "the service".to_owned(),
    };
    let looked: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
    Err(Error::connection(match looked.as_slice() {
        [] => format!(
            "there is no service file for {service}; write ~/.pg_service.conf, or name one by PGSERVICEFILE"
        ),
        looked => format!("{service} is not in {}", looked.join(" or ")),
    }))
}

fn exists(file: PathBuf) -> Option<PathBuf> {
    file.exists().then_some(file)
}

/// Reads the first section called `service`. Returns whether there was one.
fn read(text: &str, file: &Path, service: &str, given: &mut Parameters) -> Result<bool> {
    let mut found = false;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        let wrong =
            |what: &str| Err(Error::connection(format!("{}, line {}: {what}", file.display(), index + 1)));
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(section) = line.strip_prefix('[') {
            if found {
                break;
            }
            found = section.strip_suffix(']') == Some(service);
            continue;
        }
        if !found {
            continue;
        }
        if line.starts_with("ldap") {
            return wrong("services cannot be looked up by LDAP here; write out the parameters");
        }
        match line.split_once('=') {
            None => return wrong("expected key=value"),
            Some(("service" | "servicefile", _)) => return wrong("a service cannot name another one"),
            Some((key, value)) => {
                let origin = Origin::Service { file: file.to_owned(), line: index + 1 };
                given.put(key, value.to_owned(), origin, Replace::Nothing)?;
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::super::gather::gather;
    use super::*;

    const FILE: &str = "\
# ours
[other]
host=elsewhere
nonsense

[app]
  host=db1,db2
port=6432
dbname = spaced
";

    fn given(text: &str, file: &str, env: &[(&str, &str)]) -> Result<Parameters> {
        let home = tempfile::tempdir().expect("a directory");
        std::fs::write(home.path().join(".pg_service.conf"), file).expect("written");
        let system = home.path().join("system");
        std::fs::create_dir(&system).expect("made");
        std::fs::write(system.join("pg_service.conf"), "[of the machine]\ndbname=shared\n").expect("written");
        let env = |name: &str| match name {
            "PGSYSCONFDIR" => system.to_str().map(str::to_owned),
            _ => env.iter().find(|(variable, _)| *variable == name).map(|(_, value)| (*value).to_owned()),
        };
        gather(text, true, &env, Some(home.path()))
    }

    #[test]
    fn a_service_stands_between_the_string_and_the_environment() {
        let file = FILE.replace("dbname = spaced", "user=svc");
        let given =
            given("service=app port=1", &file, &[("PGHOST", "env"), ("PGDATABASE", "env")]).expect("good");
        assert_eq!(given.text("host"), Some("db1,db2"));
        assert_eq!(given.text("port"), Some("1"));
        assert_eq!(given.text("user"), Some("svc"));
        assert_eq!(given.text("dbname"), Some("env"));
    }

    #[test]
    fn the_environment_can_name_the_service_and_the_file() {
        assert_eq!(
            given("", "[app]\nuser=a\n", &[("PGSERVICE", "app")]).expect("good").text("user"),
            Some("a")
        );
        let error = given("", "[app]\nuser=a\n", &[("PGSERVICE", "app"), ("PGSERVICEFILE", "/not/there")]);
        assert!(error.err().expect("no such file").to_string().contains("/not/there"));
    }

    #[test]
    fn a_service_is_looked_for_in_the_file_of_the_machine_too() {
        let given = given("service='of the machine'", FILE, &[]).expect("good");
        assert_eq!(given.text("dbname"), Some("shared"));
    }

    #[test]
    fn what_is_wrong_in_a_service_file_is_named_with_its_line() {
        for (file, expected) in [
            (FILE, r#"unknown key "dbname " in "#),
            ("[app]\nhots=x\n", r#"line 2; did you mean "host"?"#),
            ("[app]\nhost\n", "line 2: expected key=value"),
            ("[app]\nservice=app\n", "line 2: a service cannot name another one"),
            ("[app]\nldap://x\n", "line 2: services cannot be looked up by LDAP"),
            ("[apps]\nhost=x\n", "service \"app\" is not in "),
        ] {
            let message = given("service=app", file, &[]).err().expect("a complaint").to_string();
            assert!(message.contains(expected), "{message}");
        }
    }
}
