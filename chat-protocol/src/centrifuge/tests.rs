//! Vectors of the protocol, and input that nobody should send.

use std::time::Duration;

use chat_core::testkit::{Way, World};
use chat_core::{
    Arrival, ChatMessage, Epoch, Expiry, HistoryPage, Hub, OpenChat, PresencePage, Present, Recovery, Refers,
    RequestId, Subscribed, UserId,
};
use chrono::DateTime;
use proptest::prelude::*;

use super::*;

pub(super) fn talk() -> Box<dyn Talk> {
    Centrifuge::default().talk(SessionId(17), &Limits::default())
}

fn hear(talk: &mut dyn Talk, frame: &str) -> Vec<Result<Request, BadRequest>> {
    let mut requests = Vec::new();
    talk.decode(Message::Text(frame), &mut requests);
    requests
}

/// What comes of a frame after a client has connected.
pub(super) fn heard(frame: &str) -> Vec<Result<Request, BadRequest>> {
    let mut talk = talk();
    hear(&mut *talk, r#"{"id":1,"connect":{}}"#);
    hear(&mut *talk, frame)
}

fn request(frame: &str) -> Request {
    heard(frame).remove(0).expect("a request")
}

fn closes(frame: &str) -> bool {
    matches!(&heard(frame)[..], [.., Err(bad)] if bad.close == Some(Close::BAD_REQUEST))
}

pub(super) fn channel() -> ChannelId {
    "room".parse().expect("a name")
}

pub(super) fn publication(content: &str) -> Publication {
    Publication {
        offset: Offset(58),
        previous: Offset(57),
        epoch: Epoch(1),
        from: Some(SessionId(17)),
        author: Some("ann".parse().expect("a name")),
        key: None,
        event: None,
        refers: None,
        ephemeral: false,
        message: ChatMessage {
            sender_name: "ann".parse().expect("a name"),
            content: chat_core::Payload::json(content),
            timestamp: DateTime::from_timestamp_millis(1_795_456_800_123).expect("a time"),
            channel_id: channel(),
        },
    }
}

fn subscribed(recovery: Option<Recovery>) -> Subscribed {
    Subscribed {
        channel: channel(),
        epoch: Epoch(0xA),
        offset: Offset(57),
        keeps: true,
        already: false,
        recovery,
        presence: None,
        expires: None,
        data: None,
    }
}

pub(super) fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    write(&mut out);
    String::from_utf8(out).expect("text")
}

pub(super) fn reply(id: &str, answer: &Answer) -> String {
    written(|out| reply::reply(&RequestId(id.into()), SessionId(17), answer, out))
}

#[test]
fn a_frame_holds_commands_line_by_line_and_each_keeps_its_number_and_method() {
    let mut talk = talk();
    let frame = "{\"id\":1,\"connect\":{\"token\":\"t\",\"data\":{\"name\":\"ann\"},\"name\":\"js\",\"subs\":{\"room\":{\"recover\":true,\"offset\":7,\"epoch\":\"000000000000000a\"}}}}\n\
        {\"id\":2,\"subscribe\":{\"channel\":\"room\",\"flag\":1,\"recover\":true,\"epoch\":\"_\",\"offset\":5,\"join_leave\":true}}\n{}\n\
        {\"id\":3,\"presence_stats\":{\"channel\":\"room\"}}\n";
    let heard: Vec<_> = hear(&mut *talk, frame).into_iter().map(|one| one.expect("a request")).collect();
    let marks: Vec<_> = heard.iter().map(|one| &*one.id.as_ref().expect("a mark").0).collect();
    assert_eq!(marks, ["1 connect", "2 subscribe 5", "3 presence_stats"]);
    let Command::Connect(connect) = &heard[0].command else { panic!("a connect") };
    assert_eq!(connect.name.as_ref().map(|name| name.as_str()), Some("ann"), "not the library's name");
    assert_eq!((connect.since.len(), connect.since[0].1.epoch), (1, Some(Epoch(10))));
    let Command::Subscribe(subscribe) = &heard[1].command else { panic!("a subscribe") };
    let since = subscribe.since.expect("it recovers");
    assert!(subscribe.presence && since.epoch.is_some(), "a foreign epoch is not any epoch");
}

