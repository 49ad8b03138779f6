//! The long poll of Phoenix's clients, for networks in which WebSockets die (longpoll.js, long_poll.ex).
//!
//! ```text
//!   GET  ──▶ a poll waits at the session's Mail ◀── frames of its Connection
//!   POST ──▶ messages, line by line ──▶ its Connection
//! ```
//!
//! A session is known by a token that nobody can guess. Nothing is lost between two polls; what an answer held that did not arrive is, and then the
//! client begins anew. A session ends when nobody has polled it for half a minute, or for 15 s before its client has waited for an answer.

mod lines;
mod mail;

use std::collections::{HashMap, VecDeque};
use std::fmt::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::gate::{Gate, Opening};
use crate::rejection::Rejection;
use crate::time::within;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use chat_core::{Answers, Close, Connection, Frame, Incoming, InputError, Kind, Opener, Runtime};
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, request::Parts};
use http_body::Body;

use self::lines::{BadLine, Lines};
use self::mail::{Mail, Next, Outlet};

/// The most empty lines in one POST, for each is work. Messages are not counted: each is taken in as its session's rate has room, and clients older than
/// 1.8.16 put into one POST all that they have to say, such as the joins of all their channels.
const EMPTY: usize = 100;

/// How long a session waits for its next poll until its client has waited for an answer (long_poll.ex): clients on the slowest lines, with round trips of
/// seconds, are those that poll. What a seat costs who takes it for nothing is bounded by their share, and not by haste.
const UNCONFIRMED: Duration = Duration::from_secs(15);

/// What a client sends along that a browser asks about first.
const HEADERS: [&str; 3] = ["content-type", "x-phoenix-authtoken", "x-phoenix-longpoll-token"];
const METHODS: &str = "GET, HEAD, POST, OPTIONS";

/// Serves a gate to clients that poll. Cheap to clone.
///
/// The gate's protocol is to say everything in text. Its hub's bounds hold: on sessions, and on the bytes of a message, whether text or decoded.
#[derive(Clone)]
pub struct LongPoll(Arc<Inner>);

struct Inner {
    gate: Gate,
    sessions: Mutex<Sessions>,
}

#[derive(Default)]
struct Sessions {
    all: HashMap<Box<str>, Arc<Mail>>,
    /// Those that may be unconfirmed, the oldest first.
    unconfirmed: VecDeque<(Box<str>, Arc<Mail>)>,
}

impl Sessions {
    /// Sees to it that there is room for one more among so many. False if all of them have shown that they poll on.
    fn make_room(&mut self, most: usize) -> bool {
        let settled = |mail: &Mail| mail.is_confirmed() || mail.is_over();
        while self.unconfirmed.front().is_some_and(|(_, mail)| settled(mail)) {
            self.unconfirmed.pop_front();
        }
        while self.all.len() >= most {
            let Some((token, mail)) = self.unconfirmed.pop_front() else { return false };
            if !settled(&mail) {
                mail.forget();
                self.all.remove(&token);
            }
        }
        true
    }

    fn enter(&mut self, token: Box<str>, mail: Arc<Mail>) {
        self.unconfirmed.push_back((token.clone(), mail.clone()));
        self.all.insert(token, mail);
    }
}

/// A session that polls can find, until its task ends, in whatever way that does.
struct Known {
    poll: LongPoll,
    token: Box<str>,
    mail: Arc<Mail>,
}

impl Drop for Known {
    fn drop(&mut self) {
        self.mail.end();
        self.poll.sessions().all.remove(&self.token);
    }
}

impl LongPoll {
    /// Serves this gate. To be called once for a route: sessions are known to it alone.
    pub fn new(gate: Gate) -> Self {
        Self(Arc::new(Inner { gate, sessions: Mutex::default() }))
    }

