//! Exchanges with GitHub that other projects have recorded for their own tests: replayed, and served on loopback.
//!
//! `tests/recorded/convert.py` makes the cases and their expectations of the packages that `.ci/run` installs.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::apps::private_key;
use crate::program::{Program, Run, file, in_parallel, installed, is_available, path, rows};

/// Folder of the packages.
const PACKAGES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/recorded");
const GITHUB: &str = "https://api.github.com";

/// Least number of exchanges of each kind, as in docs/proofs.md. A converter that finds fewer in these packages has a defect.
const LEAST: [(&str, usize); 10] = [
    ("accounts", 173),
    ("other successes", 479),
    ("GraphQL responses", 51),
    ("errors", 161),
    ("errors of member lists", 22),
    ("member lists", 11),
    ("other lists of accounts", 32),
    ("rate limits", 6),
    ("rate limit headers", 2486),
    ("app flows", 23),
];
const LEAST_ACCOUNTS: usize = 50;

#[derive(Deserialize)]
struct Recordings {
    pygithub: usize,
    octokit: usize,
    unreadable: usize,
    cases: Vec<Case>,
}

#[derive(Clone, Copy, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Serve {
    Replay,
    Http,
}

/// A run of the program, and its expected outcome.
#[derive(Clone, Deserialize)]
struct Case {
    kind: String,
    serve: Serve,
    /// Name of the folder to replay, and first component of the paths on loopback.
    folder: String,
    /// Files to replay.
    files: Vec<String>,
    arguments: Vec<String>,
    with_app: bool,
    with_token: bool,
    /// Responses on loopback, in their order.
    responses: Vec<RecordedResponse>,
    /// The recorded file and exchange of each response.
    sources: Vec<String>,
    /// Number of recorded exchanges that the case compares.
    compared: usize,
    accounts: Vec<String>,
    status: i32,
    rows: Option<Vec<ExpectedRow>>,
    /// Parts of standard error.
    messages: Vec<String>,
    /// Values in the JSON on standard output, by pointer.
    values: Map<String, Value>,
    /// Limit and remaining requests of each quota.
    quotas: Option<Vec<(u64, u64)>>,
    token: Option<String>,
}

#[derive(Clone, Deserialize, Serialize)]
struct RecordedResponse {
    request: String,
    status: u16,
    headers: BTreeMap<String, String>,
    text: String,
}

#[derive(Clone, Deserialize)]
struct ExpectedRow {
    source: String,
    fields: Map<String, Value>,
    /// Parts of the row's error.
    #[serde(default)]
    error: Vec<String>,
}

/// A request that the server received: its method and path, and its `Authorization`.
struct Received {
    request: String,
    authorization: Option<String>,
}

/// Serves the responses of all cases, those of each below the name of its folder. The last response to a request is repeated.
struct RecordedServer {
    address: SocketAddr,
    received: Arc<Mutex<HashMap<String, Vec<Received>>>>,
}

impl RecordedServer {
    fn start(cases: &[Case]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, received) = (listener.local_addr().unwrap(), Arc::default());
        let responses: HashMap<_, _> =
            cases.iter().map(|case| (case.folder.clone(), case.responses.clone())).collect();
        let (responses, shared) = (Arc::new(responses), Arc::clone(&received));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (responses, received) = (Arc::clone(&responses), Arc::clone(&shared));
                std::thread::spawn(move || serve(stream, address, &responses, &received));
            }
        });
        Self { address, received }
    }

    fn url(&self, case: &Case) -> String {
        format!("http://{}/{}", self.address, case.folder)
    }

    /// Returns the requests of a case, and forgets them.
    fn take_received(&self, case: &Case) -> Vec<Received> {
        self.received.lock().unwrap().remove(&case.folder).unwrap_or_default()
    }
}

/// Responds to one request, and closes the connection.
fn serve(
    mut stream: TcpStream,
    address: SocketAddr,
    responses: &HashMap<String, Vec<RecordedResponse>>,
    received: &Mutex<HashMap<String, Vec<Received>>>,
) {
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
    let Some(first) = lines.next() else { return };
    let head: Vec<_> = lines.take_while(|line| !line.is_empty()).collect();
    let mut words = first.split_whitespace();
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (folder, target) = target.trim_start_matches('/').split_once('/').unwrap_or_default();
    let request = format!("{method} /{target}");
    let authorization = head.iter().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("authorization").then(|| value.to_owned())
    });
    let mut received = received.lock().unwrap();
    let of_case = received.entry(folder.to_owned()).or_default();
    let earlier = of_case.iter().filter(|received| received.request == request).count();
    of_case.push(Received { request: request.clone(), authorization });
    drop(received);
    let recorded = responses.get(folder).into_iter().flatten().filter(|response| response.request == request);
    let recorded: Vec<_> = recorded.collect();
    let Some(response) = recorded.get(earlier).or(recorded.last()) else { return };
    let mut text = format!("HTTP/1.1 {} Recorded\r\nconnection: close\r\n", response.status);
    for (name, value) in &response.headers {
        // Links and redirects lead to GitHub.
        let value = value.replace(GITHUB, &format!("http://{address}/{folder}"));
        write!(text, "{name}: {value}\r\n").unwrap();
    }
    if response.status == 304 {
        text += "\r\n";
    } else {
        write!(text, "content-length: {}\r\n\r\n{}", response.text.len(), response.text).unwrap();
    }
    let _ = stream.write_all(text.as_bytes());
    let _ = stream.shutdown(std::net::Shutdown::Write);
    // A reset would discard a response that was not read yet.
    let _ = stream.read_to_end(&mut Vec::new());
}

