//! Pictures from plain values: bars, lines with gaps, shares of a whole.
//!
//! A plot is stretched to the available width. Its words are not inside but around it, so they have the same
//! size on a telephone as on a wall.

use std::fmt::Display;

use super::html::Html;

/// What a picture shows, for readers who cannot see it.
pub(super) struct Words<'a> {
    pub(super) title: &'a str,
    pub(super) description: &'a str,
}

/// A bar, with its description.
pub(super) struct Bar {
    pub(super) value: f64,
    pub(super) class: &'static str,
    pub(super) title: String,
}

/// A line. Missing values are gaps.
pub(super) struct Line {
    pub(super) name: String,
    pub(super) values: Vec<Option<f64>>,
}

/// A band with its share of each step.
pub(super) struct Band {
    pub(super) name: &'static str,
    pub(super) class: &'static str,
    pub(super) shares: Vec<f64>,
}

/// A part of a whole.
pub(super) struct Part {
    pub(super) name: &'static str,
    pub(super) class: &'static str,
    pub(super) value: u64,
}

/// The classes for lines and bands, in order; more of them could not be distinguished.
const LINES: [&str; 6] = ["l1", "l2", "l3", "l4", "l5", "l6"];
const FILLS: [&str; 6] = ["f1", "f2", "f3", "f4", "f5", "f6"];

/// The width and height of the plot within its view.
const WIDTH: f64 = 1000.0;
const HEIGHT: f64 = 100.0;

/// The minimum number of bar slots, so that a single bar does not fill the plot.
const SLOTS_MIN: usize = 24;

/// Bars side by side.
pub(super) fn bars(
    html: &mut Html,
    words: &Words<'_>,
    bars: &[Bar],
    scale: fn(f64) -> String,
    ends: [&str; 2],
) {
    let top = top(bars.iter().map(|bar| bar.value));
    let slot = WIDTH / bars.len().max(SLOTS_MIN) as f64;
    chart(html, words, [0.0, top], scale, ends, |html| {
        for (index, bar) in bars.iter().enumerate() {
            let height = (bar.value / top * HEIGHT).max(0.5);
            html.element("g", &[], |html| {
                html.leaf("title", &[], &bar.title);
                let attributes: [(_, &dyn Display); 5] = [
                    ("class", &bar.class),
                    ("x", &rounded(index as f64 * slot + slot * 0.1)),
                    ("y", &rounded(HEIGHT - height)),
                    ("width", &rounded(slot * 0.8)),
                    ("height", &rounded(height)),
                ];
                html.void("rect", &attributes);
            });
        }
    });
}

/// Lines over the same steps.
pub(super) fn lines(
    html: &mut Html,
    words: &Words<'_>,
    lines: &[Line],
    scale: fn(f64) -> String,
    ends: [&str; 2],
) {
    let values = || lines.iter().flat_map(|line| line.values.iter().flatten().copied());
    let (top, bottom) = (top(values()), -top_of(values().map(|value| -value)));
    let steps = lines.iter().map(|line| line.values.len()).max().unwrap_or(0).max(2) - 1;
    chart(html, words, [bottom, top], scale, ends, |html| {
        for (line, class) in lines.iter().zip(LINES) {
            let at = |(index, value): (usize, &Option<f64>)| {
                let value = (*value)?;
                let y = HEIGHT - (value - bottom) / (top - bottom) * HEIGHT;
                Some((index as f64 * WIDTH / steps as f64, y))
            };
            let points: Vec<Option<(f64, f64)>> = line.values.iter().enumerate().map(at).collect();
            let pieces: Vec<Vec<(f64, f64)>> = points
                .split(Option::is_none)
                .filter(|piece| !piece.is_empty())
                .map(|piece| piece.iter().flatten().copied().collect())
                .collect();
            html.path(class, &pieces);
        }
    });
    if lines.len() > 1 {
        html.element("ul", &[("class", &"legend")], |html| {
            lines.iter().zip(FILLS).for_each(|(line, class)| entry(html, class, &line.name, None));
        });
    }
}

