//! Types that are extended out of their room.

use crate::source::Source;
use crate::tree::Tree;

/// Returns every inherent `impl` of a type that is defined neither in the same folder nor in one above.
pub fn slices(sources: &[Source]) -> Vec<String> {
    let tree = Tree::new(sources);
    let mut all = Vec::new();
    for (key, module) in &tree.modules {
        for path in &module.extended {
            let Some(found) = tree.resolve(key, path) else { continue };
            let (room, own) = (room(sources, &found.file), room(sources, &module.file));
            let inside = own == room || (!room.is_empty() && own.starts_with(&format!("{room}/")));
            if !inside {
                let name = path.last().map_or("", String::as_str);
                all.push(format!("{} extends {name} of {}", module.file, found.file));
            }
        }
    }
    all
}

/// Returns the folder of a file's own name if there is one, or else the folder that the file stands in.
fn room(sources: &[Source], file: &str) -> String {
    let stem = file.trim_end_matches(".rs");
    let own = format!("{stem}/");
    if sources.iter().any(|source| source.path.starts_with(&own)) {
        return stem.to_owned();
    }
    stem.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned()
}
