//! Inference: the format of files, and the schema that a person would write for their records.
//!
//! [`Seen`] receives every value of every record, so what it proposes holds for everything that was read, and
//! only other data can refute it. It proposes little: what JSON itself distinguishes (integers, doubles,
//! booleans), texts that all have one well-known form (points in time, days, UUIDs, addresses), and text and
//! JSON for everything else. A guess that a later value violates makes dead letters, and text accepts every
//! text.
//!
//! So it never proposes an enum (the next value outside a set would be a dead letter; the note names the
//! values instead), and keeps objects whole, as JSON: columns made of members would lose members that appear
//! later, so those are only offered. One odd value in a thousand is dirt, and is reported with its place.
//!
//! The result does not depend on which worker saw what, so several can read a file at once: [`Seen::merge`]
//! joins their results in file order.

mod choice;
mod detect;
mod looks;
mod name;
mod stamps;
mod table;
mod traits;
mod unique;
mod values;

use bumpalo::Bump;

use crate::figure::count;
use crate::format::{Malformed, Record};
use crate::reject::Code;
use crate::schema::{Field, Kind};

pub use detect::{Candidate, Explained, Sample, begins_otherwise, candidates, explain, payloads};
pub use looks::{Looks, look};
use name::Names;
pub use name::{dated, is_same_log, job_name, job_name_of_directory, table_name};
use traits::{Traits, VOIDS};
use values::{KEYS_MAX, Key, Keys, Met};

/// What was observed in the records so far.
#[derive(Debug, Default)]
pub struct Seen {
    malformed: u64,
    first_malformed: Option<(Spot, Code, &'static str)>,
    keys: Keys,
    /// Whether the records come from a text format.
    is_text: bool,
}

/// The place of a record among the examined ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Spot {
    /// The index of the file.
    pub file: usize,
    /// The offset of the record in it.
    pub offset: u64,
}

/// A proposed field.
#[derive(Clone, Debug)]
pub struct Inferred {
    /// The field.
    pub field: Field,
    /// The evidence, in a few words; may be empty.
    pub note: String,
    /// An alternative, if a person supplies what it takes.
    pub instead: Option<(Field, &'static str)>,
}

/// Values that a proposed type does not accept.
#[derive(Clone, Debug)]
pub struct Odd {
    /// The field.
    pub field: String,
    /// Its type.
    pub kind: &'static str,
    /// The type that accepts them all.
    pub instead: &'static str,
    /// How many there are.
    pub count: u64,
    /// The total number of values.
    pub of: u64,
    /// The first of them.
    pub first: Vec<(Spot, String)>,
}

/// Values that no column can hold, so their records will be dead letters.
#[derive(Clone, Debug)]
pub struct Unstorable {
    /// The field.
    pub field: String,
    /// What they contain.
    pub what: &'static str,
    /// The remedy; may be empty.
    pub advice: &'static str,
    /// Their number.
    pub count: u64,
    /// The first of them.
    pub first: Spot,
}

/// What a job could specify.
#[derive(Clone, Debug, Default)]
pub struct Proposal {
    /// The fields, in the order of their keys in the files.
    pub fields: Vec<Inferred>,
    /// Members of objects that could be fields too.
    pub members: Vec<Inferred>,
    /// Texts that mean null, besides those of the format.
    pub nulls: Vec<&'static str>,
    /// Fields in which no value occurs twice.
    pub unique: Vec<String>,
    /// Fields with timestamps that name no zone.
    pub zoneless: Vec<String>,
    /// Types that a few values violate.
    pub odd: Vec<Odd>,
    /// Values that no column can hold.
    pub unstorable: Vec<Unstorable>,
    /// How many records they were inferred from.
    pub records: u64,
    /// How many records were malformed.
    pub malformed: u64,
    /// The first of those, and what is wrong with it.
    pub first_malformed: Option<(Spot, Code, &'static str)>,
    /// How many keys get no field, because there are too many.
    pub left_out: u64,
}

/// What else affects a proposal, besides the observed values.
#[derive(Clone, Debug, Default)]
pub struct Terms {
    /// Texts that mean null in the format.
    pub nulls: Vec<String>,
    /// Whether no number in the destination can be NaN.
    pub holds_no_nan: bool,
    /// Whether JSON is stored as a PostgreSQL `jsonb`.
    pub has_jsonb: bool,
    /// Fields that are texts, whatever their observed values look like.
    pub texts: Vec<String>,
    /// Fields that a record may lack.
    pub optional: Vec<String>,
}

/// No one wants more columns than this, and some destinations do not allow more.
const FIELDS_MAX: usize = 500;

/// At most this many members are offered.
const MEMBERS_MAX: usize = 40;

/// With fewer values, each may easily occur only once.
const UNIQUE_MIN: u64 = 100;

/// A longer text is not a key.
const KEY_CHARS_MAX: usize = 64;

impl Seen {
    /// Observes a record.
    pub fn record(&mut self, spot: Spot, record: &Record<'_>, arena: &Bump) {
        self.is_text |= record.root().is_text();
        self.keys.see(spot, record.root().members(), arena, 0);
    }

