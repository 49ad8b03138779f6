//! Keeps who is in a channel, and which changes of that are still to be published.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use super::members::Members;
use crate::model::{
    Instant, Offset, PresenceChange, PresencePage, Present, SessionId, SessionPresence, SharedInfo, UserId,
};

/// Collects the joins and leaves of this period into one change.
const TOGETHER: Duration = Duration::from_millis(250);

/// Bounds the entries of one change. The others wait for the next change.
const CHANGES: usize = 300;

/// Bounds the bytes of names, ids and data in one change and in one page, except for the first user's.
pub(crate) const PRESENCE_BYTES: usize = 256 * 1024;

/// Estimates the cost of a user or a session beside its own words, in bytes.
const ENTRY_BYTES: usize = 32;

/// Bounds the users whose read offsets are kept. Beyond it those of absent users are forgotten first.
pub(crate) const MARKS: usize = 10_000;

/// Holds a channel's users, each with its sessions.
#[derive(Debug, Default)]
pub(super) struct Presence {
    users: BTreeMap<UserId, Present>,
    /// Holds the sessions, those on other nodes among them.
    sessions: HashMap<SessionId, Attendee>,
    /// Tells on which node each session is, if the channel is one with those of other nodes.
    pub(super) members: Option<Box<Members>>,
    /// Holds the offset up to which each user has read, whether the user is present or not.
    read: BTreeMap<UserId, Offset>,
    /// Counts the sessions that observe presence.
    observers: usize,
    /// Holds the users that came, left or changed since the last published change, and their state in it.
    touched: BTreeMap<UserId, Option<Present>>,
    /// Holds the sessions that came or left since then, and whether each was there before.
    moved: BTreeMap<SessionId, (SessionPresence, bool)>,
    /// Tells whether a page of the present state was returned since then. Whoever got it has to be told also
    /// of changes that were undone since.
    shown: bool,
    /// Holds the time at which the next change is to be published.
    pub(super) due: Option<Instant>,
    /// Holds the sequence number of the last published change, among all events of the channel.
    pub(super) told: u64,
}

#[derive(Debug)]
struct Attendee {
    who: SharedInfo,
    observes: bool,
}

impl Presence {
    pub(super) fn join(&mut self, who: &SharedInfo, observes: bool, now: Instant) {
        if let Some(members) = &mut self.members {
            members.has_joined(who.id, false, now);
        }
        self.enter(who, observes, now);
    }

    /// Adds a session of this node or another.
    pub(super) fn enter(&mut self, who: &SharedInfo, observes: bool, now: Instant) {
        self.observers += usize::from(observes);
        self.sessions.insert(who.id, Attendee { who: who.clone(), observes });
        self.show(who, now);
        self.moves(who.id, &who.user, false, now);
    }

    pub(super) fn leave(&mut self, session: SessionId, now: Instant) {
        if let Some(members) = &mut self.members {
            members.has_left(session);
        }
        self.part(session, now);
    }

    /// Removes a session of this node or another.
    pub(super) fn part(&mut self, session: SessionId, now: Instant) {
        let Some(Attendee { who, observes }) = self.sessions.remove(&session) else { return };
        self.moves(session, &who.user, true, now);
        self.observers -= usize::from(observes);
        let present = self.users.get_mut(&who.user).expect("a session's user is there");
        if present.sessions == [session] {
            self.touch(&who.user, now);
            self.users.remove(&who.user);
        } else {
            present.sessions.retain(|other| *other != session);
            // A user is shown with the name and the data of the newest of its sessions.
            let newest = present.sessions.last().expect("another session");
            let newest = self.sessions[newest].who.clone();
            self.show(&newest, now);
        }
        if self.observers == 0 {
            self.touched.clear();
            self.moved.clear();
            self.due = None;
        }
    }

