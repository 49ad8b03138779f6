//! Remembers the rates and strikes of sessions that have ended, so that a client that reconnects does not
//! start anew with them.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use super::meter::Meter;
use crate::model::{Instant, Peer, SessionInfo, UserId};

/// Bounds how long after a session its strikes count against the next one.
const MEMORY: Duration = Duration::from_secs(600);

/// Names the owner of a record. A user's record holds for one address, so that nobody else can use up the
/// user's rates.
///
/// The record of an address alone counts only for sessions that were never let in, and only until the next
/// one is let in: clients that share the address with others (NAT) are known by their user then, and do not
/// pay for anybody else.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Whose {
    User(UserId, Option<Peer>),
    Peer(Peer),
}

impl Whose {
    /// Returns the owner of the record of a session that was let in. Returns none if all that is known of the
    /// session is a name that anybody may choose.
    pub(crate) fn of(session: &SessionInfo, peer: Option<Peer>) -> Option<Self> {
        let is_known = peer.is_some() || session.user.as_str() != session.name.as_str();
        is_known.then(|| Self::User(session.user.clone(), peer))
    }
}

/// Holds the strikes and the used rates of a session.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Record {
    pub(crate) strikes: u32,
    pub(crate) requests: Meter,
    pub(crate) controls: Meter,
}

/// Holds the records of sessions that have ended, bounded in number. Beyond the bound the record is forgotten
/// that was touched longest ago.
#[derive(Debug, Default)]
pub(crate) struct Records {
    all: HashMap<Whose, Entry>,
    /// Orders the records by when they were touched.
    order: BTreeMap<u64, Whose>,
    next: u64,
}

#[derive(Debug)]
struct Entry {
    record: Record,
    until: Instant,
    touched: u64,
}

impl Record {
    /// Joins two records: the strikes of both, and the later of the meters.
    pub(crate) fn with(self, other: Self) -> Self {
        Self {
            strikes: self.strikes.saturating_add(other.strikes),
            requests: self.requests.later(other.requests),
            controls: self.controls.later(other.controls),
        }
    }

    /// Returns the record without anything that counts for longer than `until`.
    fn at_most(self, until: Instant) -> Self {
        let (requests, controls) = (self.requests.at_most(until), self.controls.at_most(until));
        Self { requests, controls, ..self }
    }

    /// Returns until when there is anything to remember, or none if there is nothing.
    pub(crate) fn until(&self, now: Instant) -> Option<Instant> {
        let strikes = (self.strikes > 0).then(|| now + MEMORY);
        let until =
            [strikes, self.requests.busy_until(), self.controls.busy_until()].into_iter().flatten().max();
        until.filter(|until| *until > now)
    }
}

impl Records {
    /// Returns the record of an owner, or an empty one if none counts any more.
    pub(crate) fn of(&self, whose: &Whose, now: Instant) -> Record {
        let entry = self.all.get(whose).filter(|entry| entry.until > now);
        entry.map(|entry| entry.record).unwrap_or_default()
    }

    /// Adds the record of a session. Returns true if another record, which still counted, was forgotten for
    /// it.
    pub(crate) fn add(&mut self, whose: Whose, did: Record, most: usize, now: Instant) -> bool {
        let record = self.of(&whose, now).with(did).at_most(now + MEMORY);
        let Some(until) = record.until(now) else { return false };
        self.next += 1;
        let entry = Entry { record, until, touched: self.next };
        if let Some(before) = self.all.insert(whose.clone(), entry) {
            self.order.remove(&before.touched);
        }
        self.order.insert(self.next, whose);
        self.shorten(most, now)
    }

    fn shorten(&mut self, most: usize, now: Instant) -> bool {
        let mut forgot = false;
        while let Some((touched, whose)) = self.order.first_key_value() {
            let counts = self.all[whose].until > now;
            if counts && self.all.len() <= most {
                break;
            }
            forgot |= counts;
            let (touched, whose) = (*touched, whose.clone());
            self.order.remove(&touched);
            self.all.remove(&whose);
        }
        forgot
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start() -> Instant {
        Instant::START
    }

    fn user(name: &str) -> Whose {
        Whose::User(name.parse().expect("a name"), None)
    }

    fn strikes(strikes: u32) -> Record {
        Record { strikes, ..Record::default() }
    }

    #[test]
    fn strikes_add_up_and_count_for_ten_minutes() {
        let (mut records, now) = (Records::default(), start());
        assert!(!records.add(user("ann"), strikes(2), 10, now));
        assert!(!records.add(user("ann"), strikes(3), 10, now));
        assert_eq!(records.of(&user("ann"), now).strikes, 5);
        assert_eq!(records.of(&user("bob"), now).strikes, 0);
        assert_eq!(records.of(&user("ann"), now + MEMORY).strikes, 0);
        assert!(!records.add(user("bob"), strikes(1), 10, now + MEMORY));
        assert_eq!(records.all.len(), 1, "what counts no more is gone");
    }

    #[test]
    fn a_full_table_forgets_the_oldest_and_nobody_who_did_nothing_is_in_it() {
        let (mut records, now) = (Records::default(), start());
        assert!(!records.add(user("quiet"), Record::default(), 2, now));
        assert!(records.all.is_empty());
        for name in ["a", "b", "a"] {
            assert!(!records.add(user(name), strikes(1), 2, now));
        }
        assert!(records.add(user("c"), strikes(1), 2, now));
        assert_eq!([user("a"), user("b"), user("c")].map(|who| records.of(&who, now).strikes), [2, 0, 1]);
        assert_eq!(records.order.len(), 2);
    }
}
