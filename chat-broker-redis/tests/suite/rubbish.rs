//! Tests that what others write on the names of this crate does no harm.

use chat_core::broker::{BODY_BYTES, Broker, BrokerFault, Heard};
use chat_core::{HistoryRequest, Offset};
use redis::aio::MultiplexedConnection;
use redis::{Cmd, cmd};

use crate::server::{Node, Server, channel, numbered, seeded};

/// Returns the number of payloads of each test.
fn payloads() -> u32 {
    if std::env::var_os("LONG").is_some() { 100_000 } else { 10_000 }
}

/// Returns something that is sometimes nearly what a node says or keeps, and sometimes far from it.
fn payload(random: &mut fastrand::Rng) -> Vec<u8> {
    const ALMOST: [&str; 9] = [
        "1p 000000000000000a 7\nbody",
        "1e 000000000000000a 7\nbody",
        "1t\nbody",
        "1 7 1700000000000\nbody",
        "1 000000000000000a - 7 1 4 60000 1700000000000 1700000000000",
        "1 000000000000000a 7",
        "2p 000000000000000a 7 new\nbody",
        "{\"type\":2,\"nsp\":\"/\"}",
        "",
    ];
    let mut bytes = random.choice(ALMOST).expect("there are some").as_bytes().to_vec();
    for _ in 0..random.usize(0..4) {
        match random.u8(0..4) {
            0 if !bytes.is_empty() => {
                let at = random.usize(..bytes.len());
                bytes[at] = random.u8(..);
            }
            1 => bytes.truncate(random.usize(..=bytes.len())),
            2 => bytes.extend((0..random.usize(0..64)).map(|_| random.u8(..))),
            _ => bytes.insert(random.usize(..=bytes.len()), *random.choice(b"0 -\n9:\x00").expect("one")),
        }
    }
    bytes
}

async fn send(to: &mut MultiplexedConnection, command: &Cmd) {
    // Much of it is refused by the server: a command for another type.
    let _: redis::RedisResult<redis::Value> = command.query_async(to).await;
}

#[tokio::test]
async fn rubbish_that_is_published_is_counted_and_dropped_and_a_witness_hears_all() {
    let (server, mut random, payloads) = (Server::start(&[]), seeded(), payloads());
    let node = Node::hearing(&server.url("a"), 64).await;
    for name in ["bad", "good"] {
        node.join(name).await.expect("it is joined");
    }
    let bad = format!("{{a:{}}}c0:bad", node.broker.lane(&channel("bad")));
    let publishing = async {
        let mut to = server.connection().await.expect("a connection");
        for n in 0..payloads {
            let to_name = if random.bool() { &*bad } else { "{a}a0" };
            let payload = match n % 1000 {
                500 => vec![b'x'; 3 * BODY_BYTES],
                501 => [b"1t\n", &*vec![b'x'; BODY_BYTES + 1]].concat(),
                _ => payload(&mut random),
            };
            send(&mut to, cmd("PUBLISH").arg(to_name).arg(payload)).await;
            if n % 100 == 0 {
                node.publish("good", &(n / 100).to_string()).await.expect("it is placed");
            }
        }
    };
    let hearing = async {
        let (mut good, mut heard_corrupt, mut other) = (0, 0, 0);
        while good < payloads / 100 || heard_corrupt + other < payloads {
            match node.hear().await {
                Heard::Corrupt => heard_corrupt += 1,
                Heard::Published { channel: on, stand, body, .. } if on == channel("good") => {
                    good += 1;
                    assert_eq!((stand.offset, &*body), (Offset(good.into()), &*(good - 1).to_string()));
                }
                // Some of it is what a node might have said.
                Heard::Published { .. } | Heard::Told { .. } => other += 1,
                lost @ (Heard::Deaf | Heard::Back) => panic!("{lost:?}"),
                more => panic!("{more:?}"),
            }
        }
        println!("{heard_corrupt} were corrupt, {other} might have been said");
        assert!(heard_corrupt > payloads / 2);
    };
    futures::future::join(publishing, hearing).await;
}

#[tokio::test]
async fn rubbish_under_the_keys_of_a_channel_is_reported_and_a_witness_is_unharmed() {
    let (server, mut random, payloads) = (Server::start(&[]), seeded(), payloads());
    let node = Node::on(&server.url("a")).await;
    node.join("good").await.expect("it is joined");
    let lane = node.broker.lane(&channel("bad"));
    let keys = [format!("{{a:{lane}}}m:bad"), format!("{{a:{lane}}}l:bad"), format!("{{a:{lane}}}k:bad\0k")];
    let mut to = server.connection().await.expect("a connection");
    let (mut corrupt, mut well) = (0, 0);
    let mut count = |fault: Option<BrokerFault>| match fault {
        None => well += 1,
        Some(BrokerFault::Corrupt) => corrupt += 1,
        Some(other) => panic!("{other:?}"),
    };
    for n in 0..payloads / 4 {
        for _ in 0..4 {
            spoil(&mut random, &mut to, &keys).await;
        }
        let key = Some(("k".into(), std::time::Duration::from_secs(60)));
        let draft = crate::server::draft("bad", "0").with_key(key.filter(|_| n % 2 == 0));
        count(node.place(draft).await.err().map(|error| error.fault()));
        count(node.stand("bad").await.err().map(|error| error.fault()));
        count(node.join("bad").await.err().map(|error| error.fault()));
        let request = HistoryRequest::of(channel("bad"), 100).with_reverse(random.bool());
        count(node.broker.read(request, 1000).await.err().map(|error| error.fault()));
        node.broker.leave(vec![channel("bad")]).await.expect("it is left");
        if n % 100 == 0 {
            node.publish("good", &(n / 100).to_string()).await.expect("it is placed");
        }
    }
    println!("{corrupt} answers were corrupt, {well} were none the worse");
    assert!(corrupt > 100 && well > 100);
    let mut good = Vec::new();
    while good.len() < (payloads / 400) as usize {
        match node.hear().await {
            Heard::Published { channel: on, body, .. } if on == channel("good") => {
                good.push(body.to_string());
            }
            Heard::Published { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(good, numbered(0..payloads / 400));
}

/// Writes something under one of these keys, or takes something away.
async fn spoil(random: &mut fastrand::Rng, to: &mut MultiplexedConnection, keys: &[String; 3]) {
    let key = random.choice(keys).expect("there are some");
    let payload = payload(random);
    let mut command = match random.u8(0..9) {
        0 | 1 => Cmd::new().arg("DEL").arg(keys).to_owned(),
        2 => Cmd::new().arg("SET").arg(key).arg(payload).to_owned(),
        3 => Cmd::new().arg("RPUSH").arg(key).arg(payload).to_owned(),
        4 => Cmd::new().arg("LSET").arg(key).arg(0).arg(payload).to_owned(),
        5 => Cmd::new().arg("HSET").arg(key).arg("f").arg(payload).to_owned(),
        6 => Cmd::new().arg("SETRANGE").arg(key).arg(random.u8(0..70)).arg(payload).to_owned(),
        7 => Cmd::new().arg("LPOP").arg(key).to_owned(),
        _ => Cmd::new().arg("PEXPIRE").arg(key).arg(random.u8(1..3)).to_owned(),
    };
    if random.u16(0..500) == 0 {
        command = cmd("RPUSH").arg(key).arg(vec![b'x'; 2 * BODY_BYTES]).to_owned();
    }
    send(to, &command).await;
}