    /// Observes a malformed record.
    pub fn malformed(&mut self, spot: Spot, malformed: &Malformed) {
        self.malformed += 1;
        let first = (spot, malformed.code, malformed.what);
        if self.first_malformed.is_none_or(|(known, ..)| spot < known) {
            self.first_malformed = Some(first);
        }
    }

    /// The observations of both, where `other` follows this in the files.
    pub fn merge(mut self, other: Seen) -> Seen {
        self.malformed += other.malformed;
        self.is_text |= other.is_text;
        self.first_malformed = match (self.first_malformed, other.first_malformed) {
            (Some(one), Some(other)) => Some(if one.0 <= other.0 { one } else { other }),
            (one, other) => one.or(other),
        };
        self.keys.append(other.keys);
        self
    }

    /// How many records were observed.
    pub fn records(&self) -> u64 {
        self.keys.objects
    }

    /// The fields of these records.
    pub fn propose(mut self, terms: &Terms) -> Proposal {
        let (records, keys) = (self.keys.objects, &mut self.keys.keys);
        // If there are too many, the most frequent ones, in the order of the files.
        keys.sort_by_key(|key| (std::cmp::Reverse(key.count), key.first));
        let left_out = keys.len().saturating_sub(FIELDS_MAX) as u64 + u64::from(self.keys.untold > 0);
        keys.truncate(FIELDS_MAX.min(KEYS_MAX));
        keys.sort_by_key(|key| key.first);
        let mut proposal = Proposal {
            nulls: self.nulls(terms),
            records,
            malformed: self.malformed,
            first_malformed: self.first_malformed,
            left_out,
            ..Proposal::default()
        };
        let given = terms.nulls.iter().map(String::as_str);
        let voids: Vec<&str> = given.chain(proposal.nulls.iter().copied()).collect();
        let mut names = Names::default();
        let named: Vec<(String, &Key)> =
            self.keys.keys.iter().map(|key| (names.column(&key.name), key)).collect();
        for (name, key) in &named {
            self.field(name, key, &voids, terms, &mut proposal);
        }
        for (name, key) in &named {
            let from = [key.name.to_string()];
            self.members(&mut names, name, &from, key, &mut proposal.members);
        }
        proposal.unique.sort_by_key(|name| !name.ends_with("id"));
        proposal
    }

    /// Texts that mean null: without them the values of a key have a single type that is not text.
    fn nulls(&self, terms: &Terms) -> Vec<&'static str> {
        let mut nulls: Vec<&str> = Vec::new();
        for key in self.keys.keys.iter().filter(|_| self.is_text) {
            let without = choice::choose(&key.name, &key.values, &VOIDS);
            let is_narrow = !matches!(without.kind, Kind::Text(_) | Kind::Json(_)) || without.ask.is_some();
            if is_narrow {
                nulls.extend(key.values.voids());
            }
        }
        nulls.retain(|null| !terms.nulls.iter().any(|given| given == null));
        nulls.sort_unstable();
        nulls.dedup();
        nulls
    }

