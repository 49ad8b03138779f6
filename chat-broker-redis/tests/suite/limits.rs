//! Tests what a server refuses: logins, rights, memory; and that scripts and data may be flushed.

use chat_broker_redis::{ConnectError, RedisBroker};
use chat_core::broker::{BrokerFault, Heard};

use crate::server::{Node, Server, numbered};

#[tokio::test]
async fn a_login_is_needed_where_there_is_a_password() {
    let server = Server::start(&["--requirepass", "secret"]);
    let with = |login: &str| format!("redis://{login}127.0.0.1:{}/", server.port());
    for login in ["", ":wrong@", "nobody:secret@"] {
        match RedisBroker::connect(&with(login)).await {
            Err(ConnectError::Broker(error)) => assert_eq!(error.fault(), BrokerFault::Refused, "{error}"),
            other => panic!("{login}: {other:?}"),
        }
    }
    let node = Node::on(&with(":secret@")).await;
    node.join("room").await.expect("it is joined");
    let user = Node::on(&with("default:secret@")).await;
    user.publish("room", "0").await.expect("it is placed");
    node.hears("room", 1, &numbered(0..1)).await;
}

#[tokio::test]
async fn databases_and_prefixes_of_one_server_are_apart() {
    let server = Server::start(&[]);
    let url = |rest: &str| format!("redis://127.0.0.1:{}/{rest}", server.port());
    let mut nodes = Vec::new();
    for rest in ["", "1", "?prefix=chat2", "1?prefix=chat2"] {
        let node = Node::on(&url(rest)).await;
        node.join("room").await.expect("it is joined");
        nodes.push(node);
    }
    for node in &nodes {
        node.publish("room", "0").await.expect("it is placed");
    }
    for node in &nodes {
        node.hears("room", 1, &numbered(0..1)).await;
        assert!(node.heard.is_empty());
    }
}

#[tokio::test]
async fn what_is_refused_for_want_of_memory_has_no_place_and_is_not_heard() {
    let server = Server::start(&[]);
    let node = Node::on(&server.url("a")).await;
    node.join("room").await.expect("it is joined");
    node.publish("room", "0").await.expect("it is placed");
    let _: String = server.ask(&["CONFIG", "SET", "maxmemory", "1"]).await;
    let signal = || crate::server::draft("room", "x").with_ephemeral(true);
    for draft in [crate::server::draft("room", "x"), signal()] {
        assert_eq!(node.place(draft).await.expect_err("no memory").fault(), BrokerFault::Refused);
    }
    let _: String = server.ask(&["CONFIG", "SET", "maxmemory", "0"]).await;
    node.publish("room", "1").await.expect("it is placed");
    node.hears("room", 1, &numbered(0..2)).await;
}

#[tokio::test]
async fn what_may_not_be_said_has_no_place_and_what_may_not_be_heard_is_not_joined() {
    let server = Server::start(&[]);
    let rules = ["ACL", "SETUSER", "half", "on", ">p", "~*", "+@all", "&{a}a0", "&*room"];
    let _: String = server.ask(&rules).await;
    let url = format!("redis://half:p@127.0.0.1:{}/?prefix=a", server.port());
    let node = Node::on(&url).await;
    node.join("room").await.expect("it is joined");
    assert_eq!(node.join("other").await.expect_err("it may not").fault(), BrokerFault::Refused);
    for _ in 0..3 {
        assert_eq!(node.publish("other", "0").await.expect_err("it may not").fault(), BrokerFault::Refused);
    }
    assert_eq!(node.stand("other").await.expect("it stands").offset.0, 0);
    node.publish("room", "0").await.expect("it is placed");
    node.hears("room", 1, &numbered(0..1)).await;
    let _: u32 = server.ask(&["CLIENT", "KILL", "TYPE", "pubsub"]).await;
    assert_eq!(
        (node.hear().await, node.hear().await),
        (Heard::Deaf, Heard::Back),
        "it asks for no more than it may"
    );
}

#[tokio::test]
async fn scripts_and_data_may_be_flushed() {
    let server = Server::start(&[]);
    let node = Node::on(&server.url("a")).await;
    let before = node.join("room").await.expect("it is joined").stand;
    node.publish("room", "0").await.expect("it is placed");
    let _: String = server.ask(&["SCRIPT", "FLUSH"]).await;
    node.publish("room", "1").await.expect("it is placed");
    node.hears("room", 1, &numbered(0..2)).await;
    let _: String = server.ask(&["FLUSHALL"]).await;
    let after = node.publish("room", "0").await.expect("it is placed").stand;
    assert_eq!(after.offset.0, 1);
    assert_ne!(after.epoch, before.epoch);
    node.hears("room", 1, &numbered(0..1)).await;
}

#[tokio::test]
async fn a_list_that_was_evicted_is_history_that_is_gone_and_the_offsets_go_on() {
    let server = Server::start(&[]);
    let node = Node::on(&server.url("a")).await;
    let before = node.publish("room", "0").await.expect("it is placed").stand;
    let lists: Vec<String> = server.ask(&["KEYS", "*l:room"]).await;
    let _: u32 = server.ask(&["DEL", &lists[0]]).await;
    let joined = node.join("room").await.expect("it is joined");
    assert_eq!((joined.stand, joined.kept.len()), (before, 0));
    assert_eq!(node.publish("room", "1").await.expect("it is placed").stand.offset.0, 2);
    assert_eq!(node.join("room").await.expect("it is joined").kept.len(), 1);
}

#[tokio::test]
async fn a_server_that_does_not_keep_what_the_address_says_is_refused() {
    for options in [&[][..], &["--appendonly", "yes", "--appendfsync", "everysec"]] {
        let server = Server::start(options);
        let refused = RedisBroker::connect(&format!("{}&durable=aof", server.url("a"))).await;
        assert!(matches!(refused, Err(ConnectError::Broker(error)) if error.fault() == BrokerFault::Refused));
    }
}
