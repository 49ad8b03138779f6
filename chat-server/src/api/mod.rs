//! The HTTP API, in the shape that such servers have: `POST` of JSON, answered `{"result":…}` or `{"error":{"code":…,"message":…}}`.
//!
//! ```text
//!   fields   the parameters of a call, none of which is passed over
//!   calls    what can be called, and its results
//!   batch    many calls in one body
//! ```

mod batch;
mod calls;
mod fields;

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, FromRequest, Path, Request, State};
use axum::http::header::{ALLOW, AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, post};
use chat_core::{Hub, Refusal};
use chat_protocol::check_depth;
use constant_time_eq::constant_time_eq;
use tokio::time::timeout;

use self::fields::Fields;

/// Nothing without a key. A body is bounded as a message is.
pub(crate) fn routes(hub: &Hub, key: Option<&str>) -> Router {
    let Some(key) = key.filter(|key| !key.is_empty()) else { return Router::new() };
    Router::new()
        .route("/api/batch", post(batch))
        .route("/api/{method}", post(call))
        .method_not_allowed_fallback(only_posted)
        .route("/api", any(unknown_method))
        .route("/api/{method}/{*rest}", any(unknown_method))
        .layer(DefaultBodyLimit::max(hub.limits().message_bytes))
        .route_layer(from_fn_with_state(Arc::<str>::from(key), check))
        .with_state(hub.clone())
}

/// In a time that tells nothing of how much of the key is right.
async fn check(State(key): State<Arc<str>>, request: Request, next: Next) -> Response {
    if !constant_time_eq(shown(request.headers()), key.as_bytes()) {
        return (StatusCode::UNAUTHORIZED, "X-API-Key is not the server's\n").into_response();
    }
    next.run(request).await
}

/// `X-API-Key: …`, or else `Authorization: apikey …`.
fn shown(headers: &HeaderMap) -> &[u8] {
    let authorized = || {
        let words = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
        words.0.eq_ignore_ascii_case("apikey").then_some(words.1.trim().as_bytes())
    };
    let own = headers.get("x-api-key").map(|key| key.as_bytes());
    own.or_else(authorized).unwrap_or_default()
}

async fn only_posted() -> Response {
    let refusal = Refusal::bad_request("the API is asked with POST");
    let headers = [(CONTENT_TYPE, "application/json"), (ALLOW, "POST")];
    (StatusCode::METHOD_NOT_ALLOWED, headers, calls::error(&refusal)).into_response()
}

async fn unknown_method() -> Response {
    let refusal = Refusal::method_not_found("the API has no such method");
    (StatusCode::NOT_FOUND, [(CONTENT_TYPE, "application/json")], calls::error(&refusal)).into_response()
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
            Self::Refused(refusal) => {
                let status = if refusal.code == 107 { StatusCode::BAD_REQUEST } else { StatusCode::OK };
                (status, [(CONTENT_TYPE, "application/json")], calls::error(&refusal)).into_response()
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

impl Timely {
    fn text(&self, hub: &Hub) -> Result<&str, Refusal> {
        let text = std::str::from_utf8(&self.0);
        let text = text.map_err(|error| Refusal::bad_request(error.to_string()))?;
        check_depth(text, hub.limits().json_depth).map(|()| text)
    }
}

fn answer(body: String) -> Answered {
    Ok(([(CONTENT_TYPE, "application/json")], body).into_response())
}

async fn call(State(hub): State<Hub>, Path(method): Path<String>, body: Timely) -> Answered {
    // What such servers know and this one does not is not there, as a path is not.
    if !calls::METHODS.contains(&&*method) {
        return Ok(unknown_method().await);
    }
    let result = calls::call(&hub, &method, Fields::read(body.text(&hub)?)?).await?;
    answer(format!("{{\"result\":{result}}}"))
}

async fn batch(State(hub): State<Hub>, body: Timely) -> Answered {
    answer(batch::all(&hub, Fields::read(body.text(&hub)?)?).await?)
}
