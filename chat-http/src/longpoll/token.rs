//! Makes and reads the tokens by which sessions are known, and reads those of users.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use http::{HeaderMap, HeaderValue, request::Parts};

/// Makes a token of 128 random bits, as hexadecimal digits.
///
/// # Errors
/// Returns that the system has no randomness to give.
pub(super) fn new_token() -> Result<Box<str>, getrandom::Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)?;
    let digits = bytes.iter().fold(String::new(), |mut digits, byte| {
        write!(digits, "{byte:02x}").expect("a String takes it");
        digits
    });
    Ok(digits.into())
}

/// Returns the session's token, which stands in a header or in the query, and the query without it. In the
/// query it stands behind `vsn`; a `token` before that is the user's own (socket.js, longpoll.js).
pub(super) fn token(head: &Parts) -> (Option<&str>, String) {
    let query = head.uri.query().unwrap_or_default();
    let header = head.headers.get("x-phoenix-longpoll-token").and_then(|token| token.to_str().ok());
    if header.is_some() {
        return (header, query.to_owned());
    }
    let mut params: Vec<_> = query.split('&').collect();
    let version = params.iter().position(|param| param.starts_with("vsn=")).unwrap_or_default();
    let behind = params[version..].iter().position(|param| param.starts_with("token="));
    let token = behind.map(|at| &params.remove(version + at)["token=".len()..]);
    (token, params.join("&"))
}

/// Returns the subprotocols that a WebSocket would offer for the user's token.
pub(super) fn bearer(headers: &HeaderMap) -> Vec<String> {
    let token = headers.get("x-phoenix-authtoken").map(HeaderValue::as_bytes);
    let offered = |token| {
        let bearer = format!("base64url.bearer.phx.{}", STANDARD_NO_PAD.encode(token));
        vec!["phoenix".to_owned(), bearer]
    };
    token.map(offered).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn apart(query: &str) -> (Option<String>, String) {
        let request =
            Request::builder().uri(format!("/socket/longpoll?{query}")).body(()).expect("a request");
        let (head, ()) = request.into_parts();
        let (token, rest) = token(&head);
        (token.map(str::to_owned), rest)
    }

    #[test]
    fn a_token_behind_the_version_is_the_sessions_and_one_before_it_is_the_users() {
        let all = |token: Option<&str>, rest: &str| (token.map(str::to_owned), rest.to_owned());
        assert_eq!(apart("vsn=2.0.0&token=7"), all(Some("7"), "vsn=2.0.0"));
        assert_eq!(apart("token=me&vsn=2.0.0&"), all(None, "token=me&vsn=2.0.0&"));
        assert_eq!(apart("token=me&vsn=2.0.0&token=7"), all(Some("7"), "token=me&vsn=2.0.0"));
        assert_eq!(apart(""), all(None, ""));
    }

    #[test]
    fn no_two_tokens_are_alike() {
        let (one, other) = (new_token().expect("chance"), new_token().expect("chance"));
        assert!(one != other && one.len() == 32);
    }
}
