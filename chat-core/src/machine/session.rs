//! Holds one session (opening → open → draining → closed), and decides which requests it may make in each
//! phase.

use std::collections::HashMap;

use super::hashing::OneSecret;
use super::meter::Meter;
use super::record::Record;
use crate::model::{ChannelId, Close, Command, Connect, Instant, Limits, Refusal, SharedInfo};

/// Names one stay of a session in a channel: a session that leaves and joins again gets another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stay(u32);

/// Holds the driver's data for one stay of a session in a channel.
pub(crate) trait Staying {
    fn stay(&self) -> Stay;
}

/// Names the phases of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Means that the session is not let in yet.
    Opening,
    /// Means that the session was let in.
    Open,
    /// Means that a close is on its way: no more requests are taken or answered.
    Draining,
    /// Means that the session is over.
    Closed,
}

/// Holds the state of one session. `S` is the driver's type of a subscription.
#[derive(Debug)]
pub(crate) struct SessionState<S> {
    phase: Phase,
    /// Tells whether input may have come long before it is read, while nothing was read of the session.
    late: bool,
    /// Tells whether no request is begun, since the client reconnected owing more than its rate has room for.
    indebted: bool,
    info: Option<SharedInfo>,
    subscriptions: HashMap<ChannelId, S, OneSecret>,
    /// Counts the stays that there were.
    stays: u32,
    strikes: u32,
    /// Counts the strikes that the user had before this session.
    inherited: u32,
    /// Holds the record of the session's address, until the session is let in.
    peer: Option<Box<Record>>,
    requests: Meter,
    controls: Meter,
    /// Holds when the session ends, unless it is refreshed before.
    expires: Option<Instant>,
    /// Holds when the session leaves channels, unless the subscriptions are refreshed before.
    leaves: Vec<(Instant, ChannelId)>,
}

/// Tells the driver how to handle a request.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Verdict {
    /// Lets the endpoint decide. `stay` is the session's stay in the channel that the request names, if the
    /// session is in it.
    Ask { stay: Option<Stay> },
    /// Opens the session first; the request is then weighed again.
    OpenFirst(Connect),
    /// Answers that the requested state holds already.
    Already,
    /// Carries out the request.
    Do,
    /// Refuses the request.
    Refuse(Refusal),
    /// Refuses the request, and counts it as a bad one.
    Bad(Refusal),
    /// Drops the request, since nobody is there to receive an answer.
    Ignore,
}

impl<S: Staying> SessionState<S> {
    pub(crate) fn new() -> Self {
        let (requests, controls) = (Meter::default(), Meter::default());
        let subscriptions = HashMap::default();
        Self {
            phase: Phase::Opening,
            late: false,
            indebted: false,
            info: None,
            subscriptions,
            stays: 0,
            strikes: 0,
            inherited: 0,
            peer: None,
            requests,
            controls,
            expires: None,
            leaves: Vec::new(),
        }
    }

    pub(crate) fn phase(&self) -> Phase {
        self.phase
    }

    /// Returns the session's identity, once it was let in.
    pub(crate) fn info(&self) -> Option<&SharedInfo> {
        self.info.as_ref()
    }

    /// Decides on a request in the present phase.
    pub(crate) fn weigh(&self, command: &Command, limits: &Limits) -> Verdict {
        match self.phase {
            Phase::Draining | Phase::Closed => Verdict::Ignore,
            Phase::Opening => match command {
                Command::Connect(_) => Verdict::Ask { stay: None },
                Command::Ping => Verdict::Do,
                _ => Verdict::OpenFirst(Connect::default()),
            },
            Phase::Open => self.weigh_open(command, limits),
        }
    }

