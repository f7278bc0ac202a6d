//! The usual layouts of timestamps, read by position: `27/Oct/2023:12:34:56 +0200`.
//!
//! A layout is compiled into steps, one for each part of it. The steps at its beginning are at the same
//! places in every timestamp, and are compared eight bytes at a time; parts of variable length, a fraction or
//! an offset, and everything after them are read step by step. Both accept a timestamp only if each byte is
//! where they expect it, and leave anything else to chrono.

use chrono::format::{Fixed, Item, Numeric, Pad, StrftimeItems};

use super::super::Year;
use super::rfc3339::{Layout, days};
use super::stamp::{DAY_US, Stamp};

/// A layout of usual letters only.
#[derive(Clone, Debug)]
pub(super) struct Steps {
    steps: Vec<Step>,
    head: Option<Head>,
}

/// A part of a layout.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Step {
    /// This byte.
    Byte(u8),
    /// `2023`.
    Year,
    /// `10`.
    Month,
    /// `Oct`.
    MonthName,
    /// `Fri`.
    Weekday,
    /// `07`.
    Day,
    /// `07` or ` 7`.
    DayOrBlank,
    /// `00` to `23`.
    Hour,
    /// `00` to `59`.
    Minute,
    /// `00` to `59`.
    Second,
    /// A point and digits, or nothing.
    Fraction,
    /// This many digits.
    Digits(u8),
    /// `+0200` or `+02:00`.
    Offset,
}

impl Steps {
    /// The steps that read what `items` describe, if all of them are usual.
    pub(super) fn new(items: &[Item<'static>]) -> Option<Steps> {
        let steps = compile(items)?;
        let head = Head::new(&steps);
        Some(Steps { steps, head })
    }

    /// Reads a timestamp; `None` if it is anything but what the steps expect. `given` is the year of one that
    /// names none.
    pub(super) fn read(&self, text: &[u8], given: Option<Year>) -> Option<Stamp> {
        let (mut parts, mut rest) = (Parts::default(), text);
        let behind = match &self.head {
            Some(head) => {
                rest = head.read(text, &mut parts)?;
                &self.steps[head.steps..]
            }
            None => &self.steps,
        };
        for step in behind {
            parts.take(step, &mut rest)?;
        }
        if !rest.is_empty() { None } else { parts.stamp(given) }
    }
}

/// What has been read of a timestamp.
#[derive(Default)]
struct Parts {
    year: Option<u32>,
    month: u32,
    day: u32,
    hour: u32,
    minute: u32,
    second: u32,
    micros: i64,
    weekday: Option<i32>,
    offset_s: Option<i32>,
}

impl Parts {
    /// Reads one part from the beginning of `rest`.
    fn take(&mut self, step: &Step, rest: &mut &[u8]) -> Option<()> {
        match step {
            Step::Byte(byte) => *rest = rest.strip_prefix(&[*byte])?,
            Step::Year => self.year = Some(number(take(rest, 4)?)?),
            Step::Month => self.month = number(take(rest, 2)?)?,
            Step::Day => self.day = number(take(rest, 2)?)?,
            Step::DayOrBlank => {
                let digits = take(rest, 2)?;
                self.day = number(digits.strip_prefix(b" ").unwrap_or(digits))?;
            }
            Step::Hour => self.hour = number(take(rest, 2)?)?,
            Step::Minute => self.minute = number(take(rest, 2)?)?,
            Step::Second => self.second = number(take(rest, 2)?)?,
            Step::MonthName => self.month = month(take(rest, 3)?)?,
            Step::Weekday => self.weekday = Some(weekday(take(rest, 3)?)?),
            Step::Fraction => {
                if let [b'.', digits @ ..] = *rest {
                    let count = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
                    let kept = number(&digits[..count.min(6)])?;
                    self.micros = i64::from(kept) * 10_i64.pow(6 - u32::try_from(count.min(6)).ok()?);
                    *rest = &digits[count..];
                }
            }
            Step::Digits(count) => {
                let digits = take(rest, usize::from(*count))?;
                number(digits)?;
                let kept = i64::from(number(&digits[..digits.len().min(6)])?);
                self.micros = kept * if *count == 3 { 1_000 } else { 1 };
            }
            Step::Offset => {
                let (&[sign, tens, ones], behind) = rest.split_first_chunk()?;
                let (&[minute_tens, minute_ones], behind) =
                    behind.strip_prefix(b":").unwrap_or(behind).split_first_chunk()?;
                let sign = match sign {
                    b'+' => 1,
                    b'-' => -1,
                    _ => return None,
                };
                let (hours, minutes) = (pair(tens, ones)?, pair(minute_tens, minute_ones)?);
                if hours > 23 || minutes > 59 {
                    return None;
                }
                *rest = behind;
                self.offset_s = Some(sign * i32::try_from(hours * 3600 + minutes * 60).ok()?);
            }
        }
        Some(())
    }

