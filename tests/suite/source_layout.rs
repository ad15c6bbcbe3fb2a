//! The layout of the source: module dependencies are acyclic and point downward, and security promises name their tests.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Modules from the top to the bottom. A module uses modules of its own layer and of lower ones, never of a higher one: the
/// client knows no flags, no reports and no progress bar.
const LAYERS: &[&[&str]] = &[
    &["main"],
    &["run"],
    &["config"],
    &["cli"],
    &[
        "database", "diff", "fail_on", "input", "journal", "lookup", "output", "plan", "progress", "render",
        "reorder",
    ],
    &["report"],
    &["github"],
    &["network"],
    &["exit_status", "rate_limit"],
    &["partial"],
    &["fs", "login", "object", "shard", "stop"],
    &["decode", "program_name", "text"],
];

/// Modules that a module must not name although the layers would allow it: renderers know rows, never GitHub or the input, and
/// the lookup stage knows no outputs.
const FORBIDDEN: &[(&str, &[&str])] = &[
    ("render", &["github", "input", "lookup", "output"]),
    ("lookup", &["database", "journal", "output", "progress", "render"]),
];

type ModulePath = Vec<String>;

/// A module of the crate and everything that its file says about other modules.
#[derive(Default)]
struct Module {
    /// Imported names and the paths that they stand for.
    imports: BTreeMap<String, Vec<String>>,
    /// Paths that begin with `crate`, `self` or `super`, including the imported ones.
    paths: Vec<Vec<String>>,
}

/// All modules of a crate by their paths; the root is the empty path.
struct Crate(BTreeMap<ModulePath, Module>);

impl Crate {
    /// Parses the sources in a folder, without its tests.
    fn read(folder: &Path) -> Self {
        let mut files = BTreeMap::new();
        for file in rust_files(folder) {
            let mut path: ModulePath = file
                .strip_prefix(folder)
                .unwrap()
                .with_extension("")
                .iter()
                .map(|part| part.to_string_lossy().into_owned())
                .collect();
            if path == ["lib"] {
                path.clear();
            }
            if !path.contains(&"tests".to_owned()) {
                files.insert(path, fs::read_to_string(&file).unwrap());
            }
        }
        Self::parse(files)
    }

    fn parse(files: BTreeMap<ModulePath, String>) -> Self {
        Self(files.into_iter().map(|(path, text)| (path, Module::parse(&text))).collect())
    }

    /// Returns the module in which the item of a path is defined, following up to `hops` re-exports. None for other crates.
    fn resolve(&self, from: &[String], path: &[String], hops: usize) -> Option<ModulePath> {
        let mut module = match path.first()?.as_str() {
            "crate" => Vec::new(),
            "self" | "super" => from.to_vec(),
            first => {
                let child = [from, &[first.to_owned()]].concat();
                if !self.0.contains_key(&child) {
                    return None;
                }
                from.to_vec()
            }
        };
        for segment in path {
            match segment.as_str() {
                "crate" | "self" => continue,
                "super" => {
                    module.pop();
                    continue;
                }
                _ => {}
            }
            let child = [&module[..], std::slice::from_ref(segment)].concat();
            if self.0.contains_key(&child) {
                module = child;
                continue;
            }
            // Not a module, so it is an item that is defined or imported here.
            let import = self.0.get(&module).and_then(|module| module.imports.get(segment));
            return match import {
                Some(import) if hops > 0 => self.resolve(&module, import, hops - 1).or(Some(module)),
                _ => Some(module),
            };
        }
        Some(module)
    }

    /// Returns pairs of a module and a module that it uses, following up to `hops` re-exports.
    fn dependencies(&self, hops: usize) -> BTreeSet<(ModulePath, ModulePath)> {
        let mut dependencies = BTreeSet::new();
        for (from, module) in &self.0 {
            for path in &module.paths {
                dependencies.extend(self.resolve(from, path, hops).map(|to| (from.clone(), to)));
            }
        }
        dependencies
    }

    /// Returns the dependencies between the modules of one folder. A module includes the folder of its own submodules, so a
    /// submodule that uses its parent adds no dependency.
    fn siblings(&self, folder: &[String], hops: usize) -> Graph {
        let child_of = |path: &ModulePath| path.strip_prefix(folder).and_then(|rest| rest.first()).cloned();
        let mut graph = Graph::new();
        for (from, to) in self.dependencies(hops) {
            if let (Some(from), Some(to)) = (child_of(&from), child_of(&to))
                && from != to
            {
                graph.entry(from).or_default().insert(to);
            }
        }
        graph
    }

