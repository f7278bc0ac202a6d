//! Which keys of a record the schema wants, and the slot of each.
//!
//! It is made once per job and searched once per key of every record, so it guesses first: logs repeat
//! their keys in the same order, so the next key is nearly always the one after the last found.

/// A tree of wanted keys. A leaf names slots; below a key there may be another tree.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    entries: Vec<Entry>,
    /// A hash table with open addressing: one more than the index in `entries`; 0 is free. It is less than
    /// half full, so that a search for an unwanted key ends soon.
    by_hash: Vec<u32>,
}

#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: Box<str>,
    /// The key as JSON writes it, with its colon; [`NO_TEXT`] if it needs an escape.
    pub(super) start: Box<[u8]>,
    /// The number of the list item that it names, if it is a number.
    pub(super) number: Option<usize>,
    pub(super) slots: Vec<u32>,
    pub(super) below: Option<Wanted>,
}

/// Bytes with which no text begins.
const NO_TEXT: &[u8] = b"\xff";

impl Wanted {
    /// The tree for `paths`; path `n` goes to slot `n`. The first step is a key of the record, further
    /// steps are keys of objects or numbers of list items.
    pub fn new<S: AsRef<str>>(paths: &[Vec<S>]) -> Wanted {
        let mut wanted = Wanted::default();
        for (slot, path) in paths.iter().enumerate() {
            let (last, parents) = path.split_last().expect("a path has a step");
            let slot = u32::try_from(slot).expect("fewer fields than 2^32");
            let mut tree = &mut wanted;
            for step in parents {
                tree = tree.entry(step.as_ref()).below.get_or_insert_default();
            }
            tree.entry(last.as_ref()).slots.push(slot);
        }
        wanted.index();
        wanted
    }

    fn entry(&mut self, key: &str) -> &mut Entry {
        let index = match self.entries.iter().position(|entry| &*entry.key == key) {
            Some(index) => index,
            None => {
                let is_plain = !key.bytes().any(|byte| byte < b' ' || matches!(byte, b'"' | b'\\'));
                let start = if is_plain { format!("\"{key}\":").into_bytes() } else { NO_TEXT.to_vec() };
                let start = start.into();
                let number = key.parse().ok().filter(|number: &usize| number.to_string() == key);
                self.entries.push(Entry { key: key.into(), start, number, slots: Vec::new(), below: None });
                self.entries.len() - 1
            }
        };
        &mut self.entries[index]
    }

    fn index(&mut self) {
        self.by_hash = vec![0; (2 * self.entries.len() + 1).next_power_of_two()];
        for (index, entry) in (1..).zip(&mut self.entries) {
            let mut at = place_of(&entry.key, self.by_hash.len());
            while self.by_hash[at] != 0 {
                at = (at + 1) % self.by_hash.len();
            }
            self.by_hash[at] = index;
            if let Some(below) = &mut entry.below {
                below.index();
            }
        }
    }

    /// The entry that a search would try first.
    #[inline]
    pub(super) fn guess(&self, guess: usize) -> Option<&Entry> {
        self.entries.get(guess)
    }

    /// The entry of `key`. The search starts at `guess`, and moves it on.
    #[inline]
    pub(super) fn find(&self, key: &str, guess: &mut usize) -> Option<&Entry> {
        if let Some(entry) = self.entries.get(*guess)
            && is_same(entry.key.as_bytes(), key.as_bytes())
        {
            *guess += 1;
            return Some(entry);
        }
        self.search(key, guess)
    }

    fn search(&self, key: &str, guess: &mut usize) -> Option<&Entry> {
        let mut at = place_of(key, self.by_hash.len());
        loop {
            let index = (*self.by_hash.get(at)?).checked_sub(1)? as usize;
            let entry = &self.entries[index];
            if is_same(entry.key.as_bytes(), key.as_bytes()) {
                *guess = index + 1;
                return Some(entry);
            }
            at = (at + 1) % self.by_hash.len();
        }
    }

    /// The entry of an item of a list.
    pub(super) fn item(&self, number: usize) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.number == Some(number))
    }

    /// Every slot of this tree.
    pub(super) fn each_slot(&self, visit: &mut impl FnMut(u32)) {
        for entry in &self.entries {
            entry.slots.iter().copied().for_each(&mut *visit);
            if let Some(below) = &entry.below {
                below.each_slot(visit);
            }
        }
    }
}

