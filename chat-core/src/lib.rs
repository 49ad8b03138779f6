//! Core.
pub mod model;
pub mod port;
