//! The frames of method streams, read and written: `{"type":…,"data":{…}}`, with keys in the order in which Serverpod writes them.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::read::{check_depth, object};
use crate::serverpod::typed::Typed;
use crate::write::{field, string};

/// A frame of either side (`websocket_messages.dart`).
#[derive(Clone, Debug)]
pub(super) enum Frame<'a> {
    Ping,
    Pong,
    /// `omsc`: to open a call.
    Open(Open<'a>),
    /// `omsr`: whether it is open.
    Opened(Call<'a>, Opened),
    /// `msm`: one value, for the named input or of the call's own stream.
    Value(Call<'a>, Input<'a>, Typed<'a>),
    /// `msse`: an exception with its class.
    Exception(Call<'a>, Input<'a>, Typed<'a>),
    /// `cmsc`: the end of the named input, or of the whole call.
    Close(Call<'a>, Input<'a>, Reason),
    /// `brm`: the other side said what this one does not know, and this one closes.
    Bad(Cow<'a, str>),
}

/// What says which call is meant: all three, in every frame.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Call<'a> {
    pub(super) endpoint: Cow<'a, str>,
    pub(super) method: Cow<'a, str>,
    /// A UUID of the client's choice, as it wrote it.
    pub(super) cid: Cow<'a, str>,
}

/// The name of an input stream; none for the call's own stream.
pub(super) type Input<'a> = Option<Cow<'a, str>>;

/// A wish to open a call.
#[derive(Clone, Debug)]
pub(super) struct Open<'a> {
    pub(super) call: Call<'a>,
    /// A JSON object, as text.
    pub(super) args: Cow<'a, str>,
    pub(super) inputs: Vec<Cow<'a, str>>,
    /// The value of a header.
    pub(super) auth: Option<Cow<'a, str>>,
    /// Where else the client believes its proof to be, such as `cookie`; since 4.0.
    pub(super) mode: Option<Cow<'a, str>>,
}

/// Whether a call is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opened {
    Success,
    EndpointNotFound,
    AuthenticationFailed,
    AuthorizationDeclined,
    InvalidArguments,
}

/// Why a stream ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    Done,
    Error,
}

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

impl<'a> Frame<'a> {
    /// None for all that Serverpod calls an unknown message: a key that is missing or of another type, a type, a result or a reason that is none, a `cid`
    /// that is no UUID. Whether a class is known is not looked at.
    pub(super) fn read(text: &'a str, depth: usize) -> Option<Self> {
        check_depth(text, depth).ok()?;
        let Envelope { kind, data } = object(text)?;
        match &*kind {
            "ping" => Some(Self::Ping),
            "pong" => Some(Self::Pong),
            kind => Self::of(kind, object(data?.get())?),
        }
    }