/// The first place of a key in the table.
#[inline]
fn place_of(key: &str, places: usize) -> usize {
    // The length of a table is a power of two, or zero.
    xxhash_rust::xxh3::xxh3_64(key.as_bytes()) as usize & places.wrapping_sub(1)
}

/// Whether two texts are the same. Keys and words are short: comparing two overlapping numbers is
/// faster than calling the C library.
#[inline]
pub(crate) fn is_same(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    match (one.first_chunk::<8>(), other.first_chunk::<8>(), one.last_chunk::<8>(), other.last_chunk::<8>()) {
        (Some(one_start), Some(start), Some(one_end), Some(end)) if one.len() <= 16 => {
            one_start == start && one_end == end
        }
        (Some(_), ..) => one == other,
        _ => match (
            one.first_chunk::<4>(),
            other.first_chunk::<4>(),
            one.last_chunk::<4>(),
            other.last_chunk::<4>(),
        ) {
            (Some(one_start), Some(start), Some(one_end), Some(end)) => one_start == start && one_end == end,
            // Up to three bytes: the first, the middle and the last are all of them.
            _ => match (one, other) {
                ([], _) => true,
                _ => [0, one.len() / 2, one.len() - 1].iter().all(|&at| one[at] == other[at]),
            },
        },
    }
}

/// The steps of a JSON pointer (RFC 6901), or `None` if `text` is not one.
pub fn pointer_steps(text: &str) -> Option<Vec<String>> {
    let steps = text.strip_prefix('/')?.split('/').map(|step| {
        let escapes_end = step.split('~').skip(1).all(|piece| piece.starts_with(['0', '1']));
        escapes_end.then(|| step.replace("~1", "/").replace("~0", "~"))
    });
    steps.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_in_any_order() {
        let wanted = Wanted::new(&[vec!["b"], vec!["a"], vec!["a", "x"], vec!["c"]]);
        let mut guess = 0;
        let find = |key: &str, guess: &mut usize| wanted.find(key, guess).map(|entry| entry.slots.clone());
        assert_eq!(find("b", &mut guess), Some(vec![0]));
        assert_eq!(find("a", &mut guess), Some(vec![1]));
        assert_eq!(find("nope", &mut guess), None);
        assert_eq!(find("b", &mut guess), Some(vec![0]));
        assert_eq!(find("c", &mut guess), Some(vec![3]));
        let below =
            wanted.find("a", &mut 0).and_then(|entry| entry.below.as_ref()).expect("a has more below");
        assert_eq!(below.find("x", &mut 0).map(|entry| entry.slots.clone()), Some(vec![2]));
    }

    #[test]
    fn of_many_keys_each_is_found_and_no_other() {
        let keys: Vec<String> = (0..500).map(|n| format!("sensor {n} of the hall")).collect();
        let wanted = Wanted::new(&keys.iter().map(|key| vec![key]).collect::<Vec<_>>());
        for (slot, key) in (0..).zip(&keys) {
            let mut guess = 0;
            assert_eq!(wanted.find(key, &mut guess).map(|entry| entry.slots.clone()), Some(vec![slot]));
            assert_eq!(guess, slot as usize + 1);
            assert!(wanted.find(&key[1..], &mut guess).is_none());
        }
        assert!(Wanted::new::<&str>(&[]).find("a", &mut 0).is_none());
    }

    #[test]
    fn texts_of_any_length_are_compared() {
        for len in 0..40 {
            let text = "x".repeat(len);
            let text = text.as_bytes();
            assert!(is_same(text, "x".repeat(len).as_bytes()));
            assert!(!is_same(text, &[text, b"x"].concat()));
            for at in 0..len {
                let mut other = text.to_vec();
                other[at] = b'y';
                assert!(!is_same(text, &other), "{len} bytes, the one at {at} differs");
            }
        }
    }

    #[test]
    fn pointers_unescape_their_steps() {
        assert_eq!(pointer_steps("/user/id"), Some(vec!["user".into(), "id".into()]));
        assert_eq!(pointer_steps("/a~1b/~01"), Some(vec!["a/b".into(), "~1".into()]));
        assert_eq!(pointer_steps("/"), Some(vec![String::new()]));
        assert_eq!(pointer_steps("user"), None);
        assert_eq!(pointer_steps("/a~2"), None);
        assert_eq!(pointer_steps("/a~"), None);
    }
}
