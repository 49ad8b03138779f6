//! Holds what the tests of this protocol share, and the tests of whole sessions.

use chat_core::protocol::{BadRequest, Credentials, Message, Request, Requests};
use chat_core::testkit::{Way, World};
use chat_core::transport::Incoming;
use chat_core::{ChannelId, ChatMessage, Epoch, Hub, Offset, OpenChat, Payload};
use chrono::DateTime;

use super::*;

pub(super) fn talk() -> Box<dyn SessionCodec> {
    Centrifuge::default().session_codec(SessionId(17), &Limits::default())
}

pub(super) fn decode(talk: &mut dyn SessionCodec, frame: &str) -> Vec<Result<Request, BadRequest>> {
    let mut requests = Requests::at_most(usize::MAX);
    talk.decode(Message::Text(frame), &mut requests);
    requests.into_iter().collect()
}

/// Reads a frame of a client that has connected.
pub(super) fn decoded(frame: &str) -> Vec<Result<Request, BadRequest>> {
    let mut talk = talk();
    decode(&mut *talk, r#"{"id":1,"connect":{}}"#);
    decode(&mut *talk, frame)
}

pub(super) fn channel() -> ChannelId {
    "room".parse().expect("a name")
}

pub(super) fn publication(content: &str) -> Publication {
    Publication::new(
        ChatMessage {
            sender_name: "ann".parse().expect("a name"),
            content: Payload::json(content),
            timestamp: DateTime::from_timestamp_millis(1_795_456_800_123).expect("a time"),
            channel_id: channel(),
        },
        Epoch(1),
        Offset(58),
    )
    .with_previous(Offset(57))
    .with_from(SessionId(17))
    .with_author(Some("ann".parse().expect("a name")))
    .with_ephemeral(false)
}

pub(super) fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    write(&mut out);
    String::from_utf8(out).expect("text")
}

#[test]
fn clients_that_ask_for_protobuf_get_it_and_all_others_json() {
    let welcome = |query, subprotocol: &str| {
        let subprotocols = [subprotocol.to_owned()];
        Centrifuge::default().accept(&Handshake::new(query, &subprotocols))
    };
    for (query, subprotocol) in [(None, "centrifuge-protobuf"), (Some("a=b&format=protobuf"), "x")] {
        let protocol = welcome(query, subprotocol).expect("welcome").protocol.expect("another");
        assert_eq!(protocol.name(), "centrifuge-protobuf");
    }
    assert_eq!(welcome(None, "centrifuge-json").expect("welcome").subprotocol, Some("centrifuge-json"));
    assert_eq!(welcome(Some("cf_ws_frame_ping_pong=true"), "x").expect("welcome").subprotocol, None);
}

#[test]
fn a_tool_that_answers_only_the_pings_of_websocket_gets_those() {
    for (query, name, connect) in [
        ("cf_ws_frame_ping_pong=true", "centrifuge", &br#"{"id":1,"connect":{}}"#[..]),
        ("cf_ws_frame_ping_pong=true&format=protobuf", "centrifuge-protobuf", &[4, 8, 1, 34, 0]),
    ] {
        let welcome = Centrifuge::default().accept(&Handshake::new(Some(query), &[]));
        let protocol = welcome.expect("welcome").protocol.expect("another");
        assert_eq!(protocol.name(), name);
        let (world, limits) = (World::new(), Limits::default());
        let hub = Hub::builder(OpenChat::default()).limits(limits.clone()).build(world.clone());
        let tool = world.connect(&hub, protocol, Credentials::Later, Way::Bytes);
        tool.put(Ok(Incoming::Binary(connect.to_vec())));
        let answer = tool.heard().pop().expect("an answer");
        assert!(!answer.contains("pong"), "{answer}");
        world.advance(limits.ping_interval);
        let asked: Vec<_> = std::iter::from_fn(|| tool.next()).map(|heard| format!("{heard:?}")).collect();
        assert!(asked.len() == 1 && asked[0].contains("Ping"), "{asked:?}");
    }
}

#[test]
fn two_sessions_exchange_messages_through_a_hub() {
    let world = World::new();
    let hub = Hub::builder(OpenChat::default()).build(world.clone());
    let enter = || world.connect(&hub, Arc::new(Centrifuge::default()), Credentials::Later, Way::Bytes);
    let (ann, bob) = (enter(), enter());
    for client in [&ann, &bob] {
        client.say("{\"id\":1,\"connect\":{}}\n{\"id\":2,\"subscribe\":{\"channel\":\"room\"}}");
        let heard = client.heard();
        assert!(
            heard[0].starts_with(r#"{"id":1,"connect":{"client":""#)
                && heard[1].starts_with(r#"{"id":2,"subscribe""#)
        );
    }
    ann.say(r#"{"id":3,"publish":{"channel":"room","data":"hi"}}"#);
    assert_eq!(ann.heard()[0], r#"{"id":3,"publish":{}}"#);
    assert!(bob.heard()[0].starts_with(r#"{"push":{"channel":"room","pub":{"data":"hi""#));
    bob.say("{\"id\":3,\"dance\":{}}");
    let last = bob.heard().pop().expect("a close");
    assert!(last.contains("3501"), "{last}");
}
