//! Which file is which: one test per row of the table on the manual's operations page.

use super::*;

/// Both kinds of destination, for stories about what a destination remembers.
fn both() -> [Logs; 2] {
    [Logs::new(), Logs::new().on_postgres()]
}

#[test]
fn every_row_of_the_manual_has_its_test() {
    let manual = include_str!("../../src/manual/operations.md");
    let table = manual.split("| what happened |").nth(1).unwrap().split("\n\n").next().unwrap();
    let rows = table.lines().skip(2).map(|row| row.split('|').nth(1).unwrap().trim());
    // A function's name has no commas.
    let rows: Vec<String> = rows.map(|row| row.replace(',', "")).collect();
    let tests = include_str!("identity.rs").split("#[test]\nfn ").skip(2);
    let tests: Vec<String> = tests.map(|test| test.split('(').next().unwrap().replace('_', " ")).collect();
    assert_eq!(rows, tests);
}

#[test]
fn nothing() {
    for logs in both() {
        logs.write("app.log", log(1..=100));
        logs.load().exit(0).did(100, 0);
        logs.load().exit(0).did(0, 1);
        assert_eq!(logs.sources(), ["app.log 1-100"]);
    }
}

#[test]
fn appended_to() {
    for logs in both() {
        logs.write("app.log", log(1..=10));
        logs.load().exit(0).did(10, 0);
        logs.append("app.log", log(11..=1000));
        logs.load().exit(0).did(990, 0);
        logs.append("app.log", log(1001..=1001));
        logs.load().exit(0).did(1, 0);
        assert_eq!(logs.sources(), ["app.log 1-1001"]);
    }
}

#[test]
fn appended_inside_the_last_line() {
    let (line, more) = (record(3), [b"\n", &log(4..=5)[..]].concat());
    let (begun, rest) = line.split_at(30);
    for logs in both() {
        logs.write("app.log", [&log(1..=2)[..], begun.as_bytes()].concat());
        logs.load().exit(3).did(2, 0);
        logs.append("app.log", rest).append("app.log", &more);
        logs.load().exit(0).did(3, 0);
        assert_eq!(logs.sources(), ["app.log 1-5"]);
        // A row whose record has become invalid is deleted.
        logs.append("app.log", record(6));
        logs.load().exit(0).did(1, 0);
        logs.append("app.log", "and more\n");
        logs.load().exit(3).did(0, 0);
        assert_eq!(logs.sources(), ["app.log 1-5"]);
    }
    // Without its position, a row cannot be found again.
    for key in ["\"none\"", "[\"n\"]", "\"content\""] {
        let logs = Logs::new().key(key);
        logs.write("app.log", [&log(1..=2)[..], line.as_bytes()].concat());
        logs.write("other.log", log(11..=12));
        logs.load().exit(0).did(5, 0);
        logs.append("app.log", " ,").append("other.log", log(13..=13));
        let place = format!("its last line, at byte {}, had no line end", log(1..=2).len());
        logs.load().failed("app.log", &place).did(1, 0);
        assert_eq!(logs.query("select n from t order by n"), ["1", "2", "3", "11", "12", "13"]);
    }
}

#[test]
fn only_the_missing_line_end_came() {
    for (key, line_end) in [("\"position\"", "\n"), ("\"none\"", "\r\n"), ("[\"n\"]", "\n")] {
        let logs = Logs::new().key(key);
        logs.write("app.log", [&log(1..=2)[..], record(3).as_bytes()].concat());
        logs.load().exit(0).did(3, 0);
        logs.append("app.log", line_end);
        logs.load().exit(0).did(0, 0);
        logs.append("app.log", log(4..=5));
        logs.load().exit(0).did(2, 0);
        assert_eq!(logs.query("select n from t order by n"), ["1", "2", "3", "4", "5"]);
        assert_eq!(logs.number("select sum(lines) from logmill_checkpoints"), 5);
    }
}

