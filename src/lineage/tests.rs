//! What is reported about runs, and about several concurrent ones.

use super::*;
use crate::event::{Dataset, Observer};
use crate::schema::{Field, Kind};

fn lineage() -> Lineage {
    let fields = vec![Field::new("n", Kind::named("int").expect("a type"))];
    Lineage::new(&Schema { fields, ..Schema::default() }, &|_| None)
}

fn started(date: Option<&str>) -> Event {
    Event::RunStarted {
        run: Some(1),
        command: "load".to_owned(),
        job: "app".to_owned(),
        date: date.map(str::to_owned),
        destination: "t at db".to_owned(),
        dataset: Dataset { namespace: "postgres://db:5432".to_owned(), name: "app.public.t".to_owned() },
    }
}

fn ended(exit_code: u8, error: Option<&str>) -> Event {
    Event::RunEnded {
        run: Some(1),
        outcome: if exit_code == 0 { "finished" } else { "failed" },
        exit_code,
        counts: Counts { records: 5, inserted: 3, updated: 1, rejected: 1, ..Counts::default() },
        bytes: 90,
        raw_bytes: 90,
        batches: 1,
        open_dead_letters_of_job: None,
        took: std::time::Duration::ZERO,
        error: error.map(str::to_owned),
    }
}

fn claimed(file: &str) -> Event {
    Event::SourceClaimed { file: file.into(), source: 1, start: 0, position: 0, bytes: 9 }
}

/// The scopes of two runs.
fn scopes() -> [Scope; 2] {
    let seen = std::sync::Arc::new(Mutex::new(Vec::new()));
    let told = std::sync::Arc::clone(&seen);
    let observer = Observer::of_runs(move |scope, _| told.lock().expect("one thread").push(scope));
    (0..2).for_each(|_| observer.of_run().warn("there"));
    let seen = seen.lock().expect("one thread");
    [seen[0], seen[1]]
}

#[test]
fn each_of_two_runs_has_its_own_files_day_and_end() {
    let (lineage, [one, other]) = (lineage(), scopes());
    let start = lineage.of(one, &started(Some("2023-10-27"))).expect("told");
    let of_other = lineage.of(other, &started(None)).expect("told");
    assert_ne!(start["run"]["runId"], of_other["run"]["runId"]);
    assert_eq!((&start["eventType"], &start["inputs"]), (&"START".into(), &json!([])));
    assert_eq!(start["run"]["facets"]["nominalTime"]["nominalStartTime"], "2023-10-27T00:00:00Z");
    assert_eq!(start["run"]["facets"]["nominalTime"]["nominalEndTime"], "2023-10-28T00:00:00Z");
    assert_eq!(of_other["run"]["facets"], json!({}));
    for (run, file) in [(one, "/logs/a"), (other, "/logs/b"), (one, "/logs/c"), (one, "-")] {
        assert_eq!(lineage.of(run, &claimed(file)), None);
    }
    let end = lineage.of(one, &ended(0, None)).expect("told");
    assert_eq!((&end["eventType"], &end["run"]["runId"]), (&"COMPLETE".into(), &start["run"]["runId"]));
    let named = |name: &str| json!({"namespace": "file", "name": name});
    assert_eq!(end["inputs"], json!([named("/logs/a"), named("/logs/c")]));
    let output = &end["outputs"][0];
    assert_eq!(
        (&output["namespace"], &output["name"]),
        (&"postgres://db:5432".into(), &"app.public.t".into())
    );
    assert_eq!(output["facets"]["schema"]["fields"], json!([{"name": "n", "type": "int"}]));
    assert_eq!(output["outputFacets"]["outputStatistics"]["rowCount"], 4);
    assert_eq!(output["outputFacets"]["logmill_counts"]["counts"]["rejected"], 1);
    let end = lineage.of(other, &ended(1, Some("the server is gone"))).expect("told");
    assert_eq!(end["eventType"], "FAIL");
    assert_eq!(end["run"]["facets"]["errorMessage"]["message"], "the server is gone");
    // If nothing failed but a source, the reason is the source's.
    lineage.of(other, &started(None)).expect("told");
    for file in ["c", "d"] {
        let refused = Event::Refused { file: file.into(), why: "it is UTF-16".to_owned() };
        assert_eq!(lineage.of(other, &refused), None);
    }
    let end = lineage.of(other, &ended(1, None)).expect("told");
    assert_eq!(end["run"]["facets"]["errorMessage"]["message"], "c: it is UTF-16");
    // It has ended, and a run that never began is not reported.
    assert_eq!(lineage.of(other, &ended(1, None)), None);
    lineage.of(one, &started(None)).expect("told");
    assert_eq!(lineage.of(one, &ended(143, None)).expect("told")["eventType"], "ABORT");
}

#[test]
fn many_files_are_told_by_their_folders() {
    let (lineage, [run, _]) = (lineage(), scopes());
    lineage.of(run, &started(None)).expect("told");
    for number in 0..1000 {
        lineage.of(run, &claimed(&format!("/logs/{}/{number}", number % 3)));
    }
    let end = lineage.of(run, &ended(0, None)).expect("told");
    let names: Vec<&str> =
        end["inputs"].as_array().expect("a list").iter().filter_map(|it| it["name"].as_str()).collect();
    assert_eq!(names, ["/logs/0", "/logs/1", "/logs/2"]);
    // For objects, the namespace is their bucket.
    lineage.of(run, &started(None)).expect("told");
    for file in ["s3://b/x/2", "s3://b/1", "file:///logs/0"] {
        lineage.of(run, &claimed(file));
    }
    let objects = lineage.of(run, &ended(0, None)).expect("told");
    let named = |namespace: &str, name: &str| json!({"namespace": namespace, "name": name});
    let all = json!([named("file", "/logs/0"), named("s3://b", "1"), named("s3://b", "x/2")]);
    assert_eq!(objects["inputs"], all);
    assert_eq!(end["outputs"][0]["outputFacets"]["logmill_counts"]["filesRead"], 1000);
}

#[test]
fn an_address_is_taken_apart_or_refused() {
    let target = |text: &str| text.parse::<Target>();
    assert_eq!(target("lineage.ndjson"), Ok(Target::File("lineage.ndjson".into())));
    let open = target("http://marquez").expect("an address");
    assert!(open.is_open());
    assert_eq!(
        format!("{open:?}"),
        r#"Url(Url { is_https: false, host: "marquez", port: 80, path: "/api/v1/lineage" })"#
    );
    assert!(!target("http://127.0.0.1:5000/x").expect("an address").is_open());
    let v6 = target("http://[::1]:5000/a/b?c").expect("an address");
    assert_eq!(format!("{v6:?}"), r#"Url(Url { is_https: false, host: "::1", port: 5000, path: "/a/b?c" })"#);
    for text in [
        "",
        "ftp://x",
        "http://",
        "http://:80",
        "http://u:p@x",
        "http://x:99999",
        "http://x/a b",
        "http://x/\r\nX: y",
    ] {
        assert!(target(text).is_err(), "{text:?}");
    }
}
