//! Holds a session's deadlines, as data.

use crate::model::Instant;

/// Names the events that a session may have a deadline for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timer {
    /// Ends the time in which the session has to open.
    Open,
    /// Makes the next ping due.
    Ping,
    /// Ends the time in which the peer has to send something after a ping.
    Pong,
    /// Ends the time in which the transport has to take some of the waiting frames.
    Write,
    /// Ends the time in which the peer has to answer a close.
    Close,
    /// Resumes reading: of a peer that sends requests faster than it may, or of one that does not answer a
    /// close.
    Read,
    /// Ends the time before which the session has to be refreshed.
    Expiry,
}

const ALL: [Timer; 7] =
    [Timer::Open, Timer::Ping, Timer::Pong, Timer::Write, Timer::Close, Timer::Read, Timer::Expiry];

/// Holds at most one deadline of each kind.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Timers([Option<Instant>; ALL.len()]);

impl Timers {
    pub(crate) fn set(&mut self, timer: Timer, deadline: Instant) {
        self.0[timer as usize] = Some(deadline);
    }

    /// Sets the timer's deadline, or clears it.
    pub(crate) fn put(&mut self, timer: Timer, deadline: Option<Instant>) {
        self.0[timer as usize] = deadline;
    }

    pub(crate) fn get(&self, timer: Timer) -> Option<Instant> {
        self.0[timer as usize]
    }

    pub(crate) fn is_set(&self, timer: Timer) -> bool {
        self.0[timer as usize].is_some()
    }

    pub(crate) fn clear(&mut self, timer: Timer) {
        self.0[timer as usize] = None;
    }

    pub(crate) fn clear_all(&mut self) {
        *self = Self::default();
    }

    /// Returns the next deadline.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.0.iter().flatten().min().copied()
    }

    /// Takes out one timer that is due.
    pub(crate) fn take_due(&mut self, now: Instant) -> Option<Timer> {
        let due = ALL.into_iter().find(|timer| self.0[*timer as usize].is_some_and(|at| at <= now))?;
        self.clear(due);
        Some(due)
    }
}
