//! `report`: the page about a job, made from what the destination remembers and opened in a real browser.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use serde_json::Value;

use crate::cli::{Place, Said};
use crate::harness::browser::{Browser, View};
use crate::harness::destination::{Destination, Kind};
use crate::harness::postgres::Server;
use crate::stories::on_each_destination;

on_each_destination! {
    a_page_shows_what_status_shows
    a_page_replaces_only_an_older_page
    a_job_that_has_loaded_nothing_has_a_page
    metrics_are_drawn_as_they_are_stored
}

/// The time at which every page of these tests is made.
const MADE_AT: &str = "1700000000";

/// A name that would run a script if a page let it.
const HOSTILE: &str = "<script>document.title='taken'</script>\"><img src=x onerror=alert(1)>";

/// A job over daily logs, with its destination.
struct Job {
    place: Place,
    destination: Destination,
    name: String,
    fields: String,
    record: String,
    more: String,
}

impl Job {
    fn new(kind: Kind) -> Job {
        let place = Place::new();
        let destination = match kind {
            Kind::Postgres => Destination::Postgres(Rc::new(Server::shared().database())),
            #[cfg(feature = "sqlite")]
            Kind::Sqlite => Destination::Sqlite(place.path("report.db")),
        };
        let fields = "n = \"int\"\nm = { type = \"text\", max_length = 9, required = false }".to_owned();
        Job { place, destination, name: "app".to_owned(), fields, record: String::new(), more: String::new() }
    }

    fn write(&self) {
        let Job { place, destination, name, fields, record, more } = self;
        let url = destination.url();
        place.write(
            "job.toml",
            format!(
                "name = {}\n[source]\nformat = \"ndjson\"\nfiles = [\"logs/{{date}}*.log\"]\n\
                 [record]\n{record}\n[record.fields]\n{fields}\n\
                 [destination]\nurl = \"{url}\"\ntable = \"t\"\n{more}\n",
                Value::from(name.as_str())
            ),
        );
    }

    fn log(&self, name: &str, lines: &str) {
        self.place.write(format!("logs/{name}.log"), lines);
    }

    fn run(&self, arguments: &str) -> Said {
        self.write();
        let mut command = self.place.command(&format!("{arguments} -j job.toml"));
        Said::of(command.env("SOURCE_DATE_EPOCH", MADE_AT), b"")
    }

    #[track_caller]
    fn status(&self) -> Value {
        serde_json::from_str(&self.run("status --output json").stdout).unwrap()
    }

    /// The page, as written to a file.
    #[track_caller]
    fn page(&self) -> String {
        let said = self.run("report -o page.html").ended(0, &[]);
        assert!(said.stdout.contains("; wrote page.html, "), "{said:?}");
        self.place.read("page.html")
    }
}

/// Valid records with these numbers.
fn fine(numbers: std::ops::Range<u32>) -> String {
    numbers.map(|n| format!("{{\"n\":{n}}}\n")).collect()
}

