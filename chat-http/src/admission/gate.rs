//! Lets clients in: checks a request, and takes a place in the hub for its session.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use chat_core::protocol::{Credentials, Handshake, Protocol};
use chat_core::transport::Permit;
use chat_core::{Hub, Limits};
use http::header::{HeaderValue, ORIGIN};
use http::{HeaderMap, Response};

use super::host::{Hosts, host};
use super::origin::Origins;
use super::rejection::Rejection;
use super::request::RequestHead;
use super::trusted::HeadRef;
use crate::hub::HttpHub;
use crate::time::within;
use chat_websocket::MessageLimits;
use chat_websocket::{accept, check_start};

/// Holds a hub, a protocol, and the rules of who may come in. Cheap to clone.
///
/// ```
/// use chat_core::{Hub, OpenChat, testkit::World};
/// use chat_http::{Gate, Origins, Rejection};
/// use chat_protocol::json::Json;
/// use http::Request;
///
/// let hub = Hub::builder(OpenChat::default()).build(World::new());
/// let gate = Gate::new(hub, Json).origins(Origins::Only(vec!["https://chat.example".parse()?]));
/// let request = Request::get("/ws?name=ann")
///     .header("host", "chat.example")
///     .header("origin", "https://evil.example")
///     .header("upgrade", "websocket")
///     .header("connection", "Upgrade")
///     .header("sec-websocket-version", "13")
///     .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
///     .body(())?;
/// assert_eq!(gate.open(&request).unwrap_err(), Rejection::Origin);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Gate {
    http: HttpHub,
    protocol: Arc<dyn Protocol>,
    origins: Arc<Origins>,
    /// Holds none until somebody chose.
    hosts: Option<Arc<Hosts>>,
}

/// Holds the parts of a session that may begin, once the 101 is sent.
#[non_exhaustive]
pub struct Opening {
    /// Holds its place among the sessions of the hub.
    pub permit: Permit,
    /// Names the protocol that its client speaks.
    pub protocol: Arc<dyn Protocol>,
    /// Says who its client is, or that it will say so itself.
    pub credentials: Credentials,
    /// Bounds its messages.
    pub limits: MessageLimits,
}

impl Gate {
    /// Lets in pages of the same host, and all clients that are no pages. A [`Hub`] alone is served within
    /// the default bounds, an [`HttpHub`] within its own.
    pub fn new(hub: impl Into<HttpHub>, protocol: impl Protocol) -> Self {
        Self { http: hub.into(), protocol: Arc::new(protocol), origins: Arc::default(), hosts: None }
    }

    /// Lets in pages of these origins.
    pub fn origins(mut self, origins: Origins) -> Self {
        self.origins = Arc::new(origins);
        self
    }

    /// Lets in those who ask under one of these names; all others get 403.
    ///
    /// Without it any name is taken, except behind an adapter's `serve` on a loopback address: see
    /// [`listening`](Self::listening). Behind a proxy that passes `Host` on, name the names of the proxy.
    pub fn hosts(mut self, hosts: Hosts) -> Self {
        self.hosts = Some(Arc::new(hosts));
        self
    }

    /// Lets in those who ask under a name of this listener ([`Hosts::of_listener`]), unless
    /// [`hosts`](Self::hosts) were named. For adapters.
    pub fn listening(self, at: SocketAddr) -> Self {
        if self.hosts.is_some() { self } else { self.hosts(Hosts::of_listener(at)) }
    }

    /// Returns the protocol that is spoken behind it.
    pub fn protocol(&self) -> &Arc<dyn Protocol> {
        &self.protocol
    }

    /// Returns the hub behind it.
    pub fn hub(&self) -> &Hub {
        self.http.hub()
    }

    /// Returns the hub behind it, with the bounds within which it is served.
    pub fn http(&self) -> &HttpHub {
        &self.http
    }

