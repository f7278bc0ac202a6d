//! Measuring: how fast this program is, on this machine, with these files, and whether that
//! has changed.
//!
//! A [`dataset`] is what is measured on where a person gives no files. `run` takes the way of a
//! record apart into stages and measures each beside a floor, the least that anybody would have
//! to do. `compare` holds two results against each other, and `against` two programs, in pairs.
//!
//! What is measured is what a load does: the stages call the same functions, and the last of them
//! is a load, into a place that is made for it and thrown away. What came of it is counted there,
//! so that a load that rolled back is no measurement.

mod against;
mod child;
mod compare;
pub mod dataset;
mod facts;
mod folder;
mod gauge;
mod generate;
mod ground;
mod instructions;
mod load;
mod run;
mod stages;
mod statistics;

pub use against::{AgainstOptions, against};
pub use compare::{compare, read};
pub use generate::generate;
pub use ground::Ground;
pub use run::{RunOptions, run};
pub use stages::{ALL, Stage};
