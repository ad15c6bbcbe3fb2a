//! CSV and TSV inputs, as spreadsheet programs write them.

use std::fs;
use std::path::PathBuf;

use crate::fake::Fake;
use crate::program::{Program, Run};

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    }
}

fn look_up(fake: &Fake, list: &std::path::Path, arguments: &[&str]) -> Run {
    let list = list.to_str().unwrap();
    Program::for_fake(fake, &[&["-f", list, "-F", "ndjson"], arguments].concat()).run()
}

fn logins(run: &Run) -> Vec<String> {
    run.rows().iter().map(|row| row["login"].as_str().unwrap().to_owned()).collect()
}

/// Two hundred rows, as a spreadsheet program with a German locale saves them.
fn staff(separator: &str) -> String {
    let mut text = format!("Name{separator}\"GitHub\"{separator}Team\r\n");
    for at in 1..=200 {
        let cell = match at % 4 {
            0 => format!("@user-{at}"),
            1 => format!("https://github.com/user-{at}"),
            2 => format!("\" user-{at} \""),
            _ => format!("USER-{at}"),
        };
        let name = format!("\"Sample{separator} Nr. {at}\r\nof \"\"the\"\" list\"");
        text += &format!("{name}{separator}{cell}{separator}team {}\r\n", at % 3);
    }
    text
}

#[test]
fn csv_is_read_as_spreadsheet_programs_write_it() {
    let fake = Fake::well_behaved();
    let folder = Folder::new();
    let utf16 = |text: &str, big: bool| {
        let units = std::iter::once(0xfeff).chain(text.encode_utf16());
        units
            .flat_map(|unit: u16| if big { unit.to_be_bytes() } else { unit.to_le_bytes() })
            .collect::<Vec<u8>>()
    };
    let expected: Vec<_> = (1..=200).map(|at| format!("user-{at}")).collect();
    for (name, bytes) in [
        ("bom.csv", [b"\xef\xbb\xbf", staff(";").as_bytes()].concat()),
        ("comma.CSV", staff(",").into_bytes()),
        ("tabs.tsv", staff("\t").into_bytes()),
        ("tabs.csv", staff("\t").into_bytes()),
        ("sep.csv", ["sep=;\r\n".as_bytes(), staff(";").as_bytes()].concat()),
        ("little.csv", utf16(&staff("\t"), false)),
        ("big.csv", utf16(&staff(";"), true)),
        ("unix.csv", staff(";").replace("\r\n", "\n").into_bytes()),
    ] {
        let run = look_up(&fake, &folder.write(name, &bytes), &[]);
        assert_eq!(run.status, 0, "{name}: {}", run.stderr);
        let logins: Vec<_> = logins(&run).iter().map(|login| login.to_ascii_lowercase()).collect();
        assert_eq!(logins, expected, "{name}");
    }
}

