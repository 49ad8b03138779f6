//! Sessions over plain HTTP, for networks where no WebSocket gets through: a client reads an answer that does not end, and speaks in requests beside it.
//!
//! ```text
//!   POST http_stream, GET sse ──▶ Open (a key) ──▶ chat_core::Connection ──▶ pipe ──▶ the answer's body
//!   POST emulation (that key) ──▶ Open ──────────▶ its input
//! ```

mod body;
mod form;
mod open;
mod pipe;

use std::error::Error;
use std::future::Future;
use std::sync::Arc;

use crate::{Hosts, HttpConnection, Origins, list};
use bytes::Bytes;
use chat_core::{Close, Connection, HeldSeat, Hello, Hub, Incoming, Peer, Seat, SessionId};
use chat_protocol::centrifuge::{Beside, Centrifuge, Stream, first_commands};
use futures::StreamExt;
use http::header::{
    ACCEPT, ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER,
};
use http::{HeaderMap, Method, Request, Response, StatusCode, Version};
use http_body::Body;
use http_body_util::{Either, Full};

use body::TOO_LARGE;
use form::{BYTES, EVENTS, Form, LINES, is_bytes};
use open::Open;
pub use pipe::StreamBody;

/// An answer: a stream, or a few words.
pub type StreamResponse = Response<Either<StreamBody, Full<Bytes>>>;

/// Opens streams to a hub, for clients of Centrifuge. Cheap to clone; the clones know the same streams.
///
/// Each stream takes a seat, as a WebSocket does. A session that ends says so with a `disconnect` push, and its stream ends.
#[derive(Clone)]
pub struct Streams {
    hub: Hub,
    origins: Arc<Origins>,
    hosts: Arc<Hosts>,
    open: Open,
}

