//! Core.
pub mod driver;
mod machine;
pub mod model;
pub mod port;
pub use driver::*;
pub use model::*;
pub use port::*;
