//! Sets the deadlines of a session, and acts when they pass.

use futures::Stream;

use super::{Connection, INBOX, PAUSE, POLL};
use crate::driver::hub::notices;
use crate::driver::outbox::control::Manner;
use crate::driver::outbox::outlet::Outlet;
use crate::machine::{Phase, Timer};
use crate::model::{Close, Incoming, InputError, Kind, or_never};

#[expect(private_bounds, reason = "there are two ways out, and no third to be written outside")]
impl<I, O> Connection<I, O>
where
    I: Stream<Item = Result<Incoming, InputError>> + Unpin,
    O: Outlet,
{
    pub(super) fn written(&mut self) {
        self.stalled = None;
        self.alarm.clear(Timer::Write);
    }

    /// Sets a deadline if something waits and the transport takes nothing.
    pub(super) fn watch_write(&mut self) {
        let stalled = self.session.outbox.stalled();
        if stalled != self.stalled {
            self.stalled = stalled;
            let limits = &self.session.shared().limits;
            let patience = match self.closing.is_open() {
                true => or_never(limits.write_timeout),
                false => or_never(limits.write_timeout).min(limits.close_timeout),
            };
            match stalled {
                Some(_) => self.alarm.set(Timer::Write, patience),
                None => self.alarm.clear(Timer::Write),
            }
        }
    }

    /// Pings the peer, with the protocol's own ping or the transport's. Returns false if there is neither.
    fn ask_whether_it_is_there(&mut self) -> bool {
        let asked = self.session.ping();
        if !asked && self.answers.pings {
            self.session.control(Kind::Ping, &[]);
        }
        asked || self.answers.pings
    }

    /// Returns true while no request is begun and nothing is read: the transport is to take answers first,
    /// the client has asked too much before it came back, or hooks of channels are behind.
    pub(super) fn begins_nothing(&mut self) -> bool {
        self.held = self.session.outbox.is_answered_enough();
        if self.held {
            return true;
        }
        if let Some(room) = self.session.idle_until() {
            self.alarm.put(Timer::Read, Some(room));
            return true;
        }
        let is_behind = notices::is_behind(self.session.shared());
        if is_behind {
            self.alarm.set(Timer::Read, PAUSE);
        }
        is_behind
    }

    /// Returns true if the peer is not read, since requests wait for a hook, or answers for the transport, or
    /// since it asks faster than it may.
    fn is_unread(&self) -> bool {
        self.held || self.session.waiting() >= INBOX || self.alarm.is_set(Timer::Read)
    }

    pub(super) fn ring(&mut self, timer: Timer) {
        let (ping, pong) = {
            let limits = &self.session.shared().limits;
            (or_never(limits.ping_interval), or_never(limits.pong_timeout))
        };
        match timer {
            Timer::Open if self.session.phase() == Phase::Opening => self.end(Close::STALE, Manner::Graceful),
            Timer::Open => {}
            Timer::Ping => {
                self.alarm.set(Timer::Ping, ping);
                if self.ask_whether_it_is_there() && !self.alarm.is_set(Timer::Pong) {
                    self.alarm.set(Timer::Pong, pong);
                }
            }
            // The peer's pong may stand behind what is not read yet: then it is not the peer that is silent.
            Timer::Pong if self.is_unread() => self.alarm.set(Timer::Pong, pong),
            Timer::Pong => self.end(Close::NO_PONG, Manner::AtOnce),
            Timer::Write if self.session.outbox.stalled() == self.stalled && self.stalled.is_some() => {
                match self.closing.is_open() {
                    true => self.end(Close::SLOW, Manner::AtOnce),
                    false => self.lose(),
                }
            }
            Timer::Write => self.stalled = None,
            Timer::Close => {
                self.session.shared().metrics.cut_short("close");
                self.lose();
            }
            Timer::Read => self.farewell = self.farewell.max(POLL),
            Timer::Expiry if self.session.expire() => self.alarm.put(Timer::Expiry, self.session.expires()),
            Timer::Expiry => self.end(Close::EXPIRED, Manner::Graceful),
        }
    }
}
