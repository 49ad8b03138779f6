//! Holds a listener with what is known of those who connect to it.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::admission::Network;

/// Holds a listening socket of a runtime, and says which of its connections begin with the header of a proxy.
/// The adapters' `serve` take one, or the socket itself.
///
/// ```
/// use chat_http::Listener;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let socket = std::net::TcpListener::bind("127.0.0.1:0")?;
/// let listener = Listener::from(socket).proxy_protocol(vec!["10.0.0.0/8".parse()?]);
/// assert!(listener.remote("10.0.0.1:4711".parse()?).is_proxy());
/// assert!(!listener.remote("192.0.2.7:4711".parse()?).is_proxy());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Listener<L> {
    socket: L,
    proxies: Arc<[Network]>,
}

/// Says where a connection comes from, and whether that is a proxy which says whose it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Remote {
    pub(super) address: Option<SocketAddr>,
    pub(super) is_proxy: bool,
}

impl<L> Listener<L> {
    /// Expects the header of the PROXY protocol, version 1 or 2, at the beginning of each connection from
    /// these networks, and takes the client's address from it. A connection of theirs that does not begin
    /// with one is closed without an answer, and counted as a rejection with 400. Where the header names
    /// nobody (`LOCAL`, `UNKNOWN`), as for a proxy's own checks, the connection's own address counts.
    ///
    /// From anybody else the header is what it is to HTTP: no request, which gets 400. The header counts in
    /// the bytes and in the time of the handshake.
    pub fn proxy_protocol(mut self, trusted: Vec<Network>) -> Self {
        self.proxies = trusted.into();
        self
    }

    /// Returns the socket.
    pub fn socket(&self) -> &L {
        &self.socket
    }

    /// Returns what is known of a connection from this address.
    pub fn remote(&self, address: SocketAddr) -> Remote {
        let is_proxy = self.proxies.iter().any(|network| network.contains(address.ip()));
        Remote { address: Some(address), is_proxy }
    }
}

impl<L> From<L> for Listener<L> {
    fn from(socket: L) -> Self {
        Self { socket, proxies: Arc::default() }
    }
}

impl Remote {
    /// Returns true if the connection is to begin with the header of the PROXY protocol.
    pub fn is_proxy(&self) -> bool {
        self.is_proxy
    }
}

/// Is the remote end of a connection that begins with HTTP.
impl From<Option<SocketAddr>> for Remote {
    fn from(address: Option<SocketAddr>) -> Self {
        Self { address, is_proxy: false }
    }
}
