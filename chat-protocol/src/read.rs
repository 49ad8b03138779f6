//! What every protocol of JSON reads alike.

use std::borrow::Cow;

use chat_core::Refusal;
use serde::Deserialize;

/// A string, borrowed where it has no escapes.
#[derive(Deserialize)]
pub(crate) struct Text<'a>(#[serde(borrow)] pub(crate) Cow<'a, str>);

/// Whether this is an object, if it is JSON at all: serde would read an array as the fields in their order.
pub(crate) fn is_object(text: &str) -> bool {
    text.trim_start_matches([' ', '\t', '\r', '\n']).starts_with('{')
}

/// Holds a request to [`Limits::json_depth`](chat_core::Limits::json_depth).
///
/// # Errors
/// 107 if arrays and objects stand deeper in each other than that, the request itself counted.
pub fn check_depth(text: &str, most: usize) -> Result<(), Refusal> {
    match is_deeper(text, most) {
        true => Err(Refusal::bad_request(format!("JSON deeper than {most}"))),
        false => Ok(()),
    }
}

/// Looks at brackets outside strings; whether the text is JSON at all is for others to say.
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
