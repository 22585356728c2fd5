//! The house rules that a machine can hold: rooms import back only, files stay short, every file says what it does.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Rooms in the order of `src/lib.rs`: a file imports only from its own and earlier ones.
const ROOMS: [&str; 15] = [
    "limits",
    "event",
    "sign",
    "catalogue",
    "log",
    "admit",
    "fold",
    "store",
    "stream",
    "publish",
    "projector",
    "audit",
    "serve",
    "cli",
    "main",
];
const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;
const FOLDERS: [&str; 4] = ["src", "schemas", "tests", "deploy"];

fn house() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file below `src` and `tests`, its path from the house on, and its text.
fn files(folder: &str) -> Vec<(String, String)> {
    fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&house().join(folder), &mut found);
    found.sort();
    assert!(!found.is_empty(), "no files in {folder}: looked in the wrong place");
    let name = |path: &Path| path.strip_prefix(house()).unwrap().to_str().unwrap().to_owned();
    found.into_iter().map(|path| (name(&path), fs::read_to_string(&path).unwrap())).collect()
}

/// The text without what only tests see: from a `#[cfg(test)]` at the left margin to the end.
fn without_tests<'a>(path: &str, text: &'a str) -> &'a str {
    if path.ends_with("_tests.rs") || path.ends_with("/tests.rs") || path.contains("/tests/") {
        return "";
    }
    text.split("\n#[cfg(test)]\n").next().unwrap_or(text)
}

/// Lines of code with comments and the insides of plain string literals left out, and their numbers.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().enumerate().map(|(number, line)| (number + 1, line));
    lines.filter(|(_, line)| !line.trim_start().starts_with("//"))
}

fn room(path: &str) -> usize {
    let name = path.strip_prefix("src/").unwrap().split(['/', '.']).next().unwrap();
    ROOMS.iter().position(|room| *room == name).unwrap_or_else(|| panic!("{path} belongs to no room of the house"))
}

fn check(findings: &[String], rule: &str) {
    assert!(findings.is_empty(), "{rule}:\n  {}", findings.join("\n  "));
}

/// Rooms named by `crate::…` in a line, also inside `use crate::{a, b::c}` on one line.
fn rooms_named(line: &str) -> Vec<usize> {
    let mut found = Vec::new();
    for rest in line.split("crate::").skip(1) {
        let names = match rest.strip_prefix('{') {
            Some(group) => group.split(',').collect(),
            None => vec![rest],
        };
        for name in names {
            let name: String = name.trim().chars().take_while(|c| c.is_ascii_lowercase()).collect();
            found.extend(ROOMS.iter().position(|room| *room == name));
        }
    }
    found
}

#[test]
fn rooms_import_back_only() {
    let mut findings = Vec::new();
    for (path, text) in files("src") {
        if path == "src/lib.rs" || path == "src/main.rs" {
            continue;
        }
        let own = room(&path);
        // A group over several lines names its rooms at four spaces.
        let mut in_group = false;
        for (number, line) in code(without_tests(&path, &text)) {
            let mut named = rooms_named(line);
            if in_group {
                let name: String = line.trim().chars().take_while(|c| c.is_ascii_lowercase()).collect();
                if line.starts_with("    ") && !line.starts_with("     ") {
                    named.extend(ROOMS.iter().position(|room| *room == name));
                }
                in_group = !line.starts_with("};");
            } else {
                in_group = line.trim_end().ends_with("use crate::{");
            }
            for later in named.into_iter().filter(|room| *room > own) {
                findings.push(format!("{path}:{number} imports from {}, a later room", ROOMS[later]));
            }
        }
    }
    check(&findings, "imports point back only");
}

#[test]
fn the_tour_names_the_rooms_in_order() {
    let tour = fs::read_to_string(house().join("src/lib.rs")).unwrap();
    let declared: Vec<&str> =
        tour.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    assert_eq!(declared, ROOMS[..ROOMS.len() - 1]);
}

/// First line and length of each function: rustfmt closes one at the indentation it opened with.
fn functions(text: &str) -> Vec<(usize, usize)> {
    let (mut found, mut open) = (Vec::new(), None::<(usize, usize)>);
    for (number, line) in text.lines().enumerate() {
        let (head, indent) = (line.trim_start(), line.len() - line.trim_start().len());
        let words = head
            .split(' ')
            .skip_while(|word| word.starts_with("pub") || ["async", "const", "in", "crate::stream)"].contains(word));
        let is_function = words.take(1).any(|word| word == "fn") && !line.ends_with([';', '}']);
        match open {
            None if is_function => open = Some((number, indent)),
            Some((start, at)) if indent == at && head == "}" => {
                found.push((start + 1, number - start + 1));
                open = None;
            }
            _ => {}
        }
    }
    found
}

