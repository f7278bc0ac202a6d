//! The contract of a ledger: what each place that remembers sources has to keep.
//!
//! One function per clause. Each goes through PostgreSQL, SQLite, and a map in memory, which is
//! asked again with a store that loses answers, and with one that is away now and then; and then through a map in each
//! store that a job can name. Batches
//! are made by hand: lines that are blank, and one that is a reject, so that only the bookkeeping
//! is at work. A clause therefore asks for a [`place::Kept`] and a [`place::Run`], which have the
//! ledger of a destination and nothing else of it.

/// Files that are asked for, and batches of them.
mod batches;
/// Who a file is, and whose.
mod claims;
/// A ledger in a map, with a store that fails.
mod map;
/// Checkpoints that move, or may not.
mod moves;
/// The places, and what a clause asks of one.
mod place;
/// What was acknowledged and is lost.
mod setbacks;
/// The keys of a map.
mod store;
/// A map in each of the stores that a job can name.
#[cfg(all(feature = "buckets", feature = "sqlite"))]
mod stores;

use claims::*;
use map::Fault;
use moves::*;
use place::Place;
use setbacks::*;

/// Puts a place through all clauses, each in a place of its own.
macro_rules! clauses {
    ($($clause:ident)*) => {
        /// All of them, by their names.
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
        fn a_map_that_is_away_now_and_then_keeps_the_contract() {
            $(eprintln!(stringify!($clause)); $clause(&Place::map(Fault::IsAway));)*
        }
    };
}

clauses! {
    a_new_source_is_made_and_loaded_to_its_end
    a_source_is_held_while_its_run_lives
    a_run_that_died_is_gone_on_from
    a_run_that_ended_gives_its_sources_back
    a_run_that_was_taken_over_moves_nothing
    a_move_from_elsewhere_is_refused
    a_move_is_not_made_twice
    of_two_runs_that_begin_at_once_one_makes_the_source
    a_source_is_complete_with_the_last_of_its_splits
    counters_add_up_and_open_letters_are_counted
    an_id_is_never_given_twice
    what_is_held_is_not_forgotten
    a_copy_is_a_duplicate
    a_name_that_changed_is_told_anew
    a_small_file_is_known_by_where_it_lies
    other_rules_are_not_mixed
    what_was_acknowledged_and_is_missing_is_told
    a_batch_behind_what_is_missing_is_refused
    a_source_that_was_lost_is_made_again
}
