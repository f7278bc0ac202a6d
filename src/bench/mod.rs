//! Measuring: how fast this program is, on this machine, with these files, and whether that has changed.
//!
//! A [`dataset`] is measured when the user gives no files. `run` divides the processing of a record into
//! stages and measures each beside a lower bound, the minimum that any program would have to do. `compare`
//! compares two results, and `against` two programs, in pairs.
//!
//! The measured code is that of a load: the stages call the same functions, and the last of them is a load,
//! into a place that is created for it and removed afterwards. Its rows are counted there, so a load that
//! rolled back does not count as a measurement.

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
