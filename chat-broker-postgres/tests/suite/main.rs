//! Tests the broker on servers that the tests start, kill, stop and fill with rubbish.

#![expect(clippy::print_stdout, reason = "random tests print their seed, and what came of it")]

mod conformance;
mod copies;
mod faults;
mod hubs;
mod kills;
mod limits;
mod node;
mod random;
mod rubbish;
#[cfg(feature = "rustls")]
mod tls;
mod transactions;
