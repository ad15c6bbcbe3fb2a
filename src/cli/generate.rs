//! The man page and the completions, from the flags themselves.

use std::io::{self, Write};

use clap::{CommandFactory, ValueEnum};
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use super::{Cli, help};

/// What can be printed of the flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Generated {
    /// A man page.
    Man,
    /// Completions for bash.
    CompleteBash,
    /// Completions for zsh.
    CompleteZsh,
    /// Completions for fish.
    CompleteFish,
}

impl Generated {
    /// Prints it.
    ///
    /// # Errors
    /// Where the output cannot be written.
    pub(crate) fn write(self, out: &mut dyn Write) -> io::Result<()> {
        let shell = match self {
            Self::Man => return man(out),
            Self::CompleteBash => Shell::Bash,
            Self::CompleteZsh => Shell::Zsh,
            Self::CompleteFish => Shell::Fish,
        };
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut Cli::command(), "ghrepos", &mut script);
        out.write_all(&script)?;
        out.flush()
    }
}

/// When the flags were last changed.
const DATE: &str = "2026-11-22";

fn man(out: &mut dyn Write) -> io::Result<()> {
    let man = Man::new(Cli::command()).title("GHREPOS").date(DATE).manual("User Commands");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    let mut synopsis = Roff::new();
    synopsis.control("SH", ["SYNOPSIS"]).text([bold("ghrepos"), roman(" [OPTIONS] [LOGIN]...")]);
    synopsis.to_writer(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    let mut rest = Roff::new();
    rest.control("SH", ["TOKEN"]).text([roman(help::TOKEN)]);
    rest.control("SH", ["EXIT STATUS"]);
    for (status, meaning) in help::STATUSES {
        rest.control("TP", []).text([bold(status)]).text([roman(meaning)]);
    }
    rest.control("SH", ["EXAMPLES"]);
    for (what, example) in help::EXAMPLES {
        rest.control("TP", []).text([roman(what)]).text([bold(example)]);
    }
    rest.to_writer(&mut page)?;
    out.write_all(tidy(&String::from_utf8_lossy(&page)).as_bytes())?;
    out.flush()
}

/// The page without what mandoc's lint finds in the generated source: breaks beside spaces, long lines.
fn tidy(page: &str) -> String {
    const LONGEST: usize = 78;
    let lines: Vec<_> = page.lines().map(str::trim_end).collect();
    let is_space =
        |at: Option<usize>| at.and_then(|at| lines.get(at)).is_some_and(|line| matches!(*line, "" | ".sp"));
    let mut tidied = String::with_capacity(page.len());
    for (at, line) in lines.iter().enumerate() {
        if *line == ".br" && (is_space(at.checked_sub(1)) || is_space(Some(at + 1))) {
            continue;
        }
        let mut length = 0;
        for (number, word) in line.split(' ').enumerate() {
            // A line of text that begins with one of these would be no text.
            let breaks = !line.starts_with('.') && !word.starts_with(['.', '\'']);
            if number > 0 {
                let over = breaks && length + 1 + word.len() > LONGEST;
                tidied.push(if over { '\n' } else { ' ' });
                length = if over { 0 } else { length + 1 };
            }
            tidied.push_str(word);
            length += word.len();
        }
        tidied.push('\n');
    }
    tidied
}
