//! Lists what the hub holds, page by page.

use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use chat_core::{ChannelId, ChannelStatus, Hub, Page, SessionId, SessionStatus, SubscriberStatus};
use chrono::SecondsFormat;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::failure::failure;

/// Bounds the rows of a page.
const ROWS: usize = 100;

/// Bounds how often a search looks for more before it answers with what it has found, and where to go on.
const LOOKS: usize = 20;

/// Says which rows are wanted: those after this one, whose name or user begins like this.
#[derive(Deserialize)]
pub(super) struct Wanted {
    #[serde(default)]
    after: String,
    #[serde(default)]
    begins: String,
    #[serde(default)]
    channel: String,
}

/// Holds a page as it is answered.
#[derive(Serialize)]
struct Rows {
    rows: Vec<Value>,
    /// Names the row after which the next page begins.
    next: Option<String>,
}

/// Answers the totals.
pub(super) async fn totals(State(hub): State<Hub>) -> Response {
    let stats = hub.stats();
    let totals = json!({
        "sessions": stats.sessions,
        "users": hub.users(),
        "channels": stats.channels,
        "subscriptions": stats.subscriptions,
        "waitingBytes": stats.outbox_bytes,
        "version": env!("CARGO_PKG_VERSION"),
    });
    Json(totals).into_response()
}

/// Answers a page of channels.
pub(super) async fn channels(State(hub): State<Hub>, Query(wanted): Query<Wanted>) -> Response {
    let after = match wanted.after.as_str() {
        "" => None,
        name => match name.parse::<ChannelId>() {
            Ok(name) => Some(name),
            Err(error) => return failure(StatusCode::BAD_REQUEST, format!("after: {error}")),
        },
    };
    let begins = |one: &ChannelStatus| one.channel.as_str().starts_with(&wanted.begins);
    let look = |after: Option<&ChannelId>| hub.channels(after, ROWS);
    let (found, next) = search(after, look, begins, |one| one.channel.clone());
    answer(found.iter().map(channel).collect(), next.map(|next| next.to_string()))
}

/// Answers a page of sessions.
pub(super) async fn sessions(State(hub): State<Hub>, Query(wanted): Query<Wanted>) -> Response {
    let Ok(after) = session_id(&wanted.after) else { return bad_id() };
    let begins = |one: &SessionStatus| is_of(one, &wanted.begins);
    let (found, next) = search(after, |after| hub.sessions(after.copied(), ROWS), begins, |one| one.session);
    answer(found.iter().map(session).collect(), next.map(|next| next.to_string()))
}

/// Answers a page of the sessions in a channel.
pub(super) async fn subscribers(State(hub): State<Hub>, Query(wanted): Query<Wanted>) -> Response {
    let Ok(after) = session_id(&wanted.after) else { return bad_id() };
    let channel: ChannelId = match wanted.channel.parse() {
        Ok(channel) => channel,
        Err(error) => return failure(StatusCode::BAD_REQUEST, format!("channel: {error}")),
    };
    let begins = |one: &SubscriberStatus| is_of(&one.session, &wanted.begins);
    let look = |after: Option<&SessionId>| hub.subscribers(&channel, after.copied(), ROWS);
    let (found, next) = search(after, look, begins, |one| one.session.session);
    answer(found.iter().map(subscriber).collect(), next.map(|next| next.to_string()))
}

/// Looks until a page is full, all is seen, or it has looked often enough. Returns the rows, and after which
/// one the next page begins.
fn search<T, K>(
    mut after: Option<K>,
    look: impl Fn(Option<&K>) -> Page<T, K>,
    wanted: impl Fn(&T) -> bool,
    key: impl Fn(&T) -> K,
) -> (Vec<T>, Option<K>) {
    let mut found = Vec::new();
    for _ in 0..LOOKS {
        let Page { entries, next, .. } = look(after.as_ref());
        found.extend(entries.into_iter().filter(&wanted));
        after = next;
        if found.len() > ROWS {
            found.truncate(ROWS);
            after = found.last().map(&key);
        }
        if after.is_none() || found.len() == ROWS {
            break;
        }
    }
    (found, after)
}

fn is_of(session: &SessionStatus, begins: &str) -> bool {
    let user = session.user.as_ref().is_some_and(|user| user.as_str().starts_with(begins));
    begins.is_empty() || user || session.name.as_ref().is_some_and(|name| name.as_str().starts_with(begins))
}

fn answer(rows: Vec<Value>, next: Option<String>) -> Response {
    Json(Rows { rows, next }).into_response()
}

fn channel(one: &ChannelStatus) -> Value {
    json!({
        "channel": one.channel,
        "subscribers": one.subscribers,
        "publications": one.publications,
        "historyBytes": one.history_bytes,
        "offset": one.offset.0.to_string(),
        "stored": one.stored,
    })
}

/// Writes ids as text: a script would round large numbers.
fn session(one: &SessionStatus) -> Value {
    json!({
        "session": one.session.to_string(),
        "user": one.user,
        "name": one.name,
        "since": one.since.to_rfc3339_opts(SecondsFormat::Millis, true),
        "from": one.peer.map(|peer| peer.to_string()),
        "protocol": one.protocol,
        "channels": one.channels,
        "waitingFrames": one.waiting_frames,
        "waitingBytes": one.waiting_bytes,
    })
}

fn subscriber(one: &SubscriberStatus) -> Value {
    let mut row = session(&one.session);
    row["subscribed"] = json!(one.subscribed.to_rfc3339_opts(SecondsFormat::Millis, true));
    row
}

/// Reads the id of a session; an empty text is none.
fn session_id(text: &str) -> Result<Option<SessionId>, std::num::ParseIntError> {
    if text.is_empty() { Ok(None) } else { text.parse().map(|id| Some(SessionId(id))) }
}

fn bad_id() -> Response {
    failure(StatusCode::BAD_REQUEST, "after: the id of a session is a number")
}
