//! What a session's subscriptions missed, handed to them piece by piece as its transport takes it.

use std::collections::VecDeque;
use std::sync::Arc;

use super::fanout::encode_for;
use super::hub::Hub;
use super::subscription::{Delivery, Subscription};
use crate::lock::lock;
use crate::machine::{Event, Loss};
use crate::model::{ChannelId, Offset};

/// The subscriptions of one session that are behind.
#[derive(Default)]
pub(crate) struct CatchUps(VecDeque<CatchUp>);

struct CatchUp {
    subscription: Arc<Subscription>,
    /// How far it has come.
    after: Offset,
    /// What was promised to it, whatever becomes of the channel's history meanwhile.
    promised: VecDeque<Event>,
}

/// The most events that are taken along at once.
const PIECE: usize = 64;

impl CatchUps {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A subscription goes on after `after`; `promised` it gets in any case.
    pub(crate) fn add(&mut self, subscription: Arc<Subscription>, after: Offset, promised: Vec<Event>) {
        if !self.0.iter().any(|known| Arc::ptr_eq(&known.subscription, &subscription)) {
            self.0.push_back(CatchUp { subscription, after, promised: promised.into() });
        }
    }

    pub(crate) fn forget(&mut self, channel: &ChannelId) {
        self.0.retain(|known| known.subscription.channel != *channel);
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Hands a piece to the first, which then waits for the others. One that has caught up hears what is new from now on.
    pub(crate) fn go_on(&mut self, hub: &Hub) -> Delivery {
        let Some(mut first) = self.0.pop_front() else { return Delivery::default() };
        match first.next_piece(hub) {
            Piece::Events(events) => {
                let delivery = first.hand_over(&events);
                self.0.push_back(first);
                delivery
            }
            Piece::End(delivery) => delivery,
        }
    }
}

enum Piece {
    Events(Vec<Event>),
    /// There is nothing more to catch up with.
    End(Delivery),
}

impl CatchUp {
    fn next_piece(&mut self, hub: &Hub) -> Piece {
        if !self.promised.is_empty() {
            let count = fitting(&self.subscription, self.promised.iter().take(PIECE));
            return Piece::Events(self.promised.drain(..count).collect());
        }
        let (subscription, after) = (&self.subscription, self.after);
        let mut end = Delivery::default();
        let mut kept = lock(hub.shard(&subscription.channel)).catch_up(
            &subscription.channel,
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
        let lost = Loss::of(self.after.next(), Offset(first.offset.0 - 1), first.seq - 1);
        self.after = last.offset;
        self.subscription.catch_up(encode_for(&self.subscription, piece), lost)
    }
}

/// How many of these may be queued at once: at least one.
fn fitting<'a>(subscription: &Subscription, events: impl Iterator<Item = &'a Event>) -> usize {
    let (room, mut bytes) = (subscription.outbox.room(), 0);
    let fits = events.take_while(|event| {
        let before = bytes;
        bytes += event.bytes();
        before == 0 || before < room
    });
    fits.count()
}
