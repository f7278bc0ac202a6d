//! The contract of a ledger: what every place that remembers sources must keep.
//!
//! There is one function per clause. Each runs against PostgreSQL, SQLite and a map in memory; against the
//! map again with a store that loses answers, and with one that is unavailable now and then; and against a
//! map in each store that a job can name. Batches are made by hand from blank lines and at most one reject,
//! so that only the bookkeeping is tested. A clause therefore takes a [`place::Kept`] and a [`place::Run`],
//! which expose only the ledger of a destination.

/// Hand-made claims and batches.
mod batches;
/// Recognising files, and owning them.
mod claims;
/// A ledger in a map, with a store that fails.
mod map;
/// Checkpoints that move, and moves that are refused.
mod moves;
/// The places, and the interface that a clause uses.
mod place;
/// Commits that were acknowledged and then lost.
mod setbacks;
/// The keys of a map.
mod store;
/// A map in each store that a job can name.
#[cfg(all(feature = "buckets", feature = "sqlite"))]
mod stores;

use claims::*;
use map::Fault;
use moves::*;
use place::Place;
use setbacks::*;

/// Runs all clauses against a place, each with a new one.
macro_rules! clauses {
    ($($clause:ident)*) => {
        /// All clauses, by name.
        #[cfg(all(feature = "buckets", feature = "sqlite"))]
        const CLAUSES: &[(&str, fn(&Place))] = &[$((stringify!($clause), $clause)),*];

        #[test]
        fn postgres_keeps_the_contract() {
            $(eprintln!(stringify!($clause)); $clause(&Place::postgres());)*
        }

        #[cfg(feature = "sqlite")]
        #[test]
        fn sqlite_keeps_the_contract() {
            $(eprintln!(stringify!($clause)); $clause(&Place::sqlite());)*
        }

        #[test]
        fn a_map_keeps_the_contract() {
            $(eprintln!(stringify!($clause)); $clause(&Place::map(Fault::Never));)*
        }

        #[test]
        fn a_map_that_loses_answers_keeps_the_contract() {
            $(eprintln!(stringify!($clause)); $clause(&Place::map(Fault::LosesAnswers));)*
        }

        #[test]
        fn an_intermittently_unavailable_map_keeps_the_contract() {
            $(eprintln!(stringify!($clause)); $clause(&Place::map(Fault::IsAway));)*
        }
    };
}

clauses! {
    a_new_source_is_made_and_loaded_to_its_end
    a_source_is_held_while_its_run_lives
    the_sources_of_a_dead_run_are_resumed
    a_run_that_ended_gives_its_sources_back
    a_run_after_a_take_over_moves_nothing
    a_move_from_another_position_is_refused
    a_move_is_not_made_twice
    one_of_two_simultaneous_runs_makes_the_source
    a_source_is_complete_with_the_last_of_its_splits
    counters_add_up_and_open_letters_are_counted
    an_id_is_never_given_twice
    a_held_source_cannot_be_forgotten
    a_copy_is_a_duplicate
    a_changed_name_is_recorded
    a_small_file_is_recognised_by_its_inode
    other_rules_are_not_mixed
    a_lost_acknowledged_commit_is_reported
    a_batch_after_a_lost_commit_is_refused
    a_lost_source_is_made_again
}
