//! Who a client says it is, on the URL and among the subprotocols.

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use chat_core::{Connect, Hello, Opener, Payload, Refusal, Token, Welcome};

/// The subprotocol that is answered where the client offers it.
const SUBPROTOCOL: &str = "phoenix";

/// Stands before the token among the subprotocols. Despite the name it is the standard alphabet, without padding (socket.js).
const BEARER: &str = "base64url.bearer.phx.";

/// None if the client speaks another version, which is refused with 403 (socket.ex, websocket.ex).
///
/// All that it will ever say of itself is said by now, so its session opens at once.
pub(in crate::phoenix) fn welcome(opening: &Opener<'_>) -> Option<Welcome> {
    let mut params: BTreeMap<_, _> =
        form_urlencoded::parse(opening.query.unwrap_or_default().as_bytes()).collect();
    // Without one it is version 1 (socket.ex), which is another format.
    if !params.remove("vsn").is_some_and(|version| is_spoken(&version)) {
        return None;
    }
    let hello = connect(params, opening.subprotocols).map_or_else(Hello::Wrong, Hello::Now);
    let offered = opening.subprotocols.iter().any(|one| one == SUBPROTOCOL);
    Some(Welcome { hello, subprotocol: offered.then_some(SUBPROTOCOL), ..Welcome::default() })
}

/// `~> 2.0.0`: whatever the last number is.
fn is_spoken(version: &str) -> bool {
    version
        .strip_prefix("2.0.")
        .is_some_and(|patch| !patch.is_empty() && patch.bytes().all(|byte| byte.is_ascii_digit()))
}

/// `name` and `token` mean what they mean on the plain protocol's URL; other parameters are the endpoint's. Of one that stands twice the last counts.
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
    Ok(Connect { name, token, data, ..Connect::default() })
}

fn decoded(bearer: &str) -> Result<Token, Refusal> {
    let bytes = STANDARD_NO_PAD.decode(bearer).ok();
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    text.map(|text| Token(text.into())).ok_or_else(|| Refusal::bad_request("token: no base64 of text"))
}

fn object(params: &BTreeMap<Cow<'_, str>, Cow<'_, str>>) -> Payload {
    Payload::json_unchecked(serde_json::to_string(params).expect("a map of strings is JSON"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(query: &str, subprotocols: &[&str]) -> Option<Welcome> {
        let subprotocols: Vec<_> = subprotocols.iter().map(|&one| one.to_owned()).collect();
        welcome(&Opener { query: Some(query), subprotocols: &subprotocols })
    }

    fn connect(query: &str, subprotocols: &[&str]) -> Connect {
        match opened(query, subprotocols).expect("it is spoken").hello {
            Hello::Now(connect) => connect,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn only_version_2_0_is_spoken() {
        for query in ["vsn=2.0.0", "vsn=2.0.13&x=1"] {
            assert!(opened(query, &[]).is_some(), "{query}");
        }
        for query in ["", "vsn=1.0.0", "vsn=2.1.0", "vsn=2.0", "vsn=2.0.", "vsn=2.0.x", "vsn=3.0.0"] {
            assert!(opened(query, &[]).is_none(), "{query}");
        }
    }

    #[test]
    fn who_it_is_stands_on_the_url_and_the_rest_is_the_endpoints() {
        let said = connect("name=ann%20e&token=x%2By&room=1&vsn=2.0.0", &[]);
        assert_eq!(said.name.expect("a name").as_str(), "ann e");
        assert_eq!(said.token, Some("x+y".into()));
        assert_eq!(said.data, Some(Payload::json(r#"{"room":"1"}"#)));
        assert_eq!(connect("vsn=2.0.0", &[]), Connect::default());
        let wrong = opened("name=&vsn=2.0.0", &[]).expect("it is spoken").hello;
        assert!(matches!(wrong, Hello::Wrong(refusal) if refusal.code == 107));
    }

    #[test]
    fn a_token_among_the_subprotocols_is_standard_base64_without_padding_and_goes_before_the_urls() {
        // btoa("a?>b~") is "YT8+Yn4=".
        let offered = ["phoenix", "base64url.bearer.phx.YT8+Yn4"];
        assert_eq!(connect("token=other&vsn=2.0.0", &offered).token, Some("a?>b~".into()));
        assert_eq!(opened("vsn=2.0.0", &offered).expect("spoken").subprotocol, Some("phoenix"));
        assert_eq!(opened("vsn=2.0.0", &["chat"]).expect("spoken").subprotocol, None);
        for bad in ["!", "YT8+Yn4=", "/w"] {
            let hello = opened("vsn=2.0.0", &["phoenix", &format!("{BEARER}{bad}")]).expect("spoken").hello;
            assert!(matches!(hello, Hello::Wrong(refusal) if refusal.code == 107), "{bad}");
        }
    }
}
