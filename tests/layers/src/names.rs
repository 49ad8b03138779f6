//! Finds where a path leads: to the file that defines what it names, whoever re-exports that.

use crate::tree::{Key, Tree};

/// The re-exports that a path may lead through.
const STEPS: usize = 16;

/// The end of a path.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// The file that defines it.
    pub(crate) file: String,
    /// The files whose re-exports the path took, nearest first.
    pub(crate) through: Vec<String>,
    /// True for a module of which nothing was named yet.
    pub(crate) is_module: bool,
}

impl Tree {
    /// Follows a path that is written in a module; none if it leads out of the crate.
    pub(crate) fn resolve(&self, from: &Key, path: &[String]) -> Option<Found> {
        self.follow(from, path, STEPS)
    }

    fn follow(&self, from: &Key, path: &[String], steps: usize) -> Option<Found> {
        let (first, rest) = path.split_first()?;
        let mut start = match first.as_str() {
            "crate" => from[..1].to_vec(),
            "self" => from.clone(),
            "super" => parent(from)?,
            _ => return self.look_up(from, path, steps),
        };
        let mut rest = rest;
        while let Some(("super", after)) = rest.split_first().map(|(first, after)| (first.as_str(), after)) {
            start = parent(&start)?;
            rest = after;
        }
        let mut found = self.look_up(&start, rest, steps)?;
        if &start == from {
            found.through.retain(|file| *file != self.modules[from].file);
        }
        Some(found)
    }

    fn look_up(&self, at: &Key, path: &[String], steps: usize) -> Option<Found> {
        let module = self.modules.get(at)?;
        let here = |is_module| Found { file: module.file.clone(), through: Vec::new(), is_module };
        let Some((first, rest)) = path.split_first() else { return Some(here(true)) };
        let child = [at.as_slice(), std::slice::from_ref(first)].concat();
        if self.modules.contains_key(&child) {
            // A macro's item is in no file: what made it stands in the module at least.
            return self.look_up(&child, rest, steps).or_else(|| self.look_up(&child, &[], steps));
        }
        if module.defined.contains(first) {
            return Some(here(false));
        }
        let steps = steps.checked_sub(1)?;
        let mut found = self.imported(at, first, rest, steps)?;
        found.through.insert(0, module.file.clone());
        Some(found)
    }

    fn imported(&self, at: &Key, first: &str, rest: &[String], steps: usize) -> Option<Found> {
        let imports = &self.modules[at].imports;
        let named = imports.iter().filter(|import| import.name.as_deref() == Some(first));
        let by_name = named.filter(|import| import.path[..] != [first.to_owned()]);
        let mut paths = by_name.map(|import| [import.path.as_slice(), rest].concat());
        let globs = imports.iter().filter(|import| import.name.is_none() && !import.path.is_empty());
        let mut spread = globs.map(|import| [import.path.as_slice(), &[first.to_owned()], rest].concat());
        paths.find_map(|path| self.follow(at, &path, steps)).or_else(|| {
            // A glob that does not define the name still leads to its module; that is no find.
            spread.find_map(|path| self.follow(at, &path, steps).filter(|found| !found.is_module))
        })
    }
}

fn parent(key: &Key) -> Option<Key> {
    (key.len() > 1).then(|| key[..key.len() - 1].to_vec())
}
