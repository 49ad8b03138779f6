//! Reads every frame of the specification, and input that nobody should send.

use chat_core::protocol::{BadRequest, Command, Credentials, Message, Request, Requests};
use chat_core::{ChannelId, Publish, Subscribe};
use proptest::prelude::*;

use super::decode::{Frame, frame};
use super::*;

fn decoded(text: &str) -> Result<Request, BadRequest> {
    let mut requests = Requests::at_most(usize::MAX);
    Session::new(128).decode(Message::Text(text), &mut requests);
    requests.into_iter().last().expect("one for each")
}

fn closed(text: &str) -> Option<String> {
    decoded(text).expect_err(text).close.map(|close| close.to_string())
}

/// Reads a frame, and writes it as it came.
fn again(text: &str) -> String {
    let mut out = Vec::new();
    match frame(text, 128).map_err(|_| text).expect("a frame") {
        Frame::Ping => out.extend(br#"{"command":"ping","args":{}}"#),
        Frame::Auth(key) => {
            let key = serde_json::to_string(&key).expect("JSON");
            out.extend(format!(r#"{{"command":"auth","args":{{"key":{key}}}}}"#).bytes());
        }
        Frame::Object(endpoint, value) => {
            out.extend(format!(r#"{{"endpoint":"{endpoint}","object":"#).bytes());
            value.write(&mut out);
            out.push(b'}');
        }
        Frame::Unknown => {}
    }
    String::from_utf8(out).expect("UTF-8")
}

#[test]
fn every_frame_of_the_specification_is_read_as_it_stands() {
    for vector in [
        r#"{"command":"ping","args":{}}"#,
        r#"{"command":"auth","args":{"key":"Basic MTI6c2VjcmV0"}}"#,
        r#"{"command":"auth","args":{"key":null}}"#,
        r#"{"endpoint":"streaming","object":{"className":"SimpleData","data":{"__className__":"SimpleData","num":42}}}"#,
        r#"{"endpoint":"streaming","object":{"className":"SimpleData","data":{"num":42}}}"#,
        r#"{"endpoint":"serverpod_chat.chat","object":{"className":"serverpod_chat.ChatMessagePost","data":{"__className__":"serverpod_chat.ChatMessagePost","channel":"general","message":"hi","clientMessageId":7}}}"#,
    ] {
        assert_eq!(again(vector), vector);
    }
}

#[test]
fn every_frame_becomes_the_request_that_it_means() {
    let room: ChannelId = "room".parse().expect("a name");
    let command = |text: &str| decoded(text).expect("a request").command;
    assert_eq!(command(r#"{"args":{},"x":1,"command":"ping"}"#), Command::Ping);
    let refreshed = command(r#"{"command":"auth","args":{"key":"Basic MTI6c2VjcmV0"}}"#);
    assert_eq!(refreshed, Command::Refresh("12:secret".into()));
    assert_eq!(command(r#"{"command":"auth","args":{"key":"12:raw"}}"#), Command::Refresh("12:raw".into()));
    assert_eq!(command(r#"{"command":"auth","args":{"key":null}}"#), Command::Refresh("".into()));
    let message = r#"{"endpoint":"chat","object":{"className":"ChatMessage","data":{"senderName":"x","content":"hi","timestamp":"2024-01-02T03:04:05.678Z","channelId":"room"}}}"#;
    let publish = Publish::to(room.clone(), chat_core::Payload::json(r#""hi""#));
    assert_eq!(command(message), Command::Publish(publish));
    let subscription = |subscribe| {
        format!(
            r#"{{"endpoint":"chat","object":{{"className":"ChannelSubscription","data":{{"__className__":"ChannelSubscription","channelId":"room","subscribe":{subscribe}}}}}}}"#
        )
    };
    assert_eq!(command(&subscription(true)), Command::Subscribe(Subscribe::to(room.clone())));
    assert_eq!(command(&subscription(false)), Command::Unsubscribe(room));
}

#[test]
fn a_session_ends_with_a_reason_where_the_original_leaves_a_dead_socket() {
    for (text, why) in [
        ("no JSON", "3501 no object of a stream"),
        ("[1]", "3501 no object of a stream"),
        (r#"{"command":7,"args":{}}"#, "3501 no object of a stream"),
        (r#"{"command":"ping"}"#, "3501 no args"),
        (r#"{"command":"ping","args":[]}"#, "3501 no args"),
        (r#"{"command":"auth","args":{"key":7}}"#, "3501 no key"),
        (r#"{"object":{"className":"ChatMessage","data":{}}}"#, "3501 no endpoint"),
        (r#"{"endpoint":"chat"}"#, "3501 no typed object"),
        (r#"{"endpoint":"chat","object":{"data":{}}}"#, "3501 no typed object"),
        (
            r#"{"endpoint":"streaming","object":{"className":"ChatMessage","data":{}}}"#,
            "3501 unknown endpoint",
        ),
    ] {
        assert_eq!(closed(text).as_deref(), Some(why), "{text}");
    }
    for text in [
        r#"{"command":"dance","args":{}}"#,
        r#"{"command":"auth","args":{"key":"Basic a b"}}"#,
        r#"{"endpoint":"chat","object":{"className":"SimpleData","data":{"num":42}}}"#,
        r#"{"endpoint":"chat","object":{"className":"ChatMessage","data":{"channelId":"room"}}}"#,
    ] {
        assert_eq!(closed(text), None, "a strike: {text}");
    }
}

#[test]
fn depth_128_is_read_and_129_is_not() {
    let nested = |depth: usize| {
        let x = format!("{}{}", "[".repeat(depth - 3), "]".repeat(depth - 3));
        format!(
            r#"{{"endpoint":"chat","object":{{"className":"ChatMessage","data":{{"content":"hi","channelId":"room","x":{x}}}}}}}"#
        )
    };
    assert!(decoded(&nested(128)).is_ok());
    assert_eq!(closed(&nested(129)).as_deref(), Some("3501 no object of a stream"));
}

#[test]
fn the_plain_key_stands_on_the_url() {
    let token = |query| match Legacy.accept(&Handshake::new(query, &[])).expect("welcome").credentials {
        Credentials::Now(connect) => connect.token,
        other => panic!("{other:?}"),
    };
    assert_eq!(token(Some("auth=12%3Aabcdef")), Some("12:abcdef".into()));
    assert_eq!(token(Some("auth=Basic%20MTI6c2VjcmV0")), Some("12:secret".into()));
    assert_eq!(token(Some("auth=Basic%20a%20b")), Some("Basic a b".into()));
    assert_eq!((token(None), token(Some("x=1"))), (None, None));
}

proptest! {
    #[test]
    fn no_input_makes_it_panic(bytes in any::<Vec<u8>>(), text in ".*", key in ".*", class in ".*") {
        let mut requests = Requests::at_most(usize::MAX);
        Session::new(128).decode(Message::Binary(&bytes), &mut requests);
        let (key, class) = (serde_json::json!(key), serde_json::json!(class));
        for text in [
            text,
            format!(r#"{{"command":"auth","args":{{"key":{key}}}}}"#),
            format!(r#"{{"endpoint":"chat","object":{{"className":{class},"data":{key}}}}}"#),
            format!(r#"{{"endpoint":"chat","object":{{"className":"ChatMessage","data":{{"channelId":{key},"content":{class}}}}}}}"#),
        ] {
            Session::new(128).decode(Message::Text(&text), &mut requests);
        }
        prop_assert_eq!(requests.all().len(), 5);
    }
}
