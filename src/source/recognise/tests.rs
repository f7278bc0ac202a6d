//! Which file is which, as logs are rotated, copied, truncated and rewritten.

use super::super::{Found, TAIL_BYTES};
use super::*;
use crate::stop::Stop;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Folder {
        Folder(tempfile::tempdir().expect("a directory"))
    }

    fn file(&self, name: &str, content: &[u8]) -> Candidate {
        let path = self.0.path().join(name);
        std::fs::write(&path, content).expect("written");
        let found = Found { name: name.to_owned(), ..Found::of_path(&path) };
        Candidate::open(&found, &Stop::default()).expect("read")
    }
}

/// A source called `name` of which `position` bytes were loaded when it was `content`.
fn known(name: &str, content: &[u8], position: usize) -> Known {
    let head_len = content.len().min(HEAD_BYTES as usize);
    let tail_len = position.min(TAIL_BYTES) as u32;
    Known {
        name: name.to_owned(),
        head_len: head_len as u32,
        head_hash: hash16(&content[..head_len]),
        position: position as u64,
        tail_len,
        tail_hash: hash16(&content[position - tail_len as usize..position]),
        complete: position == content.len(),
        containers: Vec::new(),
        inode: None,
    }
}

fn log(seed: u64, bytes: usize) -> Vec<u8> {
    let mut rng = fastrand::Rng::with_seed(seed);
    (0..bytes).map(|_| if rng.u8(..) < 4 { b'\n' } else { rng.alphanumeric() as u8 }).collect()
}

fn decide(files: &[Candidate], known: &[Known]) -> Vec<Recognised> {
    recognise(files, known, false).into_iter().map(|decision| decision.expect("readable")).collect()
}

#[test]
fn a_file_that_grew_is_the_same_source() {
    let folder = Folder::new();
    for size in [10, 5_000, 100_000] {
        let mut content = log(1, size);
        let before = known("a", &content, size);
        content.extend_from_slice(b"more\n");
        assert_eq!(decide(&[folder.file("a", &content)], &[before]), [Recognised::Known(0)]);
    }
}

#[test]
fn a_renamed_file_is_the_same_source_if_there_is_enough_of_it() {
    let folder = Folder::new();
    let content = log(1, 10_000);
    assert_eq!(decide(&[folder.file("b", &content)], &[known("a", &content, 6_000)]), [Recognised::Known(0)]);
    // A short one is recognised only as a whole: its bytes may be a banner.
    let short = log(2, 100);
    let longer = [&short[..], b"another log\n"].concat();
    assert_eq!(decide(&[folder.file("b", &short)], &[known("a", &short, 100)]), [Recognised::Known(0)]);
    assert_eq!(decide(&[folder.file("b", &longer)], &[known("a", &short, 100)]), [Recognised::New]);
}

#[test]
fn a_rotation_moves_every_source_one_name_on() {
    let folder = Folder::new();
    let (one, two) = (log(1, 20_000), log(2, 30_000));
    let files = [folder.file("log", &log(3, 25_000)), folder.file("log.1", &one), folder.file("log.2", &two)];
    let before = [known("log", &one, 12_000), known("log.1", &two, 30_000)];
    assert_eq!(decide(&files, &before), [Recognised::New, Recognised::Known(0), Recognised::Known(1)]);
}

#[test]
fn a_file_that_was_cut_or_rewritten_is_refused() {
    let folder = Folder::new();
    let content = log(1, 20_000);
    let before = || known("a", &content, 20_000);
    let cut = folder.file("a", &content[..15_000]);
    assert!(
        matches!(&decide(&[cut], &[before()])[0], Recognised::Changed(how) if how.contains("15000 bytes"))
    );
    let rewritten = folder.file("a", &log(9, 20_000));
    assert!(
        matches!(&decide(&[rewritten], &[before()])[0], Recognised::Changed(how) if how.contains("rewritten"))
    );
    // Also if only the bytes before the checkpoint differ, after the head.
    let content = log(1, 200_000);
    let mut touched = content.clone();
    touched[199_000] ^= 1;
    let files = [folder.file("a", &touched)];
    assert!(matches!(decide(&files, &[known("a", &content, 200_000)])[0], Recognised::Changed(_)));
}

/// `known`, with the inode of `file`.
fn lay_at(file: &Candidate, known: Known) -> Known {
    Known { inode: file.fingerprint.inode, ..known }
}

#[test]
fn of_a_small_log_the_inode_is_proof_if_it_holds_what_was_loaded() {
    let folder = Folder::new();
    let small = log(1, 100);
    let grown = [&small[..], b"more\n"].concat();
    let moved = || folder.file("log.1", &grown);
    let before = || lay_at(&moved(), known("log", &small, 100));
    assert_eq!(decide(&[moved()], &[before()]), [Recognised::Known(0)]);
    // Elsewhere, or on another device, it could be any file with the same beginning.
    let inode = before().inode.expect("a file");
    for inode in [Inode { number: inode.number + 1, ..inode }, Inode { device: inode.device + 1, ..inode }] {
        let before = Known { inode: Some(inode), ..before() };
        assert_eq!(decide(&[moved()], std::slice::from_ref(&before)), [Recognised::New]);
        // Under its own name it is still recognised.
        let in_place = folder.file("log", &grown);
        assert_eq!(decide(&[in_place], &[before]), [Recognised::Known(0)]);
    }
    // Inodes are reused: without the content they say nothing.
    let other = folder.file("new", &log(9, 200));
    let before = lay_at(&other, known("log", &small, 100));
    assert_eq!(decide(&[other], &[before]), [Recognised::New]);
}

