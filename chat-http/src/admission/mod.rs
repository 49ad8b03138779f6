//! Decides who may come in, and knows where a client comes from.
//!
//! ```text
//!   Gate ──▶ Hosts, Origins ──▶ a place in the hub: Opening, or a Rejection
//! ```

mod cors;
mod gate;
mod host;
mod origin;
mod proxy;
mod rejection;
mod request;
mod trusted;

pub use self::gate::{Gate, Opening};
pub use self::host::{Host, HostError, Hosts};
pub use self::origin::{Origin, OriginError, Origins};
pub use self::proxy::{Network, NetworkError, Proxies};
pub use self::rejection::Rejection;
pub use self::request::RequestHead;
pub use self::trusted::{ClientAddress, HeadRef, RemoteAddress};
