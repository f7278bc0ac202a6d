//! The codes in a few words, for a summary: a code is for looking up, words are for reading.

/// What is wrong, in words that follow the name of a field.
pub(super) fn words(code: &str) -> Option<&'static str> {
    if code.starts_with("server_") {
        return Some("refused by the database");
    }
    Some(match code {
        "json_invalid" => "not valid JSON",
        "json_type" => "does not hold JSON",
        "model_type" => "not an object",
        "invalid_utf8" => "not UTF-8",
        "nul" => "contains NUL",
        "not_storable" => "does not fit its column",
        "record_too_long" => "longer than max_record",
        "missing" => "missing",
        "extra_forbidden" => "not in the schema",
        "string_type" => "not text",
        "string_too_short" => "too short",
        "string_too_long" => "too long",
        "string_pattern_mismatch" => "does not match its pattern",
        "int_type" | "int_parsing" => "not an integer",
        "int_parsing_size" => "an integer of absurd length",
        "int_from_float" => "has a fraction",
        "float_type" | "float_parsing" => "not a number",
        "finite_number" => "not finite",
        "bool_type" | "bool_parsing" => "neither true nor false",
        "datetime_type" | "datetime_parsing" | "datetime_from_date_parsing" => "not a timestamp",
        "datetime_object_invalid" => "a timestamp out of range",
        "timezone_aware" => "has no time zone",
        "timezone_naive" => "has a time zone",
        "date_type" | "date_parsing" | "date_from_datetime_parsing" => "not a date",
        "date_from_datetime_inexact" => "a date with a time",
        "time_type" | "time_parsing" => "not a time of day",
        "uuid_type" | "uuid_parsing" => "not a UUID",
        "uuid_version" => "a UUID of another version",
        "decimal_type" | "decimal_parsing" => "not a decimal number",
        "decimal_max_digits" => "too many digits",
        "decimal_max_places" => "too many decimal places",
        "decimal_whole_digits" => "too many digits before the point",
        "enum" | "literal_error" => "not one of the allowed values",
        "greater_than" | "greater_than_equal" => "too small",
        "less_than" | "less_than_equal" => "too large",
        "multiple_of" => "not a multiple",
        "list_type" => "not a list",
        "dict_type" => "not an object",
        "too_short" => "too few items",
        "too_long" => "too many items",
        "ip_any_address" => "not an IP address",
        "ip_v4_address" => "not an IPv4 address",
        "ip_v6_address" => "not an IPv6 address",
        "no_match" => "not of the format",
        "partial_line" => "a line in parts, one of them lost",
        "column_count" => "another number of columns",
        "more_reasons" => "more reasons",
        _ => return None,
    })
}

/// A reason as one text: the field, what is wrong with it, and the code.
pub fn reason(field: &str, code: &str) -> String {
    match (field, words(code)) {
        ("", None) => code.to_owned(),
        ("", Some(words)) => format!("{words} ({code})"),
        (field, None) => format!("{field}: {code}"),
        (field, Some(words)) if words == code => format!("{field}: {words}"),
        (field, Some(words)) => format!("{field}: {words} ({code})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reject::code;

    #[test]
    fn each_code_has_words() {
        for code in code::ALL {
            assert!(words(&code.to_string()).is_some(), "{code}");
        }
    }

    #[test]
    fn the_field_comes_first() {
        for (field, code, said) in [
            ("message", "nul", "message: contains NUL (nul)"),
            ("", "json_invalid", "not valid JSON (json_invalid)"),
            ("user", "missing", "user: missing"),
            ("t", "server_23503", "t: refused by the database (server_23503)"),
            ("a", "one_of_later", "a: one_of_later"),
        ] {
            assert_eq!(reason(field, code), said);
        }
    }
}
