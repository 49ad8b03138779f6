//! Tests the broker on servers that the tests start, kill, stop and fill with rubbish.

#![expect(clippy::print_stdout, reason = "random tests print their seed, and what came of it")]

mod conformance;
mod faults;
mod history;
mod hubs;
mod kills;
mod limits;
mod proxy;
mod restarts;
mod rubbish;
mod server;
#[cfg(feature = "rustls")]
mod tls;
