//! The machine's clock must not influence any result: whenever and wherever the program and the server run,
//! the same loads leave the same state.

use super::*;
use crate::harness::clock;
use crate::harness::postgres::Options;
use crate::stories::on_each_destination;

on_each_destination! {
    the_same_loads_leave_the_same_state_at_any_time_and_in_any_zone
}

/// When a run begins, and the years in which it can record a time.
const MOMENTS: [(&str, &[&str]); 3] = [
    ("1999-06-30 12:00:00", &["1999"]),
    // The year turns during the run, in every zone.
    ("2026-12-31 23:59:59", &["2026", "2027"]),
    ("2031-02-28 06:00:00", &["2031"]),
];
const ZONES: [&str; 3] = ["UTC", "America/St_Johns", "Pacific/Apia"];

/// Columns that may differ: those with a time, process or session.
const OF_THE_CLOCK: [&str; 11] = [
    "first_seen",
    "last_seen",
    "updated_at",
    "delivered_at",
    "started_at",
    "ended_at",
    "owner_pid",
    "owner_start",
    // The speed of a lane varies too.
    "records_per_s",
    "bytes_per_s",
    "points",
];

/// Stamps without year and zone, hours that a clock shows twice or never, and a day that most years lack.
const STAMPS: [(&str, &str); 3] = [
    ("2023-12-31", "Dec 31 23:59:59 web 1\nJan  1 00:30:00 web 2\nDec 31 24:00:00 web 3\n"),
    (
        "2024-01-01",
        "Dec 31 23:59:59 web 4\nJan  1 00:00:00 db 5000\nJun 29 12:00:00 db 6\nJun 30 12:00:00 db 7\n",
    ),
    (
        "2024-03-10",
        "Mar 10 02:30:00 web 8\nNov  5 01:30:00 web 9\nFeb 29 12:00:00 db 10\nFeb 30 12:00:00 db 11\n",
    ),
];

const EVENTS: &str = r#"{"at":"2011-12-29T23:59:59","ms":1325239199000,"day":"2011-12-30","hour":"02:30:00"}
{"at":"2011-12-30T12:00:00","ms":-1,"day":"2024-02-29","hour":"23:59:59.5"}
{"at":"2011-12-31","ms":"1e3","day":"2011-12-31T00:00:00","hour":"24:00"}
{"at":"now","ms":0,"day":"today","hour":"now"}
{"at":1325239199,"ms":1,"day":"2011-12-30","hour":"00:00"}
not an event
"#;

const LATEST: &str = r#"{"id":1,"seen":"2024-03-31T02:30:00","note":"an hour that never was"}
{"id":1,"seen":"2024-03-31T00:59:59Z","note":"a second before it"}
{"id":2,"seen":"2024-10-27T02:30:00","note":"an hour that was twice"}
{"id":2,"seen":"2024-10-27T01:15:00Z","note":"within the second of them"}
{"id":3,"note":"of no time"}
"#;

/// Writes the jobs, with this destination.
fn write_jobs(place: &Place, url: &str) {
    let stamps = |limit: u32| {
        format!(
            r#"
            name = "stamps"
            [source]
            files = ["stamps/{{date}}.log"]
            format = "regex"
            pattern = '^(?P<at>\w+ [ \d]\d [\d:]+) (?P<host>\S+) (?P<n>\S+)$'
            timezone = "America/St_Johns"
            [record.fields]
            at = {{ type = "timestamp", format = "%b %e %H:%M:%S" }}
            host = "text"
            n = {{ type = "int", le = {limit} }}
            [destination]
            url = "{url}"
            table = "stamps"
            columns = {{ data_date = "{{date}}", until = "{{next_date}}" }}
            "#
        )
    };
    place.write("stamps.toml", stamps(1000));
    place.write("stamps-mended.toml", stamps(10_000));
    place.write(
        "events.toml",
        format!(
            r#"
            name = "events"
            [source]
            files = ["events/{{yyyy}}/{{mm}}/{{dd}}.ndjson"]
            format = "ndjson"
            timezone = "Pacific/Apia"
            [record.fields]
            at = "timestamp"
            ms = {{ type = "timestamp", format = "epoch_ms" }}
            day = "date"
            hour = "time"
            [destination]
            url = "{url}"
            table = "events"
            key = "content"
            columns = {{ data_date = "{{date}}" }}
            "#
        ),
    );
    place.write(
        "latest.toml",
        format!(
            r#"
            name = "latest"
            [source]
            files = ["latest.ndjson"]
            format = "ndjson"
            timezone = "Europe/Berlin"
            [record.fields]
            id = "int"
            seen = {{ type = "timestamp", required = false }}
            note = "text"
            [destination]
            url = "{url}"
            table = "latest"
            key = ["id"]
            on_conflict = "newest(seen)"
            "#
        ),
    );
}

/// The commands, with their exit codes.
const COMMANDS: [(&str, i32); 8] = [
    ("backfill -j stamps.toml --from 2023-12-31 --to 2024-01-02", 3),
    ("backfill -j stamps.toml --from 2023-12-31 --to 2024-03-11", 3),
    ("load -j events.toml --date 2011-12-30", 3),
    ("backfill -j events.toml --from 2011-12-29 --to 2012-01-01", 3),
    ("load -j latest.toml", 0),
    ("dead-letters replay -j stamps-mended.toml", 3),
    ("dead-letters discard -j events.toml --all --note known", 0),
    ("forget -j stamps.toml --id 1 --delete-rows", 0),
];

