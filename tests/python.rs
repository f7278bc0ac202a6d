//! The Python package: passes its linters, and works when installed from the wheel.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::local::tool;
use crate::harness::postgres::Server;
use crate::harness::run::needs_failpoints;
use crate::packages::{succeeded, wheel};

fn package() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("python")
}

/// A program of the Python tools, run in the package's folder without leaving files there.
fn python(program: &str) -> Command {
    let mut command = Command::new(tool("python", program));
    command.current_dir(package()).env("PYTHONDONTWRITEBYTECODE", "1");
    command.env("RUFF_NO_CACHE", "true").env("MYPY_CACHE_DIR", "../target/mypy");
    command
}

#[test]
fn the_package_is_typed_and_clean() {
    succeeded(python("ruff").arg("check"));
    succeeded(python("ruff").args(["format", "--check"]));
    succeeded(&mut python("mypy"));
    succeeded(python("python3").args(["make_results.py", "--check"]));
}

/// A clean environment contains only the wheel; the tests and their dependencies are added from outside.
#[test]
fn the_installed_package_does_what_the_command_does() {
    needs_failpoints();
    let folder = tempfile::tempdir().unwrap();
    let environment = folder.path().join("environment");
    succeeded(python("python3").args(["-m", "venv", "--without-pip"]).arg(&environment));
    let inside = environment.join("bin/python3");
    succeeded(
        python("pip")
            .arg(format!("--python={}", inside.display()))
            .args(["install", "--quiet", "--no-index", "--no-deps"])
            .arg(wheel()),
    );
    let purelib = |interpreter: &Path| {
        let path = "import sysconfig; print(sysconfig.get_path('purelib'))";
        succeeded(Command::new(interpreter).args(["-c", path])).trim().to_owned()
    };
    let lent = purelib(&tool("python", "python3"));
    std::fs::write(Path::new(&purelib(&inside)).join("lent.pth"), lent).unwrap();

    let database = Server::shared().database();
    let server = database.url().trim_end_matches(database.name()).to_owned();
    let mut tests = Command::new(&inside);
    tests.args(["-m", "pytest", "--basetemp"]).arg(folder.path().join("tests"));
    tests.args(["-c", "pyproject.toml", "tests"]).current_dir(package());
    tests.env("PYTHONDONTWRITEBYTECODE", "1").env("LOGMILL_TEST_POSTGRES", server);
    tests.env_remove("PYTHONPATH").env_remove("LOGMILL_BIN");
    let said = succeeded(&mut tests);
    assert!(said.contains(" passed") && !said.contains("skipped"), "{said}");
}
