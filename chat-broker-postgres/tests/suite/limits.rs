//! Tests what a server refuses, what is apart from each other, and what is deleted.

use std::time::Duration;

use chat_broker_postgres::{ConnectError, Fault, PostgresBroker};
use chat_core::HistoryOptions;
use chat_core::broker::{Broker, BrokerFault, Draft, Heard};
use chat_postgres::testkit::Server;
use futures::future::join_all;

use crate::node::{Node, channel, numbered};

async fn refused(url: &str) -> ConnectError {
    match PostgresBroker::connect(url).await {
        Err(error) => error,
        Ok(_) => panic!("{url} lets us in"),
    }
}

#[tokio::test]
async fn a_login_is_needed_and_no_error_tells_the_password() {
    let server = Server::start(&[]);
    let roles = "CREATE ROLE bob LOGIN PASSWORD 'secret'; GRANT CREATE ON DATABASE postgres TO bob";
    server.ask(roles).await.expect("it is made");
    server.let_in("host all all 127.0.0.1/32 scram-sha-256");
    server.ask("SELECT pg_reload_conf()").await.expect("it is reloaded");
    let with = |login: &str| format!("postgres://{login}@127.0.0.1:{}/postgres", server.port());
    for login in ["bob:wrong", "bob:", "nobody:secret"] {
        let error = refused(&with(login)).await;
        assert!(!error.to_string().contains("wrong") && !format!("{error:?}").contains("wrong"), "{error:?}");
        assert!(matches!(error, ConnectError::Database(error) if error.fault() != Fault::Corrupt), "{login}");
    }
    let node = Node::on(&with("bob:secret")).await;
    node.join("room").await.expect("it is joined");
    node.publish("room", "0").await.expect("it is placed");
    node.hears("room", 1, &numbered(0..1)).await;
    assert!(!format!("{:?}", node.broker).contains("secret"));
}

#[tokio::test]
async fn a_database_that_cannot_be_used_is_refused() {
    let server = Server::start(&[]);
    let url =
        |database: &str, user: &str| format!("postgres://{user}@127.0.0.1:{}/{database}", server.port());
    for sql in ["CREATE ROLE bob LOGIN", "CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0"] {
        server.ask(sql).await.expect("it is made");
    }
    for (database, user) in [("latin", "chat"), ("nothing", "chat"), ("postgres", "bob")] {
        let error = refused(&url(database, user)).await;
        assert!(
            matches!(&error, ConnectError::Database(error) if error.fault() == Fault::Refused),
            "{database} {user}: {error}"
        );
    }
    drop(Node::on(&url("postgres", "chat")).await);
    server.ask("UPDATE chat.version SET version = 99").await.expect("it is newer");
    assert!(matches!(refused(&url("postgres", "chat")).await, ConnectError::Newer(99, _)));
    let away = refused("postgres://chat@127.0.0.1:9/postgres").await;
    assert!(matches!(away, ConnectError::Database(error) if error.fault() == Fault::Unavailable));
}

#[tokio::test]
async fn nodes_that_begin_at_once_make_the_schema_once_and_schemas_are_apart() {
    let server = Server::start(&[]);
    let urls = ["a", "a", "a", "a", "user", "user", "_1", "_1"].map(|schema| server.url(schema));
    let nodes = join_all(urls.iter().map(|url| Node::on(url))).await;
    for node in &nodes {
        node.join("room").await.expect("it is joined");
    }
    for node in [&nodes[0], &nodes[4], &nodes[6]] {
        node.publish("room", "0").await.expect("it is placed");
    }
    for node in &nodes {
        node.hears("room", 1, &numbered(0..1)).await;
        assert!(node.heard.is_empty());
    }
}

