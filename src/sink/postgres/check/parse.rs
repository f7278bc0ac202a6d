//! Parses a CHECK, as printed by the server, into a tree.
//!
//! `pg_get_constraintdef` puts every operation into parentheses, writes single blanks, and quotes whatever
//! needs it, so a parser for a small part of it is small. Anything this one does not know is
//! [`Expr::Unknown`], from an opening parenthesis to the one that closes it.

use super::Operator;

/// A piece of a CHECK.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Expr {
    /// Something in parentheses that is not understood.
    Unknown,
    /// A column, by name.
    Column(String),
    /// `VALUE`: the value of the domain.
    Domain,
    /// A number without quotes.
    Number(String),
    /// The text in quotes. Its type follows as a cast.
    Quoted(String),
    Cast(Box<Expr>, Type),
    Call(String, Box<Expr>),
    Array(Vec<Expr>),
    Compare(Box<Expr>, Operator, Box<Expr>),
    /// Compared with one (`ANY`) or all (`ALL`) items of an array.
    CompareMany {
        left: Box<Expr>,
        operator: Operator,
        array: Box<Expr>,
        all: bool,
    },
    Null(Box<Expr>),
    NotNull(Box<Expr>),
    And(Vec<Expr>),
    Or(Vec<Expr>),
    Not(Box<Expr>),
}

/// The types that are understood, without modifiers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Type {
    Int,
    Numeric,
    Double,
    Text,
    Varchar,
    Date,
    Timestamp,
    Timestamptz,
    TextArray,
}

const TYPES: &[(&str, Type)] = &[
    ("smallint", Type::Int),
    ("integer", Type::Int),
    ("bigint", Type::Int),
    ("numeric", Type::Numeric),
    ("double precision", Type::Double),
    ("text[]", Type::TextArray),
    ("text", Type::Text),
    ("character varying", Type::Varchar),
    ("date", Type::Date),
    ("timestamp without time zone", Type::Timestamp),
    ("timestamp with time zone", Type::Timestamptz),
];

const OPERATORS: &[(&str, Operator)] = &[
    (" = ", Operator::Equal),
    (" <> ", Operator::Unequal),
    (" <= ", Operator::LessOrEqual),
    (" < ", Operator::Less),
    (" >= ", Operator::GreaterOrEqual),
    (" > ", Operator::Greater),
];

/// Parentheses nested deeper than this are not parsed.
const DEPTH_MAX: usize = 64;

/// Parses the output of `pg_get_constraintdef` for a CHECK. `None` if it need not hold for every row: `NOT
/// ENFORCED`, or `NOT VALID`, where an existing row may be written again.
pub(super) fn parse(text: &str) -> Option<Expr> {
    let mut parser = Parser { rest: text.strip_prefix("CHECK ")?, depth: 0 };
    let expr = parser.group()?;
    parser.eat(" NO INHERIT");
    parser.rest.is_empty().then_some(expr)
}

