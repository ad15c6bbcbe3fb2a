//! The action: the program that it downloads, the server and the token that it passes to the program, and the baseline that it
//! keeps. Its scripts run as in GitHub Actions.

#![cfg(unix)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::json;

use crate::fake::{AliasFault, Behavior, Fake};
use crate::program::installed;

/// Returns the action, or the workflow that uses it.
fn yaml(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// Returns the script of a step of the action.
fn script(step: &str) -> String {
    let action = yaml("action.yml");
    let script = action.split(&format!("      id: {step}\n")).nth(1).unwrap();
    let script = script.split("      run: |\n").nth(1).unwrap();
    let script = script.lines().take_while(|line| line.starts_with("        "));
    let script: Vec<_> = script.map(|line| &line[8..]).collect();
    script.join("\n")
}

/// Returns a shell that runs a step as GitHub Actions does.
fn shell(step: &str, folder: &Path, path: &str) -> Command {
    let mut shell = Command::new("bash");
    shell.args(["--noprofile", "--norc", "-eo", "pipefail", "-c", &script(step)]);
    shell.current_dir(folder).env_clear().env("PATH", path).env("FOLDER", "audit").env("LANG", "C.UTF-8");
    shell
}

fn write_program(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// A release on disk, and the runner of a job that installs it.
struct Release(tempfile::TempDir);

/// Returns a field of the manifest.
fn manifest_field(name: &str) -> String {
    let manifest = yaml("Cargo.toml");
    let value = manifest.lines().find_map(|line| line.strip_prefix(&format!("{name} = \"")));
    value.unwrap().trim_end_matches('"').to_owned()
}

impl Release {
    /// Packs a sample program as the release workflow does.
    fn of(target: &str) -> Self {
        let release = Self(tempfile::tempdir().unwrap());
        let program = "#!/bin/sh\necho released > program\ntouch audit/now.ndjson\n";
        write_program(&release.at("sample"), program);
        for folder in ["action", "assets", "temp"] {
            fs::create_dir(release.at(folder)).unwrap();
        }
        for asset in ["1.gz", "bash", "zsh", "fish"] {
            fs::write(release.at(&format!("assets/ghrepos.{asset}")), "sample").unwrap();
        }
        let archive = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join(".ci/archive"))
            .args([
                release.at("sample").as_path(),
                Path::new(target),
                &release.at("assets"),
                &release.files(),
            ])
            .output()
            .unwrap();
        assert!(archive.status.success(), "{archive:?}");
        release.sum();
        // The manifest of the action, with the folder as the repository.
        let repository = format!("file://{}", release.0.path().display());
        let manifest = yaml("Cargo.toml").replace(&manifest_field("repository"), &repository);
        fs::write(release.at("action/Cargo.toml"), manifest).unwrap();
        release
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn files(&self) -> PathBuf {
        self.at(&format!("releases/download/v{}", manifest_field("version")))
    }

    /// Writes the checksums of all files.
    fn sum(&self) {
        let sum = Command::new("sh")
            .args(["-c", "sha256sum ghrepos-* gh-repos-count_* > SHA256SUMS"])
            .current_dir(self.files())
            .status();
        assert!(sum.unwrap().success());
    }

    /// Runs the step that installs the program, on a runner of this kind.
    fn install(&self, os: &str, cpu: &str, path: &str) -> Output {
        shell("install", self.0.path(), path)
            .env("RUNNER_OS", os)
            .env("RUNNER_ARCH", cpu)
            .env("RUNNER_TEMP", self.at("temp"))
            .env("GITHUB_ACTION_PATH", self.at("action"))
            .env("GITHUB_OUTPUT", self.at("output"))
            .output()
            .unwrap()
    }

    /// Returns the folder of the installed program, which is the output of the step.
    fn installed(&self) -> Option<String> {
        let output = fs::read_to_string(self.at("output")).ok()?;
        Some(output.strip_prefix("folder=")?.trim_end().to_owned())
    }
}

const SYSTEM_PATH: &str = "/usr/bin:/bin";

#[test]
fn the_action_runs_the_binary_of_its_own_release() {
    if !installed(&["bash", "curl"]) {
        return;
    }
    for (os, cpu, target, name) in [
        ("Linux", "X64", "x86_64-unknown-linux-gnu", "ghrepos"),
        ("Linux", "ARM64", "aarch64-unknown-linux-gnu", "ghrepos"),
        ("macOS", "ARM64", "aarch64-apple-darwin", "ghrepos"),
        ("macOS", "X64", "x86_64-apple-darwin", "ghrepos"),
        ("Windows", "X64", "x86_64-pc-windows-msvc", "ghrepos.exe"),
        ("Windows", "ARM64", "x86_64-pc-windows-msvc", "ghrepos.exe"),
    ] {
        let release = Release::of(target);
        let run = release.install(os, cpu, SYSTEM_PATH);
        assert!(run.status.success(), "{run:?}");
        let folder = release.installed().unwrap();
        assert!(Path::new(&folder).join(name).is_file(), "{folder}");
        if name == "ghrepos" {
            let audit = shell("audit", release.0.path(), SYSTEM_PATH)
                .env("PROGRAM", &folder)
                .env("ARGUMENTS", "torvalds\n")
                .env("GITHUB_OUTPUT", release.at("status"))
                .env("GITHUB_STEP_SUMMARY", release.at("summary.md"))
                .output()
                .unwrap();
            assert!(audit.status.success(), "{audit:?}");
            assert_eq!(fs::read_to_string(release.at("program")).unwrap(), "released\n");
        }
    }
}

#[test]
fn executables_of_a_release_have_the_names_that_gh_expects() {
    if !installed(&["bash"]) {
        return;
    }
    for (target, platform) in [
        ("x86_64-unknown-linux-gnu", "linux-amd64"),
        ("aarch64-unknown-linux-gnu", "linux-arm64"),
        ("aarch64-apple-darwin", "darwin-arm64"),
        ("x86_64-apple-darwin", "darwin-amd64"),
        ("x86_64-pc-windows-msvc", "windows-amd64.exe"),
    ] {
        let release = Release::of(target);
        // gh takes the first file whose name ends so.
        let names: Vec<_> = fs::read_dir(release.files())
            .unwrap()
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.ends_with(platform))
            .collect();
        assert_eq!(names, [format!("gh-repos-count_v{}_{platform}", manifest_field("version"))]);
    }
}

#[test]
fn the_action_runs_no_binary_without_its_checksum() {
    if !installed(&["bash", "curl"]) {
        return;
    }
    const TARGET: &str = "x86_64-unknown-linux-gnu";
    let version = manifest_field("version");
    let archive = format!("ghrepos-v{version}-{TARGET}.tar.gz");
    let refusal = |release: &Release, cpu: &str| -> String {
        let run = release.install("Linux", cpu, SYSTEM_PATH);
        assert_eq!((run.status.code(), release.installed()), (Some(1), None), "{run:?}");
        let output = String::from_utf8(run.stdout).unwrap();
        output.lines().find_map(|line| line.strip_prefix("::error::")).unwrap().to_owned()
    };

    let damaged = Release::of(TARGET);
    let mut bytes = fs::read(damaged.files().join(&archive)).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(damaged.files().join(&archive), bytes).unwrap();
    let reason = "does not have the checksum in SHA256SUMS: it is not used";
    assert_eq!(refusal(&damaged, "X64"), format!("{archive} of the release v{version} {reason}"));

    let unlisted = Release::of(TARGET);
    fs::write(unlisted.files().join("SHA256SUMS"), "").unwrap();
    let reason = format!("SHA256SUMS of the release v{version} does not have {archive}");
    assert_eq!(refusal(&unlisted, "X64"), reason);

    let unsummed = Release::of(TARGET);
    fs::remove_file(unsummed.files().join("SHA256SUMS")).unwrap();
    let reason = refusal(&unsummed, "X64");
    assert!(
        reason.starts_with("cannot download ") && reason.contains("/SHA256SUMS: use a released"),
        "{reason}"
    );

    let other = Release::of("aarch64-apple-darwin");
    let reason = refusal(&other, "X64");
    assert!(reason.contains(&format!("/{archive}: use a released version of the action")), "{reason}");
    let reason = "no binary is released for Linux on X86: install ghrepos in an earlier step";
    assert_eq!(refusal(&other, "X86"), reason);
}

#[test]
fn the_action_prefers_a_program_that_is_installed() {
    if !installed(&["bash"]) {
        return;
    }
    let release = Release::of("x86_64-unknown-linux-gnu");
    fs::create_dir(release.at("bin")).unwrap();
    write_program(&release.at("bin/ghrepos"), "#!/bin/sh\n");
    let path = format!("{}:{SYSTEM_PATH}", release.at("bin").display());
    let run = release.install("Linux", "X64", &path);
    assert!(run.status.success(), "{run:?}");
    assert_eq!(release.installed(), None);
}

/// Arguments and variables that the program received: its `--host`, and every token variable.
#[derive(Debug, PartialEq, Eq)]
struct Given {
    host: Option<String>,
    tokens: Vec<String>,
    log: String,
}

fn given(server: &str, host: &str, token: &str) -> Given {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let script = format!(
        "#!/bin/sh\nprintf '%s\\n' \"$@\" > {}\nenv > {}\ntouch audit/now.ndjson\n",
        at("arguments").display(),
        at("env").display()
    );
    write_program(&at("ghrepos"), &script);
    // Variables of the job must not override the inputs.
    let of_job = ["GH_TOKEN", "GITHUB_TOKEN", "GH_ENTERPRISE_TOKEN", "GITHUB_ENTERPRISE_TOKEN", "GH_HOST"];
    let path = format!("{}:/usr/bin:/bin", folder.path().display());
    let run = shell("audit", folder.path(), &path)
        .envs(of_job.map(|variable| (variable, "of_the_whole_job")))
        .env("ARGUMENTS", "torvalds\n")
        .env("GITHUB_OUTPUT", at("output"))
        .env("GITHUB_SERVER_URL", server)
        .env("GITHUB_STEP_SUMMARY", at("summary.md"))
        .env("HOST", host)
        .env("JOB_TOKEN", "ghs_job")
        .env("RULES", "new>0")
        .env("TOKEN", token)
        .output()
        .unwrap();
    assert!(run.status.success(), "{run:?}");
    let lines =
        |name: &str| fs::read_to_string(at(name)).unwrap().lines().map(str::to_owned).collect::<Vec<_>>();
    let is_token =
        |line: &String| line.contains("TOKEN=") || line.contains("ghs_job") || line.contains("whole_job");
    let mut tokens = lines("env");
    tokens.retain(is_token);
    let host = lines("arguments").iter().find_map(|word| word.strip_prefix("--host=").map(str::to_owned));
    Given { host, tokens, log: fs::read_to_string(at("audit/log")).unwrap() }
}

#[test]
fn the_action_gives_a_token_to_its_server_alone() {
    if !installed(&["bash"]) {
        return;
    }
    let (github, server) = ("https://github.com", "https://git.example.com");
    for (url, host, token, expected_host, variable) in [
        // The server that runs the job, of any kind.
        (github, "", "ghs_job", None, Some("GITHUB_TOKEN")),
        (server, "", "ghs_job", None, Some("GITHUB_TOKEN")),
        (server, " ", "ghp_person", None, Some("GITHUB_TOKEN")),
        (github, "", "", None, None),
        // A named host: the variable of its kind.
        (github, "github.com", "ghp_person", Some("github.com"), Some("GH_TOKEN")),
        (github, "acme.ghe.com", "ghp_person", Some("acme.ghe.com"), Some("GH_TOKEN")),
        (github, "git.example.com", "ghp_person", Some("git.example.com"), Some("GH_ENTERPRISE_TOKEN")),
        (server, "https://GitHub.com/", "ghp_person", Some("github.com"), Some("GH_TOKEN")),
        (github, "notghe.com", "ghp_person", Some("notghe.com"), Some("GH_ENTERPRISE_TOKEN")),
        // The token of the job, only for its own server.
        (github, "https://GitHub.com/", "ghs_job", Some("github.com"), Some("GH_TOKEN")),
        (server, "git.example.com", "ghs_job", Some("git.example.com"), Some("GH_ENTERPRISE_TOKEN")),
        (github, "git.example.com", "ghs_job", Some("git.example.com"), None),
        (github, "acme.ghe.com", "ghs_job", Some("acme.ghe.com"), None),
        (server, "github.com", "ghs_job", Some("github.com"), None),
        ("", "git.example.com", "ghs_job", Some("git.example.com"), None),
    ] {
        let given = given(url, host, token);
        let tokens: Vec<_> = variable.iter().map(|variable| format!("{variable}={token}")).collect();
        assert_eq!(given.host.as_deref(), expected_host, "{url} {host} {token}");
        assert_eq!(given.tokens, tokens, "{url} {host} {token}");
        let withheld = !token.is_empty() && variable.is_none();
        let line = format!("action: the job's token is not sent to {}: set the input token\n", host);
        assert_eq!(given.log, if withheld { line } else { String::new() }, "{url} {host} {token}");
    }
}

/// The artifacts of a repository, and the runner's working folder, which each run begins with empty.
struct Repository {
    folder: tempfile::TempDir,
    /// Number of the last run that has uploaded an artifact.
    uploaded: std::cell::Cell<u32>,
}

struct WeeklyRun {
    status: i32,
    output: String,
}

impl Repository {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("bin")).unwrap();
        // `gh api` answers with a list of artifacts, to which it applies the filter; `gh run download` copies one.
        let gh = format!(
            "#!/bin/sh\ncd {}\necho \"$GH_HOST $GH_TOKEN $1 $2\" >> gh.log\ncase $1 in\n\
             api) [ -f artifacts.json ] || exit 1; for filter; do :; done; jq -r \"$filter\" artifacts.json ;;\n\
             run) cp \"artifact-$3\"/* \"$9\"/ ;;\nesac\n",
            folder.path().display()
        );
        write_program(&folder.path().join("bin/gh"), &gh);
        let repository = Self { folder, uploaded: 0.into() };
        repository.publish(&[]);
        repository
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes the list of artifacts: run, branch, repository of the commit, expired.
    fn publish(&self, artifacts: &[(u32, &str, u32, bool)]) {
        let artifacts: Vec<_> = artifacts
            .iter()
            .map(|(run, branch, head, is_expired)| {
                json!({
                    "name": "audit", "expired": is_expired, "created_at": format!("2026-11-{run:02}T06:00:00Z"),
                    "workflow_run": {"id": run, "head_branch": branch, "repository_id": 1, "head_repository_id": head},
                })
            })
            .collect();
        fs::write(self.at("artifacts.json"), json!({"artifacts": artifacts}).to_string()).unwrap();
    }

    fn upload(&self, run: u32, text: Option<&str>) {
        let artifact = self.at(&format!("artifact-{run}"));
        fs::create_dir_all(&artifact).unwrap();
        match text {
            Some(text) => fs::write(artifact.join("last.ndjson"), text).unwrap(),
            None => {
                for file in fs::read_dir(self.at("work/audit")).unwrap() {
                    let file = file.unwrap();
                    fs::copy(file.path(), artifact.join(file.file_name())).unwrap();
                }
            }
        }
    }

    /// Runs the steps of the action for a list, on a new runner.
    fn week(&self, api_url: &str, team: &str) -> WeeklyRun {
        let work = self.at("work");
        let _ = fs::remove_dir_all(&work);
        fs::create_dir_all(&work).unwrap();
        fs::write(work.join("team.csv"), format!("login,team\n{team}")).unwrap();
        let program = Path::new(env!("CARGO_BIN_EXE_ghrepos")).parent().unwrap().display().to_string();
        let path = format!("{}:{program}:/usr/bin:/bin", self.at("bin").display());
        let baseline = shell("baseline", &work, &path)
            .env("ARTIFACT", "audit")
            .env("GH_TOKEN", "ghs_job")
            .env("GH_HOST", "git.elsewhere.com")
            .env("GITHUB_SERVER_URL", "https://git.example.com")
            .env("GITHUB_REPOSITORY", "acme/audits")
            .env("GITHUB_REF_NAME", "main")
            .output()
            .unwrap();
        let text = |output: &Output| {
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
        };
        if !baseline.status.success() {
            return WeeklyRun { status: -1, output: text(&baseline) };
        }
        let action = yaml("action.yml");
        let rules = action.split("    default: ").find(|rules| rules.starts_with("new>0")).unwrap();
        let audit = shell("audit", &work, &path)
            .env("TOKEN", "ghp_sample")
            .env("ARGUMENTS", format!("--file=team.csv\n--group-by=team\n--api-url={api_url}\n--retries=0\n"))
            .env("GITHUB_OUTPUT", self.at("output"))
            .env("RULES", rules.lines().next().unwrap())
            .env("GITHUB_STEP_SUMMARY", self.at("summary.md"))
            .output()
            .unwrap();
        let run = self.uploaded.get() + 1;
        self.uploaded.set(run);
        self.upload(run, None);
        self.publish(&[(run, "main", 1, false)]);
        WeeklyRun { status: audit.status.code().unwrap(), output: text(&audit) }
    }

    fn baseline(&self) -> String {
        fs::read_to_string(self.at("work/audit/last.ndjson")).unwrap_or_default()
    }
}

