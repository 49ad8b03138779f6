//! Reads commands, and input that nobody should send.

use chat_core::protocol::{Command, Message, Protocol, Request, Requests};
use chat_core::{Close, Epoch, Limits, Offset, SessionId};
use proptest::prelude::*;

use crate::centrifuge::protobuf::Protobuf;
use crate::centrifuge::tests::{decode, decoded, talk};
use crate::centrifuge::{Beside, first_commands};

fn request(frame: &str) -> Request {
    decoded(frame).remove(0).expect("a request")
}

fn closes(frame: &str) -> bool {
    matches!(&decoded(frame)[..], [.., Err(bad)] if bad.close == Some(Close::BAD_REQUEST))
}

#[test]
fn a_frame_holds_commands_line_by_line_and_each_keeps_its_number_and_method() {
    let mut talk = talk();
    let frame = "{\"id\":1,\"connect\":{\"token\":\"t\",\"data\":{\"name\":\"ann\"},\"name\":\"js\",\"subs\":{\"room\":{\"recover\":true,\"offset\":7,\"epoch\":\"000000000000000a\"}}}}\n\
        {\"id\":2,\"subscribe\":{\"channel\":\"room\",\"flag\":1,\"recover\":true,\"epoch\":\"_\",\"offset\":5,\"join_leave\":true}}\n{}\n\
        {\"id\":3,\"presence_stats\":{\"channel\":\"room\"}}\n";
    let requests: Vec<_> = decode(&mut *talk, frame).into_iter().map(|one| one.expect("a request")).collect();
    let ids: Vec<_> = requests.iter().map(|one| &*one.id.as_ref().expect("an id").0).collect();
    assert_eq!(ids, ["1 connect", "2 subscribe 5", "3 presence_stats"]);
    let Command::Connect(connect) = &requests[0].command else { panic!("a connect") };
    assert_eq!(connect.name.as_ref().map(|name| name.as_str()), Some("ann"), "not the library's name");
    assert_eq!((connect.since.len(), connect.since[0].1.epoch), (1, Some(Epoch(10))));
    let Command::Subscribe(subscribe) = &requests[1].command else { panic!("a subscribe") };
    let since = subscribe.since.expect("it recovers");
    assert!(subscribe.presence && since.epoch.is_some(), "a foreign epoch is not any epoch");
}

#[test]
fn a_line_that_is_no_command_closes_with_3501_and_wrong_fields_are_a_strike() {
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
        let bad = decoded(wrong).remove(0).expect_err(wrong);
        assert_eq!((bad.refusal.code(), bad.close), (107, None), "{wrong}");
        assert!(bad.id.is_some_and(|id| id.0.starts_with("2 ")));
    }
    let first = decode(&mut *talk(), r#"{"id":1,"subscribe":{"channel":"room"}}"#).remove(0);
    assert!(first.is_err_and(|bad| bad.close.is_some()), "nothing comes before connect");
    assert_eq!(decoded("{}\n{}").len(), 0, "pongs");
}

#[test]
fn depth_128_is_read_and_129_is_not() {
    let nested = |depth: usize| {
        let arrays = depth - 2;
        format!(r#"{{"id":2,"rpc":{{"data":{}{}}}}}"#, "[".repeat(arrays), "]".repeat(arrays))
    };
    assert!(decoded(&nested(128)).remove(0).is_ok());
    assert!(closes(&nested(129)));
}

#[test]
fn a_history_without_a_limit_asks_for_the_offset_alone_and_backwards_it_begins_before() {
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

/// Compares with the protocol's own server, for which a field that is null is one that is absent.
#[test]
fn a_field_that_is_null_is_read_as_one_that_is_absent() {
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
        let (null, absent) = (decoded(null), decoded(absent));
        assert!(null.iter().all(Result::is_ok) && null == absent, "{null:?} is not {absent:?}");
    }
    let missing = decoded(r#"{"id":2,"subscribe":{"channel":null}}"#).remove(0).expect_err("no channel");
    assert_eq!((missing.refusal.code(), missing.close), (107, None));
}

/// Generates pieces of commands, in any order and any nesting.
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
    fn the_decoder_never_panics(frames in prop::collection::vec(frames(), 1..4), any in ".*", bytes: Vec<u8>) {
        let mut talk = talk();
        for frame in frames.iter().chain([&any]) {
            let requests = decode(&mut *talk, frame);
            prop_assert!(requests.iter().all(|one| one.as_ref().err().is_none_or(|bad| bad.refusal.code() >= 100)));
        }
        let mut requests = Requests::at_most(usize::MAX);
        talk.decode(Message::Binary(&bytes), &mut requests);
        prop_assert_eq!(requests.all().len(), 1);
        let mut talk = Protobuf::default().session_codec(SessionId(1), &Limits::default());
        let begun = [&[8, 8, 1, 34, 4, 10, 2, 116, 116], &bytes[..]].concat();
        for bytes in [&bytes, &begun] {
            talk.decode(Message::Binary(bytes), &mut requests);
        }
        talk.decode(Message::Text(&any), &mut requests);
        let _ = Beside::read(&bytes);
        let _ = first_commands(Some(&any));
    }
}
