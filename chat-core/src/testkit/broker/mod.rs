//! Tests brokers: one in memory, and the cases that any broker must pass.

mod conformance;
mod memory;

pub use conformance::{Conformance, broker_conformance};
pub use memory::{MemoryBroker, MemoryNode};