fn a_page_shows_what_status_shows(kind: Kind) {
    let job = Job::new(kind);
    job.log("2024-03-01", &fine(0..1_000));
    job.log("2024-03-02", "{\"n\":1}\n{\"n\":\"secret-sample\"}\nno\n");
    job.log("2024-03-04", &"no\n".repeat(9));
    let ended = job.run("backfill --from 2024-03-01 --to 2024-03-06 --stop-above 5");
    assert_eq!(ended.code, 4, "{ended:?}");
    let (page, status) = (job.page(), job.status());
    let sum = |name: &str| -> i64 {
        let sources = status["sources"].as_array().unwrap();
        sources.iter().map(|source| source["counts"][name].as_i64().unwrap()).sum()
    };
    let tile = |label: &str, figure: &str| {
        let text = format!("<p class=\"label\">{label}</p>\n<p class=\"figure\">{figure}</p>");
        assert!(page.contains(&text), "{text}\n{page}");
    };
    assert_eq!((sum("records"), sum("inserted")), (1_012, 1_001), "{status}");
    tile("Records read", "1,012");
    tile("Rows inserted", "1,001");
    tile("Dead letters open", &status["open_dead_letters"].to_string());
    tile("Sources complete", "3 of 3");
    let dates = status["dates"].as_array().unwrap();
    assert_eq!(dates.len(), 5, "{status}");
    for date in dates {
        let (date, state) = (date["date"].as_str().unwrap(), date["state"].as_str().unwrap());
        assert!(page.contains(&format!("<title>{date}: {state}")), "{date} {state}\n{page}");
    }
    for reason in status["reasons"].as_array().unwrap() {
        let words = match (reason["field"].as_str().unwrap(), reason["code"].as_str().unwrap()) {
            ("n", "int_parsing") => "n: not an integer (int_parsing)",
            ("", "json_invalid") => "not valid JSON (json_invalid)",
            other => panic!("no such reason was made: {other:?}"),
        };
        let row = format!("<td class=\"name\">{words}</td><td class=\"n\">{}</td>", reason["count"]);
        assert!(page.contains(&row), "{row}\n{page}");
    }
    for run in status["runs"].as_array().unwrap() {
        assert!(page.contains(&format!("<tr><td class=\"n\">{}</td>", run["id"])), "{run}\n{page}");
    }
    assert!(page.contains("<span class=\"badge bad\">failed</span>"), "{page}");
    assert!(page.contains("<mark>secret-sample</mark>"), "{page}");
    // The same input gives the same bytes, in a file and on stdout.
    assert_eq!(job.page(), page);
    assert_eq!(job.run("report -o -").stdout, page);
    assert!(page.contains("at 2023-11-14 22:13:20 UTC"), "{page}");
    let hidden = job.run("report -o - --no-samples").stdout;
    assert!(hidden.contains("int_parsing") && !hidden.contains("secret-sample"), "{hidden}");
    // Reading leaves no trace in the destination.
    assert_eq!(job.status(), status);
}

fn a_page_replaces_only_an_older_page(kind: Kind) {
    let job = Job::new(kind);
    job.log("2024-03-01", &fine(0..3));
    let mode = |name: &str| std::fs::metadata(job.place.path(name)).unwrap().permissions().mode() & 0o777;
    let before = job.page();
    assert_eq!((mode("page.html"), before.contains("nothing was loaded yet")), (0o600, true));
    job.run("load --date 2024-03-01").ended(0, &[]);
    assert!(job.page().contains("<span class=\"badge good\">all is in</span>"));
    assert_eq!(mode("page.html"), 0o600);

    job.place.write("notes.html", "<!doctype html>\n<html>mine");
    let refused = job.run("report -o notes.html");
    assert_eq!(refused.code, 2, "{refused:?}");
    assert!(refused.stderr.contains("notes.html"), "{refused:?}");
    assert_eq!(job.place.read("notes.html"), "<!doctype html>\n<html>mine");
    std::os::unix::fs::symlink("page.html", job.place.path("link.html")).unwrap();
    let refused = job.run("report -o link.html");
    assert_eq!(refused.code, 1, "{refused:?}");
    let refused = job.run("report -o nowhere/page.html");
    assert_eq!(refused.code, 1, "{refused:?}");
    let left = std::fs::read_dir(job.place.path("")).unwrap().flatten();
    let left: Vec<String> = left.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    assert!(!left.iter().any(|name| name.ends_with(".tmp")), "{left:?}");

    let result = job.run("report -o page.html --output json");
    let result: Value = serde_json::from_str(&result.stdout).unwrap();
    assert_eq!((&result["command"], &result["state"]), (&"report".into(), &"all is in".into()));
    assert_eq!(result["bytes"], std::fs::metadata(job.place.path("page.html")).unwrap().len());
    let refused = job.run("report -o - --output json");
    assert_eq!(refused.code, 2, "{refused:?}");
}

fn a_job_that_has_loaded_nothing_has_a_page(kind: Kind) {
    let job = Job::new(kind);
    let page = job.page();
    for text in ["nothing was loaded yet", "There was none.", "None is open."] {
        assert!(page.contains(text), "{text}\n{page}");
    }
}

