//! A delivery of dead letters, for people.

use std::fmt::Write as _;

use crate::figure;
use crate::printable::one_line;
use crate::report::{Deliver, Delivery};

/// What `dead-letters deliver` did. An obstacle is reported as its error.
pub(in crate::report) fn deliver(report: &Deliver) -> String {
    let delivery = &report.delivery;
    let (job, to) = (one_line(report.head.job()), one_line(&delivery.to));
    let mut out = match (delivery.delivered, report.undelivered) {
        (0, Some(0)) => format!("{job}: nothing is to be delivered to {to}"),
        (0, _) => format!("{job}: nothing was delivered to {to}"),
        (delivered, _) => format!("{job}: {} delivered to {to}", figure::some(delivered, "dead letter")),
    };
    if let Some(left @ 1..) = report.undelivered {
        let _ = write!(out, ", {} to go", figure::count(left));
    }
    out + "\n"
}

/// What a load delivered at its end.
pub(super) fn delivery(out: &mut String, delivery: &Delivery) {
    if delivery.delivered > 0 {
        let letters = figure::some(delivery.delivered, "dead letter");
        let _ = writeln!(out, "\n  {letters} delivered to {}", one_line(&delivery.to));
    }
    if let Some(error) = &delivery.error {
        let left = delivery.undelivered.map_or(String::new(), |left| {
            let are = if left == 1 { "is" } else { "are" };
            format!("{} {are} not delivered: ", figure::some(left, "dead letter"))
        });
        let _ = writeln!(out, "\n  {left}{}", one_line(error));
    }
}