#[test]
fn renamed_moved_or_restored() {
    for logs in both() {
        logs.write("app.log", log(1..=100));
        logs.load().exit(0);
        logs.rename("app.log", "old.log");
        logs.load().exit(0).did(0, 1);
        assert_eq!(logs.sources(), ["old.log 1-100"]);
        // From a backup, at another path and with another inode, and then appended to.
        logs.write("new.log", log(1..=120)).remove("old.log");
        logs.load().exit(0).did(20, 0);
        assert_eq!(logs.sources(), ["new.log 1-120"]);
    }
    // Below 4 KiB only the complete content is proof, because a short beginning might be a banner.
    let logs = Logs::new();
    logs.write("app.log", log(1..=2));
    logs.load().exit(0);
    logs.rename("app.log", "old.log");
    logs.load().exit(0).did(0, 1);
    logs.write("new.log", log(1..=3)).remove("old.log");
    logs.load().exit(0).did(3, 0);
    assert_eq!(logs.sources(), ["old.log 1-2", "new.log 1-3"]);
    // Unless the inode is the same.
    logs.rename("new.log", "newer.log").append("newer.log", log(4..=4));
    logs.load().exit(0).did(1, 0);
    assert_eq!(logs.sources(), ["old.log 1-2", "newer.log 1-4"]);
}

#[test]
fn linked() {
    let logs = Logs::new();
    logs.write("app.log", log(1..=100));
    fs::hard_link(logs.path("app.log"), logs.path("app.log.1")).unwrap();
    std::os::unix::fs::symlink("app.log", logs.path("app.log.2")).unwrap();
    logs.load().exit(0).did(100, 0);
    logs.load().exit(0).did(0, 1);
    assert_eq!(logs.sources(), ["app.log 1-100"]);
    // The source continues under the one name that is left.
    logs.remove("app.log").remove("app.log.2").append("app.log.1", log(101..=110));
    logs.load().exit(0).did(10, 0);
    assert_eq!(logs.sources(), ["app.log.1 1-110"]);
}

#[test]
fn rotated_by_renaming() {
    for logs in both() {
        logs.write("app.log", log(1..=100));
        logs.load().exit(0).did(100, 0);
        // Each generation grows after its last load, and is then renamed.
        for generation in 1..=4 {
            let first = generation * 200;
            logs.append("app.log", log(first - 50..=first - 1));
            for number in (1..generation).rev() {
                logs.rename(&format!("app.log.{number}"), &format!("app.log.{}", number + 1));
            }
            logs.rename("app.log", "app.log.1").write("app.log", log(first..=first + 99));
            logs.load().exit(0).did(150, i64::try_from(generation).unwrap() - 1);
        }
        assert_eq!(
            logs.sources(),
            [
                "app.log.4 1-100 150-199",
                "app.log.3 200-299 350-399",
                "app.log.2 400-499 550-599",
                "app.log.1 600-699 750-799",
                "app.log 800-899",
            ]
        );
    }
}

