//! Tests that the README names what its examples need.

use std::collections::BTreeSet;
use std::fs::read_to_string;

use chat_layers::workspace;

/// Lists the examples that the README names and that are whole in one file for Tokio.
const EXAMPLES: [&str; 4] = ["tokio_echo", "tokio_axum", "tokio_login", "tokio_lines"];

/// Returns the crates that a source imports, or names in attributes.
fn imports(source: &str) -> impl Iterator<Item = String> {
    let paths = source.lines().filter_map(|line| match line.strip_prefix("use ") {
        None => {
            line.strip_prefix("#[")?.rsplit_once("::").map(|(path, _)| path.trim_start_matches("derive("))
        }
        path => path,
    });
    let crates = paths.map(|path| path.split([':', ';']).next().unwrap_or_default().replace('_', "-"));
    crates.filter(|name| !["std", "expect(clippy"].contains(&name.as_str()))
}

/// Returns the code of this language in a page.
fn code(page: &str, language: &str) -> String {
    let blocks = page.split("\n```").filter(|block| block.starts_with(language));
    blocks.map(|block| block.split_once('\n').map_or("", |(_, code)| code)).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_readme_names_all_crates_that_its_examples_import() {
    let page = read_to_string(workspace().join("README.md")).expect("it is there");
    let manifest = code(&page, "toml");
    let named: BTreeSet<_> =
        manifest.lines().filter_map(|line| Some(line.split_once(" = ")?.0.to_owned())).collect();
    let mut sources = vec![code(&page, "rust")];
    for example in EXAMPLES {
        assert!(page.contains(&format!("--example {example} ")), "{example} is named");
        let path = workspace().join(format!("chat-tokio-adapter/examples/{example}.rs"));
        sources.push(read_to_string(path).expect("it is there"));
    }
    let missing: BTreeSet<_> =
        sources.iter().flat_map(|source| imports(source)).filter(|name| !named.contains(name)).collect();
    assert_eq!(missing, BTreeSet::new());
}
