//! What is decided of real files, by what is remembered of them.

use std::fs;
use std::io::Write as _;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use tempfile::TempDir;

use super::*;
use crate::source::{Objects, Parts, Pattern, Reach, Runtime, Selection, discover};
use crate::stop::Stop;

const RULES: Hash16 = Hash16([1; 16]);
const OTHER_RULES: Hash16 = Hash16([2; 16]);

/// A folder of small files.
struct Files(TempDir);

impl Files {
    fn new() -> Files {
        Files(tempfile::tempdir().expect("a folder"))
    }

    fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, content).expect("a file");
        path
    }
}

fn candidate(path: &Path) -> Candidate {
    stoppable(path, &Stop::default())
}

fn stoppable(path: &Path, stop: &Stop) -> Candidate {
    let name = path.file_name().expect("a name").to_string_lossy().into_owned();
    let pattern = Pattern { text: name.into(), base: path.parent().expect("a folder").to_owned() };
    let found = discover(&[pattern], &Selection::default(), &Reach::default()).expect("a pattern").files;
    Candidate::open(&found[0], stop).expect("a file")
}

fn asked(files: &[&Path]) -> Asked {
    Asked {
        files: files.iter().map(|path| candidate(path)).collect(),
        allow_duplicates: false,
        accept_new_rules: false,
        take_over: false,
        key_is_position: true,
        framing: Framing::Lines,
        rules_hash: RULES,
        rebuild: None,
        rebuild_advice: None,
        only: None,
        grows_by_splits: false,
        beside: Arc::default(),
        wait: Some(HOLDER_WAIT),
    }
}

/// Of a split, its start, its end, how far it is committed, and whether that is all of it.
type Cut = (usize, Option<usize>, usize, bool);

fn checkpoint(id: i32, content: &str, (start, end, position, complete): Cut) -> Checkpoint {
    let read = &content.as_bytes()[start..position];
    Checkpoint {
        split: Split { source: id, start: start as u64 },
        end: end.map(|end| end as u64),
        position: position as u64,
        lines: read.iter().filter(|&&byte| byte == b'\n').count() as u64,
        tail: (read.len() as u32, hash16(read)),
        preamble: Preamble::new(b"#head"),
        complete,
        rules_hash: RULES,
        rules_since: 0,
        epoch: 1,
        owner: None,
    }
}

/// What is remembered of a file that had this content when it was read.
fn memory(id: i32, path: &Path, content: &str, cuts: &[Cut]) -> Remembered {
    let head = (content.len() as u32, hash16(content.as_bytes()));
    let mut memory = Remembered::new(id, format!("job {id}"), candidate(path).name, head, None);
    cuts.iter().for_each(|cut| memory.push(checkpoint(id, content, *cut)));
    memory
}

/// All of it, in one split.
fn loaded(id: i32, path: &Path, content: &str) -> Remembered {
    memory(id, path, content, &[(0, None, content.len(), true)])
}

/// The answer to the only file.
#[track_caller]
fn answer(asked: &Asked, remembered: &[Remembered]) -> Answer {
    let mut decisions = decide(asked, remembered).expect("a decision");
    assert_eq!(decisions.len(), 1);
    decisions.remove(0).answer
}

#[track_caller]
fn tasks(answer: Answer) -> Vec<Task> {
    match answer {
        Answer::Load { tasks, .. } => tasks,
        other => panic!("nothing to load: {other:?}"),
    }
}

fn finished(source_id: i32) -> Answer {
    Answer::Finished { source_id, has_other_rules: false }
}

#[test]
fn a_file_is_new_or_finished_or_has_grown() {
    let files = Files::new();
    let path = files.write("a", "1\n2\n");
    let decisions = decide(&asked(&[&path]), &[]).expect("a decision");
    assert_eq!(decisions[0].answer, Answer::Load { source_id: 0, tasks: vec![Task::whole(0)] });
    assert_eq!((decisions[0].memory, decisions[0].answer.source_id()), (None, Some(0)));

    let remembered = [loaded(7, &path, "1\n2\n")];
    let decisions = decide(&asked(&[&path]), &remembered).expect("a decision");
    assert_eq!((&decisions[0].answer, decisions[0].memory), (&finished(7), Some(0)));
    assert_eq!(decisions[0].answer.source_id(), Some(7));

    let path = files.write("a", "1\n2\n3\n");
    let found = answer(&asked(&[&path]), &remembered);
    assert_eq!(found.source_id(), Some(7));
    let task = tasks(found).remove(0);
    assert_eq!((task.split, task.start.position, task.start.record), (Split::whole(7), 4, 4));
    assert_eq!((task.end, task.lines, task.before.lines, task.is_new), (None, 2, 0, false));
    assert_eq!(task.preamble.bytes(), b"#head");
    assert!(!task.is_part());
}

