//! The command `logmill`. All of it is in the library, under `cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    logmill::cli::run()
}
