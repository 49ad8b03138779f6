//! Implements a broker on which everything goes wrong that a broker's promises allow, as a seed decides.
//!
//! ```text
//!   faults  sets what goes wrong, and how often
//!   line    says so for one node, and draws the chances
//!   held    holds what is on its way to a node
//!   way     takes events from the memory to a node: they are lost, late or doubled
//!   nodes   is the broker, and one node's end of it, whose calls fail
//! ```

mod faults;
mod held;
mod line;
mod nodes;
#[cfg(test)]
mod tests;
mod way;

pub use faults::SimFaults;
pub use line::SimLine;
pub use nodes::{SimBroker, SimNode};
