//! Guesses what an unknown name was meant to be.

/// Names that other tools use for logmill's keys.
const ALIASES: &[(&str, &str)] = &[
    ("array", "list"),
    ("bigint", "int"),
    ("boolean", "bool"),
    ("datetime", "timestamp"),
    ("dict", "object"),
    ("double", "float"),
    ("inet", "ip"),
    ("integer", "int"),
    ("jsonb", "json"),
    ("number", "float"),
    ("numeric", "decimal"),
    ("str", "text"),
    ("string", "text"),
    ("struct", "object"),
    ("timestamptz", "timestamp"),
    ("varchar", "text"),
];

/// The one of `known` that `given` most likely meant, if any is close enough.
pub(super) fn nearest<'k>(given: &str, known: impl Iterator<Item = &'k str> + Clone) -> Option<&'k str> {
    let plain = |text: &str| text.to_lowercase().replace('-', "_");
    let given = plain(given);
    let ours = ALIASES.iter().find(|(alias, _)| *alias == given).map(|(_, ours)| *ours);
    if let Some(name) = ours.and_then(|ours| known.clone().find(|name| *name == ours)) {
        return Some(name);
    }
    let by_distance = known
        .clone()
        .map(|name| (distance(&given, &plain(name)), name))
        .filter(|(distance, name)| *distance <= given.chars().count().max(name.len()) / 3)
        .min_by_key(|(distance, _)| *distance);
    let by_start = || known.clone().find(|name| given.len() >= 3 && plain(name).starts_with(&given));
    by_distance.map(|(_, name)| name).or_else(by_start)
}

/// The number of characters to delete, insert, change or swap with their neighbour to turn one text into the
/// other.
fn distance(one: &str, other: &str) -> usize {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    // Three rows of the usual matrix, because a swap looks back two.
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in other.iter().enumerate() {
            let change = above[j] + usize::from(a != b);
            let mut least = change.min(above[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *a == other[j - 1] && one[i - 1] == *b {
                least = least.min(before[j - 1] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut above, row);
    }
    above[other.len()]
}

#[cfg(test)]
mod tests {
    use super::super::keys::tables;
    use super::*;

    #[test]
    fn distances_count_the_mistakes_of_a_typist() {
        for (one, other, expected) in [
            ("format", "format", 0),
            ("fromat", "format", 1),
            ("formt", "format", 1),
            ("forrmat", "format", 1),
            ("farmat", "format", 1),
            ("", "format", 6),
            ("ca", "abc", 3),
            ("größe", "grösse", 2),
        ] {
            assert_eq!(distance(one, other), expected, "{one} {other}");
            assert_eq!(distance(other, one), expected, "{other} {one}");
        }
    }

    #[test]
    fn the_nearest_key_is_what_was_meant() {
        for (table, given, expected) in [
            ("[source]", "fromat", Some("format")),
            ("[source]", "Files", Some("files")),
            ("[source]", "file", Some("files")),
            ("[source]", "time-zone", Some("timezone")),
            ("[source]", "max_record_size", Some("max_record")),
            ("[pipeline]", "batchrows", Some("batch_rows")),
            ("[pipeline]", "batch-rows", Some("batch_rows")),
            ("[record.fields.X]", "min_len", Some("min_length")),
            ("[record.fields.X]", "gte", Some("ge")),
            ("[record.fields.X]", "optional", None),
            ("[destination]", "password", None),
            ("[destination]", "", None),
        ] {
            let table = tables().into_iter().find(|known| known.called == table).expect("a table");
            assert_eq!(nearest(given, table.keys.iter().map(|key| key.name)), expected, "{given}");
        }
    }
}
