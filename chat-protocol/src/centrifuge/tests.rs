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

fn talk() -> Box<dyn Talk> {
    Centrifuge::default().talk(SessionId(17), &Limits::default())
}

fn hear(talk: &mut dyn Talk, frame: &str) -> Vec<Result<Request, BadRequest>> {
    let mut requests = Vec::new();
    talk.decode(Message::Text(frame), &mut requests);
    requests
}

/// What comes of a frame after a client has connected.
fn heard(frame: &str) -> Vec<Result<Request, BadRequest>> {
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

fn channel() -> ChannelId {
    "room".parse().expect("a name")
}

fn publication(content: &str) -> Publication {
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

fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    write(&mut out);
    String::from_utf8(out).expect("text")
}

fn reply(id: &str, answer: &Answer) -> String {
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

/// As the protocol's own server reads it: it knows no difference between a field that is null and one that is absent.
#[test]
fn what_is_null_is_read_as_what_is_absent() {
    let pairs = [
        (
            r#"{"id":1,"connect":{"token":null,"data":null,"subs":null,"name":null}}"#,
            r#"{"id":1,"connect":{}}"#,
        ),
        (
            r#"{"id":1,"connect":{"subs":{"a":null,"b":{"recover":null}}}}"#,
            r#"{"id":1,"connect":{"subs":{}}}"#,
        ),
        (
            r#"{"id":2,"subscribe":{"channel":"a","token":null,"data":null,"recover":null,"epoch":null,"offset":null,"join_leave":null,"flag":null,"type":null,"tf":null,"delta":null}}"#,
            r#"{"id":2,"subscribe":{"channel":"a"}}"#,
        ),
        (
            r#"{"id":2,"subscribe":{"channel":"a","recover":true,"epoch":null,"offset":null}}"#,
            r#"{"id":2,"subscribe":{"channel":"a","recover":true}}"#,
        ),
        (
            r#"{"id":2,"history":{"channel":"a","limit":null,"reverse":null,"since":null}}"#,
            r#"{"id":2,"history":{"channel":"a"}}"#,
        ),
        (
            r#"{"id":2,"history":{"channel":"a","since":{"offset":null,"epoch":null}}}"#,
            r#"{"id":2,"history":{"channel":"a","since":{}}}"#,
        ),
        (r#"{"id":2,"rpc":{"method":null,"data":null}}"#, r#"{"id":2,"rpc":{}}"#),
        (r#"{"id":2,"refresh":{"token":null}}"#, r#"{"id":2,"refresh":{}}"#),
        (
            r#"{"id":2,"sub_refresh":{"channel":"a","token":null}}"#,
            r#"{"id":2,"sub_refresh":{"channel":"a"}}"#,
        ),
        (
            r#"{"id":2,"publish":{"channel":"a","data":1,"type":null}}"#,
            r#"{"id":2,"publish":{"channel":"a","data":1}}"#,
        ),
        (r#"{"id":null,"send":{"data":1},"connect":null}"#, r#"{"send":{"data":1}}"#),
        (r#"{"id":2,"connect":null,"presence":{"channel":"a"}}"#, r#"{"id":2,"presence":{"channel":"a"}}"#),
        (r#"{"id":null}"#, "{}"),
    ];
    for (null, absent) in pairs {
        let (null, absent) = (heard(null), heard(absent));
        assert!(null.iter().all(Result::is_ok) && null == absent, "{null:?} is not {absent:?}");
    }
    let missing = heard(r#"{"id":2,"subscribe":{"channel":null}}"#).remove(0).expect_err("no channel");
    assert_eq!((missing.refusal.code, missing.close), (107, None));
}

#[test]
fn a_frame_is_read_as_what_it_holds_whichever_kind_it_is_said_to_be() {
    let connect = br#"{"id":1,"connect":{}}"#;
    let hear = |talk: &mut dyn Talk, message: Message<'_>| {
        let mut requests = Vec::new();
        talk.decode(message, &mut requests);
        requests.remove(0).expect("a connect")
    };
    let text = hear(&mut *talk(), Message::Text(std::str::from_utf8(connect).expect("text")));
    assert_eq!(hear(&mut *talk(), Message::Binary(connect)), text);
    let spoken = || Protobuf::default().talk(SessionId(17), &Limits::default());
    let bytes = [4, 8, 1, 34, 0];
    assert_eq!(hear(&mut *spoken(), Message::Binary(&bytes)), text);
    assert_eq!(hear(&mut *spoken(), Message::Text(std::str::from_utf8(&bytes).expect("text"))), text);
}

#[test]
fn a_filter_by_tags_is_refused_and_not_passed_over() {
    let filtered = r#"{"id":2,"subscribe":{"channel":"room","tf":{"key":"a","cmp":"eq","val":"b"}}}"#;
    let bad = heard(filtered).remove(0).expect_err("not spoken");
    assert_eq!((bad.refusal.code, bad.close), (108, None));
    let mut talk = Protobuf::default().talk(SessionId(17), &Limits::default());
    let mut requests = Vec::new();
    let subscribe = [8, 2, 42, 9, 10, 1, 97, 106, 4, 18, 2, 116, 116];
    talk.decode(Message::Binary(&[&[4, 8, 1, 34, 0, 13], &subscribe[..]].concat()), &mut requests);
    assert!(matches!(&requests[..], [Ok(_), Err(bad)] if bad.refusal.code == 108), "{requests:?}");
}

#[test]
fn what_the_protocol_never_leaves_out_stands_there_though_it_is_zero_or_empty() {
    let nobody = Answer::Presence { channel: channel(), page: PresencePage::default() };
    let nothing = HistoryPage { epoch: Epoch(0xA), offset: Offset(0), publications: Vec::new(), more: false };
    let nothing = Answer::History { channel: channel(), page: nothing, clamped: None };
    let gone = Answer::Error(Refusal::unknown_channel("there is none"));
    let vectors = [
        ("4 presence", nobody.clone(), r#"{"id":4,"presence":{"presence":{}}}"#),
        ("4 presence_stats", nobody, r#"{"id":4,"presence_stats":{"num_clients":0,"num_users":0}}"#),
        (
            "4 history",
            nothing,
            r#"{"id":4,"history":{"publications":[],"epoch":"000000000000000a","offset":0}}"#,
        ),
        ("4 history", gone.clone(), r#"{"id":4,"history":{"publications":[],"epoch":"","offset":0}}"#),
        ("4 subscribe", gone, r#"{"id":4,"error":{"code":102,"message":"there is none"}}"#),
    ];
    for (id, answer, expected) in vectors {
        assert_eq!(reply(id, &answer), expected);
    }
    let by_server = Publication { from: None, author: None, ..publication("1") };
    assert!(
        written(|out| push::publication(&by_server, out)).contains(r#""info":{"user":"ann","client":""}"#)
    );
}

#[test]
fn a_server_without_calls_says_that_and_one_with_calls_which_of_them_it_has_not() {
    let refused = |refusal: Refusal| reply("4 rpc", &Answer::Error(refusal));
    assert!(refused(Refusal::no_calls("dance")).contains(r#""code":108"#));
    assert!(refused(Refusal::method_not_found("dance")).contains(r#""code":104"#));
}

#[test]
fn a_stream_of_bytes_says_replies_as_they_are_and_its_end_with_a_push() {
    use chat_core::{Framing, Kind};
    let framed = |kind, payload: &[u8]| {
        let mut out = Vec::new();
        ByteStream.frame(kind, payload, &mut out);
        out
    };
    assert_eq!(framed(Kind::Binary, &[2, 8, 1]), [2, 8, 1]);
    let close = framed(Kind::Close, &Close::SLOW.payload());
    assert_eq!(close, [&[13, 34, 11, 90, 9, 8, 192, 23, 18, 4][..], b"slow"].concat());
    for (kind, payload) in
        [(Kind::Ping, &b""[..]), (Kind::Text, b"{}"), (Kind::Close, &Close::NORMAL.payload())]
    {
        assert_eq!(framed(kind, payload), [0; 0]);
    }
    let beside = Beside::read_bytes(&[10, 1, b'n', 18, 1, b's', 26, 2, 0xff, 0]).expect("a body");
    assert_eq!((&*beside.node, &*beside.key, beside.commands), ("n", "s", vec![0xff, 0]));
    assert!(Beside::read_bytes(b"{}").is_none());
}

#[test]
fn a_tool_that_answers_websockets_pings_alone_is_asked_by_those() {
    for (query, name, connect) in [
        ("cf_ws_frame_ping_pong=true", "centrifuge", &br#"{"id":1,"connect":{}}"#[..]),
        ("cf_ws_frame_ping_pong=true&format=protobuf", "centrifuge-protobuf", &[4, 8, 1, 34, 0]),
    ] {
        let welcome = Centrifuge::default().welcome(&Opener { query: Some(query), subprotocols: &[] });
        let spoken = welcome.expect("welcome").protocol.expect("another");
        assert_eq!(spoken.name(), name);
        let (world, limits) = (World::new(), Limits::default());
        let hub = Hub::builder(OpenChat::default()).limits(limits.clone()).build(world.clone());
        let tool = world.connect(&hub, spoken, chat_core::Hello::Later, Way::Bytes);
        tool.put(Ok(chat_core::Incoming::Binary(connect.to_vec())));
        let answer = tool.heard().pop().expect("an answer");
        assert!(!answer.contains("pong"), "{answer}");
        world.advance(limits.ping_interval);
        let asked: Vec<_> = std::iter::from_fn(|| tool.next()).map(|heard| format!("{heard:?}")).collect();
        assert!(asked.len() == 1 && asked[0].contains("Ping"), "{asked:?}");
    }
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
        let mark = mark::Mark { since: offset.map(Offset), ..mark::Mark::new(id, "subscribe") };
        let id = mark.id();
        prop_assert_eq!(mark::Mark::of(&id), Some(mark));
        let _ = mark::Mark::of(&RequestId(text.into()));
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