    fn weigh_open(&self, command: &Command, limits: &Limits) -> Verdict {
        let most = limits.channel_name_bytes;
        if command.channel().is_some_and(|channel| channel.as_str().len() > most) {
            let message = format!("the name of a channel has at most {most} bytes");
            return Verdict::Refuse(Refusal::bad_request(message));
        }
        match command {
            Command::Connect(_) => Verdict::Bad(Refusal::bad_request("the session is open already")),
            Command::Ping => Verdict::Do,
            Command::Call(_) | Command::Refresh(_) | Command::Rename(_) => Verdict::Ask { stay: None },
            Command::Publish(publish) | Command::Event(publish) => {
                Verdict::Ask { stay: self.stay(&publish.channel) }
            }
            Command::RefreshSubscription(channel, _) => match self.stay(channel) {
                Some(stay) => Verdict::Ask { stay: Some(stay) },
                None => {
                    Verdict::Refuse(Refusal::permission_denied(format!("the session is not in {channel:?}")))
                }
            },
            Command::History(history) => Verdict::Ask { stay: self.stay(&history.channel) },
            Command::Read(channel, _) if self.is_in(channel) => Verdict::Do,
            Command::Read(channel, _) => Verdict::Refuse(Refusal::permission_denied(format!(
                "only subscribers of {channel:?} may mark what they read"
            ))),
            Command::Presence(channel) => Verdict::Ask { stay: self.stay(channel) },
            Command::Unsubscribe(channel) if self.is_in(channel) => Verdict::Do,
            Command::Unsubscribe(_) => Verdict::Already,
            Command::Subscribe(subscribe) if self.is_in(&subscribe.channel) => Verdict::Already,
            Command::Subscribe(_) => match self.may_join_another(limits) {
                Ok(()) => Verdict::Ask { stay: None },
                Err(refusal) => Verdict::Refuse(refusal),
            },
        }
    }

    /// Checks that the session has room for another channel.
    ///
    /// # Errors
    /// A refusal if it is in as many channels as it may be.
    pub(crate) fn may_join_another(&self, limits: &Limits) -> Result<(), Refusal> {
        let most = limits.session_channels;
        let room = self.subscriptions.len() < most;
        room.then_some(())
            .ok_or_else(|| Refusal::limit_exceeded(format!("a session has at most {most} channels")))
    }

    /// Lets the session in until `expires`.
    pub(crate) fn open(&mut self, info: SharedInfo, expires: Option<Instant>) {
        debug_assert_eq!(self.phase, Phase::Opening, "a session opens once");
        self.phase = Phase::Open;
        self.refresh(info, expires);
    }

    /// Replaces the session's identity and the time at which it ends.
    pub(crate) fn refresh(&mut self, info: SharedInfo, expires: Option<Instant>) {
        (self.info, self.expires) = (Some(info), expires);
    }

    /// Returns when the session next ends or leaves a channel, unless that is refreshed before.
    pub(crate) fn expires(&self) -> Option<Instant> {
        self.leaves.iter().map(|(at, _)| *at).chain(self.expires).min()
    }

    /// Returns when the session ends, unless it is refreshed before.
    pub(crate) fn ends(&self) -> Option<Instant> {
        self.expires
    }

    /// Returns whether the session has ended by `now`.
    pub(crate) fn is_expired(&self, now: Instant) -> bool {
        self.expires.is_some_and(|at| at <= now)
    }

    /// Sets when the session leaves a channel; none means never.
    pub(crate) fn leave_at(&mut self, channel: &ChannelId, at: Option<Instant>) {
        self.leaves.retain(|(_, leaves)| leaves != channel);
        self.leaves.extend(at.map(|at| (at, channel.clone())));
    }

    /// Returns a channel that the session is to leave by `now`.
    pub(crate) fn next_to_leave(&self, now: Instant) -> Option<ChannelId> {
        self.leaves.iter().find(|(at, _)| *at <= now).map(|(_, channel)| channel.clone())
    }

    /// Begins another stay, for [`join`](Self::join).
    pub(crate) fn next_stay(&mut self) -> Stay {
        self.stays = self.stays.wrapping_add(1);
        Stay(self.stays)
    }

    /// Adds a subscription. It is the only one of its channel: [`weigh`](Self::weigh) ensures that.
    pub(crate) fn join(&mut self, channel: ChannelId, subscription: S) {
        self.subscriptions.insert(channel, subscription);
    }