    /// Proposes the field `name` for a key.
    fn field(&self, name: &str, key: &Key, voids: &[&str], terms: &Terms, proposal: &mut Proposal) {
        let is = |names: &[String]| names.iter().any(|name| *name == *key.name);
        let choice = match is(&terms.texts) {
            true => choice::text(&key.values, voids),
            false => choice::choose(&key.name, &key.values, voids),
        };
        let is_optional = key.count < self.keys.objects || is(&terms.optional);
        let (records, nulls) = (self.keys.objects, key.values.nulls + key.values.voided(voids));
        let is_only_null = nulls > 0 && key.values.total(voids) == 0;
        let mut notes = vec![choice.note];
        if key.count < records {
            notes.push(format!("absent in {} of {} records", count(records - key.count), count(records)));
        }
        if is_only_null {
            notes.push("never anything but null".to_owned());
        } else if nulls > 0 {
            notes.push(format!("null in {}", count(nulls)));
        }
        if let Some((odd, of)) = &choice.odd {
            let are_texts = key.values.others(|traits| traits.has(Traits::TEXT), voids).count == 0;
            let instead = if are_texts { "text" } else { "json" };
            notes.push(choice::cost(odd, *of, instead));
            proposal.odd.push(odd_of(name, choice.kind.name(), instead, odd, *of));
        }
        notes.retain(|note| !note.is_empty());
        let field = Field {
            from: vec![key.name.to_string()],
            required: !is_optional,
            nullable: is_optional || nulls > 0,
            strict: !self.is_text,
            ..Field::new(name, choice.kind)
        };
        if choice.lacks_zone {
            proposal.zoneless.push(name.to_owned());
        }
        self.foretell(name, key, &field.kind, terms, proposal);
        let is_short = key.values.chars_max <= KEY_CHARS_MAX;
        let is_key = matches!(field.kind, Kind::Int(_) | Kind::Uuid { .. })
            || matches!(field.kind, Kind::Text(_)) && is_short && choice.ask.is_none();
        if is_key
            && field.required
            && !field.nullable
            && choice.odd.is_none()
            && records >= UNIQUE_MIN
            && key.values.unique.looks_unique()
        {
            proposal.unique.push(name.to_owned());
        }
        let instead = choice.ask.map(|(kind, what)| (Field { kind, ..field.clone() }, what));
        proposal.fields.push(Inferred { field, note: notes.join("; "), instead });
    }

    /// Reports values that no column can hold.
    fn foretell(&self, name: &str, key: &Key, kind: &Kind, terms: &Terms, proposal: &mut Proposal) {
        let mut tell = |met: &Met, what, advice| {
            if let Some((first, _)) = met.first.first() {
                let (field, count, first) = (name.to_owned(), met.count, *first);
                proposal.unstorable.push(Unstorable { field, what, advice, count, first });
            }
        };
        tell(&key.values.nul, "a NUL", "nul = \"strip\" under [record] leaves it out");
        if terms.has_jsonb {
            tell(&key.values.beyond_jsonb, "a number with more digits than jsonb has", "");
        }
        match kind {
            // Infinities fit into any column of floats.
            Kind::Float(_) if terms.holds_no_nan => tell(&key.values.nan, "NaN", ""),
            Kind::Float(_) => {}
            _ => {
                let mut not_finite = key.values.nan.clone();
                not_finite.merge(&key.values.not_finite);
                tell(&not_finite, "a number that is not finite", "");
            }
        }
    }

    /// Offers the scalar members of a key's objects.
    fn members(
        &self,
        names: &mut Names,
        name: &str,
        from: &[String],
        key: &Key,
        offered: &mut Vec<Inferred>,
    ) {
        let Some(members) = &key.values.members else { return };
        let mut sorted: Vec<&Key> = members.keys.iter().collect();
        sorted.sort_by_key(|member| member.first);
        // A member that only few of the objects have is data, not structure.
        for member in sorted.into_iter().filter(|member| 10 * member.count >= members.objects) {
            let from: Vec<String> = from.iter().cloned().chain([member.name.to_string()]).collect();
            let joined = format!("{name}_{}", member.name);
            if member.values.members.is_some() {
                self.members(names, &joined, &from, member, offered);
                continue;
            }
            let choice = choice::choose(&member.name, &member.values, &[]);
            if !choice.kind.is_scalar() || offered.len() == MEMBERS_MAX {
                continue;
            }
            let field =
                Field { from, strict: true, ..Field::new(names.column(&joined), choice.kind).optional() };
            offered.push(Inferred { field, note: choice.note, instead: None });
        }
    }
}

fn odd_of(field: &str, kind: &'static str, instead: &'static str, odd: &Met, of: u64) -> Odd {
    let first = odd.first.iter().map(|(spot, example)| (*spot, example.to_string())).collect();
    Odd { field: field.to_owned(), kind, instead, count: odd.count, of, first }
}

/// The range that holds both.
fn widen<T: PartialOrd>(range: Option<(T, T)>, (low, high): (T, T)) -> Option<(T, T)> {
    Some(match range {
        Some((least, greatest)) => {
            (if low < least { low } else { least }, if high > greatest { high } else { greatest })
        }
        None => (low, high),
    })
}

#[cfg(test)]
mod tests;
