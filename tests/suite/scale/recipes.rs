//! The recipes of docs/scale.md as the page has them: only `/data` is replaced.

#![cfg(unix)]

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::assert_counts;
use crate::fake::{Behavior, Fake, Fault, account};
use crate::program::{PATHS, Run, in_threads, installed, is_available, size_in_ci, wait_for_exit};
use crate::terminal::quoted;
use crate::workbooks::PYTHON;

fn page() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/scale.md")).unwrap()
}

/// The only block of the page in a language that contains a text.
fn block(language: &str, with: &str) -> String {
    let page = page();
    let start = format!("```{language}\n");
    let blocks = page.split(&start).skip(1).map(|rest| rest.split("```").next().unwrap());
    let mut found = blocks.filter(|block| block.contains(with));
    let block = found.next().unwrap_or_else(|| panic!("no block with {with}")).to_owned();
    assert_eq!(found.next(), None, "{with}");
    block
}

/// Returns true if the Python of the tests has a module.
fn has_module(name: &str) -> bool {
    let import = Command::new(PYTHON).args(["-c", &format!("import {name}")]).output();
    is_available(&format!("Python's {name}"), import.is_ok_and(|output| output.status.success()))
}

/// A folder with a list, in which `ghrepos` is the program with a fake GitHub, and small batches: many requests for a short list.
struct Site {
    folder: tempfile::TempDir,
    fake: Fake,
}

impl Site {
    fn new(list: &[String], behavior: Behavior) -> Self {
        let site = Self { folder: tempfile::tempdir().unwrap(), fake: Fake::start(behavior) };
        fs::create_dir(site.at("bin")).unwrap();
        fs::write(site.at("everyone.txt"), list.join("\n") + "\n").unwrap();
        let program = quoted(env!("CARGO_BIN_EXE_ghrepos"));
        let url = quoted(&site.fake.url());
        site.write_program(
            "ghrepos",
            &format!(
                "echo \"$GH_TOKEN\" >> \"${{0%/*}}/tokens\"\ncase \"$*\" in\n*--from*) exec {program} \"$@\" ;;\n\
                 *) exec {program} --api-url {url} --batch 5 --jobs 2 \"$@\" ;;\nesac\n"
            ),
        );
        site
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.at(name)).unwrap()
    }

    fn write_program(&self, name: &str, script: &str) {
        use std::os::unix::fs::PermissionsExt;
        let file = self.at("bin").join(name);
        fs::write(&file, format!("#!/bin/sh\n{script}")).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// A program in this folder that finds `ghrepos`, in a process group of its own.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("PATH", format!("{}:{PATHS}", self.at("bin").display()));
        command.env("LANG", "C.UTF-8").env("HOME", self.folder.path()).env("GH_TOKEN", "sample-token");
        command.current_dir(self.folder.path()).process_group(0);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs a shell script.
    fn run(&self, shell: &[&str], script: &str) -> Run {
        wait_for_exit(self.command(shell[0]).args(&shell[1..]).args(["-c", script]).spawn().unwrap())
    }

    /// Runs a query of DuckDB in this folder. Each row is a line of JSON.
    fn query(&self, sql: &str) -> String {
        let query = crate::program::file(sql);
        let mut python = self.command(PYTHON);
        python.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/readers/query.py"));
        let run = wait_for_exit(python.stdin(fs::File::open(query.path()).unwrap()).spawn().unwrap());
        assert_eq!(run.status, 0, "{}", run.stderr);
        run.stdout
    }

    /// The commands of the page that join eight parts.
    fn join(&self) -> Run {
        self.run(&["sh"], &block("sh", "--from"))
    }
}

/// A list with logins that do not exist, and texts that are not logins.
fn mixed(number: usize) -> Vec<String> {
    let login = |at: usize| match at % 40 {
        7 => format!("missing-{at}"),
        13 => format!("no login {at}"),
        _ => format!("user-{at}"),
    };
    (1..=number).map(login).collect()
}

/// Kills a process group, as the end of a container does.
fn kill_group(child: &mut Child) {
    let group = format!("-{}", child.id());
    let _ = Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status();
    child.wait().unwrap();
}

/// The command of the Kubernetes job: the lines of a plain scalar are joined by blanks.
fn job_command() -> String {
    let manifest = block("yaml", "kind: Job");
    let lines = manifest.lines().skip_while(|line| line.trim() != "args:").skip(1);
    let lines = lines.take_while(|line| !line.trim_start().starts_with("envFrom:")).map(str::trim);
    lines.collect::<Vec<_>>().join(" ").trim_start_matches("- ").to_owned()
}