const WARNING: &str = "::warning::there is no earlier report";

#[test]
fn a_weekly_audit_keeps_its_baseline_and_fails_on_its_rules() {
    if !installed(&["bash", "jq"]) {
        return;
    }
    let repository = Repository::new();
    let fake = Fake::well_behaved();
    let first = repository.week(&fake.url(), "user-1,core\nuser-2,web\nmissing-1,web\n");
    assert_eq!(first.status, 0, "{}", first.output);
    assert!(first.output.starts_with(WARNING), "{}", first.output);
    let second = repository.week(&fake.url(), "user-1,core\nuser-2,web\nmissing-1,web\n");
    assert_eq!(second.status, 0, "{}", second.output);
    assert!(!second.output.contains(WARNING), "{}", second.output);

    // Weeks without GitHub, and with a broken list: the baseline of the second week stays.
    let known = repository.baseline();
    let outage = repository.week("http://127.0.0.1:1", "user-1,core\nuser-3,web\nmissing-1,web\n");
    assert_eq!(outage.status, 5, "{}", outage.output);
    assert_eq!(repository.baseline(), known);
    let broken = repository.week(&fake.url(), "user-1,core\nuser-3,web,extra\n\"open\n");
    assert_eq!(broken.status, 2, "{}", broken.output);
    assert_eq!(repository.baseline(), known);

    // A week in which an account is not accessible is complete. Later weeks still know it.
    let alias = |login: &str, _| (login == "user-2").then_some(AliasFault::Forbidden);
    let failing = Fake::start(Behavior { alias: Box::new(alias), ..Behavior::default() });
    let partly = repository.week(&failing.url(), "user-1,core\nuser-2,web\nmissing-1,web\n");
    assert_eq!(partly.status, 3, "{}", partly.output);
    assert!(partly.output.contains("--fail-on forbidden>0: 1 login: user-2"), "{}", partly.output);
    let changed = repository.week(&fake.url(), "user-1,core\nuser-3,web\nmissing-1,web\n");
    assert_eq!(changed.status, 3, "{}", changed.output);
    for line in ["--fail-on new>0: 1 login: user-3", "--fail-on removed>0: 1 login: user-2"] {
        assert!(changed.output.contains(line), "{}", changed.output);
    }
    assert!(fs::read_to_string(repository.at("output")).unwrap().ends_with("status=3\n"));
    let summary = fs::read_to_string(repository.at("summary.md")).unwrap();
    assert!(summary.contains("| web | 2 | 1 |"), "{summary}");
    assert!(fs::read_to_string(repository.at("work/audit/now.html")).unwrap().contains("By team"));
    let last = repository.week(&fake.url(), "user-1,core\nuser-3,web\nmissing-1,web\n");
    assert_eq!(last.status, 0, "{}", last.output);
}

