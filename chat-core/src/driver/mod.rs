//! Moves the machines. This is the only layer with locks, wakers and await.

mod caught;
mod connection;
mod duty;
mod hub;
mod outbox;
mod padded;
mod session;
mod trace;

pub use connection::Connection;
pub use hub::acceptor::Acceptor;
pub use hub::builder::HubBuilder;
pub use hub::cluster::envelope::body_of_server;
pub use hub::intake::Intake;
pub use hub::metrics::Stats;
pub use hub::permit::{HeldPermit, Permit};
pub use hub::permits::Full;
pub use hub::{Hub, WeakHub};
pub use outbox::outlet::{ByteOutlet, SinkOutlet};
