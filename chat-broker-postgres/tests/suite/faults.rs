//! Tests that a node that may have lost something says so, and goes on.

use std::time::Duration;

use chat_core::broker::{Broker, BrokerError, BrokerFault, Heard};
use chat_postgres::testkit::Server;

use crate::node::{Node, SOON, draft, numbered};

const CUT: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'chat'";

fn fault(error: BrokerError) -> BrokerFault {
    error.fault()
}

#[tokio::test]
async fn while_the_server_is_away_calls_fail_at_once_and_then_all_goes_on() {
    let mut server = Server::start(&[]);
    let node = Node::on(&server.url("a")).await;
    assert!(node.broker.promises().durable);
    let joined = node.join("room").await.expect("it is joined");
    node.publish("room", "0").await.expect("it is placed");
    node.hears("room", 1, &numbered(0..1)).await;
    server.kill();
    assert_eq!(node.hear().await, Heard::Deaf);
    assert_eq!(node.publish("room", "x").await.map_err(fault), Err(BrokerFault::Unavailable));
    assert_eq!(node.stand("room").await.map_err(fault), Err(BrokerFault::Unavailable));
    assert_eq!(node.join("other").await.map_err(fault), Err(BrokerFault::Unavailable));
    server.start_again();
    assert_eq!(node.hear().await, Heard::Back);
    let stand = node.stand("room").await.expect("it stands");
    assert_eq!((stand.epoch, stand.offset.0), (joined.stand.epoch, 1), "a crash ends no epoch");
    node.publish("room", "1").await.expect("it is placed");
    node.hears("room", 2, &numbered(1..2)).await;
    assert_eq!(node.read("room").await, numbered(0..2));
}

#[tokio::test]
async fn without_fsync_a_start_of_the_server_is_the_end_of_all_epochs() {
    let mut server = Server::start(&["fsync=off"]);
    let node = Node::on(&server.url("a")).await;
    assert!(!node.broker.promises().durable);
    let before = node.join("room").await.expect("it is joined").stand.epoch;
    node.publish("room", "0").await.expect("it is placed");
    node.hears("room", 1, &numbered(0..1)).await;
    server.stop();
    server.start_again();
    assert_eq!((node.hear().await, node.hear().await), (Heard::Deaf, Heard::Back));
    let stand = node.stand("room").await.expect("it stands");
    assert_ne!(stand.epoch, before);
    assert_eq!((stand.offset.0, node.read("room").await.len()), (0, 0));
    node.publish("room", "1").await.expect("it is placed");
    node.hears("room", 1, &numbered(1..2)).await;
}

#[tokio::test]
async fn a_server_that_is_stopped_is_noticed_and_a_call_to_it_ends_and_may_have_happened() {
    let server = Server::start(&[]);
    let node = Node::on(&server.url("a")).await;
    node.join("room").await.expect("it is joined");
    let key = Some(("k".into(), Duration::from_secs(60)));
    let keyed = || draft("room", "0").with_key(key.clone());
    server.signal("STOP");
    let failed = node.place(keyed()).await.expect_err("it is not answered");
    assert_eq!(failed.fault(), BrokerFault::Unavailable);
    assert_eq!(node.hear().await, Heard::Deaf);
    server.signal("CONT");
    assert_eq!(node.hear().await, Heard::Back);
    assert_eq!(node.place(keyed()).await.expect("it is placed").stand.offset.0, 1, "once under its key");
    node.hears("room", 1, &numbered(0..1)).await;
}

#[tokio::test]
async fn connections_that_are_cut_lose_nothing() {
    let server = Server::start(&[]);
    let (node, other) = (Node::on(&server.url("a")).await, Node::on(&server.url("a")).await);
    node.join("room").await.expect("it is joined");
    for round in 0..3 {
        assert!(server.ask(CUT).await.expect("it cuts").len() >= 2);
        for n in 0..10 {
            let sql = format!("SELECT a.chat_publish('room', '{}')", round * 10 + n);
            server.ask(&sql).await.expect("it is published");
        }
        assert_eq!((node.hear().await, node.hear().await), (Heard::Deaf, Heard::Back));
        assert_eq!((other.hear().await, other.hear().await), (Heard::Deaf, Heard::Back));
        for n in 0..10 {
            let Heard::Published { stand, .. } = node.hear().await else { panic!("a publication is due") };
            assert_eq!(stand.offset.0, round * 10 + n + 1, "without a gap");
        }
    }
}

