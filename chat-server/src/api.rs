//! The HTTP API, in the shape that such servers have: `POST` of JSON, answered `{"result":…}` or `{"error":{"code":…,"message":…}}`.

use std::borrow::Cow;
use std::fmt::Display;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, FromRequest, Request, State};
use axum::http::StatusCode;
use axum::http::header::{ALLOW, CONTENT_TYPE};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, post};
use chat_core::{
    Answer, ChannelId, Close, Epoch, HistoryRequest, Hub, KEY_BYTES, Offset, Payload, Publish, Refusal,
    SessionId, UserId,
};
use chat_protocol::centrifuge::result;
use chat_protocol::check_depth;
use constant_time_eq::constant_time_eq;
use futures::future::join_all;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use serde_json::value::RawValue;
use tokio::time::timeout;

/// How a client is closed that the API ends, unless it says otherwise: not to come back.
const FORCED: Close = Close { code: 3503, reason: Cow::Borrowed("force disconnect") };

/// Nothing without a key. A body is bounded as a message is.
pub(crate) fn routes(hub: &Hub, key: Option<&str>) -> Router {
    let Some(key) = key.filter(|key| !key.is_empty()) else { return Router::new() };
    Router::new()
        .route("/api/publish", post(publish))
        .route("/api/broadcast", post(broadcast))
        .route("/api/history", post(history))
        .route("/api/presence", post(presence))
        .route("/api/disconnect", post(disconnect))
        .route("/api/unsubscribe", post(unsubscribe))
        .route("/api/info", post(info))
        .method_not_allowed_fallback(only_posted)
        .route("/api", any(unknown_method))
        .route("/api/{*method}", any(unknown_method))
        .layer(DefaultBodyLimit::max(hub.limits().message_bytes))
        .route_layer(from_fn_with_state(Arc::<str>::from(key), check))
        .with_state(hub.clone())
}

/// In a time that tells nothing of how much of the key is right.
async fn check(State(key): State<Arc<str>>, request: Request, next: Next) -> Response {
    let given = request.headers().get("x-api-key").map(|given| given.as_bytes()).unwrap_or_default();
    if !constant_time_eq(given, key.as_bytes()) {
        return (StatusCode::UNAUTHORIZED, "X-API-Key is not the server's\n").into_response();
    }
    next.run(request).await
}

async fn only_posted() -> Response {
    let said = json!({"error":{"code":107,"message":"the API is asked with POST"}});
    let headers = [(CONTENT_TYPE, "application/json"), (ALLOW, "POST")];
    (StatusCode::METHOD_NOT_ALLOWED, headers, said.to_string()).into_response()
}

async fn unknown_method() -> Response {
    let said = json!({"error":{"code":104,"message":"the API has no such method"}});
    (StatusCode::NOT_FOUND, [(CONTENT_TYPE, "application/json")], said.to_string()).into_response()
}

type Answered = Result<Response, Failure>;

/// Why there is no result.
enum Failure {
    Refused(Refusal),
    Unread(BytesRejection),
    Late,
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// A refusal is an answer like any other, as clients of such APIs expect; only what is no request at all has a status of its own.
impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        match self {
            Self::Unread(rejection) => rejection.into_response(),
            Self::Late => (StatusCode::REQUEST_TIMEOUT, "the body did not come in time\n").into_response(),
            Self::Refused(Refusal { code, message, .. }) => {
                let status = if code == 107 { StatusCode::BAD_REQUEST } else { StatusCode::OK };
                let error = json!({"error":{"code":code,"message":message}});
                (status, [(CONTENT_TYPE, "application/json")], error.to_string()).into_response()
            }
        }
    }
}

/// A body that came within the time of a handshake.
struct Timely(Bytes);

impl FromRequest<Hub> for Timely {
    type Rejection = Failure;

    async fn from_request(request: Request, hub: &Hub) -> Result<Self, Failure> {
        match timeout(hub.limits().handshake_timeout, Bytes::from_request(request, hub)).await {
            Ok(body) => body.map(Self).map_err(Failure::Unread),
            Err(_) => {
                hub.count_rejection(StatusCode::REQUEST_TIMEOUT.as_u16());
                Err(Failure::Late)
            }
        }
    }
}

fn answer(result: &str) -> Answered {
    Ok(([(CONTENT_TYPE, "application/json")], format!("{{\"result\":{result}}}")).into_response())
}

fn read<T: DeserializeOwned>(hub: &Hub, Timely(body): Timely) -> Result<T, Failure> {
    let wrong = |error: &dyn Display| Failure::from(Refusal::bad_request(error.to_string()));
    let text = std::str::from_utf8(&body).map_err(|error| wrong(&error))?;
    check_depth(text, hub.limits().json_depth)?;
    serde_json::from_str(text).map_err(|error| wrong(&error))
}

/// Under the same key the API publishes once in five minutes; an empty one is none.
#[derive(Default, Deserialize)]
#[serde(try_from = "Option<Box<str>>")]
struct Key(Option<Box<str>>);

impl TryFrom<Option<Box<str>>> for Key {
    type Error = String;
    fn try_from(key: Option<Box<str>>) -> Result<Self, String> {
        match key.as_ref().map_or(0, |key| key.len()) {
            0 => Ok(Self(None)),
            1..=KEY_BYTES => Ok(Self(key)),
            _ => Err(format!("an idempotency_key has at most {KEY_BYTES} bytes")),
        }
    }
}

