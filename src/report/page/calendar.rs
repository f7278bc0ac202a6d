//! The calendar: the state of each date of the job, one square per day; over many years, one per month.

use std::collections::BTreeMap;

use chrono::{Datelike as _, NaiveDate};

use super::html::Html;
use super::table::{self, Column};
use crate::figure;
use crate::report::dates::{Stretch, date_words, stretches};
use crate::sink::dates::{DateState, DateStatus};

/// Up to this many months are drawn day by day, more than that by month.
const MONTHS_BY_DAY: usize = 24;

/// How many rows the table of the picture has; the newest.
const ROWS_MAX: usize = 200;

/// The size of a square, and the distance from one to the next.
const SIDE: f64 = 22.0;
const STEP: f64 = 25.0;

/// The states, from the best to the worst.
const STATES: [DateState; 4] = [DateState::Done, DateState::Absent, DateState::Partial, DateState::Failed];

/// How many dates are in each state.
#[derive(Clone, Copy, Default)]
struct Tally {
    of: [usize; STATES.len()],
    open_dead_letters: u64,
}

impl Tally {
    fn of<'a>(dates: impl IntoIterator<Item = &'a DateStatus>) -> Tally {
        let mut tally = Tally::default();
        for date in dates {
            for (count, state) in tally.of.iter_mut().zip(STATES) {
                *count += usize::from(state == date.state);
            }
            tally.open_dead_letters += date.open_dead_letters;
        }
        tally
    }

    fn parts(&self) -> impl Iterator<Item = (DateState, usize)> {
        STATES.into_iter().zip(self.of).filter(|(_, count)| *count > 0)
    }

    fn words(&self) -> String {
        let mut words: Vec<String> =
            self.parts().map(|(state, count)| format!("{} {}", figure::count(count), state.word())).collect();
        if self.open_dead_letters > 0 {
            words.push(format!("{} open", figure::some(self.open_dead_letters, "dead letter")));
        }
        words.join(", ")
    }
}

pub(super) fn section(html: &mut Html, dates: &[DateStatus]) {
    let (Some(first), Some(last)) = (dates.first(), dates.last()) else { return };
    html.element("section", &[("aria-labelledby", &"dates")], |html| {
        html.leaf("h2", &[("id", &"dates")], "Dates");
        let all = Tally::of(dates);
        let lead = format!(
            "{} from {} to {}: {}",
            figure::some(dates.len(), "date"),
            first.date,
            last.date,
            all.words()
        );
        html.leaf("p", &[("class", &"lead")], lead);
        let mut months: BTreeMap<(i32, u32), Vec<&DateStatus>> = BTreeMap::new();
        for date in dates {
            months.entry((date.date.year(), date.date.month())).or_default().push(date);
        }
        html.element("div", &[("class", &"months")], |html| {
            if months.len() <= MONTHS_BY_DAY {
                months.iter().for_each(|(&(year, month), dates)| self::month(html, year, month, dates));
                return;
            }
            let mut years: BTreeMap<i32, [Tally; 12]> = BTreeMap::new();
            for (&(year, month), dates) in &months {
                let tally = Tally::of(dates.iter().copied());
                years.entry(year).or_default()[month as usize - 1] = tally;
            }
            years.iter().for_each(|(&year, months)| self::year(html, year, months));
        });
        legend(html, &all);
        behind(html, dates);
    });
}

/// The days of a month, Monday first.
fn month(html: &mut Html, year: i32, month: u32, dates: &[&DateStatus]) {
    let Some(first) = NaiveDate::from_ymd_opt(year, month, 1) else { return };
    let before = first.weekday().num_days_from_monday();
    let days: Vec<NaiveDate> = first.iter_days().take_while(|day| day.month() == month).collect();
    let rows = (before as usize + days.len()).div_ceil(7);
    let caption = first.format("%B %Y").to_string();
    block(html, &caption, (7, rows, STEP), &Tally::of(dates.iter().copied()), |html| {
        for day in days {
            let at = before + day.day0();
            let place = (f64::from(at % 7) * STEP, f64::from(at / 7) * STEP);
            let date = dates.iter().find(|date| date.date == day);
            square(html, place, day, date.copied());
        }
    });
}

/// The months of a year.
fn year(html: &mut Html, year: i32, months: &[Tally; 12]) {
    let all = months.iter().fold(Tally::default(), |mut all, month| {
        all.of.iter_mut().zip(month.of).for_each(|(all, of)| *all += of);
        all.open_dead_letters += month.open_dead_letters;
        all
    });
    let width = STEP * 7.0 / 4.0;
    block(html, &year.to_string(), (4, 3, width), &all, |html| {
        for (index, tally) in months.iter().enumerate() {
            let (x, y) = ((index % 4) as f64 * width, (index / 4) as f64 * STEP);
            let days = tally.of.iter().sum::<usize>();
            html.element("g", &[("class", &if days == 0 { "day is-none" } else { "day" })], |html| {
                html.leaf("title", &[], format!("{year}-{:02}: {}", index + 1, tally.words()));
                let whole = width - (STEP - SIDE);
                let mut left = x;
                for (state, count) in tally.parts() {
                    let part = whole * count as f64 / days as f64;
                    rect(html, state.word(), (left, y), (part, SIDE));
                    left += part;
                }
                if days == 0 {
                    rect(html, "none", (x, y), (whole, SIDE));
                }
                number(html, (x + whole / 2.0, y), &(index + 1));
                mark(html, (x + whole, y), tally.open_dead_letters);
            });
        }
    });
}

