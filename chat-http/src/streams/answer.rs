//! Builds the answers of streams: those that do not end, and those of a few words.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use http_body_util::{Either, Full};

use super::pipe::StreamBody;

/// Answers a request to [`Streams`](crate::Streams): with a stream, or with a few words.
pub type StreamResponse = Response<Either<StreamBody, Full<Bytes>>>;

/// Says why there is no stream: a status, and words for people.
pub(super) type Refused = (StatusCode, &'static str);

pub(super) const FULL: Refused = (StatusCode::SERVICE_UNAVAILABLE, "the server is full or goes away");
pub(super) const TOO_LARGE: Refused = (StatusCode::PAYLOAD_TOO_LARGE, "the request is too large");

/// Names the media type of server-sent events.
pub(super) const EVENT_STREAM: &str = "text/event-stream";

/// Keeps proxies of nginx's kind from holding back what comes.
const UNBUFFERED: HeaderName = HeaderName::from_static("x-accel-buffering");

pub(super) fn words(status: StatusCode, text: &'static str) -> StreamResponse {
    let mut response = Response::new(Either::Right(Full::from(text)));
    *response.status_mut() = status;
    response
}

/// Adds the headers of a stream of this media type.
pub(super) fn of_kind(mut response: StreamResponse, kind: &'static str) -> StreamResponse {
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, no-store, no-transform"));
    headers.insert(UNBUFFERED, HeaderValue::from_static("no"));
    response
}
