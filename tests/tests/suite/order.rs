//! Tests that all subscribers of a channel with many publishers receive one order, over real sockets.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;
use std::sync::Barrier;
use std::thread;

use chat_core::{Hub, Limits, OpenChat, Rate};
use chat_tests::crowd::{Member, at_once};
use chat_tests::host::Host;

const PUBLISHERS: usize = 16;
const MESSAGES: u64 = 1000;
const SUBSCRIBERS: usize = 64;
const TOTAL: u64 = PUBLISHERS as u64 * MESSAGES;

fn holds_on(host: Host) {
    // What is shown is the order, not how much may wait: nobody is too slow here.
    let limits = Limits::default()
        .with_outbox_frames(usize::MAX)
        .with_outbox_bytes(usize::MAX)
        .with_requests(Rate::UNBOUNDED);
    let served = host.serve(Hub::builder(OpenChat::default().with_open_publish(true)).limits(limits));
    let (address, all_in) = (served.address, Barrier::new(SUBSCRIBERS + 1));
    let hashes = thread::scope(|scope| {
        let hearing = scope.spawn(|| at_once(SUBSCRIBERS, |n| hear_all(address, n, &all_in)));
        all_in.wait();
        at_once(PUBLISHERS, |n| Member::connect(address, &format!("p{n}")).publish_all("room", MESSAGES, 8));
        hearing.join().expect("all is heard")
    });
    assert!(hashes.iter().all(|hash| *hash == hashes[0]), "two subscribers heard different orders");
    let stats = served.hub.stats();
    assert_eq!((stats.publications, stats.deliveries), (TOTAL, TOTAL * SUBSCRIBERS as u64));
    assert!(stats.dropped.is_empty());
}

/// Hears every message, and says in which order as a hash.
fn hear_all(address: SocketAddr, n: usize, all_in: &Barrier) -> u64 {
    let mut member = Member::connect(address, &format!("s{n}"));
    member.subscribe("room");
    all_in.wait();
    let (mut hasher, mut next) = (DefaultHasher::new(), HashMap::<String, u64>::new());
    for offset in 1..=TOTAL {
        let message = member.hear();
        let (sender, content) =
            (message["senderName"].as_str().expect("a name"), message["content"].as_u64().expect("a number"));
        assert_eq!(message["offset"], offset, "a gap or a repetition");
        let due = next.entry(sender.to_owned()).or_default();
        assert_eq!(content, *due, "the order of {sender} is broken");
        *due += 1;
        (sender, content).hash(&mut hasher);
    }
    assert_eq!(next.len(), PUBLISHERS);
    hasher.finish()
}

#[test]
fn all_hear_one_order_over_tokio_on_many_threads() {
    holds_on(Host::TokioMulti);
}

#[test]
fn all_hear_one_order_over_tokio_on_one_thread() {
    holds_on(Host::TokioCurrent);
}

#[test]
fn all_hear_one_order_over_async_std() {
    holds_on(Host::AsyncStd);
}

#[test]
fn all_hear_one_order_over_smol() {
    holds_on(Host::Smol);
}

#[test]
fn all_hear_one_order_over_sockets_that_axum_upgraded() {
    holds_on(Host::AxumSockets);
}

#[test]
fn all_hear_one_order_over_byte_streams_on_tokio() {
    holds_on(Host::TokioStreams);
}

#[test]
fn all_hear_one_order_over_byte_streams_on_async_std() {
    holds_on(Host::AsyncStdStreams);
}

#[test]
fn all_hear_one_order_over_sockets_that_async_std_opened() {
    holds_on(Host::AsyncStdSockets);
}
