//! Statements and commands for people: what to type after a load.

use super::destination::Destination;
use super::key::SOURCE_ID;
use super::word::quoted;
use crate::schema::Schema;

/// How many columns fit on a line.
const COLUMNS_SHOWN: usize = 4;

/// The command that shows the first rows.
pub fn first_rows(destination: &dyn Destination, schema: &Schema) -> String {
    let columns = schema.fields.iter().filter(|field| field.kind.is_scalar());
    let columns: Vec<String> = columns.take(COLUMNS_SHOWN).map(|field| quoted(&field.name)).collect();
    let columns = if columns.is_empty() { "*".to_owned() } else { columns.join(", ") };
    destination.shell(&format!("select {columns} from {} limit 5", destination.table()))
}

/// The statement that deletes the rows of some sources, if rows name their source.
pub fn delete_rows(destination: &dyn Destination, sources: &[i32]) -> String {
    let ids: Vec<String> = sources.iter().map(ToString::to_string).collect();
    format!("delete from {} where {SOURCE_ID} in ({})", destination.table(), ids.join(", "))
}

/// The same if rows do not name their source; the reader has to add the condition.
pub fn delete_some(destination: &dyn Destination) -> String {
    format!("delete from {} where …", destination.table())
}

/// A word, quoted for a shell.
pub fn shell_word(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./:@%+=,".contains(&byte);
    match word.bytes().all(is_plain) && !word.is_empty() {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_can_be_typed() {
        assert_eq!([quoted("level"), quoted("user"), quoted("a b")], ["level", "\"user\"", "\"a b\""]);
        assert_eq!([shell_word("logmill.db"), shell_word("it's")], ["logmill.db", "'it'\\''s'"]);
    }
}