#[test]
fn the_login_column_is_recognized_or_named() {
    let fake = Fake::well_behaved();
    let folder = Folder::new();
    let list = folder.write("a.csv", b"user,GITHUB,Konto\nu1,g1,k1\n");
    assert_eq!(logins(&look_up(&fake, &list, &[])), ["g1"]);
    assert_eq!(logins(&look_up(&fake, &list, &["--login-column", "konto"])), ["k1"]);
    let one = folder.write("one.csv", b"login\nonly\n");
    assert_eq!(logins(&look_up(&fake, &one, &[])), ["only"]);
    let before = fake.requests();
    let none = folder.write("none.csv", b"Name;E-Mail\nx;y\n");
    let run = look_up(&fake, &none, &[]);
    assert_eq!(run.status, 2);
    let reason = "no column of logins (columns: 1 \"Name\", 2 \"E-Mail\"): name one with --login-column; if line 1 is not \
                  the header, use --no-header --login-column N or --header-row N";
    assert_eq!(run.stderr, format!("ghrepos: cannot read {}: {reason}\n", none.display()));
    let run = look_up(&fake, &list, &["--login-column", "Nick"]);
    assert!(
        run.stderr.contains(r#"column "Nick" not found (columns: 1 "user", 2 "GITHUB", 3 "Konto")"#),
        "{}",
        run.stderr
    );
    let run = look_up(&fake, &folder.write("empty.csv", b""), &[]);
    assert!(run.stderr.contains("the input has no logins; use --allow-empty"), "{}", run.stderr);
    let run = Program::for_fake(&fake, &["a", "--login-column", "x"]).run();
    assert_eq!(
        run.stderr,
        "ghrepos: --login-column requires a sheet as input: --file FILE, or - for standard input\n"
    );
    assert_eq!(fake.requests(), before, "no request before the header is valid");
}

#[test]
fn rows_without_a_login_are_counted_ragged_ones_named() {
    let fake = Fake::well_behaved();
    let folder = Folder::new();
    let text =
        b"name,login,team\n\"a\nb\",one,x\nb,,x\nc\nd,two,x,y,z\n,\"  \",\ne,not a login,x\nf,three,x\n";
    let list = folder.write("ragged.csv", text);
    let run = look_up(&fake, &list, &[]);
    assert_eq!(run.status, 1);
    assert_eq!(logins(&run), ["one", "two", "not a login", "three"]);
    let name = list.display();
    let lines: Vec<_> = run.stderr.lines().collect();
    assert_eq!(lines[0], format!("ghrepos: {name}: 3 rows without a login skipped: lines 4, 5, 7"));
    assert_eq!(
        lines[1],
        format!("ghrepos: warning: {name}: line 5 has 1 cell, line 6 has 5 cells; the header has 3")
    );
    let quiet = look_up(&fake, &list, &["-q"]);
    assert_eq!(quiet.stderr, "");
}

#[test]
fn line_numbers_agree_with_an_editor() {
    let fake = Fake::well_behaved();
    let folder = Folder::new();
    let text = "login,name,team\na1,x,core\na2,y\n\n\na3,\"multi\nline\",web\na4,z,web,extra\n";
    for (name, text, first, second) in [
        ("unix.csv", text.to_owned(), 3, 8),
        ("dos.csv", text.replace('\n', "\r\n"), 3, 8),
        ("mac.csv", text.replace('\n', "\r"), 3, 8),
        ("sep.csv", format!("sep=,\r\n{}", text.replace('\n', "\r\n")), 4, 9),
    ] {
        let run = look_up(&fake, &folder.write(name, text.as_bytes()), &[]);
        let told = format!("line {first} has 2 cells, line {second} has 4 cells; the header has 3");
        assert!(run.stderr.contains(&told), "{name}: {}", run.stderr);
    }
}

#[test]
fn csv_that_is_not_utf8_is_read_as_windows_1252() {
    let fake = Fake::well_behaved();
    let folder = Folder::new();
    let list = folder.write("west.csv", b"login,Abteilung,\xd6rt\na1,M\xfcller,x\na2,M\xf6ller,\x80\n");
    let run = look_up(&fake, &list, &["--carry", "abteilung,ört"]);
    let carried: Vec<_> = run.rows_of(2).iter().map(|row| row["carried"].to_string()).collect();
    assert_eq!(carried, [r#"{"abteilung":"Müller","ört":"x"}"#, r#"{"abteilung":"Möller","ört":"€"}"#]);
    assert!(
        run.stderr.contains("west.csv: 3 lines decoded as Windows-1252 (not valid UTF-8)"),
        "{}",
        run.stderr
    );
}

#[test]
fn an_unclosed_quote_is_an_error_that_names_its_line() {
    let fake = Fake::well_behaved();
    let folder = Folder::new();
    let list = folder.write("open.csv", b"login,note\none,x\ntwo,\"he said\nthree,x\nfour,x\n");
    let run = look_up(&fake, &list, &[]);
    assert_eq!((run.status, logins(&run)), (2, vec!["one".into(), "two".into()]), "{}", run.stderr);
    let reason = "the row that begins in line 3 opens a quote and never closes it";
    assert!(run.stderr.contains(&format!("cannot read {}: {reason}", list.display())), "{}", run.stderr);
    // An inch sign inside a cell or header does not open a quote.
    let inch =
        folder.write("inch.csv", b"size 5\";login;note\n1;one;5\" pipe\n2;two;\"two\r\nlines \"\"\"\n");
    let run = look_up(&fake, &inch, &[]);
    assert_eq!((run.status, logins(&run)), (0, vec!["one".into(), "two".into()]), "{}", run.stderr);
}

#[test]
fn carried_columns_reach_the_report_and_subtotals_add_up() {
    let fake = Fake::well_behaved();
    let folder = Folder::new();
    let sheet = [b"\xef\xbb\xbf", staff(";").replace("team 0", "").as_bytes()].concat();
    let list = folder.write("staff.csv", &sheet);
    let (csv, json) = (folder.0.path().join("out.csv"), folder.0.path().join("out.json"));
    let outputs = ["-o", csv.to_str().unwrap(), "-o", json.to_str().unwrap()];
    let run =
        look_up(&fake, &list, &[&["--carry", "name,team", "--group-by", "team"], &outputs[..]].concat());
    assert_eq!(run.status, 0, "{}", run.stderr);
    let (name, team) = (
        |at: usize| format!("Sample; Nr. {at}\r\nof \"the\" list"),
        |at: usize| (!at.is_multiple_of(3)).then(|| format!("team {}", at % 3)),
    );
    let rows = run.rows_of(200);
    let mut wanted = std::collections::BTreeMap::<_, [u64; 3]>::new();
    for (at, row) in (1..).zip(&rows) {
        assert_eq!(row["carried"], serde_json::json!({"name": name(at), "team": team(at)}));
        let subtotal = wanted.entry(team(at)).or_default();
        let repos = crate::fake::account(&format!("user-{at}")).unwrap().public_repos;
        *subtotal = [subtotal[0] + 1, subtotal[1] + 1, subtotal[2] + repos];
    }
    // The CSV report has the same values, read by the csv crate.
    let mut reader = csv::Reader::from_path(&csv).unwrap();
    let header: Vec<_> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    assert_eq!(header[..5], ["login", "name", "team", "status", "type"]);
    for (at, record) in (1..).zip(reader.records()) {
        let record = record.unwrap();
        assert_eq!((&record[1], &record[2]), (name(at).as_str(), team(at).unwrap_or_default().as_str()));
    }
    let json: serde_json::Value = serde_json::from_slice(&fs::read(json).unwrap()).unwrap();
    assert_eq!(json["rows"].as_array().unwrap().len(), 200);
    assert_eq!(json["summary"]["group_by"], "team");
    let groups = json["summary"]["groups"].as_array().unwrap();
    let subtotal_of = |group: &serde_json::Value| {
        let number = |key: &str| group[key].as_u64().unwrap();
        let name = group["group"].as_str().map(str::to_owned);
        (name, [number("logins"), number("counted"), number("public_repos")])
    };
    assert_eq!(groups.iter().map(subtotal_of).collect::<std::collections::BTreeMap<_, _>>(), wanted);
    assert_eq!(groups[2]["group"], serde_json::Value::Null, "the row without a group is last");
    let list = list.to_str().unwrap();
    let table = Program::for_fake(&fake, &["-f", list, "--group-by", "TEAM", "--top", "1"]).run().stdout;
    for subtotal in ["team 1 6,608 67 of 67 counted", "(no TEAM) 6,060 66 of 66 counted"] {
        let words = table.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains(subtotal), "{table}");
    }
}

#[test]
fn an_invalid_carry_column_is_refused_in_one_line() {
    let fake = Fake::well_behaved();
    let folder = Folder::new();
    let list = folder.write("a.csv", b"login,Team,note\na,core,=1+1\nb,\"\x1b[31mred\",\n");
    for (arguments, reason) in [
        (
            &["--carry", "site"][..],
            "column \"site\" not found (columns: 1 \"login\", 2 \"Team\", 3 \"note\")",
        ),
        (&["--group-by", "site"], "column \"site\" not found (columns: "),
        (&["--carry", "team,id"], "cannot carry column \"id\": the name is reserved; rename it in the input"),
        (&["--carry", ","], "cannot carry \",\": expected column names such as name,team\n"),
        (
            &["--carry", "Team,", "note"],
            "cannot carry \"Team,\": expected column names such as name,team; write no blank after the comma, or quote the list\n",
        ),
        (
            &["--columns", "login,", "Team"],
            "cannot show the columns \"login,\": expected column names such as login,public_repos; write no blank after the \
             comma, or quote the list\n",
        ),
        (&["--columns", "Team,public_repos"], "; to show a column of the input, add --carry Team\n"),
        (&["--columns", "First name"], "; to show a column of the input, add --carry \"First name\"\n"),
        (
            &["--columns", "carried"],
            "the columns are login, status, type, public_repos, error, id, api, at, attempts\n",
        ),
    ] {
        let run = look_up(&fake, &list, arguments);
        assert_eq!((run.status, run.stderr.lines().count()), (2, 1), "{}", run.stderr);
        assert!(run.stderr.contains(reason), "{}", run.stderr);
    }
    for flag in ["--carry", "--group-by"] {
        let run = Program::for_fake(&fake, &["a", flag, "team"]).run();
        let reason = format!(
            "ghrepos: {flag} requires a sheet as input: --file FILE, or - for standard input, or --sql\n"
        );
        assert_eq!((run.status, run.stderr), (2, reason));
    }
    assert_eq!(fake.requests(), 0);
    // A login from another input has empty carried columns. Formulas and control characters are escaped.
    let list = list.to_str().unwrap();
    let run = Program::for_fake(&fake, &["c", "-f", list, "--carry", "TEAM,note", "-F", "csv"]).run();
    let carried: Vec<_> =
        run.stdout.lines().map(|line| line.split(',').skip(1).take(2).collect::<Vec<_>>()).collect();
    assert_eq!(carried, [["TEAM", "note"], ["", ""], ["core", "'=1+1"], ["\\u{1b}[31mred", ""]]);
}

#[test]
fn csv_with_an_endless_row_is_not_read_into_memory() {
    let fake = Fake::well_behaved();
    let folder = Folder::new();
    let first_line = "it is not a list: its first line has more than 1 MiB";
    for (name, begin, reason) in [
        ("header.csv", "login,\"", first_line),
        ("header2.csv", "login", first_line),
        ("row.csv", "login\none\n\"", "it has a row of more than 4 MiB"),
    ] {
        let list = folder.write(name, &[begin.as_bytes(), &vec![b'x'; 9 << 20]].concat());
        let run = look_up(&fake, &list, &[]);
        assert_eq!(run.status, 2, "{}", run.stderr);
        assert!(run.stderr.contains(reason), "{name}: {}", run.stderr);
        assert!(run.stderr.len() < 500, "{name}: {}", run.stderr.len());
    }
    let many: String = (0..5000).map(|at| format!("column {at},")).collect();
    let run = look_up(&fake, &folder.write("many.csv", many.as_bytes()), &[]);
    assert!(run.stderr.contains("and 4988 more): name one with --login-column"), "{}", run.stderr);
    let told = folder.write("told.csv", b"sep=\t\nlogin\tname, all\none\tx\n");
    assert_eq!(logins(&look_up(&fake, &told, &[])), ["one"]);
}

/// Returns the subtotals of a JSON report: logins, counted, repositories.
fn subtotals(report: &str) -> Vec<(Option<String>, u64, u64)> {
    let report: serde_json::Value = serde_json::from_str(report).unwrap();
    let groups = report["summary"]["groups"].as_array().unwrap().iter();
    groups
        .map(|group| {
            let number = |key: &str| group[key].as_u64().unwrap();
            (group["group"].as_str().map(str::to_owned), number("counted"), number("public_repos"))
        })
        .collect()
}

#[test]
fn an_account_in_two_groups_counts_in_both_and_once_in_total() {
    let fake = Fake::well_behaved();
    let folder = Folder::new();
    let at = |name: &str| folder.0.path().join(name).display().to_string();
    let text = "team,login,name\nops,user-2,B\ncore,user-1,A\nweb; \"x\",USER-1,Z\n,user-1,\ncore,user-1,A\n,user-3,\n,user-4,\nops,user-4,D\n";
    let list = folder.write("teams.csv", text.as_bytes());
    let database = format!("sqlite:{}", at("runs.db"));
    let repos = |login: &str| crate::fake::account(login).unwrap().public_repos;
    let [one, two, three, four] = ["user-1", "user-2", "user-3", "user-4"].map(repos);
    let outputs = ["-o", &at("r.csv"), "-o", &at("r.json"), "-o", &at("r.ndjson"), "-o", &at("r.prom")];
    let arguments =
        ["user-4", "--group-by", "team", "--carry", "name", "--save", &database, "-F", "markdown"];
    let run = look_up(&fake, &list, &[&arguments[..], &outputs].concat());
    assert_eq!(run.status, 0, "{}", run.stderr);
    assert_eq!(fake.requests(), 4, "each account is looked up once");
    let json = fs::read_to_string(at("r.json")).unwrap();
    let expected = [
        (Some("core".to_owned()), 1, one),
        (Some("ops".to_owned()), 2, two + four),
        (Some("web; \"x\"".to_owned()), 1, one),
        (None, 1, three),
    ];
    assert_eq!(subtotals(&json), expected);
    let report: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(report["summary"]["public_repos"], one + two + three + four);
    // Only rows that change nothing are duplicates.
    assert_eq!(report["summary"]["duplicates"], 2);
    let carried: Vec<_> =
        report["rows"].as_array().unwrap().iter().map(|row| row["carried"].clone()).collect();
    let expected_carried = [
        serde_json::json!({"name": null, "team": "ops"}),
        serde_json::json!({"name": "B", "team": "ops"}),
        serde_json::json!({"name": "A", "team": ["core", "web; \"x\""]}),
        serde_json::json!({"name": null, "team": null}),
    ];
    assert_eq!(carried, expected_carried);
    let csv = fs::read_to_string(at("r.csv")).unwrap();
    assert!(csv.contains(r#",A,"core; web; ""x""","#), "{csv}");
    assert!(run.stdout.contains(r#"core; web; "x""#), "{}", run.stdout);
    let metrics = fs::read_to_string(at("r.prom")).unwrap();
    assert!(metrics.contains(r#"carried_team="core; web; \"x\"""#), "{metrics}");

    // Reports that are read back have the same groups and subtotals.
    for report in ["r.json", "r.ndjson"] {
        let again = Program::new(&["--from", &at(report), "--group-by", "team", "-F", "json"]).run();
        assert_eq!(subtotals(&again.stdout), expected, "{report}");
        let again = Program::new(&["--from", &at(report), "-F", "csv", "-q"]).run();
        assert_eq!(again.stdout, csv, "{report}");
    }
    let resumed =
        ["user-4", "--group-by", "team", "--carry", "name", "--resume", "-o", &at("r.ndjson"), "-F", "json"];
    let resumed = look_up(&fake, &list, &resumed);
    assert_eq!(subtotals(&resumed.stdout), expected);
    let later = ["user-4", "--group-by", "team", "-F", "json"];
    for baseline in [&at("r.csv"), &at("r.json"), &at("r.ndjson"), &database] {
        let run = look_up(&fake, &list, &[&later[..], &["--baseline", baseline]].concat());
        assert_eq!((run.status, subtotals(&run.stdout)), (0, expected.to_vec()), "{baseline}");
    }
}

#[test]
fn groups_survive_a_csv_report_and_the_merge_of_several() {
    let fake = Fake::well_behaved();
    let folder = Folder::new();
    let at = |name: &str| folder.0.path().join(name).display().to_string();
    let [one, two] = ["user-1", "user-2"].map(|login| crate::fake::account(login).unwrap().public_repos);
    for (name, text) in [
        ("a", "login,team\nuser-1,core\nuser-1,web\nuser-2,ops\n"),
        ("b", "login,team\nuser-1,docs\nuser-2,\nuser-1,web\n"),
    ] {
        let list = folder.write(&format!("{name}.csv"), text.as_bytes());
        let outputs = ["-o", &at(&format!("{name}-report.csv")), "-o", &at(&format!("{name}-report.ndjson"))];
        look_up(&fake, &list, &[&["--group-by", "team"], &outputs[..]].concat());
    }
    let named = |names: &[(&str, u64)]| -> Vec<_> {
        names.iter().map(|(name, repos)| (Some((*name).to_owned()), 1, *repos)).collect()
    };
    for ending in ["csv", "ndjson"] {
        let (a, b) = (at(&format!("a-report.{ending}")), at(&format!("b-report.{ending}")));
        let run = Program::new(&["--from", &a, "--group-by", "TEAM", "-F", "json"]).run();
        assert_eq!(subtotals(&run.stdout), named(&[("core", one), ("ops", two), ("web", one)]), "{ending}");
        assert!(run.stdout.contains(r#""team":["core","web"]"#), "{}", run.stdout);
        let run = Program::new(&["--from", &a, "--from", &b, "--group-by", "team", "-F", "json"]).run();
        let all = [("core", one), ("docs", one), ("ops", two), ("web", one)];
        assert_eq!(subtotals(&run.stdout), named(&all), "{ending}");
    }
    // Without --group-by the first value wins.
    let run = look_up(
        &fake,
        &folder.write("c.csv", b"login,team\nuser-1,core\nuser-1,web\n"),
        &["--carry", "team"],
    );
    assert_eq!(run.rows()[0]["carried"]["team"], "core");
}

#[test]
#[cfg(unix)]
fn grouped_input_is_read_to_its_end_before_the_first_request() {
    use std::io::Write;
    let fake = Fake::well_behaved();
    let folder = Folder::new();
    let pipe = folder.0.path().join("pipe.csv");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let run = Program::for_fake(&fake, &["-f", pipe.to_str().unwrap(), "--group-by", "team", "-F", "ndjson"])
        .spawn();
    let mut writer = fs::OpenOptions::new().write(true).open(&pipe).unwrap();
    writer.write_all(b"login,team\nuser-1,core\nuser-2,core\n").unwrap();
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert_eq!(fake.requests(), 0);
    writer.write_all(b"user-1,web\n").unwrap();
    drop(writer);
    let output = String::from_utf8(run.wait_with_output().unwrap().stdout).unwrap();
    assert!(output.lines().next().unwrap().contains(r#""team":["core","web"]"#), "{output}");
    assert_eq!(fake.requests(), 2);
}
