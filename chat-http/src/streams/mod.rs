//! Serves sessions over plain HTTP, for networks where no WebSocket gets through: a client reads an answer
//! that does not end, and sends its commands in requests beside it.
//!
//! ```text
//!   POST http_stream, GET sse ──▶ Registry (a key) ──▶ chat_core::transport::Connection ──▶ pipe ──▶ the
//!   answer's body POST emulation (that key) ──▶ Registry ──────────▶ its input
//! ```

mod answer;
mod body;
mod caller;
mod format;
mod negotiation;
mod pipe;
mod registry;

use std::error::Error;
use std::sync::Arc;

use chat_core::Hub;
use chat_core::transport::{Connection, Incoming};
use chat_protocol::centrifuge::{Beside, Centrifuge, Stream, first_commands};
use futures::StreamExt;
use http::header::{ALLOW, CONNECTION, HeaderValue, RETRY_AFTER};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::Either;

pub use self::answer::StreamResponse;
use self::answer::{EVENT_STREAM, FULL, Refused, TOO_LARGE, of_kind, words};
use self::caller::{Caller, Place};
use self::format::{BYTES, EVENTS, Format, LINES, is_bytes};
use self::negotiation::wants_events;
pub use self::pipe::StreamBody;
use self::registry::Registry;
use crate::admission::{Hosts, Origins};
use crate::hub::HttpHub;

/// Opens streams to a hub, for clients of Centrifuge. Cheap to clone; the clones know the same streams.
///
/// Each stream takes a place among the hub's sessions, as a WebSocket does. A session that ends says so with
/// a `disconnect` push, and then its stream ends.
///
/// ```
/// use chat_core::{Hub, OpenChat, testkit::World};
/// use chat_http::Streams;
/// use http::Request;
///
/// let world = World::new();
/// let streams = Streams::new(Hub::builder(OpenChat::default()).build(world.clone()));
/// world.run(async move {
///     let request = Request::get("/connection/sse?cf_connect=%7B%22id%22%3A1%2C%22connect%22%3A%7B%7D%7D");
///     let response = streams.event_stream(request.header("host", "a.example").body(()).unwrap()).await;
///     assert_eq!(response.status(), 200);
///     assert_eq!(response.headers()["content-type"], "text/event-stream");
/// });
/// ```
#[derive(Clone)]
pub struct Streams {
    http: HttpHub,
    origins: Arc<Origins>,
    hosts: Arc<Hosts>,
    open: Registry,
}

impl Streams {
    /// Serves pages of the same host, and all clients that are no pages. A [`Hub`] alone is served within
    /// the default bounds, an [`HttpHub`] within its own.
    ///
    /// # Panics
    /// If the system has no randomness to give.
    pub fn new(hub: impl Into<HttpHub>) -> Self {
        Self { http: hub.into(), origins: Arc::default(), hosts: Arc::default(), open: Registry::new() }
    }

    /// Serves pages of these origins; browsers are told that they may read the answers.
    pub fn origins(mut self, origins: Origins) -> Self {
        self.origins = Arc::new(origins);
        self
    }

    /// Serves those who ask under one of these names; all others get 403. Without it any name is served.
    pub fn hosts(mut self, hosts: Hosts) -> Self {
        self.hosts = Arc::new(hosts);
        self
    }

