//! Publications on their way out: encoded once per encoding in use, handed to each subscriber by reference.

use std::hint::black_box;
use std::sync::Arc;

use super::memory::shed_load;
use super::shared::Shared;
use crate::driver::outbox::encoding::Encoding;
use crate::driver::outbox::subscription::{Delivery, Subscription};
use crate::lock::lock;
use crate::machine::{Event, EventKind, Fanout};
use crate::model::{Batch, ChannelId};

/// So many subscribers are handed something by whoever flushes. The rest goes on in a task of its own, so that a channel of thousands, and what
/// others publish meanwhile, does not hold up a session, a thread, or `Hub::publish`.
const AT_ONCE: usize = 1024;

/// What each walk counts for at least, so that there are at most 16 of them.
const LEAST: usize = AT_ONCE / 16;

/// So many are handed something before such a task lets all others go first: about a tenth of a millisecond of socket writes, beside which giving way costs a hundredth.
const PIECE: usize = 16;

/// So many subscribers are looked at together before they are handed anything: the processor then fetches their memory at once, not one after the other.
const AHEAD: usize = 16;

/// Fans out what is pending in a channel, and what comes while it does. Returns at once if another flush is under way: that one takes it along.
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

/// What a flush took out of its channel, and the role of the one who flushes it. Dropped before its end, be it by a panic or by a runtime that drops
/// its tasks, it puts both back: who was handed the events already does not hear them twice, and the next flush takes them along.
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

    /// Ends it, and begins the next if more has come.
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

/// How far a walk over the subscribers has come.
struct Round<'a> {
    shared: &'a Shared,
    fanout: &'a Fanout<Arc<Subscription>>,
    batches: Batches<'a>,
    /// How many subscribers are done.
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

    /// Hands the events to at most so many more; true if there are others still.
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

/// The batches of one walk, one per encoding, each made for the first who needs it. Who observes gets another only if somebody came or went.
struct Batches<'a> {
    events: &'a [Event],
    /// Somebody came or went.
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

/// What a subscriber hears of these, as one run of bytes.
pub(crate) fn encode_for(subscription: &Subscription, events: &[Event]) -> Batch {
    let hears = |event: &&Event| match event.is_presence() {
        true => subscription.observes,
        false => subscription.echo || !is_own(subscription, event),
    };
    let heard: Vec<_> = events.iter().filter(hears).collect();
    subscription.outbox.encoding.events(heard.into_iter())
}