/// Runs all commands and returns all resulting state, one line per row.
fn all_that_is_left(
    place: &Place,
    destination: &Destination,
    environment: &[(&'static str, String)],
) -> Vec<String> {
    write_jobs(place, &destination.url());
    for (command, code) in COMMANDS {
        let mut command = place.command(command);
        command.envs(environment.iter().map(|(name, value)| (name, value)));
        Said::of(&mut command, b"").ended(code, &[]);
    }
    match destination {
        Destination::Postgres(database) => {
            let mut client = database.client();
            client.batch_execute("SET TimeZone = 'UTC'").unwrap();
            let tables = client.query(
                "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables
                 WHERE schemaname IN ('public', 'logmill') ORDER BY 1",
                &[],
            );
            let rows = tables.unwrap().into_iter().flat_map(|table| {
                let table: String = table.get(0);
                let sql = format!("SELECT (to_jsonb(t) - $1::text[])::text FROM {table} t ORDER BY 1");
                let rows = client.query(&sql, &[&&OF_THE_CLOCK[..]]).unwrap();
                rows.into_iter().map(move |row| format!("{table} {}", row.get::<_, String>(0)))
            });
            rows.collect()
        }
        Destination::Sqlite(path) => {
            let connection = rusqlite::Connection::open(path).unwrap();
            let texts = |sql: &str| -> Vec<String> {
                let mut statement = connection.prepare(sql).unwrap();
                statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
            };
            let tables = texts("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY 1");
            let rows = tables.iter().filter(|table| !table.starts_with("sqlite_")).flat_map(|table| {
                let columns = texts(&format!("SELECT name FROM pragma_table_info('{table}')"));
                let kept = columns.iter().filter(|name| !OF_THE_CLOCK.contains(&name.as_str()));
                let values: Vec<String> = kept.map(|name| format!("'{name} ' || quote({name})")).collect();
                let rows = texts(&format!("SELECT {} FROM {table} ORDER BY 1", values.join(" || ', ' || ")));
                rows.into_iter().map(move |row| format!("{table} {row}"))
            });
            rows.collect()
        }
    }
}

fn the_same_loads_leave_the_same_state_at_any_time_and_in_any_zone(kind: Kind) {
    let place = Place::new();
    for (day, lines) in STAMPS {
        place.write(format!("stamps/{day}.log"), lines);
    }
    for day in ["2011/12/30", "2011/12/31"] {
        place.write(format!("events/{day}.ndjson"), EVENTS);
    }
    place.write("latest.ndjson", LATEST);
    let destination = |server: &Server, name: &str| match kind {
        Kind::Postgres => Destination::Postgres(Rc::new(server.database())),
        Kind::Sqlite => Destination::Sqlite(place.path(&format!("{name}.db"))),
    };

    let now = all_that_is_left(&place, &destination(Server::shared(), "now"), &[]);
    // Guards against comparing nothing with nothing.
    let of = |table: &str| now.iter().filter(|row| row.starts_with(&kind.table(table, ""))).count();
    assert!(now.iter().any(|row| row.contains("until")) && now.len() > 40 && of("logmill") > 25, "{now:#?}");

    let pairs = MOMENTS.iter().flat_map(|moment| ZONES.map(|zone| (moment, moment, zone)));
    // On PostgreSQL, also with a server whose clock differs from the program's.
    let apart = (kind == Kind::Postgres).then_some((&MOMENTS[0], &MOMENTS[2], ZONES[2]));
    for (round, (own, servers, zone)) in pairs.chain(apart).enumerate() {
        let environment = clock::at(own.0, zone);
        let server = match kind {
            Kind::Postgres => Server::start(Options {
                environment: clock::at(servers.0, zone),
                settings: ["TimeZone", "log_timezone"].map(|name| (name, zone.to_owned())).to_vec(),
                ..Options::default()
            }),
            Kind::Sqlite => Server::shared().clone(),
        };
        let destination = destination(&server, &round.to_string());
        let then = all_that_is_left(&place, &destination, &environment);
        let differs = now.iter().zip(&then).find(|(one, other)| one != other);
        assert!(
            differs.is_none() && now.len() == then.len(),
            "at {} in {zone}, {} rows for {}: {differs:#?}",
            own.0,
            then.len(),
            now.len()
        );
        // The fake clock was in effect, for the process that records times.
        let sql = format!("SELECT CAST(started_at AS text) FROM {}", kind.table("logmill", "runs"));
        let writer = if kind == Kind::Postgres { servers } else { own };
        let rows = destination.look(|snapshot| snapshot.query(&sql));
        let started = rows.iter().map(|row| row[0].text());
        let is_then = |at: &str| writer.1.iter().any(|year| at.starts_with(year));
        assert!(!rows.is_empty() && started.clone().all(is_then), "{rows:?}");
        let mut command = place.command("check -j latest.toml -v --log-format json");
        command.envs(environment.iter().map(|(name, value)| (name, value)));
        let said = Said::of(&mut command, b"").ended(0, &["{\"time\":\""]);
        let is_then = |line: &str| own.1.iter().any(|year| line.contains(&format!("{{\"time\":\"{year}")));
        assert!(said.stderr.lines().all(is_then), "{said:?}");
    }
}
