//! Which rows are sent together once the server refuses some.
//!
//! A refused row is found by sending less, and is tried alone before it is called bad. How much to send
//! otherwise is a wager: a piece without a bad row costs round trips, a piece with one is sent again. So
//! pieces are about half as long as the observed distance between refusals. If the server says which row it
//! refused, three pieces find it: the one that failed, the rows before, the row. If not, pieces are halved,
//! and among n rows the bad one is found in log2(n) + 1.

use std::ops::Range;

/// Pieces are at least this long, except those that search for a row.
const ROWS_MIN: usize = 64;

/// After more refusals than this, with few rows between them, they are no longer searched for one by one.
const REFUSED_MAX: usize = 64;

/// How often rows were refused.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Refusals {
    pub(super) rows: usize,
    pub(super) refused: usize,
}

/// A batch, cut into the pieces that are tried one after the other.
#[derive(Debug)]
pub(super) struct Pieces {
    rows: usize,
    /// All rows before this one are written, or refused.
    start: usize,
    /// The maximum number of rows in a piece.
    rows_max: usize,
    /// One of these was refused when they were sent together, and none before them.
    suspects: Range<usize>,
    /// Counted over this batch and the one before.
    refusals: Refusals,
}

impl Pieces {
    /// A batch of `rows` rows, of which `suspects` failed together; `refusals` are those of the batch before.
    pub(super) fn new(rows: usize, rows_max: usize, suspects: Range<usize>, refusals: Refusals) -> Pieces {
        Pieces { rows, start: 0, rows_max, suspects, refusals }
    }

    /// The rows to try next.
    pub(super) fn next(&self) -> Option<Range<usize>> {
        let Range { start, end } = self.suspects;
        let size = match self.start {
            done if done == self.rows => return None,
            done if done < start => start - done,
            done if done < end => ((end - done) / 2).max(1),
            _ => (self.refusals.rows / self.refusals.refused.max(1) / 2).max(ROWS_MIN),
        };
        Some(self.start..self.start + size.min(self.rows_max).min(self.rows - self.start))
    }

    /// Whether so many rows are refused that trying each one by itself is cheaper than searching for them by
    /// sending less.
    pub(super) fn is_hopeless(&self) -> bool {
        self.refusals.refused > REFUSED_MAX && self.refusals.rows / self.refusals.refused < ROWS_MIN
    }

    /// The rows that are left.
    pub(super) fn rest(&self) -> Range<usize> {
        self.start..self.rows
    }

    /// These rows are written.
    pub(super) fn passed(&mut self, piece: &Range<usize>) {
        self.start = piece.end;
        self.refusals.rows += piece.len();
    }

