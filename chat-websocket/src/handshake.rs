//! The opening handshake (RFC 6455 §4.2), on headers that something else has read.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{
    CONNECTION, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, TRANSFER_ENCODING, UPGRADE,
};
use http::{Method, Response, StatusCode, Version};
use sha1::{Digest, Sha1};
use thiserror::Error;

use crate::host;
use crate::list::{list, names};
use crate::origin::Origins;

/// RFC 6455 §1.3.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

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

/// A handshake that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    accept: HeaderValue,
    /// The subprotocols that the client offers, in its order.
    pub subprotocols: Vec<String>,
}

/// Checks a request to open a WebSocket.
///
/// # Errors
/// Every rule of RFC 6455 §4.2.1 that is broken, and an origin that may not come in.
pub fn accept(
    method: &Method,
    version: Version,
    headers: &HeaderMap,
    origins: &Origins,
) -> Result<Accepted, Rejection> {
    ensure(method == Method::GET, Rejection::Method)?;
    ensure(version == Version::HTTP_11, Rejection::HttpVersion)?;
    ensure(!has_body(headers), Rejection::Body)?;
    ensure(host::host(headers).is_some(), Rejection::Host)?;
    ensure(names(headers, UPGRADE, "websocket"), Rejection::NoUpgrade)?;
    ensure(names(headers, CONNECTION, "upgrade"), Rejection::Connection)?;
    let version = single(headers, &SEC_WEBSOCKET_VERSION);
    ensure(version.is_some_and(|version| version == "13"), Rejection::WebSocketVersion)?;
    let key = single(headers, &SEC_WEBSOCKET_KEY).and_then(|key| key.to_str().ok()).ok_or(Rejection::Key)?;
    let decoded = STANDARD.decode(key).map_err(|_| Rejection::Key)?;
    ensure(decoded.len() == 16, Rejection::Key)?;
    let subprotocols = subprotocols(headers)?;
    ensure(origins.admit(headers), Rejection::Origin)?;
    let digest = Sha1::new().chain_update(key).chain_update(GUID).finalize();
    let accept = HeaderValue::from_str(&STANDARD.encode(digest)).expect("base64 is a header's value");
    Ok(Accepted { accept, subprotocols })
}

impl Accepted {
    /// The answer: 101, with the subprotocol that was chosen if any.
    ///
    /// # Panics
    /// If `subprotocol` is no text for a header; one of [`subprotocols`](Self::subprotocols) always is.
    pub fn response(&self, subprotocol: Option<&str>) -> Response<()> {
        let mut response = Response::new(());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(SEC_WEBSOCKET_ACCEPT, self.accept.clone());
        if let Some(chosen) = subprotocol {
            let chosen = HeaderValue::from_str(chosen).expect("a subprotocol is a token");
            headers.insert(SEC_WEBSOCKET_PROTOCOL, chosen);
        }
        response
    }
}

