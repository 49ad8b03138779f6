//! Runs WebSocket clients that others wrote: npm's `ws`, PyPI's `websockets`, Chromium, and Autobahn's cases
//! by PyPI's `kosoku`.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use crate::cases::folder;
use crate::watchdog;

/// Lists the clients that run the conformance cases.
pub const CLIENTS: [&str; 3] = ["ws", "python", "chromium"];

/// Runs the conformance cases with a client against a server of the plain protocol.
///
/// # Panics
/// Panics with the client's output if a case fails.
pub fn conformance(client: &str, url: &str) {
    let all = match client {
        "python" => run(python().arg(script("conformance.py")).arg(url)),
        _ => run(node().arg(script("conformance.mjs")).arg(url).args(["--client", client])),
    };
    assert!(all.ends_with(" passed, 0 failed"), "{client}: {all}");
}

/// Runs Autobahn's cases against a server that echoes.
///
/// # Panics
/// Panics with the client's output if a case fails or did not run.
pub fn autobahn(url: &str) {
    let all = run(python().arg(script("autobahn.py")).arg(url));
    assert_eq!(all, "301 passed, 0 failed");
}

/// Runs the page's cases against a server that is started with this command; `{port}` in it stands for its
/// port.
///
/// # Panics
/// Panics with the client's output if a case fails.
pub fn page(server: &str) {
    let all = run(node().arg(script("page.mjs")).args(["--server", server]));
    assert!(all.ends_with(" passed, 0 failed"), "{all}");
}

/// Runs a script of `tests/clients` with node.
///
/// # Panics
/// Panics with the script's output if it fails.
pub fn script_says(name: &str, arguments: &[&str]) -> String {
    let command = if name.ends_with(".py") { python() } else { node() };
    run({ command }.arg(script(name)).args(arguments))
}

fn script(name: &str) -> PathBuf {
    folder("clients").join(name)
}

/// Returns the command of node, whose scripts may start one of Python.
fn node() -> Command {
    let mut node = Command::new(env::var_os("NODE").unwrap_or_else(|| "node".into()));
    node.env("PYTHON", python_path());
    node
}

fn python() -> Command {
    Command::new(python_path())
}

fn python_path() -> OsString {
    env::var_os("PYTHON").unwrap_or_else(|| folder("../target/venv/bin/python").into_os_string())
}

/// Returns the trimmed output of a client. A client that is not installed is a failure, not a reason to pass.
fn run(command: &mut Command) -> String {
    watchdog::watch();
    let output =
        command.output().unwrap_or_else(|error| panic!("{command:?}: {error}; ./test.sh installs it"));
    let (said, warned) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{said}\n{warned}", output.status);
    said.trim().to_owned()
}