#[test]
fn small_logs_that_rotate() {
    for logs in both() {
        logs.write("app.log", log(1..=2));
        logs.load().exit(0).did(2, 0);
        // Each grows after its last load, is then renamed, and stays below 4 KiB.
        for generation in 1..=3 {
            let first = generation * 10;
            logs.append("app.log", log(first - 5..=first - 4));
            for number in (1..generation).rev() {
                logs.rename(&format!("app.log.{number}"), &format!("app.log.{}", number + 1));
            }
            logs.rename("app.log", "app.log.1").write("app.log", log(first..=first + 1));
            logs.load().exit(0).did(4, i64::try_from(generation).unwrap() - 1);
        }
        let rotated =
            ["app.log.3 1-2 5-6", "app.log.2 10-11 15-16", "app.log.1 20-21 25-26", "app.log 30-31"];
        assert_eq!(logs.sources(), rotated);
        // By copying: the old name now holds other content, and the old content is found under a new name.
        logs.append("app.log", log(32..=32));
        fs::copy(logs.path("app.log"), logs.path("app.log.0")).unwrap();
        logs.write("app.log", log(40..=40));
        logs.load().exit(0).did(2, 3);
        assert_eq!(logs.sources()[3..], ["app.log.0 30-32", "app.log 40"]);
    }
    // All begin with the same line, which was all of the oldest one.
    let logs = Logs::new();
    logs.write("app.log", log(1..=1));
    logs.load().exit(0).did(1, 0);
    logs.append("app.log", log(11..=11)).rename("app.log", "app.log.1");
    logs.write("app.log", [log(1..=1), log(21..=21)].concat());
    logs.load().exit(0);
    logs.rename("app.log.1", "app.log.2").append("app.log", log(22..=22)).rename("app.log", "app.log.1");
    logs.write("app.log", [log(1..=1), log(31..=31)].concat());
    logs.load().exit(0);
    assert_eq!(logs.query("select n from t order by n"), ["1", "1", "1", "11", "21", "22", "31"]);
    logs.load().exit(0).did(0, 3);
    // The newest begins with all that the one before it ever was.
    for logs in both() {
        logs.write("app.log", log(6..=6));
        logs.load().exit(0).did(1, 0);
        logs.rename("app.log", "app.log.1").write("app.log", log(6..=7));
        logs.load().exit(0).did(2, 1);
        assert_eq!(logs.query("select n from t order by n"), ["6", "6", "7"]);
        logs.load().exit(0).did(0, 2);
        // Without the old one in sight, it is the same log that grew.
        logs.remove("app.log").write("app.log", log(6..=8)).remove("app.log.1");
        logs.load().exit(0).did(1, 0);
    }
}

#[test]
fn copied_and_truncated() {
    let logs = Logs::new();
    logs.write("app.log", log(1..=100));
    logs.load().exit(0);
    logs.append("app.log", log(101..=110));
    fs::copy(logs.path("app.log"), logs.path("app.log.1")).unwrap();
    logs.write("app.log", b"");
    logs.load().exit(0).did(10, 0);
    logs.append("app.log", log(111..=120));
    logs.load().exit(0).did(10, 1);
    assert_eq!(logs.sources(), ["app.log.1 1-110", "app.log 111-120"]);
    // Without the copy in sight, nothing shows that this is a rotation.
    logs.remove("app.log.1").write("app.log", log(121..=122));
    logs.load().failed("app.log", "truncated or replaced?").did(0, 0);
}

#[test]
fn compressed_after_it_was_loaded() {
    for logs in both() {
        for (name, n) in [("a.log", 1), ("b.log", 2001), ("c.log", 4001)] {
            logs.write(name, log(n..=n + 1499));
        }
        logs.load().exit(0).did(4500, 0);
        // One unchanged, one that had grown, and one compressed in place under its old name.
        logs.write("a.log.gz", gzip(&log(1..=1500), 6)).remove("a.log");
        logs.write("b.log.zst", zstd(&log(2001..=3600))).remove("b.log");
        logs.write("c.log", gzip(&log(4001..=5500), 9));
        logs.load().exit(0).did(100, 2);
        assert_eq!(logs.sources(), ["a.log.gz 1-1500", "b.log.zst 2001-3600", "c.log 4001-5500"]);
        // From now on they are recognised by their own bytes; the bytes between head and tail are not even
        // read.
        let spoil = |bytes: &mut Vec<u8>| bytes[70_000..70_100].fill(0xff);
        logs.damage("a.log.gz", spoil).damage("b.log.zst", spoil).damage("c.log", spoil);
        logs.rename("a.log.gz", "archive.log.gz");
        logs.load().exit(0).did(0, 3);
        // Beside its archive, a file is recognised as the archive's content.
        logs.write("a.log", log(1..=1500));
        logs.load().exit(0);
        assert_eq!(logs.number("select count(*) from t"), 4600);
    }
}

