//! README and `docs/`: commands, outputs, links and flags.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::fake::{Behavior, Fake};
use crate::program::{Program, Run, wait_for_exit};
use crate::terminal::{Terminal, quoted};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

fn readme() -> String {
    text(&root().join("README.md"))
}

/// The README, the pages of `docs/`, and the other pages for people.
fn pages() -> Vec<PathBuf> {
    let mut pages: Vec<_> =
        ["README.md", "CONTRIBUTING.md", "SECURITY.md"].map(|name| root().join(name)).into();
    let docs = fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    pages.extend(docs.filter(|path| path.extension().is_some_and(|extension| extension == "md")));
    assert!(pages.len() > 12, "{pages:?}");
    pages
}

/// A block of shell commands in the README.
struct Block {
    /// How it is tested: the text of the comment `<!-- test: … -->` above it.
    test: Option<String>,
    commands: String,
}

/// The blocks of the README that a reader sees.
fn blocks() -> Vec<Block> {
    let readme = readme();
    // A block for the time after the first release is inside of a comment.
    let mut shown = String::new();
    let mut rest = readme.as_str();
    while let Some((before, comment)) = rest.split_once("<!-- after the first release") {
        shown.push_str(before);
        rest = comment.split_once("-->").unwrap().1;
    }
    shown.push_str(rest);
    let mut parts = shown.split("```sh\n");
    let mut before = parts.next().unwrap();
    let mut blocks = Vec::new();
    for part in parts {
        let (commands, after) = part.split_once("```").unwrap();
        let test = before.trim_end().lines().next_back().and_then(|line| line.strip_prefix("<!-- test: "));
        let test = test.and_then(|line| line.strip_suffix(" -->")).map(str::to_owned);
        blocks.push(Block { test, commands: commands.to_owned() });
        before = after;
    }
    blocks
}

fn block(test: &str) -> Block {
    blocks()
        .into_iter()
        .find(|block| block.test.as_deref() == Some(test))
        .unwrap_or_else(|| panic!("no block {test}"))
}

/// Runs commands in bash, in a folder with the files that a reader has.
fn run_commands(commands: &str, folder: &Path, path: &str) -> Run {
    let mut command = Command::new("bash");
    command.args(["-c", commands]).current_dir(folder);
    command
        .env_clear()
        .env("PATH", path)
        .env("HOME", folder)
        .env("LANG", "C.UTF-8")
        .env("GH_TOKEN", "sample-token");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    wait_for_exit(command.spawn().unwrap())
}

