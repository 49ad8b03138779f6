//! Reads every frame of the specification, writes it again, and reads input that nobody should send.

use proptest::prelude::*;

use super::frame::{CloseReason, Frame, Opened};
use super::*;

fn again(text: &str) -> Option<String> {
    let mut out = Vec::new();
    encode::frame(&decode::frame(text, 128)?, &mut out);
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
fn every_frame_of_the_specification_is_read_and_written_to_the_byte() {
    for frame in frames() {
        assert_eq!(again(&frame).as_ref(), Some(&frame));
    }
    for (name, opened) in Opened::ALL {
        assert_eq!(opened.name(), name);
        let frame = frames().nth(6).expect("omsr").replace("success", name);
        assert_eq!(again(&frame), Some(frame));
    }
}

/// Follows `invalid_command_test.dart` and `websocket_messages_test.dart`.
#[test]
fn a_message_that_serverpod_calls_unknown_is_no_frame() {
    for text in [
        r#"{"command":"this is not a valid command"}"#,
        r#"{"type": "this is not a known message type"}"#,
        "This is not a valid json string",
        r#"{"type": null}"#,
        r#"{"TYPE":"PING"}"#,
        r#"["ping"]"#,
    ] {
        assert!(decode::frame(text, 128).is_none(), "{text}");
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
        assert!(changed.next().is_some_and(|frame| decode::frame(&frame, 128).is_none()), "{before}");
    }
}

#[test]
fn keys_stand_in_any_order_and_unknown_ones_do_no_harm() {
    let text = r#"{"data":{"x":[],"cr":"done","cid":"11111111-2222-4333-8444-555555555555","m":"b","en":"a"},"y":1,"type":"cmsc"}"#;
    assert!(matches!(decode::frame(text, 128), Some(Frame::Close(_, None, CloseReason::Done))));
}

#[test]
fn depth_128_is_read_and_129_is_not() {
    let nested = |depth: usize| {
        let data = format!("{}{}", "[".repeat(depth - 3), "]".repeat(depth - 3));
        frames().nth(7).expect("msm").replace(r#""data":0"#, &format!(r#""data":{data}"#))
    };
    assert!(matches!(decode::frame(&nested(128), 128), Some(Frame::Value(..))));
    assert!(decode::frame(&nested(129), 128).is_none());
}

proptest! {
    #[test]
    fn no_text_makes_the_decoder_panic(text in ".*", which in 0..13_usize, at in any::<prop::sample::Index>(), byte in any::<char>()) {
        let _ = decode::frame(&text, 128);
        let mut frame: Vec<char> = frames().nth(which).expect("there are 13").chars().collect();
        let at = at.index(frame.len());
        frame[at] = byte;
        let changed: String = frame.iter().collect();
        if let Some(once) = again(&changed) {
            prop_assert_eq!(again(&once), Some(once));
        }
        let _ = decode::frame(&frame[..at].iter().collect::<String>(), 128);
    }
}
