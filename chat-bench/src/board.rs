//! Counts messages that have been published, are in flight, and came.

use crate::account::{Account, Histogram, Seen};
use crate::wire::{self, Wire};
use crate::workload::Shape;
use std::time::Instant;

/// Holds for each message of a channel how many copies are outstanding.
#[derive(Default)]
struct Channel {
    outstanding: Vec<u32>,
}

/// Holds the state of a publisher. Its channels are those whose number modulo the number of publishers is its
/// own.
#[derive(Default)]
struct Publisher {
    in_flight: usize,
    turns: usize,
}

/// Holds the state of a run that belongs to no connection.
pub(crate) struct Board {
    shape: Shape,
    channels: Vec<Channel>,
    publishers: Vec<Publisher>,
    epoch: Instant,
    /// Holds the time at which publishing began.
    pub(crate) begun: u64,
    stamp_at: usize,
    /// Counts the latencies of messages.
    pub(crate) times: Histogram,
    /// Lists publishers that may have a message to publish.
    pub(crate) ready: Vec<usize>,
    /// Counts the published messages.
    pub(crate) published: u64,
    /// Counts the messages that all subscribers received.
    pub(crate) complete: u64,
    /// Counts the messages that subscribers received, without further copies.
    pub(crate) deliveries: u64,
    /// Counts further copies.
    pub(crate) doubled: u64,
    /// Counts messages that came after a later one.
    pub(crate) out_of_order: u64,
    /// Counts frames that were neither expected nor harmless.
    pub(crate) strays: u64,
}

impl Board {
    /// Starts a run with nothing published.
    pub(crate) fn new(shape: Shape) -> Self {
        Self {
            shape,
            channels: (0..shape.channels()).map(|_| Channel::default()).collect(),
            publishers: (0..shape.publishers).map(|_| Publisher::default()).collect(),
            epoch: Instant::now(),
            begun: 0,
            stamp_at: 0,
            times: Histogram::new(),
            ready: (0..shape.publishers).collect(),
            published: 0,
            complete: 0,
            deliveries: 0,
            doubled: 0,
            out_of_order: 0,
            strays: 0,
        }
    }

    /// Returns the figures of the workload.
    pub(crate) fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Returns the number of publishers.
    pub(crate) fn publishers(&self) -> usize {
        self.publishers.len()
    }

    /// Returns the nanoseconds since the start.
    pub(crate) fn now(&self) -> u64 {
        self.epoch.elapsed().as_nanos() as u64
    }

    /// Writes messages of a publisher until as many as allowed are in flight.
    pub(crate) fn publish(&mut self, publisher: usize, limit: u64, wire: Wire, out: &mut Vec<u8>) {
        while self.may_publish(publisher) && self.published < limit {
            let state = &mut self.publishers[publisher];
            let own = (self.channels.len() - publisher).div_ceil(self.shape.publishers);
            let channel = publisher + state.turns % own * self.shape.publishers;
            state.turns += 1;
            state.in_flight += 1;
            self.published += 1;
            let now = self.now();
            let outstanding = &mut self.channels[channel].outstanding;
            wire.publish(
                out,
                self.shape.first_channel + channel,
                &wire::content(outstanding.len() as u64, now),
            );
            outstanding.push(self.shape.readers() as u32);
        }
    }

    fn may_publish(&self, publisher: usize) -> bool {
        let state = &self.publishers[publisher];
        match self.shape.rate.filter(|_| publisher == 0) {
            Some(rate) => (state.turns as u64) * 1_000_000_000 < (self.now() - self.begun) * rate,
            None => state.in_flight < self.shape.in_flight,
        }
    }

    /// Records all messages of a frame that may hold several.
    pub(crate) fn deliver_all(&mut self, account: &mut Account, channel: usize, payload: &[u8], now: u64) {
        let before = self.deliveries + self.strays + self.doubled;
        for stamps in wire::all_stamps(payload) {
            self.count(account, channel, Some(stamps), now);
        }
        if self.deliveries + self.strays + self.doubled == before {
            self.strays += 1;
        }
    }

    /// Records that a subscriber of a channel received a message.
    pub(crate) fn deliver(&mut self, account: &mut Account, channel: usize, payload: &[u8], now: u64) {
        let stamps = wire::stamps(payload, &mut self.stamp_at);
        self.count(account, channel, stamps, now);
    }

    fn count(&mut self, account: &mut Account, channel: usize, stamps: Option<(u64, u64)>, now: u64) {
        let Some((sequence, stamp)) = stamps else {
            self.strays += 1;
            return;
        };
        let Some(copies) = self.channels[channel].outstanding.get_mut(sequence as usize) else {
            self.strays += 1;
            return;
        };
        match account.record(sequence) {
            Seen::Again => {
                self.doubled += 1;
                return;
            }
            Seen::Late => self.out_of_order += 1,
            Seen::New => {}
        }
        *copies -= 1;
        self.deliveries += 1;
        self.times.record(now.saturating_sub(stamp));
        if *copies == 0 {
            let publisher = channel % self.shape.publishers;
            self.complete += 1;
            self.publishers[publisher].in_flight -= 1;
            self.ready.push(publisher);
        }
    }

    /// Returns how many messages of a channel its subscriber never received.
    pub(crate) fn lost(&self, account: &Account, channel: usize) -> u64 {
        account.lost(self.channels[channel].outstanding.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn board() -> Board {
        Board::new(Shape { subscribers: 4, per_channel: 2, ..crate::workload::Workload::W1x1.shape() })
    }

    #[test]
    fn a_message_leaves_flight_when_all_have_it() {
        let (mut board, mut out) = (board(), Vec::new());
        board.publish(0, 10, Wire::Floor, &mut out);
        assert_eq!((board.published, out.len()), (1, 8 + wire::content(0, 0).len()));
        board.ready.clear();
        let (mut one, mut two) = (Account::default(), Account::default());
        board.deliver(&mut one, 0, &out[8..], 5);
        board.deliver(&mut one, 0, &out[8..], 5);
        assert_eq!((board.complete, board.doubled, board.ready.len()), (0, 1, 0));
        board.deliver(&mut two, 0, &out[8..], 5);
        assert_eq!((board.complete, board.deliveries, board.ready.as_slice()), (1, 2, &[0][..]));
        board.publish(0, 10, Wire::Floor, &mut out);
        assert_eq!(out[8 + wire::content(0, 0).len()..][..4], [1, 0, 0, 0]);
        assert_eq!((board.lost(&one, 0), board.lost(&Account::default(), 1)), (0, 1));
    }

    #[test]
    fn what_was_never_published_is_astray() {
        let (mut board, mut account) = (board(), Account::default());
        board.deliver(&mut account, 0, wire::content(0, 0).as_bytes(), 0);
        board.deliver(&mut account, 0, b"{}", 0);
        assert_eq!((board.strays, board.deliveries, board.lost(&account, 0)), (2, 0, 0));
    }
}
