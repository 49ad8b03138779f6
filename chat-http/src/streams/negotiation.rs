//! Reads from a request whether it wants server-sent events.

use http::HeaderMap;
use http::header::ACCEPT;

use super::answer::EVENT_STREAM;
use chat_websocket::list;

/// Returns whether a request wants events and not a picture or a script: those that pages embed name no
/// `Origin`.
///
/// Browsers say what asks (Fetch Metadata, which [`Origins`](crate::Origins) reads), but old ones do not, nor
/// any to servers without TLS: then `Accept` tells. A request without one comes from no browser.
pub(super) fn wants_events(headers: &HeaderMap) -> bool {
    let told = headers.contains_key("sec-fetch-mode") || headers.contains_key("sec-fetch-dest");
    let named = list(headers, ACCEPT).find_map(|element| {
        let mut parts = element.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
        let kind = parts.next().unwrap_or_default();
        kind.eq_ignore_ascii_case(EVENT_STREAM.as_bytes()).then(|| !parts.any(is_zero_weight))
    });
    named.unwrap_or_else(|| told || list(headers, ACCEPT).next().is_none())
}

/// Returns whether a parameter of `Accept` says that its type is not wanted (RFC 9110 §12.4.2).
fn is_zero_weight(parameter: &[u8]) -> bool {
    let weight = str::from_utf8(parameter).ok().and_then(|text| text.split_once('='));
    let weight = weight.filter(|(name, _)| name.trim().eq_ignore_ascii_case("q"));
    weight.is_some_and(|(_, value)| value.trim().parse() == Ok(0.0))
}