/// Why there is no stream, and what is said about it.
type Refused = (StatusCode, &'static str);

impl Streams {
    /// For pages of the same host, and all that are no pages.
    pub fn new(hub: Hub) -> Self {
        Self { hub, origins: Arc::default(), hosts: Arc::default(), open: Open::new() }
    }

    /// For pages of these origins; browsers are told that they may read what is answered.
    pub fn origins(mut self, origins: Origins) -> Self {
        self.origins = Arc::new(origins);
        self
    }

    /// For those who ask under one of these names; all others get 403. Without it, whatever name the client says is taken.
    pub fn hosts(mut self, hosts: Hosts) -> Self {
        self.hosts = Arc::new(hosts);
        self
    }

    /// Opens a stream: `POST` with the first commands. Of lines of JSON, or of bytes of Protobuf if the commands are `application/octet-stream`.
    ///
    /// Who a client is goes by a [`Hello`] among the request's extensions, if a server puts one there that has let it in by a cookie or a header.
    ///
    /// 413 if these have more than [`Limits::batch_bytes`](chat_core::Limits::batch_bytes), 403 for a foreign page, 503 if the hub is full or drains.
    pub async fn http_stream<B>(&self, request: Request<B>) -> StreamResponse
    where
        B: Body,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        self.admit(request, WRITTEN, async |request| {
            let (most, caller) = (self.hub.limits().batch_bytes(), Caller::of(&request));
            let in_bytes = is_bytes(request.headers());
            let body = body::read(&self.hub, request.into_body(), most).await?;
            match in_bytes {
                true => self.open(Incoming::Binary(body), BYTES, caller),
                false => self.open(text(body)?, LINES, caller),
            }
        })
        .await
    }

    /// Opens a stream of server-sent events: `GET` with the first commands as `cf_connect`. Refused as [`http_stream`](Self::http_stream), and with 406
    /// if it is a page's picture, script or link that asks: those name no `Origin`, and what they want is no `text/event-stream`.
    pub async fn event_stream<B>(&self, request: Request<B>) -> StreamResponse {
        self.admit(request, READ, async |request| {
            if !wants_events(request.headers()) {
                return Err((StatusCode::NOT_ACCEPTABLE, "Accept does not name text/event-stream"));
            }
            if request.method() == Method::HEAD {
                return Ok(of_kind(words(StatusCode::OK, ""), EVENT_STREAM));
            }
            let commands = first_commands(request.uri().query())
                .ok_or((StatusCode::BAD_REQUEST, "cf_connect is missing"))?;
            self.open(Incoming::Text(commands), EVENTS, Caller::of(&request))
        })
        .await
    }

    /// Takes in what a client says beside its stream: `POST` with the session's key. 204 once it has been taken in, which waits while the session has enough
    /// to do, or the session is over, which its stream says; 404 if that was another server's, and the client is to open another stream; 413 if the commands
    /// have more than [`Limits::batch_bytes`](chat_core::Limits::batch_bytes).
    pub async fn emulation<B>(&self, request: Request<B>) -> StreamResponse
    where
        B: Body,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        self.admit(request, WRITTEN, async |request| {
            let in_bytes = is_bytes(request.headers());
            let most = escaped(self.hub.limits().batch_bytes());
            let body = body::read(&self.hub, request.into_body(), most).await?;
            let said = match in_bytes {
                true => Beside::read_bytes(&body).map(|said| said.map(Incoming::Binary)),
                false => Beside::read(&body).map(|said| said.map(Incoming::Text)),
            };
            let said = said.ok_or((StatusCode::BAD_REQUEST, "no session and data"))?;
            self.hold_to_bound(&said.commands)?;
            if *said.node != *self.open.node {
                return Err((StatusCode::NOT_FOUND, "the session is not one of this server"));
            }
            if let Some(session) = self.open.find(&said.key) {
                // It may end meanwhile; then its stream says so.
                let _ = session.send(said.commands).await;
            }
            Ok(words(StatusCode::NO_CONTENT, ""))
        })
        .await
    }

    /// Answers for pages that may come in, also when their browser asks first whether they may.
    async fn admit<B>(
        &self,
        request: Request<B>,
        methods: &'static str,
        answer: impl AsyncFnOnce(Request<B>) -> Result<StreamResponse, Refused>,
    ) -> StreamResponse {
        let asked = request.headers().clone();
        let answered = if let Err(rejection) = self.hosts.check(&asked) {
            Err((rejection.status(), "this server is not asked by that Host"))
        } else if !self.origins.admit(&asked) {
            Err((StatusCode::FORBIDDEN, "this origin may not open a stream here"))
        } else if request.method() == Method::OPTIONS {
            return self.preflight(&asked, methods);
        } else if methods.split(", ").any(|method| method == request.method()) {
            answer(request).await
        } else {
            Err((StatusCode::METHOD_NOT_ALLOWED, "another method is meant"))
        };
        let mut response = match answered {
            Ok(response) => response,
            Err(refused @ (StatusCode::FORBIDDEN, _)) => return self.refuse(refused),
            Err(refused) => self.refuse(refused),
        };
        if response.status() == StatusCode::METHOD_NOT_ALLOWED {
            response.headers_mut().insert(ALLOW, HeaderValue::from_static(methods));
        }
        self.origins.permit(&asked, response.headers_mut());
        response
    }

    fn preflight(&self, asked: &HeaderMap, methods: &'static str) -> StreamResponse {
        let mut response = words(StatusCode::NO_CONTENT, "");
        response.headers_mut().insert(ALLOW, HeaderValue::from_static(methods));
        self.origins.permit_request(asked, methods, &["content-type"], response.headers_mut());
        response
    }

    fn refuse(&self, (status, why): Refused) -> StreamResponse {
        self.hub.count_rejection(status.as_u16());
        let mut response = words(status, why);
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("5"));
        }
        response
    }

    fn hold_to_bound(&self, commands: &Incoming) -> Result<(), Refused> {
        let bytes = match commands {
            Incoming::Text(text) => text.len(),
            Incoming::Binary(bytes) => bytes.len(),
            Incoming::Ping(_) | Incoming::Pong | Incoming::Close(_) => 0,
        };
        if bytes > self.hub.limits().batch_bytes() { Err(TOO_LARGE) } else { Ok(()) }
    }

    fn open(&self, commands: Incoming, form: Form, caller: Caller) -> Result<StreamResponse, Refused> {
        let full = (StatusCode::SERVICE_UNAVAILABLE, "the server is full or goes away");
        self.hold_to_bound(&commands)?;
        let mut seat = self.hub.seat().map_err(|_| full)?.of_peer(caller.peer);
        let (entry, heard) = self.open.enter().map_err(|_| full)?;
        entry.sender.try_send(commands).expect("a new session has room");
        let spoken = Centrifuge::beside(Stream { key: entry.key.clone(), node: self.open.node.clone() });
        let (protocol, framing, kind) = form(spoken);
        let (writer, body) = pipe::pipe(entry);
        let caller_closes = caller.closes;
        let place = Place::of(&mut seat, caller.ties.clone());
        let input = Box::pin(heard.map(Ok));
        let hello = caller.hello.clone();
        let session = Connection::over_bytes(seat, protocol, framing, hello, input, Arc::new(writer));
        self.hub.runtime().spawn(Box::pin(caller.see_to_end(self.hub.clone(), session)));
        let mut response = Response::new(Either::Left(body.keeping(place)));
        let headers = response.headers_mut();
        if caller_closes {
            // Its seat is given back with its socket, which is of no use to another session before.
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(of_kind(response, kind))
    }
}

