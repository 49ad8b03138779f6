//! Tests that what others write on the names of this crate does no harm.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_nats::Client;
use chat_core::broker::{BODY_BYTES, Broker, BrokerError, BrokerFault, Heard};
use chat_core::{HistoryRequest, Offset};

use crate::server::{Node, Server, channel, numbered, seeded};

/// Returns the number of payloads of each test.
fn payloads() -> u32 {
    if std::env::var_os("LONG").is_some() { 100_000 } else { 2000 }
}

/// Returns something that is sometimes nearly what a node says or keeps, and sometimes far from it.
fn payload(random: &mut fastrand::Rng) -> Vec<u8> {
    const ALMOST: [&str; 11] = [
        "1p 000000000000000a 000000000000000a 7 4 1 100 1000 60000 9 1.1,1.1 1\np 4 4 - -\nbody",
        "1p 000000000000000a 000000000000000a 7 4 1 100 1000 60000 9 - 2\np 4 4 - k\ne 0 3 1,2 -\nbody",
        "1p 000000000000000a 000000000000000a 7 4 1 100 1000 60000 9 - 0\n",
        "1e 000000000000000a 7 -\nbody",
        "1e 000000000000000a 7 1,2,3\nbody",
        "1t -\nbody",
        "1t 1\nbody",
        "1c 000000000000000a 7 99999999999999",
        "1d 000000000000000a 7 99999999999999",
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
            _ => bytes.insert(random.usize(..=bytes.len()), *random.choice(b"0 -\n9.,1\x00").expect("one")),
        }
    }
    bytes
}

async fn send(to: &Client, subject: &str, payload: Vec<u8>) {
    to.publish(subject.to_owned(), payload.into()).await.expect("it is sent");
}

#[tokio::test]
async fn rubbish_that_is_said_is_counted_and_dropped_and_a_witness_hears_all() {
    let (server, mut random, payloads) = (Server::start("max_payload: 4M"), seeded(), payloads());
    let node = Node::hearing(&server.url("a"), 64).await;
    for name in ["bad", "good"] {
        node.join(name).await.expect("it is joined");
    }
    let (to, bad) = (server.client().await, server.said("a", "bad"));
    let witnessed = AtomicU32::new(0);
    let publishing = async {
        for n in 0..payloads {
            let subject = if random.bool() { &*bad } else { "a.w" };
            let payload = match n % 1000 {
                500 => vec![b'x'; 3 * BODY_BYTES],
                501 => [b"1t -\n", &*vec![b'x'; BODY_BYTES + 1]].concat(),
                _ => payload(&mut random),
            };
            send(&to, subject, payload).await;
            if n % 100 == 0 {
                to.flush().await.expect("it is sent");
                node.publish("good", &(n / 100).to_string()).await.expect("it is placed");
                // Whoever floods a node makes it deaf, which is another test.
                while witnessed.load(Ordering::Relaxed) <= n / 100 {
                    tokio::task::yield_now().await;
                }
            }
        }
    };
    let hearing = async {
        let (mut good, mut corrupt, mut quiet) = (0, 0, 0);
        while good < payloads / 100 {
            match node.hear().await {
                Heard::Corrupt => corrupt += 1,
                Heard::Published { channel: on, stand, body, .. } if on == channel("good") => {
                    good += 1;
                    witnessed.store(good, Ordering::Relaxed);
                    assert_eq!((stand.offset, &*body), (Offset(good.into()), &*(good - 1).to_string()));
                }
                // Some of it is what a node might have said.
                Heard::Published { .. } | Heard::Told { .. } => quiet += 1,
                lost @ (Heard::Deaf | Heard::Back) => panic!("{lost:?}"),
                more => panic!("{more:?}"),
            }
        }
        println!("{corrupt} were corrupt, {quiet} might have been said");
        assert!(corrupt > payloads / 3);
    };
    futures::future::join(publishing, hearing).await;
}

#[tokio::test]
async fn a_body_that_is_said_to_stand_in_another_channel_is_not_read_there() {
    let server = Server::start("");
    let node = Node::on(&server.url("a")).await;
    node.publish("other", "secret").await.expect("it is placed");
    node.publish("bad", "x").await.expect("it is placed");
    let written = server.last("a", "bad").await;
    let mut fields: Vec<_> = written.lines().next().expect("a head").split(' ').collect();
    fields[3] = "2";
    let to = server.client().await;
    for sequence in 1..9 {
        to.request(
            "$JS.API.STREAM.PURGE.a_places",
            format!("{{\"filter\":\"{}\"}}", server.placed("a", "bad")).into(),
        )
        .await
        .expect("it is purged");
        let forged = format!("{}\np 1 100 {sequence} -\nx", fields.join(" "));
        to.request(server.placed("a", "bad"), forged.into()).await.expect("it is taken");
        let page = node.broker.read(HistoryRequest::of(channel("bad"), 100), 1000).await.expect("a page");
        assert!(page.entries.is_empty() && page.stand.offset == Offset(2), "{page:?}");
    }
}

#[tokio::test]
async fn rubbish_in_the_streams_is_reported_and_a_witness_is_unharmed() {
    let (server, mut random, payloads) = (Server::start(""), seeded(), payloads());
    let node = Node::on(&server.url("a")).await;
    node.join("good").await.expect("it is joined");
    let subjects = [server.placed("a", "bad"), server.key("a", "bad", "k"), "a.x.YmFk".to_owned()];
    let to = server.client().await;
    let (mut corrupt, mut well) = (0, 0);
    let mut count = |error: Option<BrokerError>| match error.map(|error| error.fault()) {
        None => well += 1,
        Some(BrokerFault::Corrupt) => corrupt += 1,
        // A key that others have claimed so that nobody can tell whether it was placed.
        Some(BrokerFault::Unavailable) => corrupt += 1,
        Some(other) => panic!("{other:?}"),
    };
    for n in 0..payloads / 4 {
        for _ in 0..random.u8(0..5) {
            let payload = payload(&mut random);
            send(&to, random.choice(&subjects).expect("there are some"), payload).await;
        }
        to.flush().await.expect("it is sent");
        if n % 8 == 0 {
            for (stream, subject) in [("a_places", &subjects[0]), ("a_keys", &subjects[1])] {
                let only = format!("{{\"filter\":\"{subject}\"}}");
                let purge = format!("$JS.API.STREAM.PURGE.{stream}");
                to.request(purge, only.into()).await.expect("it is purged");
            }
        }
        let key = Some(("k".into(), Duration::from_secs(60)));
        let draft = crate::server::draft("bad", "0").with_key(key.filter(|_| n % 2 == 0));
        count(node.place(draft).await.err());
        count(node.stand("bad").await.err());
        count(node.join("bad").await.err());
        let request = HistoryRequest::of(channel("bad"), 100).with_reverse(random.bool());
        count(node.broker.read(request, 1000).await.err());
        node.broker.leave(vec![channel("bad")]).await.expect("it is left");
        if n % 25 == 0 {
            node.publish("good", &(n / 25).to_string()).await.expect("it is placed");
        }
    }
    println!("{corrupt} answers were corrupt, {well} were none the worse");
    assert!(corrupt > 100 && well > 100);
    let mut good = Vec::new();
    while good.len() < (payloads / 100) as usize {
        match node.hear().await {
            Heard::Published { channel: on, body, .. } if on == channel("good") => {
                good.push(body.to_string());
            }
            Heard::Published { .. } | Heard::Corrupt | Heard::Told { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(good, numbered(0..payloads / 100));
}
