//! What a Serverpod client shows to prove who it is: the value of an HTTP header.

use std::borrow::Cow;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// It names a scheme, and does not keep to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Broken;

/// Padded or not, as clients come.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Whether it is a header's value at all: a scheme, a space, and bytes that may stand in a header (`auth_encoding.dart`).
pub(super) fn is_header(value: &str) -> bool {
    let Some((scheme, rest)) = value.split_once(' ') else { return false };
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let visible = |c: char| matches!(c, '\t' | ' '..='~' | '\u{80}'..='\u{ff}');
    !scheme.is_empty() && scheme.chars().all(word) && rest.chars().all(visible)
}

/// The key in it: of `Basic` decoded, of `Bearer` as it stands, of anything else all of it.
pub(super) fn key(value: &str) -> Result<Cow<'_, str>, Broken> {
    let (scheme, rest) = value.split_once(' ').unwrap_or((value, ""));
    let whole = value.len() > scheme.len() && !rest.contains(' ');
    if scheme.eq_ignore_ascii_case("basic") {
        let bytes = BASE64.decode(rest).ok().filter(|_| whole).ok_or(Broken)?;
        return String::from_utf8(bytes).map(Cow::Owned).map_err(|_| Broken);
    }
    if scheme.eq_ignore_ascii_case("bearer") {
        return whole.then_some(Cow::Borrowed(rest)).ok_or(Broken);
    }
    Ok(Cow::Borrowed(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `auth_encoding_test.dart` of Serverpod's serialization.
    #[test]
    fn keys_are_unwrapped_and_what_is_neither_is_refused() {
        let jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.EypViEDi-JhjeuX";
        let bearer = format!("beareR {jwt}");
        for (value, unwrapped) in [
            ("Basic MTI6c2VjcmV0", "12:secret"),
            ("Basic dGVzdA==", "test"),
            ("Basic dGVzdA", "test"),
            ("BASIC dGVzdA==", "test"),
            ("Basic ", ""),
            ("Bearer abc123", "abc123"),
            (&bearer, jwt),
            ("Bearer ", ""),
        ] {
            assert!(is_header(value), "{value}");
            assert_eq!(key(value).as_deref(), Ok(unwrapped), "{value}");
        }
        for value in ["Basic dGVzd", "basiC dGVzd", "Digest x ,;", "HOBA dGVzd ,;"] {
            assert!(is_header(value), "{value}");
        }
        for value in [
            "Basic dGVzd dGVzd",
            "Basic dGVzd ",
            "Basic dGVz=d",
            "Basic dGVzd*",
            "Basic #",
            "Basic \t",
            "Basic  ",
            "Basic",
            "Bearer token1 token2",
            "Bearer token ",
            "Bearer",
        ] {
            assert_eq!(key(value), Err(Broken), "{value}");
        }
        for value in ["joe:pwd", "", ":", " ", "\n", ":::::", "a\u{394} b", "a \r\n"] {
            assert!(!is_header(value), "{value}");
        }
        assert_eq!(key("joe:pwd").as_deref(), Ok("joe:pwd"), "as old clients send it");
    }
}