    /// Answers a request: a poll, which takes up to ten seconds, or a batch of messages.
    pub async fn answer<B: Body + Unpin>(&self, request: Request<B>) -> Response<String> {
        let (head, body) = request.into_parts();
        if self.0.gate.origin(&head.headers).is_err() {
            return said(StatusCode::FORBIDDEN, 403, None, &[]);
        }
        let allowed = self.0.gate.allowed();
        let mut response = match head.method {
            Method::GET => self.poll(&head).await,
            Method::POST => self.push(&head, body).await,
            // Begins nothing, and takes nothing that waits for a poll.
            Method::HEAD => said(StatusCode::OK, 200, None, &[]),
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
        let Some((token, mail)) = token.and_then(|token| Some((token, self.session(token)?))) else {
            return self.begin(head, &query).await;
        };
        match mail.next().await {
            Next::Frames(frames) => said(StatusCode::OK, 200, Some(token), &frames),
            Next::Nothing => said(StatusCode::OK, 204, Some(token), &[]),
            Next::Over(close) if close.as_ref().is_some_and(is_final) => {
                said(StatusCode::OK, 403, Some(token), &[])
            }
            Next::Over(_) => said(StatusCode::OK, 410, Some(token), &[]),
        }
    }

    /// A new session. Its client polls again at once, with the token that it is told.
    async fn begin(&self, head: &Parts, query: &str) -> Response<String> {
        let subprotocols = bearer(&head.headers);
        let opener = Opener { query: Some(query), subprotocols: &subprotocols };
        match self.admit(head, &opener).await {
            Ok((opening, token)) => {
                self.run(opening, token.clone());
                said(StatusCode::OK, 410, Some(&token), &[])
            }
            Err(rejection) if rejection.status() == StatusCode::FORBIDDEN => {
                said(StatusCode::FORBIDDEN, 403, None, &[])
            }
            // The only other word upon which a client comes back.
            Err(rejection) => said(rejection.status(), 500, None, &[]),
        }
    }

    /// Lets a client in whose protocol may want the endpoint to be asked first.
    async fn admit(&self, head: &Parts, opener: &Opener<'_>) -> Result<(Opening, Box<str>), Rejection> {
        self.make_room()?;
        let mut opening = self.0.gate.admit(opener)?.of_request(head);
        opening.ask().await?;
        Ok((opening, new_token()?))
    }

    /// The share of the seats that polls may take leaves the others to those who hold a connection.
    fn make_room(&self) -> Result<(), Rejection> {
        let limits = self.0.gate.hub().limits();
        let most = limits.sessions.saturating_mul(limits.poll_share.into()).div_ceil(100);
        if self.sessions().make_room(most) {
            return Ok(());
        }
        self.0.gate.hub().count_rejection(StatusCode::SERVICE_UNAVAILABLE.as_u16());
        Err(Rejection::Unavailable)
    }

    fn run(&self, opening: Opening, token: Box<str>) {
        let Opening { seat, protocol, hello, .. } = opening;
        let runtime = seat.hub().runtime().clone();
        let (mail, input) = Mail::new(runtime.clone(), UNCONFIRMED);
        self.sessions().enter(token.clone(), mail.clone());
        let connection = Connection::over_sink(seat, protocol, hello, Box::pin(input), Outlet(mail.clone()))
            .answered(Answers::BOTH);
        let known = Known { poll: self.clone(), token, mail };
        runtime.spawn(Box::pin(async move { known.mail.run(connection).await }));
    }

    async fn push<B: Body + Unpin>(&self, head: &Parts, body: B) -> Response<String> {
        let (token, _) = token(head);
        let Some(mail) = token.and_then(|token| self.session(token)) else {
            return said(StatusCode::OK, 410, None, &[]);
        };
        let hub = self.0.gate.hub();
        let limits = hub.limits();
        let lines = Lines::new(body, limits.message_bytes, hub.intake());
        let reader = Reader { runtime: &**hub.runtime(), patience: limits.handshake_timeout, lines };
        let status = take_in(&mail, reader, limits.message_bytes).await;
        said(StatusCode::OK, status, None, &[])
    }

    fn session(&self, token: &str) -> Option<Arc<Mail>> {
        self.sessions().all.get(token).cloned()
    }

    fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.0.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads a body whose next part is to come in time.
struct Reader<'a, B> {
    runtime: &'a dyn Runtime,
    patience: Duration,
    lines: Lines<B>,
}

impl<B: Body + Unpin> Reader<'_, B> {
    /// The next line; none in place of it if it takes too long. A session that takes its time with what came before is no haste of the client's.
    async fn next(&mut self) -> Option<Result<Option<Vec<u8>>, BadLine>> {
        within(self.runtime, self.patience, self.lines.next()).await
    }
}

/// Hands over messages as the session takes them, and gives the status of the answer. A session whose client breaks a bound ends, as it does on a WebSocket.
async fn take_in<B: Body + Unpin>(mail: &Mail, mut reader: Reader<'_, B>, most: usize) -> u16 {
    let mut empty = 0;
    loop {
        let item = match reader.next().await {
            None => return 408,
            Some(Ok(Some(line))) if line.is_empty() => {
                empty += 1;
                if empty > EMPTY {
                    return 413;
                }
                continue;
            }
            Some(Ok(Some(line))) => message(line, most),
            Some(Ok(None)) => return 200,
            Some(Err(BadLine::TooLong)) => Err(InputError::Refused(Close::TOO_BIG)),
            Some(Err(BadLine::Lost)) => return 400,
            Some(Err(BadLine::Full)) => return 503,
        };
        let refused = match &item {
            Ok(_) => None,
            Err(InputError::Refused(close)) if *close == Close::TOO_BIG => Some(413),
            Err(_) => Some(400),
        };
        if !mail.say(item).await {
            return 410;
        }
        if let Some(status) = refused {
            return status;
        }
    }
}

