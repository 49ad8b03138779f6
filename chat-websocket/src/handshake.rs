//! Computes the opening handshake (RFC 6455 §4.2) on headers that something else has read.

use base64::Engine;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, PAD, STANDARD};
use http::header::{
    CONNECTION, CONTENT_LENGTH, HOST, HeaderMap, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, TRANSFER_ENCODING, UPGRADE,
};
use http::{Method, Response, StatusCode, Version};
use sha1::{Digest, Sha1};
use thiserror::Error;

use crate::fields::{is_token, is_token68, list, names, single};

/// Names what is hashed with every key (RFC 6455 §1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Ignores the four unused bits of the last letter: some clients make up all 22 letters.
const KEY: GeneralPurpose =
    GeneralPurpose::new(&alphabet::STANDARD, PAD.with_decode_allow_trailing_bits(true));

/// Holds what a valid handshake asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    accept: HeaderValue,
    /// Lists the subprotocols that the client offers, in its order: tokens, or credentials in base64.
    pub subprotocols: Vec<String>,
}

/// Says which rule of the opening handshake a request breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The method is not GET.
    #[error("a WebSocket opens with GET")]
    Method,
    /// The version is not HTTP/1.1.
    #[error("a WebSocket needs HTTP/1.1")]
    HttpVersion,
    /// The request announces a body.
    #[error("an opening handshake has no body")]
    Body,
    /// `Host` is missing or stands twice.
    #[error("one Host is needed")]
    Host,
    /// `Upgrade` does not name `websocket`, or the method is HEAD, which upgrades nothing.
    #[error("this is a WebSocket: Upgrade: websocket is missing")]
    NoUpgrade,
    /// `Connection` does not name `Upgrade`.
    #[error("Connection does not name Upgrade")]
    Connection,
    /// `Sec-WebSocket-Version` is not 13.
    #[error("only version 13 is spoken")]
    Version,
    /// `Sec-WebSocket-Key` is wrong.
    #[error("Sec-WebSocket-Key is not one base64 of 16 bytes")]
    Key,
    /// `Sec-WebSocket-Protocol` is wrong.
    #[error("Sec-WebSocket-Protocol is no list of tokens")]
    Subprotocol,
}

/// Checks a request to open a WebSocket, and computes the answer to its key. Does not look at `Origin`.
///
/// ```
/// use chat_websocket::accept;
/// use http::{Request, Version};
///
/// let request = Request::get("/ws")
///     .header("host", "chat.example")
///     .header("upgrade", "websocket")
///     .header("connection", "Upgrade")
///     .header("sec-websocket-version", "13")
///     .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
///     .body(())
///     .unwrap();
/// let accepted = accept(request.method(), request.version(), request.headers())?;
/// let response = accepted.response(None);
/// assert_eq!(response.status(), 101);
/// assert_eq!(response.headers()["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
/// # Ok::<(), chat_websocket::HandshakeError>(())
/// ```
///
/// # Errors
/// Returns the first rule of RFC 6455 §4.2.1 that is broken.
pub fn accept(method: &Method, version: Version, headers: &HeaderMap) -> Result<Accepted, HandshakeError> {
    check_start(method, version, headers)?;
    ensure(single(headers, HOST).is_some(), HandshakeError::Host)?;
    ensure(names(headers, UPGRADE, "websocket"), HandshakeError::NoUpgrade)?;
    ensure(names(headers, CONNECTION, "upgrade"), HandshakeError::Connection)?;
    let version = single(headers, SEC_WEBSOCKET_VERSION);
    ensure(version.is_some_and(|version| version == "13"), HandshakeError::Version)?;
    let key = single(headers, SEC_WEBSOCKET_KEY).and_then(|key| key.to_str().ok());
    let accept = answer_to(key.ok_or(HandshakeError::Key)?)?;
    Ok(Accepted { accept, subprotocols: subprotocols(headers)? })
}

/// Checks the request line, and that no body follows: what [`accept`] checks first. Called on its own by
/// those who look at `Host` before the other headers.
///
/// # Errors
/// [`Method`](HandshakeError::Method), [`NoUpgrade`](HandshakeError::NoUpgrade) for HEAD,
/// [`HttpVersion`](HandshakeError::HttpVersion) or [`Body`](HandshakeError::Body).
pub fn check_start(method: &Method, version: Version, headers: &HeaderMap) -> Result<(), HandshakeError> {
    // HEAD is answered as GET without an upgrade would be.
    ensure(method != Method::HEAD, HandshakeError::NoUpgrade)?;
    ensure(method == Method::GET, HandshakeError::Method)?;
    ensure(version == Version::HTTP_11, HandshakeError::HttpVersion)?;
    ensure(!has_body(headers), HandshakeError::Body)
}

