//! Ports.
mod framing;
pub use framing::Framing;