    /// Returns the modules that depend on each other in a cycle, by folder.
    fn cycles(&self) -> BTreeMap<String, Vec<String>> {
        let folders: BTreeSet<_> =
            self.0.keys().filter_map(|path| path.split_last()).map(|(_, folder)| folder.to_vec()).collect();
        let mut cycles = BTreeMap::new();
        for folder in folders {
            let modules: Vec<_> = cyclic_part(self.siblings(&folder, MAX_HOPS)).into_keys().collect();
            if !modules.is_empty() {
                cycles.insert([&["src".to_owned()], &folder[..]].concat().join("/"), modules);
            }
        }
        cycles
    }

    /// Returns one line for each use of a module in a higher layer, and for each module that has no layer.
    fn upward_dependencies(&self, layers: &[&[&str]]) -> Vec<String> {
        let layer_of = |module: &str| layers.iter().position(|layer| layer.contains(&module));
        let mut violations: BTreeSet<_> = self
            .0
            .keys()
            .filter_map(|path| path.first())
            .filter(|module| layer_of(module).is_none())
            .map(|module| format!("{module} is in no layer"))
            .collect();
        for (from, to) in self.dependencies(MAX_HOPS) {
            let (Some(top_from), Some(top_to)) = (from.first(), to.first()) else { continue };
            if layer_of(top_to) < layer_of(top_from) {
                violations.insert(format!("{} uses {}", from.join("::"), to.join("::")));
            }
        }
        violations.into_iter().collect()
    }
}

/// Re-exports that are followed from a path to its definition.
const MAX_HOPS: usize = 8;

impl Module {
    fn parse(text: &str) -> Self {
        let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
        let tokens = tokens(code);
        let mut module = Self::default();
        let mut at = 0;
        while at < tokens.len() {
            if tokens[at] == "use" {
                at = module.parse_use(&tokens, at + 1, &[]);
                continue;
            }
            let mut path = vec![tokens[at].clone()];
            while tokens.get(at + 1).is_some_and(|token| token == "::")
                && tokens.get(at + 2).is_some_and(|token| is_identifier(token))
            {
                path.push(tokens[at + 2].clone());
                at += 2;
            }
            if path.len() > 1 && is_identifier(&path[0]) {
                module.paths.push(path);
            }
            at += 1;
        }
        module
    }

    /// Parses a `use` tree from a token on, and returns the index behind it.
    fn parse_use(&mut self, tokens: &[String], mut at: usize, prefix: &[String]) -> usize {
        let mut path = prefix.to_vec();
        let mut name = None;
        while let Some(token) = tokens.get(at) {
            match token.as_str() {
                "::" => {}
                "{" => {
                    at += 1;
                    while tokens.get(at).is_some_and(|token| token != "}") {
                        at = self.parse_use(tokens, at, &path);
                        if tokens.get(at).is_some_and(|token| token == ",") {
                            at += 1;
                        }
                    }
                    return at + 1;
                }
                "as" => {
                    at += 1;
                    name = tokens.get(at).cloned();
                }
                token if is_identifier(token) || token == "*" => path.push(token.to_owned()),
                _ => break,
            }
            at += 1;
        }
        // `use module::{self}` imports the module.
        if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
            path.pop();
        }
        if let Some(name) = name.or_else(|| path.last().cloned()) {
            self.imports.insert(name, path.clone());
        }
        self.paths.push(path);
        at
    }
}

fn is_identifier(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Splits code into identifiers, `::`, and single other characters. Comments and literals are left out.
fn tokens(code: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = code;
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if let Some(raw) = rest.strip_prefix("r#\"") {
            raw.find("\"#").map_or(rest.len(), |end| end + 5)
        } else if first == '"' {
            string_length(rest)
        } else if first == '\'' && (rest[1..].starts_with('\\') || rest.chars().nth(2) == Some('\'')) {
            // A character, not a lifetime. An escape ends at the next quote that is not itself escaped.
            let skipped = if rest[1..].starts_with('\\') { 3 } else { 2 };
            rest.char_indices().skip(skipped).find(|(_, c)| *c == '\'').map_or(rest.len(), |(at, _)| at + 1)
        } else if is_identifier(rest) {
            let length = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            tokens.push(rest[..length].to_owned());
            length
        } else if rest.starts_with("::") {
            tokens.push("::".to_owned());
            2
        } else {
            if !first.is_whitespace() {
                tokens.push(first.to_string());
            }
            first.len_utf8()
        };
        rest = &rest[length..];
    }
    tokens
}

/// Length of the string literal at the beginning of `code`, in bytes.
fn string_length(code: &str) -> usize {
    let mut escaped = false;
    for (at, c) in code.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    code.len()
}

type Graph = BTreeMap<String, BTreeSet<String>>;

