//! The reasons for which a request is refused, each with its status and its answer.

use std::time::Duration;

use http::header::{
    ALLOW, CONNECTION, CONTENT_TYPE, HeaderValue, RETRY_AFTER, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{Response, StatusCode};
use thiserror::Error;

use chat_websocket::HandshakeError;

/// Why a request is not upgraded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Rejection {
    /// 405.
    #[error("a WebSocket opens with GET")]
    Method,
    /// 400.
    #[error("a WebSocket needs HTTP/1.1")]
    HttpVersion,
    /// 400.
    #[error("one Host is needed, and its port is a number of 1 to 65535")]
    Host,
    /// 403.
    #[error("this server is not asked by that Host")]
    ForeignHost,
    /// 426.
    #[error("this is a WebSocket: Upgrade: websocket is missing")]
    NoUpgrade,
    /// 400.
    #[error("Connection does not name Upgrade")]
    Connection,
    /// 426.
    #[error("only version 13 is spoken")]
    WebSocketVersion,
    /// 400.
    #[error("Sec-WebSocket-Key is not one base64 of 16 bytes")]
    Key,
    /// 400.
    #[error("Sec-WebSocket-Protocol is no list of tokens")]
    Subprotocol,
    /// 400.
    #[error("an opening handshake has no body")]
    Body,
    /// 403.
    #[error("a page of this origin may not come in here")]
    Origin,
    /// 403.
    #[error("this version of the protocol is not spoken here")]
    Unwelcome,
    /// 403.
    #[error("the server does not let this client in")]
    Refused,
    /// 400.
    #[error("this is no HTTP request")]
    Malformed,
    /// 431.
    #[error("the request is too large")]
    TooLarge,
    /// 408.
    #[error("the request did not come in time")]
    Timeout,
    /// 503.
    #[error("the server is full or goes away")]
    Unavailable,
    /// 404.
    #[error("there is nothing here")]
    NotFound,
}

impl Rejection {
    /// The status that says so.
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
            | Self::Malformed => StatusCode::BAD_REQUEST,
        }
    }

    /// How long the connection is kept for its client to read the answer: a socket that is closed with unread bytes is reset, and the answer lost. One
    /// that took too long has no more than that.
    pub fn linger(self) -> Duration {
        match self {
            Self::Timeout => Duration::from_millis(100),
            _ => Duration::from_secs(1),
        }
    }

    /// The answer, with a line that says why. The connection is to be closed after it.
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