/// A text begins with a bracket; all else is base64 (longpoll.js). What is neither is for the protocol to refuse.
fn message(line: Vec<u8>, most: usize) -> Result<Incoming, InputError> {
    let bytes = match line.first() {
        Some(b'[') | None => None,
        Some(_) => STANDARD.decode(&line).ok(),
    };
    if bytes.as_ref().unwrap_or(&line).len() > most {
        return Err(InputError::Refused(Close::TOO_BIG));
    }
    match bytes {
        Some(bytes) => Ok(Incoming::Binary(bytes)),
        None => String::from_utf8(line)
            .map(Incoming::Text)
            .map_err(|_| InputError::Refused(Close::INVALID_PAYLOAD)),
    }
}

/// The session's token, in a header or in the query, and the query without it. There it stands behind `vsn`; a `token` before that is the user's own
/// (socket.js, longpoll.js).
fn token(head: &Parts) -> (Option<&str>, String) {
    let query = head.uri.query().unwrap_or_default();
    let header = head.headers.get("x-phoenix-longpoll-token").and_then(|token| token.to_str().ok());
    if header.is_some() {
        return (header, query.to_owned());
    }
    let mut params: Vec<_> = query.split('&').collect();
    let version = params.iter().position(|param| param.starts_with("vsn=")).unwrap_or_default();
    let behind = params[version..].iter().position(|param| param.starts_with("token="));
    let token = behind.map(|at| &params.remove(version + at)["token=".len()..]);
    (token, params.join("&"))
}

/// The user's token, as a WebSocket would offer it.
fn bearer(headers: &HeaderMap) -> Vec<String> {
    let token = headers.get("x-phoenix-authtoken").map(HeaderValue::as_bytes);
    let offered = |token| {
        let bearer = format!("base64url.bearer.phx.{}", STANDARD_NO_PAD.encode(token));
        vec!["phoenix".to_owned(), bearer]
    };
    token.map(offered).unwrap_or_default()
}

/// 128 bits, as hexadecimal digits.
fn new_token() -> Result<Box<str>, Rejection> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|_| Rejection::Unavailable)?;
    let digits = bytes.iter().fold(String::new(), |mut digits, byte| {
        write!(digits, "{byte:02x}").expect("a String takes it");
        digits
    });
    Ok(digits.into())
}

/// Whether a client is not to come back.
fn is_final(close: &Close) -> bool {
    matches!(close.code, 3500..4000 | 4500..5000)
}

/// An answer. Its client reads the status in the body, and wants the token again each time.
fn said(http: StatusCode, status: u16, token: Option<&str>, frames: &[Frame]) -> Response<String> {
    let messages: Vec<_> = frames.iter().map(text).collect();
    let body = serde_json::json!({ "status": status, "token": token, "messages": messages });
    let mut response = Response::new(body.to_string());
    *response.status_mut() = http;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn text(frame: &Frame) -> String {
    match frame.as_str() {
        Some(text) if frame.kind() == Kind::Text => text.to_owned(),
        _ => STANDARD.encode(frame),
    }
}

fn without_body(status: StatusCode) -> Response<String> {
    let mut response = Response::new(String::new());
    *response.status_mut() = status;
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(METHODS));
    response
}

impl fmt::Debug for LongPoll {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LongPoll").field("gate", &self.0.gate).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apart(query: &str) -> (Option<String>, String) {
        let request =
            Request::builder().uri(format!("/socket/longpoll?{query}")).body(()).expect("a request");
        let (head, ()) = request.into_parts();
        let (token, rest) = token(&head);
        (token.map(str::to_owned), rest)
    }

    #[test]
    fn a_token_behind_the_version_is_the_sessions_and_one_before_it_is_the_users() {
        let all = |token: Option<&str>, rest: &str| (token.map(str::to_owned), rest.to_owned());
        assert_eq!(apart("vsn=2.0.0&token=7"), all(Some("7"), "vsn=2.0.0"));
        assert_eq!(apart("token=me&vsn=2.0.0&"), all(None, "token=me&vsn=2.0.0&"));
        assert_eq!(apart("token=me&vsn=2.0.0&token=7"), all(Some("7"), "token=me&vsn=2.0.0"));
        assert_eq!(apart(""), all(None, ""));
    }

    #[test]
    fn a_line_is_text_or_base64_within_the_bound_of_a_message() {
        let read = |line: &str| message(line.into(), 8);
        assert_eq!(read("[1,2,3]"), Ok(Incoming::Text("[1,2,3]".into())));
        assert_eq!(read("AAECAwQFBgc="), Ok(Incoming::Binary((0..8).collect())));
        assert_eq!(read("AAECAwQFBgcI"), Err(InputError::Refused(Close::TOO_BIG)));
        assert_eq!(read("[1,2,3,4]"), Err(InputError::Refused(Close::TOO_BIG)));
        assert_eq!(read("no!"), Ok(Incoming::Text("no!".into())));
        assert_eq!(message(b"[\xff".into(), 8), Err(InputError::Refused(Close::INVALID_PAYLOAD)));
    }

    #[test]
    fn no_two_tokens_are_alike() {
        let (one, other) = (new_token().expect("chance"), new_token().expect("chance"));
        assert!(one != other && one.len() == 32);
    }
}