#[derive(Deserialize)]
struct PublishFields {
    channel: ChannelId,
    data: Box<RawValue>,
    #[serde(default)]
    idempotency_key: Key,
}

async fn publish(State(hub): State<Hub>, body: Timely) -> Answered {
    let PublishFields { channel, data, idempotency_key: Key(key) } = read(&hub, body)?;
    answer(&say(&hub, channel, &data, key).await?)
}

async fn say(
    hub: &Hub,
    channel: ChannelId,
    data: &RawValue,
    key: Option<Box<str>>,
) -> Result<String, Refusal> {
    let said = hub
        .publish_stored(Publish { key, ..Publish::to(channel, Payload::json_unchecked(data.get())) })
        .await?;
    Ok(json!({"offset":said.offset.0,"epoch":said.epoch.to_string()}).to_string())
}

#[derive(Deserialize)]
struct BroadcastFields {
    channels: Vec<ChannelId>,
    data: Box<RawValue>,
    #[serde(default)]
    idempotency_key: Key,
}

async fn broadcast(State(hub): State<Hub>, body: Timely) -> Answered {
    let BroadcastFields { channels, data, idempotency_key: Key(key) } = read(&hub, body)?;
    let said = channels.into_iter().map(|channel| say(&hub, channel, &data, key.clone()));
    let told = |result| match result {
        Ok(result) => format!("{{\"result\":{result}}}"),
        Err(Refusal { code, message, .. }) => json!({"error":{"code":code,"message":message}}).to_string(),
    };
    let responses: Vec<_> = join_all(said).await.into_iter().map(told).collect();
    answer(&format!("{{\"responses\":[{}]}}", responses.join(",")))
}

#[derive(Deserialize)]
struct HistoryFields {
    channel: ChannelId,
    #[serde(default)]
    limit: i64,
    since: Option<Since>,
    #[serde(default)]
    reverse: bool,
}

#[derive(Deserialize)]
struct Since {
    offset: u64,
    #[serde(default)]
    epoch: String,
}

async fn history(State(hub): State<Hub>, body: Timely) -> Answered {
    let HistoryFields { channel, limit, since, reverse } = read(&hub, body)?;
    let from = since.as_ref().map(|since| Offset(since.offset));
    let (after, before) = if reverse { (None, from) } else { (from, None) };
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let request = HistoryRequest { channel, after, before, epoch: None, limit, reverse };
    let clamped = request.clamped(hub.limits().answer_entries);
    let page = hub.read_history(&request).await.ok_or_else(|| unknown(&request.channel))?;
    let epoch = since.map(|since| since.epoch).filter(|epoch| !epoch.is_empty());
    if epoch.is_some_and(|epoch| Epoch::kept_by_client(&epoch) != page.epoch) {
        return Err(Refusal::unrecoverable_position("the channel has begun another life").into());
    }
    answer(&result(&Answer::History { channel: request.channel, page, clamped }))
}

fn unknown(channel: &ChannelId) -> Failure {
    Refusal::unknown_channel(format!("there is no {channel:?}")).into()
}

#[derive(Deserialize)]
struct ChannelFields {
    channel: ChannelId,
}

async fn presence(State(hub): State<Hub>, body: Timely) -> Answered {
    let ChannelFields { channel } = read(&hub, body)?;
    let page = hub.presence(&channel).ok_or_else(|| unknown(&channel))?;
    answer(&result(&Answer::Presence { channel, page }))
}

#[derive(Deserialize)]
struct DisconnectFields {
    user: UserId,
    client: Option<String>,
    disconnect: Option<Ending>,
}

#[derive(Deserialize)]
struct Ending {
    code: u16,
    #[serde(default)]
    reason: String,
}

/// One session of a user if it is named, else all.
async fn disconnect(State(hub): State<Hub>, body: Timely) -> Answered {
    let DisconnectFields { user, client, disconnect } = read(&hub, body)?;
    let close = match disconnect {
        None => FORCED,
        Some(Ending { code: code @ 3000..5000, reason }) => Close::new(code, reason),
        Some(_) => return Err(Refusal::bad_request("a disconnect has a code of 3000 to 4999").into()),
    };
    match client.filter(|client| !client.is_empty()) {
        None => {
            hub.disconnect_user(&user, &close);
        }
        Some(client) => {
            let sessions = hub.sessions_of(&user);
            let session = sessions.into_iter().find(|SessionId(id)| id.to_string() == client);
            session.map(|session| hub.disconnect(session, close));
        }
    }
    answer("{}")
}

#[derive(Deserialize)]
struct UnsubscribeFields {
    user: UserId,
    channel: ChannelId,
}

async fn unsubscribe(State(hub): State<Hub>, body: Timely) -> Answered {
    let UnsubscribeFields { user, channel } = read(&hub, body)?;
    hub.unsubscribe_user(&user, &channel, &Refusal::permission_denied("server unsubscribe"));
    answer("{}")
}

async fn info(State(hub): State<Hub>) -> Answered {
    let stats = hub.stats();
    let node = json!({
        "uid": "1",
        "name": "chat-server",
        "version": env!("CARGO_PKG_VERSION"),
        "num_clients": stats.sessions,
        "num_channels": stats.channels,
        "num_subs": stats.subscriptions,
    });
    answer(&json!({"nodes":[node]}).to_string())
}