    /// Changes the name and the data of a session that is present.
    pub(super) fn renew(&mut self, who: &SharedInfo, now: Instant) {
        if let Some(members) = self.members.as_mut().filter(|_| self.sessions.contains_key(&who.id)) {
            members.has_joined(who.id, true, now);
        }
        self.change(who, now);
    }

    /// Changes the name and the data of a session of this node or another.
    pub(super) fn change(&mut self, who: &SharedInfo, now: Instant) {
        if let Some(attendee) = self.sessions.get_mut(&who.id) {
            attendee.who = who.clone();
            self.show(who, now);
        }
    }

    /// Returns who a session is that is present.
    pub(super) fn who(&self, session: SessionId) -> Option<&SharedInfo> {
        self.sessions.get(&session).map(|attendee| &attendee.who)
    }

    /// Notes that a session's user has read up to this offset. Returns the user's read offset, which never
    /// goes back, and the user if it has moved. Returns none if the session is not in the channel.
    pub(super) fn mark_read(
        &mut self,
        session: SessionId,
        offset: Offset,
        now: Instant,
    ) -> Option<(Offset, Option<UserId>)> {
        let user = self.sessions.get(&session)?.who.user.clone();
        let before = self.read.get(&user).copied().unwrap_or_default();
        if offset <= before {
            return Some((before, None));
        }
        self.touch(&user, now);
        self.users.get_mut(&user).expect("a session's user is there").read = offset;
        self.read.insert(user.clone(), offset);
        if self.read.len() > MARKS {
            self.forget_mark();
        }
        Some((offset, Some(user)))
    }

    /// Takes over the read offsets of users that are not present.
    pub(super) fn restore(&mut self, read: impl Iterator<Item = (UserId, Offset)>) {
        self.read.extend(read.take(MARKS));
    }

    fn forget_mark(&mut self) {
        let absent = self.read.keys().find(|user| !self.users.contains_key(*user)).cloned();
        if let Some(user) = absent.or_else(|| self.read.keys().next().cloned()) {
            self.read.remove(&user);
        }
    }

    /// Returns a page of the users and sessions that are present, as far as the space reaches.
    pub(super) fn page(&mut self, space: Space) -> PresencePage {
        self.shown = true;
        let (mut room, mut present) = (Room::of(space.bytes), Vec::new());
        for user in self.users.values().take(space.entries) {
            let sessions = room.take_user(user, space.by_session);
            if sessions == 0 {
                break;
            }
            let mut user = user.clone();
            user.sessions.truncate(sessions);
            present.push(user);
        }
        PresencePage { present, users: self.users.len(), sessions: self.sessions.len() }
    }

    /// Takes the changes since the last call, or a part of them. Returns none if nothing has changed.
    pub(super) fn take_change(&mut self, now: Instant) -> Option<PresenceChange> {
        let (mut change, mut room) = (PresenceChange::default(), Room::of(PRESENCE_BYTES));
        while let Some((user, before)) = self.touched.pop_first() {
            let full = change.joined.len() + change.left.len() == CHANGES;
            let fits = match self.users.get(&user) {
                Some(now) if self.shown || before.as_ref().is_none_or(|before| differs(before, now)) => {
                    // Some protocols write the user once for each session.
                    let fits = !full && room.take(ENTRY_BYTES + now.sessions.len() * bytes_of(now));
                    fits.then(|| change.joined.push(now.clone())).is_some()
                }
                None if self.shown || before.is_some() => {
                    let fits = !full && room.take(ENTRY_BYTES + user.as_str().len());
                    fits.then(|| change.left.push(user.clone())).is_some()
                }
                _ => true,
            };
            if !fits {
                self.touched.insert(user, before);
                break;
            }
        }
        self.take_moved(&mut change);
        let more = !self.touched.is_empty() || !self.moved.is_empty();
        self.shown &= more;
        self.due = more.then(|| now + TOGETHER);
        (change != PresenceChange::default()).then_some(change)
    }

