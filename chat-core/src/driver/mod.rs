//! The only layer with locks, wakers and await: it moves the machines, and nothing else does.

mod admission;
mod alarm;
mod archive;
mod builder;
mod catchup;
mod connection;
mod dialog;
mod drain;
mod encoding;
mod fanout;
mod hooks;
mod hub;
mod ledger;
mod lookback;
mod membership;
mod metrics;
mod outbox;
mod outlet;
mod padded;
mod presence;
mod seats;
mod speech;
mod state;
mod subscription;
mod summons;
mod sweep;
mod talking;
mod trace;
mod users;
mod welcome;
mod write;

pub use builder::HubBuilder;
pub use connection::Connection;
pub use hub::{Hub, WeakHub};
pub use metrics::Stats;
pub use seats::{Full, Seat};
