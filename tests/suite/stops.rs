//! Runs that end early keep their rows, and their status names the reason.

use std::io::{BufRead, BufReader, Read};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::fake::{Behavior, Fake, Fault, PrimaryLimit};
use crate::program::{Program, file, path, rows, users, wait_for_exit};

#[test]
fn an_unreachable_host_ends_the_run_after_a_few_tries() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{closed}");
    let input = file(&users(1000));
    let begun = Instant::now();
    let run = Program::new(&["--api-url", &url, "-f", path(&input)]).run();
    assert_eq!((run.status, run.stdout.as_str()), (5, ""));
    assert!(
        run.stderr
            .starts_with(&format!("ghrepos: cannot reach {url} (from --api-url): Connection refused; "))
    );
    assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
    assert!(begun.elapsed() < Duration::from_secs(60), "not a thousand logins' worth of back-off");

    let run = Program::new(&["--api-url", &url, "a", "--retries", "0", "-F", "ndjson"]).run();
    assert_eq!(run.status, 5);
    assert_eq!(run.rows()[0]["error"], "could not connect: Connection refused");
    let run = Program::new(&["--api-url", "http://no-such-host.invalid", "a", "--retries", "0"]).run();
    assert_eq!(run.status, 5);
    assert!(run.stderr.contains("no address for this host"), "{}", run.stderr);
}

#[test]
fn a_silent_host_ends_the_run_after_a_few_timeouts() {
    let fake = Fake::with_faults(|_| Some(Fault::Silent));
    let input = file(&users(1000));
    let run = Program::for_fake(&fake, &["-f", path(&input), "--timeout", "50ms", "-j", "10"]).run();
    assert_eq!(run.status, 5);
    assert!(run.stderr.contains(": timed out after 50ms; "), "{}", run.stderr);
    assert!(fake.requests() < 300, "{}", fake.requests());
}

#[test]
fn a_limit_beyond_max_wait_ends_the_run_and_keeps_its_rows() {
    let primary = PrimaryLimit::new(30, Duration::from_secs(3600));
    let fake = Fake::start(Behavior { primary: Some(primary), ..Behavior::default() });
    let input = file(&users(100));
    let run = Program::for_fake(&fake, &["-f", path(&input), "-F", "ndjson"]).run();
    assert_eq!(run.status, 5);
    let status = |wanted: &str| run.rows().iter().filter(|row| row["status"] == wanted).count();
    assert_eq!((status("ok"), status("skipped") + status("failed")), (30, 70));
    assert!(fake.requests() <= 40, "thirty and those in flight");
    let last = &run.rows()[99];
    assert!(
        last["error"].as_str().unwrap().starts_with("not looked up: GitHub's rate limit lasts until 20"),
        "{last}"
    );
    assert!(run.stderr.contains("), longer than --max-wait 5m; "), "{}", run.stderr);
}

#[test]
fn a_limit_within_max_wait_is_waited_for() {
    let primary = PrimaryLimit::new(20, Duration::from_secs(2));
    let fake = Fake::start(Behavior { primary: Some(primary), ..Behavior::default() });
    let input = file(&users(50));
    let run = Program::for_fake(&fake, &["-f", path(&input), "-F", "ndjson"]).run();
    assert_eq!(run.status, 0, "{}", run.stderr);
    assert!(run.rows_of(50).iter().all(|row| row["status"] == "ok"));
}