/// A figure with this many columns and rows, and this column width.
fn block(
    html: &mut Html,
    caption: &str,
    (columns, rows, width): (u32, usize, f64),
    tally: &Tally,
    inside: impl FnOnce(&mut Html),
) {
    let (width, height) = (f64::from(columns) * width - (STEP - SIDE), rows as f64 * STEP - (STEP - SIDE));
    html.element("figure", &[], |html| {
        html.leaf("figcaption", &[], caption);
        let view = format!("0 0 {width} {height}");
        let attributes: [(_, &dyn std::fmt::Display); 4] =
            [("role", &"img"), ("width", &width), ("height", &height), ("viewBox", &view)];
        html.element("svg", &attributes, |html| {
            html.leaf("title", &[], caption);
            html.leaf("desc", &[], tally.words());
            inside(html);
        });
    });
}

fn square(html: &mut Html, (x, y): (f64, f64), day: NaiveDate, date: Option<&DateStatus>) {
    let class = format!("day is-{}", date.map_or("none", |date| date.state.word()));
    html.element("g", &[("class", &class)], |html| {
        match date {
            None => {
                html.leaf("title", &[], format!("{day}: no date of the job"));
                rect(html, "none", (x, y), (SIDE, SIDE));
            }
            Some(date) => {
                html.leaf("title", &[], format!("{day}: {}", date_words(date)));
                sign(html, date.state, (x, y));
            }
        }
        number(html, (x + SIDE / 2.0, y), &day.day());
        mark(html, (x + SIDE, y), date.map_or(0, |date| date.open_dead_letters));
    });
}

/// A state, shown by shape as well as colour.
fn sign(html: &mut Html, state: DateState, (x, y): (f64, f64)) {
    match state {
        DateState::Partial => {
            rect(html, "track", (x, y), (SIDE, SIDE));
            rect(html, "partial", (x, y + SIDE / 2.0), (SIDE, SIDE / 2.0));
        }
        DateState::Failed => {
            rect(html, "failed", (x, y), (SIDE, SIDE));
            html.path("cross", &[vec![(x + 3.0, y + SIDE - 3.0), (x + SIDE - 3.0, y + SIDE - 3.0)]]);
        }
        state => rect(html, state.word(), (x, y), (SIDE, SIDE)),
    }
}

fn rect(html: &mut Html, class: &'static str, (x, y): (f64, f64), (width, height): (f64, f64)) {
    let [x, y, width, height] = [x, y, width, height].map(|number| (number * 100.0).round() / 100.0);
    html.void(
        "rect",
        &[("class", &class), ("x", &x), ("y", &y), ("width", &width), ("height", &height), ("rx", &3)],
    );
}

fn number(html: &mut Html, (x, y): (f64, f64), number: &dyn std::fmt::Display) {
    html.leaf("text", &[("x", &x), ("y", &(y + 14.5))], number);
}

/// A ring in the corner where dead letters are open.
fn mark(html: &mut Html, (x, y): (f64, f64), open_dead_letters: u64) {
    if open_dead_letters > 0 {
        html.void("circle", &[("class", &"letters"), ("cx", &(x - 1.0)), ("cy", &(y + 1.0)), ("r", &3.5)]);
    }
}

fn legend(html: &mut Html, all: &Tally) {
    html.element("ul", &[("class", &"legend")], |html| {
        let mut entry = |word: &'static str, draw: &dyn Fn(&mut Html)| {
            html.element("li", &[], |html| {
                let view = format!("-1 -1 {0} {0}", SIDE + 2.0);
                html.element("svg", &[("aria-hidden", &"true"), ("viewBox", &view)], |html| draw(html));
                html.text(word);
            });
        };
        for (state, _) in all.parts() {
            entry(state.word(), &|html| sign(html, state, (0.0, 0.0)));
        }
        if all.open_dead_letters > 0 {
            entry("dead letters open", &|html| {
                html.void("circle", &[("class", &"letters"), ("cx", &11), ("cy", &11), ("r", &8)]);
            });
        }
    });
}

/// The table of the picture: consecutive dates in the same state are one row.
fn behind(html: &mut Html, dates: &[DateStatus]) {
    let rows = stretches(dates);
    let shown = rows.len().min(ROWS_MAX);
    let (earlier, newest) = rows.split_at(rows.len() - shown);
    let earlier_dates: usize = earlier.iter().map(|stretch| stretch.days).sum();
    let columns = [Column::when("From"), Column::when("To"), Column::number("Dates"), Column::long("State")];
    table::behind(html, "The dates as a table", &columns, |html| {
        for Stretch { first, last, days, words } in newest.iter().rev() {
            html.element("tr", &[], |html| {
                table::cell(html, &columns[0], first);
                table::cell(html, &columns[1], last);
                table::cell(html, &columns[2], figure::count(*days));
                table::cell(html, &columns[3], words);
            });
        }
        if earlier_dates > 0 {
            table::rest(html, &columns, &format!("and {} before", figure::some(earlier_dates, "date")));
        }
    });
}