#[tokio::test]
async fn a_node_that_was_away_for_longer_than_rows_are_kept_says_so_and_reads_what_it_missed() {
    let server = Server::start(&[]);
    // Takes nothing in advance, so that it does not poll while it hands over.
    let (node, other) = (Node::hearing(&server.url("a"), 1).await, Node::on(&server.url("a")).await);
    node.join("room").await.expect("it is joined");
    for n in 0..4 {
        other.publish("room", &n.to_string()).await.expect("it is placed");
    }
    while !node.heard.is_full() {
        tokio::task::yield_now().await;
    }
    for n in 4..30 {
        other.publish("room", &n.to_string()).await.expect("it is placed");
    }
    // Of these rows some were read already, and wait to be handed over.
    let old = "UPDATE a.log SET at = at - 61000000; UPDATE a.channels SET entries = 20; SELECT a.prune_lane(lane, 1000) FROM a.lanes";
    server.ask(old).await.expect("it is pruned");
    other.publish("room", "30").await.expect("it is placed");
    let mut heard = 0;
    loop {
        match node.hear().await {
            Heard::Published { stand, .. } => {
                heard += 1;
                assert_eq!(stand.offset.0, heard, "without a gap");
            }
            Heard::Deaf => break,
            other => panic!("{other:?}"),
        }
    }
    assert!(heard < 31);
    assert_eq!(node.hear().await, Heard::Back);
    assert_eq!(node.stand("room").await.expect("it stands").offset.0, 31);
    assert_eq!(node.read("room").await.last().map(String::as_str), Some("30"));
    other.publish("room", "31").await.expect("it is placed");
    node.hears("room", 32, &numbered(31..32)).await;
}

#[tokio::test]
async fn rows_that_somebody_deletes_are_missed() {
    let server = Server::start(&[]);
    let (node, other) = (Node::hearing(&server.url("a"), 1).await, Node::on(&server.url("a")).await);
    node.join("room").await.expect("it is joined");
    for n in 0..3 {
        other.broker.tell(None, n.to_string().into()).await.expect("it is told");
    }
    while !node.heard.is_full() {
        tokio::task::yield_now().await;
    }
    for n in 0..3 {
        other.publish("room", &n.to_string()).await.expect("it is placed");
    }
    server.ask("DELETE FROM a.log WHERE place = 2").await.expect("it is deleted");
    for _ in 0..3 {
        assert!(matches!(node.hear().await, Heard::Told { .. }));
    }
    let mut said = node.hear().await;
    if matches!(said, Heard::Published { .. }) {
        said = node.hear().await;
    }
    assert_eq!((said, node.hear().await), (Heard::Deaf, Heard::Back));
    other.publish("room", "3").await.expect("it is placed");
    node.hears("room", 4, &numbered(3..4)).await;
}

#[tokio::test]
async fn words_that_nobody_takes_are_dropped_and_it_is_told_that_something_was_lost() {
    let server = Server::start(&[]);
    let node = Node::hearing(&server.url("a"), 1).await;
    let say = |words: &str| {
        let inserted = format!("INSERT INTO a.words (channel, body, at) {words} RETURNING id");
        format!("WITH words AS ({inserted}) SELECT pg_notify('a', 'W' || id) FROM words")
    };
    let many = "SELECT NULL, convert_to(n::text, 'UTF8'), a.now() FROM generate_series(1, 6000) n";
    server.ask(&say(many)).await.expect("they are told");
    server.ask(&say("VALUES (NULL, 'last'::bytea, a.now())")).await.expect("it is told");
    let (mut told, mut next) = (0, 1);
    loop {
        match node.hear().await {
            Heard::Told { body, .. } if body.parse() == Ok(next) => (told, next) = (told + 1, next + 1),
            Heard::Deaf => break,
            other => panic!("{other:?} after {told}"),
        }
    }
    assert!((1..6000).contains(&told));
    assert_eq!(node.hear().await, Heard::Back);
    server.ask(&say("VALUES (NULL, 'more'::bytea, a.now())")).await.expect("it is told");
    while node.hear().await != (Heard::Told { channel: None, body: "more".into() }) {}
}

#[tokio::test]
async fn a_schema_that_is_dropped_is_made_again_and_its_epochs_have_ended() {
    let server = Server::start(&[]);
    let node = Node::on(&server.url("a")).await;
    let before = node.join("room").await.expect("it is joined").stand.epoch;
    server.ask("DROP SCHEMA a CASCADE").await.expect("it is dropped");
    assert_eq!((node.hear().await, node.hear().await), (Heard::Deaf, Heard::Back));
    assert_ne!(node.stand("room").await.expect("it stands").epoch, before);
    node.publish("room", "0").await.expect("it is placed");
    node.hears("room", 1, &numbered(0..1)).await;
}

#[tokio::test]
async fn whoever_stops_to_listen_is_disconnected() {
    let server = Server::start(&[]);
    let node = Node::on(&server.url("a")).await;
    node.heard.close();
    tokio::time::timeout(SOON, async {
        while node.publish("room", "0").await.is_ok() {}
        let listening = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%incarnation%' AND application_name = 'chat'";
        while server.ask(listening).await.expect("an answer") != ["0"] {}
    })
    .await
    .expect("its connection ends");
}
