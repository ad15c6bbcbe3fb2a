//! The program `ghrepos`.

use std::process::ExitCode;

fn main() -> ExitCode {
    ghrepos::main()
}