impl Accepted {
    /// Builds the answer: 101, with the chosen subprotocol if there is one.
    ///
    /// # Panics
    /// If `subprotocol` is no valid header value; each of [`subprotocols`](Self::subprotocols) is one.
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

fn ensure(holds: bool, error: HandshakeError) -> Result<(), HandshakeError> {
    if holds { Ok(()) } else { Err(error) }
}

/// Computes `Sec-WebSocket-Accept` (RFC 6455 §4.2.2).
fn answer_to(key: &str) -> Result<HeaderValue, HandshakeError> {
    let decoded = KEY.decode(key).map_err(|_| HandshakeError::Key)?;
    ensure(decoded.len() == 16, HandshakeError::Key)?;
    let digest = Sha1::new().chain_update(key).chain_update(GUID).finalize();
    Ok(HeaderValue::from_str(&STANDARD.encode(digest)).expect("base64 is a header's value"))
}

/// Tells whether a body is announced: one party would read it as a body and another as frames.
fn has_body(headers: &HeaderMap) -> bool {
    headers.contains_key(TRANSFER_ENCODING)
        || headers.get_all(CONTENT_LENGTH).iter().any(|length| length != "0")
}

/// Reads the subprotocols that are offered. An empty list leaves the choice to the server (RFC 9110
/// §5.6.1.2).
///
/// Clients show credentials among them, as base64 whose padding and slashes are in no token; these are
/// offered as they are. Neither takes a letter that could end an element or a header.
fn subprotocols(headers: &HeaderMap) -> Result<Vec<String>, HandshakeError> {
    let is_offer = |text: &String| is_token(text) || is_token68(text);
    let token = |element: &[u8]| String::from_utf8(element.to_vec()).ok().filter(is_offer);
    list(headers, SEC_WEBSOCKET_PROTOCOL)
        .map(|element| token(element).ok_or(HandshakeError::Subprotocol))
        .collect()
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

    fn check(headers: &HeaderMap) -> Result<Accepted, HandshakeError> {
        accept(&Method::GET, Version::HTTP_11, headers)
    }

    fn with(name: &'static str, value: &'static [u8]) -> Result<Accepted, HandshakeError> {
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
            ("host", HandshakeError::Host),
            ("upgrade", HandshakeError::NoUpgrade),
            ("connection", HandshakeError::Connection),
            ("sec-websocket-version", HandshakeError::Version),
            ("sec-websocket-key", HandshakeError::Key),
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
        for (method, rejection) in
            [(Method::POST, HandshakeError::Method), (Method::HEAD, HandshakeError::NoUpgrade)]
        {
            assert_eq!(accept(&method, Version::HTTP_11, &good()), Err(rejection));
        }
        assert_eq!(accept(&Method::GET, Version::HTTP_10, &good()), Err(HandshakeError::HttpVersion));
    }

    #[test]
    fn values_that_are_wrong_or_no_text_are_refused_without_a_panic() {
        assert_eq!(with("sec-websocket-version", b"8"), Err(HandshakeError::Version));
        for key in [&b"c2hvcnQ="[..], b"dGhlIHNhbXBsZSBub25jZQ", b"dGhlIHNhbXBsZSBub25jZTE3", b"\x80\xff"] {
            assert_eq!(with("sec-websocket-key", key), Err(HandshakeError::Key));
        }
        assert!(with("sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZR==").is_ok(), "bits that say nothing");
        for list in [&b"\x80\xff"[..], b"a b", b"a, \xff", b"a;b", b"\"a\""] {
            assert_eq!(with("sec-websocket-protocol", list), Err(HandshakeError::Subprotocol));
        }
        assert_eq!(with("sec-websocket-protocol", b"a, b").expect("tokens").subprotocols, ["a", "b"]);
        assert_eq!(with("upgrade", b"\xff"), Err(HandshakeError::NoUpgrade));
    }

    #[test]
    fn credentials_among_the_subprotocols_are_base64_with_its_padding_and_nothing_else() {
        let offered = with("sec-websocket-protocol", b"phoenix, base64url.bearer.phx.YT8+Yn4=, a/b==");
        let read = ["phoenix", "base64url.bearer.phx.YT8+Yn4=", "a/b=="];
        assert_eq!(offered.expect("offers").subprotocols, read);
        for bad in [&b"="[..], b"==", b"a=b", b"=a", b"a/b c", b"a/b=;", b"a/b\t=", b"a/!", b"a/b=\x80"] {
            let refused = with("sec-websocket-protocol", bad);
            assert_eq!(refused, Err(HandshakeError::Subprotocol), "{}", bad.escape_ascii());
        }
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
            assert_eq!(with(name, value), Err(HandshakeError::Body));
        }
        assert!(with("content-length", b"0").is_ok());
    }
}
