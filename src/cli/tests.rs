use clap::CommandFactory;

use super::Cli;

#[test]
fn the_flags_contradict_nothing() {
    Cli::command().debug_assert();
}

#[test]
fn a_wrong_flag_is_one_line_with_the_right_one() {
    for (arguments, said) in [
        ("--fromat csv a", "unexpected argument '--fromat' found; a similar argument exists: '--format'"),
        ("-j 0 a", "invalid value '0' for '--jobs <N>': it has to be a whole number from 1 to 100"),
        ("--max-age 1d a", "the following required arguments were not provided: --resume"),
        (
            "--generate man a",
            "the argument '--generate <WHAT>' cannot be used with one or more of the other specified arguments",
        ),
        (
            "\u{1b}[2J --\u{202e}x",
            "unexpected argument '--\\u{202e}x' found; to pass '--\\u{202e}x' as a value, use '-- --\\u{202e}x'",
        ),
    ] {
        let words = std::iter::once("ghrepos").chain(arguments.split(' '));
        let error = <Cli as clap::Parser>::try_parse_from(words).unwrap_err();
        assert_eq!(super::one_line_error(&error).unwrap(), format!("{said}. See ghrepos --help"));
    }
    let help = <Cli as clap::Parser>::try_parse_from(["ghrepos", "-h"]).unwrap_err();
    assert_eq!(super::one_line_error(&help), None);
}