#[test]
fn what_is_no_command_closes_with_3501_and_wrong_fields_only_count() {
    for bad in [
        "",
        "\n",
        "{",
        "[]",
        "null",
        "{\"id\":1}",
        "{\"id\":1,\"dance\":{}}",
        "{\"id\":1,\"ping\":{}}",
        "{\"rpc\":{}}",
        "{\"id\":-1,\"rpc\":{}}",
        "{\"id\":1,\"rpc\":{}}x",
    ] {
        assert!(closes(bad), "{bad}");
    }
    assert!(closes(&"[".repeat(200)));
    for wrong in [
        r#"{"id":2,"subscribe":{}}"#,
        r#"{"id":2,"subscribe":["room"]}"#,
        r#"{"id":2,"subscribe":{"channel":""}}"#,
        r#"{"id":2,"publish":{"channel":"room"}}"#,
        r#"{"id":2,"history":{"channel":"room","limit":"1"}}"#,
    ] {
        let bad = heard(wrong).remove(0).expect_err(wrong);
        assert_eq!((bad.refusal.code, bad.close), (107, None), "{wrong}");
        assert!(bad.id.is_some_and(|id| id.0.starts_with("2 ")));
    }
    let first = hear(&mut *talk(), r#"{"id":1,"subscribe":{"channel":"room"}}"#).remove(0);
    assert!(first.is_err_and(|bad| bad.close.is_some()), "nothing comes before connect");
    assert_eq!(heard("{}\n{}").len(), 0, "pongs");
}

#[test]
fn depth_128_is_read_and_129_is_not() {
    let nested = |depth: usize| {
        let arrays = depth - 2;
        format!(r#"{{"id":2,"rpc":{{"data":{}{}}}}}"#, "[".repeat(arrays), "]".repeat(arrays))
    };
    assert!(heard(&nested(128)).remove(0).is_ok());
    assert!(closes(&nested(129)));
}

#[test]
fn a_history_without_a_limit_asks_for_the_place_alone_and_backwards_it_begins_before() {
    let history = |fields: &str| match request(&format!(r#"{{"id":1,"history":{{{fields}}}}}"#)).command {
        Command::History(history) => history,
        other => panic!("{other:?}"),
    };
    assert_eq!(history(r#""channel":"room""#).limit, 0);
    assert_eq!(history(r#""channel":"room","limit":-1"#).limit, usize::MAX);
    let since = r#""channel":"room","limit":2,"since":{"offset":5,"epoch":"000000000000000a"}"#;
    let forth = history(since);
    assert_eq!((forth.after, forth.before, forth.epoch), (Some(Offset(5)), None, Some(Epoch(10))));
    let back = history(&format!("{since},\"reverse\":true"));
    assert_eq!((back.after, back.before), (None, Some(Offset(5))));
}

#[test]
fn a_publication_stands_on_one_line_with_what_the_protocol_has_no_field_for_in_tags() {
    let said = publication("{\"a\":\r\n [1,\n2]}");
    assert_eq!(
        written(|out| push::publication(&said, out)),
        r#"{"push":{"channel":"room","pub":{"data":{"a": [1,2]},"info":{"user":"ann","client":"17"},"offset":58,"tags":{"time":"2026-11-23T18:00:00.123Z"}}}}"#
    );
    let mut edit = publication("1");
    (edit.from, edit.refers) = (None, Some(Refers::Edit(Offset(3))));
    edit.event = Some("say".parse().expect("a name"));
    assert_eq!(
        written(|out| push::publication(&edit, out)),
        r#"{"push":{"channel":"room","pub":{"data":1,"info":{"user":"ann","client":""},"offset":58,"tags":{"time":"2026-11-23T18:00:00.123Z","event":"say","edits":"3"}}}}"#
    );
    let mut named = publication("1");
    named.author = Some("u-1".parse().expect("a name"));
    assert!(
        written(|out| push::publication(&named, out))
            .contains(r#""info":{"user":"u-1","client":"17","conn_info":{"name":"ann"}}"#)
    );
    named.author = None;
    assert!(written(|out| push::publication(&named, out)).contains(r#""info":{"user":"ann","client":"17"}"#));
    let signal = Publication { ephemeral: true, ..publication("1") };
    assert!(written(|out| push::publication(&signal, out)).contains(r#""signal":"true""#));
}

#[test]
fn a_recovered_subscription_has_the_offset_that_was_asked_for_and_any_other_the_last() {
    let vectors = [
        (
            None,
            "2 subscribe",
            r#"{"id":2,"subscribe":{"recoverable":true,"positioned":true,"epoch":"000000000000000a","offset":57}}"#,
        ),
        (
            Some(Recovery::Recovered),
            "2 subscribe 50",
            r#"{"id":2,"subscribe":{"recoverable":true,"positioned":true,"epoch":"000000000000000a","recovered":true,"offset":50,"was_recovering":true}}"#,
        ),
        (
            Some(Recovery::TooOld),
            "2 subscribe 50",
            r#"{"id":2,"subscribe":{"recoverable":true,"positioned":true,"epoch":"000000000000000a","offset":57,"was_recovering":true}}"#,
        ),
    ];
    for (recovery, id, expected) in vectors {
        assert_eq!(reply(id, &Answer::Subscribed(subscribed(recovery))), expected);
    }
}

#[test]
fn every_other_answer_stands_as_the_protocol_has_it() {
    let expires = DateTime::from_timestamp(0, 0).map(|at| Expiry { at, left: Duration::from_secs(60) });
    let user: UserId = "u-7".parse().expect("a name");
    let present = Present {
        user: user.clone(),
        name: "ann".parse().expect("a name"),
        data: None,
        sessions: vec![SessionId(17)],
        read: Offset(0),
    };
    let page = PresencePage { present: vec![present], users: 1, sessions: 1 };
    let presence = Answer::Presence { channel: channel(), page };
    let kept = HistoryPage { epoch: Epoch(0xA), offset: Offset(58), publications: Vec::new(), more: false };
    let vectors = [
        (
            "4 refresh",
            Answer::Refreshed { expires },
            r#"{"id":4,"refresh":{"client":"17","version":"chat-core 0.1.0","expires":true,"ttl":48}}"#,
        ),
        (
            "4 sub_refresh",
            Answer::SubscriptionRefreshed { channel: channel(), expires },
            r#"{"id":4,"sub_refresh":{"expires":true,"ttl":48}}"#,
        ),
        (
            "4 unsubscribe",
            Answer::Unsubscribed { channel: channel(), already: false, why: None },
            r#"{"id":4,"unsubscribe":{}}"#,
        ),
        (
            "4 publish",
            Answer::Published { channel: channel(), offset: Offset(1), already: false },
            r#"{"id":4,"publish":{}}"#,
        ),
        (
            "4 presence",
            presence.clone(),
            r#"{"id":4,"presence":{"presence":{"17":{"user":"u-7","client":"17","conn_info":{"name":"ann"}}}}}"#,
        ),
        ("4 presence_stats", presence, r#"{"id":4,"presence_stats":{"num_clients":1,"num_users":1}}"#),
        (
            "4 history",
            Answer::History { channel: channel(), page: kept, clamped: None },
            r#"{"id":4,"history":{"publications":[],"epoch":"000000000000000a","offset":58}}"#,
        ),
        ("4 rpc", Answer::Result(chat_core::Payload::json("7")), r#"{"id":4,"rpc":{"data":7}}"#),
        (
            "4 rpc",
            Answer::Error(Refusal::internal("no")),
            r#"{"id":4,"error":{"code":100,"message":"no","temporary":true}}"#,
        ),
        (
            "4 rpc",
            Answer::Error(Refusal::permission_denied("no")),
            r#"{"id":4,"error":{"code":103,"message":"no"}}"#,
        ),
    ];
    for (id, answer, expected) in vectors {
        assert_eq!(reply(id, &answer), expected);
    }
    let unasked = |why: Refusal| {
        let answer = Answer::Unsubscribed { channel: channel(), already: false, why: Some(why) };
        written(|out| push::unasked(&answer, out))
    };
    assert_eq!(
        unasked(Refusal::permission_denied("out")),
        r#"{"push":{"channel":"room","unsubscribe":{"code":2000,"reason":"out"}}}"#
    );
    for (why, code) in [
        (Refusal::unrecoverable_position(""), 2500),
        (Refusal::expired(""), 2501),
        (Refusal::internal(""), 2502),
    ] {
        assert!(unasked(why).contains(&format!("\"code\":{code}")));
    }
    let who = Arrival { session: SessionId(3), user, name: "u-7".parse().expect("a name"), data: None };
    assert_eq!(
        written(|out| push::moved(&channel(), "join", &who, out)),
        r#"{"push":{"channel":"room","join":{"info":{"user":"u-7","client":"3"}}}}"#
    );
    let bad_token = Answer::Error(Refusal::unauthorized("no"));
    assert!(!reply::has_words(&RequestId("1 connect".into()), &bad_token), "the close says it");
    assert!(reply::has_words(&RequestId("1 refresh".into()), &bad_token));
}

#[test]
fn a_stream_says_its_end_with_a_push_and_an_event_is_one_line() {
    use chat_core::{Framing, Kind};
    let framed =
        |framing: &dyn Framing, kind, payload: &[u8]| written(|out| framing.frame(kind, payload, out));
    assert_eq!(framed(&HttpStream, Kind::Text, b"{}"), "{}\n");
    assert_eq!(framed(&EventStream, Kind::Text, b"{}"), "data: {}\n\n");
    let close = |close: Close| framed(&HttpStream, Kind::Close, &close.payload());
    assert_eq!(close(Close::SLOW), "{\"push\":{\"disconnect\":{\"code\":3008,\"reason\":\"slow\"}}}\n");
    assert!(close(Close::GOING_AWAY).contains("3001"));
    assert_eq!(close(Close::NORMAL) + &framed(&HttpStream, Kind::Ping, b""), "");
}

#[test]
fn protobuf_is_spoken_with_those_who_want_it_and_json_with_all_others() {
    let welcome = |query, subprotocol: &str| {
        let subprotocols = [subprotocol.to_owned()];
        Centrifuge::default().welcome(&Opener { query, subprotocols: &subprotocols })
    };
    for (query, subprotocol) in [(None, "centrifuge-protobuf"), (Some("a=b&format=protobuf"), "x")] {
        let protocol = welcome(query, subprotocol).expect("welcome").protocol.expect("another");
        assert_eq!(protocol.name(), "centrifuge-protobuf");
    }
    assert_eq!(welcome(None, "centrifuge-json").expect("welcome").subprotocol, Some("centrifuge-json"));
    assert_eq!(welcome(Some("cf_ws_frame_ping_pong=true"), "x").expect("welcome").subprotocol, None);
}

/// Pieces of commands, in any order and any nesting.
fn frames() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "\"",
        "\\",
        "\n",
        "\r",
        "\0",
        "é",
        "null",
        "true",
        "-1",
        "1e9",
        "99999999999999999999",
        "\"id\":1",
        "\"connect\":{}",
        "\"subscribe\":{\"channel\":\"a\"}",
        "\"publish\"",
        "\"channel\"",
        "\"data\"",
        "\"history\":{\"limit\":",
        "{}",
        "{\"id\":1,\"connect\":{\"subs\":{\"a\":{\"recover\":true}}}}",
        "\"since\":{\"offset\":18446744073709551615}",
    ]);
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_decoder_never_panics_whatever_comes(frames in prop::collection::vec(frames(), 1..4), any in ".*", bytes: Vec<u8>) {
        let mut talk = talk();
        for frame in frames.iter().chain([&any]) {
            let requests = hear(&mut *talk, frame);
            prop_assert!(requests.iter().all(|one| one.as_ref().err().is_none_or(|bad| bad.refusal.code >= 100)));
        }
        let mut requests = Vec::new();
        talk.decode(Message::Binary(&bytes), &mut requests);
        prop_assert_eq!(requests.len(), 1);
        let mut talk = Protobuf::default().talk(SessionId(1), &Limits::default());
        let begun = [&[8, 8, 1, 34, 4, 10, 2, 116, 116], &bytes[..]].concat();
        for bytes in [&bytes, &begun] {
            talk.decode(Message::Binary(bytes), &mut requests);
        }
        talk.decode(Message::Text(&any), &mut requests);
        let _ = Beside::read(&bytes);
        let _ = first_commands(Some(&any));
    }

    #[test]
    fn a_mark_comes_back_whatever_it_is(text in ".*", id: u32, offset: Option<u64>) {
        let mark = context::Mark { since: offset.map(Offset), ..context::Mark::new(id, "subscribe") };
        let id = mark.id();
        prop_assert_eq!(context::Mark::of(&id), Some(mark));
        let _ = context::Mark::of(&RequestId(text.into()));
    }

    #[test]
    fn whatever_is_said_is_one_line_of_json(content in "[a-z\\n\\r\"\\\\]*", name in "[^\\p{Cc}]{1,40}") {
        let mut said = publication(&serde_json::to_string_pretty(&vec![content; 2]).expect("JSON"));
        said.message.sender_name = name.as_str().try_into().expect("a name");
        let line = written(|out| push::publication(&said, out));
        prop_assert!(!line.contains(['\n', '\r']));
        let read: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        let info = &read["push"]["pub"]["info"];
        prop_assert_eq!(&info["user"], "ann");
        prop_assert_eq!(info["conn_info"]["name"].as_str().unwrap_or("ann"), &name);
    }
}

#[test]
fn two_sessions_talk_through_a_hub() {
    let world = World::new();
    let hub = Hub::builder(OpenChat::default()).build(world.clone());
    let enter = || world.connect(&hub, Arc::new(Centrifuge::default()), chat_core::Hello::Later, Way::Bytes);
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