#[test]
fn a_file_that_was_cut_off_or_written_anew_has_changed() {
    let files = Files::new();
    let path = files.write("a", "1\n9\n3\n");
    let remembered = [loaded(7, &path, "1\n2\n")];
    let mut asked = asked(&[&path]);
    let Answer::Changed(plain) = answer(&asked, &remembered) else { panic!("it has changed") };
    assert_eq!(Answer::Changed(plain.clone()).source_id(), None);
    asked.rebuild_advice = Some("load FILE anew".to_owned());
    let Answer::Changed(advised) = answer(&asked, &remembered) else { panic!("it has changed") };
    assert_eq!(advised, format!("{plain}; load {} anew", path.display()));
}

#[test]
fn what_comes_behind_a_source_of_several_splits_is_a_split_of_its_own() {
    let files = Files::new();
    let path = files.write("a", "1\n2\n3\n4\n");
    let cut = memory(7, &path, "1\n2\n3\n", &[(0, Some(4), 4, true), (4, None, 6, true)]);
    let task = tasks(answer(&asked(&[&path]), std::slice::from_ref(&cut))).remove(0);
    assert_eq!((task.split.start, task.start.position, task.start.record), (6, 6, 6));
    assert_eq!(task.start.tail, (0, hash16(b"")));
    assert_eq!((task.lines, task.before.lines, task.end, task.is_new), (0, 3, None, true));
    assert!(task.is_part());
    assert_eq!(cut.behind(&task).split.start, 4);
    // Of one that never was several, only where that is asked for.
    let mut asked = asked(&[&path]);
    let whole = [loaded(7, &path, "1\n2\n3\n")];
    assert_eq!(tasks(answer(&asked, &whole))[0].split, Split::whole(7));
    asked.grows_by_splits = true;
    assert_eq!(tasks(answer(&asked, &whole))[0].split.start, 6);
    // A source that is not at its end, or had a last line without one, goes on where it is.
    let mut begun = [memory(7, &path, "1\n2\n3\n", &[(0, None, 6, false)])];
    assert_eq!(tasks(answer(&asked, &begun))[0].split, Split::whole(7));
    begun[0] = Remembered { tail_start: Some(4), ..loaded(7, &path, "1\n2\n3") };
    let task = tasks(answer(&asked, &begun)).remove(0);
    assert_eq!((task.split, task.start.position, task.start.record), (Split::whole(7), 5, 6));
}

#[test]
fn open_splits_go_on_and_each_has_to_hold_what_was_loaded() {
    let files = Files::new();
    let content = "1\n2\n3\n4\n5\n6\n";
    let path = files.write("a", content);
    let cuts = [(0, Some(4), 4, true), (4, Some(8), 6, false), (8, None, 8, false)];
    let mut source = memory(7, &path, content, &cuts);
    // As far as its farthest split, which proves who it is; one that has nothing yet proves nothing.
    assert_eq!((source.known.position, source.known.complete), (6, false));
    assert_eq!((source.known.tail_len, source.known.tail_hash), (2, hash16(b"3\n")));
    let found = tasks(answer(&asked(&[&path]), std::slice::from_ref(&source)));
    let told: Vec<_> = found
        .iter()
        .map(|task| (task.split.start, task.start.position, task.end, task.lines, task.before.lines))
        .collect();
    assert_eq!(told, [(4, 6, Some(8), 1, 2), (8, 8, None, 0, 2)]);
    assert_eq!(found[1].before.open(), [found[0].split]);
    // Another split is farther, and in this one something else stands.
    source.checkpoints[2] = checkpoint(7, content, (8, None, 10, false));
    source.checkpoints[1].tail = (2, hash16(b"x\n"));
    source.known.position = 10;
    let Answer::Changed(why) = answer(&asked(&[&path]), &[source]) else { panic!("it has changed") };
    assert!(why.contains("before byte 6 "), "{why}");
}

