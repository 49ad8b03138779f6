//! Reads what a server has found out about the client of a request, before anything here sees it.

use std::net::{IpAddr, SocketAddr};

use chat_core::protocol::Credentials;
use chat_core::transport::Peer;
use http::request::Parts;
use http::{Extensions, HeaderMap, Method, Request, Uri, Version};

/// Borrows the head of a request: all that is known of a client when it asks for a session. Its extensions
/// are to be trusted: only the server itself writes to them, be it an adapter's listener or a framework's
/// middleware. [`RequestHead`](crate::RequestHead) is what is kept of it for the endpoint.
///
/// ```
/// use std::net::SocketAddr;
///
/// use chat_http::{HeadRef, RemoteAddress};
/// use http::Request;
///
/// let mut request = Request::get("/ws").body(()).unwrap();
/// let remote: SocketAddr = "192.0.2.7:4711".parse().unwrap();
/// request.extensions_mut().insert(RemoteAddress(remote));
/// assert_eq!(HeadRef::from(&request).client_address(), Some(remote.ip()));
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct HeadRef<'a> {
    /// Holds the request's method.
    pub method: &'a Method,
    /// Holds the request's target.
    pub uri: &'a Uri,
    /// Holds the version of HTTP.
    pub version: Version,
    /// Holds the request's headers.
    pub headers: &'a HeaderMap,
    /// Holds what the server and its middleware know of the request.
    pub extensions: &'a Extensions,
}

/// Holds the address at the other end of a request's connection: the client's, or a proxy's. The listeners
/// of the adapters put it among each request's extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "it names one value and can hold no other")]
pub struct RemoteAddress(pub SocketAddr);

/// Holds the address of a client that has come through a proxy. A server that trusts the proxy puts it among
/// the request's extensions: see [`Proxies`](crate::Proxies).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "it names one value and can hold no other")]
pub struct ClientAddress(pub IpAddr);

impl HeadRef<'_> {
    /// Returns the client's address: the [`ClientAddress`] among the extensions, or else that of the
    /// [`RemoteAddress`].
    pub fn client_address(&self) -> Option<IpAddr> {
        let client = self.extensions.get().map(|ClientAddress(client)| *client);
        client.or_else(|| self.extensions.get().map(|RemoteAddress(remote)| remote.ip()))
    }

    /// Returns where the client comes from: the [`Peer`] among the extensions. Both adapters' listeners put
    /// it there, and so does axum's with its `ConnectInfo`; its rates and strikes are counted by it until
    /// it has a session.
    pub fn peer(&self) -> Option<Peer> {
        self.extensions.get().copied()
    }

    /// Returns who the client is: the [`Credentials`] among the extensions, which holds in place of what the
    /// URL says. A server puts it there that has let the client in by a cookie or a header.
    pub fn credentials(&self) -> Option<Credentials> {
        self.extensions.get().cloned()
    }

    /// Clones the head, for whoever keeps it for longer than the request lasts.
    pub fn to_parts(&self) -> Parts {
        let (mut parts, ()) = Request::new(()).into_parts();
        parts.method = self.method.clone();
        parts.uri = self.uri.clone();
        parts.version = self.version;
        parts.headers = self.headers.clone();
        parts.extensions = self.extensions.clone();
        parts
    }
}

impl<'a, B> From<&'a Request<B>> for HeadRef<'a> {
    fn from(request: &'a Request<B>) -> Self {
        Self {
            method: request.method(),
            uri: request.uri(),
            version: request.version(),
            headers: request.headers(),
            extensions: request.extensions(),
        }
    }
}

impl<'a> From<&'a Parts> for HeadRef<'a> {
    fn from(parts: &'a Parts) -> Self {
        let Parts { method, uri, version, headers, extensions, .. } = parts;
        Self { method, uri, version: *version, headers, extensions }
    }
}
