//! Leads from a listener to a session: accepts, keeps deadlines, shakes hands and runs the session.

mod accept;
mod connection;
mod handshake;
mod listen;
mod session;

pub use self::accept::accept_with;
pub use self::connection::{Deadlines, HttpConnection, ServedBody, Serving};
pub use self::handshake::{handshake, read_head, refuse};
pub use self::listen::{Listen, ListenError};
pub use self::session::{run, run_io};
