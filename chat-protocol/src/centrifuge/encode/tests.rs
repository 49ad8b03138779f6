//! Compares replies and pushes with the protocol's vectors.

use std::time::Duration;

use chat_core::protocol::{Answer, Expiry, RequestId, SessionPresence, Subscribed};
use chat_core::{
    Epoch, HistoryPage, Offset, Payload, PresencePage, Present, Recovery, Reference, Refusal, SessionId,
    UserId,
};
use chrono::DateTime;
use proptest::prelude::*;

use super::{push, reply};
use crate::centrifuge::tests::{channel, publication, written};

fn reply(id: &str, answer: &Answer) -> String {
    written(|out| reply::reply(&RequestId(id.into()), SessionId(17), answer, out))
}

fn subscribed(recovery: Option<Recovery>) -> Subscribed {
    Subscribed::to(channel(), Epoch(0xA), Offset(57))
        .with_keeps(true)
        .with_already(false)
        .with_recovery(recovery)
}

#[test]
fn a_publication_stands_on_one_line_and_tags_hold_what_the_protocol_has_no_field_for() {
    let message = publication("{\"a\":\r\n [1,\n2]}");
    assert_eq!(
        written(|out| push::publication(&message, out)),
        r#"{"push":{"channel":"room","pub":{"data":{"a": [1,2]},"info":{"user":"ann","client":"17"},"offset":58,"tags":{"time":"2026-11-23T18:00:00.123Z"}}}}"#
    );
    let mut edit = publication("1");
    (edit.from, edit.refers) = (None, Some(Reference::Edit(Offset(3))));
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
    let signal = publication("1").with_ephemeral(true);
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

fn ann() -> UserId {
    "u-7".parse().expect("a name")
}

fn presence() -> Answer {
    let name = "ann".parse().expect("a name");
    let present = Present::new(ann(), name).with_sessions(vec![SessionId(17)]).with_read(Offset(0));
    let page = PresencePage::default().with_present(vec![present]).with_users(1).with_sessions(1);
    Answer::Presence { channel: channel(), page }
}

#[test]
fn replies_about_a_session_or_a_subscription_stand_as_the_protocol_has_them() {
    let expires = DateTime::from_timestamp(0, 0).map(|at| Expiry { at, left: Duration::from_secs(60) });
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
            Answer::Published { channel: channel(), offset: Some(Offset(1)), already: false },
            r#"{"id":4,"publish":{}}"#,
        ),
    ];
    for (id, answer, expected) in vectors {
        assert_eq!(reply(id, &answer), expected);
    }
}

#[test]
fn replies_with_a_result_or_an_error_stand_as_the_protocol_has_them() {
    let page = HistoryPage::new(Epoch(0xA), Offset(58), Vec::new(), false);
    let vectors = [
        (
            "4 presence",
            presence(),
            r#"{"id":4,"presence":{"presence":{"17":{"user":"u-7","client":"17","conn_info":{"name":"ann"}}}}}"#,
        ),
        ("4 presence_stats", presence(), r#"{"id":4,"presence_stats":{"num_clients":1,"num_users":1}}"#),
        (
            "4 history",
            Answer::History { channel: channel(), page, clamped: None },
            r#"{"id":4,"history":{"publications":[],"epoch":"000000000000000a","offset":58}}"#,
        ),
        ("4 rpc", Answer::Result(Payload::json("7")), r#"{"id":4,"rpc":{"data":7}}"#),
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
    let bad_token = Answer::Error(Refusal::unauthorized("no"));
    assert!(!reply::is_sent(&RequestId("1 connect".into()), &bad_token), "the close says it");
    assert!(reply::is_sent(&RequestId("1 refresh".into()), &bad_token));
}

#[test]
fn pushes_about_subscriptions_and_presence_stand_as_the_protocol_has_them() {
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
    let name = "u-7".parse().expect("a name");
    let who = SessionPresence::new(SessionId(3), ann(), name);
    assert_eq!(
        written(|out| push::moved(&channel(), "join", &who, out)),
        r#"{"push":{"channel":"room","join":{"info":{"user":"u-7","client":"3"}}}}"#
    );
}

#[test]
fn fields_that_the_protocol_never_leaves_out_stand_there_though_they_are_zero_or_empty() {
    let nobody = Answer::Presence { channel: channel(), page: PresencePage::default() };
    let nothing = HistoryPage::new(Epoch(0xA), Offset(0), Vec::new(), false);
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
    let by_server = publication("1").with_from(None).with_author(None);
    assert!(
        written(|out| push::publication(&by_server, out)).contains(r#""info":{"user":"ann","client":""}"#)
    );
}

#[test]
fn a_server_without_calls_refuses_with_108_and_one_with_calls_an_unknown_method_with_104() {
    let refused = |refusal: Refusal| reply("4 rpc", &Answer::Error(refusal));
    assert!(refused(Refusal::no_methods("dance")).contains(r#""code":108"#));
    assert!(refused(Refusal::method_not_found("dance")).contains(r#""code":104"#));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_publication_is_one_line_of_json(content in "[a-z\\n\\r\"\\\\]*", name in "[^\\p{Cc}]{1,40}") {
        let mut message = publication(&serde_json::to_string_pretty(&vec![content; 2]).expect("JSON"));
        message.message.sender_name = name.as_str().try_into().expect("a name");
        let line = written(|out| push::publication(&message, out));
        prop_assert!(!line.contains(['\n', '\r']));
        let read: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        let info = &read["push"]["pub"]["info"];
        prop_assert_eq!(&info["user"], "ann");
        prop_assert_eq!(info["conn_info"]["name"].as_str().unwrap_or("ann"), &name);
    }
}
