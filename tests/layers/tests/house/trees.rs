//! Reads the trees of dependencies: no runtime, transport or JSON stands in the core.

use std::process::Command;

use chat_layers::workspace;

const RUNTIMES: [&str; 9] =
    ["tokio", "async-std", "smol", "async-io", "async-net", "mio", "hyper", "axum", "tungstenite"];

/// Returns the names of the crate in a folder and of its dependencies, as cargo tells them.
fn tree(crate_folder: &str) -> Vec<String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let arguments = ["tree", "--locked", "-e", "normal", "--prefix", "none", "--all-features"];
    let output = Command::new(cargo)
        .args(arguments)
        .current_dir(workspace().join(crate_folder))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    names(&String::from_utf8_lossy(&output.stdout))
}

fn names(tree: &str) -> Vec<String> {
    tree.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

fn found<'a>(tree: &'a [String], forbidden: &[&str]) -> Vec<&'a String> {
    tree.iter().filter(|name| forbidden.contains(&name.as_str())).collect()
}

#[test]
fn the_core_stands_on_no_runtime_no_transport_and_no_json() {
    let core = tree("chat-core");
    assert!(core.contains(&"futures".to_owned()), "this is its tree: {core:?}");
    assert!(found(&core, &RUNTIMES).is_empty(), "{core:?}");
    assert!(found(&core, &["serde_json"]).is_empty(), "{core:?}");
}

#[test]
fn the_protocols_stand_on_no_runtime_and_no_transport() {
    let protocol = tree("chat-protocol");
    assert!(protocol.contains(&tree("chat-core")[0]), "this is its tree: {protocol:?}");
    assert!(found(&protocol, &RUNTIMES).is_empty(), "{protocol:?}");
}

#[test]
fn a_runtime_in_a_tree_is_found() {
    assert_eq!(
        found(&names("chat-core v0.1.0 (/x)\ntokio v1.54.0\ntokio-util v0.7.0"), &RUNTIMES),
        ["tokio"]
    );
    assert!(!found(&tree("chat-tokio-adapter"), &RUNTIMES).is_empty(), "cargo tells what is really there");
}
