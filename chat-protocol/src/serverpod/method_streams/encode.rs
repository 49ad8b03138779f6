//! Writes the frames of either side, with keys in the order in which Serverpod writes them.

use chat_core::ChatMessage;
use chat_core::protocol::Frames;

use super::frame::{Call, CloseReason, Frame, Input, Open};
use crate::serverpod::classes;
use crate::write::{field, list, string};

/// Writes a frame.
pub(super) fn frame(frame: &Frame<'_>, out: &mut Vec<u8>) {
    match frame {
        Frame::Ping => return out.extend(br#"{"type":"ping"}"#),
        Frame::Pong => return out.extend(br#"{"type":"pong"}"#),
        Frame::Open(call) => open(call, out),
        Frame::Opened(call, opened) => {
            out.extend(br#"{"type":"omsr","data":{"cid":"#);
            string(&call.cid, out);
            field("res", opened.name(), out);
            field("en", &call.endpoint, out);
            field("m", &call.method, out);
        }
        Frame::Value(call, input, value) => {
            begin("msm", call, input, out);
            out.extend(br#","o":"#);
            value.write(out);
        }
        Frame::Exception(call, input, value) => {
            begin("msse", call, input, out);
            out.extend(br#","ex":"#);
            value.write(out);
        }
        Frame::Close(call, input, reason) => {
            begin("cmsc", call, input, out);
            field("cr", if *reason == CloseReason::Done { "done" } else { "error" }, out);
        }
        Frame::Bad(request) => {
            out.extend(br#"{"type":"brm","data":{"req":"#);
            string(request, out);
        }
    }
    out.extend(b"}}");
}

/// Returns what stands before each value of a call's own stream.
pub(super) fn value_head(call: &Call<'_>) -> Box<[u8]> {
    let mut out = Vec::new();
    begin("msm", call, &None, &mut out);
    out.extend(br#","o":"#);
    out.into()
}

/// Returns a message as the value of a stream.
pub(super) fn object(message: &ChatMessage) -> Vec<u8> {
    let mut object = Vec::with_capacity(message.content.as_bytes().len() + 240);
    classes::message(message, &mut object);
    object
}

/// Writes a value of a call's own stream, as a frame of its own.
pub(super) fn value(head: &[u8], object: &[u8], out: &mut Frames<'_>) {
    out.text(|out| {
        out.reserve(head.len() + object.len() + 2);
        [head, object, b"}}"].iter().for_each(|part| out.extend_from_slice(part));
    });
}

fn open(Open { call, args, inputs, auth, mode }: &Open<'_>, out: &mut Vec<u8>) {
    begin("omsc", call, &None, out);
    field("args", args, out);
    out.extend(br#","is":"#);
    list(inputs, |input, out| string(input, out), out);
    auth.iter().for_each(|auth| field("auth", auth, out));
    mode.iter().for_each(|mode| field("am", mode, out));
}

fn begin(kind: &str, call: &Call<'_>, input: &Input<'_>, out: &mut Vec<u8>) {
    out.extend([br#"{"type":""#, kind.as_bytes(), br#"","data":{"en":"#].concat());
    string(&call.endpoint, out);
    field("m", &call.method, out);
    field("cid", &call.cid, out);
    input.iter().for_each(|input| field("p", input, out));
}