/// Who asks, and over which connection.
struct Caller {
    peer: Option<Peer>,
    /// Who it is, if that is known.
    hello: Hello,
    ties: Option<HttpConnection>,
    /// The connection can end with its answer, as those that carry several at once do not.
    closes: bool,
}

impl Caller {
    fn of<B>(request: &Request<B>) -> Self {
        let extensions = request.extensions();
        Self {
            peer: extensions.get().copied(),
            hello: extensions.get().cloned().unwrap_or_default(),
            ties: extensions.get().cloned(),
            closes: request.version() <= Version::HTTP_11,
        }
    }

    /// Runs a session. Once it is over, its answer has as long to be taken as the end of a session has, whatever is taken now and then.
    async fn see_to_end(self, hub: Hub, session: impl Future<Output = Close> + Send) {
        session.await;
        let limits = hub.limits();
        if let Some(ties) = self.ties.filter(|_| self.closes && !limits.write_timeout.is_zero()) {
            let patience = limits.write_timeout.saturating_add(limits.close_timeout);
            ties.end_by(hub.runtime().now().after(patience));
        }
    }
}

/// What an open answer holds of its session: the seat, until the socket is gone or, where that is not known, the answer.
struct Place {
    hub: Hub,
    session: SessionId,
    ties: Option<HttpConnection>,
    _seat: HeldSeat,
}

impl Place {
    fn of(seat: &mut Seat, ties: Option<HttpConnection>) -> Self {
        let held = seat.hold();
        if let Some(ties) = &ties {
            ties.keep(held.clone());
        }
        Self { hub: seat.hub().clone(), session: seat.id(), ties, _seat: held }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // The answer ends since its client takes nothing: the session is closed for that, not lost.
        if self.ties.as_ref().is_some_and(HttpConnection::is_overdue) {
            self.hub.disconnect(self.session, Close::SLOW);
        }
    }
}

fn text(body: Vec<u8>) -> Result<Incoming, Refused> {
    String::from_utf8(body).map(Incoming::Text).map_err(|_| NO_TEXT)
}

const NO_TEXT: Refused = (StatusCode::BAD_REQUEST, "commands are text");

/// Bytes of a body whose commands, once decoded, have so many. They are JSON within a string of JSON, where a quote, a backslash and an end of a line take two
/// bytes; the rest is for the session and the server that stand beside them.
fn escaped(message_bytes: usize) -> usize {
    message_bytes.saturating_mul(2).saturating_add(1024)
}

/// Browsers tell what asks (Fetch Metadata), and that was looked at; but only to servers that they trust, and old ones not at all: then `Accept` tells a
/// picture or a script from a stream of events. Without one it is no browser.
fn wants_events(headers: &HeaderMap) -> bool {
    let told = headers.contains_key("sec-fetch-mode") || headers.contains_key("sec-fetch-dest");
    let named = list(headers, ACCEPT).find_map(|element| {
        let mut parts = element.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
        let kind = parts.next().unwrap_or_default();
        kind.eq_ignore_ascii_case(EVENT_STREAM.as_bytes()).then(|| !parts.any(is_never))
    });
    named.unwrap_or_else(|| told || list(headers, ACCEPT).next().is_none())
}

