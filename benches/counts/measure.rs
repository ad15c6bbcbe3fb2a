//! Resource usage of a command, and medians of several runs.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use wait4::Wait4;

use crate::input::{Input, Shape, folder};
use crate::server::{Seen, Server, World};

/// A token of realistic length that no response of the fake contains: the program would redact it there.
pub const TOKEN: &str = "ghp_0123456789abcdefghijklmnopqrstuvwxyz";

/// Resources that a run used.
#[derive(Clone, Copy, Debug)]
pub struct Used {
    pub wall: Duration,
    /// User and system time, including child processes.
    pub cpu: Duration,
    /// Maximum resident memory, in bytes. On Linux it starts at the memory of the benchmark itself, which is less than any of the
    /// measured programs use.
    pub memory: u64,
}

/// This build of the program, without the tokens of the environment.
pub fn ghrepos() -> Command {
    program(Path::new(env!("CARGO_BIN_EXE_ghrepos")))
}

/// A build of the program, without the tokens of the environment.
pub fn program(path: &Path) -> Command {
    let mut command = Command::new(path);
    for variable in ["GITHUB_TOKEN", "GH_ENTERPRISE_TOKEN", "GITHUB_ENTERPRISE_TOKEN", "GH_HOST"] {
        command.env_remove(variable);
    }
    command.env("GH_TOKEN", TOKEN);
    command
}

/// Runs a command, its output to a file. `feed` is written to its standard input meanwhile.
pub fn run(command: &mut Command, feed: Option<Input>) -> (Used, PathBuf) {
    let path = folder().join("counted");
    let output = File::create(&path).expect("a file");
    let stdin = if feed.is_some() { Stdio::piped() } else { Stdio::null() };
    let begun = Instant::now();
    let spawned = command.stdin(stdin).stdout(output).stderr(Stdio::null()).spawn();
    let mut child = spawned.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let writer =
        feed.zip(child.stdin.take()).map(|(input, pipe)| std::thread::spawn(move || input.write(pipe)));
    let used = child.wait4().expect("an end");
    let wall = begun.elapsed();
    if let Some(writer) = writer {
        writer.join().expect("no panic").expect("a reader");
    }
    let memory = used.rusage.maxrss;
    (Used { wall, cpu: used.rusage.utime + used.rusage.stime, memory }, path)
}

/// Resources and requests of one run, and the first error in its counts.
pub struct Run {
    pub used: Used,
    pub seen: Seen,
    pub wrong: Option<String>,
}

/// Runs a command against a fake of its own, and compares what it counts.
pub fn once(world: World, input: Input, shape: Shape, command: impl FnOnce(&Server) -> Command) -> Run {
    once_at(Server::start(world), input, shape, command)
}

/// The same against one that runs already.
pub fn once_at(server: Server, input: Input, shape: Shape, command: impl FnOnce(&Server) -> Command) -> Run {
    let (used, counted) = run(&mut command(&server), None);
    let wrong = input.wrong(&counted, shape);
    Run { used, seen: server.end(), wrong }
}

/// Medians of several runs.
#[derive(Clone, Debug)]
pub struct Measured {
    pub used: Used,
    pub seen: Seen,
    /// The error of the first run with wrong counts.
    pub wrong: Option<String>,
}

impl Measured {
    pub fn of(runs: &[Run]) -> Self {
        let seen = Seen {
            requests: median(runs.iter().map(|run| run.seen.requests)),
            points: median(runs.iter().map(|run| run.seen.points)),
            rejected: median(runs.iter().map(|run| run.seen.rejected)),
            cpu: median(runs.iter().map(|run| run.seen.cpu)),
        };
        let used = middle(&runs.iter().map(|run| run.used).collect::<Vec<_>>());
        Self { used, seen, wrong: runs.iter().find_map(|run| run.wrong.clone()) }
    }

    /// Asserts that all counts are right.
    pub fn right(self) -> Self {
        assert_eq!(self.wrong, None, "a wrong count");
        self
    }
}

/// Returns the median of each figure.
pub fn middle(runs: &[Used]) -> Used {
    Used {
        wall: median(runs.iter().map(|used| used.wall)),
        cpu: median(runs.iter().map(|used| used.cpu)),
        memory: median(runs.iter().map(|used| used.memory)),
    }
}

fn median<T: Ord + Copy>(values: impl Iterator<Item = T>) -> T {
    let mut values: Vec<_> = values.collect();
    values.sort_unstable();
    *values.get(values.len() / 2).expect("at least one run")
}
