//! Plays outages of a broker's engine under load, and accounts for every publication: two servers, clients
//! that listen on both, and publishers that call the HTTP API of both.

mod engine;
mod listener;
mod load;
mod proxy;
mod speaker;

pub use engine::Engine;
pub use load::{Load, Toll};
pub use proxy::Proxy;
