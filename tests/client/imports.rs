//! The sources import as ARCHITECTURE.md says: only from modules that are listed before.
//!
//! A module is one at the root of a package, with its submodules. The table lists the modules in one order, so a circle
//! always has an import against the order. Tests in the sources may import anything.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::string_slice)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn a_module_of_the_library_imports_only_what_is_below() {
    check("The library, from the ground up", "src");
}

#[test]
fn a_module_of_the_codec_imports_only_what_is_below() {
    check("The codec, from the ground up", "codec/src");
}

fn check(heading: &str, folder: &str) {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let table = rooms(&fs::read_to_string(package.join("ARCHITECTURE.md")).unwrap(), heading);
    let order = |room: &str| table.iter().position(|listed| listed == room);
    let folder = package.join(folder);
    let lib = code(&fs::read_to_string(folder.join("lib.rs")).unwrap());
    let reexported = reexported(&lib);
    let mut faults = Vec::new();
    let mut seen = Vec::new();
    for file in files(&folder) {
        let path = file.strip_prefix(&folder).unwrap().with_extension("");
        let modules = path.iter().map(|name| name.to_str().unwrap()).collect::<Vec<_>>();
        let room = modules[0];
        if modules == ["lib"] {
            continue;
        }
        let Some(own) = order(room) else {
            faults.push(format!("{}: the table has no module {room}", file.display()));
            continue;
        };
        seen.push(room.to_owned());
        for name in imports(&code(&fs::read_to_string(&file).unwrap()), modules.len()) {
            let name = reexported.get(&name).unwrap_or(&name);
            if name != room && order(name).is_some_and(|other| other > own) {
                faults.push(format!("{}: {room} imports {name}, which is above it", file.display()));
            }
        }
    }
    let absent = table.iter().filter(|room| !seen.contains(room));
    faults
        .extend(absent.map(|room| format!("the table has a room {room}, and {} has not", folder.display())));
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
    assert!(seen.len() > 9, "{seen:?}");
}

/// The modules of the table under a heading, the lowest first.
fn rooms(document: &str, heading: &str) -> Vec<String> {
    let section = document.split("\n## ").find_map(|section| section.strip_prefix(heading)).expect(heading);
    let cells = |line: &str| line.split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
    let rows = section.lines().map(cells).filter_map(|row| Some((row.get(1)?.parse::<u8>().ok()?, row)));
    let rows = rows.collect::<Vec<_>>();
    assert!(rows.is_sorted_by_key(|(floor, _)| *floor), "{heading}: the floors are not in order");
    rows.iter().flat_map(|(_, row)| row[2].split('`').skip(1).step_by(2).map(str::to_owned)).collect()
}

/// The Rust files of a folder and of the folders in it.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect()
}

/// A source without comments, texts, white space and tests. Rust's own words keep the space after them.
fn code(source: &str) -> String {
    let mut code = String::new();
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("r\"") || rest.starts_with("r#\"") {
            let end = if rest.starts_with("r#") { "\"#" } else { "\"" };
            3 + rest[3..].find(end).unwrap() + end.len()
        } else if first == '"' {
            let mut escaped = false;
            let end = rest[1..].find(|c| {
                let ends = c == '"' && !escaped;
                escaped = c == '\\' && !escaped;
                ends
            });
            end.unwrap() + 2
        } else if rest.starts_with("'\"'") || rest.starts_with("'{'") || rest.starts_with("'}'") {
            3
        } else if let Some(escaped) = rest.strip_prefix("'\\") {
            3 + escaped[1..].find('\'').unwrap() + 1
        } else {
            if !first.is_whitespace() {
                code.push(first);
            } else if !code.ends_with(' ') {
                code.push(' ');
            }
            first.len_utf8()
        };
        rest = &rest[length..];
    }
    while let Some(start) = code.find("#[cfg(test)]") {
        let end = start + code[start..].find(['{', ';']).unwrap();
        let mut depth = 0;
        let close = code[end..].find(|c| {
            depth += i32::from(c == '{') - i32::from(c == '}');
            depth == 0
        });
        code.replace_range(start..=end + close.unwrap(), "");
    }
    code
}

/// The names at the package's root that a source at this depth uses: after `crate::`, and after as many `super::` as
/// lead to the root.
fn imports(code: &str, depth: usize) -> Vec<String> {
    let up = "super::".repeat(depth);
    let paths = code.match_indices("crate::").chain(code.match_indices(&up));
    // No longer path leads to the root's parent.
    let paths = paths.filter(|(at, _)| {
        let before = code[..*at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | ':'))
    });
    paths.flat_map(|(at, root)| names(&code[at + root.len()..])).collect()
}

/// The first name of a path, or of each in a group of paths.
fn names(path: &str) -> Vec<String> {
    let name = |path: &str| {
        let path = path.trim_start();
        path[..path.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(path.len())].to_owned()
    };
    let Some(group) = path.strip_prefix('{') else { return vec![name(path)] };
    let (mut found, mut depth, mut start) = (Vec::new(), 0, 0);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                found.push(name(&group[start..at]));
                start = at + 1;
                if c == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    found
}

/// The names at the root that re-export one of a module: `pub use client::{Client, …}` of `lib.rs`.
fn reexported(lib: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for (at, word) in lib.match_indices("pub use ") {
        if let Some((room, path)) = lib[at + word.len()..].split_once("::") {
            found.extend(names(path).into_iter().map(|name| (name, room.to_owned())));
        }
    }
    found
}

#[test]
fn every_form_of_an_import_is_seen() {
    let source = code(
        "//! crate::comment\nuse crate::a::{b, c};\nuse crate::{d::{e, f}, G, h};\n\
         fn x() { \"crate::text\"; let q = '\"'; crate::i::j(); super::super::k::l() }\n\
         use super::m;\n#[cfg(test)]\nmod tests { use crate::n; fn y() { '{' } }\nuse mycrate::o; pub(crate) use crate::p;",
    );
    assert_eq!(imports(&source, 2), ["a", "d", "G", "h", "i", "p", "k"]);
    assert_eq!(imports("use super::q;", 1), ["q"]);
    assert_eq!(reexported("pub use client::{Client, Response};")["Response"], "client");
}
