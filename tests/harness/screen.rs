//! A terminal for one test: it shows what a user would see in a window of a given width.
//!
//! The program runs on a real pseudo-terminal in its own session, so that ^C is a signal to it. The screen
//! implements only the escape sequences that the program relies on; any other fails the test.

use std::fs::File;
use std::io::{ErrorKind, Read as _, Write as _};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use nix::pty::{Winsize, openpty};

use super::run::Process;
use super::{PATIENCE, skip_here, wait_until};

/// A window with a command in it.
pub(crate) struct Window {
    process: Process,
    keyboard: File,
    said: Receiver<Vec<u8>>,
    screen: Screen,
}

/// The content of a window. It grows by as many lines as needed.
pub(crate) struct Screen {
    columns: usize,
    lines: Vec<Vec<char>>,
    row: usize,
    column: usize,
    /// Bytes not drawn yet: an incomplete character or sequence.
    rest: Vec<u8>,
    /// How many lines wrapped because they were wider than the window.
    pub(crate) wraps: usize,
    /// Whether any text was coloured.
    pub(crate) has_colour: bool,
    /// Every progress line that was ever drawn at the cursor.
    pub(crate) bars: Vec<String>,
}

impl Window {
    /// Runs a command in a window of `columns` columns.
    #[track_caller]
    pub(crate) fn open(command: &Command, columns: u16) -> Window {
        let size = Winsize { ws_row: 50, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        let pair = openpty(Some(&size), None).unwrap();
        // `setsid` makes a session and gives it the terminal.
        let mut leader = Command::new("setsid");
        leader.args(["--ctty", "--wait"]).arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => leader.env(name, value),
                None => leader.env_remove(name),
            };
        }
        leader.env("TERM", "xterm-256color").current_dir(command.get_current_dir().unwrap());
        let side = || Stdio::from(pair.slave.try_clone().unwrap());
        leader.stdin(side()).stdout(side()).stderr(side());
        if Command::new("setsid").arg("--version").output().is_err() {
            skip_here("there is no program `setsid`, which gives a terminal to a session");
        }
        let process = Process::spawn(&mut leader);
        drop((leader, pair.slave));
        let keyboard = File::from(pair.master);
        let mut out = keyboard.try_clone().unwrap();
        let (give, said) = channel();
        std::thread::spawn(move || {
            let mut piece = [0; 4096];
            loop {
                match out.read(&mut piece) {
                    // The other end is closed, which Linux reports as an error.
                    Ok(0) => return,
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(_) => return,
                    Ok(length) => {
                        if give.send(piece[..length].to_vec()).is_err() {
                            return;
                        }
                    }
                }
            }
        });
        Window { process, keyboard, said, screen: Screen::new(columns.into()) }
    }

    /// Types keys.
    pub(crate) fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    /// Reads output until the screen shows this text.
    #[track_caller]
    pub(crate) fn look_for(&mut self, text: &str) {
        while !self.screen.text().contains(text) {
            let said = self.said.recv_timeout(PATIENCE);
            self.screen.draw(&said.unwrap_or_else(|_| panic!("no {text:?} in:\n{}", self.screen.text())));
        }
    }

    /// Waits until the command has ended. Returns its exit code and the screen.
    #[track_caller]
    pub(crate) fn ended(mut self) -> (i32, Screen) {
        while let Ok(said) = self.said.recv_timeout(PATIENCE) {
            self.screen.draw(&said);
        }
        wait_until("the program to end", || self.process.status().is_some());
        let code = self.process.status().and_then(|status| status.code());
        (code.unwrap_or(-1), self.screen)
    }
}

impl Screen {
    fn new(columns: usize) -> Screen {
        let lines = vec![Vec::new()];
        let (rest, bars) = (Vec::new(), Vec::new());
        Screen { columns, lines, row: 0, column: 0, rest, wraps: 0, has_colour: false, bars }
    }

    /// The text on the screen, without trailing blanks.
    pub(crate) fn text(&self) -> String {
        let lines = self.lines.iter().map(|line| line.iter().collect::<String>().trim_end().to_owned());
        lines.collect::<Vec<_>>().join("\n")
    }

    #[track_caller]
    fn draw(&mut self, bytes: &[u8]) {
        self.rest.extend(bytes);
        let all = std::mem::take(&mut self.rest);
        let whole = std::str::from_utf8(&all).map_or_else(|error| error.valid_up_to(), str::len);
        let mut text = std::str::from_utf8(&all[..whole]).unwrap();
        while let Some(ch) = text.chars().next() {
            let mut length = ch.len_utf8();
            match ch {
                '\u{1b}' => {
                    let Some(end) = text[1..].find(|ch: char| ch.is_ascii_alphabetic()) else { break };
                    length = end + 2;
                    self.obey(&text[..length]);
                }
                '\r' => self.column = 0,
                '\n' => self.go_down(),
                ch => self.put(ch),
            }
            text = &text[length..];
        }
        self.rest = all[whole - text.len()..].to_vec();
    }

    #[track_caller]
    fn obey(&mut self, sequence: &str) {
        match sequence.strip_prefix("\u{1b}[") {
            // Erases from the cursor to the end of the screen.
            Some("J") => {
                let line: String = self.lines[self.row].iter().collect();
                if self.column == 0 && !line.trim().is_empty() {
                    self.bars.push(line);
                }
                self.lines.truncate(self.row + 1);
                self.lines[self.row].truncate(self.column);
            }
            Some(colour) if colour.ends_with('m') => self.has_colour = true,
            _ => panic!("{sequence:?} is none of the sequences that a terminal is trusted with"),
        }
    }

    fn put(&mut self, ch: char) {
        if self.column == self.columns {
            self.wraps += 1;
            self.go_down();
            self.column = 0;
        }
        let line = &mut self.lines[self.row];
        line.resize(line.len().max(self.column + 1), ' ');
        line[self.column] = ch;
        self.column += 1;
    }

    fn go_down(&mut self) {
        self.row += 1;
        if self.row == self.lines.len() {
            self.lines.push(Vec::new());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(columns: usize, pieces: &[&[u8]]) -> Screen {
        let mut screen = Screen::new(columns);
        pieces.iter().for_each(|piece| screen.draw(piece));
        screen
    }

    #[test]
    fn a_screen_shows_what_a_terminal_shows() {
        let screen = drawn(5, &[b"abc\r\n", b"ab", b"cdefg\r\nx"]);
        assert_eq!((screen.text().as_str(), screen.wraps), ("abc\nabcde\nfg\nx", 1));
        // A line exactly as wide as the window does not wrap.
        let screen = drawn(3, &[b"abc\rx\r\ny"]);
        assert_eq!((screen.text().as_str(), screen.wraps), ("xbc\ny", 0));
        let screen = drawn(9, &["━─ 5 %\r\u{1b}".as_bytes(), b"[Jsaid\r\n\x1b[1;31mbar\x1b[0m\r"]);
        assert_eq!((screen.text().as_str(), &screen.bars[..]), ("said\nbar", &["━─ 5 %".to_owned()][..]));
        // A character that arrives in two pieces.
        assert_eq!(drawn(9, &[&[0xc3], &[0xa4]]).text(), "ä");
    }
}