/// Stacked bands that together fill each of the same steps.
pub(super) fn bands(
    html: &mut Html,
    words: &Words<'_>,
    bands: &[Band],
    scale: fn(f64) -> String,
    ends: [&str; 2],
) {
    let steps = bands.iter().map(|band| band.shares.len()).max().unwrap_or(0).max(1);
    let slot = WIDTH / steps as f64;
    chart(html, words, [0.0, 1.0], scale, ends, |html| {
        for index in 0..steps {
            html.element("g", &[("class", &"step")], |html| {
                let share = |band: &Band| band.shares.get(index).copied().unwrap_or(0.0).clamp(0.0, 1.0);
                let said: Vec<String> =
                    bands.iter().map(|band| format!("{}: {}", band.name, scale(share(band)))).collect();
                html.leaf("title", &[], said.join(", "));
                let mut below = HEIGHT;
                for band in bands {
                    let height = share(band) * HEIGHT;
                    below -= height;
                    let attributes: [(_, &dyn Display); 5] = [
                        ("class", &band.class),
                        ("x", &rounded(index as f64 * slot)),
                        ("y", &rounded(below.max(0.0))),
                        // Overlaps the next band, so that no seam shows.
                        ("width", &rounded(slot + 0.5)),
                        ("height", &rounded(height)),
                    ];
                    html.void("rect", &attributes);
                }
            });
        }
    });
    html.element("ul", &[("class", &"legend")], |html| {
        bands.iter().for_each(|band| entry(html, band.class, band.name, None));
    });
}

/// Parts of a whole, side by side, with their names and values.
pub(super) fn shares(html: &mut Html, words: &Words<'_>, parts: &[Part], value: fn(u64) -> String) {
    let whole: u64 = parts.iter().map(|part| part.value).sum();
    html.element("svg", &[("class", &"share"), ("role", &"img")], |html| {
        html.leaf("title", &[], words.title);
        html.leaf("desc", &[], words.description);
        html.void("rect", &[("class", &"track"), ("width", &"100%"), ("height", &"100%")]);
        let mut left = 0;
        for part in parts {
            let (x, width) = (percent(left, whole), percent(part.value, whole));
            html.void("rect", &[("class", &part.class), ("x", &x), ("width", &width), ("height", &"100%")]);
            left += part.value;
        }
    });
    html.element("ul", &[("class", &"legend")], |html| {
        for part in parts {
            entry(html, part.class, part.name, Some(&value(part.value)));
        }
    });
}

/// A quantity as a bar within a cell.
pub(super) fn share(html: &mut Html, title: &str, class: &'static str, part: u64, whole: u64) {
    html.element("svg", &[("class", &"bar"), ("role", &"img")], |html| {
        html.leaf("title", &[], title);
        html.void("rect", &[("class", &"track"), ("width", &"100%"), ("height", &"100%")]);
        let width = percent(part.min(whole), whole);
        html.void("rect", &[("class", &class), ("width", &width), ("height", &"100%")]);
    });
}

fn entry(html: &mut Html, class: &'static str, name: &str, value: Option<&str>) {
    html.element("li", &[], |html| {
        html.element("svg", &[("aria-hidden", &"true")], |html| {
            html.void("rect", &[("class", &class), ("width", &"100%"), ("height", &"100%"), ("rx", &3)]);
        });
        html.leaf("bdi", &[], name);
        if let Some(value) = value {
            html.text(" ");
            html.leaf("b", &[], value);
        }
    });
}

/// A plot with the labels at its sides: the ends of both scales, and the middle of the vertical one.
fn chart(
    html: &mut Html,
    words: &Words<'_>,
    [bottom, top]: [f64; 2],
    scale: fn(f64) -> String,
    [first, last]: [&str; 2],
    inside: impl FnOnce(&mut Html),
) {
    html.element("figure", &[("class", &"chart")], |html| {
        html.element("div", &[("class", &"ys"), ("aria-hidden", &"true")], |html| {
            for value in [top, f64::midpoint(top, bottom), bottom] {
                html.leaf("span", &[], scale(value));
            }
        });
        let view = format!("0 0 {WIDTH} {HEIGHT}");
        let attributes: [(_, &dyn Display); 3] =
            [("role", &"img"), ("viewBox", &view), ("preserveAspectRatio", &"none")];
        html.element("svg", &attributes, |html| {
            html.leaf("title", &[], words.title);
            html.leaf("desc", &[], words.description);
            for y in [0.0, HEIGHT / 2.0, HEIGHT] {
                html.path("grid", &[vec![(0.0, y), (WIDTH, y)]]);
            }
            inside(html);
        });
        html.element("div", &[("class", &"xs")], |html| {
            html.leaf("span", &[], first);
            html.leaf("span", &[], last);
        });
    });
}

/// The end of a scale that begins at zero: the next round number, never zero.
fn top(values: impl Iterator<Item = f64>) -> f64 {
    let top = top_of(values);
    if top > 0.0 { top } else { 1.0 }
}