fn metrics_are_drawn_as_they_are_stored(kind: Kind) {
    let mut job = Job::new(kind);
    job.fields = "at = \"timestamp\"\nhost = \"text\"".to_owned();
    job.record = "time = \"at\"".to_owned();
    job.more = "[[rollup]]\nmetric = \"all\"\nof = \"rows\"\n\
                [[rollup]]\nmetric = \"hosts\"\nof = \"rows\"\nby = [\"host\"]\ntable = \"by_host\""
        .to_owned();
    for (day, hosts) in [("2024-03-01", "aab"), ("2024-03-02", "b"), ("2024-03-04", "aaaac")] {
        let lines = hosts.chars().map(|host| format!("{{\"at\":\"{day}T12:00:00Z\",\"host\":\"{host}\"}}\n"));
        job.log(day, &lines.collect::<String>());
    }
    assert!(!job.page().contains("<path class=\"l1\""));
    job.run("backfill --from 2024-03-01 --to 2024-03-05").ended(0, &[]);
    let page = job.page();
    let metrics = page.split("Metrics of dates").nth(1).unwrap_or_else(|| panic!("{page}"));
    let rows = |metrics: &str| -> Vec<String> {
        let table = metrics.split("<tbody>").nth(1).unwrap().split("</tbody>").next().unwrap();
        let cells = table.replace("</td>", " ").replace("</tr>", "");
        let cells = regex::Regex::new("<[^>]*>").unwrap().replace_all(&cells, "").into_owned();
        cells
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .filter(|line| !line.is_empty())
            .collect()
    };
    assert_eq!(rows(metrics), ["2024-03-04 5", "2024-03-02 1", "2024-03-01 3"]);
    // There is a gap beside the day without rows.
    assert!(metrics.contains("d=\"M0.0 40.0L333.3 80.0M1000.0 0.0L1000.0 0.0\""), "{metrics}");
    let by_host = metrics.split("<bdi>hosts</bdi>").nth(1).unwrap();
    let expected = ["2024-03-04 a 4", "2024-03-04 c 1", "2024-03-02 b 1", "2024-03-01 a 2", "2024-03-01 b 1"];
    assert_eq!(rows(by_host), expected);
}

/// A job with sixty dates and every kind of failure, under hostile names.
fn eventful() -> Job {
    let mut job = Job::new(Kind::all().pop().unwrap());
    job.name = format!("web \u{202e}{HOSTILE}");
    let first = chrono::NaiveDate::from_ymd_opt(2024, 2, 1).unwrap();
    for (index, day) in (0..60).zip(first.iter_days()).filter(|(index, _)| index % 13 != 12) {
        let count = 40 + 200 * (index % 7);
        job.log(&day.to_string(), &fine(index * 10_000..index * 10_000 + count));
        match index {
            7 => job.log(&format!("{day}-b"), &"no\n".repeat(50)),
            20 | 33 => {
                let bad = format!("{{\"n\":\"{}\"}}\n", HOSTILE.replace('"', "\\\""));
                job.log(&format!("{day}-b"), &(fine(1..40) + &bad + "{\"m\":\"too long by far\"}\n"));
            }
            40 => {
                job.log(&format!("{day}-c"), &format!("{{\"n\":\"{}\"}}\n{{\"n\": 1,\n", "x".repeat(1 << 20)))
            }
            _ => {}
        }
    }
    let ended = job.run("backfill --from 2024-02-01 --to 2024-04-01 --stop-above 20");
    assert_eq!(ended.code, 4, "{ended:?}");
    if cfg!(feature = "failpoints") {
        // A run that lasts some seconds has a speed per step, not only an overall one.
        job.log("2024-04-02", &fine(0..3_000));
        let slow = "load --date 2024-04-02 --batch-rows 600 --chunk-size 4KiB -j job.toml";
        let mut command = job.place.command(slow);
        let ended = Said::of(command.env("FAILPOINTS", "between-batches=sleep(1100)"), b"");
        assert_eq!(ended.code, 0, "{ended:?}");
    }
    job
}

/// Keeps what the browser showed, for inspection, if `LOGMILL_PICTURES` names a folder.
fn keep(name: &str, bytes: &[u8]) {
    if let Some(folder) = std::env::var_os("LOGMILL_PICTURES") {
        std::fs::write(PathBuf::from(folder).join(name), bytes).unwrap();
    }
}

