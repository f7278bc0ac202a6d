//! `dead-letters deliver`, and the end of a load: what is due is sent where `to` says.

use super::{Watch, destination};
use crate::config::Config;
use crate::delivery::{self, Address};
use crate::error::{Error, Result};
use crate::event::Event;
use crate::report::{Deliver, Delivery, Exit, Head};
use crate::sink::destination::Destination;

/// Delivers the job's dead letters that are due.
pub fn deliver(config: &Config, watch: &Watch) -> Result<Deliver> {
    let to = config.dead_letters.to.as_ref().ok_or_else(|| {
        Error::usage(format!(
            "job {} delivers no dead letters; add a 'to' to [dead_letters] that says where they go",
            config.name
        ))
    })?;
    let (delivery, result) = brought(config, to, &*destination(config, watch)?, watch);
    let exit = match (result, watch.stop.asked()) {
        (Ok(()), Some(signal)) if delivery.undelivered != Some(0) => Exit::Stopped(signal),
        (Ok(()), _) => Exit::Success,
        (Err(error), _) => Exit::of_error(&error),
    };
    let head = Head::new("dead-letters deliver", Some(&config.name), exit);
    Ok(Deliver { head, undelivered: delivery.undelivered, delivery })
}

/// The delivery at the end of a load, however the load ended. No obstacle is an error of the load: what is
/// due stays due.
pub(super) fn at_end(
    config: &Config,
    destination: &dyn Destination,
    exit: Exit,
    watch: &Watch,
) -> Option<Delivery> {
    let to = config.dead_letters.to.as_ref()?;
    // A run that was stopped does not deliver, and one that lost its sources leaves the delivery to the other
    // run too.
    if matches!(exit, Exit::Stopped(_) | Exit::Held) {
        return None;
    }
    Some(brought(config, to, destination, watch).0)
}

fn brought(
    config: &Config,
    to: &Address,
    destination: &dyn Destination,
    watch: &Watch,
) -> (Delivery, Result<()>) {
    if to.is_open_to_others() {
        let text = format!(
            "the connection to {to} is not encrypted: others on the way could read dead letters and the \
             password; use a tunnel that listens on this machine, and deliver to its address"
        );
        watch.observer.tell(&Event::Unsafe { text });
    }
    let delivered = destination
        .outbox()
        .and_then(|mut outbox| delivery::deliver(to, &config.name, &mut *outbox, &watch.stop));
    let (delivered, undelivered, result) = match delivered {
        Ok(outcome) => (outcome.delivered, Some(outcome.undelivered), outcome.result),
        Err(error) => (0, None, Err(error)),
    };
    let error = result.as_ref().err().map(Error::to_string);
    (Delivery { to: to.to_string(), delivered, error, undelivered }, result)
}
