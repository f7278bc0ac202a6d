//! Tells the program which commit it is built from, for `logmill --version`.
//!
//! Only what is optimised is told: in development each commit would otherwise build everything anew.

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // Whoever builds from an archive has no git, and knows the commit.
    println!("cargo::rerun-if-env-changed=LOGMILL_COMMIT");
    let is_told = std::env::var_os("LOGMILL_COMMIT").is_some();
    if is_told || std::env::var("OPT_LEVEL").is_ok_and(|level| level == "0") {
        return;
    }
    let Some(commit) = git(&["rev-parse", "HEAD"]) else { return };
    // What HEAD is changes with a commit and with a checkout, and both are written down there.
    git(&["rev-parse", "--git-path", "logs/HEAD"])
        .iter()
        .for_each(|log| println!("cargo::rerun-if-changed={log}"));
    println!("cargo::rerun-if-changed=src");
    let is_clean =
        git(&["status", "--porcelain", "--untracked-files=no"]).is_some_and(|said| said.is_empty());
    println!("cargo::rustc-env=LOGMILL_COMMIT={commit}{}", if is_clean { "" } else { ", with changes" });
}

/// What git says of the repository of this file, and of no other that this one may lie in.
fn git(arguments: &[&str]) -> Option<String> {
    let root = std::env::var("CARGO_MANIFEST_DIR").ok()?;
    if !std::path::Path::new(&root).join(".git").exists() {
        return None;
    }
    let said = Command::new("git").current_dir(root).args(arguments).output().ok()?;
    said.status.success().then(|| String::from_utf8_lossy(&said.stdout).trim().to_owned())
}