impl Rejection {
    /// The status that says so.
    pub fn status(self) -> StatusCode {
        match self {
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::NoUpgrade | Self::WebSocketVersion => StatusCode::UPGRADE_REQUIRED,
            Self::Origin | Self::ForeignHost | Self::Unwelcome => StatusCode::FORBIDDEN,
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
        headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        match self {
            Self::Method => {
                headers.insert(http::header::ALLOW, HeaderValue::from_static("GET"));
            }
            Self::NoUpgrade | Self::WebSocketVersion => {
                headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
                headers.insert(CONNECTION, HeaderValue::from_static("Upgrade, close"));
                headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
            }
            Self::Unavailable => {
                headers.insert(http::header::RETRY_AFTER, HeaderValue::from_static("5"));
            }
            _ => {}
        }
        response
    }
}

fn ensure(holds: bool, rejection: Rejection) -> Result<(), Rejection> {
    if holds { Ok(()) } else { Err(rejection) }
}

/// What follows the head would be read as frames by one party and as a body by another.
fn has_body(headers: &HeaderMap) -> bool {
    headers.contains_key(TRANSFER_ENCODING)
        || headers.get_all(CONTENT_LENGTH).iter().any(|length| length != "0")
}

/// The value of a header that may stand only once.
pub(crate) fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

/// Who offers none, or only nothing between commas, lets the server choose (RFC 9110 §5.6.1.2).
fn subprotocols(headers: &HeaderMap) -> Result<Vec<String>, Rejection> {
    let token = |element: &[u8]| String::from_utf8(element.to_vec()).ok().filter(|text| is_token(text));
    list(headers, SEC_WEBSOCKET_PROTOCOL)
        .map(|element| token(element).ok_or(Rejection::Subprotocol))
        .collect()
}

/// RFC 9110 §5.6.2.
fn is_token(text: &str) -> bool {
    let symbol = |byte: u8| b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || symbol(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("host", "chat.example"),
            ("upgrade", "WebSocket"),
            ("connection", "keep-alive, Upgrade"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        headers
    }

    fn check(headers: &HeaderMap) -> Result<Accepted, Rejection> {
        accept(&Method::GET, Version::HTTP_11, headers, &Origins::SameHost)
    }

    fn with(name: &'static str, value: &'static [u8]) -> Result<Accepted, Rejection> {
        let mut headers = good();
        headers.insert(name, HeaderValue::from_bytes(value).expect("a value"));
        check(&headers)
    }

    #[test]
    fn the_sample_of_the_rfc_is_accepted_as_it_says() {
        let response = check(&good()).expect("accepted").response(Some("chat"));
        assert_eq!(response.status(), 101);
        assert_eq!(response.headers()["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(response.headers()["sec-websocket-protocol"], "chat");
    }

    #[test]
    fn what_the_rfc_asks_for_must_be_there_once() {
        for (name, rejection) in [
            ("host", Rejection::Host),
            ("upgrade", Rejection::NoUpgrade),
            ("connection", Rejection::Connection),
            ("sec-websocket-version", Rejection::WebSocketVersion),
            ("sec-websocket-key", Rejection::Key),
        ] {
            let mut headers = good();
            let value = headers.remove(name).expect("it is there");
            assert_eq!(check(&headers), Err(rejection), "without {name}");
            if !matches!(name, "upgrade" | "connection") {
                headers.append(name, value.clone());
                headers.append(name, value);
                assert_eq!(check(&headers), Err(rejection), "{name} twice");
            }
        }
        assert_eq!(accept(&Method::POST, Version::HTTP_11, &good(), &Origins::Any), Err(Rejection::Method));
        assert_eq!(
            accept(&Method::GET, Version::HTTP_10, &good(), &Origins::Any),
            Err(Rejection::HttpVersion)
        );
    }

    #[test]
    fn values_that_are_wrong_or_no_text_are_refused_without_a_panic() {
        assert_eq!(with("sec-websocket-version", b"8"), Err(Rejection::WebSocketVersion));
        for key in [&b"c2hvcnQ="[..], b"dGhlIHNhbXBsZSBub25jZQ", b"dGhlIHNhbXBsZSBub25jZTE3", b"\x80\xff"] {
            assert_eq!(with("sec-websocket-key", key), Err(Rejection::Key));
        }
        for list in [&b"\x80\xff"[..], b"a b", b"a, \xff", b"a;b", b"\"a\""] {
            assert_eq!(with("sec-websocket-protocol", list), Err(Rejection::Subprotocol));
        }
        assert_eq!(with("sec-websocket-protocol", b"a, b").expect("tokens").subprotocols, ["a", "b"]);
        assert_eq!(with("upgrade", b"\xff"), Err(Rejection::NoUpgrade));
    }

    #[test]
    fn empty_elements_of_its_lists_count_for_nothing() {
        for (offered, read) in [
            (&b""[..], &[][..]),
            (b" ", &[]),
            (b",", &[]),
            (b"a,,b", &["a", "b"]),
            (b", a", &["a"]),
            (b"a,\t", &["a"]),
        ] {
            let accepted = with("sec-websocket-protocol", offered).expect("a list");
            assert_eq!(accepted.subprotocols, read, "{}", offered.escape_ascii());
        }
        for (name, list) in [
            ("upgrade", &b", websocket"[..]),
            ("upgrade", b"h2c,\tWEBSOCKET,"),
            ("connection", b",,keep-alive,,upgrade ,"),
            ("sec-websocket-extensions", b""),
            ("sec-websocket-extensions", b", permessage-deflate; client_max_window_bits,,"),
        ] {
            assert!(with(name, list).is_ok(), "{name}: {}", list.escape_ascii());
        }
        let mut headers = good();
        for name in ["upgrade", "connection", "sec-websocket-protocol"] {
            headers.append(name, HeaderValue::from_static(""));
            headers.append(name, HeaderValue::from_static("other"));
        }
        assert_eq!(check(&headers).expect("several lines").subprotocols, ["other"]);
    }

    #[test]
    fn a_handshake_has_no_body() {
        for (name, value) in [("content-length", &b"5"[..]), ("transfer-encoding", b"chunked")] {
            assert_eq!(with(name, value), Err(Rejection::Body));
        }
        assert!(with("content-length", b"0").is_ok());
    }

    #[test]
    fn another_version_is_told_which_is_spoken() {
        let response = Rejection::WebSocketVersion.response();
        assert_eq!(response.status(), 426);
        assert_eq!(response.headers()["sec-websocket-version"], "13");
    }
}
