//! Plain data.
mod frame;
pub use frame::{Incoming, Kind};