#[test]
fn a_page_renders_in_a_browser_without_requests_or_scripts() {
    let mut browser = Browser::start();
    let job = eventful();
    let page = job.page();
    keep("page.html", page.as_bytes());
    let path = job.place.path("page.html");
    let mut backgrounds = Vec::new();
    for (width, is_dark) in
        [(400, false), (400, true), (1_000, false), (1_000, true), (320, false), (2_560, false)]
    {
        browser.open(&path, View { width, is_dark });
        look(&mut browser, &path, width);
        backgrounds.push(browser.ask("getComputedStyle(document.body).backgroundColor"));
        let scheme = if is_dark { "dark" } else { "light" };
        keep(&format!("{width}-{scheme}.png"), &browser.picture());
    }
    // The page's style applies, and light and dark differ.
    assert!(backgrounds[0] != backgrounds[1] && backgrounds[0] == backgrounds[2], "{backgrounds:?}");
    let pdf = browser.print();
    assert!(pdf.starts_with(b"%PDF") && pdf.len() > 20_000, "{} bytes", pdf.len());
    keep("page.pdf", &pdf);
}

/// Checks an open page.
#[track_caller]
fn look(browser: &mut Browser, path: &Path, width: u32) {
    let file = format!("file://{}", path.canonicalize().unwrap().display());
    assert_eq!(browser.requests(), [file], "a page is one file");
    assert_eq!(browser.complaints(), &[] as &[String]);
    let count = |browser: &mut Browser, of: &str| {
        browser.ask(&format!("document.querySelectorAll({of:?}).length")).as_u64().unwrap()
    };
    assert_eq!(browser.ask("document.documentElement.scrollWidth"), width, "nothing is beyond the edge");
    for hostile in ["script", "img", "iframe", "[onerror]", "[onload]", "[style]"] {
        assert_eq!(count(browser, hostile), 0, "{hostile}");
    }
    let title = browser.ask("document.title");
    assert!(title.as_str().unwrap().contains(&format!("web \\u{{202e}}{HOSTILE}")), "{title}");
    // Each chart has a title, and each day a square that is really drawn.
    assert_eq!(count(browser, "svg:not([aria-hidden]):not([role=img])"), 0);
    let nameless =
        "[...document.querySelectorAll('svg[role=img]')].filter(svg => !svg.querySelector('title')).length";
    assert_eq!(browser.ask(nameless), 0);
    let squares = "[...document.querySelectorAll('.day:not(.is-none) rect')].filter(rect => \
                   rect.getBoundingClientRect().width > 5).length";
    assert!(browser.ask(squares).as_u64().unwrap() >= 60, "{}", browser.ask(squares));
    assert!(count(browser, ".chart g rect") >= 50 && count(browser, "details table") >= 2);
    assert!(count(browser, "mark") > 0);
    if cfg!(feature = "failpoints") {
        // Each step of the slow run is filled from bottom to top.
        let plot = "document.querySelector('.step').closest('svg').getBoundingClientRect().height";
        let height = browser.ask(plot).as_f64().unwrap();
        let full = format!(
            "[...document.querySelectorAll('.step')].filter(step => Math.abs(step.getBoundingClientRect().height - {height}) < 3).length"
        );
        let steps = count(browser, ".step");
        assert_eq!((steps >= 3, browser.ask(&full)), (true, steps.into()), "{steps} steps");
        assert!(count(browser, ".l1") >= 1);
    }
    // All text is legible.
    let small = "[...document.querySelectorAll('p, td, th, li, dd, span, .chart span')].filter(one => \
                 parseFloat(getComputedStyle(one).fontSize) < 12).length";
    assert_eq!(browser.ask(small), 0);
}

#[test]
fn the_test_browser_notices_what_a_page_does() {
    let mut browser = Browser::start();
    let path = browser.folder().join("bad.html");
    let bad = "<!doctype html><body style=\"width:1200px\"><img src=\"https://logmill.invalid/x.png\">\
               <script>console.log('said'); alert(1); nothing.there()</script>";
    std::fs::write(&path, bad).unwrap();
    browser.open(&path, View { width: 400, is_dark: false });
    assert!(browser.requests().iter().any(|url| url.contains("logmill.invalid")), "{:?}", browser.requests());
    for complaint in ["said", "alert", "nothing is not defined", "ERR_NAME_NOT_RESOLVED"] {
        assert!(
            browser.complaints().iter().any(|one| one.contains(complaint)),
            "{complaint}: {:?}",
            browser.complaints()
        );
    }
    assert_eq!(browser.ask("document.documentElement.scrollWidth > 400"), true);
    assert_eq!(browser.ask("document.querySelectorAll('script').length"), 1);
}
