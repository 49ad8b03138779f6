//! JSON objects, read where they stand.

use std::borrow::Cow;

use chat_core::Message;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::read::{Text, is_object};

/// The text of a message: both servers read binary frames of UTF-8 too.
pub(super) fn text(message: Message<'_>) -> Option<&str> {
    match message {
        Message::Text(text) => Some(text),
        Message::Binary(bytes) => std::str::from_utf8(bytes).ok(),
    }
}

/// The fields of an object; none if the text is none, or has a field twice or of another type.
pub(super) fn object<'a, T: Deserialize<'a>>(text: &'a str) -> Option<T> {
    is_object(text).then(|| serde_json::from_str(text).ok()).flatten()
}

/// A string, borrowed where it has no escapes.
pub(super) fn string(raw: &RawValue) -> Option<Cow<'_, str>> {
    serde_json::from_str(raw.get()).ok().map(|Text(text)| text)
}