    fn of(kind: &str, data: Data<'a>) -> Option<Self> {
        if kind == "brm" {
            return data.req.map(Self::Bad);
        }
        let call = Call { endpoint: data.en?, method: data.m?, cid: data.cid.filter(|cid| is_uuid(cid))? };
        Some(match kind {
            "omsc" => {
                let (args, inputs) = (data.args?, data.inputs?);
                Self::Open(Open { call, args, inputs, auth: data.auth, mode: data.am })
            }
            "omsr" => Self::Opened(
                call,
                Opened::ALL.into_iter().find(|(name, _)| data.res.as_deref() == Some(name))?.1,
            ),
            "msm" => Self::Value(call, data.p, data.o.and_then(Typed::read)?),
            "msse" => Self::Exception(call, data.p, data.ex.and_then(Typed::read)?),
            "cmsc" => match &*data.cr? {
                "done" => Self::Close(call, data.p, Reason::Done),
                "error" => Self::Close(call, data.p, Reason::Error),
                _ => return None,
            },
            _ => return None,
        })
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Ping => return out.extend(br#"{"type":"ping"}"#),
            Self::Pong => return out.extend(br#"{"type":"pong"}"#),
            Self::Open(open) => open.write(out),
            Self::Opened(call, opened) => {
                out.extend(br#"{"type":"omsr","data":{"cid":"#);
                string(&call.cid, out);
                field("res", opened.name(), out);
                field("en", &call.endpoint, out);
                field("m", &call.method, out);
            }
            Self::Value(call, input, value) => {
                begin("msm", call, input, out);
                out.extend(br#","o":"#);
                value.write(out);
            }
            Self::Exception(call, input, value) => {
                begin("msse", call, input, out);
                out.extend(br#","ex":"#);
                value.write(out);
            }
            Self::Close(call, input, reason) => {
                begin("cmsc", call, input, out);
                field("cr", if *reason == Reason::Done { "done" } else { "error" }, out);
            }
            Self::Bad(request) => {
                out.extend(br#"{"type":"brm","data":{"req":"#);
                string(request, out);
            }
        }
        out.extend(b"}}");
    }
}

impl Open<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        begin("omsc", &self.call, &None, out);
        field("args", &self.args, out);
        out.extend(br#","is":["#);
        for (n, input) in self.inputs.iter().enumerate() {
            out.extend(if n > 0 { &b","[..] } else { b"" });
            string(input, out);
        }
        out.push(b']');
        self.auth.iter().for_each(|auth| field("auth", auth, out));
        self.mode.iter().for_each(|mode| field("am", mode, out));
    }
}

impl Opened {
    const ALL: [(&'static str, Self); 5] = [
        ("success", Self::Success),
        ("endpointNotFound", Self::EndpointNotFound),
        ("authenticationFailed", Self::AuthenticationFailed),
        ("authorizationDeclined", Self::AuthorizationDeclined),
        ("invalidArguments", Self::InvalidArguments),
    ];

    fn name(self) -> &'static str {
        Self::ALL[self as usize].0
    }
}

impl Call<'_> {
    pub(super) fn into_owned(self) -> Call<'static> {
        let own = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        Call { endpoint: own(self.endpoint), method: own(self.method), cid: own(self.cid) }
    }

    /// What stands before a value of the call's own stream, and `}}` behind it.
    pub(super) fn head(&self) -> Box<[u8]> {
        let mut out = Vec::new();
        begin("msm", self, &None, &mut out);
        out.extend(br#","o":"#);
        out.into()
    }
}

fn begin(kind: &str, call: &Call<'_>, input: &Input<'_>, out: &mut Vec<u8>) {
    out.extend([br#"{"type":""#, kind.as_bytes(), br#"","data":{"en":"#].concat());
    string(&call.endpoint, out);
    field("m", &call.method, out);
    field("cid", &call.cid, out);
    input.iter().for_each(|input| field("p", input, out));
}

/// RFC 9562 §4, whatever the version.
fn is_uuid(text: &str) -> bool {
    let fits = |(at, byte): (usize, u8)| match at {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    };
    text.len() == 36 && text.bytes().enumerate().all(fits)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn again(text: &str) -> Option<String> {
        let mut out = Vec::new();
        Frame::read(text, 128)?.write(&mut out);
        Some(String::from_utf8(out).expect("UTF-8"))
    }

    fn frames() -> impl Iterator<Item = String> {
        [
            r#"{"type":"ping"}"#,
            r#"{"type":"pong"}"#,
            r#"{"type":"omsc","data":{"en":"methodStreaming","m":"simpleStreamWithParameter","cid":"CID","args":"{\"value\":4}","is":[]}}"#,
            r#"{"type":"omsc","data":{"en":"methodStreaming","m":"intEchoStream","cid":"CID","args":"{}","is":["stream"],"auth":"Bearer secret-token"}}"#,
            r#"{"type":"omsc","data":{"en":"chat","m":"watchRoom","cid":"CID","args":"{\"roomId\":1}","is":[],"am":"cookie"}}"#,
            r#"{"type":"omsc","data":{"en":"endpoint","m":"method","cid":"CID","args":"{}","is":["input1","input2"]}}"#,
            r#"{"type":"omsr","data":{"cid":"CID","res":"success","en":"methodStreaming","m":"simpleStream"}}"#,
            r#"{"type":"msm","data":{"en":"methodStreaming","m":"simpleStream","cid":"CID","o":{"className":"int","data":0}}}"#,
            r#"{"type":"msm","data":{"en":"methodStreaming","m":"intEchoStream","cid":"CID","p":"stream","o":{"className":"int","data":42}}}"#,
            r#"{"type":"msse","data":{"en":"methodStreaming","m":"throws","cid":"CID","ex":{"className":"ExceptionWithData","data":{"message":"no"}}}}"#,
            r#"{"type":"cmsc","data":{"en":"methodStreaming","m":"intEchoStream","cid":"CID","p":"stream","cr":"done"}}"#,
            r#"{"type":"cmsc","data":{"en":"methodStreaming","m":"intEchoStream","cid":"CID","cr":"error"}}"#,
            r#"{"type":"brm","data":{"req":"{\"command\":\"this is not a valid command\"}"}}"#,
        ]
        .into_iter()
        .map(|frame| frame.replace("CID", "11111111-2222-4333-8444-555555555555"))
    }

    #[test]
    fn every_frame_of_the_page_is_read_and_written_to_the_byte() {
        for frame in frames() {
            assert_eq!(again(&frame).as_ref(), Some(&frame));
        }
        for (name, opened) in Opened::ALL {
            assert_eq!(opened.name(), name);
            let frame = frames().nth(6).expect("omsr").replace("success", name);
            assert_eq!(again(&frame), Some(frame));
        }
    }

    /// `invalid_command_test.dart`, `websocket_messages_test.dart`.
    #[test]
    fn what_serverpod_calls_an_unknown_message_is_none() {
        for text in [
            r#"{"command":"this is not a valid command"}"#,
            r#"{"type": "this is not a known message type"}"#,
            "This is not a valid json string",
            r#"{"type": null}"#,
            r#"{"TYPE":"PING"}"#,
            r#"["ping"]"#,
        ] {
            assert!(Frame::read(text, 128).is_none(), "{text}");
        }
        let changes = [
            (r#""input1""#, "1"),
            (r#""en":"endpoint","#, ""),
            (r#""cid":"11111111-2222-4333-8444-555555555555","#, ""),
            ("11111111-2222-4333-8444-555555555555", "11111111222243338444555555555555"),
            (r#""is":["input1","input2"]"#, r#""is":"input1""#),
            (r#""args":"{}""#, r#""args":{}"#),
            ("success", "this is not a valid response type"),
            (r#""cr":"done""#, r#""cr":"this is not a valid reason""#),
        ];
        for (before, after) in changes {
            let mut changed =
                frames().filter(|frame| frame.contains(before)).map(|frame| frame.replace(before, after));
            assert!(changed.next().is_some_and(|frame| Frame::read(&frame, 128).is_none()), "{before}");
        }
    }

    #[test]
    fn keys_stand_in_any_order_and_unknown_ones_do_no_harm() {
        let text = r#"{"data":{"x":[],"cr":"done","cid":"11111111-2222-4333-8444-555555555555","m":"b","en":"a"},"y":1,"type":"cmsc"}"#;
        assert!(matches!(Frame::read(text, 128), Some(Frame::Close(_, None, Reason::Done))));
    }

    #[test]
    fn depth_128_is_read_and_129_is_not() {
        let nested = |depth: usize| {
            let data = format!("{}{}", "[".repeat(depth - 3), "]".repeat(depth - 3));
            frames().nth(7).expect("msm").replace(r#""data":0"#, &format!(r#""data":{data}"#))
        };
        assert!(matches!(Frame::read(&nested(128), 128), Some(Frame::Value(..))));
        assert!(Frame::read(&nested(129), 128).is_none());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".*", which in 0..13_usize, at in any::<prop::sample::Index>(), byte in any::<char>()) {
            let _ = Frame::read(&text, 128);
            let mut frame: Vec<char> = frames().nth(which).expect("there are 13").chars().collect();
            let at = at.index(frame.len());
            frame[at] = byte;
            let changed: String = frame.iter().collect();
            if let Some(once) = again(&changed) {
                prop_assert_eq!(again(&once), Some(once));
            }
            let _ = Frame::read(&frame[..at].iter().collect::<String>(), 128);
        }
    }
}
