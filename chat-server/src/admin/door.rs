//! Lets those ask who show the key: from this server's own page, or from no browser.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use chat_core::Hub;
use chat_core::runtime::Instant;
use chat_core::transport::Peer;
use chat_tokio_adapter::Origins;
use constant_time_eq::constant_time_eq_n;
use tracing::info;

use super::failure::failure;
use super::pace::{Pace, Verdict, WrongKeys};

/// Names the header of the key. A page of another site cannot send it unasked, and it stands in no address.
const KEY: &str = "x-admin-key";

/// Bounds a key, in bytes.
pub(crate) const KEY_BYTES: usize = 255;

/// Bounds the wrong keys of one address.
const WRONG: Pace = Pace { burst: 5, every: Duration::from_secs(10) };

/// Bounds the addresses for which wrong keys are counted.
const ADDRESSES: usize = 1024;

/// Bounds the requests with the right key, of all addresses together.
const REQUESTS: Pace = Pace { burst: 100, every: Duration::from_millis(50) };

/// Holds the key, and counts requests.
#[derive(Clone)]
pub(super) struct Door(Arc<Inner>);

struct Inner {
    hub: Hub,
    key: Padded,
    counts: Mutex<Counts>,
}

struct Counts {
    wrong: WrongKeys<Option<Peer>>,
    requests: Option<Instant>,
}

impl Door {
    pub(super) fn new(hub: &Hub, key: &str) -> Self {
        let counts = Counts { wrong: WrongKeys::new(WRONG, ADDRESSES), requests: None };
        Self(Arc::new(Inner { hub: hub.clone(), key: padded(key.as_bytes()), counts: Mutex::new(counts) }))
    }

    /// Returns the refusal of a request; none if it may be answered.
    fn refusal(&self, request: &Request) -> Option<Response> {
        let headers = request.headers();
        if !Origins::SameHost.admit(headers) {
            return Some(failure(StatusCode::FORBIDDEN, "only this server's own page may ask this"));
        }
        // Who shows no key guesses none. Pages of other sites cannot set the header; were their pictures
        // counted, they could keep out an admin in whose browser they are.
        if !headers.contains_key(KEY) {
            return Some(failure(StatusCode::UNAUTHORIZED, "the key is missing or wrong"));
        }
        let is_right = is_shown(&self.0.key, headers);
        let peer = request.extensions().get::<Peer>().copied();
        match self.judge(peer, is_right) {
            (Verdict::Right, paced) => paced.err().map(|wait| later("too many requests", wait)),
            (Verdict::Wrong, _) => {
                info!(peer = peer.map(tracing::field::display), "an admin key is wrong");
                Some(failure(StatusCode::UNAUTHORIZED, "the key is missing or wrong"))
            }
            (Verdict::Later(wait), _) => Some(later("too many wrong keys", wait)),
        }
    }

    /// Counts a request, and says what comes of its key and of its pace.
    fn judge(&self, peer: Option<Peer>, is_right: bool) -> (Verdict, Result<(), Duration>) {
        let now = self.0.hub.runtime().instant();
        let mut counts = self.0.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let verdict = counts.wrong.judge(peer, is_right, now);
        let paced = match verdict {
            Verdict::Right => REQUESTS.take(&mut counts.requests, now),
            _ => Ok(()),
        };
        (verdict, paced)
    }
}

/// Passes on those who may ask, and counts the others.
pub(super) async fn check(State(door): State<Door>, request: Request, next: Next) -> Response {
    match door.refusal(&request) {
        None => next.run(request).await,
        Some(response) => {
            door.0.hub.acceptor().count_rejection(response.status().as_u16());
            response
        }
    }
}

fn later(why: &str, wait: Duration) -> Response {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    let headers = [(RETRY_AFTER, seconds.to_string())];
    (headers, failure(StatusCode::TOO_MANY_REQUESTS, why)).into_response()
}

/// Holds a key, filled up, with its length in the last byte: so keys of any length are compared alike.
type Padded = [u8; KEY_BYTES + 1];

fn padded(key: &[u8]) -> Padded {
    let mut padded = [0; KEY_BYTES + 1];
    let length = key.len().min(KEY_BYTES);
    padded[..length].copy_from_slice(&key[..length]);
    padded[KEY_BYTES] = u8::try_from(length).expect("a key has at most 255 bytes");
    padded
}

/// Compares in the same time, whatever key is shown, or none.
fn is_shown(key: &Padded, headers: &HeaderMap) -> bool {
    let shown = headers.get(KEY).map(|shown| shown.as_bytes()).unwrap_or_default();
    let fits = shown.len() <= KEY_BYTES;
    constant_time_eq_n(key, &padded(shown)) & fits
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn only_the_whole_key_is_the_key() {
        let is_right = |key: &str, shown: &str| {
            let shown = (KEY.parse().expect("a name"), HeaderValue::from_str(shown).expect("a value"));
            is_shown(&padded(key.as_bytes()), &HeaderMap::from_iter([shown]))
        };
        let long = "k".repeat(KEY_BYTES);
        assert!(is_right("a key", "a key") && is_right(&long, &long));
        for other in ["", "a", "a ke", "a keys", "A key", "a key\u{0}", &long] {
            let shown = other.replace('\0', " ");
            assert!(!is_right("a key", &shown) || other == "a key", "{other:?}");
        }
        assert!(!is_right(&long, &format!("{long}k")) && !is_right(&long, &long[1..]));
        assert!(!is_shown(&padded(b"a key"), &HeaderMap::new()));
    }
}