#[test]
fn a_baseline_comes_from_this_branch_alone_or_the_run_fails() {
    if !installed(&["bash", "jq"]) {
        return;
    }
    let repository = Repository::new();
    let fake = Fake::well_behaved();
    for run in 1..=5 {
        repository.upload(
            run,
            Some(&format!("{{\"login\":\"user-{run}\",\"status\":\"ok\",\"public_repos\":1}}\n")),
        );
    }
    repository.uploaded.set(5);
    // The newest are of a fork, of another branch, and expired.
    repository.publish(&[
        (1, "main", 1, false),
        (2, "main", 1, false),
        (5, "main", 2, false),
        (4, "feature", 1, false),
        (3, "main", 1, true),
    ]);
    let run = repository.week(&fake.url(), "user-2,core\n");
    assert!(!run.output.contains("removed>0") && !run.output.contains(WARNING), "{}", run.output);
    let asked = fs::read_to_string(repository.at("gh.log")).unwrap();
    assert!(asked.lines().all(|line| line.starts_with("git.example.com ghs_job ")), "{asked}");
    // A list that cannot be read is not a first run, and uploads nothing.
    fs::remove_file(repository.at("artifacts.json")).unwrap();
    let run = repository.week(&fake.url(), "user-2,core\n");
    assert_eq!(run.status, -1, "{}", run.output);
    assert!(run.output.contains("::error::") && run.output.contains("actions: read"), "{}", run.output);
    let action = yaml("action.yml");
    assert!(action.contains("if: always() && steps.baseline.outcome == 'success'\n"));
    assert!(action.contains("retention-days: 90\n") && !action.contains("actions/cache"));
    assert!(yaml("fixtures/audit/weekly.yml").contains("  actions: read"));
}
