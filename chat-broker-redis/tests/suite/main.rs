//! Tests the broker on servers that the tests start, kill, stop and fill with rubbish.

mod conformance;
mod faults;
mod kills;
mod limits;
mod restarts;
mod rubbish;
mod server;