    /// Checks a request to open a WebSocket, and takes a place for its session: returns the 101 to send, and
    /// what to [`run`](crate::run) once it is sent.
    ///
    /// Reads the [`Peer`](chat_core::transport::Peer) and the [`Credentials`] among the request's
    /// extensions: see [`HeadRef`]. The endpoint is given the whole [`RequestHead`].
    ///
    /// # Errors
    /// Returns why the request is refused; 503 if the hub is full or drains. Counts it among the hub's
    /// rejections.
    pub fn open<'a>(&self, request: impl Into<HeadRef<'a>>) -> Result<(Response<()>, Opening), Rejection> {
        let opened = self.open_head(request.into());
        opened.inspect_err(|rejection| self.hub().acceptor().count_rejection(rejection.status().as_u16()))
    }

    /// Checks `Host` and `Origin`, and returns the origin of the page that asks; none if no page does. For
    /// transports other than the WebSocket.
    ///
    /// # Errors
    /// Returns [`Rejection::Host`], [`Rejection::ForeignHost`] or [`Rejection::Origin`], and counts it.
    pub fn origin<'a>(&self, headers: &'a HeaderMap) -> Result<Option<&'a HeaderValue>, Rejection> {
        let named = host(headers).map(drop).ok_or(Rejection::Host);
        let asked = named.and_then(|()| self.check_host(headers));
        let allowed = asked.and_then(|()| self.check_origin(headers)).map(|()| headers.get(ORIGIN));
        allowed.inspect_err(|rejection| self.hub().acceptor().count_rejection(rejection.status().as_u16()))
    }

    /// Returns the origins whose pages it lets in.
    pub fn allowed(&self) -> &Origins {
        &self.origins
    }

    /// Takes a place for a client that is checked already, whatever its transport.
    ///
    /// # Errors
    /// Returns [`Rejection::Unwelcome`], or [`Rejection::Unavailable`] if the hub is full or drains, and
    /// counts it.
    pub fn admit(&self, opener: &Handshake<'_>) -> Result<Opening, Rejection> {
        let admitted = self.permit(opener).map(|(_, opening)| opening);
        admitted.inspect_err(|rejection| self.hub().acceptor().count_rejection(rejection.status().as_u16()))
    }

    fn open_head(&self, request: HeadRef<'_>) -> Result<(Response<()>, Opening), Rejection> {
        let HeadRef { method, uri, version, headers, .. } = request;
        // A bad `Host` is told before whatever else is wrong with the headers.
        check_start(method, version, headers)?;
        host(headers).ok_or(Rejection::Host)?;
        let accepted = accept(method, version, headers)?;
        self.check_origin(headers)?;
        self.check_host(headers)?;
        let opener = Handshake::new(uri.query(), &accepted.subprotocols);
        let (subprotocol, opening) = self.permit(&opener)?;
        Ok((accepted.response(subprotocol), opening.of_request(request)))
    }

    fn check_origin(&self, headers: &HeaderMap) -> Result<(), Rejection> {
        if self.origins.admit(headers) { Ok(()) } else { Err(Rejection::Origin) }
    }

    fn check_host(&self, headers: &HeaderMap) -> Result<(), Rejection> {
        self.hosts.as_ref().map_or(Ok(()), |hosts| hosts.check(headers))
    }

    /// Takes a place; returns the subprotocol that is chosen beside it.
    fn permit(&self, opener: &Handshake<'_>) -> Result<(Option<&'static str>, Opening), Rejection> {
        let welcome = self.protocol.accept(opener).ok_or(Rejection::Unwelcome)?;
        let permit = self.hub().acceptor().permit().map_err(|_| Rejection::Unavailable)?;
        let protocol = welcome.protocol.unwrap_or_else(|| self.protocol.clone());
        let message_bytes = protocol.message_bytes(self.hub().limits());
        let limits = MessageLimits::new(message_bytes, self.http.limits().message_fragments);
        Ok((welcome.subprotocol, Opening { permit, protocol, credentials: welcome.credentials, limits }))
    }
}

impl Opening {
    /// Takes over what the server knows of the request: the [`Peer`](chat_core::transport::Peer) and the
    /// [`Credentials`] among its extensions, and its head, which the endpoint is given as a
    /// [`RequestHead`]. To be called by whoever opens a session with [`Gate::admit`]; [`Gate::open`] calls
    /// it.
    pub fn of_request<'a>(self, request: impl Into<HeadRef<'a>>) -> Self {
        let request = request.into();
        let credentials = match request.credentials() {
            // The server has let the client in, by something that the client itself may know nothing of.
            Some(Credentials::Now(connect)) => Credentials::Known(connect),
            given => given.unwrap_or(self.credentials),
        };
        let permit = self.permit.of_peer(request.peer()).with(RequestHead::from(request).into_extensions());
        Self { permit, credentials, ..self }
    }

    /// Asks the endpoint whether the client may come in, if its protocol [wants it
    /// so](Protocol::refuses_early): to be called before the transport is open. The session that then begins
    /// is let in by that answer.
    ///
    /// # Errors
    /// [`Rejection::Refused`], also for credentials that cannot be read, or [`Rejection::Timeout`] after
    /// [`Limits::open_timeout`](chat_core::Limits::open_timeout); counted among the hub's rejections.
    pub async fn ask(&mut self) -> Result<(), Rejection> {
        if !self.protocol.refuses_early() {
            return Ok(());
        }
        let hub = self.permit.hub().clone();
        let patience = Limits::or_never(hub.limits().open_timeout);
        let asked = within(&**hub.runtime(), patience, self.permit.ask(&self.credentials)).await;
        let answer = asked.map_or(Err(Rejection::Timeout), |asked| asked.map_err(|_| Rejection::Refused));
        answer.inspect_err(|rejection| hub.acceptor().count_rejection(rejection.status().as_u16()))
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").field("protocol", &self.protocol.name()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opening").field("seat", &self.permit.id()).finish_non_exhaustive()
    }
}