    /// The server refused one of these rows, and perhaps said which. True if it was alone, and is settled.
    pub(super) fn failed(&mut self, piece: Range<usize>, named: Option<usize>) -> bool {
        if piece.len() == 1 {
            self.passed(&piece);
            self.refusals.refused += 1;
            self.suspects = 0..0;
            return true;
        }
        self.suspects = match named.filter(|row| piece.contains(row)) {
            Some(row) => row..row + 1,
            None => piece,
        };
        false
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// Sends a batch to a server that refuses these rows. Returns those that were refused alone, and the
    /// number of pieces.
    fn send(mut pieces: Pieces, bad: &BTreeSet<usize>, is_named: bool) -> (BTreeSet<usize>, usize) {
        let (mut refused, mut count) = (BTreeSet::new(), 0);
        while let Some(piece) = pieces.next() {
            count += 1;
            match bad.range(piece.clone()).next() {
                None => pieces.passed(&piece),
                Some(&row) => {
                    if pieces.failed(piece, is_named.then_some(row)) {
                        refused.insert(row);
                    }
                }
            }
        }
        (refused, count)
    }

    proptest! {
        #[test]
        fn each_bad_row_is_found_and_no_other_whatever_is_known_before(
            rows in 1_usize..3000,
            bad in prop::collection::btree_set(0_usize..3000, 0..60),
            (from, length) in (0_usize..3000, 0_usize..3000),
            (seen_rows, seen_refused) in (0_usize..100_000, 0_usize..1000),
            rows_max in 1_usize..4000,
            is_named: bool,
        ) {
            let bad: BTreeSet<usize> = bad.into_iter().filter(|&row| row < rows).collect();
            let suspects = from.min(rows)..(from + length).min(rows);
            let refusals = Refusals { rows: seen_rows, refused: seen_refused };
            let pieces = Pieces::new(rows, rows_max, suspects, refusals);
            prop_assert_eq!(send(pieces, &bad, is_named).0, bad);
        }
    }

    /// The next piece of a batch of 10,000 rows, of which nothing is in yet.
    fn next(suspects: Range<usize>, rows: usize, refused: usize, rows_max: usize) -> Range<usize> {
        let pieces = Pieces::new(10_000, rows_max, suspects, Refusals { rows, refused });
        pieces.next().expect("there are rows")
    }

    #[test]
    fn pieces_are_half_as_long_as_the_rows_between_two_refusals() {
        let none = 0..0;
        assert_eq!(next(none.clone(), 10_000, 10, usize::MAX), 0..500);
        assert_eq!(next(none.clone(), 10_000, 0, usize::MAX), 0..5_000);
        // Not shorter than is worth a round trip, and not longer than what is left, or allowed.
        assert_eq!(next(none.clone(), 1_000, 100, usize::MAX), 0..ROWS_MIN);
        assert_eq!(next(none.clone(), 100_000, 1, usize::MAX), 0..10_000);
        assert_eq!(next(none, 10_000, 10, 300), 0..300);
    }

    #[test]
    fn what_was_refused_together_is_halved_and_the_rows_before_go_first() {
        assert_eq!(next(300..400, 10_000, 10, usize::MAX), 0..300);
        assert_eq!(next(0..101, 10_000, 10, usize::MAX), 0..50);
        assert_eq!(next(0..1, 10_000, 10, usize::MAX), 0..1);
        let mut pieces = Pieces::new(10_000, usize::MAX, 300..400, Refusals::default());
        pieces.passed(&(0..300));
        assert_eq!((pieces.next(), pieces.rest()), (Some(300..350), 300..10_000));
        // One of the first half: those behind it are under suspicion no longer.
        assert!(!pieces.failed(300..350, None));
        assert_eq!(pieces.next(), Some(300..325));
        // A row that the server names, and one that cannot be meant.
        assert!(!pieces.failed(300..325, Some(310)));
        assert_eq!(pieces.next(), Some(300..310));
        assert!(!pieces.failed(300..310, Some(310)));
        assert_eq!(pieces.next(), Some(300..305));
        assert!(pieces.failed(300..301, None));
        assert_eq!((pieces.refusals.rows, pieces.refusals.refused), (301, 1));
        assert_eq!(pieces.next(), Some(301..301 + 301 / 2));
    }

    #[test]
    fn many_refusals_with_few_rows_between_them_are_hopeless() {
        let is_hopeless = |rows, refused| Pieces::new(10, 10, 0..0, Refusals { rows, refused }).is_hopeless();
        assert!(is_hopeless((REFUSED_MAX + 1) * ROWS_MIN - 1, REFUSED_MAX + 1));
        // One less, or rows enough between them.
        assert!(!is_hopeless(REFUSED_MAX * ROWS_MIN - 1, REFUSED_MAX));
        assert!(!is_hopeless((REFUSED_MAX + 1) * ROWS_MIN, REFUSED_MAX + 1));
        assert!(!is_hopeless(0, 0));
    }

    #[test]
    fn a_few_bad_rows_cost_few_pieces() {
        let rows = 100_000;
        for (count, is_named, pieces_max) in
            [(1, true, 25), (1, false, 37), (100, true, 600), (100, false, 1500)]
        {
            let bad: BTreeSet<usize> = (0..count).map(|n| n * 991 % rows + 7).collect();
            let first = *bad.first().expect("there is one");
            let suspects = if is_named { first..first + 1 } else { 0..rows };
            let pieces = Pieces::new(rows, usize::MAX, suspects, Refusals::default());
            let (refused, count) = send(pieces, &bad, is_named);
            assert_eq!(refused, bad);
            assert!(count <= pieces_max, "{count} pieces for {} bad rows", bad.len());
        }
    }
}