/// Eight pods that are killed at random moments, and started again until they succeed, as `restartPolicy: OnFailure` does.
#[test]
fn the_kubernetes_job_survives_its_kills_and_the_parts_join() {
    let list = mixed(size_in_ci(4000, 1600));
    let site = Site::new(
        &list,
        Behavior {
            latency: Duration::from_millis(20),
            fault: Box::new(|context| (context.number % 29 == 0).then_some(Fault::Html(502))),
            ..Behavior::default()
        },
    );
    let command = job_command();
    assert!(command.contains("--resume") && command.matches("/data/").count() == 2, "{command}");
    let command = command.replace("/data", site.folder.path().to_str().unwrap());
    let seed = fastrand::u64(..);
    let pods = in_threads(8, (0..8_u64).collect(), |index| -> [usize; 3] {
        let mut random = fastrand::Rng::with_seed(seed.wrapping_add(index));
        let partial = site.at(&format!("part-{}.ndjson.partial", index + 1));
        let rows_on_disk =
            || fs::read(&partial).unwrap_or_default().iter().filter(|byte| **byte == b'\n').count();
        let (mut kills, mut restarts, mut kept) = (0, 0, 0);
        loop {
            assert!(restarts < 30, "seed {seed}: pod {index} never succeeds");
            let mut pod = site.command("sh");
            let mut pod =
                pod.args(["-c", &command]).env("JOB_COMPLETION_INDEX", index.to_string()).spawn().unwrap();
            if kills < 4 {
                // Some are killed before their first row.
                let moment = rows_on_disk() + random.usize(0..list.len() / 40);
                std::thread::sleep(Duration::from_millis(random.u64(0..50)));
                while rows_on_disk() < moment && pod.try_wait().unwrap().is_none() {
                    std::thread::sleep(Duration::from_millis(5));
                }
                if pod.try_wait().unwrap().is_none() {
                    kill_group(&mut pod);
                    (kills, restarts, kept) = (kills + 1, restarts + 1, kept + rows_on_disk());
                    continue;
                }
            }
            if wait_for_exit(pod).status == 0 {
                break;
            }
            restarts += 1;
        }
        [kills, restarts, kept]
    });
    let [kills, restarts, kept] = [0, 1, 2].map(|at| pods.iter().map(|pod| pod[at]).sum::<usize>());
    assert!(kills >= 16 && kept > 100, "seed {seed}: {kills} kills, {kept} rows on disk");
    // Kubernetes would give up later.
    let limit = block("yaml", "kind: Job").split_once("backoffLimit: ").unwrap().1.to_owned();
    let limit: usize = limit.split_whitespace().next().unwrap().parse().unwrap();
    assert!(restarts <= limit, "seed {seed}: {restarts} restarts");
    let run = site.join();
    assert_eq!(run.status, 1, "seed {seed}: {}", run.stderr);
    assert_counts(&site.read("everyone.csv"), &list);
    for part in 1..=8 {
        assert!(!site.at(&format!("part-{part}.ndjson.partial")).exists());
    }
}

#[test]
fn the_kubernetes_job_is_valid_by_the_published_schema() {
    if !has_module("kubernetes_validate") {
        return;
    }
    let check = |manifest: &str| {
        let script = format!("{}/tests/readers/manifest.py", env!("CARGO_MANIFEST_DIR"));
        let mut python = Command::new(PYTHON);
        python.arg(script).stdin(Stdio::from(fs::File::open(crate::program::file(manifest).path()).unwrap()));
        let output = python.output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() { Ok(String::from_utf8(output.stdout).unwrap()) } else { Err(error) }
    };
    let manifest = block("yaml", "kind: Job");
    // The validator prints the arguments of the container: they are what the test above runs.
    assert_eq!(check(&manifest), Ok(format!("{}\n", job_command())));
    for (right, wrong) in [
        ("completionMode: Indexed", "completionMod: Indexed"),
        ("completions: 8", "completions: eight"),
        ("claimName: ghrepos", "name: ghrepos"),
    ] {
        assert!(manifest.contains(right), "{right}");
        assert!(check(&manifest.replace(right, wrong)).is_err(), "{wrong}");
    }
}

/// The commands of the workflow, except the one that installs the program.
#[test]
fn the_ci_matrix_counts_the_parts_and_joins_them() {
    let list = mixed(200);
    let site = Site::new(&list, Behavior::default());
    let workflow = block("yaml", "runs-on");
    let commands: Vec<_> = workflow.lines().filter_map(|line| line.trim().strip_prefix("- run: ")).collect();
    let [install, count, install_again, join] = commands.as_slice() else { panic!("{commands:?}") };
    assert_eq!((*install, *install_again), ("pipx install ghrepos", "pipx install ghrepos"));
    // The shell of a step of GitHub Actions.
    let shell = ["bash", "-e"];
    for part in 1..=4 {
        let early = site.run(&shell, join);
        let line = format!("part {part} of 4 is missing: none of its ");
        assert!(early.status == 1 && (part == 1 || early.stderr.contains(&line)), "{}", early.stderr);
        let run = site.run(&shell, &format!("export PART={part}\n{count}"));
        assert_eq!(run.status, 0, "{}", run.stderr);
    }
    let run = site.run(&shell, join);
    assert_eq!(run.status, 0, "{}", run.stderr);
    assert_counts(&site.read("everyone.csv"), &list);
}

