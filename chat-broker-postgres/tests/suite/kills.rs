//! Tests that what hubs are answered is heard by every node, through kills, stops and cuts.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use chat_core::broker::{Broker, Heard, Stand};
use chat_core::{ChannelId, Offset};
use chat_postgres::testkit::Server;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

use crate::node::{Node, channel, draft, seeded};

const CHANNELS: usize = 40;
/// Is the time between two batches, and the size of each: 500 a second.
const TICK: (Duration, u64) = (Duration::from_millis(10), 5);

type Place = (ChannelId, u64);

struct Publisher<'a> {
    node: &'a Node,
    channels: &'a [ChannelId],
    ends: &'a AtomicBool,
    said: &'a AtomicU64,
}

impl Publisher<'_> {
    /// Publishes until it is ended, and returns what was acknowledged.
    async fn publish(&self, mut random: fastrand::Rng) -> Vec<(Place, String)> {
        let mut acknowledged = Vec::new();
        let mut ticks = interval(TICK.0);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        while !self.ends.load(Ordering::Relaxed) {
            ticks.tick().await;
            let on = &self.channels[random.usize(..self.channels.len())];
            let body = |_| self.said.fetch_add(1, Ordering::Relaxed).to_string();
            let bodies: Vec<_> = (0..TICK.1).map(body).collect();
            let batch = bodies.iter().map(|body| draft(on.as_str(), body)).collect();
            let placed = self.node.broker.publish(self.node.broker.lane(on), batch).await;
            for (placed, body) in placed.into_iter().zip(bodies) {
                if let Ok(placed) = placed {
                    acknowledged.push(((on.clone(), placed.stand.offset.0), body));
                }
            }
        }
        acknowledged
    }
}

/// Takes in what a node hears until it has heard the mark in each channel. There must be no gap, also over
/// the times in which it was deaf.
async fn listen(node: &Node) -> HashMap<Place, String> {
    let (mut last, mut taken) = (HashMap::<ChannelId, Stand>::new(), HashMap::new());
    let (mut marks, mut deaf) = (0, 0);
    while marks < CHANNELS {
        let heard = timeout(Duration::from_secs(90), node.heard.recv()).await.expect("something comes");
        match heard.expect("it runs") {
            Heard::Published { channel: on, stand, body, .. } => {
                let before = last.insert(on.clone(), stand).unwrap_or(Stand::new(stand.epoch, Offset(0)));
                assert_eq!((stand.epoch, stand.offset), (before.epoch, before.offset.next()), "{on}");
                marks += usize::from(&*body == "mark");
                taken.insert((on, stand.offset.0), body.to_string());
            }
            Heard::Deaf => deaf += 1,
            Heard::Back => {}
            other => panic!("{other:?}"),
        }
    }
    println!("deaf {deaf} times");
    assert!(deaf > 0);
    taken
}

/// Breaks something for a while.
async fn break_something(server: &mut Server, what: usize) {
    let of = "FROM pg_stat_activity WHERE application_name = 'chat'";
    match what % 4 {
        0 => {
            server.kill();
            sleep(Duration::from_millis(300)).await;
            server.start_again();
        }
        1 => _ = server.ask(&format!("SELECT pg_terminate_backend(pid) {of}")).await,
        2 => _ = server.ask(&format!("SELECT pg_cancel_backend(pid) {of}")).await,
        _ => _ = server.ask(&format!("SELECT pg_terminate_backend(pid) {of} AND random() < 0.3")).await,
    }
}

async fn survive(seconds: u64, stops: bool) {
    let mut random = seeded();
    let mut server = Server::start(&[]);
    let nodes = [Node::on(&server.url("a")).await, Node::on(&server.url("a")).await];
    let channels: Vec<_> = (0..CHANNELS).map(|n| channel(&format!("room{n}"))).collect();
    for node in &nodes {
        for on in &channels {
            node.join(on.as_str()).await.expect("it is joined");
        }
    }
    let (ends, said) = (AtomicBool::new(false), AtomicU64::new(0));
    let breaking = async {
        let (end, mut broken) = (Instant::now() + Duration::from_secs(seconds), 0);
        while Instant::now() < end {
            sleep(Duration::from_millis(700)).await;
            if stops && broken % 6 == 5 {
                server.signal("STOP");
                sleep(Duration::from_secs(8)).await;
                server.signal("CONT");
            } else {
                break_something(&mut server, broken).await;
            }
            broken += 1;
        }
        ends.store(true, Ordering::Relaxed);
        broken
    };
    let publisher = |node| Publisher { node, channels: &channels, ends: &ends, said: &said };
    let (one, two) = (publisher(&nodes[0]), publisher(&nodes[1]));
    let publishing = async {
        let (one, two, broken) =
            tokio::join!(one.publish(random.fork()), two.publish(random.fork()), breaking);
        for on in &channels {
            while nodes[0].publish(on.as_str(), "mark").await.is_err() {
                sleep(Duration::from_millis(20)).await;
            }
        }
        (one.into_iter().chain(two).collect::<Vec<_>>(), broken)
    };
    let ((acknowledged, broken), here, there) =
        tokio::join!(publishing, listen(&nodes[0]), listen(&nodes[1]));
    println!("{broken} faults, {} said, {} acknowledged", said.load(Ordering::Relaxed), acknowledged.len());
    assert!(acknowledged.len() > 100);
    assert_eq!(here.len(), there.len());
    for taken in [here, there] {
        for (place, body) in &acknowledged {
            assert_eq!(taken.get(place), Some(body), "{place:?} was acknowledged");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_acknowledged_is_heard_by_all_whatever_breaks() {
    let long = std::env::var_os("LONG").is_some();
    survive(if long { 90 } else { 6 }, long).await;
}
