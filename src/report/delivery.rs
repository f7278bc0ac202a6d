//! The outcome of delivering dead letters.

use serde::Serialize;

use super::{Head, Report, text};

/// What became of a delivery of dead letters.
#[derive(Clone, Debug, Serialize)]
pub struct Delivery {
    /// Where they go, without secrets.
    pub to: String,
    /// How many this run has delivered.
    pub delivered: u64,
    /// What kept it from delivering all, and what to do.
    pub error: Option<String>,
    /// How many are due still, as far as it could ask.
    #[serde(skip)]
    pub undelivered: Option<u64>,
}

/// What `dead-letters deliver` did.
#[derive(Clone, Debug, Serialize)]
pub struct Deliver {
    /// What every report begins with.
    #[serde(flatten)]
    pub head: Head,
    /// What became of it.
    #[serde(flatten)]
    pub delivery: Delivery,
    /// How many dead letters are open and not delivered; nothing if the destination could not be
    /// asked.
    pub undelivered: Option<u64>,
}

impl Report for Deliver {
    fn head(&self) -> &Head {
        &self.head
    }

    fn text(&self, _: usize) -> String {
        text::deliver(self)
    }
}
