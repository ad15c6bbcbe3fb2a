//! The layout of the source: no modules that depend on each other in a circle.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What a module names of the others below `prefix`, tests and comments left out.
fn arrows(folder: &Path, prefix: &str) -> BTreeMap<String, BTreeSet<String>> {
    let name = |path: &Path| {
        let first = path.strip_prefix(folder).unwrap().components().next().unwrap();
        first.as_os_str().to_string_lossy().trim_end_matches(".rs").to_owned()
    };
    let files: Vec<_> = sources(folder).into_iter().filter(|path| !path.ends_with("tests.rs")).collect();
    let modules: BTreeSet<_> = files.iter().map(|path| name(path)).collect();
    let mut arrows = BTreeMap::<_, BTreeSet<_>>::new();
    for path in &files {
        let from = name(path);
        let text = fs::read_to_string(path).unwrap();
        let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
        let code: Vec<_> = code.lines().map(|line| line.split("//").next().unwrap_or_default()).collect();
        // A room deeper down says `super::` once more for each floor.
        let depth = path.strip_prefix(folder).unwrap().components().count();
        let up = format!("{}::", vec!["super"; depth].join("::"));
        for named in [prefix, if prefix == "crate::" { prefix } else { &up }] {
            for (at, _) in code.join("\n").match_indices(named) {
                let code = code.join("\n");
                if code[..at].ends_with("super::") {
                    continue;
                }
                let rest = &code[at + named.len()..];
                let list = rest.strip_prefix('{').and_then(|list| list.split_once("};"));
                let words = list.map_or_else(
                    || {
                        vec![
                            rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default(),
                        ]
                    },
                    |(list, _)| list.split(|c: char| !c.is_alphanumeric() && c != '_').collect(),
                );
                let to = words.into_iter().filter(|word| modules.contains(*word) && *word != from);
                arrows.entry(from.clone()).or_default().extend(to.map(str::to_owned));
            }
        }
    }
    arrows
}

/// Takes away whoever needs nobody else, again and again: what is left goes in a circle.
fn circle(mut arrows: BTreeMap<String, BTreeSet<String>>) -> BTreeMap<String, BTreeSet<String>> {
    loop {
        let before = arrows.len();
        let left: BTreeSet<_> = arrows.keys().cloned().collect();
        arrows.retain(|_, to| to.iter().any(|to| left.contains(to)));
        if arrows.len() == before {
            return arrows;
        }
    }
}

#[test]
fn no_modules_depend_on_each_other_in_a_cycle() {
    let src = root().join("src");
    let all = arrows(&src, "crate::");
    assert!(all["run"].contains("lookup") && all["github"].contains("rate_limit"), "{all:?}");
    assert_eq!(circle(all), BTreeMap::new());
    let github = arrows(&src.join("github"), "crate::github::");
    assert!(github["batch"].contains("client") && github["client"].contains("retry"), "{github:?}");
    assert_eq!(circle(github), BTreeMap::new());
}

#[test]
fn every_security_promise_names_existing_tests() {
    let page = fs::read_to_string(root().join("SECURITY.md")).unwrap();
    let folders = ["src", "tests/suite"];
    let code: Vec<_> = folders
        .iter()
        .flat_map(|folder| sources(&root().join(folder)))
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    let (mut promises, mut named) = (0, 0);
    let (_, table) = page.split_once("\n| promise | test |\n").unwrap();
    for line in table.lines().take_while(|line| line.starts_with('|')) {
        let mut cells = line.trim_matches('|').rsplit('|');
        let tests: Vec<_> = cells.next().unwrap().split('`').skip(1).step_by(2).collect();
        assert!(!tests.is_empty() || line.contains("| **") || line.contains("---"), "no test: {line}");
        for test in &tests {
            let definition = format!("fn {test}(");
            assert!(code.iter().any(|code| code.contains(&definition)), "there is no test {test}");
        }
        promises += usize::from(!tests.is_empty());
        named += tests.len();
    }
    assert!(promises >= 20 && named > promises, "{promises} promises, {named} tests");
}

#[test]
fn a_cycle_is_found() {
    let arrows = |pairs: &[(&str, &str)]| {
        let pairs = pairs.iter().map(|(from, to)| ((*from).to_owned(), BTreeSet::from([(*to).to_owned()])));
        pairs.collect::<BTreeMap<_, _>>()
    };
    assert_eq!(circle(arrows(&[("a", "b"), ("b", "c"), ("c", "b"), ("d", "a")])).len(), 4);
    assert!(circle(arrows(&[("a", "b"), ("b", "c"), ("d", "a")])).is_empty());
}