#[tokio::test]
async fn what_nobody_may_write_has_no_place_and_is_not_heard() {
    let server = Server::start(&[]);
    let url = server.url("a").replace("chat@", "bob@");
    let grants = "CREATE ROLE bob LOGIN; GRANT CREATE ON DATABASE postgres TO bob";
    server.ask(grants).await.expect("it is made");
    let node = Node::on(&url).await;
    node.join("room").await.expect("it is joined");
    node.publish("room", "0").await.expect("it is placed");
    server.ask("ALTER TABLE a.log OWNER TO chat; GRANT SELECT ON a.log TO bob").await.expect("it is changed");
    let failed = node.publish("room", "1").await.expect_err("it may not");
    assert_eq!(failed.fault(), BrokerFault::Refused, "{failed}");
    server.ask("GRANT ALL ON a.log TO bob").await.expect("it is changed");
    node.publish("room", "1").await.expect("it is placed");
    node.hears("room", 1, &numbered(0..2)).await;
}

/// Lets this much time pass for all that is written down.
async fn pass(server: &Server, seconds: u64) {
    let time = seconds * 1_000_000;
    let sql = format!(
        "UPDATE a.log SET at = at - {time}; UPDATE a.words SET at = at - {time}; UPDATE a.keys SET till = till - {time};
         UPDATE a.channels SET oldest = oldest - {time}, till = till - {time}, due = due - {time};
         UPDATE a.lanes SET at = at - {time};
         SELECT a.prune_lane(lane, 10000) FROM a.lanes; SELECT a.prune_channels(1000, 10000); SELECT a.prune_rest(1000)"
    );
    server.ask(&sql).await.expect("it is pruned");
}

async fn count(server: &Server, table: &str) -> String {
    server.ask(&format!("SELECT count(*) FROM a.{table}")).await.expect("an answer").remove(0)
}

#[tokio::test]
async fn what_is_kept_outlives_what_is_only_to_be_heard_and_all_is_deleted_in_the_end() {
    let server = Server::start(&[]);
    let node = Node::on(&server.url("a")).await;
    let keep = HistoryOptions::of(3, Duration::from_secs(600));
    let body = |n: u32| Draft::new(channel("room"), n.to_string(), keep);
    for n in 0..10 {
        node.place(body(n)).await.expect("it is placed");
        node.place(body(n).with_ephemeral(true).with_key((n.to_string().into(), Duration::from_secs(60))))
            .await
            .expect("it is placed");
    }
    node.broker.tell(None, "x".repeat(10_000).into()).await.expect("it is told");
    assert!(matches!(node.hear().await, Heard::Told { .. }));
    for (table, rows) in [("log", "20"), ("keys", "10"), ("words", "1"), ("channels", "1")] {
        assert_eq!(count(&server, table).await, rows, "{table}");
    }
    pass(&server, 30).await;
    assert_eq!(count(&server, "log").await, "20", "a node that was away for so long hears all of it");
    pass(&server, 31).await;
    for (table, rows) in [("log", "3"), ("keys", "0"), ("words", "0"), ("channels", "1")] {
        assert_eq!(count(&server, table).await, rows, "{table}");
    }
    assert_eq!(node.read("room").await, numbered(7..10));
    node.place(body(10)).await.expect("it is placed");
    pass(&server, 61).await;
    assert_eq!((count(&server, "log").await, node.read("room").await), ("3".to_owned(), numbered(8..11)));
    let stand = node.stand("room").await.expect("it stands");
    pass(&server, 540).await;
    assert_eq!(count(&server, "log").await, "0", "too old");
    assert_eq!(node.stand("room").await.expect("it stands"), stand, "but the channel is not forgotten");
    pass(&server, 800).await;
    assert_eq!(count(&server, "channels").await, "0");
    assert_ne!(node.stand("room").await.expect("it stands").epoch, stand.epoch);
}

#[tokio::test]
async fn a_channel_that_begins_anew_leaves_nothing_behind() {
    let server = Server::start(&[]);
    let node = Node::on(&server.url("a")).await;
    for n in 0..5 {
        node.publish("room", &n.to_string()).await.expect("it is placed");
    }
    server.ask("SELECT a.chat_renew()").await.expect("it is done");
    assert_eq!((node.hear().await, node.hear().await), (Heard::Deaf, Heard::Back));
    node.publish("room", "5").await.expect("it is placed");
    assert_eq!(node.read("room").await, ["5"]);
    pass(&server, 100).await;
    assert_eq!(
        (count(&server, "log").await, node.read("room").await),
        ("1".to_owned(), vec!["5".to_owned()])
    );
}
