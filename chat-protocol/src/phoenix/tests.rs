//! Compares frames to the byte, and feeds the decoder with whatever a peer may send.

use std::sync::Arc;

use chat_core::protocol::{Credentials, Message, Requests};
use chat_core::testkit::{Client, Way, World};
use chat_core::transport::Incoming;
use chat_core::{
    Connect, Endpoint, Hub, Limits, Payload, Publish, PublishContext, Pushed, Refusal, SessionId,
    SessionInfo, Subscribe, SubscribeOptions,
};
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// Answers the event `ask` and each join with their own payload, leaves `hush` unanswered, and broadcasts all
/// else.
struct Answering;

impl Endpoint for Answering {
    async fn event(&self, _: &SessionInfo, publish: Publish, _: PublishContext) -> Result<Pushed, Refusal> {
        Ok(match publish.event.as_ref().map(|event| event.as_str()) {
            Some("ask") => Pushed::Answer(publish.content),
            Some("hush") => Pushed::Nothing,
            _ => Pushed::Publish(publish),
        })
    }

    async fn subscribe(&self, _: &SessionInfo, request: Subscribe) -> Result<SubscribeOptions, Refusal> {
        Ok(SubscribeOptions::of(&request).with_data(request.data.clone()).with_presence(false))
    }
}

struct Scene {
    world: World,
    hub: Hub,
}

fn scene() -> Scene {
    let world = World::new();
    let hub = Hub::builder(Answering).build(world.clone());
    Scene { world, hub }
}

