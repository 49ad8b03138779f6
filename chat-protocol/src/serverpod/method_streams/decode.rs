//! Reads the frames of either side.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::frame::{Call, CloseReason, Frame, Open, Opened};
use crate::read::{check_depth, object};
use crate::serverpod::typed::Typed;

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Data<'a> {
    #[serde(borrow)]
    en: Option<Cow<'a, str>>,
    #[serde(borrow)]
    m: Option<Cow<'a, str>>,
    #[serde(borrow)]
    cid: Option<Cow<'a, str>>,
    #[serde(borrow)]
    p: Option<Cow<'a, str>>,
    #[serde(borrow)]
    args: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "is")]
    inputs: Option<Vec<Cow<'a, str>>>,
    #[serde(borrow)]
    auth: Option<Cow<'a, str>>,
    #[serde(borrow)]
    am: Option<Cow<'a, str>>,
    #[serde(borrow)]
    res: Option<Cow<'a, str>>,
    #[serde(borrow)]
    cr: Option<Cow<'a, str>>,
    #[serde(borrow)]
    o: Option<&'a RawValue>,
    #[serde(borrow)]
    ex: Option<&'a RawValue>,
    #[serde(borrow)]
    req: Option<Cow<'a, str>>,
}

/// Reads a frame; none for all that Serverpod calls an unknown message.
///
/// That is a key that is missing or of another type, an unknown type, result or reason, or a `cid` that is no
/// UUID. The class of a value may be unknown.
pub(super) fn frame(text: &str, depth: usize) -> Option<Frame<'_>> {
    check_depth(text, depth).ok()?;
    let Envelope { kind, data } = object(text)?;
    match &*kind {
        "ping" => Some(Frame::Ping),
        "pong" => Some(Frame::Pong),
        kind => frame_of(kind, object(data?.get())?),
    }
}

fn frame_of<'a>(kind: &str, data: Data<'a>) -> Option<Frame<'a>> {
    if kind == "brm" {
        return data.req.map(Frame::Bad);
    }
    let call = Call { endpoint: data.en?, method: data.m?, cid: data.cid.filter(|cid| is_uuid(cid))? };
    Some(match kind {
        "omsc" => {
            let (args, inputs) = (data.args?, data.inputs?);
            Frame::Open(Open { call, args, inputs, auth: data.auth, mode: data.am })
        }
        "omsr" => Frame::Opened(
            call,
            Opened::ALL.into_iter().find(|(name, _)| data.res.as_deref() == Some(name))?.1,
        ),
        "msm" => Frame::Value(call, data.p, data.o.and_then(Typed::read)?),
        "msse" => Frame::Exception(call, data.p, data.ex.and_then(Typed::read)?),
        "cmsc" => match &*data.cr? {
            "done" => Frame::Close(call, data.p, CloseReason::Done),
            "error" => Frame::Close(call, data.p, CloseReason::Error),
            _ => return None,
        },
        _ => return None,
    })
}

/// Returns true for a UUID of any version (RFC 9562 §4).
fn is_uuid(text: &str) -> bool {
    let fits = |(at, byte): (usize, u8)| match at {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    };
    text.len() == 36 && text.bytes().enumerate().all(fits)
}