#[cfg(unix)]
fn signal(child: &std::process::Child, signal: &str) {
    let sent = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

#[cfg(unix)]
fn interrupt(child: &std::process::Child) {
    signal(child, "-INT");
}

#[cfg(unix)]
#[test]
fn sigterm_is_status_143_and_leaves_the_partial_report() {
    let fake = Fake::start(Behavior { latency: Duration::from_millis(20), ..Behavior::default() });
    let input = file(&users(3000));
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("report.csv");
    let child = Program::for_fake(&fake, &["-f", path(&input), "-o", report.to_str().unwrap()]).spawn();
    while fake.requests() < 50 {
        std::thread::sleep(Duration::from_millis(10));
    }
    signal(&child, "-TERM");
    let run = crate::program::wait_for_exit(child);
    assert_eq!(run.status, 143);
    assert!(run.stderr.starts_with("ghrepos: terminated; "), "{}", run.stderr);
    let csv = std::fs::read_to_string(folder.path().join("report.csv.partial")).unwrap();
    assert_eq!(csv.lines().count(), 3001, "every login has its row");
    assert!(csv.contains(",skipped,"));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
}

#[cfg(unix)]
#[test]
fn ctrl_c_prints_known_rows_and_marks_the_rest_skipped() {
    let fake = Fake::start(Behavior { latency: Duration::from_millis(20), ..Behavior::default() });
    let input = file(&users(3000));
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("report.json");
    let arguments = ["-f", path(&input), "-F", "ndjson", "-o", report.to_str().unwrap()];
    let mut child = Program::for_fake(&fake, &arguments).spawn();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut text = String::new();
    stdout.read_line(&mut text).unwrap();
    interrupt(&child);
    let interrupted = Instant::now();
    stdout.read_to_string(&mut text).unwrap();
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(interrupted.elapsed() < Duration::from_secs(5));
    let rows = rows(&text);
    assert_eq!(rows.len(), 3000, "every login has its row");
    let done = rows.iter().filter(|row| row["status"] == "ok").count();
    let skipped = rows.iter().filter(|row| row["status"] == "skipped").count();
    assert_eq!(done + skipped, 3000);
    assert!(done > 0 && skipped > 0);
    assert!(stderr.contains("interrupted; ") && stderr.contains(" skipped; "), "{stderr}");
    assert!(!report.exists());
    let partial = std::fs::File::open(folder.path().join("report.json.partial")).unwrap();
    let json: serde_json::Value = serde_json::from_reader(partial).unwrap();
    assert_eq!(json["summary"]["complete"], false);
    assert_eq!(json["summary"]["asked"], 3000);
}

#[cfg(unix)]
#[test]
fn ctrl_c_does_not_wait_for_a_pipe_that_never_ends() {
    use std::io::Write;
    let fake = Fake::well_behaved();
    let mut child =
        Program::for_fake(&fake, &["-", "-F", "ndjson"]).stdin(std::process::Stdio::piped()).spawn();
    let mut stdin = child.stdin.take().unwrap();
    writeln!(stdin, "torvalds").unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    stdout.read_line(&mut String::new()).unwrap();
    interrupt(&child);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    drop(stdin);
}

#[test]
fn a_run_that_has_ended_does_not_wait_for_a_pipe() {
    use std::io::Write;
    let fake = Fake::start(Behavior { token: Some("right".into()), ..Behavior::default() });
    let program = Program::for_fake(&fake, &["-", "-F", "ndjson"]).env("GH_TOKEN", "wrong");
    let mut child = program.stdin(std::process::Stdio::piped()).spawn();
    let mut stdin = child.stdin.take().unwrap();
    writeln!(stdin, "torvalds").unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(4), "although the pipe is open");
    drop(stdin);
}

#[cfg(unix)]
#[test]
fn a_paused_reader_delays_no_response_and_no_ctrl_c() {
    let fake = Fake::well_behaved();
    // More rows than a pipe holds.
    let input = file(&users(1500));
    let arguments = ["-f", path(&input), "-F", "ndjson", "--timeout", "1s", "--retries", "0"];
    let mut child = Program::for_fake(&fake, &arguments).spawn();
    // Longer than the timeout.
    std::thread::sleep(Duration::from_secs(2));
    let mut text = String::new();
    child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(rows(&text).iter().all(|row| row["status"] == "ok"));

    let mut child = Program::for_fake(&fake, &arguments).spawn();
    std::thread::sleep(Duration::from_millis(700));
    interrupt(&child);
    std::thread::sleep(Duration::from_millis(900));
    interrupt(&child);
    assert_eq!(child.wait().unwrap().code(), Some(130), "without a reader");
}

