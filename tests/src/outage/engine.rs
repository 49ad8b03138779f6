//! Defines what an outage needs of an engine.

use std::process::Command;

/// Is an engine that a test has started, on a free port, in a folder of its own.
pub trait Engine: Send {
    /// Returns the port on which it listens.
    fn port(&self) -> u16;

    /// Returns the address of a broker over it, if it is reached at this port.
    fn url_at(&self, port: u16) -> String;

    /// Returns the id of its process.
    fn id(&self) -> u32;

    /// Kills it, as a crash does.
    fn kill(&mut self);

    /// Starts it again with what it has on its disk.
    fn start_again(&mut self);

    /// Keeps a copy of what it has, to which [`forget`](Self::forget) returns.
    fn remember(&mut self);

    /// Kills it, and starts it again with the copy alone.
    fn forget(&mut self);

    /// Returns the address of a broker over it.
    fn url(&self) -> String {
        self.url_at(self.port())
    }

    /// Stops its process, or lets it go on.
    fn stop(&self, stopped: bool) {
        signal(self.id(), if stopped { "STOP" } else { "CONT" });
    }
}

/// Sends a signal to a process.
///
/// # Panics
/// Panics if there is no such process.
pub(crate) fn signal(id: u32, name: &str) {
    let sent = Command::new("kill").args([&format!("-{name}"), &id.to_string()]).status();
    assert!(sent.expect("kill runs").success(), "{name} reaches {id}");
}
