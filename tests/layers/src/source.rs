//! Source files as text, and what of a crate is read.

use std::fs;
use std::path::{Path, PathBuf};

/// One source file: its path below the crate's `src`, with `/` between folders, and its text.
#[derive(Clone, Debug)]
pub struct Source {
    /// Such as `machine/shard.rs`.
    pub path: String,
    /// The whole text, with comments and tests.
    pub text: String,
}

impl Source {
    /// Names a file that may stand nowhere, for tests on planted sources.
    pub fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }
}

/// One crate of the workspace.
#[derive(Debug)]
pub struct Crate {
    /// The name of its folder.
    pub name: String,
    /// Every file below its `src`, with its path from there, in the order of the paths.
    pub sources: Vec<Source>,
    /// Every file of its tests, examples and benches, with its path in the crate.
    pub others: Vec<Source>,
}

impl Crate {
    /// Returns all its files, with their paths in the crate.
    pub fn files(&self) -> Vec<Source> {
        let below = |source: &Source| Source::new(&format!("src/{}", source.path), &source.text);
        self.sources.iter().map(below).chain(self.others.iter().cloned()).collect()
    }
}

/// Returns the workspace's folder, which this crate stands in.
pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("two folders above").to_owned()
}

/// Reads every crate of a workspace: each folder with a `Cargo.toml` and a `src`, at most two levels down.
///
/// # Panics
/// Panics if there is none, or a file cannot be read.
pub fn crates(workspace: &Path) -> Vec<Crate> {
    let mut folders: Vec<_> =
        folders(workspace).flat_map(|one| [vec![one.clone()], folders(&one).collect()].concat()).collect();
    folders.retain(|folder| folder.join("Cargo.toml").is_file() && folder.join("src").is_dir());
    folders.sort();
    assert!(!folders.is_empty(), "there is no crate below {}", workspace.display());
    let name =
        |folder: &Path| folder.strip_prefix(workspace).expect("below").to_string_lossy().replace('\\', "/");
    folders.iter().map(|folder| read(name(folder), folder)).collect()
}

fn read(name: String, folder: &Path) -> Crate {
    let mut others = Vec::new();
    for part in
        ["benches", "examples", "tests"].map(|part| folder.join(part)).iter().filter(|part| part.is_dir())
    {
        collect(folder, part, &mut others);
    }
    others.sort_by(|a, b| a.path.cmp(&b.path));
    Crate { name, sources: sources(&folder.join("src")), others }
}

fn folders(folder: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let entries = fs::read_dir(folder).expect("a folder that can be read").flatten();
    let unread = ["target", "node_modules", "src"];
    entries
        .map(|entry| entry.path())
        .filter(move |path| path.is_dir() && !unread.iter().any(|name| path.ends_with(name)))
}

/// Reads every source file below a folder.
///
/// # Panics
/// Panics if there is none, or one cannot be read.
pub fn sources(root: &Path) -> Vec<Source> {
    let mut all = Vec::new();
    collect(root, root, &mut all);
    assert!(!all.is_empty(), "there is no source below {}", root.display());
    all.sort_by(|a, b| a.path.cmp(&b.path));
    all
}

fn collect(root: &Path, folder: &Path, all: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).expect("a folder that can be read").flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(root, &path, all);
        } else if path.extension() == Some("rs".as_ref()) {
            let text = fs::read_to_string(&path).expect("a file that can be read");
            let path = path.strip_prefix(root).expect("below the root").to_string_lossy().replace('\\', "/");
            all.push(Source { path, text });
        }
    }
}
