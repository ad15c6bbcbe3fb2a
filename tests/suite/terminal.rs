//! A terminal in tmux.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::program::installed;

/// A terminal in which a command runs. It is closed when this is dropped.
pub struct Terminal {
    socket: String,
}

impl Terminal {
    /// Runs a command in a terminal of this width. Its shell stays open, so that the screen can be read after the command. None
    /// without tmux.
    pub fn start(width: u16, command: &str) -> Option<Self> {
        if !installed(&["tmux"]) {
            return None;
        }
        let socket = format!("ghrepos-{}-{:?}", std::process::id(), Instant::now());
        let socket = socket.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
        let terminal = Self { socket };
        let width = width.to_string();
        terminal.tmux(&["-u", "-f", "/dev/null", "new-session", "-d", "-x", &width, "-y", "40", command]);
        Some(terminal)
    }

    /// Runs the program, and prints its status.
    pub fn run(width: u16, environment: &[&str], arguments: &[&str]) -> Option<Self> {
        let words = |words: &[&str]| words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ");
        let program = quoted(env!("CARGO_BIN_EXE_ghrepos"));
        let (environment, arguments) = (words(environment), words(arguments));
        Self::start(
            width,
            &format!(
                "env -i PATH=/usr/bin:/bin TERM=tmux-256color {environment} {program} {arguments}; \
                 echo status $?; exec sleep 60"
            ),
        )
    }

    fn tmux(&self, arguments: &[&str]) -> String {
        let output = Command::new("tmux")
            .args(["-L", &self.socket])
            .args(arguments)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .env("LC_ALL", "C.UTF-8")
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    /// Presses keys, with tmux's names.
    pub fn keys(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys"], keys].concat());
    }

    /// Waits for `seen` and returns the screen.
    pub fn screen(&self, seen: &str, options: &[&str]) -> String {
        self.capture(|screen| screen.contains(seen), options)
    }

    /// Waits until the screen is right and returns it.
    pub fn screen_when(&self, is_right: impl Fn(&str) -> bool) -> String {
        self.capture(is_right, &[])
    }

    fn capture(&self, is_right: impl Fn(&str) -> bool, options: &[&str]) -> String {
        let begun = Instant::now();
        loop {
            let screen = self.tmux(&[&["capture-pane", "-p"], options].concat());
            if is_right(&screen) {
                let lines: Vec<_> = screen.trim_end().lines().map(str::trim_end).collect();
                return lines.join("\n");
            }
            assert!(begun.elapsed() < Duration::from_secs(20), "not what should be on {screen}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}

/// Quotes a word for a shell.
pub fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}