struct Parser<'a> {
    rest: &'a str,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn eat(&mut self, word: &str) -> bool {
        let rest = self.rest.strip_prefix(word);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn expect(&mut self, word: &str) -> Option<()> {
        self.eat(word).then_some(())
    }

    /// An expression in parentheses. `None` only if there are no parentheses.
    fn group(&mut self) -> Option<Expr> {
        let (inside, after) = split_group(self.rest)?;
        let expr = match self.depth < DEPTH_MAX {
            true => Parser { rest: inside, depth: self.depth + 1 }.whole(),
            false => None,
        };
        self.rest = after;
        Some(expr.unwrap_or(Expr::Unknown))
    }

    /// Everything inside the parentheses.
    fn whole(mut self) -> Option<Expr> {
        let first = self.term()?;
        let expr = if self.rest.starts_with(" AND ") {
            Expr::And(self.chain(first, " AND ")?)
        } else if self.rest.starts_with(" OR ") {
            Expr::Or(self.chain(first, " OR ")?)
        } else {
            first
        };
        self.rest.is_empty().then_some(expr)
    }

    fn chain(&mut self, first: Expr, word: &str) -> Option<Vec<Expr>> {
        let mut terms = vec![first];
        while self.eat(word) {
            terms.push(self.term()?);
        }
        Some(terms)
    }

    fn term(&mut self) -> Option<Expr> {
        if self.eat("NOT ") {
            return Some(Expr::Not(Box::new(self.operand()?)));
        }
        let left = Box::new(self.operand()?);
        if self.eat(" IS NOT NULL") {
            return Some(Expr::NotNull(left));
        }
        if self.eat(" IS NULL") {
            return Some(Expr::Null(left));
        }
        let Some((word, operator)) = OPERATORS.iter().find(|(word, _)| self.rest.starts_with(word)) else {
            return Some(*left);
        };
        self.expect(word)?;
        for (word, all) in [("ANY ", false), ("ALL ", true)] {
            if self.eat(word) {
                let array = Box::new(self.group()?);
                return Some(Expr::CompareMany { left, operator: *operator, array, all });
            }
        }
        Some(Expr::Compare(left, *operator, Box::new(self.operand()?)))
    }

    fn operand(&mut self) -> Option<Expr> {
        let mut expr = match self.rest.bytes().next()? {
            b'(' => self.group()?,
            b'\'' => Expr::Quoted(self.quoted('\'')?),
            b'0'..=b'9' => {
                let end = self.rest.find(|ch: char| !ch.is_ascii_digit() && ch != '.');
                Expr::Number(self.take(end.unwrap_or(self.rest.len())).to_owned())
            }
            _ if self.eat("ARRAY[") => Expr::Array(self.list(']')?),
            _ => self.name()?,
        };
        while self.eat("::") {
            let (word, known) = TYPES.iter().find(|(word, _)| self.rest.starts_with(word))?;
            self.expect(word)?;
            // Not the beginning of `text_of_mine`, `numeric(10,2)` or `date[]`.
            if self.rest.starts_with(|ch: char| ch.is_alphanumeric() || "_$([".contains(ch)) {
                return None;
            }
            expr = Expr::Cast(Box::new(expr), *known);
        }
        Some(expr)
    }

    fn list(&mut self, close: char) -> Option<Vec<Expr>> {
        let mut items = vec![self.operand()?];
        while !self.eat(close.encode_utf8(&mut [0; 4])) {
            self.expect(", ")?;
            items.push(self.operand()?);
        }
        Some(items)
    }

    /// A column, the value of the domain, or the call of a function with one argument. Names qualified with a
    /// schema are unknown.
    fn name(&mut self) -> Option<Expr> {
        let is_quoted = self.rest.starts_with('"');
        let name = if is_quoted {
            self.quoted('"')?
        } else {
            let end = self.rest.find(|ch: char| !ch.is_ascii_alphanumeric() && ch != '_');
            self.take(end.unwrap_or(self.rest.len())).to_owned()
        };
        if self.rest.starts_with('.') {
            return None;
        }
        match name.as_str() {
            "VALUE" if !is_quoted => return Some(Expr::Domain),
            "true" | "false" if !is_quoted => return None,
            _ => {}
        }
        // Words in capitals are SQL keywords: CASE, COALESCE, CURRENT_DATE.
        if !is_quoted && (name.is_empty() || name.bytes().any(|byte| byte.is_ascii_uppercase())) {
            return None;
        }
        if !self.eat("(") {
            return Some(Expr::Column(name));
        }
        let arguments = self.list(')')?;
        let [argument] = <[Expr; 1]>::try_from(arguments).ok()?;
        Some(Expr::Call(name, Box::new(argument)))
    }

    /// The text in quotes; quotes within are doubled.
    fn quoted(&mut self, quote: char) -> Option<String> {
        let end = end_of_quoted(self.rest, quote)?;
        let inside = &self.take(end)[1..end - 1];
        // How a backslash is read depends on a setting.
        if inside.contains('\\') {
            return None;
        }
        Some(inside.replace(&format!("{quote}{quote}"), quote.encode_utf8(&mut [0; 4])))
    }

    fn take(&mut self, end: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }
}

/// The text between the parenthesis at the start of `text` and the one that closes it, and what follows.
fn split_group(text: &str) -> Option<(&str, &str)> {
    let inside = text.strip_prefix('(')?;
    let mut depth = 1_usize;
    let mut at = 0;
    while at < inside.len() {
        match inside.as_bytes()[at] {
            b'(' => depth += 1,
            b')' => depth -= 1,
            quote @ (b'\'' | b'"') => at += end_of_quoted(&inside[at..], char::from(quote))? - 1,
            _ => {}
        }
        if depth == 0 {
            return Some((&inside[..at], &inside[at + 1..]));
        }
        at += 1;
    }
    None
}