#[test]
fn the_checks_see_what_they_look_for() {
    let named = |line: &str| rooms_named(line).into_iter().map(|room| ROOMS[room]).collect::<Vec<_>>();
    assert_eq!(named("use crate::fold::rows::Rows;"), ["fold"]);
    assert_eq!(named("use crate::{event::Time, cli, store::Key};"), ["event", "cli", "store"]);
    assert_eq!(named("let x = crate::sign::hex::encode(&crate::log::tail());"), ["sign", "log"]);
    assert_eq!(functions("fn a() {\n    x\n}\n\n    pub(super) async fn b(\n    ) {\n    }\n"), [(1, 3), (5, 3)]);
    assert_eq!(without_tests("src/a.rs", "a\n#[cfg(test)]\nmod tests;"), "a");
}

#[test]
fn files_and_functions_stay_short() {
    let mut findings = Vec::new();
    for (path, text) in files("src").into_iter().chain(files("tests")) {
        let lines = text.lines().count();
        if lines > FILE_LINES_MAX {
            findings.push(format!("{path} has {lines} lines, at most {FILE_LINES_MAX}: make it two"));
        }
        // A table of cases may be long.
        let code = if path.starts_with("tests/") { "" } else { without_tests(&path, &text) };
        for (start, long) in functions(code).into_iter().filter(|(_, lines)| *lines > FUNCTION_LINES_MAX) {
            findings.push(format!("{path}:{start} is a function of {long} lines, at most {FUNCTION_LINES_MAX}"));
        }
    }
    check(&findings, "a file reads in one sitting, a function on one screen");
}

#[test]
fn every_file_says_what_it_does() {
    let findings: Vec<String> = files("src")
        .into_iter()
        .chain(files("tests"))
        .filter(|(_, text)| !text.starts_with("//! ") || text.starts_with("//! (room under construction)"))
        .map(|(path, _)| path)
        .collect();
    check(&findings, "every file opens with `//!`");
}

#[test]
fn nothing_is_left_for_later_and_nothing_panics() {
    let later = ["TO", "DO"].concat();
    let words = [later.as_str(), "FIXME", "HACK", "unimplemented!", "dbg!("];
    let panics = [".unwrap()", ".expect(", "panic!(", "#[allow(clippy::unwrap_used", "#[allow(clippy::expect_used"];
    let mut findings = Vec::new();
    for (path, text) in files("src") {
        for (number, line) in text.lines().enumerate() {
            let words = words.iter().filter(|word| line.contains(**word));
            findings.extend(words.map(|word| format!("{path}:{} says {word}", number + 1)));
        }
        for (number, line) in code(without_tests(&path, &text)) {
            let panics = panics.iter().filter(|panic| line.contains(**panic));
            findings.extend(panics.map(|panic| format!("{path}:{number} says {panic}")));
        }
    }
    check(&findings, "what fails is an error, what is missing is an issue");
}

#[test]
fn the_house_has_four_folders() {
    let expected: BTreeSet<&str> = FOLDERS.into_iter().chain(["target", "data"]).collect();
    let mut findings = Vec::new();
    for entry in fs::read_dir(house()).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.file_type().unwrap().is_dir() && !name.starts_with('.') && !expected.contains(name.as_str()) {
            findings.push(name);
        }
    }
    check(&findings, "top-level folders are src, schemas, tests and deploy");
}

/// The single files that may stand beside the folders.
const FILES: [&str; 10] = [
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "Makefile",
    "README.md",
    "deny.toml",
    "rust-toolchain.toml",
    "rustfmt.toml",
];

/// A tool that fetches into the folder it stands in left a wheel of 4.7 MB here once, and it was committed.
#[test]
fn nothing_stray_lies_beside_the_folders() {
    let git = std::process::Command::new("git").args(["ls-files"]).current_dir(house()).output();
    let Some(listed) = git.ok().filter(|git| git.status.success()) else { return };
    let listed = String::from_utf8(listed.stdout).unwrap();
    let stray = listed.lines().filter(|path| !path.contains('/') && !path.starts_with('.'));
    let stray = stray.filter(|path| !FILES.contains(path));
    check(&stray.map(str::to_owned).collect::<Vec<_>>(), "top-level files are those of a Rust project");
}
