//! Serves the long poll of Phoenix's clients, for networks in which WebSockets die (longpoll.js,
//! long_poll.ex).
//!
//! ```text
//!   GET  ──▶ a poll waits at the session's Mailbox ◀── frames of its Connection
//!   POST ──▶ a batch of messages, line by line ──▶ its Connection
//! ```
//!
//! A session is known by a token that nobody can guess. Nothing is lost between two polls. Where an answer
//! does not arrive, its frames are lost, and the client begins anew. A session ends when nobody has polled it
//! for half a minute, or for 15 s as long as its client has not waited for an answer.

mod answer;
mod batch;
mod lines;
mod mailbox;
mod registry;
mod token;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use chat_core::Close;
use chat_core::protocol::Handshake;
use chat_core::transport::{Answers, Connection};
use http::{Method, Request, Response, StatusCode, request::Parts};
use http_body::Body;

use self::answer::{METHODS, answer, without_body};
use self::batch::{Batch, take_in};
use self::lines::Lines;
use self::mailbox::{Mailbox, Next, Outlet};
use self::registry::Registry;
use self::token::{bearer, new_token, token};
use crate::admission::{Gate, Opening, Rejection};

/// Limits how long a session waits for its next poll until its client has waited for an answer
/// (long_poll.ex): clients on the slowest lines, with round trips of seconds, are those that poll. The share
/// of the places that polls may take bounds what somebody takes for nothing, not haste.
const UNCONFIRMED: Duration = Duration::from_secs(15);

/// Lists the headers that clients send and a browser asks about first.
const HEADERS: [&str; 3] = ["content-type", "x-phoenix-authtoken", "x-phoenix-longpoll-token"];

/// Serves a gate to clients that poll. Cheap to clone; the clones know the same sessions.
///
/// The gate's protocol must send text alone. The hub's bounds hold: on sessions, and on the bytes of a
/// message, be it text or decoded from base64.
///
/// ```
/// use chat_core::{Hub, OpenChat, testkit::World};
/// use chat_http::{Gate, LongPoll};
/// use chat_protocol::phoenix::Phoenix;
/// use http::Request;
/// use http_body_util::Empty;
///
/// let world = World::new();
/// let hub = Hub::builder(OpenChat::default()).build(world.clone());
/// let poll = LongPoll::new(Gate::new(hub, Phoenix::only_text()));
/// world.run(async move {
///     let request = Request::get("/socket/longpoll?vsn=2.0.0").header("host", "a.example");
///     let response = poll.answer(request.body(Empty::<&[u8]>::new()).unwrap()).await;
///     // A new session: its client polls again, with the token that it is told.
///     assert!(response.body().contains(r#""status":410"#) && response.body().contains(r#""token":""#));
/// });
/// ```
#[derive(Clone)]
pub struct LongPoll {
    gate: Arc<Gate>,
    sessions: Registry,
}

impl LongPoll {
    /// Serves this gate. Call it once for a route: its sessions are known to it and its clones alone.
    pub fn new(gate: Gate) -> Self {
        Self { gate: Arc::new(gate), sessions: Registry::default() }
    }

    /// Answers a request: a poll, which waits for up to ten seconds, or a batch of messages.
    pub async fn answer<B: Body + Unpin>(&self, request: Request<B>) -> Response<String> {
        let (head, body) = request.into_parts();
        if self.gate.origin(&head.headers).is_err() {
            return answer(StatusCode::FORBIDDEN, 403, None, &[]);
        }
        let allowed = self.gate.allowed();
        let mut response = match head.method {
            Method::GET => self.poll(&head).await,
            Method::POST => self.push(&head, body).await,
            // Begins no session, and takes nothing that waits for a poll.
            Method::HEAD => answer(StatusCode::OK, 200, None, &[]),
            Method::OPTIONS => {
                let mut response = without_body(StatusCode::NO_CONTENT);
                allowed.permit_request(&head.headers, METHODS, &HEADERS, response.headers_mut());
                return response;
            }
            _ => without_body(StatusCode::METHOD_NOT_ALLOWED),
        };
        allowed.permit(&head.headers, response.headers_mut());
        response
    }

