//! Tests that what transactions publish is heard if and only if they commit.

use chat_core::broker::{Heard, body_of_server};
use chat_core::{EventName, Payload};
use chat_postgres::testkit::Server;
use chrono::DateTime;
use tokio_postgres::error::SqlState;

use crate::node::{Node, channel};

/// Returns the content, the channel and the offset of the next publication.
async fn hear(node: &Node) -> (String, String, u64) {
    match node.hear().await {
        Heard::Published { channel, stand, body, .. } => {
            let content = body.split_once("\n\n").expect("a body of the server").1;
            (content.to_owned(), channel.to_string(), stand.offset.0)
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_is_committed_is_heard_in_the_order_of_the_commits_and_what_is_rolled_back_never() {
    let server = Server::start(&[]);
    let node = Node::on(&server.url("chat")).await;
    node.join("room").await.expect("it is joined");
    let (one, two) =
        (server.client().await.expect("it is there"), server.client().await.expect("it is there"));
    let publish = |n: u32| format!("SELECT chat.chat_publish('room', '{n}')");
    let at_once = "BEGIN; SET CONSTRAINTS ALL IMMEDIATE";
    one.batch_execute(&format!("{at_once}; {}; {}", publish(1), publish(2))).await.expect("it goes on");
    two.batch_execute(&format!("BEGIN; {}; COMMIT", publish(3))).await.expect("it waits for nobody");
    two.batch_execute(&format!("BEGIN; {}; ROLLBACK", publish(4))).await.expect("it is rolled back");
    let nested = format!("SAVEPOINT a; {}; ROLLBACK TO a; {}; COMMIT", publish(5), publish(6));
    one.batch_execute(&nested).await.expect("it is committed");
    for (offset, content) in [(1, "3"), (2, "1"), (3, "2"), (4, "6")] {
        assert_eq!(hear(&node).await, (content.to_owned(), "room".to_owned(), offset));
    }
    assert_eq!(server.ask("SELECT count(*) FROM chat.pending").await.expect("an answer"), ["0"]);
}

#[tokio::test]
async fn a_hub_reads_it_as_a_publication_of_the_server() {
    let server = Server::start(&[]);
    let node = Node::on(&server.url("chat")).await;
    node.join("room").await.expect("it is joined");
    let sql =
        "SELECT chat.chat_publish('room', '{\"a\" :  1.0e400}', sender => E'the \\\\ shop', event => 'sold')";
    server.ask(sql).await.expect("it is published");
    let Heard::Published { body, ephemeral: false, .. } = node.hear().await else { panic!("it is due") };
    let at = server.ask("SELECT at FROM chat.log").await.expect("an answer")[0].parse().expect("a number");
    let (name, content) = ("the \\ shop".parse().expect("a name"), Payload::json("{\"a\" :  1.0e400}"));
    let event: EventName = "sold".parse().expect("a name");
    let time = DateTime::from_timestamp_micros(at).expect("a time");
    assert_eq!(*body, *body_of_server(&name, &content, Some(&event), time));
    assert_eq!(node.read("room").await, [body.to_string()]);
    assert_eq!(node.join("room").await.expect("it is read").kept[0].body, body);
    server.ask("SELECT chat.chat_publish('room', 'null', signal => true)").await.expect("it is published");
    assert!(
        matches!(node.hear().await, Heard::Published { stand, ephemeral: true, .. } if stand.offset.0 == 1)
    );
    assert_eq!(node.read("room").await.len(), 1);
}

#[tokio::test]
async fn names_are_exact_whatever_they_mean() {
    let server = Server::start(&[]);
    let node = Node::on(&server.url("chat")).await;
    let names =
        ["a'b", "\"x\"", "%", "_", "{t}", " a  b ", "ä", "a\u{308}", "chat.log", "$1", "\\", "-- x", "NULL"];
    for name in names {
        node.join(name).await.expect("it is joined");
    }
    let client = server.client().await.expect("it is there");
    for (n, name) in names.iter().enumerate() {
        let content = n.to_string();
        let values: [&(dyn tokio_postgres::types::ToSql + Sync); 2] = [name, &content];
        let sql = "SELECT chat.chat_publish($1, $2::text::json)";
        client.execute(sql, &values).await.expect("it is published");
        assert_eq!(hear(&node).await, (content, (*name).to_owned(), 1));
    }
}

#[tokio::test]
async fn under_one_key_it_is_published_once() {
    let server = Server::start(&[]);
    let node = Node::on(&server.url("chat")).await;
    node.join("room").await.expect("it is joined");
    let publish = |n: u32, key: &str| format!("SELECT chat.chat_publish('room', '{n}', key => '{key}')");
    for (n, key) in [(1, "a"), (2, "a"), (3, "b"), (4, "A")] {
        server.ask(&publish(n, key)).await.expect("it is published, or was");
    }
    let rolled_back = format!("BEGIN; {}; ROLLBACK; {}", publish(5, "c"), publish(6, "c"));
    server.ask(&rolled_back).await.expect("it is published");
    for (offset, content) in [(1, "1"), (2, "3"), (3, "4"), (4, "6")] {
        assert_eq!(hear(&node).await, (content.to_owned(), "room".to_owned(), offset));
    }
}

#[tokio::test]
async fn a_channel_keeps_what_its_publishers_say() {
    let server = Server::start(&[]);
    let node = Node::on(&server.url("chat")).await;
    let publish = |more: &str| format!("SELECT chat.chat_publish('room', '0'{more})");
    for _ in 0..120 {
        server.ask(&publish("")).await.expect("it is published");
    }
    assert_eq!(node.read("room").await.len(), 100, "as many as are kept by default");
    server.ask(&publish(", entries => 3, age => '1 hour'")).await.expect("it is published");
    assert_eq!(node.read("room").await.len(), 3);
    for _ in 0..5 {
        server.ask(&publish("")).await.expect("it is published");
    }
    assert_eq!(node.read("room").await.len(), 3, "as it was said before");
    node.publish("room", "0").await.expect("it is placed");
    assert_eq!(node.read("room").await.len(), 4, "hubs say it with each publication");
}

#[tokio::test]
async fn what_no_hub_would_take_is_an_error_of_the_call() {
    let server = Server::start(&[]);
    let node = Node::on(&server.url("chat")).await;
    node.join("room").await.expect("it is joined");
    let deep = |n| format!("'{}{}'", "[".repeat(n), "]".repeat(n));
    let long = |n| format!("to_json(repeat('x', {n}))");
    for (arguments, code) in [
        ("'', '1'".to_owned(), "22023"),
        ("NULL, '1'".to_owned(), "22023"),
        ("repeat('x', 256), '1'".to_owned(), "22023"),
        ("E'a\\nb', '1'".to_owned(), "22023"),
        ("E'a\\u0085', '1'".to_owned(), "22023"),
        ("'room', NULL".to_owned(), "22004"),
        ("'room', '[1'".to_owned(), "22P02"),
        (format!("'room', {}", deep(129)), "54000"),
        (format!("'room', {}", long(999_999)), "54000"),
        ("'room', '1', sender => ''".to_owned(), "22023"),
        ("'room', '1', event => E'\\t'".to_owned(), "22023"),
        ("'room', '1', key => ''".to_owned(), "22023"),
        ("'room', '1', entries => -1".to_owned(), "22023"),
        ("'room', '1', age => '-1 s'".to_owned(), "22023"),
    ] {
        let error =
            server.ask(&format!("SELECT chat.chat_publish({arguments})")).await.expect_err("it is refused");
        assert_eq!(error.code().map(SqlState::code), Some(code), "{arguments:.40}");
    }
    for arguments in [format!("'room', {}", deep(128)), format!("'room', {}", long(999_998))] {
        server.ask(&format!("SELECT chat.chat_publish({arguments})")).await.expect("it is published");
    }
    assert_eq!((hear(&node).await.2, hear(&node).await.2), (1, 2));
}

#[tokio::test]
async fn whoever_may_use_the_schema_may_publish_and_touch_nothing_else() {
    let server = Server::start(&[]);
    let node = Node::on(&server.url("chat")).await;
    node.join("room").await.expect("it is joined");
    let publish = "SET ROLE app; SELECT chat.chat_publish('room', '1')";
    server.ask("CREATE ROLE app").await.expect("it is made");
    server.ask(publish).await.expect_err("it may not");
    server.ask("GRANT USAGE ON SCHEMA chat TO app").await.expect("it is granted");
    server.ask(publish).await.expect("it is published");
    assert_eq!(hear(&node).await.2, 1);
    for sql in ["SELECT * FROM chat.log", "SELECT chat.chat_renew()", "DELETE FROM chat.pending"] {
        server.ask(&format!("SET ROLE app; {sql}")).await.expect_err("it may not");
    }
}

#[tokio::test]
async fn two_that_publish_to_the_same_channels_in_another_order_do_not_wait_for_each_other() {
    let server = Server::start(&["deadlock_timeout=100ms"]);
    let node = Node::on(&server.url("chat")).await;
    let names: Vec<_> = (0..16).map(|n| format!("room{n}")).collect();
    for name in &names {
        node.join(name).await.expect("it is joined");
    }
    let many = async |reverse: bool| {
        let client = server.client().await.expect("it is there");
        for _ in 0..100 {
            let mut sql = names
                .iter()
                .map(|name| format!("SELECT chat.chat_publish('{name}', '1')"))
                .collect::<Vec<_>>();
            if reverse {
                sql.reverse();
            }
            client
                .batch_execute(&format!("BEGIN; {}; COMMIT", sql.join(";")))
                .await
                .expect("it is committed");
        }
    };
    let hearing = async {
        for _ in 0..2 * 100 * names.len() {
            hear(&node).await;
        }
    };
    tokio::join!(many(false), many(true), hearing);
    assert_eq!(node.stand("room0").await.expect("it stands").offset.0, 200);
}

#[tokio::test]
async fn what_is_answered_is_committed_also_where_commits_are_not_waited_for() {
    let server = Server::start(&["synchronous_commit=off"]);
    let node = Node::on(&server.url("chat")).await;
    server.ask("SELECT chat.chat_publish('room', '0')").await.expect("it is published");
    let waits = "SELECT pg_current_wal_flush_lsn() >= pg_current_wal_insert_lsn()";
    // Nothing else writes: all that was inserted is flushed, or some is not.
    let mut flushed = server.ask(waits).await.expect("an answer");
    for n in 0..20 {
        node.publish("room", &n.to_string()).await.expect("it is placed");
        flushed.extend(server.ask(&format!("BEGIN; SET LOCAL synchronous_commit = off; SELECT chat.chat_publish('room', '{n}'); COMMIT; {waits}")).await.expect("an answer"));
    }
    assert!(flushed.iter().filter(|one| *one == "t" || one.is_empty()).count() > 30, "{flushed:?}");
    assert_eq!(channel("room").as_str(), "room");
}
