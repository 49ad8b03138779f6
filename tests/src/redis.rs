//! Starts a Redis for a test, on loopback, on a free port, with a folder of its own.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::outage::Engine;

/// Is a server that ends when this is dropped.
#[derive(Debug)]
pub struct Redis {
    child: Child,
    port: u16,
    folder: TempDir,
}

impl Redis {
    /// Starts a server that saves nothing.
    ///
    /// # Panics
    /// Panics if there is no `redis-server`.
    pub fn start() -> Self {
        let folder = TempDir::new().expect("a folder");
        loop {
            // None of the ports that the system hands out: while the server is away, nobody else gets it.
            let port = fastrand::u16(10_000..32_000);
            if TcpListener::bind(("127.0.0.1", port)).is_ok()
                && let Some(child) = launch(port, &folder)
            {
                return Self { child, port, folder };
            }
        }
    }

    /// Has the server do something.
    ///
    /// # Panics
    /// Panics if it does not answer.
    pub fn ask(&self, words: &[&str]) {
        let port = self.port.to_string();
        let answer =
            Command::new("redis-cli").args(["-p", &port]).args(words).output().expect("redis-cli runs");
        assert!(answer.status.success(), "{answer:?}");
    }
}

/// Keeps nothing on its disk but what it is to remember.
impl Engine for Redis {
    fn port(&self) -> u16 {
        self.port
    }

    fn url_at(&self, port: u16) -> String {
        format!("redis://127.0.0.1:{port}")
    }

    fn id(&self) -> u32 {
        self.child.id()
    }

    fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    fn start_again(&mut self) {
        self.child = launch(self.port, &self.folder).expect("the port is still free");
    }

    fn remember(&mut self) {
        self.ask(&["SAVE"]);
    }

    fn forget(&mut self) {
        self.kill();
        self.start_again();
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Returns the server once it takes connections; none if it cannot have the port.
fn launch(port: u16, folder: &TempDir) -> Option<Child> {
    let mut command = Command::new("redis-server");
    command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--dir"]);
    command.arg(folder.path()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child =
        command.spawn().unwrap_or_else(|error| panic!("redis-server: {error}; ./test.sh installs it"));
    let said = BufReader::new(child.stdout.take().expect("it is piped"));
    let mut lines = said.lines().map_while(Result::ok);
    if lines.any(|line| line.contains("Ready to accept connections")) {
        std::thread::spawn(move || lines.for_each(drop));
        return Some(child);
    }
    let _ = child.wait();
    None
}
