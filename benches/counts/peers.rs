//! Compares the program with other tools, which `benches/peers/install` installs below `target/peers`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::input::{Input, Shape};
use crate::measure::{Measured, TOKEN, ghrepos, once};
use crate::server::{Server, World};
use crate::table::{head, megabytes, number, ratio, row, say, time};

/// A program to compare with.
struct Peer {
    name: &'static str,
    shape: Shape,
    /// A required program in the path, or a required file.
    needs: &'static str,
    command: fn(&Server, &Path) -> Command,
}

const PYTHON: &str = "target/peers/bin/python";

const PEERS: [Peer; 8] = [
    Peer {
        name: "ghrepos",
        shape: Shape::Ndjson,
        needs: "",
        command: |server, file| ours(server, file, "graphql", "10"),
    },
    Peer {
        name: "ghrepos `-j 100`",
        shape: Shape::Ndjson,
        needs: "",
        command: |server, file| ours(server, file, "graphql", "100"),
    },
    Peer {
        name: "ghrepos `--api rest`",
        shape: Shape::Ndjson,
        needs: "",
        command: |server, file| ours(server, file, "rest", "10"),
    },
    Peer {
        name: "`gh api graphql`, a hundred aliases per query",
        shape: Shape::Plain,
        needs: "gh",
        command: |server, file| {
            let mut command = Command::new("benches/peers/gh_counts");
            command.arg(server.port()).arg(file).env("GH_TOKEN", TOKEN);
            command
        },
    },
    Peer {
        name: "aiohttp, a semaphore of 10",
        shape: Shape::Plain,
        needs: PYTHON,
        command: |server, file| python("aiohttp_counts.py", server, file, "10"),
    },
    Peer {
        name: "aiohttp, a semaphore of 100",
        shape: Shape::Plain,
        needs: PYTHON,
        command: |server, file| python("aiohttp_counts.py", server, file, "100"),
    },
    Peer {
        name: "PyGithub, ten threads",
        shape: Shape::Plain,
        needs: PYTHON,
        command: |server, file| python("pygithub_counts.py", server, file, "10"),
    },
    Peer {
        name: "octokit with its throttling plugin",
        shape: Shape::Plain,
        needs: "target/peers/node_modules/@octokit/core",
        command: |server, file| {
            let mut command = Command::new("node");
            command.arg("benches/peers/octokit_counts.mjs").arg(&server.url).arg(file);
            command
        },
    },
];

fn ours(server: &Server, file: &Path, api: &str, jobs: &str) -> Command {
    let mut command = ghrepos();
    command.args(["-q", "-F", "ndjson", "--api", api, "-j", jobs, "--api-url", &server.url, "-f"]).arg(file);
    command
}

fn python(script: &str, server: &Server, file: &Path, number: &str) -> Command {
    let mut command = Command::new(PYTHON);
    command.arg(format!("benches/peers/{script}")).arg(&server.url).arg(file).arg(number);
    command
}

pub fn measured(runs: usize, sizes: &[u64]) {
    std::env::set_current_dir(env!("CARGO_MANIFEST_DIR")).expect("the project's folder");
    // In CI a missing tool or a wrong count is an error, as in the tests.
    let strict = std::env::var_os("GHREPOS_WITHOUT_SKIPS").is_some();
    let sizes = if sizes.is_empty() { &[200, 2000][..] } else { sizes };
    for &logins in sizes {
        let world = World { latency: 20, alias: 1, ..World::default() };
        // Who asks for a few has typed them.
        let input = Input { logins, missing: logins >= 100 };
        let file = input.file();
        let title =
            format!("{} logins, 20 ms per request, 1 ms per alias, medians of {runs}", number(logins));
        head(&title, &["", "wall", "ratio", "CPU", "ratio", "memory", "requests", "points", "counts"]);
        // Alternating runs, because the speed of the machine varies over time.
        let mut all: Vec<_> = PEERS.iter().map(|_| Vec::new()).collect();
        for _ in 0..runs {
            for (peer, runs) in PEERS.iter().zip(&mut all).filter(|(peer, _)| is_there(peer.needs)) {
                runs.push(once(world, input, peer.shape, |server| (peer.command)(server, &file)));
            }
        }
        let mut base = None;
        for (Peer { name, needs, .. }, runs) in PEERS.iter().zip(&all) {
            if runs.is_empty() {
                assert!(!strict, "{needs} is missing");
                say(&format!("| {name} | skipped: {needs} is missing | | | | | | | |"));
                continue;
            }
            let measured = Measured::of(runs);
            let used = measured.used;
            let base = base.get_or_insert(used);
            let counts = match &measured.wrong {
                None => "right".into(),
                Some(wrong) if strict => panic!("{name}: {wrong}"),
                Some(wrong) => format!("**wrong**: {wrong}"),
            };
            row(&[
                (*name).into(),
                time(used.wall),
                ratio(used.wall, base.wall),
                time(used.cpu),
                ratio(used.cpu, base.cpu),
                megabytes(used.memory),
                number(measured.seen.requests),
                number(measured.seen.points),
                counts,
            ]);
        }
    }
}

/// Returns true if a required program or file exists.
fn is_there(needed: &str) -> bool {
    if needed.is_empty() || needed.contains('/') {
        return needed.is_empty() || PathBuf::from(needed).exists();
    }
    let version = Command::new(needed).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    version.is_ok_and(|status| status.success())
}