/// The outcome of a case.
struct Outcome {
    run: Run,
    received: Vec<Received>,
}

fn run(case: &Case, folder: &Path, server: &RecordedServer) -> Outcome {
    let arguments: Vec<_> = case.arguments.iter().map(String::as_str).collect();
    let (key, of_case) = (file(private_key()), folder.join(&case.folder));
    let mut program = match case.serve {
        Serve::Replay => Program::new(&arguments).argument("--replay").argument(of_case.to_str().unwrap()),
        Serve::Http => Program::new(&arguments).argument("--api-url").argument(&server.url(case)),
    };
    if case.with_app {
        program = program.env("GHREPOS_APP_ID", "12").argument("--app-key").argument(path(&key));
    }
    if case.with_token {
        program = program.env("GH_TOKEN", "ghp_sample");
    }
    Outcome { run: program.run(), received: server.take_received(case) }
}

/// Returns the differences between the expectations and the outcome of a case, each with its recorded exchange.
fn differences(case: &Case, outcome: &Outcome) -> Vec<String> {
    let Outcome { run, received } = outcome;
    let mut found = Vec::new();
    if run.status != case.status {
        found.push(format!("status {} instead of {}", run.status, case.status));
    }
    for message in &case.messages {
        if !run.stderr.contains(message) {
            found.push(format!("standard error has no {message:?}"));
        }
    }
    if let Some(expected) = &case.rows {
        found.extend(differing_rows(expected, &run.stdout));
    }
    if !case.values.is_empty() {
        let report: Value = serde_json::from_str(&run.stdout).unwrap_or_default();
        let differing = case.values.iter().filter(|(pointer, value)| report.pointer(pointer) != Some(value));
        found.extend(differing.map(|(pointer, value)| {
            format!("{pointer} is {:?} instead of {value}", report.pointer(pointer))
        }));
    }
    if let Some(expected) = &case.quotas {
        let shown = shown_quotas(&run.stderr);
        if shown.len() != expected.len() {
            found.push(format!("{} quotas instead of {}", shown.len(), expected.len()));
        }
        // Each response has its own window, unless no response has one.
        let differing = case.sources.iter().zip(shown.iter().zip(expected)).find(|(_, (a, b))| a != b);
        found.extend(
            differing.map(|(source, (shown, expected))| {
                format!("{source}: quota {shown:?} instead of {expected:?}")
            }),
        );
    }
    if let Some(token) = &case.token {
        if run.stdout.contains(token) || run.stderr.contains(token) {
            found.push("the token is shown".into());
        }
        let last = received.last().and_then(|received| received.authorization.as_deref());
        if last != Some(&format!("Bearer {token}")) {
            found.push("the last request has another token".into());
        }
    }
    let recorded: BTreeSet<_> = case.responses.iter().map(|response| &response.request).collect();
    let others = received.iter().filter(|received| !recorded.contains(&received.request));
    found.extend(others.map(|received| format!("unexpected request {}", received.request)));
    if !found.is_empty() {
        found.push(format!(
            "{} of {}: {}\n{}",
            case.kind,
            case.sources.first().map_or("nothing", String::as_str),
            case.arguments.join(" "),
            run.stderr
        ));
    }
    found
}

fn differing_rows(expected: &[ExpectedRow], ndjson: &str) -> Vec<String> {
    let rows = rows(ndjson);
    let mut found = Vec::new();
    if rows.len() != expected.len() {
        found.push(format!("{} rows instead of {}", rows.len(), expected.len()));
    }
    for (row, ExpectedRow { source, fields, error }) in rows.iter().zip(expected) {
        for (name, value) in fields.iter().filter(|(name, value)| row[*name] != **value) {
            found.push(format!("{source}: {name} is {} instead of {value}: {}", row[name], row["error"]));
        }
        let shown = row["error"].as_str().unwrap_or_default();
        for part in error.iter().filter(|part| !shown.contains(*part)) {
            found.push(format!("{source}: the error {shown:?} has no {part:?}"));
        }
    }
    found
}