    /// Takes the sessions that came and left, or a part of them, into the change.
    fn take_moved(&mut self, change: &mut PresenceChange) {
        let mut room = Room::of(PRESENCE_BYTES);
        while change.arrived.len() + change.departed.len() < CHANGES {
            let Some((session, (mut arrival, before))) = self.moved.pop_first() else { return };
            let user = self.sessions.get(&session).and_then(|member| self.users.get(&member.who.user));
            let (told, came) = match user {
                Some(present) => {
                    (arrival.name, arrival.data) = (present.name.clone(), present.data.clone());
                    (self.shown || !before, true)
                }
                None => (self.shown || before, false),
            };
            if told && !room.take(ENTRY_BYTES + bytes_of_arrival(&arrival)) {
                self.moved.insert(session, (arrival, before));
                return;
            }
            match (told, came) {
                (true, true) => change.arrived.push(arrival),
                (true, false) => change.departed.push(arrival),
                (false, _) => {}
            }
        }
    }

    /// Notes that a session comes or leaves now.
    fn moves(&mut self, session: SessionId, user: &UserId, before: bool, now: Instant) {
        if self.observers > 0 {
            let present = self.users.get(user).expect("a session's user is there");
            let (name, data) = (present.name.clone(), present.data.clone());
            let arrival = SessionPresence { session, user: user.clone(), name, data };
            self.moved.entry(session).or_insert((arrival, before));
            self.due.get_or_insert(now + TOGETHER);
        }
    }

    fn show(&mut self, who: &SharedInfo, now: Instant) {
        let mut next = Present {
            user: who.user.clone(),
            name: who.name.clone(),
            data: who.data.clone(),
            sessions: self.users.get(&who.user).map_or_else(Vec::new, |present| present.sessions.clone()),
            read: self.read.get(&who.user).copied().unwrap_or_default(),
        };
        if !next.sessions.contains(&who.id) {
            next.sessions.push(who.id);
        }
        if let Some(members) = &self.members {
            next.sessions.sort_unstable_by_key(|session| members.order(*session));
            let newest = next.sessions.last().and_then(|newest| self.sessions.get(newest));
            newest.iter().for_each(|newest| {
                (next.name, next.data) = (newest.who.name.clone(), newest.who.data.clone());
            });
        }
        if self.users.get(&who.user).is_none_or(|before| differs(before, &next)) {
            self.touch(&who.user, now);
        }
        self.users.insert(who.user.clone(), next);
    }

    /// Notes that the state of a user changes now.
    fn touch(&mut self, user: &UserId, now: Instant) {
        if self.observers > 0 {
            let before = self.users.get(user).cloned();
            self.touched.entry(user.clone()).or_insert(before);
            self.due.get_or_insert(now + TOGETHER);
        }
    }
}

/// Bounds a page of presence.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Space {
    /// Bounds the number of users.
    pub(crate) entries: usize,
    /// Bounds the page's size in bytes.
    pub(crate) bytes: usize,
    /// Tells whether the presence of a user is written once for each of the user's sessions.
    pub(crate) by_session: bool,
}

impl Space {
    /// Returns the bytes that a page takes of the space.
    pub(crate) fn weight(&self, page: &PresencePage) -> usize {
        let mut room = Room::of(usize::MAX);
        page.present.iter().for_each(|user| {
            room.take_user(user, self.by_session);
        });
        usize::MAX - room.left
    }
}

/// Counts down the bytes that one page or one change may still hold.
pub(super) struct Room {
    left: usize,
    /// Tells whether nothing was taken yet. The first entry then always fits, or it would never be told;
    /// without any room, nothing fits.
    empty: bool,
}

impl Room {
    pub(super) fn of(bytes: usize) -> Self {
        Self { left: bytes, empty: bytes > 0 }
    }

    /// Takes room for so many bytes. Returns false if there is none.
    pub(super) fn take(&mut self, bytes: usize) -> bool {
        let fits = bytes <= self.left || self.empty;
        if fits {
            self.left = self.left.saturating_sub(bytes);
            self.empty = false;
        }
        fits
    }