#[test]
fn compressed_again_in_another_way() {
    let logs = Logs::new();
    logs.write("app.log.gz", gzip(&log(1..=500), 1));
    logs.load().exit(0).did(500, 0);
    let pieces: Vec<u8> = log(1..=500).chunks(7000).flat_map(|piece| gzip(piece, 6)).collect();
    for (name, content) in [
        ("app.log.gz", gzip(&log(1..=500), 9)),
        ("app.log.gz", pieces),
        ("app.log.zst", zstd(&log(1..=500))),
        ("app.log", log(1..=500)),
    ] {
        let _ = fs::remove_file(logs.path("app.log.gz"));
        logs.write(name, content);
        logs.load().exit(0).did(0, 1);
        assert_eq!(logs.sources(), [format!("{name} 1-500")]);
        logs.remove(name);
    }
}

#[test]
fn grown_by_another_member() {
    for logs in both() {
        logs.write("app.log.gz", gzip(&log(1..=500), 6)).write("app.log.zst", zstd(&log(1001..=1500)));
        logs.load().exit(0).did(1000, 0);
        logs.append("app.log.gz", gzip(&log(501..=600), 6)).append("app.log.zst", zstd(&log(1501..=1600)));
        logs.load().exit(0).did(200, 0);
        assert_eq!(logs.sources(), ["app.log.gz 1-600", "app.log.zst 1001-1600"]);
        logs.load().exit(0).did(0, 2);
    }
}

#[test]
fn delivered_again_under_another_name() {
    for logs in both() {
        logs.write("a.log", log(1..=100)).write("copy.log", log(1..=100));
        logs.load().exit(0).did(100, 0).duplicates(["copy.log = a.log"]);
        logs.write("later.log", log(1..=100)).write("later.log.gz", gzip(&log(1..=100), 6));
        let all = ["copy.log = a.log", "later.log = a.log", "later.log.gz = a.log"];
        logs.load().exit(0).did(0, 1).duplicates(all);
        assert_eq!(logs.sources(), ["a.log 1-100"]);
        // With `--allow-duplicates` each is a source of its own, and finished in the next run.
        logs.load_with("--allow-duplicates").exit(0).did(300, 1).duplicates([]);
        logs.load().exit(0).did(0, 4).duplicates([]);
        logs.load_with("--allow-duplicates").exit(0).did(0, 4);
        assert_eq!(logs.number("select count(*) from t"), 400);
    }
}

#[test]
fn cut_off_or_rewritten_below_the_checkpoint() {
    let whole = log(1..=2000);
    let cut = whole[..100_000].to_vec();
    let other = log(5001..=7000)[..whole.len()].to_vec();
    let mut head = whole.clone();
    head[50_000] ^= 1;
    let mut tail = whole.clone();
    tail[whole.len() - 3000] ^= 1;
    for logs in both() {
        logs.write("app.log", &whole).write("zoo.log", log(9001..=9001));
        logs.load().exit(0).did(2001, 0);
        let stories = [
            (&cut, "it has 100000 bytes now, but was loaded up to byte "),
            (&other, "what stands before that is not what was loaded (rewritten?)"),
            (&head, "what stands before that is not what was loaded (rewritten?)"),
            (&tail, "what stands before that is not what was loaded (rewritten?)"),
        ];
        for (round, (content, why)) in (1..).zip(stories) {
            logs.write("app.log", content).append("zoo.log", log(9001 + round..=9001 + round));
            logs.load().failed("app.log", why).did(1, 0);
        }
        assert_eq!(logs.sources(), ["app.log 1-2000", "zoo.log 9001-9005"]);
        // The restored file is the same source.
        logs.write("app.log", &whole);
        logs.load().exit(0).did(0, 2);
    }
}

