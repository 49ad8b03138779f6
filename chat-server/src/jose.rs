//! Checks the header of a token, and says in plain words what is wrong with a token.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::errors::ErrorKind;
use serde::Deserialize;
use serde::de::IgnoredAny;

/// Holds the parameters of a header (RFC 7515 §4.1) that decide whether the token can be read.
#[derive(Deserialize)]
struct Header {
    #[serde(default, deserialize_with = "crate::claims::there")]
    alg: Option<String>,
    /// Names extensions that the reader must understand; none is supported.
    #[serde(default, deserialize_with = "crate::claims::there")]
    crit: Option<IgnoredAny>,
}

const NO_TOKEN: &str = "this is no token: three parts of base64url with dots between them";

/// Checks that a token is signed with HS256 and needs no extensions.
///
/// # Errors
/// Says what is wrong with the token.
pub(crate) fn check(token: &str) -> Result<(), String> {
    let parts: Vec<_> = token.split('.').collect();
    let [header, _, _] = parts[..] else { return Err(NO_TOKEN.to_owned()) };
    let header = URL_SAFE_NO_PAD.decode(header).map_err(|_| NO_TOKEN)?;
    let header: Header =
        serde_json::from_slice(&header).map_err(|_| "the header of the token cannot be read")?;
    match header {
        Header { crit: Some(_), .. } => {
            Err("the token has critical extensions (crit) that are not understood".into())
        }
        Header { alg: None, .. } => Err("the header of the token names no algorithm (alg)".into()),
        Header { alg: Some(alg), .. } if alg != "HS256" => {
            Err("the token is not signed with HS256 (alg)".into())
        }
        _ => Ok(()),
    }
}

/// Says what is wrong with a token whose header is valid.
pub(crate) fn in_plain_words(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::InvalidSignature => "the signature of the token is not the server's",
        ErrorKind::InvalidToken | ErrorKind::Base64(_) => NO_TOKEN,
        ErrorKind::Json(_) | ErrorKind::Utf8(_) => "the claims of the token are not JSON",
        _ => "the token is not valid",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_names_its_algorithm_and_nothing_that_is_not_understood() {
        let check = |header: &str| check(&format!("{}.e30.x", URL_SAFE_NO_PAD.encode(header)));
        assert_eq!(check(r#"{"alg":"HS256"}"#), Ok(()));
        assert_eq!(check(r#"{"typ":"JWT","kid":"7","alg":"HS256"}"#), Ok(()));
        for (header, named) in [
            (r#"{"typ":"JWT"}"#, "(alg)"),
            (r#"{"alg":null}"#, "header"),
            (r#"{"alg":7}"#, "header"),
            (r#"{"alg":"none"}"#, "HS256"),
            (r#"{"alg":"hs256"}"#, "HS256"),
            (r#"{"alg":"HS512"}"#, "HS256"),
            (r#"{"alg":"HS256","alg":"HS256"}"#, "header"),
            (r#"{"alg":"HS256","crit":["exp"],"exp":1}"#, "(crit)"),
            (r#"{"alg":"HS256","crit":[]}"#, "(crit)"),
            (r#"{"alg":"HS256","crit":null}"#, "(crit)"),
            (r#"{"alg":"HS256","b64":false,"crit":["b64"]}"#, "(crit)"),
            ("[]", "header"),
            ("", "header"),
        ] {
            let refused = check(header).expect_err(header);
            assert!(refused.contains(named), "{header}: {refused}");
        }
        for none in ["", "nonsense", "nonsense!.e30.x", "e30.e30", "e30.e30.x.y.z"] {
            assert_eq!(super::check(none), Err(NO_TOKEN.to_owned()), "{none}");
        }
    }
}
