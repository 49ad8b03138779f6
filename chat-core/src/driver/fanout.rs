//! Publications on their way out: encoded once per encoding in use, handed to each subscriber by reference.

use std::hint::black_box;
use std::sync::Arc;

use super::encoding::Encoding;
use super::hub::Hub;
use super::subscription::{Delivery, Subscription};
use crate::lock::lock;
use crate::machine::{Event, Fanout, Told};
use crate::model::{Batch, ChannelId};

/// After so many rounds a flusher hands its role to a task of its own, so that the messages of others do not hold up its session for ever.
const ROUNDS: usize = 16;

/// So many subscribers are looked at together before they are handed anything: the processor then fetches their memory at once, not one after the other.
const AHEAD: usize = 16;

/// Fans out what is pending in a channel, and what comes while it does. Returns at once if another flush is under way: that one takes it along.
pub(crate) fn flush(hub: &Hub, channel: &ChannelId) {
    let first = lock(hub.shard(channel)).flush(channel);
    rounds(hub, channel, first);
}

fn rounds(hub: &Hub, channel: &ChannelId, mut next: Option<Fanout<Arc<Subscription>>>) {
    for _ in 0..ROUNDS {
        let Some(fanout) = next else { return };
        next = Round { hub, channel, fanout: &fanout }.walk();
    }
    hand_over(hub, channel, next);
}

fn hand_over(hub: &Hub, channel: &ChannelId, next: Option<Fanout<Arc<Subscription>>>) {
    if next.is_some() {
        let (later, channel) = (hub.clone(), channel.clone());
        hub.0.runtime.spawn(Box::pin(async move { rounds(&later, &channel, next) }));
    }
}

/// Hands events to one subscriber alone.
pub(crate) fn deliver_to(subscription: &Subscription, events: &[Event]) -> Delivery {
    subscription.deliver(&Arc::new(encode_for(subscription, events)))
}

/// One walk over the subscribers. If an encoder panics, the channel can be flushed again all the same.
struct Round<'a> {
    hub: &'a Hub,
    channel: &'a ChannelId,
    fanout: &'a Fanout<Arc<Subscription>>,
}

impl Round<'_> {
    fn walk(self) -> Option<Fanout<Arc<Subscription>>> {
        self.deliver();
        let next = self.end();
        std::mem::forget(self);
        next
    }

    fn deliver(&self) {
        let events = &self.fanout.events;
        let mut shared = Shared::default();
        let mut sum = Delivery::default();
        for ahead in self.fanout.subscribers.chunks(AHEAD) {
            black_box(ahead.iter().fold(0, |sum, subscription| sum ^ subscription.glance()));
            for subscription in ahead {
                let delivery = if !subscription.echo && has_own(subscription, events) {
                    deliver_to(subscription, events)
                } else {
                    subscription.deliver(shared.batch(subscription, events))
                };
                sum.taken += delivery.taken;
                sum.dropped += delivery.dropped;
                sum.late += delivery.late;
            }
        }
        self.hub.0.metrics.delivered(sum);
        self.hub.relieve();
    }

    fn end(&self) -> Option<Fanout<Arc<Subscription>>> {
        lock(self.hub.shard(self.channel)).flushed(self.channel, self.fanout.epoch)
    }
}

impl Drop for Round<'_> {
    fn drop(&mut self) {
        hand_over(self.hub, self.channel, self.end());
    }
}

/// The batches of one walk, one per encoding, each made for the first who needs it. Who observes gets another only if somebody came or went.
#[derive(Default)]
struct Shared(Vec<(Arc<Encoding>, bool, Arc<Batch>)>);

impl Shared {
    fn batch(&mut self, subscription: &Subscription, events: &[Event]) -> &Arc<Batch> {
        let encoding = &subscription.outbox.encoding;
        let all = subscription.observes || !events.iter().any(Event::is_presence);
        let known =
            self.0.iter().position(|(known, known_all, _)| Arc::ptr_eq(known, encoding) && *known_all == all);
        let place = known.unwrap_or_else(|| {
            let heard: Vec<_> = events.iter().filter(|event| all || !event.is_presence()).collect();
            let batch = Arc::new(encoding.events(heard.into_iter()));
            self.0.push((encoding.clone(), all, batch));
            self.0.len() - 1
        });
        &self.0[place].2
    }
}

fn has_own(subscription: &Subscription, events: &[Event]) -> bool {
    events.iter().any(|event| is_own(subscription, event))
}

fn is_own(subscription: &Subscription, event: &Event) -> bool {
    matches!(&event.told, Told::Said(publication) if publication.from == Some(subscription.outbox.session))
}

/// What a subscriber hears of these, as one run of bytes.
pub(crate) fn encode_for(subscription: &Subscription, events: &[Event]) -> Batch {
    let hears = |event: &&Event| match event.is_presence() {
        true => subscription.observes,
        false => subscription.echo || !is_own(subscription, event),
    };
    let heard: Vec<_> = events.iter().filter(hears).collect();
    subscription.outbox.encoding.events(heard.into_iter())
}