#[test]
fn other_rules_stop_what_was_begun_and_are_told_of_what_is_done() {
    let files = Files::new();
    let path = files.write("a", "1\n2\n");
    let mut asked = asked(&[&path]);
    asked.rules_hash = OTHER_RULES;
    let done = [loaded(7, &path, "1\n2\n")];
    assert_eq!(answer(&asked, &done), Answer::Finished { source_id: 7, has_other_rules: true });
    let begun = [memory(7, &path, "1\n2\n", &[(0, None, 2, false)])];
    let refused = decide(&asked, &begun).expect_err("other rules");
    assert!(
        matches!(refused.kind(), ErrorKind::RulesChanged { source_name, more: 0 } if source_name.ends_with("/a"))
    );
    asked.accept_new_rules = true;
    let task = tasks(answer(&asked, &begun)).remove(0);
    // What stands before is of other rules, and says nothing by these.
    assert_eq!((task.start.position, task.preamble.bytes()), (2, &b""[..]));
    // Nothing is loaded yet, so nothing is mixed.
    asked.accept_new_rules = false;
    let nothing = [memory(7, &path, "1\n2\n", &[(0, None, 0, false)])];
    assert_eq!(tasks(answer(&asked, &nothing))[0].start.position, 0);
}

#[test]
fn one_split_that_is_asked_for_is_alone() {
    let files = Files::new();
    let (path, beside) = (files.write("a", "1\n2\n3\n"), files.write("b", "x\ny\n"));
    let cuts = [(0, Some(2), 2, true), (2, Some(4), 2, false), (4, None, 4, false)];
    let remembered = [memory(7, &path, "1\n2\n3\n", &cuts), loaded(8, &beside, "x\ny\n")];
    let mut asked = asked(&[&path, &beside]);
    let mut of = |start| {
        asked.only = Some(Split { source: 7, start });
        let decided = decide(&asked, &remembered);
        decided.map(|decisions| decisions.into_iter().map(|it| it.answer).collect::<Vec<_>>())
    };
    let answers = of(2).expect("a decision");
    let starts: Vec<u64> = tasks(answers[0].clone()).iter().map(|task| task.split.start).collect();
    assert_eq!((starts, &answers[1]), (vec![2], &Answer::Beside));
    assert_eq!(of(0).expect("a decision"), [finished(7), Answer::Beside]);
    let unknown = of(3).expect_err("no such split").to_string();
    assert!(unknown.contains("no split 7-3"), "{unknown}");
    // Its source is known, and none of the files.
    asked.files.remove(0);
    asked.only = Some(Split { source: 7, start: 2 });
    let elsewhere = decide(&asked, &remembered).expect_err("its file is not there").to_string();
    assert!(elsewhere.contains("is not among the files"), "{elsewhere}");
}

#[test]
fn what_another_job_has_loaded_is_refused() {
    let files = Files::new();
    let content = "1\n2\n";
    let (path, empty) = (files.write("a", content), files.write("empty", ""));
    let mut asked = asked(&[&path, &empty]);
    let decisions = decide(&asked, &[]).expect("a decision");
    assert!(asks_for_others(&asked, &decisions));
    let theirs = [loaded(9, &path, content)];
    let refused = refuse_sources_of_others(&asked, &decisions, &theirs).expect_err("theirs");
    assert!(matches!(refused.kind(), ErrorKind::OfAnotherJob { more: 0, job, .. } if job == "job 9"));
    // Under another name it is a copy of theirs.
    let copy = files.write("copy", content);
    let of_copy = Asked { files: vec![candidate(&copy)], ..asked.clone() };
    let new = decide(&of_copy, &[]).expect("a decision");
    let refused = refuse_sources_of_others(&of_copy, &new, &theirs).expect_err("theirs");
    assert!(matches!(refused.kind(), ErrorKind::OfAnotherJob { job, .. } if job == "job 9"));
    // They have begun it, and have nothing of it.
    let nothing = [memory(9, &path, content, &[(0, None, 0, false)])];
    refuse_sources_of_others(&asked, &decisions, &nothing).expect("it is nobody's");
    // What is known is not new, nor is what holds nothing.
    let known = decide(&asked, &[loaded(7, &path, content), loaded(8, &empty, "")]).expect("a decision");
    assert!(!asks_for_others(&asked, &known));
    let of_empty = Asked { files: vec![candidate(&empty)], ..asked.clone() };
    assert!(!asks_for_others(&of_empty, &decide(&of_empty, &[]).expect("a decision")));
    asked.allow_duplicates = true;
    assert!(!asks_for_others(&asked, &decisions));
}

