//! Which way chat-core's imports point, and what stands only in its driver.

use std::fs;
use std::path::Path;

/// One source file of the core: its path below `src`, and its text.
#[derive(Clone, Debug)]
pub struct Source {
    /// As `machine/shard.rs`.
    pub path: String,
    /// Without comments and tests, if it was read by [`sources`].
    pub code: String,
}

/// Each layer, and what it may name.
const LAYERS: [(&str, &[&str]); 5] = [
    ("model", &["model"]),
    ("machine", &["machine", "model"]),
    ("port", &["port", "model"]),
    ("driver", &["driver", "machine", "port", "model", "lock"]),
    ("testkit", &["testkit", "driver", "port", "model", "lock"]),
];

/// What has no place below the driver.
const DRIVERS_OWN: [&str; 7] = ["async", ".await", "Mutex", "RwLock", "Condvar", "::now(", "std::thread"];

/// Every source file below a folder, without comments and without tests.
///
/// # Panics
/// If there is none.
pub fn sources(root: &Path) -> Vec<Source> {
    let mut all = Vec::new();
    collect(root, root, &mut all);
    assert!(!all.is_empty(), "there is no source below {}", root.display());
    all
}

fn collect(root: &Path, folder: &Path, all: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(root, &path, all);
        } else if path.extension() == Some("rs".as_ref()) && path.file_name() != Some("tests.rs".as_ref()) {
            let text = fs::read_to_string(&path).expect("a readable file");
            let path = path.strip_prefix(root).expect("below the root").to_string_lossy().into_owned();
            all.push(Source { path, code: code_of(&text) });
        }
    }
}

/// Without the tests at its end, and without comments.
pub fn code_of(text: &str) -> String {
    let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    code.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// Every place where a layer names what is above it, or what only the driver may use.
pub fn violations(sources: &[Source]) -> Vec<String> {
    sources.iter().flat_map(|source| [upward(source), misplaced(source)].concat()).collect()
}

fn layer(source: &Source) -> Option<(&'static str, &'static [&'static str])> {
    let folder = source.path.split(['/', '\\']).next().unwrap_or_default();
    LAYERS.into_iter().find(|(name, _)| *name == folder)
}

fn upward(source: &Source) -> Vec<String> {
    let Some((_, allowed)) = layer(source) else { return Vec::new() };
    let named = named_of_the_crate(&source.code);
    let wrong = named.iter().filter(|name| !allowed.contains(&name.as_str()));
    wrong.map(|name| format!("{} names crate::{name}", source.path)).collect()
}

fn misplaced(source: &Source) -> Vec<String> {
    if !matches!(layer(source), Some(("model" | "machine" | "port", _))) {
        return Vec::new();
    }
    let found = DRIVERS_OWN.iter().filter(|word| source.code.contains(*word));
    found.map(|word| format!("{} has {word}", source.path)).collect()
}

/// The first word after each `crate::`, or each first word of a group there; and `crate` itself for a climb with `super::super`.
fn named_of_the_crate(code: &str) -> Vec<String> {
    let mut named: Vec<_> = code.split("crate::").skip(1).flat_map(first_words).collect();
    if code.contains("super::super") {
        named.push("super::super".to_owned());
    }
    named
}

fn first_words(path: &str) -> Vec<String> {
    let word = |text: &str| {
        let text = text.trim_start();
        text[..text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len())].to_owned()
    };
    let Some(group) = path.strip_prefix('{') else { return vec![word(path)] };
    let (mut depth, mut words, mut start) = (0, Vec::new(), 0);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                words.push(word(&group[start..at]));
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                words.push(word(&group[start..at]));
                start = at + 1;
            }
            _ => {}
        }
    }
    words.retain(|word| !word.is_empty());
    words
}