/// A shell script that stands for a program.
fn write_script(file: &Path, line: &str) {
    use std::os::unix::fs::PermissionsExt;
    fs::write(file, format!("#!/bin/sh\n{line}")).unwrap();
    fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Asserts that the first two words of some lines of a table are these.
fn assert_counts(run: &Run, counts: &[[&str; 2]]) {
    for cells in counts {
        let found = run.stdout.lines().any(|line| line.split_whitespace().take(2).eq(cells.iter().copied()));
        assert!(found, "{cells:?} is not in {}", run.stdout);
    }
}

/// A folder with sample inputs, in which `ghrepos` is the program with a fake GitHub.
struct Desk {
    folder: tempfile::TempDir,
    _fake: Fake,
}

impl Desk {
    fn new() -> Self {
        let fake = Fake::start(Behavior::default());
        let folder = tempfile::tempdir().unwrap();
        fs::copy(root().join("fixtures/inputs/team.csv"), folder.path().join("team.csv")).unwrap();
        fs::write(folder.path().join("everyone.txt"), "user-1\nuser-2\nuser-3\n").unwrap();
        let program = quoted(env!("CARGO_BIN_EXE_ghrepos"));
        let call = format!("exec {program} --api-url {} \"$@\"\n", quoted(&fake.url()));
        write_script(&folder.path().join("ghrepos"), &call);
        Self { folder, _fake: fake }
    }

    /// Runs a block of the README.
    fn run(&self, test: &str) -> Run {
        self.run_commands(&block(test).commands)
    }

    fn run_commands(&self, commands: &str) -> Run {
        run_commands(commands, self.folder.path(), &format!("{}:/usr/bin:/bin", self.folder.path().display()))
    }

    fn read(&self, name: &str) -> String {
        text(&self.folder.path().join(name))
    }
}

#[test]
fn every_command_block_of_the_readme_has_its_test() {
    let source = text(&root().join("tests/suite/documentation.rs"));
    let checks = text(&root().join(".ci/run"));
    let blocks = blocks();
    assert!(blocks.len() >= 7, "{}", blocks.len());
    for Block { test, commands } in &blocks {
        let test = test.as_deref().unwrap_or_else(|| panic!("no comment with the test of\n{commands}"));
        let tested = if let Some(step) = test.strip_prefix("ci: ") {
            checks.contains(step)
        } else {
            source.contains(&format!("fn readme_{}(", test.replace(' ', "_")))
        };
        assert!(tested, "no test \"{test}\" of\n{commands}");
    }
}

#[test]
fn readme_sample_data() {
    // `.ci/run` runs the block with the real cargo. Here it would build the program again if cargo has other settings.
    let folder = tempfile::tempdir().unwrap();
    let call = format!(
        "[ \"$1 $2\" = 'run --' ] && shift 2 && exec {} \"$@\"\n",
        quoted(env!("CARGO_BIN_EXE_ghrepos"))
    );
    write_script(&folder.path().join("cargo"), &call);
    let run = run_commands(
        &block("sample data").commands,
        root(),
        &format!("{}:/usr/bin:/bin", folder.path().display()),
    );
    assert_eq!(run.status, 0, "{}", run.stderr);
    assert_counts(&run, &[["torvalds", "9"], ["gvanrossum", "28"], ["antirez", "74"]]);
}

#[test]
fn readme_token() {
    // Without the block no token is set.
    let commands = |block: &str| format!("unset GH_TOKEN\n{block}\nghrepos user-1 -F json -q");
    let viewer = |block: &str| {
        let run = Desk::new().run_commands(&commands(block));
        assert_eq!((run.status, run.stderr.as_str()), (0, ""));
        let report: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
        report["meta"]["viewer"].clone()
    };
    assert_eq!(viewer(""), serde_json::Value::Null);
    assert_eq!(viewer(&block("token").commands), "Octocat-Sample");
}

#[test]
fn readme_three_names() {
    let run = Desk::new().run("three names");
    assert_eq!(run.status, 0, "{}", run.stderr);
    assert_counts(&run, &[["torvalds", "9"], ["gvanrossum", "28"], ["antirez", "74"]]);
}

#[test]
fn readme_spreadsheet() {
    let desk = Desk::new();
    let run = desk.run("spreadsheet");
    assert_eq!(run.status, 0, "{}", run.stderr);
    let page = desk.read("counts.html");
    assert!(page.contains("gvanrossum") && page.contains("Sample, Guido"));
    assert!(fs::read(desk.folder.path().join("counts.xlsx")).unwrap().starts_with(b"PK"));
}

#[test]
fn readme_audit() {
    let desk = Desk::new();
    for week in ["first", "second"] {
        let run = desk.run("audit");
        assert_eq!(run.status, 0, "{week} week: {}", run.stderr);
        assert_eq!(run.stderr.contains("baseline last.ndjson not found"), week == "first", "{}", run.stderr);
        assert!(desk.read("last.ndjson").lines().count() > 1);
        assert!(!desk.folder.path().join("now.ndjson").exists());
    }
    assert!(desk.read("now.html").contains("last.ndjson"));
    // A member who was not there before is a change.
    let last = desk.read("last.ndjson");
    let known: Vec<_> = last.lines().skip(1).collect();
    fs::write(desk.folder.path().join("last.ndjson"), format!("{}\n", known.join("\n"))).unwrap();
    let run = desk.run("audit");
    assert!(run.stderr.contains("--fail-on new>0: 1 login"), "{}", run.stderr);
}

#[test]
fn the_weekly_script_of_the_docs_keeps_its_status() {
    let desk = Desk::new();
    let page = text(&root().join("docs/audits.md"));
    let script = page.split("```sh\n").find(|block| block.starts_with("rm -f now")).unwrap();
    let script = script.split("```").next().unwrap();
    for week in ["first", "second"] {
        let run = desk.run_commands(script);
        assert_eq!(run.status, 0, "{week} week: {}", run.stderr);
    }
    let last = desk.folder.path().join("last.ndjson");
    let known = desk.read("last.ndjson");
    fs::write(&last, known.lines().skip(1).map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    let run = desk.run_commands(script);
    assert_eq!(run.status, 3, "{}", run.stderr);
    assert_eq!(desk.read("last.ndjson").lines().count(), known.lines().count());
    // Without a token, and with a file of an earlier run that is in the way.
    fs::write(desk.folder.path().join("now.ndjson.partial"), "").unwrap();
    let run = desk.run_commands(&format!("unset GH_TOKEN\n{script}"));
    assert_eq!(run.status, 4, "{}", run.stderr);
    assert_eq!(desk.read("last.ndjson").lines().count(), known.lines().count());
    assert!(desk.read("now.prom").contains("ghrepos_run_complete 1"));
}

#[test]
fn readme_long_list() {
    let desk = Desk::new();
    for _ in 0..2 {
        let run = desk.run("long list");
        assert_eq!(run.status, 0, "{}", run.stderr);
        assert!(run.stdout.contains("requests"), "{}", run.stdout);
        assert_eq!(desk.read("everyone.ndjson").lines().count(), 3);
    }
}

/// Shell sessions in the docs: `$ ghrepos …` and what a terminal of 110 columns then shows.
#[test]
fn the_outputs_in_the_docs_are_what_a_terminal_shows() {
    let mut sessions = 0;
    for page in pages() {
        let page = text(&page);
        for block in page.split("```text\n$ ghrepos ").skip(1) {
            let block = block.split_once("\n```").unwrap().0;
            let (command, shown) = block.split_once('\n').unwrap();
            sessions += 1;
            let arguments: Vec<_> = command.split(' ').collect();
            let Some(terminal) = Terminal::run(110, &["LANG=C.UTF-8"], &arguments) else { return };
            let screen = terminal.screen("status ", &[]);
            let (screen, _) = screen.rsplit_once("status ").unwrap();
            assert_eq!(without_duration(screen), without_duration(shown), "{command}");
        }
    }
    assert_eq!(sessions, 1);
}

/// The text without its last duration.
fn without_duration(shown: &str) -> &str {
    shown.trim_end().rsplit_once(" in ").map_or(shown.trim_end(), |(before, _)| before)
}

/// The comparison of the two months of sample data in `docs/audits.md`.
#[test]
fn the_audit_in_the_docs_is_a_real_one() {
    let page = text(&root().join("docs/audits.md"));
    let shown = page.split("```text\n").nth(1).unwrap().split("```").next().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let october = folder.path().join("october.ndjson");
    let run = |month: &str, rest: &[&str]| {
        let (github, team) =
            (format!("fixtures/audit/{month}/github"), format!("fixtures/audit/{month}/team.csv"));
        let program = Program::new(&["--replay", &github, "-f", &team]);
        rest.iter().fold(program, |program, argument| program.argument(argument)).run()
    };
    let october = october.to_str().unwrap();
    assert_eq!(run("2026-10", &["-o", october]).status, 0);
    let november = run("2026-11", &["--baseline", october, "--fail-on", "new>0,change>50%"]);
    assert_eq!(november.status, 3, "{}", november.stderr);
    let printed = november.stderr.replace(october, "october.ndjson");
    let lines = |text: &str| text.lines().map(|line| without_duration(line).to_owned()).collect::<Vec<_>>();
    assert_eq!(lines(&printed), lines(shown));
}

#[test]
fn links_in_the_docs_lead_somewhere() {
    let mut links = 0;
    for page in pages() {
        let content = text(&page);
        for link in content.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(link, _)| link)
        {
            if link.contains(' ') || link.starts_with("http") {
                continue;
            }
            links += 1;
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { page.clone() } else { page.parent().unwrap().join(file) };
            assert!(target.exists(), "{}: {link} leads nowhere", page.display());
            let found = anchor.is_empty() || anchors(&text(&target)).contains(anchor);
            assert!(found, "{}: {link} has no such heading", page.display());
        }
    }
    assert!(links > 20, "{links}");
}

/// Anchors of the headings of a page, as GitHub makes them.
fn anchors(page: &str) -> BTreeSet<String> {
    let headings = page
        .lines()
        .filter_map(|line| line.strip_prefix('#'))
        .map(|line| line.trim_start_matches('#').trim());
    headings
        .map(|heading| {
            let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
            kept.collect::<String>().to_lowercase().replace(' ', "-")
        })
        .collect()
}

#[test]
fn the_docs_name_only_flags_that_exist() {
    let help = Program::new(&["--help"]).run().stdout;
    let known: BTreeSet<_> = flags(&help).collect();
    for page in pages() {
        let name = page.file_name().unwrap().to_str().unwrap().to_owned();
        // Pages about other programs, too.
        if ["CONTRIBUTING.md", "SECURITY.md", "benchmarks.md", "install.md"].contains(&name.as_str()) {
            continue;
        }
        let content = text(&page);
        for line in content.lines().filter(|line| !line.contains("cargo ") && !line.contains("gh api")) {
            for flag in flags(line) {
                assert!(known.contains(flag), "{name}: {flag} does not exist: {line}");
            }
        }
    }
}

/// The long flags in a text.
fn flags(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
    words.filter(|word| {
        word.strip_prefix("--").is_some_and(|name| name.starts_with(|c: char| c.is_ascii_lowercase()))
    })
}

/// The tests behind a claim are in CONTRIBUTING.md and SECURITY.md: readers of the other pages need none of their names.
#[test]
fn only_two_pages_name_tests() {
    let suite = [root().join("tests/suite"), root().join("src"), root().join("fuzz/properties")];
    let mut names = BTreeSet::new();
    for folder in suite {
        collect_tests(&folder, &mut names);
    }
    assert!(names.len() > 500, "{}", names.len());
    for page in pages() {
        let name = page.file_name().unwrap().to_str().unwrap();
        if ["CONTRIBUTING.md", "SECURITY.md"].contains(&name) {
            continue;
        }
        let content = text(&page);
        let words = content.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        for word in words.filter(|word| word.matches('_').count() >= 3) {
            assert!(!names.contains(word), "{name} names the test {word}");
        }
    }
}

/// Names of the functions with `#[test]` below a folder.
fn collect_tests(folder: &Path, names: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect_tests(&path, names);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let source = text(&path);
            let functions = source.lines().filter_map(|line| line.trim_start().strip_prefix("fn "));
            names.extend(functions.filter_map(|line| line.split_once('(')).map(|(name, _)| name.to_owned()));
        }
    }
}
