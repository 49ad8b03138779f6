//! Leads from a listener to a session: accepts, keeps deadlines, shakes hands and runs the session.

mod accept;
mod connection;
mod handshake;
mod listen;
mod listener;
mod session;
mod start;

pub use self::accept::accept_with;
pub use self::connection::{Deadlines, HttpConnection, ServedBody, Serving};
pub use self::handshake::{handshake, refuse};
pub use self::listen::{Listen, ListenError};
pub use self::listener::{Listener, Remote};
pub use self::session::{run, run_io};
pub use self::start::{Start, read_head, read_start};
