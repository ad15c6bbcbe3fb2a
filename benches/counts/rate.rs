//! Maximum throughput without latency, compared with wrk on the same route.

use std::process::{Command, Stdio};

use crate::input::{Input, Shape};
use crate::measure::{Measured, Run, TOKEN, ghrepos, once_at};
use crate::server::{Server, World};
use crate::table::{head, megabytes, number, rate, row, say, time};

const MANY: u32 = 20_000;

pub fn measured(runs: usize) {
    head(
        &format!("Maximum throughput (medians of {runs})"),
        &["", "logins/s", "of wrk's, in pairs", "wall", "CPU", "memory"],
    );
    let (mut rest, mut graphql, mut beside) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..runs {
        // Both use the same fake, which wrk has warmed up.
        let server = Server::start(World::default());
        let wrk = wrk(&server);
        let run = counted(server, "rest", MANY);
        beside.extend(wrk.map(|wrk| (wrk, f64::from(MANY) / run.used.wall.as_secs_f64() / wrk)));
        rest.push(run);
        graphql.push(counted(Server::start(World::default()), "graphql", 10 * MANY));
    }
    let wrk = (!beside.is_empty()).then(|| {
        let median = |mut values: Vec<f64>| {
            values.sort_by(f64::total_cmp);
            values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
        };
        (
            median(beside.iter().map(|(rate, _)| *rate).collect()),
            median(beside.iter().map(|(_, of)| *of).collect()),
        )
    });
    match wrk {
        Some((rate, _)) => {
            say(&format!("| `wrk -t1 -c100`, `GET /users/user-77` | {rate:.0} | 100 % | | | |"));
        }
        None => say("| wrk is not installed | | | | | |"),
    }
    for (api, logins, runs) in [("REST", MANY, &rest), ("GraphQL", 10 * MANY, &graphql)] {
        let measured = Measured::of(runs).right();
        let used = measured.used;
        let of_wrk = wrk.filter(|_| api == "REST").map(|(_, of)| format!("{:.0} %", 100.0 * of));
        row(&[
            format!("{} logins by {api}, `-j 100`, to NDJSON", number(logins.into())),
            number(rate(logins.into(), used.wall)),
            of_wrk.unwrap_or_default(),
            time(used.wall),
            time(used.cpu),
            megabytes(used.memory),
        ]);
    }
}

/// Runs the program once.
fn counted(server: Server, api: &str, logins: u32) -> Run {
    let input = Input::new(logins.into());
    let file = input.file();
    once_at(server, input, Shape::Ndjson, |server| {
        let mut command = ghrepos();
        command.args(["-q", "-F", "ndjson", "--api", api, "-j", "100", "--api-url", &server.url]);
        command.arg("-f").arg(file);
        command
    })
}

/// Returns the requests per second of wrk. None if it is not installed.
fn wrk(server: &Server) -> Option<f64> {
    let output = Command::new("wrk")
        .args([
            "-t1",
            "-c100",
            "-d2s",
            "-H",
            "User-Agent: wrk",
            "-H",
            &format!("Authorization: Bearer {TOKEN}"),
        ])
        .arg(format!("{}/users/user-77", server.url))
        .stderr(Stdio::null())
        .output();
    let text = String::from_utf8(output.ok()?.stdout).ok()?;
    assert!(!text.contains("Non-2xx"), "{text}");
    text.lines().find_map(|line| line.strip_prefix("Requests/sec:")?.trim().parse().ok())
}