    /// Opens a stream: `POST` with the first commands. Streams lines of JSON, or bytes of Protobuf if the
    /// commands are `application/octet-stream`.
    ///
    /// Takes the client for whom a [`Credentials`](chat_core::protocol::Credentials) among the request's
    /// extensions names, if a server has put one there that has let the client in by a cookie or a header.
    ///
    /// Answers 413 if the commands are longer than [`Limits::batch_bytes`](chat_core::Limits::batch_bytes),
    /// 403 to a foreign page, and 503 if the hub is full or drains.
    pub async fn http_stream<B>(&self, request: Request<B>) -> StreamResponse
    where
        B: Body,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        self.admit(request, WRITTEN, async |request| {
            let (most, caller) = (self.hub().limits().batch_bytes(), Caller::of(&request));
            let in_bytes = is_bytes(request.headers());
            let (body, _held) = body::read(&self.http, request.into_body(), most).await?;
            match in_bytes {
                true => self.open(Incoming::Binary(body), BYTES, caller),
                false => self.open(text(body)?, LINES, caller),
            }
        })
        .await
    }

    /// Opens a stream of server-sent events: `GET` with the first commands as `cf_connect`. Refuses as
    /// [`http_stream`](Self::http_stream) does, and with 406 what a page embeds, such as a picture or a
    /// script: those name no `Origin`, and they do not want `text/event-stream`.
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

    /// Takes in the commands that a client sends beside its stream: `POST` with the session's key.
    ///
    /// Answers 204 once the session has taken them, which waits while it has enough to do, or once it is
    /// over, which its stream says; 404 if the session was another server's, so that the client opens
    /// another stream; 413 if the commands are longer than
    /// [`Limits::batch_bytes`](chat_core::Limits::batch_bytes).
    pub async fn emulation<B>(&self, request: Request<B>) -> StreamResponse
    where
        B: Body,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        self.admit(request, WRITTEN, async |request| {
            let in_bytes = is_bytes(request.headers());
            let most = escaped(self.hub().limits().batch_bytes());
            // What waits for a session that has enough to do is held by the server all the same.
            let (body, _held) = body::read(&self.http, request.into_body(), most).await?;
            let sent = match in_bytes {
                true => Beside::read_bytes(&body).map(|sent| sent.map(Incoming::Binary)),
                false => Beside::read(&body).map(|sent| sent.map(Incoming::Text)),
            };
            let sent = sent.ok_or((StatusCode::BAD_REQUEST, "no session and data"))?;
            drop(body);
            self.check_size(&sent.commands)?;
            if *sent.node != *self.open.node {
                return Err((StatusCode::NOT_FOUND, "the session is not one of this server"));
            }
            if let Some(session) = self.open.find(&sent.key) {
                // It may end meanwhile; then its stream says so.
                let _ = session.send(sent.commands).await;
            }
            Ok(words(StatusCode::NO_CONTENT, ""))
        })
        .await
    }

    fn hub(&self) -> &Hub {
        self.http.hub()
    }

    /// Answers a request of a page or client that may come in, also where a browser asks first whether it
    /// may.
    async fn admit<B>(
        &self,
        request: Request<B>,
        methods: &'static str,
        answer: impl AsyncFnOnce(Request<B>) -> Result<StreamResponse, Refused>,
    ) -> StreamResponse {
        let asked = request.headers().clone();
        let answered = match self.check_caller(&asked) {
            Err(refused @ (StatusCode::FORBIDDEN, _)) => return self.refuse(refused),
            Err(refused) => Err(refused),
            Ok(()) if request.method() == Method::OPTIONS => return self.preflight(&asked, methods),
            Ok(()) if methods.split(", ").any(|method| method == request.method()) => answer(request).await,
            Ok(()) => Err((StatusCode::METHOD_NOT_ALLOWED, "another method is meant")),
        };
        let mut response = answered.unwrap_or_else(|refused| self.refuse(refused));
        if response.status() == StatusCode::METHOD_NOT_ALLOWED {
            response.headers_mut().insert(ALLOW, HeaderValue::from_static(methods));
        }
        self.origins.permit(&asked, response.headers_mut());
        response
    }

    fn check_caller(&self, asked: &HeaderMap) -> Result<(), Refused> {
        if let Err(rejection) = self.hosts.check(asked) {
            return Err((rejection.status(), "this server is not asked by that Host"));
        }
        match self.origins.admit(asked) {
            true => Ok(()),
            false => Err((StatusCode::FORBIDDEN, "this origin may not open a stream here")),
        }
    }

    fn preflight(&self, asked: &HeaderMap, methods: &'static str) -> StreamResponse {
        let mut response = words(StatusCode::NO_CONTENT, "");
        response.headers_mut().insert(ALLOW, HeaderValue::from_static(methods));
        self.origins.permit_request(asked, methods, &["content-type"], response.headers_mut());
        response
    }

    fn refuse(&self, (status, why): Refused) -> StreamResponse {
        self.hub().acceptor().count_rejection(status.as_u16());
        let mut response = words(status, why);
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("5"));
        }
        response
    }

    fn check_size(&self, commands: &Incoming) -> Result<(), Refused> {
        let bytes = match commands {
            Incoming::Text(text) => text.len(),
            Incoming::Binary(bytes) => bytes.len(),
            Incoming::Ping(_) | Incoming::Pong | Incoming::Close(_) | Incoming::Part => 0,
        };
        if bytes > self.hub().limits().batch_bytes() { Err(TOO_LARGE) } else { Ok(()) }
    }

    /// Opens a session with its first commands, and spawns it.
    fn open(
        &self,
        commands: Incoming,
        format: Format,
        mut caller: Caller,
    ) -> Result<StreamResponse, Refused> {
        self.check_size(&commands)?;
        let (credentials, extensions) = caller.take_claims();
        let permit = self.hub().acceptor().permit().map_err(|_| FULL)?;
        let mut permit = permit.of_peer(caller.peer).with(extensions);
        let (entry, input) = self.open.enter().map_err(|_| FULL)?;
        entry.sender.try_send(commands).expect("a new session has room");
        let spoken = Centrifuge::beside(Stream { key: entry.key.clone(), node: self.open.node.clone() });
        let (protocol, framing, kind) = format(spoken);
        let (writer, body) = pipe::pipe(entry);
        let closes = caller.closes;
        let place = Place::of(&mut permit, caller.connection.clone());
        let input = Box::pin(input.map(Ok));
        let session = Connection::over_bytes(permit, protocol, framing, credentials, input, Arc::new(writer));
        self.hub().runtime().spawn(Box::pin(caller.run_to_end(self.hub().clone(), session)));
        let mut response = Response::new(Either::Left(body.keeping(place)));
        if closes {
            // Its place is given back with its socket, which is of no use to another session before.
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(of_kind(response, kind))
    }
}

/// Lists the methods of what is read, and `WRITTEN` those of what is written to. HEAD opens nothing.
const READ: &str = "GET, HEAD, OPTIONS";
const WRITTEN: &str = "POST, OPTIONS";

fn text(body: Vec<u8>) -> Result<Incoming, Refused> {
    let no_text = |_| (StatusCode::BAD_REQUEST, "commands are text");
    String::from_utf8(body).map(Incoming::Text).map_err(no_text)
}

/// Returns how many bytes a body may have whose commands, once decoded, have so many. They are JSON within a
/// string of JSON, where a quote, a backslash and a line feed take two bytes; the rest is for the session
/// and the server that are named beside them.
fn escaped(message_bytes: usize) -> usize {
    message_bytes.saturating_mul(2).saturating_add(1024)
}

impl std::fmt::Debug for Streams {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Streams").field("hub", self.hub()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use chat_core::testkit::World;
    use chat_core::{Limits, OpenChat};
    use futures::FutureExt;
    use http_body_util::Full;

    use super::*;

    const BOUND: usize = 256 * 1024;

    fn streams() -> Streams {
        let limits = Limits::default().with_message_bytes(BOUND).with_session_channels(0);
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

    /// Returns a text of quotes, each of which is escaped.
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
