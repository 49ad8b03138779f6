//! Starts an example or the server as users do.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

use crate::cases::folder;
use crate::raw::get;
use crate::watchdog;

/// Holds a process that listens; it is killed when this is dropped.
#[derive(Debug)]
pub struct Program {
    child: Child,
    /// Holds the address at which it listens.
    pub address: SocketAddr,
}

impl Program {
    /// Starts a command, and waits until it prints its address.
    ///
    /// # Panics
    /// Panics if it does not print one within a minute.
    pub fn start(command: &mut Command) -> Self {
        watchdog::watch();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let (tell, told) = channel();
        follow(child.stdout.take().expect("it is piped"), tell.clone());
        follow(child.stderr.take().expect("it is piped"), tell);
        match told.recv_timeout(Duration::from_secs(60)) {
            Ok(address) => Self { child, address },
            Err(error) => {
                let _ = child.kill();
                panic!("{command:?} does not say where it listens: {error}");
            }
        }
    }

    /// Starts an example, on a port of its own choice.
    pub fn example(name: &str) -> Self {
        Self::example_at(name, "127.0.0.1:0")
    }

    /// Starts an example that listens at this place.
    pub fn example_at(name: &str, place: &str) -> Self {
        Self::example_with(name, &[place])
    }

    /// Starts an example with these arguments.
    pub fn example_with(name: &str, arguments: &[&str]) -> Self {
        Self::start(Command::new(built().join("examples").join(name)).args(arguments))
    }

    /// Starts an example of the futures-io adapter built for smol, on a port of its own choice.
    pub fn smol_example(name: &str) -> Self {
        static BUILT: OnceLock<PathBuf> = OnceLock::new();
        let built = BUILT.get_or_init(|| {
            let own = profile();
            let beside =
                own.parent().expect("a target folder").join("smol").join(own.file_name().expect("a profile"));
            let arguments = ["-p", "chat-async-std-adapter", "--no-default-features", "--features", "smol"];
            build(&arguments, &beside);
            beside
        });
        Self::start(Command::new(built.join("examples").join(name)).arg("127.0.0.1:0"))
    }

    /// Starts the server, on a port of its own choice, without a store unless one is named.
    pub fn server(arguments: &[&str]) -> Self {
        let mut command = Command::new(server());
        command.args(["--listen", "127.0.0.1:0"]).env("CHAT_STORE", "none");
        Self::start(command.args(arguments))
    }

    /// Kills the process, as a crash does.
    pub fn crash(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("a child can be waited for");
    }

    /// Returns the id of the process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Returns the server's counter of this name, with its labels; 0 if there is none.
    pub fn measure(&self, name: &str) -> u64 {
        let metrics = get(self.address, "/metrics");
        let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.and_then(|value| value.parse().ok()).unwrap_or_default()
    }

    /// Waits for the end of the process; returns true if it succeeded.
    pub fn wait(&mut self) -> bool {
        self.child.wait().expect("a child can be waited for").success()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads all output of a process, so that it never waits for a reader, and sends the address in it.
fn follow(output: impl Read + Send + 'static, tell: Sender<SocketAddr>) {
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if let Some(address) = address_in(&line) {
                let _ = tell.send(address);
            }
        }
    });
}

fn address_in(line: &str) -> Option<SocketAddr> {
    let (_, said) = line.split_once("listening on ")?;
    said.trim_start_matches("http://").trim_end().parse().ok()
}

/// Returns the path of the chat server's binary.
pub fn server() -> PathBuf {
    built().join("chat-server")
}

/// Returns the folder of the workspace's programs, which are built once; with `CHAT_PROGRAMS`, that one, such
/// as `target/release` for a long run.
///
/// # Panics
/// Panics if they cannot be built.
fn built() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT
        .get_or_init(|| {
            if let Some(folder) = std::env::var_os("CHAT_PROGRAMS") {
                return folder.into();
            }
            build(&["--workspace"], &profile());
            profile()
        })
        .clone()
}

/// Builds programs with these arguments into a profile's folder.
///
/// # Panics
/// Panics if they cannot be built.
pub fn build(arguments: &[&str], profile: &Path) {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--quiet", "--locked", "--bins", "--examples"]).args(arguments);
    command.arg("--target-dir").arg(profile.parent().expect("a profile is in a target folder"));
    if profile.ends_with("release") {
        command.arg("--release");
    }
    assert!(command.current_dir(folder("..")).status().expect("cargo runs").success(), "{command:?} failed");
}

/// Returns the folder of this test's own profile, such as `target/debug`.
///
/// # Panics
/// Panics outside a test.
pub fn profile() -> PathBuf {
    let test = std::env::current_exe().expect("a test has a path");
    test.parent().and_then(|deps| deps.parent()).expect("a test is in deps").to_owned()
}