/// Removes modules that use no remaining module or that no remaining module uses, until only cycles are left.
fn cyclic_part(mut graph: Graph) -> Graph {
    loop {
        let before = graph.len();
        let used: BTreeSet<_> = graph.values().flatten().cloned().collect();
        graph.retain(|from, _| used.contains(from));
        let left: BTreeSet<_> = graph.keys().cloned().collect();
        for to in graph.values_mut() {
            to.retain(|to| left.contains(to));
        }
        graph.retain(|_, to| !to.is_empty());
        if graph.len() == before {
            return graph;
        }
    }
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn no_modules_depend_on_each_other_in_a_cycle() {
    let source = Crate::read(&root().join("src"));
    // Guards against a parser that finds nothing.
    let github = source.siblings(&["github".to_owned()], MAX_HOPS);
    assert!(github["batch"].contains("client") && github["client"].contains("retry"), "{github:?}");
    assert_eq!(source.cycles(), BTreeMap::new());
}

#[test]
fn no_module_uses_a_higher_layer() {
    let source = Crate::read(&root().join("src"));
    assert_eq!(source.upward_dependencies(LAYERS), Vec::<String>::new());
    let named = source.siblings(&[], 0);
    for (module, forbidden) in FORBIDDEN {
        let used: Vec<_> = forbidden.iter().filter(|&&other| named[*module].contains(other)).collect();
        assert!(used.is_empty(), "{module} must not use {used:?}");
    }
}

fn sample(files: &[(&str, &str)]) -> Crate {
    let path = |name: &str| name.split('/').map(str::to_owned).collect();
    Crate::parse(files.iter().map(|(name, text)| (path(name), (*text).to_owned())).collect())
}

#[test]
fn a_cycle_inside_a_folder_is_found() {
    let mut files = vec![
        ("a", "pub use self::x::Item;"),
        ("a/x", "use super::y;\nuse crate::b::Other;"),
        ("a/y", "fn f() -> &'static str { \"super::x::Item\" } // super::x"),
        ("b", "pub use z::{self as renamed, Other};"),
        ("b/z", "struct Other;"),
    ];
    assert_eq!(sample(&files).cycles(), BTreeMap::new());
    let cycle = BTreeMap::from([("src/a".to_owned(), vec!["x".to_owned(), "y".to_owned()])]);
    // Directly, in a group, through a re-export, and without an import.
    for text in [
        "use super::x::Item;",
        "use std::fmt;\nuse crate::{a::{x::{self, Item}}, b};",
        "use crate::a::{Item as Renamed};",
        "fn f(item: &'_ super::Item, c: char) { c == '\"' }",
    ] {
        files[2] = ("a/y", text);
        assert_eq!(sample(&files).cycles(), cycle, "{text}");
    }
    // A submodule may use its parent, and tests may use everything.
    files[2] = ("a/y", "use super::own;\n#[cfg(test)]\nmod tests { use super::super::x::Item; }");
    assert_eq!(sample(&files).cycles(), BTreeMap::new());
    files[4] = ("b/z", "use crate::a::y;");
    let cycle = BTreeMap::from([("src".to_owned(), vec!["a".to_owned(), "b".to_owned()])]);
    assert_eq!(sample(&files).cycles(), cycle);
}

#[test]
fn an_upward_dependency_is_found() {
    let files =
        [("top", "use crate::bottom;"), ("bottom", ""), ("bottom/x", "use crate::top::Item;"), ("new", "")];
    let violations = sample(&files).upward_dependencies(&[&["top"], &["bottom"]]);
    assert_eq!(violations, ["bottom::x uses top", "new is in no layer"]);
}

#[test]
fn every_promise_of_two_pages_names_existing_tests() {
    let folders = ["src", "tests/suite"];
    let code: Vec<_> = folders
        .iter()
        .flat_map(|folder| rust_files(&root().join(folder)))
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    for (page, least) in [("SECURITY.md", 20), ("CONTRIBUTING.md", 15)] {
        let content = fs::read_to_string(root().join(page)).unwrap();
        let (_, table) = content.split_once("\n| promise | test |\n").unwrap();
        let mut promises = 0;
        for line in table.lines().take_while(|line| line.starts_with('|')) {
            let mut cells = line.trim_matches('|').rsplit('|');
            let tests: Vec<_> = cells.next().unwrap().split('`').skip(1).step_by(2).collect();
            assert!(
                !tests.is_empty() || line.contains("| **") || line.contains("---"),
                "{page}: no test: {line}"
            );
            for test in &tests {
                let definition = format!("fn {test}(");
                assert!(code.iter().any(|code| code.contains(&definition)), "{page}: missing test {test}");
            }
            promises += usize::from(!tests.is_empty());
        }
        assert!(promises >= least, "{page}: {promises} promises");
    }
}