/// Waits for the end of a program whose pipes are not read.
#[cfg(unix)]
fn wait_without_reading(child: &mut std::process::Child) -> Option<i32> {
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        if begun.elapsed() > Duration::from_secs(120) {
            child.kill().unwrap();
            panic!("the program does not end");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Waits until the program sends no more requests, because its output is not read.
#[cfg(unix)]
fn wait_until_idle(fake: &Fake) {
    let mut requests = 0;
    while requests == 0 || fake.requests() > requests {
        requests = fake.requests();
        std::thread::sleep(Duration::from_millis(500));
    }
}

/// A pipe that is full and not read, for standard error.
#[cfg(target_os = "linux")]
fn full_pipe() -> (std::io::PipeReader, std::io::PipeWriter) {
    use std::io::Write;
    const CAPACITY: usize = 64 << 10;
    let (reader, mut writer) = std::io::pipe().unwrap();
    writer.write_all(&[b'x'; CAPACITY]).unwrap();
    (reader, writer)
}

#[cfg(target_os = "linux")]
#[test]
fn an_unread_standard_error_does_not_stop_the_run() {
    let fake = Fake::well_behaved();
    // More events than the queue holds.
    let input = file(&users(1500));
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("report.ndjson");
    let arguments = ["-f", path(&input), "-o", report.to_str().unwrap(), "-vv", "--progress=always"];
    let (reader, stderr) = full_pipe();
    let mut child = Program::for_fake(&fake, &arguments).stderr(stderr).spawn();
    assert_eq!(wait_without_reading(&mut child), Some(0));
    let rows = rows(&std::fs::read_to_string(&report).unwrap());
    assert_eq!(rows.len(), 1500);
    assert!(rows.iter().all(|row| row["status"] == "ok"));
    drop(reader);

    let (_reader, stderr) = full_pipe();
    let mut child = Program::for_fake(&fake, &["--nonsense"]).stderr(stderr).spawn();
    assert_eq!(wait_without_reading(&mut child), Some(2));
}

#[cfg(target_os = "linux")]
#[test]
fn ctrl_c_ends_a_run_whose_standard_error_is_not_read() {
    let fake = Fake::with_faults(|_| Some(Fault::secondary(403, Some(200))));
    for verbosity in ["-v", "-q"] {
        let earlier = fake.requests();
        let (_reader, stderr) = full_pipe();
        let mut child = Program::for_fake(&fake, &["torvalds", verbosity]).stderr(stderr).spawn();
        while fake.requests() == earlier {
            std::thread::sleep(Duration::from_millis(10));
        }
        interrupt(&child);
        assert_eq!(wait_without_reading(&mut child), Some(130));
    }
}

#[cfg(unix)]
#[test]
fn sigterm_ends_a_run_whose_output_is_not_read() {
    let fake = Fake::well_behaved();
    let input = file(&users(7_000));
    let folder = tempfile::tempdir().unwrap();
    let reports = ["report.csv", "report.ndjson"].map(|name| folder.path().join(name).display().to_string());
    let outputs = ["-F", "ndjson", "-o", "-", "-o", &reports[0], "-o", &reports[1]];
    let mut child = Program::for_fake(&fake, &[&["-f", path(&input)][..], &outputs].concat()).spawn();
    wait_until_idle(&fake);
    signal(&child, "-TERM");
    assert_eq!(wait_without_reading(&mut child), Some(143));
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert!(stderr.starts_with("ghrepos: cannot write standard output: it is not read\n"), "{stderr}");
    let partial = |report: &str| std::fs::read_to_string(format!("{report}.partial")).unwrap();
    let csv = partial(&reports[0]);
    assert_eq!(csv.lines().count(), 7_001, "every login has its row");
    assert!(csv.contains(",ok,") && csv.contains(",skipped,"));
    assert!(!rows(&partial(&reports[1])).is_empty());
    let resume = ["-f", path(&input), "-o", &reports[1], "--resume"];
    let resumed = wait_for_exit(Program::for_fake(&fake, &resume).spawn());
    assert_eq!(resumed.status, 0, "{}", resumed.stderr);
    assert_eq!(rows(&std::fs::read_to_string(&reports[1]).unwrap()).len(), 7_000);
}

#[cfg(unix)]
#[test]
fn a_second_ctrl_c_leaves_whole_lines() {
    let fake = Fake::well_behaved();
    let input = file(&users(7_000));
    let folder = tempfile::tempdir().unwrap();
    let reports = ["report.csv", "report.ndjson"].map(|name| folder.path().join(name).display().to_string());
    let outputs = ["-F", "ndjson", "-o", "-", "-o", &reports[0], "-o", &reports[1]];
    let mut child = Program::for_fake(&fake, &[&["-f", path(&input)][..], &outputs].concat()).spawn();
    wait_until_idle(&fake);
    interrupt(&child);
    std::thread::sleep(Duration::from_millis(900));
    interrupt(&child);
    assert_eq!(wait_without_reading(&mut child), Some(130));
    let partial = |report: &str| std::fs::read_to_string(format!("{report}.partial")).unwrap();
    let csv = partial(&reports[0]);
    let columns = csv.lines().next().unwrap().split(',').count();
    assert!(csv.ends_with('\n') && csv.lines().all(|line| line.split(',').count() == columns));
    assert!(!rows(&partial(&reports[1])).is_empty());
    let resume = ["-f", path(&input), "-o", &reports[1], "--resume"];
    let resumed = wait_for_exit(Program::for_fake(&fake, &resume).spawn());
    assert_eq!(resumed.status, 0, "{}", resumed.stderr);
    assert_eq!(rows(&std::fs::read_to_string(&reports[1]).unwrap()).len(), 7_000);
}

#[test]
fn one_refused_connection_does_not_end_the_run() {
    // The server closes its port after one connection.
    let fake = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", fake.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let (mut stream, _) = fake.accept().unwrap();
        drop(fake);
        let mut request = [0; 4096];
        let mut answered = 0;
        while let Ok(length @ 1..) = stream.read(&mut request) {
            let text = String::from_utf8_lossy(&request[..length]).into_owned();
            let login = text.split(['/', ' ']).nth(3).unwrap();
            let body = format!(r#"{{"login":"{login}","id":1,"type":"User","public_repos":1}}"#);
            std::thread::sleep(Duration::from_millis(50));
            use std::io::Write;
            write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()).unwrap();
            answered += 1;
        }
        answered
    });
    let run =
        Program::new(&["a", "b", "c", "--api-url", &url, "-j", "1", "--retries", "0", "-F", "ndjson"]).run();
    assert_eq!(run.status, 0, "{}", run.stderr);
    assert_eq!(server.join().unwrap(), 3);
}

#[cfg(unix)]
#[test]
fn a_wait_can_be_interrupted() {
    let fake = Fake::with_faults(|_| Some(Fault::secondary(403, Some(200))));
    let child = Program::for_fake(&fake, &["torvalds", "-F", "ndjson"]).spawn();
    while fake.requests() == 0 {
        std::thread::sleep(Duration::from_millis(10));
    }
    std::thread::sleep(Duration::from_millis(100));
    interrupt(&child);
    let run = crate::program::wait_for_exit(child);
    assert_eq!(run.status, 130);
    assert_eq!(run.rows()[0]["error"], "no answer yet: interrupted");
}

#[test]
#[cfg(unix)]
fn ctrl_c_does_not_wait_for_a_baseline_that_never_comes() {
    let fake = Fake::well_behaved();
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("then.ndjson");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let child = Program::for_fake(&fake, &["a", "--baseline", pipe.to_str().unwrap()]).spawn();
    std::thread::sleep(Duration::from_millis(500));
    let id = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    assert_eq!(wait_for_exit(child).status, 130);
}
