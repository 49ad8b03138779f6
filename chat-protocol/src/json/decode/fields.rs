//! The fields of a request, each read when its type asks for it.

use std::borrow::Cow;
use std::fmt::Display;

use chat_core::{ChannelId, Message, NameError, Offset, Payload, Refusal, RequestId};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::read::{Text, check_depth, is_object};

/// The longest id, in bytes as it stands in the request.
const ID_BYTES: usize = 64;

/// The fields of every request, unread: which of them count depends on the type.
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

/// Where a client says it was.
#[derive(Deserialize)]
pub(super) struct SinceFields<'a> {
    #[serde(borrow)]
    pub(super) epoch: Cow<'a, str>,
    pub(super) offset: u64,
}

/// A field that is there, be it null.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    Deserialize::deserialize(deserializer).map(Some)
}

/// The fields of a message.
///
/// # Errors
/// 107 if it is no JSON object in a text, or deeper than that.
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
    /// The request's mark.
    pub(super) fn id(&self) -> Result<Option<RequestId>, Refusal> {
        self.id.map(id).transpose()
    }

    pub(super) fn channel(&self) -> Result<ChannelId, Refusal> {
        parsed("channelId", &string("channelId", self.channel_id)?)
    }

    pub(super) fn data(&self) -> Payload {
        self.data.map_or_else(Payload::null, |raw| Payload::json_unchecked(raw.get()))
    }
}

/// A string that is to be there.
pub(super) fn string<'a>(field: &str, raw: Option<&'a RawValue>) -> Result<Cow<'a, str>, Refusal> {
    let raw = raw.ok_or_else(|| of_field(field, "missing"))?;
    let text: Text<'a> = serde_json::from_str(raw.get()).map_err(|_| of_field(field, "no string"))?;
    Ok(text.0)
}

/// A name.
pub(super) fn parsed<'a, T: TryFrom<&'a str, Error = NameError>>(
    field: &str,
    text: &'a str,
) -> Result<T, Refusal> {
    text.try_into().map_err(|error| of_field(field, error))
}

/// True or false, or what it is if it is missing.
pub(super) fn flag(field: &str, raw: Option<&RawValue>, missing: bool) -> Result<bool, Refusal> {
    match raw.map(RawValue::get) {
        None => Ok(missing),
        Some("true") => Ok(true),
        Some("false") => Ok(false),
        Some(_) => Err(of_field(field, "neither true nor false")),
    }
}

/// A place in a channel, if it is there.
pub(super) fn offset(field: &str, raw: Option<&RawValue>) -> Result<Option<Offset>, Refusal> {
    let parse = |raw: &RawValue| raw.get().parse().map(Offset);
    raw.map(parse).transpose().map_err(|_| of_field(field, "no offset"))
}

/// What is wrong with a field.
pub(super) fn of_field(field: &str, what: impl Display) -> Refusal {
    Refusal::bad_request(format!("{field}: {what}"))
}

/// An integer or a string, kept as it is written.
fn id(raw: &RawValue) -> Result<RequestId, Refusal> {
    let text = raw.get();
    let digits = text.strip_prefix('-').unwrap_or(text);
    let integer = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !integer && !text.starts_with('"') {
        return Err(Refusal::bad_request("id: neither an integer nor a string"));
    }
    let quotes = if integer { 0 } else { 2 };
    if text.len() > ID_BYTES + quotes {
        return Err(Refusal::bad_request(format!("id: more than {ID_BYTES} bytes")));
    }
    Ok(RequestId(text.into()))
}
