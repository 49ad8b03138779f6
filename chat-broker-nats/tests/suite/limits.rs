//! Tests what a server refuses, what it does not have, and what the streams bound.

use std::time::Duration;

use chat_broker_nats::{ConnectError, NatsBroker};
use chat_core::HistoryRequest;
use chat_core::broker::{BODY_BYTES, Broker, BrokerFault, Heard};

use crate::server::{Node, Server, channel, draft, numbered};

/// Returns the words with which a connection is refused.
async fn refused(url: &str) -> String {
    match NatsBroker::connect(url).await {
        Err(ConnectError::Broker(error)) if error.fault() == BrokerFault::Refused => error.to_string(),
        other => panic!("{url}: {other:?}"),
    }
}

#[tokio::test]
async fn a_login_is_needed_where_there_is_one_and_no_error_tells_it() {
    let server = Server::start("authorization { user: bob, password: \"pa@ss\" }");
    let with = |login: &str| format!("nats://{login}127.0.0.1:{}/", server.port());
    for login in ["", "s3cret@", "bob:s3cret@", "nobody:s3cret@"] {
        let words = refused(&with(login)).await;
        assert!(!words.contains("s3cret"), "{words}");
    }
    let node = Node::on(&with("bob:pa%40ss@")).await;
    node.publish("room", "0").await.expect("it is placed");
}

#[tokio::test]
async fn a_token_lets_in_where_the_server_has_one() {
    let server = Server::start("authorization { token: s3cret }");
    let with = |login: &str| format!("nats://{login}127.0.0.1:{}/", server.port());
    refused(&with("other@")).await;
    let node = Node::on(&with("s3cret@")).await;
    node.publish("room", "0").await.expect("it is placed");
}

