//! Advice about tokens: it names the variable of the server, and access that the kind of token can have.

use crate::fake::{Behavior, Fake, Fault};
use crate::program::{Program, Run};

const TOKEN: &str = "SAMPLEsampleSAMPLEsample";

/// A run inside Actions, whose job `fake` runs as an Enterprise Server.
fn as_job_of(fake: &Fake, arguments: &[&str]) -> Program {
    Program::new(arguments).env("GITHUB_ACTIONS", "true").env("GITHUB_SERVER_URL", &fake.url())
}

/// A server that forbids listing members.
fn refusing(message: &'static str, sso: Option<&'static str>) -> Fake {
    Fake::with_faults(move |context| {
        let headers = sso.map(|url| ("x-github-sso", format!("required; url={url}")));
        let body = serde_json::json!({ "message": message }).to_string();
        let is_list = context.request.path().ends_with("/members");
        is_list.then(|| Fault::Response(403, headers.into_iter().collect(), body))
    })
}

#[test]
fn scope_advice_fits_the_kind_of_token() {
    const ACTIONS: &str = "an Actions token cannot read organization members: set GH_ENTERPRISE_TOKEN to a personal \
                           access token, or use --app-id";
    let fake = refusing("Resource not accessible by integration.", None);
    let list = ["--members", "acme"];
    let advice_for = |program: Program, variable: &str, prefix: &str| -> Run {
        program.env(variable, &format!("{prefix}{TOKEN}")).run()
    };
    let plain = |prefix| advice_for(Program::for_fake(&fake, &list), "GH_TOKEN", prefix);
    let job = |prefix| advice_for(as_job_of(&fake, &list), "GITHUB_TOKEN", prefix);
    for (run, advice) in [
        (plain("ghp_"), "the token needs the scope read:org"),
        (plain("github_pat_"), "the token needs the organization permission Members: read"),
        (plain("gho_"), "run gh auth refresh --scopes read:org"),
        (plain("ghu_"), "the app needs the organization permission Members: read"),
        (
            plain("ghs_"),
            "the app needs the organization permission Members: read, which an Actions token cannot have",
        ),
        (plain(""), "the token needs read:org (classic) or Members: read (fine-grained)"),
        (job("ghs_"), ACTIONS),
        (job("ghs_12345_eyJ.eyJ."), ACTIONS),
        (job(""), ACTIONS),
        (job("ghp_"), "the token needs the scope read:org"),
        (job("github_pat_"), "the token needs the organization permission Members: read"),
    ] {
        let refused = "access forbidden: Resource not accessible by integration";
        let line = format!("ghrepos: cannot list the members of acme: {refused}; {advice}\n");
        assert_eq!((run.status, run.stderr.as_str()), (2, line.as_str()));
    }
}

#[test]
fn a_missing_sso_authorization_gets_no_scope_advice() {
    const URL: &str = "https://github.com/orgs/acme/sso?authorization_request=SAMPLE";
    const MESSAGE: &str = "Resource protected by organization SAML enforcement.";
    for (fake, way_out) in [
        (refusing(MESSAGE, Some(URL)), format!(" (authorize the token for SSO at {URL})")),
        (refusing(MESSAGE, None), String::new()),
    ] {
        for prefix in ["ghp_", "github_pat_", "gho_", "ghs_", ""] {
            let run = Program::for_fake(&fake, &["--members", "acme"])
                .env("GH_TOKEN", &format!("{prefix}{TOKEN}"))
                .run();
            let line =
                format!("ghrepos: cannot list the members of acme: access forbidden: {MESSAGE}{way_out}\n");
            assert_eq!(run.stderr, line);
        }
    }
}

#[test]
fn a_refused_token_gets_advice_that_its_source_allows() {
    let fake = Fake::start(Behavior { token: Some("right".into()), ..Behavior::default() });
    let refused = |program: Program, variable: &str, token: &str| program.env(variable, token).run().stderr;
    for (message, variable, way_out) in [
        (
            refused(as_job_of(&fake, &["a"]), "GITHUB_TOKEN", "ghs_wrong"),
            "GITHUB_TOKEN",
            "Check that GITHUB_TOKEN is ${{ github.token }} of this job and that the job is still running",
        ),
        (
            refused(as_job_of(&fake, &["a"]), "GITHUB_TOKEN", "ghp_wrong"),
            "GITHUB_TOKEN",
            "Create a new token, or unset GITHUB_TOKEN to run without one",
        ),
        (
            refused(as_job_of(&fake, &["a"]), "GH_ENTERPRISE_TOKEN", "ghp_wrong"),
            "GH_ENTERPRISE_TOKEN",
            "Create a new token, or unset GH_ENTERPRISE_TOKEN to run without one",
        ),
        (
            refused(Program::for_fake(&fake, &["a"]), "GITHUB_TOKEN", "ghs_wrong"),
            "GITHUB_TOKEN",
            "Create a new token, or unset GITHUB_TOKEN to run without one",
        ),
    ] {
        let line = format!("ghrepos: GitHub refused the token from {variable}: Bad credentials. {way_out}\n");
        assert_eq!(message, line);
    }
}

#[test]
fn a_missing_token_error_names_the_servers_variable() {
    let fake = Fake::start(Behavior { private: true, ..Behavior::default() });
    let (url, server) = (fake.url(), format!("{}/api/v3", fake.url()));
    for (program, api, way_out) in [
        (Program::new(&["a", "--api-url", &url]), &url, "set GH_TOKEN"),
        (Program::new(&["a", "--api-url", &server]), &server, "set GH_ENTERPRISE_TOKEN"),
        (as_job_of(&fake, &["a"]), &server, "set GITHUB_TOKEN to ${{ github.token }}"),
        (
            Program::new(&["a", "--api-url", &server])
                .env("GITHUB_ACTIONS", "true")
                .env("GITHUB_TOKEN", TOKEN),
            &server,
            "set GH_ENTERPRISE_TOKEN (GITHUB_TOKEN belongs to github.com)",
        ),
    ] {
        let run = program.run();
        let line = format!("ghrepos: {api} requires a token: Requires authentication; {way_out}");
        assert!(run.status == 4 && run.stderr.starts_with(&line), "{}", run.stderr);
    }
    let run = Program::for_fake(&Fake::well_behaved(), &["a", "-v"])
        .env("GITHUB_ACTIONS", "true")
        .env("GITHUB_TOKEN", TOKEN)
        .run();
    assert!(
        run.stderr.contains("not authenticated reason=\"GITHUB_TOKEN belongs to github.com"),
        "{}",
        run.stderr
    );
    for (arguments, way_out) in [
        (&["a", "--private"][..], "set GH_TOKEN or run gh auth login"),
        (
            &["a", "--private", "--host", "git.example.com"],
            "set GH_ENTERPRISE_TOKEN or run gh auth login --hostname git.example.com",
        ),
    ] {
        let run = Program::new(arguments).run();
        assert_eq!(run.stderr, format!("ghrepos: --private requires a token: {way_out}\n"));
        assert_eq!(run.status, 4);
    }
}

#[test]
fn a_jobs_token_lists_public_members_with_a_note() {
    let fake = Fake::well_behaved();
    let arguments = ["--members", "strangers-9", "-F", "ndjson"];
    let run = as_job_of(&fake, &arguments).env("GITHUB_TOKEN", "ghs_sample").run();
    let message = "strangers-9: 9 members (public ones only: an Actions token cannot see the others)\n";
    assert!(run.stderr.contains(message), "{}", run.stderr);
}
