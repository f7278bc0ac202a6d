//! Booleans: `true` and `false`, and in lax mode the words and numbers for them.

use super::{At, Context};
use crate::format::Raw;
use crate::reject::code;

const TRUE: [&str; 6] = ["1", "t", "y", "on", "yes", "true"];
const FALSE: [&str; 6] = ["0", "f", "n", "no", "off", "false"];

pub(super) fn read<'a>(strict: bool, at: At<'a, '_>, context: &mut Context<'a, '_>) -> Option<bool> {
    let coerced = match at.item.raw() {
        Raw::Bool(value) => return Some(value),
        Raw::Text(text) if !strict || at.item.is_text() => {
            let is_one_of = |words: [&str; 6]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
            if is_one_of(TRUE) {
                Some(true)
            } else if is_one_of(FALSE) {
                Some(false)
            } else {
                None
            }
        }
        Raw::Int(number) if !strict => of_number(number),
        // A double that is an integer of 64 bits is checked, any other has the wrong type.
        Raw::Float(number) if !strict && number.fract() == 0.0 && number.abs() < 2_f64.powi(63) => {
            of_number(number as i64)
        }
        _ => return context.refuse(at, code::BOOL_TYPE, format_args!("not a boolean")),
    };
    match coerced {
        Some(value) => Some(value),
        None => context.refuse(at, code::BOOL_PARSING, format_args!("no word or number for true or false")),
    }
}

fn of_number(number: i64) -> Option<bool> {
    match number {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::probe::check;
    use super::super::super::{Field, Kind};

    #[test]
    fn words_and_numbers_are_truth_values_in_lax_mode() {
        check(
            &Field::new("f", Kind::Bool),
            &[
                ("true", "true"),
                ("0", "false"),
                ("1.0", "true"),
                ("-0.0", "false"),
                (r#""YES""#, "true"),
                (r#""oFf""#, "false"),
                (r#""t""#, "true"),
                ("2", "bool_parsing"),
                ("2.0", "bool_parsing"),
                (r#"" true""#, "bool_parsing"),
                (r#""""#, "bool_parsing"),
                (r#""1.0""#, "bool_parsing"),
                ("1.5", "bool_type"),
                ("1e19", "bool_type"),
                ("NaN", "bool_type"),
                ("18446744073709551615", "bool_type"),
                ("null", "bool_type"),
                ("[]", "bool_type"),
            ],
        );
    }

    #[test]
    fn only_truth_values_are_in_strict_mode() {
        let strict = Field { strict: true, ..Field::new("f", Kind::Bool) };
        check(&strict, &[("false", "false"), ("0", "bool_type"), (r#""true""#, "bool_type")]);
    }
}
