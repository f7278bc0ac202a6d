//! The engine without the command, as a program uses it that links the library.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

use logmill::config::{Config, Overrides};
use logmill::engine::{self, ForgetOptions, LoadOptions, Meant, PlanOptions, Watch};
use logmill::error::{ErrorKind, Unclear};
use logmill::event::{Event, Observer};
use logmill::report::{Exit, Fate, Report as _};

const JOB: &str = r#"
name = "app"
[source]
files = ["app.ndjson"]
format = "ndjson"
[record.fields]
n = "int"
[destination]
url = "sqlite:app.db"
table = "t"
"#;

/// A job over a file of three records, one of which does not fit.
fn job(folder: &Path) -> Config {
    fs::write(folder.join("app.toml"), JOB).unwrap();
    fs::write(folder.join("app.ndjson"), "{\"n\":1}\n{\"n\":\"x\"}\n{\"n\":3}\n").unwrap();
    Config::load(&folder.join("app.toml"), &Overrides::default()).unwrap()
}

#[test]
fn a_program_loads_and_receives_values() {
    let folder = tempfile::tempdir().unwrap();
    let config = job(folder.path());
    let told = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&told);
    let observer = Observer::new(move |event| {
        if let Event::Committed { counts, .. } = event {
            *counted.lock().unwrap() += counts.records;
        }
    });
    let watch = Watch { observer, ..Watch::default() };

    let plan = engine::plan(&config, PlanOptions::default(), &watch).unwrap();
    assert!(matches!(plan.sources[0].fate, Fate::Read { position: 0, .. }), "{plan:?}");
    assert!(!folder.path().join("app.db").exists(), "a plan writes nothing");
    let files = engine::files(&config, &Watch::default()).unwrap();
    let checked = engine::check(&config, &files, None, &watch).unwrap();
    assert_eq!((checked.counts.valid, checked.counts.rejected, checked.sample.len()), (2, 1, 2));

    *told.lock().unwrap() = 0;
    let loaded = engine::load(&config, &files, LoadOptions::default(), &watch).unwrap();
    assert_eq!((loaded.counts.inserted, loaded.counts.rejected), (2, 1));
    assert_eq!((loaded.head.exit, *told.lock().unwrap()), (Exit::Rejects, 3));
    // The same report as text and as JSON.
    assert!(loaded.text(80).contains("app.db"), "{}", loaded.text(80));
    let json: serde_json::Value = serde_json::from_str(&loaded.json()).unwrap();
    assert_eq!(json["counts"]["inserted"], 2);

    let status = engine::status(&config, &watch).unwrap();
    assert_eq!((status.sources.len(), status.open_dead_letters), (1, 1));
    let mut letters = Vec::new();
    let mut take = |some: &mut logmill::report::Letters| {
        letters.append(&mut some.dead_letters);
        std::ops::ControlFlow::Continue(())
    };
    engine::dead_letters(&config, Default::default(), None, &watch, &mut take).unwrap();
    let letter = engine::dead_letter(&config, letters[0].id, &watch).unwrap();
    assert_eq!(letter.raw.unwrap(), b"{\"n\":\"x\"}");

    // An error also has its subject in fields.
    let forget = |meant: &Meant, is_rehearsal| {
        let options = ForgetOptions { is_rehearsal, ..ForgetOptions::default() };
        engine::forget(&config, meant, options, &watch, &mut |_| true)
    };
    let unknown = Meant { ids: vec![77], ..Meant::default() };
    let error = forget(&unknown, true).unwrap_err();
    let what = Unclear::NoId { job: config.name.clone(), id: 77 };
    assert!(matches!(error.kind(), ErrorKind::Unclear(unclear) if *unclear == what), "{error}");

    let meant = Meant { ids: vec![status.sources[0].id], ..Meant::default() };
    let rehearsed = forget(&meant, true).unwrap();
    assert_eq!((rehearsed.forgotten, rehearsed.sources.len()), (0, 1));
    assert_eq!(forget(&meant, false).unwrap().forgotten, 1);
    assert!(engine::status(&config, &watch).unwrap().sources.is_empty());
}

/// A stop that the caller requests is as clean as one by a signal.
#[test]
fn a_program_can_stop_a_load_like_a_signal() {
    let folder = tempfile::tempdir().unwrap();
    let config = job(folder.path());
    let stop_at_once = |watch: &Watch| {
        let stop = watch.stop.clone();
        Observer::new(move |event| {
            if let Event::Claimed { .. } = event {
                stop.ask(libc::SIGTERM);
            }
        })
    };
    let mut watch = Watch::default();
    watch.observer = stop_at_once(&watch);
    let files = engine::files(&config, &Watch::default()).unwrap();
    let report = engine::load(&config, &files, LoadOptions::default(), &watch).unwrap();
    assert_eq!((report.head.exit, report.counts.records), (Exit::Stopped(libc::SIGTERM), 0));
    let report = engine::load(&config, &files, LoadOptions::default(), &Watch::default()).unwrap();
    assert_eq!((report.head.exit, report.counts.records), (Exit::Rejects, 3));
}
