//! Tests that a node that may have lost something says so, and goes on.

use std::time::Duration;

use chat_core::HistoryRequest;
use chat_core::broker::{Broker, BrokerFault, Heard};

use crate::server::{Node, Server, channel, numbered};

#[tokio::test]
async fn a_server_that_is_stopped_is_noticed_though_its_connections_stand() {
    let server = Server::start(&[]);
    let node = Node::on(&server.url("a")).await;
    let stand = node.join("room").await.expect("it is joined").stand;
    server.signal("STOP");
    assert_eq!(node.hear().await, Heard::Deaf);
    server.signal("CONT");
    assert_eq!(node.hear().await, Heard::Back);
    assert_eq!(node.stand("room").await.expect("it stands"), stand);
    node.publish("room", "0").await.expect("it is placed");
    node.hears("room", 1, &numbered(0..1)).await;
}

#[tokio::test]
async fn a_call_to_a_server_that_is_stopped_ends_and_may_have_happened() {
    let server = Server::start(&[]);
    let node = Node::on(&server.url("a")).await;
    node.join("room").await.expect("it is joined");
    let key = Some(("k".into(), Duration::from_secs(60)));
    let draft = || crate::server::draft("room", "0").with_key(key.clone());
    server.signal("STOP");
    let failed = node.place(draft()).await.expect_err("it is not answered");
    assert_eq!(failed.fault(), BrokerFault::Unavailable);
    assert_eq!(node.hear().await, Heard::Deaf);
    server.signal("CONT");
    assert_eq!(node.hear().await, Heard::Back);
    assert_eq!(node.place(draft()).await.expect("it is placed").stand.offset.0, 1, "once under its key");
}

#[tokio::test]
async fn whichever_connection_is_cut_the_node_is_deaf_until_both_are_back() {
    let server = Server::start(&[]);
    let (node, other) = (Node::on(&server.url("a")).await, Node::on(&server.url("a")).await);
    node.join("room").await.expect("it is joined");
    let mut placed = 0;
    for kind in ["pubsub", "normal", "pubsub"] {
        let cut: u32 = server.ask(&["CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes"]).await;
        assert!(cut >= 2, "{kind}");
        for node in [&node, &other] {
            assert_eq!((node.hear().await, node.hear().await), (Heard::Deaf, Heard::Back), "{kind}");
        }
        other.publish("room", &placed.to_string()).await.expect("it is placed");
        placed += 1;
        node.hears("room", placed.into(), &numbered(placed - 1..placed)).await;
    }
}

#[tokio::test]
async fn what_was_published_while_a_node_was_deaf_is_read() {
    let server = Server::start(&[]);
    let other = Node::on(&server.url("a")).await;
    // Takes nothing in advance, so that it is still saying that it is deaf while the other publishes.
    let node = Node::hearing(&server.url("a"), 1).await;
    node.join("room").await.expect("it is joined");
    node.broker.tell(None, "fills the room for one event".into()).await.expect("it is told");
    while !node.heard.is_full() {
        tokio::task::yield_now().await;
    }
    let _: u32 = server.ask(&["CLIENT", "KILL", "TYPE", "pubsub"]).await;
    server.has_ears(1).await;
    for n in 0..10 {
        other.publish("room", &n.to_string()).await.expect("it is placed");
    }
    assert!(matches!(node.hear().await, Heard::Told { .. }));
    assert_eq!((node.hear().await, node.hear().await), (Heard::Deaf, Heard::Back));
    assert_eq!(node.stand("room").await.expect("it stands").offset.0, 10);
    let page = node.broker.read(HistoryRequest::of(channel("room"), 100), 1 << 20).await.expect("a page");
    assert_eq!(page.entries.len(), 10);
}

#[tokio::test]
async fn a_node_that_takes_nothing_is_cut_by_the_server_and_told_that_it_lost_something() {
    let limits = "pubsub 4194304 4194304 60";
    let server = Server::start(&["--client-output-buffer-limit", limits]);
    let (slow, witness) = (Node::hearing(&server.url("a"), 4).await, Node::on(&server.url("a")).await);
    slow.join("room").await.expect("it is joined");
    witness.join("room").await.expect("it is joined");
    let body = |n: u32| format!("{n} {}", "x".repeat(1 << 19));
    let publishing = async {
        for n in 0..64 {
            witness.publish("room", &body(n)).await.expect("it is placed");
            assert!(
                matches!(witness.hear().await, Heard::Published { stand, .. } if stand.offset.0 == u64::from(n) + 1)
            );
        }
    };
    publishing.await;
    let mut next = 1;
    loop {
        match slow.hear().await {
            Heard::Published { stand, .. } => assert_eq!(stand.offset.0, next, "without a gap"),
            Heard::Deaf => break,
            other => panic!("{other:?}"),
        }
        next += 1;
    }
    assert!(next <= 64, "it was told before the last");
    assert_eq!(slow.hear().await, Heard::Back);
    assert_eq!(slow.stand("room").await.expect("it stands").offset.0, 64);
    witness.publish("room", "0").await.expect("it is placed");
    slow.hears("room", 65, &numbered(0..1)).await;
}

#[tokio::test]
async fn while_nothing_is_taken_what_is_joined_is_read_and_nothing_new_is_joined() {
    let server = Server::start(&[]);
    let node = Node::hearing(&server.url("a"), 1).await;
    node.join("room").await.expect("it is joined");
    for _ in 0..3 {
        node.broker.tell(None, "fills the room for one event".into()).await.expect("it is told");
    }
    node.join("room").await.expect("it is read again");
    let failed = node.join("other").await.expect_err("nobody has seen that it is subscribed to");
    assert_eq!(failed.fault(), BrokerFault::Unavailable);
    for _ in 0..3 {
        assert!(matches!(node.hear().await, Heard::Told { .. }));
    }
    node.join("other").await.expect("it is joined");
    node.publish("other", "0").await.expect("it is placed");
    node.hears("other", 1, &numbered(0..1)).await;
}

#[tokio::test]
async fn whoever_stops_to_listen_is_disconnected() {
    let server = Server::start(&[]);
    let node = Node::on(&server.url("a")).await;
    server.has_ears(1).await;
    node.heard.close();
    server.has_ears(0).await;
    let refused = node.publish("room", "0").await.expect_err("there is no connection");
    assert_eq!(refused.fault(), BrokerFault::Unavailable);
}
