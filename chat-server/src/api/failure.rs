//! Answers calls that have no result, each with its reason.

use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use chat_core::{Reason, Refusal};
use serde_json::json;

use super::calls::error;

/// Says why there is no result.
pub(super) enum Failure {
    Refused(Refusal),
    /// Says that the body has more bytes than this.
    TooLarge(usize),
    BrokenOff,
    Late,
    TooMuchWaits,
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl Failure {
    /// Returns the status. A refusal has 200, as clients of such APIs expect; only a request that cannot be
    /// read has a status of its own.
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::Refused(refusal) if refusal.reason == Reason::BadRequest => StatusCode::BAD_REQUEST,
            Self::Refused(_) => StatusCode::OK,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BrokenOff => StatusCode::BAD_REQUEST,
            Self::Late => StatusCode::REQUEST_TIMEOUT,
            Self::TooMuchWaits => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn refusal(self) -> Refusal {
        match self {
            Self::Refused(refusal) => refusal,
            Self::TooLarge(most) => Refusal::bad_request(format!("the body has more than {most} bytes")),
            Self::BrokenOff => Refusal::bad_request("the body ended early"),
            Self::Late => Refusal::bad_request("the body did not arrive in time"),
            Self::TooMuchWaits => Refusal::internal("the server holds too much incomplete input"),
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status = self.status();
        let mut response = refused(status, self.refusal());
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(RETRY_AFTER, 5.into());
        }
        response
    }
}

/// Answers a refusal in the usual form. The refusal is attached to the response, for middleware that writes
/// another form.
pub(super) fn refused(status: StatusCode, refusal: Refusal) -> Response {
    let mut response = (status, [(CONTENT_TYPE, "application/json")], error(&refusal)).into_response();
    response.extensions_mut().insert(refusal);
    response
}

/// Answers a refusal with a status of its own and the bare error in the body, if the request asks for that. A
/// body of many answers is left as it is.
pub(super) async fn in_the_mode_asked_for(request: Request, next: Next) -> Response {
    let by_status = request.headers().get("x-centrifugo-error-mode").is_some_and(|mode| mode == "transport");
    let response = next.run(request).await;
    let Some(refusal) = response.extensions().get::<Refusal>().filter(|_| by_status) else { return response };
    let status = match response.status() {
        StatusCode::OK | StatusCode::BAD_REQUEST => own_status(refusal.code()),
        other => other,
    };
    let alone = json!({"code":refusal.code(),"message":refusal.message}).to_string();
    let (mut parts, _) = response.into_parts();
    parts.status = status;
    parts.headers.remove(CONTENT_LENGTH);
    Response::from_parts(parts, alone.into())
}

/// Maps a code to a status, as the published server does.
fn own_status(code: u16) -> StatusCode {
    match code {
        102 | 104 => StatusCode::NOT_FOUND,
        107 | 108 => StatusCode::BAD_REQUEST,
        112 => StatusCode::RANGE_NOT_SATISFIABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
