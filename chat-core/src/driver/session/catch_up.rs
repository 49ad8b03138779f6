//! Hands a session's subscriptions what they missed, piece by piece as its transport takes it.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::driver::hub::fanout::encode_for;
use crate::driver::hub::shared::Shared;
use crate::driver::outbox::Outbox;
use crate::driver::outbox::subscription::{Delivery, Subscription};
use crate::lock::lock;
use crate::machine::{Event, Missed};
use crate::model::{ChannelId, Offset};

/// Holds the subscriptions of one session that are behind.
#[derive(Default)]
pub(crate) struct CatchUps {
    waiting: VecDeque<CatchUp>,
    /// Holds how many promised bytes its outbox was told of.
    booked: usize,
}

struct CatchUp {
    subscription: Arc<Subscription>,
    /// Holds the offset up to which it has caught up.
    after: Offset,
    /// Holds what was promised to it, whatever becomes of the channel's history meanwhile.
    promised: VecDeque<Event>,
    /// Counts the bytes of what was promised.
    bytes: usize,
}

/// Sets what a promised event costs beside its content, about, in bytes.
const EVENT_WEIGHT: usize = 256;

/// Bounds the events that are handed over at once.
const PIECE: usize = 64;

impl CatchUps {
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Adds a subscription that continues after `after`; it gets `promised` in any case.
    pub(crate) fn add(&mut self, subscription: Arc<Subscription>, after: Offset, promised: Vec<Event>) {
        if !self.waiting.iter().any(|known| Arc::ptr_eq(&known.subscription, &subscription)) {
            let bytes = weight(&promised);
            self.waiting.push_back(CatchUp { subscription, after, promised: promised.into(), bytes });
        }
    }

    pub(crate) fn forget(&mut self, channel: &ChannelId) {
        self.waiting.retain(|known| known.subscription.channel != *channel);
    }

    pub(crate) fn clear(&mut self) {
        self.waiting = VecDeque::new();
    }

    /// Tells the outbox how many bytes are still promised, so that they count with what waits there.
    pub(crate) fn book(&mut self, outbox: &Outbox) {
        let bytes = self.waiting.iter().map(|each| each.bytes).sum();
        if self.booked != bytes {
            self.booked = bytes;
            outbox.promise(bytes);
        }
    }

    /// Hands a piece to the first subscription, which then waits for the others. One that has caught up
    /// receives what is new from now on.
    pub(crate) fn go_on(&mut self, shared: &Shared) -> Delivery {
        let Some(mut first) = self.waiting.pop_front() else { return Delivery::default() };
        match first.next_piece(shared) {
            Piece::Events(events) => {
                let delivery = first.hand_over(&events);
                self.waiting.push_back(first);
                delivery
            }
            Piece::End(delivery) => delivery,
        }
    }
}

enum Piece {
    Events(Vec<Event>),
    /// The subscription has caught up.
    End(Delivery),
}

impl CatchUp {
    fn next_piece(&mut self, shared: &Shared) -> Piece {
        if !self.promised.is_empty() {
            let count = fitting(&self.subscription, self.promised.iter().take(PIECE));
            let events: Vec<_> = self.promised.drain(..count).collect();
            self.bytes -= weight(&events);
            return Piece::Events(events);
        }
        let (subscription, after) = (&self.subscription, self.after);
        let mut end = Delivery::default();
        let mut kept = lock(shared.shard(&subscription.channel)).catch_up(
            &subscription.channel,
            subscription.outbox.session,
            after,
            PIECE,
            |place, presence| end = subscription.go_live(place, after, presence),
        );
        if kept.is_empty() {
            subscription.settle(&mut end);
            return Piece::End(end);
        }
        kept.truncate(fitting(subscription, kept.iter()));
        Piece::Events(kept)
    }

    fn hand_over(&mut self, piece: &[Event]) -> Delivery {
        let (first, last) = (piece[0].place, piece[piece.len() - 1].place);
        let lost = Missed::of(self.after.next(), Offset(first.offset.0 - 1), first.seq - 1);
        self.after = last.offset;
        self.subscription.catch_up(encode_for(&self.subscription, piece), lost)
    }
}

fn weight(events: &[Event]) -> usize {
    events.iter().map(|event| event.bytes() + EVENT_WEIGHT).sum()
}

/// Returns how many of these events may be queued at once: at least one.
fn fitting<'a>(subscription: &Subscription, events: impl Iterator<Item = &'a Event>) -> usize {
    let (room, mut bytes) = (subscription.outbox.room(), 0);
    let fits = events.take_while(|event| {
        let before = bytes;
        bytes += event.bytes();
        before == 0 || before < room
    });
    fits.count()
}
