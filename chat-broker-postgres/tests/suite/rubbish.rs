//! Tests that what others write into the tables does no harm.

use chat_core::HistoryRequest;
use chat_core::broker::{Broker, BrokerFault, Heard};
use chat_postgres::testkit::Server;
use tokio_postgres::Client;

use crate::node::{Node, channel, draft, seeded};

/// Returns the number of rounds of each test.
fn rounds() -> u32 {
    if std::env::var_os("LONG").is_some() { 20_000 } else { 300 }
}

/// Returns a statement that spoils something of the channel `bad`.
fn spoil(random: &mut fastrand::Rng) -> String {
    let number = random.choice(["-1", "0", "1", "2", "7", "9223372036854775807", "now()"]).expect("one");
    let number = if number == "now()" { "a.now()" } else { number };
    let bytes = random.choice(["''", "'\\xff'", "'\\x00'", "'v 1'", "'[1'"]).expect("one");
    let text = random.choice(["NULL", "''", "'shop'", "E'\\n'", "repeat('x', 300)"]).expect("one");
    match random.u8(..10) {
        0 | 1 => "DELETE FROM a.channels WHERE name = 'bad'".to_owned(),
        2 => format!("UPDATE a.log SET body = {bytes} WHERE channel = 'bad'"),
        3 => format!("UPDATE a.log SET sender = {text}, event = {text} WHERE channel = 'bad'"),
        4 => {
            let column = random.choice(["place", "epoch", "at"]).expect("one");
            format!("UPDATE a.log SET {column} = {number} WHERE channel = 'bad'")
        }
        5 | 6 => {
            let columns = ["lane", "era", "epoch", "last", "first", "held", "oldest", "entries", "age", "till", "due"];
            let column = random.choice(columns).expect("one");
            format!("UPDATE a.channels SET {column} = {number} WHERE name = 'bad'")
        }
        7 => format!("UPDATE a.keys SET epoch = {number}, place = {number} WHERE channel = 'bad'"),
        8 => "INSERT INTO a.log SELECT l.lane, l.seq + 1, 1, false, 'bad', 1, 1, 1, NULL, NULL, '' FROM a.lanes l".to_owned(),
        _ => "SELECT a.prune_channels(100, 100), a.prune_lane(lane, 100) FROM a.lanes".to_owned(),
    }
}

/// Publishes something of which the nodes see only what was made of it.
async fn publish_spoiled(client: &Client, random: &mut fastrand::Rng) {
    let spoils: Vec<_> =
        (0..random.usize(1..3)).map(|_| spoil(random)).filter(|sql| !sql.contains("prune")).collect();
    let sql = "BEGIN; SELECT a.chat_publish('bad', '1'); SET CONSTRAINTS ALL IMMEDIATE";
    if client.batch_execute(&format!("{sql}; {}; COMMIT", spoils.join(";"))).await.is_err() {
        // Much of it is refused by the tables themselves.
        client.batch_execute("ROLLBACK").await.expect("it is rolled back");
    }
}

#[tokio::test]
async fn rubbish_of_one_channel_is_reported_and_another_of_its_lane_is_unharmed() {
    let (server, mut random) = (Server::start(&[]), seeded());
    let node = Node::hearing(&server.url("a"), 100_000).await;
    let lane = node.broker.lane(&channel("bad"));
    let good = (0..).map(|n| format!("good{n}")).find(|name| node.broker.lane(&channel(name)) == lane);
    let good = good.expect("there is one");
    node.join(&good).await.expect("it is joined");
    let client = server.client().await.expect("it is there");
    let (mut corrupt, mut well) = (0, 0);
    let mut count = |fault: Option<BrokerFault>| match fault {
        None => well += 1,
        Some(BrokerFault::Corrupt) => corrupt += 1,
        Some(other) => panic!("{other:?}"),
    };
    for n in 0..rounds() {
        publish_spoiled(&client, &mut random).await;
        // Much of it is refused by the tables themselves.
        let _ = client.batch_execute(&spoil(&mut random)).await;
        let key = Some(("k".into(), std::time::Duration::from_secs(60)));
        let draft = draft("bad", "0").with_key(key.filter(|_| n % 2 == 0));
        count(node.place(draft).await.err().map(|error| error.fault()));
        count(node.stand("bad").await.err().map(|error| error.fault()));
        count(node.join("bad").await.err().map(|error| error.fault()));
        let request = HistoryRequest::of(channel("bad"), 100).with_reverse(random.bool());
        count(node.broker.read(request, 1000).await.err().map(|error| error.fault()));
        if n % 10 == 0 {
            // Both in one batch, of which one may be corrupt.
            let batch =
                vec![crate::node::draft("bad", "0"), crate::node::draft(&good, &(n / 10).to_string())];
            assert!(node.broker.publish(lane, batch).await.remove(1).is_ok());
        }
    }
    println!("{corrupt} answers were corrupt, {well} were none the worse");
    assert!(corrupt > 20 && well > 20);
    let (mut next, mut odd) = (0_u64, 0);
    while next < u64::from(rounds() / 10) {
        match node.hear().await {
            Heard::Published { channel: on, stand, body, .. } if on.as_str() == good => {
                assert_eq!(*body, (stand.offset.0 - 1).to_string());
                assert!(stand.offset.0 <= next + 1, "nothing of it is lost in silence");
                next = next.max(stand.offset.0);
            }
            // Rows of the other channel that were made to look old may be pruned before they are heard. A hub
            // then reads what it missed up to where the channel stands.
            Heard::Back => next = next.max(node.stand(&good).await.expect("it is unharmed").offset.0),
            Heard::Corrupt => odd += 1,
            Heard::Published { .. } | Heard::Deaf => {}
            other => panic!("{other:?}"),
        }
    }
    println!("{odd} rows were corrupt");
    assert!(odd > 10);
}

#[tokio::test]
async fn rubbish_in_notifications_is_counted_and_dropped() {
    let (server, mut random) = (Server::start(&[]), seeded());
    let node = Node::hearing(&server.url("a"), 100_000).await;
    node.join("room").await.expect("it is joined");
    let client = server.client().await.expect("it is there");
    for _ in 0..rounds() {
        let begin = random.choice(["p", "w", "wroom\n", "W", "W1", "", "\u{1}", "ж"]).expect("one");
        let text = format!("{begin}{}", "x".repeat(random.usize(..3)));
        client.execute("SELECT pg_notify('a', $1)", &[&text]).await.expect("it is said");
    }
    node.broker.tell(None, "last".into()).await.expect("it is told");
    let mut corrupt = 0;
    loop {
        match node.hear().await {
            Heard::Told { channel: None, body } if &*body == "last" => break,
            Heard::Corrupt => corrupt += 1,
            Heard::Told { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    println!("{corrupt} were corrupt");
    assert!(corrupt > rounds() / 4);
}