/// The end of a quoted text: after the next quote that is not doubled.
fn end_of_quoted(text: &str, quote: char) -> Option<usize> {
    let mut at = 1;
    loop {
        at += text[at..].find(quote)? + 1;
        if !text[at..].starts_with(quote) {
            return Some(at);
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn column(name: &str) -> Box<Expr> {
        Box::new(Expr::Column(name.to_owned()))
    }

    fn number(digits: &str) -> Box<Expr> {
        Box::new(Expr::Number(digits.to_owned()))
    }

    fn text(text: &str) -> Box<Expr> {
        Box::new(Expr::Cast(Box::new(Expr::Quoted(text.to_owned())), Type::Text))
    }

    #[test]
    fn what_the_server_prints_is_read() {
        let above = Expr::Compare(column("a"), Operator::Greater, number("0"));
        assert_eq!(parse("CHECK ((a > 0))"), Some(above.clone()));
        assert_eq!(parse("CHECK ((a > 0)) NO INHERIT"), Some(above.clone()));
        let below = Expr::Compare(column("a\"b"), Operator::LessOrEqual, number("5.5"));
        assert_eq!(
            parse(r#"CHECK (((a > 0) AND ("a""b" <= 5.5)))"#),
            Some(Expr::And(vec![above.clone(), below]))
        );
        let quoted = Expr::Compare(
            Box::new(Expr::Cast(column("a"), Type::Text)),
            Operator::Equal,
            text("it's (a) \"trap\""),
        );
        assert_eq!(parse(r#"CHECK (((a)::text = 'it''s (a) "trap"'::text))"#), Some(quoted));
        let any = Expr::CompareMany {
            left: column("a"),
            operator: Operator::Equal,
            array: Box::new(Expr::Array(vec![*text("x"), *text("y")])),
            all: false,
        };
        assert_eq!(parse("CHECK ((a = ANY (ARRAY['x'::text, 'y'::text])))"), Some(any));
        assert_eq!(parse("CHECK ((VALUE IS NOT NULL))"), Some(Expr::NotNull(Box::new(Expr::Domain))));
    }

    #[test]
    fn what_is_not_known_is_unknown_as_far_as_its_parentheses() {
        let above = Expr::Compare(column("a"), Operator::Greater, number("0"));
        assert_eq!(
            parse("CHECK (((a > 0) AND (b ~ '^(['::text) AND ((c % 2) = 1)))"),
            Some(Expr::And(vec![
                above,
                Expr::Unknown,
                Expr::Compare(Box::new(Expr::Unknown), Operator::Equal, number("1"))
            ]))
        );
        for unknown in [
            "CHECK ((a = 'x'::other.text))",
            "CHECK ((a = 'x'::text COLLATE \"C\"))",
            "CHECK ((a = 'x'::character varying(3)))",
            "CHECK ((a = 'back\\slash'::text))",
            "CHECK (starts_with(a, 'x'::text))",
            "CHECK ((a OPERATOR(mine.=) 1))",
            "CHECK (mine.f(a))",
            "CHECK (true)",
            "CHECK ((a > CURRENT_DATE))",
            "CHECK ((a > 0 AND b))(",
            "CHECK )",
            "CHECK ((a = 'x",
        ] {
            assert!(matches!(parse(unknown), Some(Expr::Unknown) | None), "{unknown}: {:?}", parse(unknown));
        }
    }

    #[test]
    fn a_check_that_need_not_hold_for_every_row_is_none() {
        assert_eq!(parse("CHECK ((a > 0)) NOT ENFORCED"), None);
        assert_eq!(parse("CHECK ((a > 0)) NOT VALID"), None);
        assert_eq!(parse("NOT NULL a"), None);
    }

    #[test]
    fn no_depth_is_too_deep() {
        let deep = format!("CHECK {}a > 0{}", "(".repeat(100_000), ")".repeat(100_000));
        assert!(parse(&deep).is_some());
    }

    proptest! {
        #[test]
        fn no_text_does_harm(pieces in proptest::collection::vec(
            prop_oneof![
                prop::sample::select(vec![
                    "(", ")", "((", "))", "a", "\"ä\"", "'", "''", "'x'::text", "1", "1.5", " > ", " = ANY ", "ARRAY[", "]", ", ", " AND ", " OR ",
                    "NOT ", " IS NULL", "::", "integer", "numeric", "(10,2)", "VALUE", "length(", ".", "\\", "ü",
                ]).prop_map(str::to_owned),
                "\\PC{0,3}",
            ],
            0..20,
        )) {
            parse(&format!("CHECK ({})", pieces.concat()));
            parse(&format!("CHECK {}", pieces.concat()));
        }
    }
}
