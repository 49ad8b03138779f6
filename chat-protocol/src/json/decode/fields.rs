//! Takes a request apart into its fields, each of which is read when the type asks for it.

use std::borrow::Cow;
use std::fmt::Display;

use chat_core::protocol::{Message, RequestId};
use chat_core::{ChannelId, NameError, Offset, Payload, Refusal};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::json::context;
use crate::read::{Text, check_depth, is_object};

/// Holds the fields of all types of request, unread: the type says which of them count.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Fields<'a> {
    #[serde(borrow, default, rename = "type", deserialize_with = "present")]
    pub(super) kind: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    pub(super) id: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    pub(super) channel_id: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    pub(super) content: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    pub(super) echo: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    pub(super) since: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    pub(super) latest: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    pub(super) presence: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    pub(super) overflow: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    pub(super) key: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    pub(super) ephemeral: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    pub(super) offset: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    pub(super) edits: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    pub(super) deletes: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    pub(super) event: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    pub(super) epoch: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    pub(super) after: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    pub(super) before: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    pub(super) limit: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    pub(super) reverse: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    pub(super) method: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    pub(super) data: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    pub(super) name: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    pub(super) token: Option<&'a RawValue>,
}

/// Holds the place in a channel up to which a client has everything.
#[derive(Deserialize)]
pub(super) struct SinceFields<'a> {
    #[serde(borrow)]
    pub(super) epoch: Cow<'a, str>,
    pub(super) offset: u64,
}

/// Tells a field that is null from one that is missing.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    Deserialize::deserialize(deserializer).map(Some)
}

/// Takes a message apart.
///
/// # Errors
/// 107 if it is no text frame, no JSON object, or nested deeper than `depth`.
pub(super) fn fields(message: Message<'_>, depth: usize) -> Result<Fields<'_>, Refusal> {
    let Message::Text(text) = message else {
        return Err(Refusal::bad_request("only text frames are read"));
    };
    check_depth(text, depth)?;
    if !is_object(text) {
        return Err(Refusal::bad_request("a request is a JSON object"));
    }
    serde_json::from_str(text).map_err(|error| Refusal::bad_request(format!("no JSON request: {error}")))
}

impl<'a> Fields<'a> {
    /// Reads the id that the reply will have.
    pub(super) fn id(&self) -> Result<Option<RequestId>, Refusal> {
        self.id.map(context::read).transpose()
    }

    /// Returns whether there is a text for a channel's name that is none, such as one that is too long.
    pub(super) fn names_no_channel(&self) -> bool {
        string("channelId", self.channel_id).is_ok_and(|name| name.parse::<ChannelId>().is_err())
    }

    pub(super) fn channel(&self) -> Result<ChannelId, Refusal> {
        parsed("channelId", &string("channelId", self.channel_id)?)
    }

    pub(super) fn data(&self) -> Payload {
        self.data.map_or_else(Payload::null, |raw| Payload::json_unchecked(raw.get()))
    }
}

/// Reads a string; a missing one is refused.
pub(super) fn string<'a>(field: &str, raw: Option<&'a RawValue>) -> Result<Cow<'a, str>, Refusal> {
    let raw = raw.ok_or_else(|| of_field(field, "missing"))?;
    let text: Text<'a> = serde_json::from_str(raw.get()).map_err(|_| of_field(field, "no string"))?;
    Ok(text.0)
}

/// Parses a name, and says in which field it is wrong.
pub(super) fn parsed<'a, T: TryFrom<&'a str, Error = NameError>>(
    field: &str,
    text: &'a str,
) -> Result<T, Refusal> {
    text.try_into().map_err(|error| of_field(field, error))
}

/// Reads a boolean, which is `missing` where the field is not there.
pub(super) fn flag(field: &str, raw: Option<&RawValue>, missing: bool) -> Result<bool, Refusal> {
    match raw.map(RawValue::get) {
        None => Ok(missing),
        Some("true") => Ok(true),
        Some("false") => Ok(false),
        Some(_) => Err(of_field(field, "neither true nor false")),
    }
}

/// Reads an offset, if there is one.
pub(super) fn offset(field: &str, raw: Option<&RawValue>) -> Result<Option<Offset>, Refusal> {
    let parse = |raw: &RawValue| raw.get().parse().map(Offset);
    raw.map(parse).transpose().map_err(|_| of_field(field, "no offset"))
}

/// Refuses a request because of one field.
pub(super) fn of_field(field: &str, what: impl Display) -> Refusal {
    Refusal::bad_request(format!("{field}: {what}"))
}