#[test]
fn rewritten_between_head_and_tail_only() {
    let logs = Logs::new();
    logs.write("app.log", log(1..=2000));
    logs.load().exit(0).did(2000, 0);
    logs.damage("app.log", |bytes| bytes[100_000] ^= 1);
    logs.load().exit(0).did(0, 1);
}

#[test]
fn another_file_under_the_same_inode() {
    let logs = Logs::new();
    logs.write("app.log", log(1..=100));
    logs.load().exit(0);
    // Written in place, so the inode is the same.
    logs.rename("app.log", "new.log").write("new.log", log(201..=250));
    logs.load().exit(0).did(50, 0);
    assert_eq!(logs.sources(), ["app.log 1-100", "new.log 201-250"]);
    // The same for a small file: an inode number alone proves nothing.
    let logs = Logs::new();
    logs.write("app.log", log(1..=2));
    logs.load().exit(0).did(2, 0);
    logs.rename("app.log", "new.log").write("new.log", log(11..=13));
    logs.load().exit(0).did(3, 0);
    assert_eq!(logs.sources(), ["app.log 1-2", "new.log 11-13"]);
}

#[test]
fn two_files_that_begin_alike() {
    let banner = log(1..=800);
    assert!(banner.len() > 64 << 10);
    let with = |n| [&banner[..], &log(n..=n)].concat();
    for logs in both() {
        logs.write("a.log", with(1001)).write("b.log", with(1002));
        logs.load().exit(0).did(1602, 0).duplicates([]);
        logs.write("c.log", with(1003));
        logs.load().exit(0).did(801, 2);
        logs.append("b.log", log(1004..=1005));
        logs.load().exit(0).did(2, 2);
        assert_eq!(logs.sources(), ["a.log 1-800 1001", "b.log 1-800 1002 1004-1005", "c.log 1-800 1003"]);
    }
}

#[test]
fn one_file_is_the_beginning_of_another() {
    let logs = Logs::new();
    logs.write("a.log", log(1..=100)).write("b.log", log(1..=150));
    logs.load().exit(0).did(250, 0).duplicates([]);
    assert_eq!(logs.sources(), ["a.log 1-100", "b.log 1-150"]);
    // Under new names, each is still the same source.
    logs.rename("a.log", "d.log").rename("b.log", "c.log");
    logs.load().exit(0).did(0, 2);
    assert_eq!(logs.sources(), ["d.log 1-100", "c.log 1-150"]);
    // Once the shorter one is gone, the longer one is recognised as its grown form.
    logs.remove("d.log").remove("c.log").write("e.log", log(1..=200));
    logs.load().exit(0).did(50, 0);
    assert_eq!(logs.sources(), ["d.log 1-100", "e.log 1-200"]);
}

#[test]
fn a_part_came_first() {
    for logs in both() {
        let (plain, packed) = (log(1..=1000), gzip(&log(2001..=3000), 6));
        logs.write("app.log", &plain[..60_000]).write("app.log.gz", &packed[..40_000]);
        // The plain part ends inside a line; the archive shows that it is incomplete.
        logs.load().failed("app.log.gz", "it ends too early");
        logs.write("app.log", &plain).write("app.log.gz", &packed);
        logs.load().exit(0);
        assert_eq!(logs.sources(), ["app.log 1-1000", "app.log.gz 2001-3000"]);
    }
    // As uploads are: under another name until they are complete.
    let logs = Logs::new();
    logs.write("app.log.part", &log(1..=100)[..8000]);
    logs.load().exit(3);
    logs.remove("app.log.part").write("app.log", log(1..=100));
    logs.load().exit(0);
    assert_eq!(logs.sources(), ["app.log 1-100"]);
}

