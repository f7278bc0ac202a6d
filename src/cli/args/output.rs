//! The flags about output, which every command has.

use clap::{ArgAction, Args, ValueEnum};

/// Output settings.
#[derive(Debug, Args)]
pub(in crate::cli) struct SpeechArgs {
    /// The format of results: text for people, or one JSON object on stdout
    #[arg(
        long,
        value_name = "FORM",
        value_enum,
        global = true,
        default_value_t,
        env = "LOGMILL_OUTPUT",
        hide_env_values = true,
        help_heading = "Output"
    )]
    pub(in crate::cli) output: Output,
    /// Print only errors and failures
    #[arg(short, long, global = true, conflicts_with = "verbose", help_heading = "Output")]
    pub(in crate::cli) quiet: bool,
    /// Print what happens to every file; twice (-vv), every step
    #[arg(short, long, global = true, action = ArgAction::Count, help_heading = "Output")]
    pub(in crate::cli) verbose: u8,
    /// Whether text has colours [auto: on terminals, unless NO_COLOR is set]
    #[arg(
        long,
        value_name = "WHEN",
        value_enum,
        global = true,
        default_value_t,
        env = "LOGMILL_COLOR",
        hide_env_values = true,
        help_heading = "Output"
    )]
    pub(in crate::cli) color: Colour,
    /// The format of messages on stderr
    #[arg(
        long,
        value_name = "FORM",
        value_enum,
        global = true,
        default_value_t,
        env = "LOGMILL_LOG_FORMAT",
        hide_env_values = true,
        help_heading = "Output"
    )]
    pub(in crate::cli) log_format: LogFormat,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Output {
    /// For people.
    #[default]
    Text,
    /// One object, with a `schema_version`.
    Json,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Colour {
    /// On a terminal.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One object per line.
    Json,
}
