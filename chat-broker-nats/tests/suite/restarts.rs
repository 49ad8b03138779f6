//! Tests that a server that forgot is never taken for one that remembers.

use std::process::Command;
use std::time::Duration;

use chat_core::HistoryRequest;
use chat_core::broker::{Broker, BrokerFault, Heard, Stand};

use crate::server::{Node, Server, channel, draft, numbered};

async fn publishes(node: &Node, bodies: &[String]) -> Vec<Stand> {
    let mut stands = Vec::new();
    for body in bodies {
        stands.push(node.publish("room", body).await.expect("it is placed").stand);
    }
    stands
}

async fn kept(node: &Node) -> Vec<String> {
    let page = node.broker.read(HistoryRequest::of(channel("room"), 1000), 1 << 20).await.expect("a page");
    page.entries.iter().map(|entry| entry.body.to_string()).collect()
}

fn copied(from: &std::path::Path, to: &std::path::Path) {
    let copied = Command::new("cp").arg("-a").arg(from).arg(to).status().expect("cp is installed");
    assert!(copied.success());
}

#[tokio::test]
async fn while_the_server_is_away_calls_fail_at_once_and_then_all_begins_anew() {
    let mut server = Server::start("");
    let node = Node::on(&server.url("a")).await;
    let joined = node.join("room").await.expect("it is joined");
    publishes(&node, &numbered(0..3)).await;
    node.hears("room", 1, &numbered(0..3)).await;
    server.kill();
    assert_eq!(node.hear().await, Heard::Deaf);
    let fault = |error: chat_core::broker::BrokerError| error.fault();
    assert_eq!(node.publish("room", "x").await.map_err(fault), Err(BrokerFault::Unavailable));
    assert_eq!(node.stand("room").await.map_err(fault), Err(BrokerFault::Unavailable));
    assert_eq!(node.join("other").await.map_err(fault), Err(BrokerFault::Unavailable));
    server.start_again();
    assert_eq!(node.hear().await, Heard::Back);
    let stand = node.stand("room").await.expect("it stands");
    assert_eq!(stand.offset.0, 0);
    assert_ne!(stand.epoch, joined.stand.epoch);
    let placed = publishes(&node, &numbered(3..4)).await;
    assert_eq!(placed[0].epoch, stand.epoch);
    node.hears("room", 1, &numbered(3..4)).await;
}

/// Publishes 50, takes a copy of the store, publishes 50 more, kills the server, and starts it with the copy.
/// Returns the stands of the first.
async fn restored(server: &mut Server, node: &Node) -> Vec<Stand> {
    node.join("room").await.expect("it is joined");
    let before = publishes(node, &numbered(0..50)).await;
    node.hears("room", 1, &numbered(0..50)).await;
    server.end();
    let (store, copy) = (server.store(), server.store().with_extension("copy"));
    copied(&store, &copy);
    server.start_again();
    assert_eq!((node.hear().await, node.hear().await), (Heard::Deaf, Heard::Back));
    publishes(node, &numbered(50..100)).await;
    server.kill();
    std::fs::remove_dir_all(&store).expect("it is removed");
    std::fs::rename(copy, store).expect("it is restored");
    server.start_again();
    while node.hear().await != Heard::Back {}
    before
}

#[tokio::test]
async fn a_server_that_comes_back_with_an_older_store_has_other_epochs() {
    let mut server = Server::start("");
    let node = Node::on(&server.url("a")).await;
    let before = restored(&mut server, &node).await;
    assert!(server.last("a", "room").await.contains("49"), "the store holds what was published");
    // Without a question before it, a publication must not continue the old count.
    let after = publishes(&node, &numbered(0..50)).await;
    assert!(after.iter().all(|stand| stand.epoch == after[0].epoch && stand.epoch != before[0].epoch));
    assert_eq!((after[0].offset.0, after[49].offset.0), (1, 50));
    node.hears("room", 1, &numbered(0..50)).await;
    assert_eq!(kept(&node).await.len(), 50, "what was kept before is not mixed with it");
}

#[tokio::test]
async fn whoever_says_that_the_store_is_durable_is_believed() {
    let mut server = Server::start("");
    let node = Node::on(&server.url("a&durable=file")).await;
    assert!(node.broker.promises().durable);
    let before = restored(&mut server, &node).await;
    assert_eq!(node.stand("room").await.expect("it stands"), before[49]);
}

#[tokio::test]
async fn with_a_durable_store_a_kill_loses_nothing_and_ends_no_epoch() {
    let mut server = Server::start("");
    let node = Node::on(&server.url("a&durable=file")).await;
    node.join("room").await.expect("it is joined");
    let before = publishes(&node, &numbered(0..50)).await;
    let keyed = || draft("room", "50").with_key(("k".into(), Duration::from_secs(60)));
    let first = node.place(keyed()).await.expect("it is placed").stand;
    node.hears("room", 1, &numbered(0..51)).await;
    server.kill();
    server.start_again();
    assert_eq!((node.hear().await, node.hear().await), (Heard::Deaf, Heard::Back));
    assert_eq!(node.stand("room").await.expect("it stands"), first);
    assert_eq!(first, Stand::new(before[49].epoch, chat_core::Offset(51)));
    assert_eq!(kept(&node).await, numbered(0..51));
    let again = node.place(keyed()).await.expect("it is placed");
    assert_eq!((again.stand, again.already), (first, true), "the key is remembered");
    publishes(&node, &numbered(51..52)).await;
    node.hears("room", 52, &numbered(51..52)).await;
}

#[tokio::test]
async fn a_stream_that_was_deleted_or_purged_is_one_that_forgot() {
    let server = Server::start("");
    let node = Node::on(&server.url("a&durable=file")).await;
    let first = node.join("room").await.expect("it is joined").stand;
    publishes(&node, &numbered(0..3)).await;
    node.hears("room", 1, &numbered(0..3)).await;
    server.ask("STREAM.PURGE.a_places", "").await;
    let second = publishes(&node, &numbered(0..1)).await[0];
    assert!(second.epoch != first.epoch && second.offset.0 == 1);
    node.hears("room", 1, &numbered(0..1)).await;
    server.ask("STREAM.DELETE.a_places", "").await;
    let failed = node.publish("room", "x").await.expect_err("there is no stream");
    assert_eq!(failed.fault(), BrokerFault::Unavailable);
    assert_eq!((node.hear().await, node.hear().await), (Heard::Deaf, Heard::Back));
    let third = node.stand("room").await.expect("it stands");
    assert!(third.offset.0 == 0 && ![first.epoch, second.epoch].contains(&third.epoch));
}
