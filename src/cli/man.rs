//! The manual page, from the same texts as the help.

use clap::Command;
use clap_mangen::Man;

use super::args::command_line;
use super::speech::print_as_is;
use crate::error::Error;
use crate::report::Exit;

/// Prints the page of a command, or of all of them.
pub(super) fn man(path: &[String]) -> anyhow::Result<Exit> {
    let mut command = command_line();
    command.build();
    for name in path {
        command = command.find_subcommand(name).cloned().ok_or_else(|| {
            Error::usage(format!("there is no command {name}; `logmill help` lists what there is"))
        })?;
    }
    print_as_is(&page(&command)?)?;
    Ok(Exit::Success)
}

/// The page of a command, with those of its subcommands as sections.
fn page(command: &Command) -> std::io::Result<Vec<u8>> {
    let version = concat!("logmill ", env!("CARGO_PKG_VERSION"));
    let man = Man::new(command.clone()).title(title(command).replace(' ', "-")).source(version);
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    for subcommand in shown(command) {
        section(&mut page, subcommand)?;
    }
    if command.get_after_help().is_some() {
        man.render_extra_section(&mut page)?;
    }
    Ok(page)
}

/// A subcommand as one section, its parts one level lower than on a page of its own. What all
/// commands take was told above.
fn section(page: &mut Vec<u8>, command: &Command) -> std::io::Result<()> {
    let own =
        command.clone().mut_args(|argument| match argument.is_global_set() || argument.get_id() == "help" {
            true => argument.hide(true),
            false => argument,
        });
    let man = Man::new(own.clone());
    let mut parts = Vec::new();
    man.render_synopsis_section(&mut parts)?;
    man.render_description_section(&mut parts)?;
    if own.get_arguments().any(|argument| !argument.is_hide_set()) {
        man.render_options_section(&mut parts)?;
    }
    let parts = String::from_utf8_lossy(&parts).replace("\n.SH ", "\n.SS ");
    page.extend_from_slice(format!(".SH \"{}\"\n{parts}", title(command).to_uppercase()).as_bytes());
    for subcommand in shown(command) {
        section(page, subcommand)?;
    }
    Ok(())
}

fn shown(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|command| !command.is_hide_set() && command.get_name() != "help")
}

fn title(command: &Command) -> String {
    command.get_bin_name().unwrap_or(command.get_name()).to_owned()
}
