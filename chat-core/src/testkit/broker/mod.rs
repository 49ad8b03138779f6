//! Tests brokers: one in memory, one on which everything goes wrong that may, and the cases that any broker
//! must pass.

mod conformance;
mod memory;
mod sim;

pub use conformance::{Conformance, broker_conformance};
pub use memory::{MemoryBroker, MemoryNode};
pub use sim::{SimBroker, SimFaults, SimLine, SimNode};
