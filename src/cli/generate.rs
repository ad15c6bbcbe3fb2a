//! `--generate`: documents that are made from the flags and from the columns.

use std::io::{self, Write};

use clap::{CommandFactory, ValueEnum};
use clap_complete::Shell;

use super::Cli;
use super::reference::{man_page, markdown};
use crate::render::schema;

/// Value of `--generate`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum GenerateTarget {
    /// Man page
    Man,
    /// Completions for bash
    CompleteBash,
    /// Completions for zsh
    CompleteZsh,
    /// Completions for fish
    CompleteFish,
    /// All options as a page in Markdown
    Markdown,
    /// JSON Schema of the JSON and NDJSON reports
    Schema,
}

impl GenerateTarget {
    pub(crate) fn write(self, out: &mut dyn Write) -> io::Result<()> {
        let text = match self {
            Self::Man => man_page().into_bytes(),
            Self::CompleteBash => completions(Shell::Bash),
            Self::CompleteZsh => completions(Shell::Zsh),
            Self::CompleteFish => completions(Shell::Fish),
            Self::Markdown => markdown().into_bytes(),
            Self::Schema => format!("{:#}\n", schema()).into_bytes(),
        };
        out.write_all(&text)?;
        out.flush()
    }
}

fn completions(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "ghrepos", &mut script);
    script
}
