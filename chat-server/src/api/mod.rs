//! Serves the HTTP API in the shape that such servers have: `POST` of JSON, answered with `{"result":…}` or
//! `{"error":{"code":…,"message":…}}`.
//!
//! ```text
//!   key      checks the key of a request
//!   body     reads the body of a request
//!   fields   reads the parameters of a call
//!   calls    does the calls
//!   batch    does many calls of one body
//!   failure  answers a call that has no result
//! ```

mod batch;
mod body;
mod calls;
mod failure;
mod fields;
mod key;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, post};
use chat_core::{Hub, Refusal};
use chat_tokio_adapter::HttpHub;

use self::calls::Api;
use self::failure::{Failure, in_the_mode_asked_for, refused};
use self::fields::Fields;
use crate::rules::Rules;

/// Routes the API's requests; without a key there is no API. Who shows the key may do everything, whatever
/// the rules allow sessions.
pub(crate) fn routes(http: &HttpHub, key: Option<&str>, rules: &Arc<Rules>) -> Router {
    let Some(key) = key.filter(|key| !key.is_empty()) else { return Router::new() };
    Router::new()
        .route("/api/batch", post(batch))
        .route("/api/{method}", post(call))
        .method_not_allowed_fallback(only_posted)
        .route("/api", any(unknown_method))
        .route("/api/{method}/{*rest}", any(unknown_method))
        .route_layer(from_fn(in_the_mode_asked_for))
        .route_layer(from_fn_with_state(Arc::<str>::from(key), key::check))
        .with_state(Api { http: http.clone(), rules: rules.clone() })
}

async fn only_posted() -> Response {
    let refusal = Refusal::bad_request("the API accepts only POST");
    let mut response = refused(StatusCode::METHOD_NOT_ALLOWED, refusal);
    response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
    response
}

async fn unknown_method() -> Response {
    refused(StatusCode::NOT_FOUND, Refusal::method_not_found("the API has no such method"))
}

/// Answers a call, and counts every answer that is a status alone.
fn answer(hub: &Hub, outcome: Result<String, Failure>) -> Response {
    match outcome {
        Ok(body) => ([(CONTENT_TYPE, "application/json")], body).into_response(),
        Err(failure) => {
            if !matches!(failure, Failure::Refused(_)) {
                hub.acceptor().count_rejection(failure.status().as_u16());
            }
            failure.into_response()
        }
    }
}

async fn call(State(api): State<Api>, Path(method): Path<String>, body: Body) -> Response {
    // A method that only other servers have is answered as a path that does not exist.
    if !calls::METHODS.contains(&&*method) {
        return unknown_method().await;
    }
    let outcome = async {
        let text = match &*method {
            "broadcast" => body::of_many(&api.http, body).await?,
            _ => body::of_one(&api.http, body).await?,
        };
        let result = calls::call(&api, &method, Fields::read(&text)?).await?;
        Ok(format!("{{\"result\":{result}}}"))
    };
    answer(api.hub(), outcome.await)
}

async fn batch(State(api): State<Api>, body: Body) -> Response {
    let outcome = async {
        let text = body::of_many(&api.http, body).await?;
        Ok(batch::all(&api, Fields::read(&text)?).await?)
    };
    answer(api.hub(), outcome.await)
}
