//! Reads what every protocol of JSON reads alike.

use std::borrow::Cow;

use chat_core::Refusal;
use chat_core::protocol::Message;
use serde::Deserialize;
use serde_json::value::RawValue;

/// Holds a string, borrowed where it has no escapes.
#[derive(Deserialize)]
pub(crate) struct Text<'a>(#[serde(borrow)] pub(crate) Cow<'a, str>);

/// Returns the text of a message, be it in a text frame or in a binary one.
pub(crate) fn text(message: Message<'_>) -> Option<&str> {
    match message {
        Message::Text(text) => Some(text),
        Message::Binary(bytes) => std::str::from_utf8(bytes).ok(),
    }
}

/// Reads the fields of an object; none if the text is no object, or has a field twice or of another type.
pub(crate) fn object<'a, T: Deserialize<'a>>(text: &'a str) -> Option<T> {
    is_object(text).then(|| serde_json::from_str(text).ok()).flatten()
}

/// Reads a string, borrowed where it has no escapes.
pub(crate) fn string(raw: &RawValue) -> Option<Cow<'_, str>> {
    serde_json::from_str(raw.get()).ok().map(|Text(text)| text)
}

/// Returns true if this is an object, provided that it is JSON: serde would read an array as the fields in
/// their order.
pub(crate) fn is_object(text: &str) -> bool {
    text.trim_start_matches([' ', '\t', '\r', '\n']).starts_with('{')
}

/// Refuses JSON that is nested deeper than [`Limits::json_depth`](chat_core::Limits::json_depth).
///
/// Looks at brackets outside strings, and accepts text that is no JSON.
///
/// # Errors
/// 107 if arrays and objects are nested deeper than `most`, the outermost counted.
///
/// ```
/// use chat_protocol::check_depth;
///
/// assert!(check_depth(r#"{"a":["[[["]}"#, 2).is_ok());
/// assert_eq!(check_depth(r#"{"a":[[]]}"#, 2).unwrap_err().code(), 107);
/// ```
pub fn check_depth(text: &str, most: usize) -> Result<(), Refusal> {
    match is_deeper(text, most) {
        true => Err(Refusal::bad_request(format!("JSON deeper than {most}"))),
        false => Ok(()),
    }
}

/// Returns true if the brackets outside strings are nested deeper than `most`.
pub(crate) fn is_deeper(text: &str, most: usize) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                depth += 1;
                if depth > most {
                    return true;
                }
            }
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}
