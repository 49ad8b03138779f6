//! Tests that a node that may have lost something says so, and goes on.

use std::time::Duration;

use chat_core::HistoryRequest;
use chat_core::broker::{Broker, BrokerFault, Heard};

use crate::proxy::Proxy;
use crate::server::{Node, Server, channel, numbered};

#[tokio::test]
async fn a_server_that_is_stopped_is_noticed_though_its_connections_stand() {
    let server = Server::start("");
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
    let server = Server::start("");
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
async fn a_node_that_is_cut_off_is_deaf_until_it_is_back() {
    let server = Server::start("");
    let proxy = Proxy::to(server.port()).await;
    let node = Node::on(&server.url_at(proxy.port(), "a")).await;
    let other = Node::on(&server.url("a")).await;
    node.join("room").await.expect("it is joined");
    for placed in 0..3 {
        proxy.cut();
        assert_eq!((node.hear().await, node.hear().await), (Heard::Deaf, Heard::Back));
        other.publish("room", &placed.to_string()).await.expect("it is placed");
        node.hears("room", u64::from(placed) + 1, &numbered(placed..placed + 1)).await;
    }
    assert!(other.heard.is_empty(), "the other was not cut off");
}

#[tokio::test]
async fn what_was_published_while_a_node_was_deaf_is_read() {
    let server = Server::start("");
    let proxy = Proxy::to(server.port()).await;
    let other = Node::on(&server.url("a")).await;
    // Takes nothing in advance, so that it is still saying that it is deaf while the other publishes.
    let node = Node::hearing(&server.url_at(proxy.port(), "a"), 1).await;
    node.join("room").await.expect("it is joined");
    node.broker.tell(None, "fills the room for one event".into()).await.expect("it is told");
    while !node.heard.is_full() {
        tokio::task::yield_now().await;
    }
    proxy.cut();
    while node.stand("room").await.is_ok() {
        tokio::task::yield_now().await;
    }
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
async fn a_node_that_takes_nothing_is_bounded_and_told_that_it_lost_something() {
    let server = Server::start("");
    let (slow, witness) = (Node::hearing(&server.url("a"), 4).await, Node::on(&server.url("a")).await);
    slow.join("room").await.expect("it is joined");
    witness.join("room").await.expect("it is joined");
    let body = |n: u32| format!("{n} {}", "x".repeat(1 << 19));
    for n in 0..100 {
        witness.publish("room", &body(n)).await.expect("it is placed");
        assert!(
            matches!(witness.hear().await, Heard::Published { stand, .. } if stand.offset.0 == u64::from(n) + 1)
        );
    }
    let mut next = 1;
    loop {
        match slow.hear().await {
            Heard::Published { stand, .. } => assert_eq!(stand.offset.0, next, "without a gap"),
            Heard::Deaf => break,
            other => panic!("{other:?}"),
        }
        next += 1;
    }
    assert!(next <= 100, "it was told before the last");
    assert_eq!(slow.hear().await, Heard::Back);
    assert_eq!(slow.stand("room").await.expect("it stands").offset.0, 100);
    witness.publish("room", "0").await.expect("it is placed");
    slow.hears("room", 101, &numbered(0..1)).await;
}

#[tokio::test]
async fn many_short_messages_to_a_node_that_takes_nothing_are_bounded_too() {
    let server = Server::start("");
    let slow = Node::hearing(&server.url("a"), 1).await;
    slow.join("room").await.expect("it is joined");
    let (client, subject) = (server.client().await, server.said("a", "room"));
    let word = bytes_of("1t -\nx");
    let flood = async {
        while slow.stand("room").await.is_ok() {
            for _ in 0..10_000 {
                client.publish(subject.clone(), word.clone()).await.expect("it is sent");
            }
            client.flush().await.expect("it is sent");
        }
    };
    tokio::time::timeout(crate::server::SOON, flood).await.expect("it is given up");
    while matches!(slow.hear().await, Heard::Told { .. }) {}
    assert_eq!(slow.hear().await, Heard::Back);
}

fn bytes_of(text: &str) -> bytes::Bytes {
    text.to_owned().into()
}

#[tokio::test]
async fn what_is_lost_between_server_and_node_is_told_with_the_next_message() {
    let server = Server::start("");
    let (node, other) = (Node::on(&server.url("a")).await, Node::on(&server.url("b")).await);
    node.join("room").await.expect("it is joined");
    other.join("room").await.expect("it is joined");
    node.publish("room", "0").await.expect("it is placed");
    // Nodes of another prefix count apart: what they hear of the third is behind something lost.
    for n in 0..3 {
        other.publish("room", &n.to_string()).await.expect("it is placed");
    }
    let third = server.last("b", "room").await;
    let epoch_of = |text: &str| text.split(' ').nth(2).expect("an epoch").to_owned();
    let stand = node.stand("room").await.expect("it stands");
    let forged = third.replace(&epoch_of(&third), &stand.epoch.to_string());
    server.client().await.request(server.said("a", "room"), forged.into()).await.expect_err("nobody answers");
    node.hears("room", 1, &numbered(0..1)).await;
    assert_eq!((node.hear().await, node.hear().await), (Heard::Deaf, Heard::Back));
}

#[tokio::test]
async fn while_nothing_is_taken_channels_are_read_and_joined() {
    let server = Server::start("");
    let node = Node::hearing(&server.url("a"), 1).await;
    node.join("room").await.expect("it is joined");
    for _ in 0..3 {
        node.broker.tell(None, "fills the room for one event".into()).await.expect("it is told");
    }
    node.join("room").await.expect("it is read again");
    node.join("other").await.expect("it is joined");
    node.publish("other", "0").await.expect("it is placed");
    for _ in 0..3 {
        assert!(matches!(node.hear().await, Heard::Told { .. }));
    }
    node.hears("other", 1, &numbered(0..1)).await;
}

#[tokio::test]
async fn whoever_stops_to_listen_is_disconnected() {
    let server = Server::start("");
    let node = Node::on(&server.url("a")).await;
    node.join("room").await.expect("it is joined");
    node.heard.close();
    while node.stand("room").await.is_ok() {
        tokio::task::yield_now().await;
    }
    let refused = node.publish("room", "0").await.expect_err("there is no connection");
    assert_eq!(refused.fault(), BrokerFault::Unavailable);
}