#[test]
fn a_new_source_gets_its_id_with_all_its_splits() {
    let mut answer = Answer::Load { source_id: 0, tasks: vec![Task::whole(0)] };
    answer.give_id(12);
    assert_eq!(answer, Answer::Load { source_id: 12, tasks: vec![Task::whole(12)] });
    let mut other = finished(3);
    other.give_id(12);
    assert_eq!((&other, other.source_id()), (&finished(3), Some(3)));
    for nobody in [Answer::Duplicate("a".to_owned()), Answer::Changed("so".to_owned()), Answer::Beside] {
        assert_eq!(nobody.source_id(), None);
    }
}

#[test]
fn what_stands_before_is_compared_as_far_as_it_stands_before() {
    let open: Arc<[Split]> = [0, 5, 9].map(|start| Split { source: 1, start }).into();
    let before = Before::at(1, &open, 4);
    assert_eq!(before.open(), &open[..1]);
    let longer: Arc<[Split]> = [0, 6].map(|start| Split { source: 1, start }).into();
    assert_eq!(before, Before::at(1, &longer, 4));
    assert_ne!(before, Before::at(1, &open, 5));
    assert_ne!(before, Before::at(2, &open, 4));
}

#[test]
fn a_living_holder_is_waited_for_where_somebody_said_so() {
    let waits = |only, wait| Asked { only, wait, ..asked(&[]) }.waits();
    assert!(!waits(None, Some(HOLDER_WAIT)));
    assert!(waits(None, Some(HOLDER_WAIT * 2)));
    assert!(waits(None, None));
    assert!(waits(Some(Split::whole(1)), Some(HOLDER_WAIT)));
}

/// A new run follows at once a holder that was only outliving its client; and one that waits for an hour of
/// work does not ask the server about it five times a second.
#[test]
fn it_looks_often_at_first_and_seldom_later() {
    let waits = [Duration::ZERO, HOLDER_WAIT / 2, HOLDER_WAIT, HOLDER_WAIT * 3, HOLDER_WAIT * 360];
    let pauses = waits.map(pause);
    assert_eq!(pauses[..3], [LOOK_EVERY; 3]);
    assert!(pauses[3] > LOOK_EVERY && pauses[3] < LOOK_EVERY_LATER, "{:?}", pauses[3]);
    assert_eq!(pauses[4], LOOK_EVERY_LATER);
}

#[test]
fn the_end_of_a_wait_is_told_where_its_beginning_was() {
    let told: Arc<Mutex<Vec<String>>> = Arc::default();
    let seen = Arc::clone(&told);
    let observer = Observer::new(move |event| seen.lock().expect("nobody panicked").push(event.to_string()));
    // It waits no longer than it takes to see that it is to stop.
    let stop = Stop::default();
    stop.ask(libc::SIGTERM);
    let patience = Patience { retry_for: HOLDER_WAIT, stop: &stop, observer: &observer };
    let mut since = None;
    is_free(since, &observer);
    assert!(told.lock().expect("nobody panicked").is_empty());
    for at_most in [None, Some(Duration::MAX)] {
        let error = wait_for("a", "run 3", &mut since, at_most, patience).expect_err("a stop");
        assert!(matches!(error.kind(), ErrorKind::Stopped(libc::SIGTERM)));
    }
    // A run that is not to wait says at once who holds it, and nothing of a wait.
    let error =
        wait_for("a", "run 3", &mut None, Some(Duration::ZERO), patience).expect_err("no time is left");
    assert!(matches!(error.kind(), ErrorKind::Held { holder, .. } if holder == "run 3"), "{error}");
    is_free(since, &observer);
    let told = told.lock().expect("nobody panicked");
    assert_eq!((told.len(), told[0].as_str()), (2, "a is held by run 3; waiting for it"));
    assert!(told[1].starts_with("no longer waiting"), "{}", told[1]);
}

#[test]
fn what_is_stored_is_read_as_it_was() {
    for value in [0, 1, 2, i64::MAX as u64] {
        assert_eq!(unsigned(signed(value)), value);
    }
    assert_eq!((signed(7), unsigned(-1)), (7, 0));
    assert_eq!((hash(&[3; 16]), hash(&[3; 15])), (Hash16([3; 16]), Hash16([0; 16])));
    let own = Inode { device: u64::MAX - 2, number: 5 };
    assert_eq!(stored_inode(Some(own)), (Some(-3), Some(5)));
    assert_eq!(inode(Some(-3), Some(5)), Some(own));
    assert_eq!((stored_inode(None), inode(None, Some(5)), inode(Some(5), None)), ((None, None), None, None));
}