    /// The point in time of these parts.
    fn stamp(&self, given: Option<Year>) -> Option<Stamp> {
        let Parts { year, month, day, hour, minute, second, micros, weekday, offset_s } = *self;
        if hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        let day_of = |year: i32| {
            let day = days(u32::try_from(year).ok()?, month, day)?;
            weekday.is_none_or(|weekday| day.rem_euclid(7) == weekday).then_some(day)
        };
        let day = match year {
            Some(year) => day_of(i32::try_from(year).ok()?)?,
            None => given?.settle(day_of)?,
        };
        let seconds = i64::from(hour * 3600 + minute * 60 + second);
        Some(Stamp { local_us: i64::from(day) * DAY_US + seconds * 1_000_000 + micros, offset_s })
    }
}

/// The steps at the beginning of a layout whose parts are at the same places in every timestamp, if they
/// include at least the day and the time.
#[derive(Clone, Debug)]
struct Head {
    /// The number of steps.
    steps: usize,
    /// The number of bytes.
    length: usize,
    /// The layouts of the bytes, in words of eight, the last of which may overlap the one before it.
    words: Vec<(usize, Layout)>,
    year: Option<usize>,
    month: usize,
    has_month_name: bool,
    day: usize,
    hour: usize,
    minute: usize,
    second: usize,
    weekday: Option<usize>,
}

impl Head {
    fn new(steps: &[Step]) -> Option<Head> {
        let is_fixed = |step: &&Step| !matches!(step, Step::Fraction | Step::Digits(_) | Step::Offset);
        let (mut bytes, mut places) = (Vec::new(), Vec::new());
        for step in steps.iter().take_while(is_fixed) {
            places.push((step, bytes.len()));
            match step {
                Step::Byte(byte) => bytes.push((*byte, Layout::EXACT)),
                Step::Year => bytes.extend([(b'0', Layout::DIGIT); 4]),
                Step::MonthName | Step::Weekday => bytes.extend([(0, Layout::ASCII); 3]),
                Step::DayOrBlank => bytes.extend([(0, Layout::ASCII), (b'0', Layout::DIGIT)]),
                _ => bytes.extend([(b'0', Layout::DIGIT); 2]),
            }
        }
        let place = |wanted: Step| places.iter().find(|(step, _)| **step == wanted).map(|(_, at)| *at);
        let length = bytes.len();
        let starts = (0..length).step_by(8).map(|at| Some(at.min(length.checked_sub(8)?)));
        let word = |at: usize| (at, Layout::of(std::array::from_fn(|index| bytes[at + index])));
        let words = starts.map(|at| at.map(word)).collect::<Option<Vec<_>>>()?;
        Some(Head {
            steps: places.len(),
            length,
            words,
            year: place(Step::Year),
            month: place(Step::Month).or(place(Step::MonthName))?,
            has_month_name: place(Step::MonthName).is_some(),
            day: place(Step::Day).or(place(Step::DayOrBlank))?,
            hour: place(Step::Hour)?,
            minute: place(Step::Minute)?,
            second: place(Step::Second)?,
            weekday: place(Step::Weekday),
        })
    }

    /// Reads the parts, and returns what follows them.
    #[inline]
    fn read<'t>(&self, text: &'t [u8], parts: &mut Parts) -> Option<&'t [u8]> {
        let (head, rest) = text.split_at_checked(self.length)?;
        for (at, layout) in &self.words {
            if !layout.fits(*head.get(*at..)?.first_chunk()?) {
                return None;
            }
        }
        if let Some(at) = self.year {
            parts.year = Some(two(head, at)? * 100 + two(head, at + 2)?);
        }
        parts.month = match self.has_month_name {
            true => month(head.get(self.month..self.month + 3)?)?,
            false => two(head, self.month)?,
        };
        parts.day = match head.get(self.day)? {
            b' ' => u32::from(head.get(self.day + 1)? - b'0'),
            b'0'..=b'9' => two(head, self.day)?,
            _ => return None,
        };
        (parts.hour, parts.minute, parts.second) =
            (two(head, self.hour)?, two(head, self.minute)?, two(head, self.second)?);
        if let Some(at) = self.weekday {
            parts.weekday = Some(weekday(head.get(at..at + 3)?)?);
        }
        Some(rest)
    }
}

/// The number in two bytes that are known to be digits.
#[inline]
fn two(text: &[u8], at: usize) -> Option<u32> {
    let &[tens, ones] = text.get(at..at + 2)?.as_array()?;
    Some(u32::from(tens - b'0') * 10 + u32::from(ones - b'0'))
}