/// Whether a parameter of `Accept` says that this is not wanted (RFC 9110 §12.4.2).
fn is_never(parameter: &[u8]) -> bool {
    let weight = str::from_utf8(parameter).ok().and_then(|text| text.split_once('='));
    let weight = weight.filter(|(name, _)| name.trim().eq_ignore_ascii_case("q"));
    weight.is_some_and(|(_, value)| value.trim().parse() == Ok(0.0))
}

/// The methods of what is read, and of what is written to. Nothing is opened by HEAD.
const READ: &str = "GET, HEAD, OPTIONS";
const WRITTEN: &str = "POST, OPTIONS";

const EVENT_STREAM: &str = "text/event-stream";

/// Proxies of nginx's kind pass on what comes, when it comes.
const UNBUFFERED: HeaderName = HeaderName::from_static("x-accel-buffering");

fn of_kind(mut response: StreamResponse, kind: &'static str) -> StreamResponse {
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, no-store, no-transform"));
    headers.insert(UNBUFFERED, HeaderValue::from_static("no"));
    response
}

fn words(status: StatusCode, text: &'static str) -> StreamResponse {
    let mut response = Response::new(Either::Right(Full::from(text)));
    *response.status_mut() = status;
    response
}

impl std::fmt::Debug for Streams {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Streams").field("hub", &self.hub).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use chat_core::testkit::World;
    use chat_core::{Limits, OpenChat};
    use futures::FutureExt;

    use super::*;

    const BOUND: usize = 256 * 1024;

    fn streams() -> Streams {
        let limits = Limits { message_bytes: BOUND, session_channels: 0, ..Limits::default() };
        Streams::new(Hub::builder(OpenChat::default()).limits(limits).build(World::new()))
    }

    fn post(body: String) -> Request<Full<Bytes>> {
        Request::builder().method(Method::POST).body(Full::from(body)).expect("a request")
    }

    fn emulate(streams: &Streams, request: Request<Full<Bytes>>) -> StatusCode {
        streams.emulation(request).now_or_never().expect("at once").status()
    }

    fn say(streams: &Streams, key: &str, commands: &str) -> StatusCode {
        let body = serde_json::json!({ "session": key, "node": &*streams.open.node, "data": commands });
        emulate(streams, post(body.to_string()))
    }

    /// As many quotes as there can be.
    fn quotes(bytes: usize) -> String {
        "\"".repeat(bytes)
    }

    #[test]
    fn commands_are_held_to_the_bound_of_a_message_and_not_their_escapes() {
        let streams = streams();
        let (entry, heard) = streams.open.enter().expect("chance");
        assert_eq!(say(&streams, &entry.key, &quotes(BOUND)), StatusCode::NO_CONTENT);
        assert_eq!(heard.try_recv(), Ok(Incoming::Text(quotes(BOUND))));
        for too_long in [quotes(BOUND + 1), "x".repeat(BOUND + 1), "x".repeat(BOUND * 3)] {
            assert_eq!(say(&streams, &entry.key, &too_long), StatusCode::PAYLOAD_TOO_LARGE);
        }
        assert!(heard.is_empty());
    }

    #[test]
    fn a_body_is_bounded_whatever_it_says() {
        let streams = streams();
        let spaces = |bytes: usize| post(" ".repeat(bytes));
        let status = |bytes: usize| emulate(&streams, spaces(bytes));
        assert_eq!(status(escaped(BOUND)), StatusCode::BAD_REQUEST);
        assert_eq!(status(escaped(BOUND) + 1), StatusCode::PAYLOAD_TOO_LARGE);
        let first = streams.http_stream(spaces(BOUND + 1)).now_or_never().expect("at once");
        assert_eq!(first.status(), StatusCode::PAYLOAD_TOO_LARGE);
    }
}
