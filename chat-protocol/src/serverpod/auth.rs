//! Reads the credentials of a Serverpod client: the value of an HTTP header.

use std::borrow::Cow;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// Says that a value names a scheme and does not keep to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BadScheme;

/// Reads base64 with and without padding, as clients send either.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Returns true for the value of a header: a scheme, a space, and bytes that a header may hold
/// (`auth_encoding.dart`).
pub(super) fn is_header(value: &str) -> bool {
    let Some((scheme, rest)) = value.split_once(' ') else { return false };
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let visible = |c: char| matches!(c, '\t' | ' '..='~' | '\u{80}'..='\u{ff}');
    !scheme.is_empty() && scheme.chars().all(word) && rest.chars().all(visible)
}

/// Returns the key in a value: decoded of `Basic`, as it stands of `Bearer`, and all of any other value.
///
/// # Errors
/// If the value is not of the scheme that it names.
pub(super) fn key(value: &str) -> Result<Cow<'_, str>, BadScheme> {
    let (scheme, rest) = value.split_once(' ').unwrap_or((value, ""));
    let whole = value.len() > scheme.len() && !rest.contains(' ');
    if scheme.eq_ignore_ascii_case("basic") {
        let bytes = BASE64.decode(rest).ok().filter(|_| whole).ok_or(BadScheme)?;
        return String::from_utf8(bytes).map(Cow::Owned).map_err(|_| BadScheme);
    }
    if scheme.eq_ignore_ascii_case("bearer") {
        return whole.then_some(Cow::Borrowed(rest)).ok_or(BadScheme);
    }
    Ok(Cow::Borrowed(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Follows `auth_encoding_test.dart` of Serverpod's serialization.
    #[test]
    fn keys_are_unwrapped_and_values_that_keep_to_no_scheme_are_refused() {
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
            assert_eq!(key(value), Err(BadScheme), "{value}");
        }
        for value in ["joe:pwd", "", ":", " ", "\n", ":::::", "a\u{394} b", "a \r\n"] {
            assert!(!is_header(value), "{value}");
        }
        assert_eq!(key("joe:pwd").as_deref(), Ok("joe:pwd"), "as old clients send it");
    }
}
