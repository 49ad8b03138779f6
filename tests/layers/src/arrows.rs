//! Finds which file names what of which other.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::Source;
use crate::tree::{Import, Key, Module, Tree};

/// One file names something that another defines.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Arrow {
    /// The file that names it.
    pub from: String,
    /// The file that defines it.
    pub to: String,
    /// The files whose re-exports the name was taken from.
    pub through: Vec<String>,
    /// True for a module's list of what its own files offer: as with `mod`, nothing is used yet.
    pub is_list: bool,
}

/// Returns every arrow between the files of a crate, without tests.
pub fn arrows(sources: &[Source]) -> Vec<Arrow> {
    let tree = Tree::new(sources);
    let all = tree.modules.iter().flat_map(|(key, module)| of_module(&tree, key, module));
    all.filter(|arrow| arrow.from != arrow.to).collect::<BTreeSet<_>>().into_iter().collect()
}

/// Returns the files that each file names, lists left out: circles are looked for in these.
pub fn graph(arrows: &[Arrow]) -> BTreeMap<String, BTreeSet<String>> {
    let mut graph = BTreeMap::<_, BTreeSet<_>>::new();
    for arrow in arrows.iter().filter(|arrow| !arrow.is_list) {
        graph.entry(arrow.from.clone()).or_default().insert(arrow.to.clone());
    }
    graph
}

fn of_module(tree: &Tree, key: &Key, module: &Module) -> Vec<Arrow> {
    let imported = module.imports.iter().filter_map(|import| of_import(tree, key, import));
    let named = module.named.iter().filter_map(|path| to_path(tree, key, path));
    imported.chain(named).collect()
}

fn of_import(tree: &Tree, key: &Key, import: &Import) -> Option<Arrow> {
    if import.name.is_none() {
        return of_glob(tree, key, import);
    }
    let arrow = to_path(tree, key, &import.path)?;
    Some(Arrow { is_list: import.shared && is_own(&tree.modules[key].file, &arrow.to), ..arrow })
}

/// A glob leads to its module's own file, unless that only lists what others define.
fn of_glob(tree: &Tree, key: &Key, import: &Import) -> Option<Arrow> {
    let from = tree.modules[key].file.clone();
    let to = tree.resolve(key, &import.path)?.file;
    let defines = tree.modules.values().any(|module| module.file == to && !module.defined.is_empty());
    let is_list = import.shared && is_own(&from, &to);
    (defines || is_list).then_some(Arrow { from, to, through: Vec::new(), is_list })
}

fn to_path(tree: &Tree, key: &Key, path: &[String]) -> Option<Arrow> {
    let from = tree.modules[key].file.clone();
    let mut found = tree.resolve(key, path).filter(|found| !found.is_module)?;
    found.through.retain(|file| *file != from);
    Some(Arrow { from, to: found.file, through: found.through, is_list: false })
}

/// Tells whether a file stands in the folder of a `mod.rs`, a root, or a file beside its folder.
fn is_own(file: &str, other: &str) -> bool {
    let stem = file.trim_end_matches(".rs");
    let (folder, name) = stem.rsplit_once('/').map_or(("", stem), |(folder, name)| (folder, name));
    match name {
        "lib" | "main" if folder.is_empty() => true,
        "mod" => other.starts_with(&format!("{folder}/")),
        _ => other.starts_with(&format!("{stem}/")),
    }
}
