//! The outcome of delivering dead letters.

use serde::Serialize;

use super::{Head, Report, text};

/// The result of a delivery of dead letters.
#[derive(Clone, Debug, Serialize)]
pub struct Delivery {
    /// The target, without secrets.
    pub to: String,
    /// The number of letters that this run has delivered.
    pub delivered: u64,
    /// What prevented the delivery of all letters, and what to do.
    pub error: Option<String>,
    /// The number that is still due, if it could be looked up.
    #[serde(skip)]
    pub undelivered: Option<u64>,
}

/// The result of `dead-letters deliver`.
#[derive(Clone, Debug, Serialize)]
pub struct Deliver {
    /// The fields that every report begins with.
    #[serde(flatten)]
    pub head: Head,
    /// The result of the delivery.
    #[serde(flatten)]
    pub delivery: Delivery,
    /// The number of open dead letters that are not delivered; null if the destination could not be
    /// reached.
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