/// Returns limit and remaining requests of each quota that `-vv` shows.
fn shown_quotas(stderr: &str) -> Vec<(u64, u64)> {
    let number = |line: &str, name: &str| -> Option<u64> {
        line.split_whitespace().find_map(|word| word.strip_prefix(name))?.parse().ok()
    };
    let lines = stderr.lines().filter(|line| line.contains("new quota window"));
    lines.filter_map(|line| Some((number(line, "limit=")?, number(line, "remaining=")?))).collect()
}

/// Converts the recordings into a folder. None if a package is not installed.
fn convert(folder: &Path) -> Option<Recordings> {
    let pygithub = format!("{PACKAGES}/pygithub-2.10.0");
    let octokit = format!("{PACKAGES}/node_modules/@octokit/fixtures");
    if !is_available("the source distribution of PyGithub", Path::new(&pygithub).exists())
        || !is_available("the npm package @octokit/fixtures", Path::new(&octokit).exists())
        || !installed(&["python3"])
    {
        return None;
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/recorded/convert.py");
    let output =
        Command::new("python3").args(["-B", script, &pygithub, &octokit]).arg(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(serde_json::from_slice(&fs::read(folder.join("cases.json")).unwrap()).unwrap())
}

/// Prints the number of exchanges and runs of each kind, and asserts the least numbers.
fn report(recordings: &Recordings) {
    let Recordings { pygithub, octokit, unreadable, cases } = recordings;
    let mut table = format!(
        "| {pygithub} exchanges of PyGithub, {octokit} of @octokit/fixtures; unreadable places: {unreadable} | exchanges | runs |\n|---|--:|--:|\n"
    );
    for (kind, least) in LEAST {
        let of_kind: Vec<_> = cases.iter().filter(|case| case.kind == kind).collect();
        let compared: usize = of_kind.iter().map(|case| case.compared).sum();
        writeln!(table, "| {kind} | {compared} | {} |", of_kind.len()).unwrap();
        assert!(compared >= least, "{compared} {kind} are fewer than {least}");
    }
    let accounts: BTreeSet<_> = cases.iter().flat_map(|case| &case.accounts).collect();
    writeln!(table, "| different accounts | {} | |", accounts.len()).unwrap();
    assert!(accounts.len() >= LEAST_ACCOUNTS, "{} accounts", accounts.len());
    std::io::stderr().write_all(table.as_bytes()).unwrap();
}

#[test]
fn recorded_traffic_has_the_outcome_that_was_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let Some(recordings) = convert(folder.path()) else { return };
    report(&recordings);
    let server = RecordedServer::start(&recordings.cases);
    let check = |case: Case| differences(&case, &run(&case, folder.path(), &server));
    let found: Vec<_> = in_parallel(recordings.cases.clone(), check).into_iter().flatten().collect();
    assert!(found.is_empty(), "{} lines of differences:\n{}", found.len(), found.join("\n"));
    for (kind, _) in LEAST {
        let case = recordings.cases.iter().find(|case| case.kind == kind).unwrap();
        let changed = with_changed_recording(case, folder.path());
        let server = RecordedServer::start(std::slice::from_ref(&changed));
        let found = differences(&changed, &run(&changed, folder.path(), &server));
        assert!(!found.is_empty(), "a changed recording of {kind} is not noticed");
    }
}

/// Changes what was recorded, and not the expectations.
fn with_changed_recording(case: &Case, folder: &Path) -> Case {
    let mut changed = case.clone();
    for response in &mut changed.responses {
        change(&case.kind, response);
    }
    changed.folder += "-changed";
    for name in &case.files {
        let mut response =
            serde_json::from_slice(&fs::read(folder.join(&case.folder).join(name)).unwrap()).unwrap();
        change(&case.kind, &mut response);
        let file = folder.join(&changed.folder).join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, serde_json::to_vec(&response).unwrap()).unwrap();
    }
    changed
}

fn change(kind: &str, response: &mut RecordedResponse) {
    let login = response.request.rsplit('/').next().unwrap_or_default();
    match kind {
        "accounts" => response.text = response.text.replace("\"public_repos\":", "\"public_repos\":1"),
        "rate limits" => response.text = response.text.replace("\"remaining\":", "\"remaining\":1"),
        "app flows" => response.text = response.text.replace("\"token\":\"", "\"token\":\"ghs_sample"),
        "GraphQL responses" => response.status = 401,
        "rate limit headers" => {
            response.headers.entry("x-ratelimit-limit".into()).or_default().insert(0, '1');
        }
        "member lists" | "other lists of accounts" | "errors of member lists" => {
            response.status = 200;
            response.text = r#"[{"login":"sample-other"}]"#.into();
        }
        _ => {
            response.status = 200;
            response.text = json!({"login": login, "id": 1, "type": "User", "public_repos": 1}).to_string();
        }
    }
}