#[test]
fn a_small_log_was_moved_where_its_name_stands_for_another_and_its_content_is_found() {
    let folder = Folder::new();
    let small = log(1, 100);
    let grown = [&small[..], b"more\n"].concat();
    let before = known("log", &small, 100);
    let files = [folder.file("log", b"another log\n"), folder.file("log.1", &grown)];
    let expected = [Recognised::New, Recognised::Known(0)];
    assert_eq!(decide(&files, std::slice::from_ref(&before)), expected);
    // If it is where it was, the other file merely begins alike.
    let files = [folder.file("log", &small), folder.file("log.1", &grown)];
    assert_eq!(decide(&files, std::slice::from_ref(&before)), [Recognised::Known(0), Recognised::New]);
    let files = [folder.file("other", b"another log\n"), folder.file("log.1", &grown)];
    assert_eq!(decide(&files, &[before]), [Recognised::New, Recognised::New]);
}

#[test]
fn an_inode_that_was_given_again_says_nothing_against_the_content() {
    let folder = Folder::new();
    let long = log(1, 15_000);
    let file = folder.file("new", &[&long[..], b"more\n"].concat());
    for short in [100, 10_000] {
        let gone = lay_at(&file, known("gone", &long[..short], short));
        let before = [gone, known("old", &long, 15_000)];
        assert_eq!(decide(std::slice::from_ref(&file), &before), [Recognised::Known(1)], "{short}");
    }
}

#[test]
fn logs_that_begin_with_the_same_banner_are_told_apart_by_their_inodes() {
    let folder = Folder::new();
    let with = |end: &str| ["#Version: 1\n", end].concat().into_bytes();
    let [one, two] = ["", "two\n"].map(with);
    let files = [
        folder.file("log", &with("three\n")),
        folder.file("log.1", &with("two\ntwo again\n")),
        folder.file("log.2", &with("one\n")),
    ];
    // The present `log.1` was `log`, and `log.2` was `log.1`, of which only the banner existed: all of them
    // contain it.
    let before = [
        lay_at(&files[2], known("log.1", &one, one.len())),
        lay_at(&files[1], known("log", &two, two.len())),
    ];
    assert_eq!(decide(&files, &before), [Recognised::New, Recognised::Known(1), Recognised::Known(0)]);
}

#[test]
fn a_file_with_several_names_stays_under_the_one_that_is_known() {
    let folder = Folder::new();
    let content = log(1, 100);
    let named = folder.file("b", &content);
    std::fs::hard_link(folder.0.path().join("b"), folder.0.path().join("a")).expect("linked");
    let before = lay_at(&named, known("b", &content, 100));
    let linked = Found { name: "a".to_owned(), ..Found::of_path(&folder.0.path().join("a")) };
    let linked = Candidate::open(&linked, &Stop::default()).expect("read");
    let expected = [Recognised::DuplicateOf("b".into()), Recognised::Known(0)];
    assert_eq!(decide(&[linked, named], &[before]), expected);
}

#[test]
fn a_source_that_committed_nothing_is_known_by_its_name() {
    let folder = Folder::new();
    let before = known("a", &log(1, 9_000), 0);
    assert_eq!(
        decide(&[folder.file("a", &log(2, 500))], std::slice::from_ref(&before)),
        [Recognised::Known(0)]
    );
    assert_eq!(decide(&[folder.file("b", &log(1, 9_000))], &[before]), [Recognised::New]);
}

#[test]
fn a_copy_is_recognised_and_the_same_banner_is_not_a_copy() {
    let folder = Folder::new();
    let content = log(1, 9_000);
    let files = [folder.file("a", &content), folder.file("b", &content)];
    assert_eq!(decide(&files, &[]), [Recognised::New, Recognised::DuplicateOf("a".into())]);
    assert_eq!(
        decide(&files, &[known("a", &content, 9_000)]),
        [Recognised::Known(0), Recognised::DuplicateOf("a".into())]
    );
    let banner = log(1, 70_000);
    let with = |end: &str| [&banner[..], end.as_bytes()].concat();
    let files = [folder.file("a", &with("one\n")), folder.file("b", &with("two\n"))];
    assert_eq!(decide(&files, &[]), [Recognised::New, Recognised::New]);
    let allowed = recognise(&[folder.file("a", &content), folder.file("b", &content)], &[], true);
    assert!(allowed.into_iter().all(|decision| decision.expect("readable") == Recognised::New));
}

#[test]
fn of_two_sources_that_begin_alike_the_longer_match_wins() {
    let folder = Folder::new();
    let long = log(1, 150_000);
    let known = [known("short", &long[..100_000], 100_000), known("long", &long, 150_000)];
    assert_eq!(decide(&[folder.file("new name", &long)], &known), [Recognised::Known(1)]);
}

#[test]
fn empty_files_are_never_copies() {
    let folder = Folder::new();
    let files = [folder.file("a", b""), folder.file("b", b"")];
    assert_eq!(decide(&files, &[known("a", b"", 0)]), [Recognised::Known(0), Recognised::New]);
}
