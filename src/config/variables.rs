//! Environment variables in the texts of a job file: `${NAME}` is one, `$$` is a dollar, and any other dollar
//! stands for itself.

use std::env::VarError;

use super::quote::quoted;

/// The source of environment variables; tests have their own.
pub(super) type Environment<'e> = &'e dyn Fn(&str) -> Result<String, VarError>;

/// Why a text cannot be expanded.
pub(super) struct Fault {
    pub(super) message: String,
    /// The faulty piece of the text, up to its closing brace.
    pub(super) piece: String,
}

/// Expands the variables of a text. If there are faults, the result is incomplete.
pub(super) fn expand(written: &str, environment: Environment<'_>) -> (String, Vec<Fault>) {
    let (mut text, mut faults) = (String::with_capacity(written.len()), Vec::new());
    let mut rest = written;
    while let Some(dollar) = rest.find('$') {
        text.push_str(&rest[..dollar]);
        rest = &rest[dollar + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            text.push('$');
            rest = after;
        } else if let Some(after) = rest.strip_prefix('{') {
            let name = after.split('}').next().expect("a split gives one piece at least");
            match variable(name, after.len() > name.len(), environment) {
                Ok(value) => text.push_str(&value),
                Err(message) => faults.push(Fault { message, piece: format!("${{{name}") }),
            }
            rest = after.get(name.len() + 1..).unwrap_or_default();
        } else {
            text.push('$');
        }
    }
    text.push_str(rest);
    (text, faults)
}

fn variable(name: &str, is_closed: bool, environment: Environment<'_>) -> Result<String, String> {
    if !is_closed {
        return Err("'${' without a '}'; write '$$' for a dollar".to_owned());
    }
    let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && !name.starts_with(|ch: char| ch.is_ascii_digit())
        && !name.is_empty();
    if !is_name {
        return Err(format!(
            "{} is not the name of an environment variable; write '$$' for a dollar",
            quoted(name)
        ));
    }
    match environment(name) {
        Ok(value) => Ok(value),
        Err(VarError::NotPresent) => Err(format!("the environment variable '{name}' is not set")),
        Err(VarError::NotUnicode(_)) => Err(format!("the environment variable '{name}' is not UTF-8")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{assert_wrong, complaint, config, findings, small_with};

    #[test]
    fn variables_are_put_in() {
        let url = |text: &str| {
            let config = config(&small_with("destination", &format!("url = {text}")));
            config.destination.url.reveal().to_owned()
        };
        assert_eq!(
            url(r#""postgres://ada:${SECRET}@${HOST}/db""#),
            "postgres://ada:geheim@db.example.org/db"
        );
        assert_eq!(url(r#""postgres://$$a:$${SECRET}$$$$/$x$""#), "postgres://$a:${SECRET}$$/$x$");
        assert_eq!(url("'sqlite:${HOST}'"), "sqlite:db.example.org");
    }

    #[test]
    fn a_variable_that_is_not_there_is_named_at_its_place() {
        assert_eq!(
            complaint(&small_with("destination", "url = \"postgres://ada:${DB_PASSWORD}@${HOST}/db\"")),
            "the environment variable 'DB_PASSWORD' is not set\n --> jobs/app.toml:7:23\n  |\n\
             7 | url = \"postgres://ada:${DB_PASSWORD}@${HOST}/db\"\n  |                       ^^^^^^^^^^^^^^"
        );
        for (text, message, marked) in [
            ("${ODD}", "the environment variable 'ODD' is not UTF-8", "${ODD}"),
            ("${}", "'' is not the name of an environment variable; write '$$' for a dollar", "${}"),
            ("a${1X}b", "'1X' is not the name of an environment variable; write '$$' for a dollar", "${1X}"),
            ("${A-B}", "'A-B' is not the name of an environment variable; write '$$' for a dollar", "${A-B}"),
        ] {
            assert_wrong("source", &format!("files = [\"{text}\"]"), message, marked);
        }
        assert_wrong("source", "files = [\"x${A\"]", "'${' without a '}'; write '$$' for a dollar", "${A\"");
        // Two in one text are two things to fix.
        assert_eq!(findings(&small_with("source", "files = [\"${A}${B}\", \"${C}\"]")).len(), 3);
    }
}