/// The number of the month with this name.
#[inline]
pub(super) fn month(name: &[u8]) -> Option<u32> {
    let name: [u8; 3] = name.try_into().ok()?;
    Some(match name {
        [b'J', b'a', b'n'] => 1,
        [b'F', b'e', b'b'] => 2,
        [b'M', b'a', b'r'] => 3,
        [b'A', b'p', b'r'] => 4,
        [b'M', b'a', b'y'] => 5,
        [b'J', b'u', b'n'] => 6,
        [b'J', b'u', b'l'] => 7,
        [b'A', b'u', b'g'] => 8,
        [b'S', b'e', b'p'] => 9,
        [b'O', b'c', b't'] => 10,
        [b'N', b'o', b'v'] => 11,
        [b'D', b'e', b'c'] => 12,
        _ => return None,
    })
}

/// How many days the weekday with this name is after that of 1970-01-01.
fn weekday(name: &[u8]) -> Option<i32> {
    Some(match name {
        b"Thu" => 0,
        b"Fri" => 1,
        b"Sat" => 2,
        b"Sun" => 3,
        b"Mon" => 4,
        b"Tue" => 5,
        b"Wed" => 6,
        _ => return None,
    })
}

/// Whether an item is `%3f`, with this number of digits.
fn is_digits(item: &Item<'_>, digits: u8) -> bool {
    StrftimeItems::new(&format!("%{digits}f")).eq([item.clone()])
}

/// The steps for a layout of usual letters only.
fn compile(items: &[Item<'static>]) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    for item in items {
        let step = match item {
            Item::Literal(text) => {
                steps.extend(text.bytes().map(Step::Byte));
                continue;
            }
            Item::OwnedLiteral(text) => {
                steps.extend(text.bytes().map(Step::Byte));
                continue;
            }
            // chrono accepts any white space here; a single blank is what nearly all have.
            Item::Space(" ") => Step::Byte(b' '),
            Item::OwnedSpace(space) if &**space == " " => Step::Byte(b' '),
            Item::Numeric(Numeric::Year, Pad::Zero) => Step::Year,
            Item::Numeric(Numeric::Month, Pad::Zero) => Step::Month,
            Item::Numeric(Numeric::Day, Pad::Zero) => Step::Day,
            Item::Numeric(Numeric::Day, Pad::Space) => Step::DayOrBlank,
            Item::Numeric(Numeric::Hour, Pad::Zero) => Step::Hour,
            Item::Numeric(Numeric::Minute, Pad::Zero) => Step::Minute,
            Item::Numeric(Numeric::Second, Pad::Zero) => Step::Second,
            Item::Fixed(Fixed::ShortMonthName) => Step::MonthName,
            Item::Fixed(Fixed::ShortWeekdayName) => Step::Weekday,
            Item::Fixed(Fixed::Nanosecond) => Step::Fraction,
            Item::Fixed(Fixed::TimezoneOffset | Fixed::TimezoneOffsetColon) => Step::Offset,
            // chrono keeps the type of these private, but they can be compared.
            item => Step::Digits(*[3, 6, 9].iter().find(|digits| is_digits(item, **digits))?),
        };
        steps.push(step);
    }
    // A day after a blank consumes all digits that follow it, and each part must occur once.
    let is_number = |step: &Step| {
        use Step::{Day, DayOrBlank, Hour, Minute, Month, Second, Year};
        matches!(step, Year | Month | Day | DayOrBlank | Hour | Minute | Second)
    };
    let runs_on = steps.windows(2).any(|pair| pair[0] == Step::DayOrBlank && is_number(&pair[1]));
    let count = |wanted: &[Step]| steps.iter().filter(|step| wanted.contains(step)).count();
    let is_plain = count(&[Step::Month, Step::MonthName]) == 1
        && count(&[Step::Day, Step::DayOrBlank]) == 1
        && [Step::Hour, Step::Minute, Step::Second].iter().all(|&part| count(&[part]) == 1)
        && [Step::Year, Step::Weekday, Step::Offset].iter().all(|&part| count(&[part]) <= 1)
        && count(&[Step::Fraction, Step::Digits(3), Step::Digits(6), Step::Digits(9)]) <= 1;
    (is_plain && !runs_on).then_some(steps)
}

fn take<'t>(rest: &mut &'t [u8], count: usize) -> Option<&'t [u8]> {
    let (taken, left) = rest.split_at_checked(count)?;
    *rest = left;
    Some(taken)
}

/// The number in two digits.
#[inline]
fn pair(tens: u8, ones: u8) -> Option<u32> {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    (tens <= 9 && ones <= 9).then(|| u32::from(tens) * 10 + u32::from(ones))
}

/// The number in digits, of which there is at least one.
fn number(digits: &[u8]) -> Option<u32> {
    let push = |value: u32, byte: &u8| byte.is_ascii_digit().then(|| value * 10 + u32::from(byte - b'0'));
    if digits.is_empty() { None } else { digits.iter().try_fold(0, push) }
}