#[test]
fn streamed() {
    for logs in both() {
        // One stream whose end is seen at once, and one that must be read on.
        for (name, first, count) in [("short.log", 1, 100), ("long.log", 1001, 1000)] {
            let (whole, more) = (log(first..=first + count - 1), log(first + count..=first + count + 9));
            logs.write(name, &whole);
            logs.load_with(name).exit(0).did(i64::try_from(count).unwrap(), 0);
            logs.load_stdin("-", &whole).exit(0).did(0, 0);
            logs.load_stdin("-", &[&whole[..], &more].concat()).exit(0).did(10, 0);
            logs.append(name, &more);
            logs.load_with(name).exit(0).did(0, 1);
        }
        assert_eq!(logs.sources(), ["short.log 1-110", "long.log 1001-2010"]);
        // Beside what it is a copy of, it cannot be told in time.
        logs.load_stdin("long.log -", &log(1001..=2010)).failed("-", "it begins like ").did(0, 1);
        // It only begins alike.
        let other = [&log(1001..=1900)[..], &log(5001..=5200)].concat();
        logs.load_stdin("-", &other).failed("-", "is not what was loaded (another file?)").did(0, 0);
        logs.load_stdin("- --allow-duplicates", &other).exit(0).did(1100, 0);
        // Once a short stream was loaded, others are still recognised by what they hold most of.
        logs.write("known.log", log(20_001..=21_000));
        logs.load_with("known.log").exit(0).did(1000, 0);
        logs.load_stdin("-", &log(20_001..=20_010)).exit(0);
        logs.load_stdin("-", &log(20_001..=21_000)).exit(0).did(0, 0);
        logs.write("new.log", log(7001..=8000));
        logs.load_stdin("new.log -", &log(7001..=8000)).failed("-", "it begins like ").did(1000, 0);
    }
}

#[test]
fn the_same_file_under_two_data_dates() {
    for logs in both() {
        let logs = logs.source("files = [\"*/{date}.log\", \"app.log\"]");
        logs.write("app.log", log(1..=100));
        logs.load_with("--date 2023-10-27").exit(0).did(100, 0);
        logs.load_with("--date 2023-10-28").exit(0).did(100, 0);
        logs.load_with("--date 2023-10-27").exit(0).did(0, 1);
        assert_eq!(logs.sources(), ["app.log 1-100", "app.log 1-100"]);
    }
}

#[test]
fn the_same_file_into_another_table() {
    for logs in both() {
        let tell = |arguments: &str| {
            let said = Said::of(&mut logs.place.command(arguments), b"");
            serde_json::from_str::<Value>(&said.stdout).unwrap_or_else(|error| panic!("{error}: {said:?}"))
        };
        let ids = |arguments: &str| {
            let status = tell(&format!("status -j job.toml --output json {arguments}"));
            let sources = status["sources"].as_array().unwrap().iter();
            sources.map(|source| source["id"].as_i64().unwrap()).collect::<Vec<_>>()
        };
        let letters = |arguments: &str| {
            let listed = tell(&format!("dead-letters list -j job.toml --output json {arguments}"));
            let status = tell(&format!("status -j job.toml --output json {arguments}"));
            (listed["dead_letters"].as_array().unwrap().len(), status["open_dead_letters"].as_i64().unwrap())
        };
        logs.write("app.log", [&log(1..=100)[..], b"no record\n"].concat());
        let loaded = logs.load();
        loaded.exit(3).did(100, 0);
        let loaded = logs.load_with("--table u");
        loaded.exit(3).did(100, 0);
        assert_eq!(loaded.count("/open_dead_letters_of_job"), 1);
        logs.append("app.log", log(101..=110));
        logs.load().exit(3).did(10, 0);
        logs.load_with("--table u").exit(3).did(10, 0);
        logs.load_with("--table u").exit(3).did(0, 1);
        // Reports concern only one of the two tables.
        assert_eq!((ids(""), ids("--table u")), (vec![1], vec![2]));
        assert_eq!((letters(""), letters("--table u")), ((1, 1), (1, 1)));
        let forgotten = tell("forget -j job.toml --output json --table u app.log");
        assert_eq!(forgotten["forgotten"], 1);
        assert_eq!((ids(""), ids("--table u")), (vec![1], vec![]));
        let planned = tell("plan -j job.toml --output json --table u");
        assert_eq!(planned["sources"][0]["position"], 0, "{planned}");
        logs.load_with("--table u").exit(3).did(110, 0);
        logs.load().exit(3).did(0, 1);
    }
}

