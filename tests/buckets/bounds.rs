//! Memory: what a load into a bucket takes does not grow with the file, and less with what is in it.

use std::io::Write as _;

use super::story::Story;

/// How many KiB a load takes at most, whatever the file: rows in line and in pieces, what those of a range are
/// compressed into, and the object on its way.
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
