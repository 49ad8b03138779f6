//! Reads the version and the credentials that a client gives on the URL and among the subprotocols.

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use chat_core::protocol::{Accepted, Credentials, Handshake};
use chat_core::{Connect, Payload, Refusal, Token};

/// Names the subprotocol that is chosen where the client offers it.
const SUBPROTOCOL: &str = "phoenix";

/// Stands before the token among the subprotocols. Despite the name it is the standard alphabet, without
/// padding (socket.js); clients in other languages pad it.
const BEARER: &str = "base64url.bearer.phx.";

/// Reads the standard alphabet, padded or not.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Reads the opening of a transport; none for a client of another version, which is refused with 403
/// (socket.ex, websocket.ex).
///
/// A client has no later chance to name itself, so its session opens at once.
pub(in crate::phoenix) fn read(opening: &Handshake<'_>) -> Option<Accepted> {
    let mut params: BTreeMap<_, _> =
        form_urlencoded::parse(opening.query.unwrap_or_default().as_bytes()).collect();
    // Without one it is version 1 (socket.ex), which is another format.
    if !params.remove("vsn").is_some_and(|version| is_supported(&version)) {
        return None;
    }
    let credentials = connect(params, opening.subprotocols).map_or_else(Credentials::Wrong, Credentials::Now);
    let offered = opening.subprotocols.iter().any(|one| one == SUBPROTOCOL);
    Some(Accepted::default().with_credentials(credentials).with_subprotocol(offered.then_some(SUBPROTOCOL)))
}

/// Returns true for `~> 2.0.0`, whatever the last number is.
fn is_supported(version: &str) -> bool {
    version
        .strip_prefix("2.0.")
        .is_some_and(|patch| !patch.is_empty() && patch.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Reads `name` and `token`, which mean what they mean on the plain protocol's URL; other parameters are the
/// endpoint's data. The last counts of one that stands there twice.
fn connect(
    mut params: BTreeMap<Cow<'_, str>, Cow<'_, str>>,
    subprotocols: &[String],
) -> Result<Connect, Refusal> {
    let wrong = |error| Refusal::bad_request(format!("name: {error}"));
    let name = params.remove("name").map(|name| (*name).try_into().map_err(wrong)).transpose()?;
    let on_url = params.remove("token").map(|token| Token::from(&*token));
    let bearer = subprotocols.iter().find_map(|one| one.strip_prefix(BEARER));
    let token = bearer.map(decoded).transpose()?.or(on_url);
    let data = (!params.is_empty()).then(|| object(&params));
    Ok(Connect::default().with_name(name).with_token(token).with_data(data))
}

fn decoded(bearer: &str) -> Result<Token, Refusal> {
    let bytes = BASE64.decode(bearer).ok();
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    text.map(|text| Token(text.into())).ok_or_else(|| Refusal::bad_request("token: no base64 of text"))
}

fn object(params: &BTreeMap<Cow<'_, str>, Cow<'_, str>>) -> Payload {
    Payload::json_unchecked(serde_json::to_string(params).expect("a map of strings is JSON"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handshake(query: &str, subprotocols: &[&str]) -> Option<Accepted> {
        let subprotocols: Vec<_> = subprotocols.iter().map(|&one| one.to_owned()).collect();
        read(&Handshake::new(Some(query), &subprotocols))
    }

    fn connect(query: &str, subprotocols: &[&str]) -> Connect {
        match handshake(query, subprotocols).expect("it is supported").credentials {
            Credentials::Now(connect) => connect,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn only_version_2_0_is_supported() {
        for query in ["vsn=2.0.0", "vsn=2.0.13&x=1"] {
            assert!(handshake(query, &[]).is_some(), "{query}");
        }
        for query in ["", "vsn=1.0.0", "vsn=2.1.0", "vsn=2.0", "vsn=2.0.", "vsn=2.0.x", "vsn=3.0.0"] {
            assert!(handshake(query, &[]).is_none(), "{query}");
        }
    }

    #[test]
    fn credentials_stand_on_the_url_and_other_parameters_are_the_endpoints_data() {
        let credentials = connect("name=ann%20e&token=x%2By&room=1&vsn=2.0.0", &[]);
        assert_eq!(credentials.name.expect("a name").as_str(), "ann e");
        assert_eq!(credentials.token, Some("x+y".into()));
        assert_eq!(credentials.data, Some(Payload::json(r#"{"room":"1"}"#)));
        assert_eq!(connect("vsn=2.0.0", &[]), Connect::default());
        let wrong = handshake("name=&vsn=2.0.0", &[]).expect("it is supported").credentials;
        assert!(matches!(wrong, Credentials::Wrong(refusal) if refusal.code() == 107));
    }

    #[test]
    fn a_token_among_the_subprotocols_is_standard_base64_padded_or_not_and_goes_before_the_urls() {
        // btoa("a?>b~") is "YT8+Yn4=".
        let padded = ["phoenix", "base64url.bearer.phx.YT8+Yn4="];
        assert_eq!(connect("vsn=2.0.0", &padded).token, Some("a?>b~".into()));
        let offered = ["phoenix", "base64url.bearer.phx.YT8+Yn4"];
        assert_eq!(connect("token=other&vsn=2.0.0", &offered).token, Some("a?>b~".into()));
        assert_eq!(handshake("vsn=2.0.0", &offered).expect("supported").subprotocol, Some("phoenix"));
        assert_eq!(handshake("vsn=2.0.0", &["chat"]).expect("supported").subprotocol, None);
        for bad in ["!", "YT8+Yn4==", "YT8=Yn4", "=", "/w"] {
            let credentials = handshake("vsn=2.0.0", &["phoenix", &format!("{BEARER}{bad}")])
                .expect("supported")
                .credentials;
            assert!(matches!(credentials, Credentials::Wrong(refusal) if refusal.code() == 107), "{bad}");
        }
    }
}
