//! The states of dates in words: for the calendar of `status` and for that of the page.

use chrono::NaiveDate;

use crate::figure;
use crate::sink::dates::DateStatus;

/// Consecutive dates in the same state.
pub(super) struct Stretch {
    pub(super) first: NaiveDate,
    pub(super) last: NaiveDate,
    pub(super) days: usize,
    pub(super) words: String,
}

/// The stretches of sorted dates.
pub(super) fn stretches(dates: &[DateStatus]) -> Vec<Stretch> {
    let same = |a: &DateStatus, b: &DateStatus| {
        a.date.succ_opt() == Some(b.date) && words(a, Of::One) == words(b, Of::One)
    };
    let stretch = |dates: &[DateStatus]| {
        let (first, last) = (dates.first()?, dates.last()?);
        let of = if dates.len() > 1 { Of::Each } else { Of::One };
        Some(Stretch { first: first.date, last: last.date, days: dates.len(), words: words(first, of) })
    };
    dates.chunk_by(same).filter_map(stretch).collect()
}

/// How many dates the words are about.
#[derive(Clone, Copy, PartialEq)]
enum Of {
    One,
    Each,
}

/// The state of a date.
pub(super) fn date_words(date: &DateStatus) -> String {
    words(date, Of::One)
}

fn words(date: &DateStatus, of: Of) -> String {
    let mut words = date.state.word().to_owned();
    if date.open_dead_letters > 0 {
        // A count beside several dates would be taken for their sum.
        let with = if of == Of::Each { ", each with" } else { " with" };
        words += &format!("{with} {} open", figure::some(date.open_dead_letters, "dead letter"));
    }
    if date.other_rules {
        words.push_str(", loaded under other rules");
    }
    if let Some(reason) = &date.reason {
        words += &format!(": {reason}");
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::dates::DateState;

    #[test]
    fn dates_that_stand_the_same_are_one_stretch_and_a_count_is_of_each() {
        let day = |day| NaiveDate::from_ymd_opt(2024, 3, day).expect("a day");
        let date = |number, open_dead_letters| DateStatus {
            date: day(number),
            state: DateState::Done,
            open_dead_letters,
            other_rules: false,
            reason: None,
            is_settled: true,
        };
        let dates = [date(1, 1), date(2, 1), date(4, 1), date(5, 2), date(6, 0), date(7, 0)];
        let told = stretches(&dates).into_iter().map(|it| (it.first, it.last, it.days, it.words));
        let expected = [
            (day(1), day(2), 2, "done, each with 1 dead letter open"),
            (day(4), day(4), 1, "done with 1 dead letter open"),
            (day(5), day(5), 1, "done with 2 dead letters open"),
            (day(6), day(7), 2, "done"),
        ];
        let expected = expected.map(|(first, last, days, words)| (first, last, days, words.to_owned()));
        assert_eq!(told.collect::<Vec<_>>(), expected);
    }
}
