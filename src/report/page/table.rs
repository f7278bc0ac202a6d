//! Tables: a row of columns that all tables of the page are made of.

use std::fmt::Display;

use super::html::Html;

/// What stands above a column, and what kind of things below.
pub(super) struct Column {
    name: &'static str,
    class: &'static str,
}

impl Column {
    pub(super) const fn text(name: &'static str) -> Column {
        Column { name, class: "" }
    }

    /// A text that can be long, such as a reason.
    pub(super) const fn long(name: &'static str) -> Column {
        Column { name, class: "long" }
    }

    /// The name of something that is not ours.
    pub(super) const fn name(name: &'static str) -> Column {
        Column { name, class: "name" }
    }

    pub(super) const fn number(name: &'static str) -> Column {
        Column { name, class: "n" }
    }

    /// A number that a narrow screen has no room for.
    pub(super) const fn lesser(name: &'static str) -> Column {
        Column { name, class: "n less" }
    }

    /// A date, or a moment.
    pub(super) const fn when(name: &'static str) -> Column {
        Column { name, class: "when" }
    }

    /// A moment that a narrow screen has no room for.
    pub(super) const fn lesser_when(name: &'static str) -> Column {
        Column { name, class: "when less" }
    }

    /// A picture.
    pub(super) const fn picture(name: &'static str) -> Column {
        Column { name, class: "pic" }
    }
}

/// A table that scrolls by itself where it is wider than the page.
pub(super) fn table(html: &mut Html, label: &str, columns: &[Column], rows: impl FnOnce(&mut Html)) {
    let attributes: [(_, &dyn Display); 4] =
        [("class", &"wide"), ("role", &"region"), ("aria-label", &label), ("tabindex", &0)];
    html.element("div", &attributes, |html| {
        html.element("table", &[], |html| {
            html.element("thead", &[], |html| {
                html.element("tr", &[], |html| {
                    for Column { name, class } in columns {
                        html.leaf("th", &[("scope", &"col"), ("class", class)], name);
                    }
                });
            });
            html.element("tbody", &[], rows);
        });
    });
}

/// The table behind a picture.
pub(super) fn behind(html: &mut Html, label: &str, columns: &[Column], rows: impl FnOnce(&mut Html)) {
    html.element("details", &[], |html| {
        html.leaf("summary", &[], label);
        table(html, label, columns, rows);
    });
}

/// A cell with a text.
pub(super) fn cell(html: &mut Html, column: &Column, text: impl Display) {
    html.leaf("td", &[("class", &column.class)], text);
}

/// A cell with something else.
pub(super) fn cell_of(html: &mut Html, column: &Column, inside: impl FnOnce(&mut Html)) {
    html.element("td", &[("class", &column.class)], inside);
}

/// The last row of a table that has a bound: what is not shown.
pub(super) fn rest(html: &mut Html, columns: &[Column], text: &str) {
    html.element("tr", &[], |html| {
        html.leaf("td", &[("class", &"soft"), ("colspan", &columns.len())], text);
    });
}