    /// Removes a subscription and returns it, if there is one.
    pub(crate) fn leave(&mut self, channel: &ChannelId) -> Option<S> {
        let left = self.subscriptions.remove(channel);
        self.leaves.retain(|(_, leaves)| leaves != channel);
        if self.subscriptions.is_empty() {
            self.subscriptions.shrink_to_fit();
        }
        left
    }

    pub(crate) fn subscriptions(&self) -> impl Iterator<Item = &S> {
        self.subscriptions.values()
    }

    /// Returns the channels that the session is in, each with the session's stay in it.
    pub(crate) fn stays(&self) -> impl Iterator<Item = (&ChannelId, Stay)> {
        self.subscriptions.iter().map(|(channel, subscription)| (channel, subscription.stay()))
    }

    /// Returns the session's stay in a channel, if it is in it.
    pub(crate) fn stay(&self, channel: &ChannelId) -> Option<Stay> {
        self.subscriptions.get(channel).map(Staying::stay)
    }

    pub(crate) fn channels(&self) -> impl Iterator<Item = &ChannelId> {
        self.subscriptions.keys()
    }

    pub(crate) fn is_in(&self, channel: &ChannelId) -> bool {
        self.subscriptions.contains_key(channel)
    }

    /// Counts a request, whether there was room for it or not.
    pub(crate) fn count_request(&mut self, limits: &Limits, now: Instant) {
        self.requests.spend(limits.requests, now);
        if let Some(peer) = &mut self.peer {
            peer.requests.spend(limits.requests, now);
        }
    }

    /// Returns until when nothing more is to be read of the session, if it sent requests faster than it may.
    pub(crate) fn unread_until(&mut self, limits: &Limits, now: Instant) -> Option<Instant> {
        let of_peer = self.peer.as_ref().and_then(|peer| peer.requests.room_at(limits.requests, now));
        let until = self.requests.room_at(limits.requests, now).max(of_peer);
        self.late |= until.is_some();
        until
    }

    /// Notes that all input is read: input from now on has just come.
    pub(crate) fn caught_up(&mut self) {
        self.late = false;
    }

    /// Counts a control frame. One beyond the rate that may have come earlier, while nothing was read of the
    /// session, counts as a request.
    ///
    /// # Errors
    /// A close if the frame exceeds the rate.
    pub(crate) fn count_control(&mut self, limits: &Limits, now: Instant) -> Result<(), Close> {
        let held = self.peer.as_mut().is_none_or(|peer| peer.controls.count(limits.controls, now));
        let counted = self.controls.count(limits.controls, now) && held;
        if !counted && self.late {
            self.count_request(limits, now);
            return Ok(());
        }
        counted.then_some(()).ok_or(Close::POLICY)
    }

    /// Counts a bad request. Returns the close that ends the session if this was the last one that the limits
    /// allow.
    pub(crate) fn strike(&mut self, limits: &Limits) -> Option<Close> {
        self.strikes = self.strikes.saturating_add(1);
        let before = self.peer.as_ref().map_or(self.inherited, |peer| peer.strikes);
        (self.strikes.saturating_add(before) >= limits.strikes).then_some(Close::TOO_MANY_ERRORS)
    }

    /// Applies the record of the session's address to it as well, until the session is let in. The session
    /// keeps room to open, since it does not answer for others that share the address.
    pub(crate) fn go_on_from_peer(&mut self, mut record: Record, limits: &Limits, now: Instant) {
        record.requests = record.requests.with_room(limits.requests, limits.requests.burst / 4, now);
        record.controls = record.controls.with_room(limits.controls, limits.controls.burst / 4, now);
        self.peer = Some(Box::new(record));
    }

    /// Continues from the record of the session's user, in place of the one of its address. Requests before
    /// this session count together with the requests made by now.
    pub(crate) fn go_on_from_user(&mut self, record: Record, limits: &Limits, now: Instant) {
        self.peer = None;
        self.inherited = record.strikes;
        self.requests = self.requests.and(record.requests, now);
        self.controls = self.controls.later(record.controls);
        let owes = record.requests.busy_until().is_some_and(|until| until > now);
        self.indebted = owes && self.requests.room_at(limits.requests, now).is_some();
    }

