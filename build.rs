//! Tells the program what `logmill --version` tells: its features, and the commit that it is built from.

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let features =
        std::env::vars().filter_map(|(name, _)| name.strip_prefix("CARGO_FEATURE_").map(str::to_lowercase));
    let mut features: Vec<String> = features.filter(|name| name != "default").collect();
    features.sort();
    println!("cargo::rustc-env=LOGMILL_FEATURES={}", features.join(", "));
    tell_commit();
}

/// Only what is optimised is told: in development each commit would otherwise build everything anew.
fn tell_commit() {
    // Whoever builds from an archive has no git, and knows the commit.
    println!("cargo::rerun-if-env-changed=LOGMILL_COMMIT");
    let is_told = std::env::var_os("LOGMILL_COMMIT").is_some();
    if is_told || std::env::var("OPT_LEVEL").is_ok_and(|level| level == "0") {
        return;
    }
    let Some(commit) = git(&["rev-parse", "HEAD"]) else { return };
    // A commit and a checkout are both written down there.
    if let Some(log) = git(&["rev-parse", "--git-path", "logs/HEAD"]) {
        println!("cargo::rerun-if-changed={log}");
    }
    println!("cargo::rerun-if-changed=src");
    let is_clean =
        git(&["status", "--porcelain", "--untracked-files=no"]).is_some_and(|said| said.is_empty());
    println!("cargo::rustc-env=LOGMILL_COMMIT={commit}{}", if is_clean { "" } else { ", with changes" });
}

/// What git says of the repository of this file, and of no other that this one may lie in.
fn git(arguments: &[&str]) -> Option<String> {
    let root = std::env::var("CARGO_MANIFEST_DIR").ok()?;
    if !Path::new(&root).join(".git").exists() {
        return None;
    }
    let said = Command::new("git").current_dir(root).args(arguments).output().ok()?;
    said.status.success().then(|| String::from_utf8_lossy(&said.stdout).trim().to_owned())
}