/// Otherwise the run would end with a list of files that have changed, none of which has.
#[test]
fn a_stop_says_nothing_of_the_files() {
    let files = Files::new();
    let path = files.write("a", "1\n2\n");
    let known = loaded(7, &path, "1\n2\n");
    files.write("a", "1\n2\n3\n");
    let stop = Stop::default();
    let asked = Asked { files: vec![stoppable(&path, &stop)], ..asked(&[]) };
    stop.ask(libc::SIGINT);
    let stopped = decide(&asked, &[known]).expect_err("a stop");
    assert!(matches!(stopped.kind(), ErrorKind::Stopped(libc::SIGINT)), "{stopped}");
}

/// It need not be decompressed to be known again.
#[test]
fn an_archive_is_remembered_with_what_it_holds() {
    let files = Files::new();
    let path = files.0.path().join("a.gz");
    let mut gzip =
        flate2::write::GzEncoder::new(fs::File::create(&path).expect("a file"), flate2::Compression::fast());
    gzip.write_all(b"1\n2\n").and_then(|()| gzip.finish()).expect("an archive");
    let asked = asked(&[&path]);
    let own = asked.files[0].fingerprint.container;
    assert!(own.is_some());
    let of = |remembered: &[Remembered]| {
        let decision = decide(&asked, remembered).expect("a decision").remove(0);
        (decision.new_container, decision.memory)
    };
    assert_eq!(of(&[]), (own, None));
    let mut known = loaded(7, &path, "1\n2\n");
    assert_eq!(of(std::slice::from_ref(&known)), (own, Some(0)));
    known.known.containers.extend(own);
    assert_eq!(of(&[known]), (None, Some(0)));
}

#[test]
fn a_split_that_does_not_exist_yet_can_be_asked_for() {
    let files = Files::new();
    let path = files.write("a", "1\n2\n3\n4\n");
    let remembered = [memory(7, &path, "1\n2\n3\n", &[(0, Some(4), 4, true), (4, None, 6, true)])];
    let mut asked = asked(&[&path]);
    asked.only = Some(Split { source: 7, start: 6 });
    let task = tasks(answer(&asked, &remembered)).remove(0);
    assert_eq!((task.split.start, task.is_new), (6, true));
    // Nothing of the file begins there.
    asked.only = Some(Split { source: 7, start: 8 });
    let unknown = decide(&asked, &remembered).expect_err("no such split").to_string();
    assert!(unknown.contains("no split 7-8"), "{unknown}");
}

/// The other job goes on with its file, and beside it is a copy of what that held before.
#[test]
fn a_copy_of_what_another_job_has_loaded_is_refused_with_its_file() {
    let files = Files::new();
    let (another, path) = (files.write("another", "x\n"), files.write("a", "1\n2\n"));
    let theirs = [loaded(8, &another, "x\n"), loaded(9, &path, "1\n2\n")];
    files.write("a", "1\n2\n3\n");
    let copy = files.write("copy", "1\n2\n");
    let asked = asked(&[&copy, &path]);
    let decisions = decide(&asked, &[]).expect("a decision");
    let refused = refuse_sources_of_others(&asked, &decisions, &theirs).expect_err("theirs");
    let ErrorKind::OfAnotherJob { source_name, more, job } = refused.kind() else { panic!("{refused}") };
    assert_eq!((source_name.as_str(), *more, job.as_str()), (&*copy.display().to_string(), 1, "job 9"));
}

#[test]
fn what_was_empty_goes_on_as_it_is() {
    let files = Files::new();
    let path = files.write("a", "");
    let mut asked = asked(&[&path]);
    let empty = [loaded(7, &path, "")];
    assert_eq!(answer(&asked, &empty), finished(7));
    files.write("a", "1\n");
    asked.files = vec![candidate(&path)];
    // A split of its own would begin where this one does, and there is only one of each name.
    asked.grows_by_splits = true;
    let task = tasks(answer(&asked, &empty)).remove(0);
    assert_eq!((task.split, task.is_new), (Split::whole(7), false));
}

/// Where the two cannot be written at once, a run may have died after it ended the last split, and before it
/// made the next one.
#[test]
fn a_split_is_made_behind_one_that_was_ended_for_it() {
    let files = Files::new();
    let path = files.write("a", "1\n2\n3\n");
    let cuts = [(0, Some(2), 2, true), (2, Some(4), 4, true)];
    let ended = memory(7, &path, "1\n2\n", &cuts);
    let task = tasks(answer(&asked(&[&path]), &[ended])).remove(0);
    assert_eq!((task.split.start, task.start.position, task.end, task.is_new), (4, 4, None, true));
}