    /// Returns whether the client reconnected owing more than its rate has room for, and may still owe it.
    pub(crate) fn is_indebted(&self) -> bool {
        self.indebted
    }

    /// Returns until when no request is begun, if the client reconnected owing more than its rate has room
    /// for.
    pub(crate) fn idle_until(&mut self, limits: &Limits, now: Instant) -> Option<Instant> {
        let until = self.requests.room_at(limits.requests, now).filter(|_| self.indebted);
        self.indebted = until.is_some();
        until
    }

    /// Returns the record to remember of the session.
    pub(crate) fn record(&self) -> Record {
        let (requests, controls) = match &self.peer {
            Some(peer) => (self.requests.later(peer.requests), self.controls.later(peer.controls)),
            None => (self.requests, self.controls),
        };
        Record { strikes: self.strikes, requests, controls }
    }

    /// Begins to close, and returns the channels to leave. Returns none if the close has begun before.
    pub(crate) fn drain(&mut self) -> Option<impl Iterator<Item = ChannelId> + use<S>> {
        if matches!(self.phase, Phase::Draining | Phase::Closed) {
            return None;
        }
        self.phase = Phase::Draining;
        Some(std::mem::take(&mut self.subscriptions).into_keys())
    }

    /// Closes the session, which has left its channels.
    pub(crate) fn close(&mut self) {
        debug_assert!(self.subscriptions.is_empty(), "a session leaves its channels before it closes");
        self.phase = Phase::Closed;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::{Identity, SessionId, SessionInfo, Subscribe};

    fn open() -> SessionState<Stay> {
        let mut session = SessionState::new();
        let ann = Identity::named("ann".parse().expect("a name"));
        session.open(Arc::new(SessionInfo::of(SessionId(1), ann)), None);
        session
    }

    impl Staying for Stay {
        fn stay(&self) -> Stay {
            *self
        }
    }

    fn join_a(session: &mut SessionState<Stay>) {
        let stay = session.next_stay();
        session.join("a".parse().expect("a name"), stay);
    }

    fn subscribe(channel: &str) -> Command {
        Command::Subscribe(Subscribe::to(channel.parse().expect("a name")))
    }

    #[test]
    fn the_first_request_opens_a_session_that_did_not_connect() {
        let session: SessionState<Stay> = SessionState::new();
        let limits = Limits::default();
        assert_eq!(session.weigh(&subscribe("a"), &limits), Verdict::OpenFirst(Connect::default()));
        assert_eq!(session.weigh(&Command::Ping, &limits), Verdict::Do);
    }

    #[test]
    fn subscribing_twice_is_one_subscription_even_at_the_bound() {
        let mut session = open();
        let limits = Limits { session_channels: 1, ..Limits::default() };
        assert_eq!(session.weigh(&subscribe("a"), &limits), Verdict::Ask { stay: None });
        join_a(&mut session);
        assert_eq!(session.weigh(&subscribe("a"), &limits), Verdict::Already);
        assert!(matches!(session.weigh(&subscribe("b"), &limits), Verdict::Refuse(r) if r.code() == 106));
    }

    #[test]
    fn a_session_closes_once_and_hears_nothing_after() {
        let mut session = open();
        join_a(&mut session);
        assert_eq!(session.drain().expect("the first time").count(), 1);
        assert!(session.drain().is_none());
        assert_eq!(session.weigh(&subscribe("a"), &Limits::default()), Verdict::Ignore);
    }

    #[test]
    fn who_leaves_and_joins_again_is_there_for_another_stay() {
        let (mut session, a) = (open(), "a".parse().expect("a name"));
        join_a(&mut session);
        let first = session.stay(&a);
        session.leave(&a);
        assert_eq!(session.stay(&a), None);
        join_a(&mut session);
        assert!(first.is_some() && session.stay(&a).is_some() && session.stay(&a) != first);
    }

    #[test]
    fn the_last_strike_closes() {
        let mut session = open();
        let limits = Limits { strikes: 2, ..Limits::default() };
        assert_eq!(session.strike(&limits), None);
        assert_eq!(session.strike(&limits), Some(Close::TOO_MANY_ERRORS));
    }
}