    async fn poll(&self, head: &Parts) -> Response<String> {
        let (token, query) = token(head);
        let session = token.and_then(|token| Some((token, self.sessions.find(token)?)));
        let Some((token, mailbox)) = session else { return self.begin(head, &query).await };
        match mailbox.next().await {
            Next::Frames(frames) => answer(StatusCode::OK, 200, Some(token), &frames),
            Next::Nothing => answer(StatusCode::OK, 204, Some(token), &[]),
            Next::Over(close) if close.as_ref().is_some_and(is_final) => {
                answer(StatusCode::OK, 403, Some(token), &[])
            }
            Next::Over(_) => answer(StatusCode::OK, 410, Some(token), &[]),
        }
    }

    /// Begins a session. Its client polls again at once, with the token that it is told.
    async fn begin(&self, head: &Parts, query: &str) -> Response<String> {
        let subprotocols = bearer(&head.headers);
        let opener = Handshake::new(Some(query), &subprotocols);
        match self.admit(head, &opener).await {
            Ok((opening, token)) => {
                self.run(opening, token.clone());
                answer(StatusCode::OK, 410, Some(&token), &[])
            }
            Err(rejection) if rejection.status() == StatusCode::FORBIDDEN => {
                answer(StatusCode::FORBIDDEN, 403, None, &[])
            }
            // The only other status upon which a client comes back.
            Err(rejection) => answer(rejection.status(), 500, None, &[]),
        }
    }

    /// Lets a client in, after the endpoint if its protocol wants that to be asked first.
    async fn admit(&self, head: &Parts, opener: &Handshake<'_>) -> Result<(Opening, Box<str>), Rejection> {
        self.make_room()?;
        let mut opening = self.gate.admit(opener)?.of_request(head);
        opening.ask().await?;
        Ok((opening, new_token().map_err(|_| Rejection::Unavailable)?))
    }

    /// Leaves the places that polls may not take to those who hold a connection.
    fn make_room(&self) -> Result<(), Rejection> {
        let (sessions, share) = (self.gate.hub().limits().sessions, self.gate.http().limits().poll_share);
        let most = sessions.saturating_mul(share.into()).div_ceil(100);
        if self.sessions.make_room(most) {
            return Ok(());
        }
        self.gate.hub().acceptor().count_rejection(StatusCode::SERVICE_UNAVAILABLE.as_u16());
        Err(Rejection::Unavailable)
    }

    fn run(&self, opening: Opening, token: Box<str>) {
        let Opening { permit, protocol, credentials, .. } = opening;
        let runtime = permit.hub().runtime().clone();
        let (mailbox, input) = Mailbox::new(runtime.clone(), UNCONFIRMED);
        let entry = self.sessions.enter(token, mailbox.clone());
        let connection =
            Connection::over_sink(permit, protocol, credentials, Box::pin(input), Outlet(mailbox))
                .answered(Answers::BOTH);
        runtime.spawn(Box::pin(async move { entry.mailbox.run(connection).await }));
    }

    async fn push<B: Body + Unpin>(&self, head: &Parts, body: B) -> Response<String> {
        let (token, _) = token(head);
        let Some(mailbox) = token.and_then(|token| self.sessions.find(token)) else {
            return answer(StatusCode::OK, 410, None, &[]);
        };
        let hub = self.gate.hub();
        let most = hub.limits().message_bytes;
        let patience = self.gate.http().limits().handshake_timeout;
        let lines = Lines::new(body, most, hub.acceptor().intake());
        let batch = Batch { runtime: &**hub.runtime(), patience, lines };
        let status = take_in(&mailbox, batch, most).await;
        answer(StatusCode::OK, status, None, &[])
    }
}

/// Returns whether a client is not to come back.
fn is_final(close: &Close) -> bool {
    !close.tells_to_reconnect()
}

impl fmt::Debug for LongPoll {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LongPoll").field("gate", &self.gate).finish_non_exhaustive()
    }
}
