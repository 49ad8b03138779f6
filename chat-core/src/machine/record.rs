//! What is remembered of those who were here: so that who comes back does not begin anew with its rates and strikes.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use super::meter::Meter;
use crate::model::{Instant, Peer, SessionInfo, UserId};

/// For so long after a session strikes count against the next one.
const MEMORY: Duration = Duration::from_secs(600);

/// Whose it is. A user's holds where it comes from: nobody else can use up what is another's. An address alone stands only for sessions that were never
/// let in, and only until the next one is: whoever shares it with others (NAT) is somebody by then, and pays for nobody else.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Whose {
    User(UserId, Option<Peer>),
    Peer(Peer),
}

impl Whose {
    /// A session's that was let in. Nobody's, if all that is known of it is a name that anybody may choose.
    pub(crate) fn of(session: &SessionInfo, peer: Option<Peer>) -> Option<Self> {
        let is_known = peer.is_some() || session.user.as_str() != session.name.as_str();
        is_known.then(|| Self::User(session.user.clone(), peer))
    }
}

/// How a session stands with its bounds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Record {
    pub(crate) strikes: u32,
    pub(crate) requests: Meter,
    pub(crate) controls: Meter,
}

/// The records of those who are gone, bounded in number: over that the one goes that was touched longest ago.
#[derive(Debug, Default)]
pub(crate) struct Records {
    all: HashMap<Whose, Entry>,
    /// By when they were touched.
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
    /// Both together: the strikes of both, and the later of the meters.
    pub(crate) fn with(self, other: Self) -> Self {
        Self {
            strikes: self.strikes.saturating_add(other.strikes),
            requests: self.requests.later(other.requests),
            controls: self.controls.later(other.controls),
        }
    }

    /// With nothing that counts for longer than that.
    fn at_most(self, until: Instant) -> Self {
        let (requests, controls) = (self.requests.at_most(until), self.controls.at_most(until));
        Self { requests, controls, ..self }
    }

    /// Until when there is anything to remember.
    pub(crate) fn until(&self, now: Instant) -> Option<Instant> {
        let strikes = (self.strikes > 0).then(|| now + MEMORY);
        let until =
            [strikes, self.requests.busy_until(), self.controls.busy_until()].into_iter().flatten().max();
        until.filter(|until| *until > now)
    }
}

impl Records {
    /// What is remembered, if it counts still.
    pub(crate) fn of(&self, whose: &Whose, now: Instant) -> Record {
        let entry = self.all.get(whose).filter(|entry| entry.until > now);
        entry.map(|entry| entry.record).unwrap_or_default()
    }

    /// Adds what a session did. True if another's was forgotten for it though it counted still.
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