    /// Takes room for a user and its sessions. Returns for how many of the sessions there was room.
    fn take_user(&mut self, user: &Present, by_session: bool) -> usize {
        let (once, each) = match by_session {
            true => (ENTRY_BYTES + user.user.as_str().len(), ENTRY_BYTES + bytes_of(user)),
            false => (ENTRY_BYTES + bytes_of(user), ENTRY_BYTES),
        };
        if !self.take(once + each) {
            return 0;
        }
        let more = (self.left / each).min(user.sessions.len() - 1);
        self.left -= more * each;
        1 + more
    }
}

fn bytes_of(user: &Present) -> usize {
    let data = user.data.as_ref().map_or(0, |data| data.as_bytes().len());
    user.user.as_str().len() + user.name.as_str().len() + data
}

/// Estimates what a word needs for a session.
pub(super) fn bytes_of_info(who: &SharedInfo) -> usize {
    let data = who.data.as_ref().map_or(0, |data| data.as_bytes().len());
    2 * ENTRY_BYTES + who.user.as_str().len() + who.name.as_str().len() + data
}

fn bytes_of_arrival(one: &SessionPresence) -> usize {
    let data = one.data.as_ref().map_or(0, |data| data.as_bytes().len());
    one.user.as_str().len() + one.name.as_str().len() + data
}

/// Returns whether others see a difference. The number of a user's sessions is not shown to them.
fn differs(before: &Present, now: &Present) -> bool {
    (&before.name, &before.data, before.read) != (&now.name, &now.data, now.read)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::{Identity, SessionInfo};

    fn now() -> Instant {
        Instant::START
    }

    fn ann(session: u64) -> SharedInfo {
        let ann = Identity::named("ann".parse().expect("a name"));
        Arc::new(SessionInfo::of(SessionId(session), ann))
    }

    fn sessions(arrivals: &[SessionPresence]) -> Vec<u64> {
        arrivals.iter().map(|arrival| arrival.session.0).collect()
    }

    #[test]
    fn sessions_of_a_user_who_is_there_already_come_and_go_too() {
        let (mut presence, now) = (Presence::default(), now());
        presence.join(&ann(1), true, now);
        presence.join(&ann(2), false, now);
        let change = presence.take_change(now).expect("they came");
        assert_eq!((change.joined.len(), sessions(&change.arrived)), (1, vec![1, 2]));
        presence.join(&ann(3), false, now);
        presence.leave(SessionId(2), now);
        let change = presence.take_change(now).expect("they moved");
        assert_eq!((change.joined.len(), change.left.len()), (0, 0), "ann is there all the time");
        assert_eq!((sessions(&change.arrived), sessions(&change.departed)), (vec![3], vec![2]));
        presence.join(&ann(4), false, now);
        presence.leave(SessionId(4), now);
        assert_eq!(presence.take_change(now), None, "nobody saw it");
        presence.join(&ann(5), false, now);
        assert_eq!(presence.page(Space { entries: 9, bytes: 9, by_session: false }).sessions, 3);
        presence.leave(SessionId(5), now);
        let change = presence.take_change(now).expect("somebody saw it");
        assert_eq!(sessions(&change.departed), [5]);
    }

    #[test]
    fn more_sessions_than_one_change_holds_are_told_in_the_next() {
        let (mut presence, now) = (Presence::default(), now());
        (1..=CHANGES as u64 + 5).for_each(|session| presence.join(&ann(session), session == 1, now));
        let first = presence.take_change(now).expect("they came");
        assert_eq!((first.arrived.len(), presence.due), (CHANGES, Some(now + TOGETHER)));
        let second = presence.take_change(now).expect("the others");
        assert_eq!((sessions(&second.arrived), presence.due), ((301..=305).collect(), None));
    }
}
