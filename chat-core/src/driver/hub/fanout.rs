//! Fans out publications: encodes them once per encoding in use, and hands them to each subscriber by
//! reference.

use std::hint::black_box;
use std::sync::Arc;

use super::memory::shed_load;
use super::shared::Shared;
use crate::driver::outbox::encoding::Encoding;
use crate::driver::outbox::subscription::{Delivery, Subscription};
use crate::lock::lock;
use crate::machine::{Event, EventKind, Fanout};
use crate::model::{Batch, ChannelId};

/// Bounds how many subscribers the caller of a flush serves itself. The rest is served by a task of its own,
/// so that a channel of thousands, and what others publish meanwhile, does not hold up a session, a thread,
/// or `Hub::publish`.
const AT_ONCE: usize = 1024;

/// Sets the least that each walk counts for, so that there are at most 16 of them.
const LEAST: usize = AT_ONCE / 16;

/// Sets how many subscribers such a task serves before it yields to all others: that is about a tenth of a
/// millisecond of socket writes, beside which yielding costs a hundredth.
const PIECE: usize = 16;

/// Sets how many subscribers are looked at together before any of them is served: the processor then fetches
/// their memory at once, and not one after the other.
const AHEAD: usize = 16;

/// Fans out what is pending in a channel, and what is published while it does so. Returns at once if another
/// flush is under way, which takes the pending events along.
pub(crate) fn flush(shared: &Arc<Shared>, channel: &ChannelId) {
    let mut next = Walk::begin(shared, channel);
    let mut left = AT_ONCE;
    while let Some(walk) = next {
        let cost = walk.fanout.subscribers.len().max(LEAST);
        if cost > left {
            return shared.runtime.spawn(Box::pin(go_on_in_pieces(walk)));
        }
        left -= cost;
        Round::of(&walk).deliver(usize::MAX);
        next = walk.end();
    }
}

async fn go_on_in_pieces(first: Walk) {
    let runtime = first.shared.runtime.clone();
    let mut next = Some(first);
    while let Some(walk) = next {
        let mut round = Round::of(&walk);
        while round.deliver(PIECE) {
            runtime.yield_now().await;
        }
        next = walk.end();
        if next.is_some() {
            runtime.yield_now().await;
        }
    }
}

/// Hands events to one subscriber alone.
pub(crate) fn deliver_to(subscription: &Subscription, events: &[Event]) -> Delivery {
    subscription.deliver(&Arc::new(encode_for(subscription, events)))
}

/// Holds what a flush took out of its channel, and the duty to flush it. If it is dropped before its end, by
/// a panic or by a runtime that drops its tasks, it puts both back: the next flush takes the events along,
/// and a subscriber that has received them already does not receive them twice.
struct Walk {
    shared: Arc<Shared>,
    channel: ChannelId,
    fanout: Fanout<Arc<Subscription>>,
    ended: bool,
}

impl Walk {
    fn begin(shared: &Arc<Shared>, channel: &ChannelId) -> Option<Self> {
        let fanout = lock(shared.shard(channel)).flush(channel)?;
        Some(Self { shared: shared.clone(), channel: channel.clone(), fanout, ended: false })
    }

    /// Ends the walk, and begins the next if more has been published.
    fn end(mut self) -> Option<Self> {
        self.ended = true;
        let next = lock(self.shared.shard(&self.channel)).flushed(&self.channel, self.fanout.life);
        next.map(|fanout| Self {
            shared: self.shared.clone(),
            channel: self.channel.clone(),
            fanout,
            ended: false,
        })
    }
}

impl Drop for Walk {
    fn drop(&mut self) {
        if !self.ended {
            lock(self.shared.shard(&self.channel)).give_back(&self.channel, &self.fanout);
        }
    }
}

/// Tracks how far a walk over the subscribers has come.
struct Round<'a> {
    shared: &'a Shared,
    fanout: &'a Fanout<Arc<Subscription>>,
    batches: Batches<'a>,
    /// Counts the subscribers that are served.
    done: usize,
}

impl<'a> Round<'a> {
    fn of(walk: &'a Walk) -> Self {
        Self {
            shared: &walk.shared,
            fanout: &walk.fanout,
            batches: Batches::of(&walk.fanout.events),
            done: 0,
        }
    }

    /// Hands the events to at most `most` more subscribers. Returns true if others are left.
    fn deliver(&mut self, most: usize) -> bool {
        let events = &self.fanout.events;
        let rest = &self.fanout.subscribers[self.done..];
        let piece = &rest[..most.min(rest.len())];
        let mut sum = Delivery::default();
        for ahead in piece.chunks(AHEAD) {
            black_box(ahead.iter().fold(0, |sum, subscription| sum ^ subscription.glance()));
            for subscription in ahead {
                let delivery = if subscription.outbox.encoding.own
                    || (!subscription.echo && has_own(subscription, events))
                {
                    deliver_to(subscription, events)
                } else {
                    subscription.deliver(self.batches.batch(subscription))
                };
                sum.taken += delivery.taken;
                sum.dropped += delivery.dropped;
                sum.late += delivery.late;
            }
        }
        self.done += piece.len();
        self.shared.metrics.delivered(sum);
        shed_load(self.shared);
        piece.len() < rest.len()
    }
}

/// Holds the batches of one walk, one per encoding, each encoded for the first subscriber that needs it. A
/// subscriber that observes presence gets a batch of its own kind only if somebody joined or left.
struct Batches<'a> {
    events: &'a [Event],
    /// Is true if somebody joined or left.
    presence: bool,
    batches: Vec<(&'a Arc<Encoding>, bool, Arc<Batch>)>,
}

impl<'a> Batches<'a> {
    fn of(events: &'a [Event]) -> Self {
        Self { events, presence: events.iter().any(Event::is_presence), batches: Vec::new() }
    }

    fn batch(&mut self, subscription: &'a Subscription) -> &Arc<Batch> {
        let encoding = &subscription.outbox.encoding;
        let all = subscription.observes || !self.presence;
        let is = |(known, known_all, _): &(&Arc<_>, _, _)| Arc::ptr_eq(known, encoding) && *known_all == all;
        let place = self.batches.iter().position(is).unwrap_or_else(|| {
            let heard: Vec<_> = self.events.iter().filter(|event| all || !event.is_presence()).collect();
            let batch = Arc::new(encoding.events(heard.into_iter()));
            self.batches.push((encoding, all, batch));
            self.batches.len() - 1
        });
        &self.batches[place].2
    }
}

fn has_own(subscription: &Subscription, events: &[Event]) -> bool {
    events.iter().any(|event| is_own(subscription, event))
}

fn is_own(subscription: &Subscription, event: &Event) -> bool {
    matches!(&event.kind, EventKind::Publication(publication) if publication.from == Some(subscription.outbox.session))
}

/// Encodes what a subscriber receives of these events, as one run of bytes.
pub(crate) fn encode_for(subscription: &Subscription, events: &[Event]) -> Batch {
    let hears = |event: &&Event| match event.is_presence() {
        true => subscription.observes,
        false => subscription.echo || !is_own(subscription, event),
    };
    let heard: Vec<_> = events.iter().filter(hears).collect();
    subscription.outbox.encoding.events(heard.into_iter())
}
