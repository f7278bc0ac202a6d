//! `plan`: what a load would do, and what it promises, before it runs.

use super::args::{Output, PlanArgs};
use super::files;
use super::next::with_job;
use super::speech::{Speech, print_as_is};
use crate::config::Overrides;
use crate::engine::{self, PlanOptions, Watch};
use crate::report::{Exit, Fate};
use crate::stop::Stop;

pub(super) fn plan(args: &PlanArgs, speech: Speech, stop: &Stop) -> anyhow::Result<Exit> {
    let given = files::given(&args.files)?;
    let overrides = Overrides { files: given, date: args.date.date, ..args.job.destination.overrides() };
    let watch = Watch { stop: stop.clone(), ..speech.watch() };
    let config = engine::read_job(&args.job.job, &overrides, &watch)?;
    let only_sql = args.print_sql && speech.output == Output::Text;
    let options = PlanOptions {
        allow_duplicates: args.known.allow_duplicates,
        accept_new_rules: args.known.accept_new_rules,
        with_sql: args.print_sql,
        split_bytes: args.split_size,
        without_files: only_sql,
    };
    let mut plan = engine::plan(&config, options, &watch)?;
    plan.shows_all = speech.is_verbose();
    for source in &mut plan.sources {
        if let Fate::Refuse { why } = &mut source.fate {
            *why = with_job(why, &args.job.job, overrides.into.as_ref(), overrides.table.as_ref());
        }
    }
    if only_sql {
        for obstacle in &plan.obstacles {
            speech.warn(obstacle);
        }
        print_as_is(plan.sql.unwrap_or_default().as_bytes())?;
        // The statements are needed precisely when something is in the way.
        return Ok(Exit::Success);
    }
    speech.show_unless_quiet(&plan)?;
    Ok(plan.head.exit)
}
