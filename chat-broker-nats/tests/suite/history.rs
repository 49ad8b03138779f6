//! Tests that long histories are read as they were written, from any place in either direction.

use std::time::Duration;

use chat_core::broker::{Broker, Draft};
use chat_core::{HistoryOptions, HistoryRequest, Offset};

use crate::server::{Node, Server, channel, seeded};

const COUNT: u64 = 1500;
const KEPT: u64 = 1000;

fn body(offset: u64) -> String {
    format!("{offset} {}", "x".repeat(offset as usize % 40))
}

/// Publishes in batches of any size, with marks and other channels between.
async fn fill(node: &Node, random: &mut fastrand::Rng) {
    let keep = HistoryOptions::of(KEPT as usize, Duration::from_secs(600)).with_bytes(1 << 30);
    let mut offset = 0;
    while offset < COUNT {
        let batch = random.u64(1..=COUNT.min(30)).min(COUNT - offset);
        let drafts = (1..=batch).map(|n| Draft::new(channel("room"), body(offset + n), keep)).collect();
        let placed = node.broker.publish(node.broker.lane(&channel("room")), drafts).await;
        offset += batch;
        let last = placed.last().expect("one").as_ref().expect("it is placed");
        assert_eq!(last.stand.offset.0, offset);
        if random.u8(0..4) == 0 {
            node.publish("other", "0").await.expect("it is placed");
        }
    }
}

fn expected(request: &HistoryRequest) -> (Vec<u64>, bool) {
    let low = request.after.map_or(0, |after| after.0).max(COUNT - KEPT);
    let high = request.before.map_or(COUNT, |before| before.0.saturating_sub(1)).min(COUNT);
    let mut all: Vec<_> = (low + 1..=high).collect();
    if request.reverse {
        all.reverse();
    }
    let more = all.len() > request.limit;
    all.truncate(request.limit);
    (all, more)
}

#[tokio::test]
async fn any_page_of_a_long_history_is_what_was_published() {
    let (server, mut random) = (Server::start(""), seeded());
    let (node, other) = (Node::on(&server.url("a")).await, Node::on(&server.url("a")).await);
    fill(&node, &mut random).await;
    for _ in 0..200 {
        let place = |random: &mut fastrand::Rng| random.bool().then(|| Offset(random.u64(..COUNT + 10)));
        let mut request = HistoryRequest::of(channel("room"), random.usize(1..300));
        (request.after, request.before, request.reverse) =
            (place(&mut random), place(&mut random), random.bool());
        let page = other.broker.read(request.clone(), 1 << 30).await.expect("a page");
        let offsets: Vec<_> = page.entries.iter().map(|entry| entry.offset.0).collect();
        assert_eq!((offsets, page.more), expected(&request), "{request:?}");
        assert!(page.entries.iter().all(|entry| *entry.body == *body(entry.offset.0)));
    }
}
