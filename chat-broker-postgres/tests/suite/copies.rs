//! Tests that an older copy of the data is never taken for what was heard.

use chat_broker_postgres::PostgresBroker;
use chat_core::HistoryRequest;
use chat_core::broker::{Broker, Heard, Join, Stand};
use chat_postgres::testkit::Server;
use tokio::time::timeout;

use crate::node::{Node, SOON, channel, draft, kept, numbered};

async fn publish(node: &Node, range: std::ops::Range<u32>) -> Stand {
    let mut last = None;
    for n in range {
        last = Some(node.publish("room", &n.to_string()).await.expect("it is placed").stand);
    }
    last.expect("there is one")
}

/// Puts back a copy of the data that lacks the last 50 publications that two nodes have heard. Before these
/// nodes are let in again, `meanwhile` is done.
async fn put_back(meanwhile: &str) {
    let mut server = Server::start(&[]);
    let nodes = [Node::on(&server.url("a")).await, Node::on(&server.url("a")).await];
    for node in &nodes {
        node.join("room").await.expect("it is joined");
    }
    let before = publish(&nodes[0], 0..10).await;
    for node in &nodes {
        node.hears("room", 1, &numbered(0..10)).await;
    }
    server.stop();
    server.copy("data", "copy");
    server.start_again();
    for node in &nodes {
        assert_eq!((node.hear().await, node.hear().await), (Heard::Deaf, Heard::Back));
    }
    assert_eq!(publish(&nodes[0], 10..60).await.epoch, before.epoch, "a stop ends no epoch");
    for node in &nodes {
        node.hears("room", 11, &numbered(10..60)).await;
    }
    server.stop();
    server.copy("copy", "data");
    server.let_in("host all all 127.0.0.1/32 reject");
    server.start_again();
    server.ask(meanwhile).await.expect("it is done");
    server.let_in("host all all 127.0.0.1/32 trust");
    server.ask("SELECT pg_reload_conf()").await.expect("it is reloaded");
    for node in &nodes {
        assert_eq!((node.hear().await, node.hear().await), (Heard::Deaf, Heard::Back));
    }
    // One of them may be back before the other has told that the data is older.
    let stands = async |node: &Node| {
        let other = async {
            loop {
                match node.stand("room").await {
                    Ok(stand) if stand.epoch != before.epoch => return stand,
                    _ => tokio::task::yield_now().await,
                }
            }
        };
        timeout(SOON, other).await.expect("the epoch ends")
    };
    let stand = stands(&nodes[0]).await;
    assert_eq!(stands(&nodes[1]).await, stand, "both see the same epoch");
    let placed = publish(&nodes[1], 0..50).await;
    assert_eq!((placed.epoch, placed.offset.0), (stand.epoch, stand.offset.0 + 50));
    for node in &nodes {
        let mut next = stand.offset.0 + 1;
        while next <= placed.offset.0 {
            match node.hear().await {
                Heard::Published { stand: at, .. } if at.epoch == stand.epoch => {
                    assert_eq!(at.offset.0, next);
                    next += 1;
                }
                Heard::Deaf | Heard::Back => {}
                other => panic!("{other:?}"),
            }
        }
    }
}

#[tokio::test]
async fn an_older_copy_that_is_put_back_ends_all_epochs() {
    put_back("SELECT 1").await;
}

#[tokio::test]
async fn an_older_copy_that_went_on_beyond_what_was_heard_ends_all_epochs() {
    // As many transactions as are lacking, and more, so that the numbers of the rows say nothing.
    put_back(
        "DO $$ BEGIN FOR n IN 1 .. 70 LOOP PERFORM a.chat_publish('room', '0'); COMMIT; END LOOP; END $$",
    )
    .await;
}

#[tokio::test]
async fn an_older_copy_that_went_on_and_deleted_what_was_heard_ends_all_epochs() {
    put_back(
        "DO $$ BEGIN FOR n IN 1 .. 70 LOOP PERFORM a.chat_publish('room', '0'); END LOOP; END $$;
         UPDATE a.log SET at = at - 61000000; SELECT a.prune_lane(lane, 1000) FROM a.lanes",
    )
    .await;
}