/// How a source is resumed whose last record began at `from`, was `open`, and goes on with `more`. The lines
/// before it count as one.
#[track_caller]
fn grown(framing: &Framing, before: &str, open: &str, more: &str, lines: u64) -> Task {
    let files = Files::new();
    let content = format!("{before}{open}");
    let path = files.write("a", &format!("{content}{more}"));
    let asked = Asked { framing: framing.clone(), ..asked(&[&path]) };
    let mut source = loaded(7, &path, &content);
    source.checkpoints[0].lines = 1 + lines;
    source.tail_start = Some(before.len() as u64);
    let task = tasks(answer(&asked, &[source])).remove(0);
    // It is read from its start, and the lines before it stay counted.
    assert_eq!((task.start.record, task.lines), (before.len() as u64, 1));
    task
}

#[test]
fn a_last_line_that_has_grown_is_taken_back_as_what_it_was() {
    let commented = Framing::Commented(b'#');
    let was = |open, more| {
        let again = grown(&commented, "1\n", open, more, 1).again.expect("it is read again");
        assert_eq!((again.offset, again.lines, again.cut_off), (2, 1, None));
        (again.was_blank, again.was_skipped)
    };
    assert_eq!(was("2", "3\n"), (false, false));
    assert_eq!(was(" ", "3\n"), (true, false));
    assert_eq!(was("#2", "3\n"), (false, true));
    // So is the last line of the preamble, and what is read now is read without it.
    let task = grown(&Framing::Lines, "1\n", "#head", "er\n", 1);
    assert_eq!((task.again.expect("it is read again").was_skipped, task.preamble.bytes()), (true, &b""[..]));
}

/// Without its position, the row of the old line would stay beside that of the new one. A blank line left none.
#[test]
fn without_its_position_only_a_blank_line_is_read_again() {
    let files = Files::new();
    let of = |open: &str| {
        let content = format!("1\n{open}");
        let path = files.write("a", &format!("{content}3\n"));
        let asked = Asked { key_is_position: false, ..asked(&[&path]) };
        let mut source = loaded(7, &path, &content);
        (source.checkpoints[0].lines, source.tail_start) = (2, Some(2));
        answer(&asked, &[source])
    };
    let again = tasks(of(" ")).remove(0).again.expect("it is read again");
    assert!(again.was_blank);
    let Answer::Changed(why) = of("2") else { panic!("it cannot be read again") };
    assert!(why.contains("its last line, at byte 2, had no line end"), "{why}");
}

/// Lines that objects share are counted by their ends, but for the last one, which has none.
#[test]
fn an_object_that_has_grown_takes_its_line_back() {
    let framing = Framing::Objects(Objects::default());
    let task = grown(&framing, "{\"a\":1}\n", "{\"a\":2", "3}\n", 1);
    assert_eq!(task.again.expect("it is read again").lines, 1);
}

/// A trace of which the last line was being written: it became a reject, which is taken back with the record.
#[test]
fn what_was_cut_off_behind_a_record_is_read_again_with_it() {
    let record_start = Some(regex::bytes::Regex::new("^failed").expect("a pattern"));
    let framing = Framing::Parts(Parts { runtime: Runtime::Cri, record_start });
    let line = |text| format!("2023-10-27T12:34:56Z stdout F {text}\n");
    let (before, record) = (line("failed at noon"), line("failed at night"));
    let task = grown(&framing, &before, &format!("{record}2023-10-27T12"), ":34:57Z stdout F   in main\n", 2);
    let again = task.again.expect("it is read again");
    assert_eq!((again.offset, again.lines), (before.len() as u64, 2));
    assert_eq!(again.cut_off, Some((before.len() + record.len()) as u64));
}

/// Of a stream that much was kept as a line can be long.
#[test]
fn the_last_line_of_a_stream_is_read_again_too() {
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    writer.write_all(b"1\n23\n").expect("it has room");
    drop(writer);
    let path = PathBuf::from(format!("/dev/fd/{}", reader.as_raw_fd()));
    let asked = asked(&[&path]);
    assert!(asked.files[0].stream.is_some());
    let files = Files::new();
    let mut source = loaded(7, &files.write("a", "1\n2"), "1\n2");
    source.known.name.clone_from(&asked.files[0].name);
    (source.checkpoints[0].lines, source.tail_start) = (2, Some(2));
    let task = tasks(answer(&asked, &[source])).remove(0);
    assert_eq!((task.start.record, task.lines), (2, 1));
    assert!(task.again.is_some());
}
