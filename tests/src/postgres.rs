//! Lets outages befall a PostgreSQL, which chat-postgres's testkit starts.

use chat_postgres::testkit::Server;

use crate::outage::Engine;

impl Engine for Server {
    fn port(&self) -> u16 {
        Self::port(self)
    }

    fn url_at(&self, port: u16) -> String {
        format!("postgres://chat@127.0.0.1:{port}/postgres")
    }

    fn id(&self) -> u32 {
        Self::id(self)
    }

    fn kill(&mut self) {
        Self::kill(self);
    }

    fn start_again(&mut self) {
        Self::start_again(self);
    }

    /// Copies the files of a server that is stopped in order: those of one that runs are no copy.
    fn remember(&mut self) {
        Self::stop(self);
        self.copy("data", "copy");
        Self::start_again(self);
    }

    fn forget(&mut self) {
        Self::kill(self);
        self.copy("copy", "data");
        Self::start_again(self);
    }

    fn stop(&self, stopped: bool) {
        self.signal(if stopped { "STOP" } else { "CONT" });
    }
}
