//! Files that name each other, round about.

use std::collections::{BTreeMap, BTreeSet};

type Graph = BTreeMap<String, BTreeSet<String>>;

/// Returns every circle of files: all files that lead to each other, in the order of their names.
pub fn circles(graph: &Graph) -> Vec<BTreeSet<String>> {
    let reached: BTreeMap<_, _> = graph.keys().map(|file| (file, reach(graph, file))).collect();
    let circle = |file: &String| {
        let mutual = |other: &&String| reached.get(other).is_some_and(|back| back.contains(file));
        reached[file].iter().filter(mutual).cloned().collect::<BTreeSet<_>>()
    };
    let all: BTreeSet<_> = graph.keys().map(circle).filter(|circle| circle.len() > 1).collect();
    all.into_iter().collect()
}

/// Returns every file that can be come to from one, by one arrow or more.
fn reach(graph: &Graph, from: &str) -> BTreeSet<String> {
    let (mut reached, mut next) = (BTreeSet::new(), vec![from]);
    while let Some(file) = next.pop() {
        for to in graph.get(file).into_iter().flatten() {
            if reached.insert(to.clone()) {
                next.push(to);
            }
        }
    }
    reached
}
