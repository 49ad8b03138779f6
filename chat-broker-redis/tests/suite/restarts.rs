//! Tests that a server that forgot is never taken for one that remembers.

use chat_core::HistoryRequest;
use chat_core::broker::{Broker, BrokerFault, Heard};

use crate::server::{Node, Server, channel, numbered};

async fn publishes(node: &Node, bodies: &[String]) -> Vec<chat_core::broker::Stand> {
    let mut stands = Vec::new();
    for body in bodies {
        stands.push(node.publish("room", body).await.expect("it is placed").stand);
    }
    stands
}

#[tokio::test]
async fn while_the_server_is_away_calls_fail_at_once_and_then_all_begins_anew() {
    let mut server = Server::start(&[]);
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

#[tokio::test]
async fn a_server_that_comes_back_from_an_older_snapshot_has_other_epochs() {
    let mut server = Server::start(&["--dbfilename", "dump.rdb"]);
    let node = Node::on(&server.url("a")).await;
    node.join("room").await.expect("it is joined");
    let before = publishes(&node, &numbered(0..50)).await;
    let _: String = server.ask(&["SAVE"]).await;
    publishes(&node, &numbered(50..100)).await;
    node.hears("room", 1, &numbered(0..100)).await;
    server.kill();
    server.start_again();
    let keys: Vec<String> = server.ask(&["KEYS", "*room"]).await;
    assert_eq!(keys.len(), 2, "the server remembers the snapshot: {keys:?}");
    assert_eq!((node.hear().await, node.hear().await), (Heard::Deaf, Heard::Back));
    // Without a question before it, a publication must not continue the old count.
    let after = publishes(&node, &numbered(0..50)).await;
    assert!(after.iter().all(|stand| stand.epoch == after[0].epoch && stand.epoch != before[0].epoch));
    assert_eq!((after[0].offset.0, after[49].offset.0), (1, 50));
    node.hears("room", 1, &numbered(0..50)).await;
    let page = node.broker.read(HistoryRequest::of(channel("room"), 1000), 1 << 20).await.expect("a page");
    assert_eq!(page.entries.len(), 50, "what was kept before is not mixed with it");
}

#[tokio::test]
async fn with_a_durable_log_a_kill_loses_nothing_and_ends_no_epoch() {
    let mut server = Server::start(&["--appendonly", "yes", "--appendfsync", "always"]);
    let node = Node::on(&format!("{}&durable=aof", server.url("a"))).await;
    assert!(node.broker.promises().durable);
    node.join("room").await.expect("it is joined");
    let before = publishes(&node, &numbered(0..50)).await;
    node.hears("room", 1, &numbered(0..50)).await;
    server.kill();
    server.start_again();
    assert_eq!((node.hear().await, node.hear().await), (Heard::Deaf, Heard::Back));
    let stand = node.stand("room").await.expect("it stands");
    assert_eq!(stand, before[49]);
    let page = node.broker.read(HistoryRequest::of(channel("room"), 1000), 1 << 20).await.expect("a page");
    let bodies: Vec<_> = page.entries.iter().map(|entry| entry.body.to_string()).collect();
    assert_eq!(bodies, numbered(0..50));
    publishes(&node, &numbered(50..51)).await;
    node.hears("room", 51, &numbered(50..51)).await;
}