#[test]
fn gnu_parallel_retries_a_part_with_the_token_of_its_slot() {
    if !installed(&["parallel"]) {
        return;
    }
    let list = mixed(200);
    let site = Site::new(&list, Behavior::default());
    fs::write(site.at("tokens.txt"), "token-1\ntoken-2\n").unwrap();
    // The first attempt of a part is killed.
    let program = site.read("bin/ghrepos");
    let killed =
        "case \"$*\" in\n*--shard*) mkdir \"${0%/*}/${4%/*}\" 2> /dev/null && kill -KILL $$ ;;\nesac\n";
    site.write_program(
        "ghrepos",
        &program.replace("#!/bin/sh\n", "").replacen("case", &format!("{killed}case"), 1),
    );
    let run = site.run(&["sh"], &block("sh", "| parallel"));
    assert_eq!(run.status, 0, "{}", run.stderr);
    let tokens = site.read("bin/tokens");
    assert!(
        tokens.lines().count() == 16 && tokens.contains("token-1\n") && tokens.contains("token-2\n"),
        "{tokens}"
    );
    let run = site.join();
    assert_eq!(run.status, 1, "{}", run.stderr);
    assert_counts(&site.read("everyone.csv"), &list);
}

/// Spark as `.ci/run` unpacks it.
const SPARK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/spark/pyspark-4.3.0");

#[test]
fn the_spark_recipe_counts_every_login_once() {
    let is_unpacked = is_available("Spark", Path::new(SPARK).exists());
    if !is_unpacked || !installed(&["java"]) || !has_module("py4j") || !has_module("duckdb") {
        return;
    }
    let list = mixed(200);
    let site =
        Site::new(&[&list[..], &["USER-1".to_owned(), "user-2".to_owned()]].concat(), Behavior::default());
    // The command without the part for its status 1.
    let recipe = block("python", "pyspark")
        + "\nbare = logins.pipe('ghrepos - --allow-empty -F ndjson -q', env, checkCode=True)\n\
           try:\n    bare.collect()\n\
           except Exception as error:\n    print('PIPE_FUNCTION_EXITED' in str(error))\n";
    fs::write(site.at("recipe.py"), recipe).unwrap();
    let mut python = site.command(PYTHON);
    python.arg("recipe.py").env("PYSPARK_PYTHON", PYTHON).env("PYTHONPATH", SPARK);
    python.env("SPARK_HOME", format!("{SPARK}/deps")).env("SPARK_LOCAL_IP", "127.0.0.1");
    // Less work for the compiler of a short run.
    python.env("JAVA_TOOL_OPTIONS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC");
    let output = python.output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && output.stdout.ends_with(b"True\n"), "{error}");
    let sql =
        "COPY (FROM 'everyone.parquet/*.parquet') TO 'everyone.csv'; SELECT count(*) FROM 'everyone.csv'";
    assert_eq!(site.query(sql), "[200]\n");
    assert_counts(&site.read("everyone.csv"), &list);
}

/// The types of the query do not depend on the first rows.
#[test]
fn the_duckdb_query_sums_counts_after_thousands_of_failures() {
    if !has_module("duckdb") {
        return;
    }
    let list = ["user-1", "user-2", "user-3"].map(str::to_owned);
    let fault = Box::new(|context: &crate::fake::FaultContext<'_>| {
        (context.login == "user-3").then_some(Fault::Html(502))
    });
    let site = Site::new(&list, Behavior { fault, ..Behavior::default() });
    let run = site.run(&["sh"], "ghrepos -f everyone.txt --api rest --retries 0 -F ndjson -q");
    let (failed, counted): (Vec<_>, Vec<_>) = run.stdout.lines().partition(|line| line.contains("failed"));
    assert_eq!((failed.len(), counted.len()), (1, 2), "{}", run.stdout);
    let failures = format!("{}\n", failed[0]).repeat(30_000);
    fs::write(site.at("part-1.ndjson"), failures + &counted.join("\n") + "\n").unwrap();
    let printed = site.query(&block("sql", "read_json"));
    let sum = ["user-1", "user-2"].map(|login| account(login).unwrap().public_repos).iter().sum::<u64>();
    let expected = format!("[\"failed\", 30000, null]\n[\"ok\", 2, {sum}]\n");
    assert_eq!(printed, expected);
}
