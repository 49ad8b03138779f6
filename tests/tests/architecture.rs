//! The house as it is drawn: imports point down, and no runtime, transport or JSON stands in the core.

use std::process::Command;

use chat_tests::cases::folder;
use chat_tests::layers::{Source, code_of, sources, violations};

const RUNTIMES: [&str; 9] =
    ["tokio", "async-std", "smol", "async-io", "async-net", "mio", "hyper", "axum", "tungstenite"];

fn broken(path: &str, text: &str) -> Vec<String> {
    violations(&[Source { path: path.to_owned(), code: code_of(text) }])
}

/// The names of a crate's dependencies, as cargo tells them.
fn tree(package: &str) -> Vec<String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let arguments = ["tree", "--locked", "-e", "normal", "--prefix", "none", "--all-features", "-p", package];
    let output = Command::new(cargo).args(arguments).current_dir(folder("..")).output().expect("cargo runs");
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
fn every_import_of_the_core_points_down_and_only_the_driver_waits_locks_or_asks_the_time() {
    let sources = sources(&folder("../chat-core/src"));
    assert!(sources.iter().any(|source| source.path.starts_with("machine")));
    assert_eq!(violations(&sources), [""; 0]);
}

#[test]
fn an_import_that_points_up_is_found_however_it_is_written() {
    assert_eq!(broken("model/ids.rs", "use crate::port::Runtime;"), ["model/ids.rs names crate::port"]);
    assert_eq!(
        broken("machine/x.rs", "use crate::{\n    model::{A, B},\n    driver::Hub,\n};"),
        ["machine/x.rs names crate::driver"]
    );
    assert_eq!(broken("port/x.rs", "fn f() -> crate::Hub;"), ["port/x.rs names crate::Hub"]);
    assert_eq!(
        broken("machine/x.rs", "use super::super::driver;"),
        ["machine/x.rs names crate::super::super"]
    );
    assert!(broken("driver/hub.rs", "use crate::{machine::Shard, model::Now};").is_empty());
}

#[test]
fn what_only_the_driver_may_is_found_below_it() {
    assert_eq!(broken("machine/x.rs", "async fn f() {}"), ["machine/x.rs has async"]);
    assert_eq!(broken("model/x.rs", "use std::sync::Mutex;"), ["model/x.rs has Mutex"]);
    assert_eq!(broken("port/x.rs", "let now = Instant::now();"), ["port/x.rs has ::now("]);
    assert!(broken("machine/x.rs", "// not async\n#[cfg(test)]\nmod tests { Instant::now() }").is_empty());
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
    assert!(protocol.contains(&"chat-core".to_owned()), "this is its tree: {protocol:?}");
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
