//! Tables: the columns and cells that all tables of the page are made of.

use std::fmt::Display;

use super::html::Html;

/// The heading of a column, and the type of its cells.
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

    /// The name of something, which comes from the data.
    pub(super) const fn name(name: &'static str) -> Column {
        Column { name, class: "name" }
    }

    pub(super) const fn number(name: &'static str) -> Column {
        Column { name, class: "n" }
    }

    /// A number that is hidden on a narrow screen.
    pub(super) const fn lesser(name: &'static str) -> Column {
        Column { name, class: "n less" }
    }

    /// A date, or a point in time.
    pub(super) const fn when(name: &'static str) -> Column {
        Column { name, class: "when" }
    }

    /// A point in time that is hidden on a narrow screen.
    pub(super) const fn lesser_when(name: &'static str) -> Column {
        Column { name, class: "when less" }
    }

    /// A picture.
    pub(super) const fn picture(name: &'static str) -> Column {
        Column { name, class: "pic" }
    }
}

/// A table that scrolls by itself if it is wider than the page.
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

/// The table of a picture.
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

/// A cell with other content.
pub(super) fn cell_of(html: &mut Html, column: &Column, inside: impl FnOnce(&mut Html)) {
    html.element("td", &[("class", &column.class)], inside);
}

/// The last row of a truncated table: what is not shown.
pub(super) fn rest(html: &mut Html, columns: &[Column], text: &str) {
    html.element("tr", &[], |html| {
        html.leaf("td", &[("class", &"soft"), ("colspan", &columns.len())], text);
    });
}