#[tokio::test]
async fn a_server_that_cannot_be_used_is_refused_with_the_reason() {
    let away = NatsBroker::connect("nats://bob:s3cret@127.0.0.1:1").await.expect_err("nobody is there");
    assert!(matches!(&away, ConnectError::Broker(error) if error.fault() == BrokerFault::Unavailable));
    assert!(!format!("{away} {away:?}").contains("s3cret"), "{away:?}");
    let without = Server::start("# There is no jetstream.");
    assert!(refused(&without.url("a")).await.contains("no JetStream"));
    let short = Server::start("max_payload: 64K");
    assert!(refused(&short.url("a")).await.contains("max_payload"));
    let several = Server::start(
        "server_name: one\ncluster { name: three, listen: \"127.0.0.1:-1\", routes: [nats://127.0.0.1:9] }",
    );
    assert!(refused(&several.url("a")).await.contains("one of several"));
    let server = Server::start("");
    server.ask("STREAM.CREATE.a_places", r#"{"name":"a_places","subjects":["a.p.>"]}"#).await;
    assert!(refused(&server.url("a")).await.contains("another subjects"));
}

#[tokio::test]
async fn a_user_who_may_not_hear_or_ask_is_refused() {
    for (may, words) in
        [("publish: \">\", subscribe: \"_INBOX.>\"", "a.w"), ("publish: \"x\"", "STREAM.INFO")]
    {
        let users = format!("{{ user: half, password: p, permissions: {{ {may} }} }}");
        let server = Server::start(&format!("authorization {{ users: [ {users} ] }}"));
        let url = format!("nats://half:p@127.0.0.1:{}?prefix=a&max_bytes=67108864", server.port());
        let why = refused(&url).await;
        assert!(why.contains(words), "{why}");
    }
}

#[tokio::test]
async fn prefixes_of_one_server_are_apart() {
    let server = Server::start("");
    let mut nodes = Vec::new();
    for prefix in ["a", "b"] {
        let node = Node::on(&server.url(prefix)).await;
        node.join("room").await.expect("it is joined");
        nodes.push(node);
    }
    for node in &nodes {
        node.publish("room", "0").await.expect("it is placed");
        node.broker.tell(None, "word".into()).await.expect("it is told");
    }
    for node in &nodes {
        node.hears("room", 1, &numbered(0..1)).await;
        assert!(matches!(node.hear().await, Heard::Told { .. }));
        assert!(node.heard.is_empty());
    }
}

#[tokio::test]
async fn bodies_and_words_longer_than_a_message_are_carried_in_pieces() {
    let server = Server::start("max_payload: 128K");
    let (node, other) = (Node::on(&server.url("a")).await, Node::on(&server.url("a")).await);
    node.join("room").await.expect("it is joined");
    let body = |n: usize| format!("{n} {}", "ж".repeat((BODY_BYTES - 2) / 2));
    let drafts: Vec<_> = (0..4).map(|n| draft("room", &body(n)).with_ephemeral(n == 3)).collect();
    for (n, placed) in
        other.broker.publish(other.broker.lane(&channel("room")), drafts).await.iter().enumerate()
    {
        assert_eq!(placed.as_ref().expect("it is placed").stand.offset.0, 3.min(n as u64 + 1));
    }
    for n in 0..4 {
        match node.hear().await {
            Heard::Published { body: heard, ephemeral, .. } => {
                assert!(*heard == *body(n) && ephemeral == (n == 3), "{n}");
            }
            heard => panic!("{heard:?}"),
        }
    }
    for to in [None, Some(channel("room"))] {
        other.broker.tell(to.clone(), body(5).into()).await.expect("it is told");
        assert!(
            matches!(node.hear().await, Heard::Told { channel, body: heard } if channel == to && *heard == *body(5))
        );
    }
    let request = HistoryRequest::of(channel("room"), 100).with_reverse(true);
    let page = other.broker.read(request, usize::MAX).await.expect("a page");
    let read: Vec<_> =
        page.entries.iter().map(|entry| *entry.body == *body(entry.offset.0 as usize - 1)).collect();
    assert_eq!(read, [true, true, true]);
}

#[tokio::test]
async fn a_stream_that_is_full_drops_the_oldest_and_goes_on() {
    let server = Server::start("");
    let node = Node::on(&server.url("a&max_messages=5")).await;
    let epoch = node.join("room").await.expect("it is joined").stand.epoch;
    for n in 0..20 {
        node.publish("room", &n.to_string()).await.expect("it is placed");
    }
    let joined = node.join("room").await.expect("it is joined");
    assert_eq!((joined.stand.epoch, joined.stand.offset.0), (epoch, 20));
    let kept: Vec<_> = joined.kept.iter().map(|entry| entry.body.to_string()).collect();
    assert_eq!(kept, numbered(15..20));
    let page = node.broker.read(HistoryRequest::of(channel("room"), 100), 1 << 20).await.expect("a page");
    assert_eq!((page.entries.len(), page.entries[0].offset.0), (5, 16));
}

#[tokio::test]
async fn a_channel_whose_last_message_is_gone_begins_another_epoch() {
    let server = Server::start("");
    let node = Node::on(&server.url("a")).await;
    let first = node.publish("room", "0").await.expect("it is placed").stand;
    // Other channels push it out.
    let long = "x".repeat(BODY_BYTES / 2);
    for n in 0..140 {
        node.publish(&format!("other{n}"), &long).await.expect("it is placed");
    }
    let second = node.publish("room", "1").await.expect("it is placed").stand;
    assert!(second.offset.0 == 1 && second.epoch != first.epoch);
}

#[tokio::test]
async fn a_key_is_refused_that_cannot_be_remembered_for_so_long_or_for_want_of_room() {
    let server = Server::start("");
    let node = Node::on(&server.url("a&key_age=10m&key_bytes=65536")).await;
    let keyed = |n: u32, window| draft("room", &n.to_string()).with_key((n.to_string().into(), window));
    let long = node.place(keyed(0, Duration::from_secs(601))).await.expect_err("it is too long");
    assert_eq!(long.fault(), BrokerFault::Refused);
    let mut placed = 0;
    let refused = loop {
        match node.place(keyed(placed, Duration::from_secs(600))).await {
            Ok(_) => placed += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(refused.fault(), BrokerFault::Refused, "{refused}");
    assert_eq!(node.stand("room").await.expect("it stands").offset.0, u64::from(placed));
    node.publish("room", "x").await.expect("what has no key needs no room");
}

#[tokio::test]
async fn a_claim_without_a_place_is_placed_once_by_whoever_says_it_again() {
    let server = Server::start("");
    let (here, there) = (Node::on(&server.url("a")).await, Node::on(&server.url("a")).await);
    let keyed = || draft("room", "0").with_key(("k".into(), Duration::from_secs(60)));
    let stand = here.join("room").await.expect("it is joined").stand;
    // A node that ends just behind the claim leaves this.
    let subject = server.key("a", "room", "k");
    let claim = format!("1c {} 1 99999999999999", stand.epoch);
    server.client().await.request(subject.clone(), claim.clone().into()).await.expect("it is taken");
    here.publish("room", "before").await.expect("it is placed");
    let (one, two) = futures::future::join(here.place(keyed()), there.place(keyed())).await;
    let (one, two) = (one.expect("it is placed"), two.expect("it is placed"));
    assert!(one.already != two.already && one.stand == two.stand && one.stand.offset.0 == 2);
    // And one that ends just behind the place leaves the claim again.
    server.client().await.request(subject, claim.into()).await.expect("it is taken");
    here.publish("room", "behind").await.expect("it is placed");
    let again = there.place(keyed()).await.expect("it is placed");
    assert!(again.already && again.stand == one.stand);
}
