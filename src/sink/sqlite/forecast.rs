//! What a load into an SQLite database would find and create.

use std::path::Path;

use rusqlite::Connection;

use super::look::Look;
use super::marks::Marks;
use super::metrics;
use super::ownership::remembered;
use super::target::{self, Target};
use super::{Settings, TABLES_SQL, Trouble, VERSION, check_version, has_tables};
use super::{look_at_past, past, refuse_lost_target, scope};
use crate::error::Result;
use crate::sink::claim::Whose;
use crate::sink::findings::{self, Past, no_index_of_times};
use crate::sink::forecast::Forecast;
use crate::sink::{Answer, Asked, Remembered};

/// What a load of these files would find and create. Writes nothing.
pub(super) fn forecast(path: &Path, settings: &Settings, asked: &Asked) -> Result<Forecast> {
    let (mut forecast, mut adds) = (Forecast::default(), Vec::new());
    let create_table = target::create_table(settings);
    if path.exists() {
        let looked =
            Look::open(path).and_then(|at| look(&at, path, settings, asked, &mut forecast, &mut adds));
        looked.map_err(|trouble| trouble.into_error(path))?;
    } else {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if !folder.is_dir() {
            forecast.obstacles.push(format!("there is no directory {}; make it", folder.display()));
        }
        forecast.makes.push(format!("the database {}", path.display()));
        forecast.makes.push("the tables logmill_*".to_owned());
        make_target(settings, &mut forecast);
        forecast.decide(asked, &[], || Ok(Vec::new()))?;
    }
    let adds = adds.iter().map(|(_, statement)| format!("\n{statement};")).collect::<String>();
    forecast.sql = format!(
        "{}\n{}\n",
        TABLES_SQL.trim_end(),
        match forecast.has_target {
            true => format!("-- The table {} is there.{adds}", settings.table),
            false => format!("{};", create_table.replacen("CREATE TABLE", "CREATE TABLE IF NOT EXISTS", 1)),
        }
    );
    Ok(forecast)
}

fn look(
    Look { connection, locks, is_writable }: &Look,
    path: &Path,
    settings: &Settings,
    asked: &Asked,
    forecast: &mut Forecast,
    adds: &mut Vec<(String, String)>,
) -> Result<(), Trouble> {
    if !is_writable {
        forecast.obstacles.push(format!(
            "{} cannot be written: the file and its directory must be writable for this user",
            path.display()
        ));
    }
    let has_tables = has_tables(connection)?;
    let mut of_job = Past::default();
    if has_tables {
        if check_version(connection)? < VERSION {
            forecast.makes.push("the present version of the tables logmill_*".to_owned());
        }
        of_job = past(connection, settings)?;
    } else {
        forecast.makes.push("the tables logmill_*".to_owned());
    }
    let to_error = |trouble: Trouble| trouble.into_error(path);
    let target = Target::find(connection, &settings.table.name)?;
    match &target {
        Some(target) => {
            forecast.has_target = true;
            let looked = look_at_past(connection, &of_job, target, settings, &mut forecast.warnings);
            forecast.pass(looked.map_err(to_error))?;
            if let Err(findings) = target::fit(connection, target, settings)? {
                forecast.obstacles.extend(findings);
            }
            *adds = target::missing_columns(target, settings);
            if has_tables && check_version(connection)? == VERSION {
                let marks = Marks::new(scope(settings, &target.name).target, &settings.rollups);
                let changes = metrics::compare(connection, settings, &marks).map_err(to_error);
                if let Some(changes) = forecast.pass(changes)? {
                    forecast.warnings.extend(changes.warnings());
                }
            }
            if let Some(time) = settings.rollups.indexed()
                && !has_index(connection, &target.name, time)?
            {
                forecast.warnings.push(no_index_of_times(&target.name, time, ""));
            }
        }
        None => {
            make_target(settings, forecast);
            forecast.pass(refuse_lost_target(&of_job, settings).map_err(to_error))?;
        }
    }
    let scope = scope(settings, target.as_ref().map_or(&settings.table.name, |target| &target.name));
    let remember = |whose| match has_tables {
        true => remembered(connection, &scope, whose).map_err(to_error),
        false => Ok(Vec::<Remembered>::new()),
    };
    let decisions = forecast.decide(asked, &remember(Whose::Own)?, || remember(Whose::Others))?;
    for (decision, file) in decisions.iter().zip(&asked.files) {
        if let (Answer::Load { tasks, .. }, Some(_)) = (&decision.answer, decision.memory)
            && tasks.iter().any(|task| locks.is_held(task.split).unwrap_or(false))
        {
            forecast.held = Some(format!("{} is held by a run that lives", file.path.display()));
        }
    }
    Ok(())
}

/// Whether an index of the target begins with the column.
fn has_index(connection: &Connection, table: &str, column: &str) -> rusqlite::Result<bool> {
    connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM pragma_index_list(?1) l, pragma_index_info(l.name) i
                        WHERE i.seqno = 0 AND i.name = ?2 COLLATE NOCASE)",
        [table, column],
        |row| row.get(0),
    )
}

fn make_target(settings: &Settings, forecast: &mut Forecast) {
    match settings.create {
        true => forecast.makes.push(format!("the table {}", settings.table)),
        false => {
            forecast.obstacles.push(findings::missing(&settings.table));
        }
    }
}