#[test]
fn the_table_was_renamed() {
    for logs in both() {
        logs.write("app.log", log(1..=100));
        logs.load().exit(0).did(100, 0);
        logs.query("alter table t rename to u");
        let refused = logs.load_with("--table u");
        refused.exit(2);
        // The message shows how to declare that it is the same table.
        let said = &refused.said.stderr;
        let statement = said.split_once(" renamed: ").and_then(|(_, rest)| rest.split_once(';'));
        let (statement, _) = statement.unwrap_or_else(|| panic!("no statement: {said}"));
        assert!(statement.starts_with("UPDATE "), "{said}");
        let planned = Said::of(&mut logs.place.command("plan -j job.toml --table u"), b"");
        assert!(planned.code == 2 && planned.stdout.contains(statement), "{planned:?}");
        logs.query(statement);
        logs.load_with("--table u").exit(0).did(0, 1);
        logs.query("alter table u rename to t");
    }
}

#[test]
fn the_same_file_by_a_job_of_another_name() {
    for logs in both() {
        logs.write("app.log", log(1..=100)).write("b.log", log(201..=300));
        logs.load().exit(0).did(200, 0);
        let logs = logs.named("other");
        logs.write("new.log", log(101..=110));
        let refused = logs.load();
        refused.exit(2);
        for part in ["app.log and 1 more: job logs has loaded it", "--allow-duplicates"] {
            assert!(refused.said.stderr.contains(part), "{:?}", refused.said);
        }
        assert_eq!(logs.number("select count(*) from logmill_sources"), 2);
        let planned = Said::of(&mut logs.place.command("plan -j job.toml"), b"");
        assert!(planned.code == 2 && planned.stdout.contains("--allow-duplicates"), "{planned:?}");
        logs.load_with("new.log").exit(0).did(10, 0);
        // In another table the source does not exist yet.
        logs.load_with("--table u app.log").exit(0).did(100, 0);
        logs.load_with("--allow-duplicates").exit(0).did(200, 1);
        logs.load().exit(0).did(0, 3);
    }
}

#[test]
fn empty_at_first() {
    for logs in both() {
        logs.write("a.log", b"").write("b.log", b"").write("c.log.gz", gzip(b"", 6));
        logs.load().exit(0).did(0, 0).duplicates([]);
        logs.load().exit(0).did(0, 3);
        logs.write("a.log", log(1..=100)).write("c.log.gz", gzip(&log(201..=300), 6));
        logs.load().exit(0).did(200, 1);
        assert_eq!(logs.sources(), ["a.log 1-100", "b.log", "c.log.gz 201-300"]);
    }
}

#[test]
fn an_archive_is_damaged_or_cut_short() {
    // `compressed` tests what follows the damage, and all kinds of damage.
    let whole = gzip(&log(1..=1000), 6);
    let logs = Logs::new();
    logs.write("app.log.gz", &whole[..whole.len() / 2]);
    logs.load().failed("app.log.gz", "the gzip data is damaged after byte ");
    let before = logs.number("select max(n) from t");
    assert_eq!(logs.sources(), [format!("app.log.gz 1-{before}...")]);
    logs.load().failed("app.log.gz", "it ends too early").did(0, 0);
    logs.write("app.log.gz", &whole);
    logs.load().exit(0).did(1000 - before, 0);
    assert_eq!(logs.sources(), ["app.log.gz 1-1000"]);
}
