//! One publish to 1,000 subscribers, for a tool that counts what it takes: `tests/instructions.sh`.

use std::time::Duration;

use chat_core::testkit::Audience;
use chat_core::{Hub, Limits, OpenChat, Payload, Rate};

fn main() {
    let content = Payload::json(format!("\"{}\"", "x".repeat(128)));
    let limits = Limits::default().with_requests(Rate::UNBOUNDED);
    let hub = Hub::builder(OpenChat::default()).limits(limits).history(100, Duration::from_secs(300));
    let audience = Audience::new(hub, 1_000, &content);
    // Until the history is full, and all that grows has grown.
    (0..200).for_each(|_| audience.hear(1));
    one_publish(&audience);
    assert_eq!(audience.hub().stats().deliveries, 201 * 1_000);
}

/// Publishes once, which is counted.
#[inline(never)]
fn one_publish(audience: &Audience) {
    audience.hear(1);
}