/// Puts back a copy of the data that lacks what one node has seen and not heard: it listens again only when
/// the copy has gone on beyond that.
async fn put_back_what_was_seen(see: impl AsyncFnOnce(&Server, &PostgresBroker)) {
    let mut server = Server::start(&[]);
    let broker = PostgresBroker::connect(&server.url("a")).await.expect("it connects");
    let (sender, heard) = async_channel::bounded(1024);
    let mut runs = broker.run(sender);
    let mut hear = async || {
        tokio::select! {
            event = timeout(SOON, heard.recv()) => event.expect("something comes").expect("it runs"),
            () = &mut runs => panic!("it ends"),
        }
    };
    assert_eq!(hear().await, Heard::Back);
    let before = broker.stands(vec![channel("room")]).await.expect("it stands")[0];
    server.stop();
    server.copy("data", "copy");
    server.start_again();
    assert_eq!((hear().await, hear().await), (Heard::Deaf, Heard::Back));
    see(&server, &broker).await;
    server.stop();
    server.copy("copy", "data");
    server.start_again();
    server.ask(PUBLISH_SEVEN).await.expect("the copy goes on");
    assert_eq!((hear().await, hear().await), (Heard::Deaf, Heard::Back));
    let after = broker.stands(vec![channel("room")]).await.expect("it stands")[0];
    assert_ne!(after.epoch, before.epoch, "offsets that were told are not given again");
}

const PUBLISH_SEVEN: &str = "SELECT a.chat_publish('room', '0') FROM generate_series(1, 7)";

#[tokio::test]
async fn an_older_copy_that_lacks_what_was_acknowledged_and_not_heard_ends_all_epochs() {
    put_back_what_was_seen(async |_, broker| {
        let drafts = (0..5).map(|n| draft("room", &n.to_string())).collect();
        let placed = broker.publish(broker.lane(&channel("room")), drafts).await;
        assert!(placed.iter().all(Result::is_ok), "{placed:?}");
    })
    .await;
}

#[tokio::test]
async fn an_older_copy_that_lacks_what_was_joined_ends_all_epochs() {
    put_back_what_was_seen(async |server, broker| {
        server.ask(PUBLISH_SEVEN).await.expect("it is published");
        let joined = broker.join(vec![Join::new(channel("room"), kept())]).await.expect("it is joined");
        assert_eq!(joined[0].stand.offset.0, 7);
    })
    .await;
}

#[tokio::test]
async fn an_older_copy_that_lacks_what_was_read_ends_all_epochs() {
    put_back_what_was_seen(async |server, broker| {
        server.ask(PUBLISH_SEVEN).await.expect("it is published");
        let page = broker.read(HistoryRequest::of(channel("room"), 3), 1000).await.expect("a page");
        assert_eq!(page.stand.offset.0, 7);
    })
    .await;
}

#[tokio::test]
async fn a_copy_of_an_era_that_is_over_ends_all_epochs() {
    let mut server = Server::start(&[]);
    let node = Node::on(&server.url("a")).await;
    node.join("room").await.expect("it is joined");
    let before = publish(&node, 0..10).await.epoch;
    node.hears("room", 1, &numbered(0..10)).await;
    server.stop();
    server.copy("data", "copy");
    server.start_again();
    assert_eq!((node.hear().await, node.hear().await), (Heard::Deaf, Heard::Back));
    publish(&node, 10..20).await;
    node.hears("room", 11, &numbered(10..20)).await;
    server.ask("SELECT a.chat_renew()").await.expect("it is done");
    assert_eq!((node.hear().await, node.hear().await), (Heard::Deaf, Heard::Back));
    server.stop();
    server.copy("copy", "data");
    server.start_again();
    assert_eq!((node.hear().await, node.hear().await), (Heard::Deaf, Heard::Back));
    assert_ne!(node.stand("room").await.expect("it stands").epoch, before, "ten more were placed in it");
}

#[tokio::test]
async fn whoever_puts_a_copy_back_while_no_node_runs_can_end_all_epochs() {
    let server = Server::start(&[]);
    let node = Node::on(&server.url("a")).await;
    let before = node.join("room").await.expect("it is joined").stand.epoch;
    server.ask("SELECT a.chat_renew()").await.expect("it is done");
    assert_eq!((node.hear().await, node.hear().await), (Heard::Deaf, Heard::Back));
    assert_ne!(node.stand("room").await.expect("it stands").epoch, before);
}

#[tokio::test]
async fn a_server_that_is_promoted_has_other_epochs() {
    let mut server = Server::start(&[]);
    let node = Node::on(&server.url("a")).await;
    let before = node.join("room").await.expect("it is joined").stand.epoch;
    server.stop();
    server.put("data/standby.signal", b"");
    server.start_again();
    assert_eq!(node.hear().await, Heard::Deaf);
    node.publish("room", "0").await.expect_err("it is a replica");
    server.ask("SELECT pg_promote()").await.expect("it is promoted");
    assert_eq!(node.hear().await, Heard::Back);
    assert_ne!(node.stand("room").await.expect("it stands").epoch, before);
}
