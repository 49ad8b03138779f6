//! Answers requests that are refused.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// Answers with a status, and says why in JSON.
pub(super) fn failure(status: StatusCode, why: impl AsRef<str>) -> Response {
    (status, Json(json!({"error":why.as_ref()}))).into_response()
}
