//! Names the reasons for which a request is refused, each with its status and its answer.

use std::time::Duration;

use http::header::{
    ALLOW, CONNECTION, CONTENT_TYPE, HeaderValue, RETRY_AFTER, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{Response, StatusCode};
use thiserror::Error;

use chat_websocket::HandshakeError;

/// Says why a request is refused.
///
/// ```
/// use chat_http::Rejection;
///
/// let response = Rejection::NoUpgrade.response();
/// assert_eq!(response.status(), 426);
/// assert_eq!(response.headers()["upgrade"], "websocket");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Rejection {
    /// Answers 405: the method is not GET.
    #[error("a WebSocket opens with GET")]
    Method,
    /// Answers 400: the version is not HTTP/1.1.
    #[error("a WebSocket needs HTTP/1.1")]
    HttpVersion,
    /// Is answered with 400: `Host` is missing, wrong, or stands twice.
    #[error("one Host is needed, and its port is a number of 1 to 65535")]
    Host,
    /// Answers 403: the server does not answer for this `Host`.
    #[error("this server is not asked by that Host")]
    ForeignHost,
    /// Is answered with 426: `Upgrade` does not name `websocket`.
    #[error("this is a WebSocket: Upgrade: websocket is missing")]
    NoUpgrade,
    /// Is answered with 400: `Connection` does not name `Upgrade`.
    #[error("Connection does not name Upgrade")]
    Connection,
    /// Is answered with 426: `Sec-WebSocket-Version` is not 13.
    #[error("only version 13 is spoken")]
    WebSocketVersion,
    /// Is answered with 400: `Sec-WebSocket-Key` is wrong.
    #[error("Sec-WebSocket-Key is not one base64 of 16 bytes")]
    Key,
    /// Is answered with 400: `Sec-WebSocket-Protocol` is wrong.
    #[error("Sec-WebSocket-Protocol is no list of tokens")]
    Subprotocol,
    /// Answers 400: the handshake announces a body.
    #[error("an opening handshake has no body")]
    Body,
    /// Answers 403: pages of this origin may not come in.
    #[error("a page of this origin may not come in here")]
    Origin,
    /// Answers 403: the protocol does not take this client.
    #[error("this version of the protocol is not spoken here")]
    Unwelcome,
    /// Answers 403: the endpoint does not let the client in.
    #[error("the server does not let this client in")]
    Refused,
    /// Answers 400: the bytes are no HTTP request.
    #[error("this is no HTTP request")]
    Malformed,
    /// Is not answered, and counts as 400: a connection from a proxy does not begin with the header of the
    /// PROXY protocol.
    #[error("a proxy's connection does not begin with the header of the PROXY protocol")]
    ProxyHeader,
    /// Answers 431: the head is over a bound.
    #[error("the request is too large")]
    TooLarge,
    /// Answers 408: the request did not come in time.
    #[error("the request did not come in time")]
    Timeout,
    /// Answers 503: the hub is full or drains.
    #[error("the server is full or goes away")]
    Unavailable,
    /// Answers 404: nothing is served here.
    #[error("there is nothing here")]
    NotFound,
}

impl Rejection {
    /// Returns the status of its answer.
    pub fn status(self) -> StatusCode {
        match self {
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::NoUpgrade | Self::WebSocketVersion => StatusCode::UPGRADE_REQUIRED,
            Self::Origin | Self::ForeignHost | Self::Unwelcome | Self::Refused => StatusCode::FORBIDDEN,
            Self::TooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::Timeout => StatusCode::REQUEST_TIMEOUT,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::HttpVersion
            | Self::Host
            | Self::Connection
            | Self::Key
            | Self::Subprotocol
            | Self::Body
            | Self::ProxyHeader
            | Self::Malformed => StatusCode::BAD_REQUEST,
        }
    }

    /// Returns how long to keep the connection for its client to read the answer: closing a socket with
    /// unread bytes resets it and loses the answer. A client that took too long has a tenth of a second.
    pub fn linger(self) -> Duration {
        match self {
            Self::Timeout => Duration::from_millis(100),
            _ => Duration::from_secs(1),
        }
    }

    /// Builds the answer, with a line that says why. Close the connection after it.
    pub fn response(self) -> Response<String> {
        let mut response = Response::new(format!("{self}\n"));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        match self {
            Self::Method => {
                headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            }
            Self::NoUpgrade | Self::WebSocketVersion => {
                headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
                headers.insert(CONNECTION, HeaderValue::from_static("Upgrade, close"));
                headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
            }
            Self::Unavailable => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("5"));
            }
            _ => {}
        }
        response
    }
}

impl From<HandshakeError> for Rejection {
    fn from(error: HandshakeError) -> Self {
        match error {
            HandshakeError::Method => Self::Method,
            HandshakeError::HttpVersion => Self::HttpVersion,
            HandshakeError::Body => Self::Body,
            HandshakeError::Host => Self::Host,
            HandshakeError::NoUpgrade => Self::NoUpgrade,
            HandshakeError::Connection => Self::Connection,
            HandshakeError::Version => Self::WebSocketVersion,
            HandshakeError::Key => Self::Key,
            HandshakeError::Subprotocol => Self::Subprotocol,
            _ => Self::Malformed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_version_is_told_which_is_spoken() {
        let response = Rejection::WebSocketVersion.response();
        assert_eq!(response.status(), 426);
        assert_eq!(response.headers()["sec-websocket-version"], "13");
    }
}
