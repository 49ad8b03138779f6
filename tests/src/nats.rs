//! Starts a nats-server with JetStream for a test, on loopback, on a free port, with a folder of its own.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::outage::Engine;

/// Is a server that ends when this is dropped.
#[derive(Debug)]
pub struct Nats {
    child: Child,
    port: u16,
    folder: TempDir,
}

impl Nats {
    /// Starts a server that has nothing.
    ///
    /// # Panics
    /// Panics if there is no `nats-server`.
    pub fn start() -> Self {
        let folder = TempDir::new().expect("a folder");
        loop {
            // None of the ports that the system hands out: while the server is away, nobody else gets it.
            let port = fastrand::u16(10_000..32_000);
            let store = folder.path().join("store");
            let settings = format!("host: 127.0.0.1\nport: {port}\njetstream {{ store_dir: {store:?} }}\n");
            fs::write(folder.path().join("server.conf"), settings).expect("it is written");
            if TcpListener::bind(("127.0.0.1", port)).is_ok()
                && let Some(child) = launch(&folder)
            {
                return Self { child, port, folder };
            }
        }
    }

    fn copy(&self, from: &str, to: &str) {
        let [from, to] = [from, to].map(|name| self.folder.path().join(name));
        let _ = fs::remove_dir_all(&to);
        let copied = Command::new("cp").arg("-r").args([from, to]).status();
        assert!(copied.expect("cp runs").success());
    }
}

/// Keeps what it has in files, of which it is only killed before they are copied.
impl Engine for Nats {
    fn port(&self) -> u16 {
        self.port
    }

    fn url_at(&self, port: u16) -> String {
        format!("nats://127.0.0.1:{port}")
    }

    fn id(&self) -> u32 {
        self.child.id()
    }

    fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    fn start_again(&mut self) {
        self.child = launch(&self.folder).expect("the port is still free");
    }

    fn remember(&mut self) {
        self.kill();
        self.copy("store", "copy");
        self.start_again();
    }

    fn forget(&mut self) {
        self.kill();
        self.copy("copy", "store");
        self.start_again();
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Returns the server once it takes connections; none if it cannot have the port.
fn launch(folder: &TempDir) -> Option<Child> {
    let settings = folder.path().join("server.conf");
    let mut command = Command::new(program());
    command.arg("--config").arg(settings).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child =
        command.spawn().unwrap_or_else(|error| panic!("nats-server: {error}; ./test.sh installs it"));
    let said = BufReader::new(child.stderr.take().expect("it is piped"));
    let mut lines = said.lines().map_while(Result::ok);
    if lines.any(|line| line.contains("Server is ready")) {
        std::thread::spawn(move || lines.for_each(drop));
        return Some(child);
    }
    let _ = child.wait();
    None
}

/// Returns the server, which Debian puts where not everybody looks.
fn program() -> &'static str {
    const DEBIAN: &str = "/usr/sbin/nats-server";
    if Path::new(DEBIAN).exists() { DEBIAN } else { "nats-server" }
}
