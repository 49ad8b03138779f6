//! What the protocol's own server takes and never leaves out, and so this one.

use chat_core::testkit::{Way, World};
use chat_core::{Epoch, HistoryPage, Hub, OpenChat, PresencePage};

use super::tests::{channel, heard, publication, reply, talk, written};
use super::*;

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