/// The same, or zero if no value is above it.
fn top_of(values: impl Iterator<Item = f64>) -> f64 {
    let greatest = values.filter(|value| value.is_finite()).fold(0.0, f64::max);
    if greatest <= 0.0 {
        return 0.0;
    }
    let power = 10_f64.powi(greatest.log10().floor() as i32);
    [1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0]
        .into_iter()
        .map(|step| step * power)
        .find(|top| *top >= greatest)
        .unwrap_or(greatest)
}

fn percent(part: u64, whole: u64) -> String {
    format!("{:.3}%", 100.0 * part as f64 / whole.max(1) as f64)
}

fn rounded(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

/// A number of a scale: `0`, `2.5 k`, `120 M`.
pub(super) fn short(number: f64) -> String {
    let (mut size, mut units) = (number.abs(), ["", " k", " M", " G", " T"].into_iter());
    let mut unit = units.next().unwrap_or_default();
    for next in units {
        if size < 1000.0 {
            break;
        }
        size /= 1000.0;
        unit = next;
    }
    let sign = if number < 0.0 { "−" } else { "" };
    let digits = format!("{size:.2}");
    let digits = digits.trim_end_matches('0').trim_end_matches('.');
    format!("{sign}{digits}{unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_end_at_round_numbers() {
        let tops = [[0.0, 0.0], [3.2, 0.7], [99.0, 4.0], [1_040.0, 1.0], [0.031, 0.0], [-4.0, -2.0]];
        assert_eq!(tops.map(|values| top(values.into_iter())), [1.0, 4.0, 100.0, 1_200.0, 0.04, 1.0]);
        assert_eq!(top([f64::NAN, f64::INFINITY, 7.0].into_iter()), 8.0);
    }

    #[test]
    fn numbers_of_scales_are_short() {
        let numbers = [0.0, 0.04, 2.5, 999.0, 1_000.0, 2_500.0, 120e6, -1_500.0, 1e15];
        let short = numbers.map(short);
        let expected = ["0", "0.04", "2.5", "999", "1 k", "2.5 k", "120 M", "−1.5 k", "1000 T"];
        assert_eq!(short, expected);
    }

    fn drawn(draw: impl FnOnce(&mut Html)) -> String {
        let mut html = Html::default();
        draw(&mut html);
        html.into_text()
    }

    const WORDS: Words<'_> = Words { title: "a", description: "b" };

    #[test]
    fn a_line_has_gaps_and_lonely_points_are_dots() {
        let line = Line { name: "m".into(), values: vec![Some(0.0), Some(10.0), None, Some(5.0), None] };
        let out = drawn(|html| lines(html, &WORDS, &[line], short, ["x", "y"]));
        assert!(out.contains("d=\"M0.0 100.0L250.0 0.0M750.0 50.0L750.0 50.0\""), "{out}");
    }

    #[test]
    fn values_below_zero_have_room() {
        let line = Line { name: "m".into(), values: vec![Some(-10.0), Some(10.0)] };
        let out = drawn(|html| lines(html, &WORDS, &[line], short, ["x", "y"]));
        assert!(out.contains("d=\"M0.0 100.0L1000.0 0.0\"") && out.contains(">−10<"), "{out}");
    }

    #[test]
    fn bands_fill_each_step_from_below() {
        let band = |class, shares: &[f64]| Band { name: "b", class, shares: shares.to_vec() };
        let both = [band("f1", &[0.25, 1.0]), band("f3", &[0.75, 0.0])];
        let out = drawn(|html| bands(html, &WORDS, &both, short, ["x", "y"]));
        for rect in [
            "class=\"f1\" x=\"0\" y=\"75\" width=\"500.5\" height=\"25\"",
            "class=\"f3\" x=\"0\" y=\"0\" width=\"500.5\" height=\"75\"",
            "class=\"f1\" x=\"500\" y=\"0\" width=\"500.5\" height=\"100\"",
        ] {
            assert!(out.contains(rect), "{rect}\n{out}");
        }
    }

    #[test]
    fn parts_fill_the_whole() {
        let part = |value| Part { name: "p", class: "f1", value };
        let out = drawn(|html| shares(html, &WORDS, &[part(1), part(3)], |value| value.to_string()));
        assert!(
            out.contains("x=\"0.000%\" width=\"25.000%\"") && out.contains("x=\"25.000%\" width=\"75.000%\"")
        );
        // A total of zero has no shares, and must not be divided by.
        let out = drawn(|html| shares(html, &WORDS, &[part(0)], |value| value.to_string()));
        assert!(out.contains("width=\"0.000%\""), "{out}");
    }
}
