//! Release packages, built from the program under test and used as people use them.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use crate::harness::skip;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Builds one of the packages and returns its path.
#[track_caller]
pub(crate) fn made(what: &str) -> PathBuf {
    let mut command = Command::new(root().join(".ci/package"));
    command.arg(what).env("BUILT", env!("CARGO_BIN_EXE_logmill"));
    let said = succeeded(&mut command);
    PathBuf::from(said.lines().last().expect("a path"))
}

/// Runs a command that must succeed, and returns its output.
#[track_caller]
pub(crate) fn succeeded(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success(), "{command:?}\n{stdout}\n{stderr}");
    stdout.into_owned()
}

/// Loads a file with a program that was installed below `folder`.
#[track_caller]
fn loads(folder: &Path) {
    let here = tempfile::tempdir().unwrap();
    std::fs::write(here.path().join("a.ndjson"), "{\"a\":1}\n{\"a\":2}\n").unwrap();
    let mut command = Command::new(folder.join("bin/logmill"));
    crate::harness::without_the_machine(&mut command);
    succeeded(command.current_dir(&here).args(["load", "a.ndjson"]));
    assert!(here.path().join("logmill.db").exists());
    for page in ["man/man1/logmill.1", "man/man1/logmill.1.gz"] {
        let page = folder.join("share").join(page);
        if page.exists() {
            let shown = succeeded(Command::new("gzip").args(["-cdf"]).arg(page));
            assert!(shown.contains(".TH") && shown.contains(r"dead\-letters"), "{shown}");
        }
    }
    let completions = folder.join("share/bash-completion/completions/logmill");
    succeeded(Command::new("bash").arg("-n").arg(completions));
}

#[test]
#[cfg(feature = "sqlite")]
fn the_tarball_runs_in_place_and_is_reproducible() {
    let tarball = made("tar");
    let bytes = std::fs::read(&tarball).unwrap();
    let folder = tempfile::tempdir().unwrap();
    succeeded(Command::new("tar").arg("-xzf").arg(&tarball).arg("-C").arg(folder.path()));
    let name = tarball.file_name().unwrap().to_str().unwrap().trim_end_matches(".tar.gz");
    loads(&folder.path().join(name));
    assert!(folder.path().join(name).join("share/doc/logmill/LICENSE-MIT").exists());
    assert_eq!(std::fs::read(made("tar")).unwrap(), bytes);
}

#[test]
#[cfg(feature = "sqlite")]
fn the_debian_package_is_installed_and_removed_without_a_trace() {
    if Command::new("dpkg-deb").arg("--version").output().is_err() {
        skip("dpkg is not installed");
    }
    let package = made("deb");
    let folder = tempfile::tempdir().unwrap();
    let admin = folder.path().join("var/lib/dpkg");
    for part in ["info", "updates"] {
        std::fs::create_dir_all(admin.join(part)).unwrap();
    }
    std::fs::write(admin.join("status"), "").unwrap();
    // Its dependencies are on this machine, but not in that root.
    let dpkg = |arguments: &[&str]| {
        let mut command = Command::new("dpkg");
        command.arg(format!("--root={}", folder.path().display()));
        succeeded(command.args(["--force-depends", "--force-not-root"]).args(arguments))
    };
    let path = package.to_str().unwrap();
    dpkg(&["--install", path]);
    let status = dpkg(&["--status", "logmill"]);
    assert!(status.contains("Status: install ok installed"), "{status}");
    assert!(status.contains(&format!("Version: {}", env!("CARGO_PKG_VERSION"))), "{status}");
    loads(&folder.path().join("usr"));
    let listed = dpkg(&["--listfiles", "logmill"]);
    let files: Vec<PathBuf> = listed
        .lines()
        .map(|line| folder.path().join(line.trim_start_matches('/')))
        .filter(|path| path.is_file())
        .collect();
    assert!(files.len() >= 7, "{files:?}");
    dpkg(&["--purge", "logmill"]);
    assert_eq!(files.iter().filter(|file| file.exists()).collect::<Vec<_>>(), Vec::<&PathBuf>::new());
    // It needs no more than it declares: the libraries, and at least the declared glibc version.
    let depends = succeeded(Command::new("dpkg-deb").args(["--field", path, "Depends"]));
    let (glibc, others) = depends.trim().strip_prefix("libc6 (>= ").unwrap().split_once("), ").unwrap();
    assert!(glibc.split('.').all(|part| part.parse::<u32>().is_ok()), "{depends}");
    assert_eq!(others, "libgcc-s1");
    let needed = succeeded(Command::new("objdump").args(["-p", env!("CARGO_BIN_EXE_logmill")]));
    let needed = needed.lines().filter_map(|line| line.trim().strip_prefix("NEEDED"));
    for library in needed.map(str::trim) {
        let known = ["libc.so.6", "libm.so.6", "libgcc_s.so.1", "ld-linux"];
        assert!(
            known.iter().any(|known| library.starts_with(known)),
            "{library} is in no package that is named"
        );
    }
}

#[test]
fn the_version_shows_the_features_and_the_commit() {
    let said = |flag| succeeded(crate::harness::logmill().arg(flag));
    assert_eq!(said("-V"), concat!("logmill ", env!("CARGO_PKG_VERSION"), "\n"));
    let told = said("--version");
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines[0], concat!("logmill ", env!("CARGO_PKG_VERSION")));
    assert!(lines[1].starts_with("commit:   "), "{told}");
    let told: Vec<&str> = lines[2].strip_prefix("features: ").unwrap().split(", ").collect();
    for (name, is_on) in [
        ("tls", cfg!(feature = "tls")),
        ("sqlite", cfg!(feature = "sqlite")),
        ("buckets", cfg!(feature = "buckets")),
        ("failpoints", cfg!(feature = "failpoints")),
        ("xz", cfg!(feature = "xz")),
    ] {
        assert_eq!(told.contains(&name), is_on, "{name}");
    }
}

/// The wheel, built once for all tests that install it.
pub(crate) fn wheel() -> &'static Path {
    static WHEEL: OnceLock<PathBuf> = OnceLock::new();
    WHEEL.get_or_init(|| made("wheel"))
}
