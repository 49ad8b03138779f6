//! All that an adapter needs to let a client in.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use chat_core::{Hello, Hub, Opener, Peer, Protocol, Seat};
use http::header::{HeaderValue, ORIGIN};
use http::{Extensions, HeaderMap, Method, Request, Response, Uri, Version};

use crate::host::{Hosts, host};
use crate::origin::Origins;
use crate::rejection::Rejection;
use chat_websocket::MessageLimits;
use chat_websocket::{accept, check_start};

/// A hub, a protocol, and who may come in. Cheap to clone.
#[derive(Clone)]
pub struct Gate {
    hub: Hub,
    protocol: Arc<dyn Protocol>,
    origins: Arc<Origins>,
    /// None until somebody chose.
    hosts: Option<Arc<Hosts>>,
}

/// A client that may come in, once the 101 is sent.
pub struct Opening {
    /// Its place.
    pub seat: Seat,
    /// What it speaks.
    pub protocol: Arc<dyn Protocol>,
    /// Who it says it is.
    pub hello: Hello,
    /// What its messages are held to.
    pub limits: MessageLimits,
}

impl Gate {
    /// Lets pages of the same host in, and all that are no pages.
    pub fn new(hub: Hub, protocol: impl Protocol) -> Self {
        Self { hub, protocol: Arc::new(protocol), origins: Arc::default(), hosts: None }
    }

    /// Lets in pages of these origins.
    pub fn origins(mut self, origins: Origins) -> Self {
        self.origins = Arc::new(origins);
        self
    }

    /// Lets in those who ask under one of these names; all others get 403.
    ///
    /// Without it, whatever name the client says is taken, but behind an adapter's `serve` on a loopback address: see [`listening`](Self::listening). Behind
    /// a proxy that passes `Host` on, the proxy's names are to be named.
    pub fn hosts(mut self, hosts: Hosts) -> Self {
        self.hosts = Some(Arc::new(hosts));
        self
    }

    /// Lets in those who ask under a name of this listener ([`Hosts::of_listener`]), unless [`hosts`](Self::hosts) were named. For adapters.
    pub fn listening(self, at: SocketAddr) -> Self {
        if self.hosts.is_some() { self } else { self.hosts(Hosts::of_listener(at)) }
    }

    /// What is spoken behind it.
    pub fn protocol(&self) -> &Arc<dyn Protocol> {
        &self.protocol
    }

    /// The hub behind it.
    pub fn hub(&self) -> &Hub {
        &self.hub
    }

    /// Checks a request, and takes a seat for it: the 101 to send, and what to do once it is sent.
    ///
    /// # Errors
    /// Why it may not come in; 503 if the hub is full or drains.
    ///
    /// What its client did before goes by the [`Peer`] among the request's extensions, if there is one: both adapters' listeners put it there. Who it is
    /// goes by a [`Hello`] there, in place of what the URL says: a server puts it there that has let the client in by a cookie or a header.
    pub fn open<B>(&self, request: &Request<B>) -> Result<(Response<()>, Opening), Rejection> {
        let opened = self.open_parts(request.method(), request.uri(), request.version(), request.headers());
        let extensions = request.extensions();
        let peer = extensions.get::<Peer>().copied();
        let opened = opened.map(|(response, opening)| (response, opening.of_peer(peer).known_as(extensions)));
        opened.inspect_err(|rejection| self.hub.count_rejection(rejection.status().as_u16()))
    }

    /// The origin of the page that a request comes from, if it is a page's and that may speak here. For transports other than the WebSocket.
    ///
    /// # Errors
    /// [`Rejection::Host`], [`Rejection::ForeignHost`] and [`Rejection::Origin`].
    pub fn origin<'a>(&self, headers: &'a HeaderMap) -> Result<Option<&'a HeaderValue>, Rejection> {
        let named = host(headers).map(drop).ok_or(Rejection::Host);
        let asked = named.and_then(|()| self.check_host(headers));
        let allowed = asked.and_then(|()| self.check_origin(headers)).map(|()| headers.get(ORIGIN));
        allowed.inspect_err(|rejection| self.hub.count_rejection(rejection.status().as_u16()))
    }

    /// The origins whose pages it lets in.
    pub fn allowed(&self) -> &Origins {
        &self.origins
    }

    /// Takes a seat for a client whose page may speak here, whatever its transport.
    ///
    /// # Errors
    /// [`Rejection::Unwelcome`], and [`Rejection::Unavailable`] if the hub is full or drains.
    pub fn admit(&self, opener: &Opener<'_>) -> Result<Opening, Rejection> {
        let admitted = self.seat(opener).map(|(_, opening)| opening);
        admitted.inspect_err(|rejection| self.hub.count_rejection(rejection.status().as_u16()))
    }

    fn open_parts(
        &self,
        method: &Method,
        uri: &Uri,
        version: Version,
        headers: &HeaderMap,
    ) -> Result<(Response<()>, Opening), Rejection> {
        // A bad `Host` is told before whatever else is wrong with the headers.
        check_start(method, version, headers)?;
        host(headers).ok_or(Rejection::Host)?;
        let accepted = accept(method, version, headers)?;
        self.check_origin(headers)?;
        self.check_host(headers)?;
        let opener = Opener { query: uri.query(), subprotocols: &accepted.subprotocols };
        let (subprotocol, opening) = self.seat(&opener)?;
        Ok((accepted.response(subprotocol), opening))
    }

    fn check_origin(&self, headers: &HeaderMap) -> Result<(), Rejection> {
        if self.origins.admit(headers) { Ok(()) } else { Err(Rejection::Origin) }
    }

    fn check_host(&self, headers: &HeaderMap) -> Result<(), Rejection> {
        self.hosts.as_ref().map_or(Ok(()), |hosts| hosts.check(headers))
    }

    /// With the subprotocol that is chosen.
    fn seat(&self, opener: &Opener<'_>) -> Result<(Option<&'static str>, Opening), Rejection> {
        let welcome = self.protocol.welcome(opener).ok_or(Rejection::Unwelcome)?;
        let seat = self.hub.seat().map_err(|_| Rejection::Unavailable)?;
        let bounds = self.hub.limits();
        let protocol = welcome.protocol.unwrap_or_else(|| self.protocol.clone());
        let message_bytes = protocol.message_bytes(bounds);
        let limits = MessageLimits { message_bytes, fragments: bounds.message_fragments };
        Ok((welcome.subprotocol, Opening { seat, protocol, hello: welcome.hello, limits }))
    }
}

impl Opening {
    /// For a client that comes from there: see [`Seat::of_peer`].
    pub fn of_peer(self, peer: Option<Peer>) -> Self {
        Self { seat: self.seat.of_peer(peer), ..self }
    }

    /// For a client that was let in before: with the [`Hello`] among these extensions of its request, if there is one.
    pub fn known_as(self, extensions: &Extensions) -> Self {
        let hello = extensions.get::<Hello>().cloned();
        Self { hello: hello.unwrap_or(self.hello), ..self }
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").field("protocol", &self.protocol.name()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opening").field("seat", &self.seat.id()).finish_non_exhaustive()
    }
}
