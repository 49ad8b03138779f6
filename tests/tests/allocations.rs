//! Tests that a publication allocates nothing for each subscriber, and little for each message.

use allocation_counter::measure;
use chat_core::testkit::Audience;
use chat_core::{Hub, HubBuilder, Limits, OpenChat, Payload, Publish, Rate};
use std::time::Duration;

fn hub() -> HubBuilder {
    let limits = Limits::default().with_requests(Rate::UNBOUNDED);
    Hub::builder(OpenChat::default()).limits(limits).history(100, Duration::from_secs(300))
}

/// Counts the allocations of one turn that publishes this many messages, once the history is full and all
/// buffers have grown.
fn allocations(subscribers: usize, messages: u8) -> u64 {
    let audience = Audience::new(hub(), subscribers, &Payload::json(format!("\"{}\"", "x".repeat(128))));
    (0..200).for_each(|_| audience.hear(messages));
    let before = audience.hub().stats().deliveries;
    let counted = measure(|| audience.hear(messages)).count_total;
    let delivered = audience.hub().stats().deliveries - before;
    assert_eq!(delivered, subscribers as u64 * u64::from(messages), "all hear all");

    counted
}

#[test]
fn a_delivery_allocates_nothing() {
    for messages in [1, 16] {
        assert_eq!(allocations(1_000, messages), allocations(10, messages), "{messages} messages");
    }
}

#[test]
fn a_publication_allocates_twice_at_most_when_sixteen_are_flushed_together() {
    let content = Payload::json(format!("\"{}\"", "x".repeat(128)));
    let audience = Audience::new(hub(), 1_000, &content);
    let all = || (0..16).map(|_| Publish::to(audience.channel().clone(), content.clone()));
    (0..200).for_each(|_| drop(audience.hub().publish_batch(all())));
    let counted = measure(|| drop(audience.hub().publish_batch(all()))).count_total;
    assert!(counted <= 2 * 16, "{counted} allocations for 16 publications");
}