impl Scene {
    /// Connects a client that joins `topic` under the ref 12.
    fn joined(&self, protocol: Phoenix) -> Client {
        let credentials = Credentials::Now(Connect::named(Some("ann".parse().expect("a name"))));
        let client = self.world.connect(&self.hub, Arc::new(protocol), credentials, Way::Bytes);
        client.say(r#"["12","12","topic","phx_join",{"m":1}]"#);
        let reply = r#"["12","12","topic","phx_reply",{"status":"ok","response":{"m":1}}]"#;
        assert_eq!(client.heard(), [reply]);
        client
    }

    fn publish(&self, event: Option<&str>, content: Payload) {
        let event = event.map(|event| event.parse().expect("a name"));
        let topic = "topic".parse().expect("a name");
        self.hub.publish_with(Publish::to(topic, content).with_event(event));
    }
}

fn bytes(client: &Client) -> Vec<u8> {
    client.next().expect("a frame").payload
}

fn three() -> Payload {
    Payload::Binary([101, 102, 103].into())
}

#[test]
fn a_broadcast_has_no_refs_and_its_payload_to_the_byte() {
    let scene = scene();
    let client = scene.joined(Phoenix::default());
    scene.publish(Some("e"), Payload::json(r#"{"m": 1}"#));
    scene.publish(Some("e\""), Payload::json("7"));
    let heard = [r#"[null,null,"topic","e",{"m": 1}]"#, r#"[null,null,"topic","e\"",7]"#];
    assert_eq!(client.heard(), heard);
}

#[test]
fn a_broadcast_of_bytes_is_a_binary_frame() {
    let scene = scene();
    let client = scene.joined(Phoenix::default());
    scene.publish(Some("event"), three());
    assert_eq!(bytes(&client), b"\x02\x05\x05topiceventefg");
}

#[test]
fn a_reply_is_in_the_form_of_its_response() {
    let scene = scene();
    let client = scene.joined(Phoenix::default());
    client.say(r#"["12","123","topic","ask",{"m":1}]"#);
    assert_eq!(client.heard(), [r#"["12","123","topic","phx_reply",{"status":"ok","response":{"m":1}}]"#]);
    let push = [&b"\x00\x02\x03\x05\x0312123topicask"[..], b"efg"].concat();
    client.put(Ok(Incoming::Binary(push)));
    assert_eq!(bytes(&client), b"\x01\x02\x03\x05\x0212123topicokefg");
}

#[test]
fn an_event_may_be_left_unanswered_and_holds_up_nothing() {
    let scene = scene();
    let client = scene.joined(Phoenix::default());
    client.say(r#"["12","1","topic","hush",{}]"#);
    assert_eq!(client.heard(), [""; 0]);
    client.say(r#"["12","2","topic","ask",{"m":1}]"#);
    assert_eq!(client.heard(), [r#"["12","2","topic","phx_reply",{"status":"ok","response":{"m":1}}]"#]);
}

#[test]
fn the_longest_fields_that_there_are_fit_a_binary_frame() {
    let scene = scene();
    let client = scene.joined(Phoenix::default());
    let long = "e".repeat(255);
    scene.publish(Some(&long), three());
    let head = [b"\x02\x05\xff", long.as_bytes()].concat();
    assert!(bytes(&client).starts_with(&head[..3]));
    let reference = "r".repeat(255);
    let push = [b"\x00\x02\xff\x05\x0312", reference.as_bytes(), b"topicaskefg"].concat();
    client.put(Ok(Incoming::Binary(push)));
    assert!(bytes(&client).starts_with(b"\x01\x02\xff\x05\x0212rrr"));
    client.say(&format!(r#"["12","{}","topic","ask",{{}}]"#, "r".repeat(256)));
    let error = r#"[null,null,"phoenix","error",{"reason":"bad request","code":107,"message":"ref: more than 255 bytes"}]"#;
    assert_eq!(client.heard(), [error]);
}

#[test]
fn bytes_go_as_base64_where_only_text_can_go() {
    let scene = scene();
    let client = scene.joined(Phoenix::only_text());
    scene.publish(Some("event"), three());
    client.put(Ok(Incoming::Binary(b"\x00\x02\x03\x05\x0312123topicaskefg".into())));
    let heard = [
        r#"[null,null,"topic","event",{"base64":"ZWZn"}]"#,
        r#"["12","123","topic","phx_reply",{"status":"ok","response":{"base64":"ZWZn"}}]"#,
    ];
    assert_eq!(client.heard(), heard);
}

#[test]
fn a_publication_without_an_event_is_a_message_with_sender_and_offset() {
    let scene = scene();
    let client = scene.joined(Phoenix::default());
    scene.publish(None, Payload::json("\"hi\""));
    scene.publish(Some("phx_close"), Payload::json("{}"));
    let heard = [
        r#"[null,null,"topic","message",{"senderName":"server","content":"hi","timestamp":"2026-01-01T00:00:00.000Z","channelId":"topic","offset":1}]"#,
        r#"[null,null,"topic","message",{"senderName":"server","content":{},"timestamp":"2026-01-01T00:00:00.000Z","event":"phx_close","channelId":"topic","offset":2}]"#,
    ];
    assert_eq!(client.heard(), heard);
}

/// Generates what a peer sends that knows a part of the format.
fn almost_frames() -> impl Strategy<Value = Vec<String>> {
    let refs = prop_oneof![Just("null".to_owned()), "\"[1-3]\"", "[\"\\\\u0-9{}]{0,6}"];
    let topics = prop_oneof![Just("\"room\"".to_owned()), Just("\"phoenix\"".to_owned()), "\"\\PC{0,4}\""];
    let events = prop_oneof![
        Just("\"phx_join\"".to_owned()),
        Just("\"phx_leave\"".to_owned()),
        Just("\"heartbeat\"".to_owned()),
        "\"\\PC{0,4}\"",
    ];
    let frame = (refs.clone(), refs, topics, events, "[\\[\\]{}\",:a0]{0,6}|\\{\\}");
    vec(
        frame.prop_map(|(join_ref, reference, topic, event, payload)| {
            format!("[{join_ref},{reference},{topic},{event},{payload}]")
        }),
        0..8,
    )
}

fn decoded(message: Message<'_>) -> usize {
    let mut requests = Requests::at_most(usize::MAX);
    Phoenix::default().session_codec(SessionId(1), &Limits::default()).decode(message, &mut requests);
    requests.all().len()
}

proptest! {
    #[test]
    fn any_input_is_read_without_a_panic(text in "\\PC*", bytes in vec(any::<u8>(), 0..64)) {
        prop_assert_eq!(decoded(Message::Text(&text)), 1);
        prop_assert!(decoded(Message::Binary(&bytes)) <= 1);
    }

    #[test]
    fn input_that_is_almost_a_frame_is_answered_or_ignored_without_a_panic(frames in almost_frames()) {
        let scene = scene();
        let client = scene.joined(Phoenix::default());
        frames.iter().for_each(|frame| client.say(frame));
        for heard in client.heard() {
            let [_, _, topic, ..]: [serde_json::Value; 5] = serde_json::from_str(&heard).expect("a frame");
            prop_assert!(topic.is_string());
        }
        prop_assert_eq!(client.close(), None);
    }

    #[test]
    fn every_binary_push_is_read_as_its_fields(
        fields in ["[a-z0-9]{0,255}", "[a-z0-9]{0,255}", "[a-z0-9]{0,255}", "[a-z0-9]{0,255}"],
        payload in vec(any::<u8>(), 0..64),
    ) {
        let lengths = fields.iter().map(|field| field.len() as u8);
        let head: Vec<u8> = std::iter::once(0).chain(lengths).collect();
        let push = [&head, fields.concat().as_bytes(), &payload].concat();
        let frame = decode::read(Message::Binary(&push), 128).expect("a push");
        prop_assert_eq!((&*frame.topic, &*frame.event), (&*fields[2], &*fields[3]));
        prop_assert_eq!(frame.payload, decode::Content::Binary(&payload));
    }
}
