//! Bounds: the memory of a load into a bucket does not grow with the file, and the number of its requests does not
//! grow with what the table remembers.

use std::collections::BTreeSet;
use std::io::Write as _;

use super::story::Story;
use crate::harness::cloud::Cloud;
use crate::harness::web::{Fate, Web};

/// The maximum memory of a load in KiB, whatever the file: rows in line and in pieces, the compressed pieces of a range,
/// and the objects in flight.
const PEAK: u64 = 224 << 10;

/// Two ranges and a half of what hardly compresses: both the rows of a range and its object are in memory at once.
#[test]
fn memory_is_bounded_by_the_range_and_not_by_the_file() {
    for form in ["ndjson.zst", "parquet"] {
        let pipeline = "threads = 2\nchunk_size = \"1MiB\"\nretry_for = \"5s\"";
        let destination = format!("as = \"{form}\"\nobject_size = \"64MiB\"");
        let story = Story::new().pipeline(pipeline);
        let story = destination.lines().fold(story, Story::destination);
        let noise: String = std::iter::repeat_with(fastrand::alphanumeric).take(1 << 20).collect();
        let mut file = std::io::BufWriter::new(std::fs::File::create(story.path("a.ndjson")).unwrap());
        let lines: usize = 160_000;
        for id in 0..lines {
            let at = id * 7919 % (noise.len() - 1000);
            let text = &noise[at..at + 950];
            writeln!(
                file,
                "{{\"id\":{id},\"at\":\"2024-03-0{}T12:00:00Z\",\"note\":\"{text}\"}}",
                id % 2 + 1
            )
            .unwrap();
        }
        drop(file);
        let mut going = story.start(&[], "");
        let peak = going.peak();
        assert_eq!(going.wait(), Some(0), "{}", going.said());
        assert!((1..PEAK).contains(&peak), "{form}: {peak} KiB");
        let objects = story.objects();
        assert!(objects.len() >= 6, "three ranges of two days each: {:?}", objects.keys());
        if form != "parquet" {
            assert_eq!(story.rows().len(), lines);
        }
    }
}

/// How many different requests it takes to load one file into a table that remembers one file with a dead letter, and
/// so many without.
fn requests_behind(files: usize) -> usize {
    let cloud = Cloud::moto();
    let web = Web::before(cloud.port(), |_| Fate::Passes);
    let story = Story::new().to(cloud).through(Some(web.endpoint())).files("old*.ndjson");
    story.write("old.ndjson", "{\"id\":0}\n{\"id\":\"x\"}\n");
    for file in 1..=files {
        story.write(&format!("old{file}.ndjson"), &format!("{{\"id\":{file}}}\n"));
    }
    story.run(&[]).exit(3);
    let story = story.files("new.ndjson");
    story.write("new.ndjson", "{\"id\":1000}\n");
    web.asked();
    let ended = story.run(&[]);
    ended.exit(0);
    assert_eq!(ended.json()["open_dead_letters_of_job"], 1, "the letter of the other file is counted");
    // A heartbeat, or a request that is tried again, counts once.
    let asked: BTreeSet<_> = web.asked().into_iter().map(|asked| (asked.method, asked.target)).collect();
    asked.len()
}

#[test]
fn a_load_asks_for_no_more_where_much_was_loaded_before() {
    assert_eq!(requests_behind(4), requests_behind(24));
}
