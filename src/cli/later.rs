//! What the command line knows and does not do yet: hidden from help, and refused with a word.

use clap::{Arg, ArgAction, ArgMatches, Command};

use crate::config::later::{LATER, What};
use crate::error::{Error, ErrorKind};

/// `command` with all that is designed for it and not built, so that none of it is taken for
/// mistyped.
pub(super) fn known(mut command: Command) -> Command {
    let called = command.get_name().to_owned();
    for later in LATER {
        if let What::Flag(of, flag) = later.what
            && of == called
        {
            let unbuilt = Arg::new(flag).long(flag.trim_start_matches('-')).hide(true);
            command = command.arg(unbuilt.action(ArgAction::Append).num_args(0..=1));
        }
    }
    command.mut_subcommands(known)
}

/// The complaint about the first thing on the command line that is not built.
pub(super) fn refused(matches: &ArgMatches) -> Option<Error> {
    let (mut called, mut matches) = ("logmill", matches);
    loop {
        let given = matches.subcommand();
        let is_given =
            |what: &What| matches!(*what, What::Flag(of, flag) if of == called && matches.contains_id(flag));
        if let Some(later) = LATER.iter().find(|later| is_given(&later.what)) {
            return Some(ErrorKind::NotYet { what: later.what.to_string() }.into());
        }
        (called, matches) = given?;
    }
}

#[cfg(test)]
mod tests {
    use super::super::args::command_line;
    use super::*;

    #[test]
    fn what_is_not_built_is_refused_and_nothing_of_it_is_built() {
        // Panics at a name that is there twice.
        known(command_line()).debug_assert();
        let mut refusals = 0;
        for later in LATER {
            let line = match later.what {
                What::Flag(of, flag) => format!("logmill {of} -j j.toml x {flag} 1"),
                _ => continue,
            };
            let matches = known(command_line()).try_get_matches_from(line.split(' ')).expect(&line);
            let refusal = refused(&matches).expect(&line).to_string();
            assert_eq!(refusal, format!("{} is planned and not built yet", later.what));
            refusals += 1;
        }
        assert!(refusals > 0);
        let line = "logmill load -j j.toml x".split(' ');
        assert!(refused(&known(command_line()).try_get_matches_from(line).expect("a line")).is_none());
    }
}
