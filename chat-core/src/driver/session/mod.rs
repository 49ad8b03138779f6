//! A session's requests and answers, without its transport.

pub(crate) mod catch_up;
pub(crate) mod coming;
pub(crate) mod hooks;
pub(crate) mod identity;
pub(crate) mod membership;
pub(crate) mod publishing;
pub(crate) mod replies;

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::FutureExt;

use crate::driver::caught::{Panicked, caught};
use crate::driver::hub::Hub;
use crate::driver::hub::fanout;
use crate::driver::hub::permits::Seat;
use crate::driver::hub::users::Opening;
use crate::driver::outbox::Outbox;
use crate::driver::outbox::control::Manner;
use crate::driver::outbox::subscription::Subscription;
use crate::driver::session::catch_up::CatchUps;
use crate::driver::session::coming::Coming;
use crate::driver::session::hooks::{AGAIN, Allowed, Asked, Asking, Guarded, Outcome, Pending};
use crate::driver::trace;
use crate::machine::{Phase, Session, Stay, Verdict, Whose};
use crate::model::{
    Answer, BadRequest, ChannelId, Close, Command, Connect, Publish, Refusal, Request, RequestId, Subscribe,
    Subscribed,
};
use crate::port::{Pushed, Standing, Talk};

/// What came of looking at the requests.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// One was dealt with.
    Done,
    /// There is none, or the first waits for a hook.
    Idle,
    /// The session is out of this channel; its answer is due once the transport took what it takes now.
    Left(Option<RequestId>, ChannelId),
    /// The session is to end so.
    End(Close),
}

pub(crate) struct Dialog {
    /// Given back when the endpoint has heard that the session is over.
    pub(crate) seat: Arc<Seat>,
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) talk: Box<dyn Talk>,
    pub(crate) session: Session<Arc<Subscription>>,
    pub(crate) inbox: VecDeque<Request>,
    pub(crate) pending: Option<Box<Pending>>,
    /// What the transport knew of a client that is still to say its own connect.
    pub(crate) known: Option<Box<Connect>>,
    /// It is open, and its client is still to say its own connect.
    pub(crate) untold: bool,
    /// While the endpoint decides whether the session may come in: what is done to its user meanwhile is remembered.
    pub(crate) opening: Option<Box<Opening>>,
    /// Channels that the server puts it into once they are taken up from the store.
    pub(crate) coming: Coming,
    /// Channels that this turn published to, and is to flush.
    pub(crate) dirty: Vec<ChannelId>,
    /// Subscriptions that are behind.
    pub(crate) catch_ups: CatchUps,
    pub(crate) close: Option<Box<Close>>,
    /// Bytes of who is where that joins were told since the last answer.
    pub(crate) told: u32,
}

impl Dialog {
    pub(crate) fn new(seat: Arc<Seat>, outbox: Arc<Outbox>, talk: Box<dyn Talk>) -> Self {
        let mut session = Session::new();
        if let Some(peer) = seat.peer() {
            let hub = seat.hub();
            let record = hub.remembered(&Whose::Peer(peer));
            session.go_on_from_peer(record, hub.limits(), hub.0.runtime.now().instant);
        }
        Self {
            seat,
            outbox,
            talk,
            session,
            inbox: VecDeque::new(),
            pending: None,
            known: None,
            untold: false,
            opening: None,
            coming: Coming::default(),
            dirty: Vec::new(),
            catch_ups: CatchUps::default(),
            close: None,
            told: 0,
        }
    }

    pub(crate) fn hub(&self) -> &Hub {
        self.seat.hub()
    }

    pub(crate) fn phase(&self) -> Phase {
        self.session.phase()
    }

    /// How the session ends, if it does.
    pub(crate) fn close(&self) -> Option<&Close> {
        self.close.as_deref()
    }

    /// Requests that wait for those before them.
    pub(crate) fn waiting(&self) -> usize {
        self.inbox.len()
    }

    /// Begins to open the session with what the transport knew of it. No answer: nothing was asked.
    pub(crate) fn open(&mut self, connect: Connect) {
        self.ask_to_open(None, false, connect, 0);
    }

    /// Goes on with the hook that is under way, or with the next request.
    pub(crate) fn step(&mut self, cx: &mut Context<'_>) -> Step {
        if let Some(pending) = &mut self.pending {
            let Poll::Ready(outcome) = pending.asking.poll(cx) else { return Step::Idle };
            let pending = self.pending.take().expect("it was just polled");
            return match outcome {
                Ok(outcome) if outcome.counts_for_a_stay() && self.has_moved(&pending) => {
                    self.ask_again(*pending)
                }
                Ok(outcome) => self.conclude(*pending, outcome),
                Err(Panicked) => self.conclude_panic(*pending),
            };
        }
        match self.inbox.pop_front() {
            Some(request) => self.begin(request, 0),
            None => {
                self.inbox.shrink_to(0);
                Step::Idle
            }
        }
    }

    fn begin(&mut self, request: Request, times: u8) -> Step {
        match self.session.weigh(&request.command, &self.seat.hub().0.limits) {
            Verdict::Ignore => {}
            Verdict::OpenFirst(connect) => {
                self.inbox.push_front(request);
                let known = self.known.take();
                self.open(known.map_or(connect, |known| *known));
            }
            Verdict::Refuse(_) if self.is_to_be_told(&request.command) => self.tell_who_it_is(request.id),
            Verdict::Refuse(refusal) if refusal.code == 107 => {
                let bad = BadRequest::new(request.id, refusal);
                return self.hear_bad(bad).map_or_else(Step::End, |()| Step::Done);
            }
            Verdict::Refuse(refusal) => self.answer(request.id, Answer::Error(refusal)),
            Verdict::Already => self.answer_already(request),
            Verdict::Ask { stay } => return self.ask(request, stay, times),
            Verdict::Do => return self.carry_out(request),
        }
        Step::Done
    }

    fn ask(&mut self, request: Request, stay: Option<Stay>, times: u8) -> Step {
        let Request { id, command } = request;
        let asked = command.counts_for_a_stay().then(|| Asked { command: command.clone(), stay });
        let member = stay.is_some();
        let endpoint = self.hub().0.endpoint.clone();
        let info = || self.session.info().expect("only an open session asks").clone();
        let asking = match command {
            Command::Connect(connect) => return self.greeted(id, connect, times),
            Command::Refresh(token) => {
                let stays = self.session.stays().map(|(channel, stay)| (channel.clone(), stay)).collect();
                Asking::Refresh(Guarded::new(endpoint.refresh(info(), token, stays)))
            }
            Command::Rename(name) => Asking::Rename(Guarded::new(endpoint.rename(info(), name))),
            Command::Subscribe(wish) => {
                let channel = wish.channel.clone();
                let most = self.hub().0.limits.answer_entries;
                let hook = endpoint.subscribe(info(), wish, self.hub().0.channel, most);
                Asking::Subscribe(channel, Guarded::new(hook))
            }
            Command::RefreshSubscription(channel, token) => {
                let hook = endpoint.refresh_subscription(info(), channel.clone(), token);
                Asking::RefreshSubscription(channel, Guarded::new(hook))
            }
            Command::Publish(mut wish) => {
                wish.moderates = false;
                let standing = self.standing(&wish, member);
                Asking::Publish(Guarded::new(endpoint.publish(info(), wish, standing, self.hub().0.channel)))
            }
            Command::Event(mut wish) => {
                wish.moderates = false;
                let standing = self.standing(&wish, member);
                Asking::Event(Guarded::new(endpoint.event(info(), wish, standing, self.hub().0.channel)))
            }
            Command::History(wish) => {
                let hook = endpoint.history(info(), wish, member);
                Asking::History(Guarded::new(self.look_back(hook)))
            }
            Command::Presence(channel) => {
                Asking::Presence(Guarded::new(endpoint.presence(info(), channel, member)))
            }
            Command::Call(call) => Asking::Call(Guarded::new(endpoint.call(info(), call))),
            Command::Unsubscribe(_) | Command::Read(..) | Command::Ping => {
                unreachable!("nobody is asked about these")
            }
        };
        self.pending = Some(Box::new(Pending { id, announced: true, asking, asked, times }));
        Step::Done
    }

    /// Returns whether the session has joined or left the channel since the hook was asked about it.
    pub(crate) fn has_moved(&self, pending: &Pending) -> bool {
        let stay_in = |command: &Command| command.channel().and_then(|channel| self.session.stay(channel));
        pending.asked.as_ref().is_some_and(|asked| stay_in(&asked.command) != asked.stay)
    }

    /// Asks the hook again, since it answered for a membership that has changed.
    fn ask_again(&mut self, pending: Pending) -> Step {
        let Pending { id, asked, times, .. } = pending;
        let Asked { command, .. } = asked.expect("only what is kept can be asked again");
        if times == AGAIN {
            let refusal = Refusal::not_available("the session came and went too often meanwhile");
            self.answer(id, Answer::Error(refusal));
            return Step::Done;
        }
        self.begin(Request { id, command }, times + 1)
    }

    fn standing(&self, wish: &Publish, member: bool) -> Standing {
        let refers = wish.refers.map(|refers| refers.offset());
        let author = refers.and_then(|offset| self.hub().author(&wish.channel, offset));
        Standing { member, author }
    }

    pub(crate) fn ask_to_open(
        &mut self,
        id: Option<RequestId>,
        announced: bool,
        mut connect: Connect,
        times: u8,
    ) {
        self.opening = Some(Box::new(Opening::begin(self.hub())));
        let asked = Some(Asked { command: Command::Connect(connect.clone()), stay: None });
        let since = std::mem::take(&mut connect.since);
        let hook = self.hub().0.endpoint.clone().stream_opened(self.seat.id(), connect);
        let asking = Asking::Open(Guarded::new(self.taken_up(since, hook)));
        self.pending = Some(Box::new(Pending { id, announced, asking, asked, times }));
    }

    fn conclude(&mut self, pending: Pending, outcome: Outcome) -> Step {
        match outcome {
            Outcome::Open(Ok(opened)) => return self.opened(pending, opened),
            Outcome::Open(Err(refusal)) => return self.turn_away(pending.id, refusal),
            Outcome::Refresh(Ok(refreshed)) => self.refreshed(pending.id, pending.times, refreshed),
            Outcome::Rename(name) => self.renamed(pending.id, name),
            Outcome::Subscribe(channel, Ok(_)) if self.session.is_in(&channel) => {
                self.answer_already(Request {
                    id: pending.id,
                    command: Command::Subscribe(Subscribe::to(channel)),
                });
            }
            Outcome::Subscribe(channel, Ok((admission, kept))) => {
                self.go_on(pending, &channel, kept, Allowed::Subscribe(admission));
            }
            Outcome::RefreshSubscription(channel, Ok(expires)) => {
                self.subscription_refreshed(pending.id, channel, expires);
            }
            Outcome::Publish(Ok((publish, kept))) | Outcome::Event(Ok((Pushed::Publish(publish), kept))) => {
                self.go_on(pending, &publish.channel.clone(), kept, Allowed::Publish(publish));
            }
            Outcome::Enter(Ok((entry, allowed))) => self.carry_on(pending.id, entry, allowed),
            Outcome::Event(Ok((Pushed::Answer(data), _))) => self.answer(pending.id, Answer::Result(data)),
            Outcome::History(Ok((request, page))) => self.tell_history(pending.id, request, page),
            Outcome::Stored(Ok(answer)) => self.answer(pending.id, answer),
            Outcome::Presence(Ok(channel)) => self.tell_presence(pending.id, channel),
            Outcome::Publish(Err(refusal)) | Outcome::Event(Err(refusal)) if refusal.code == 100 => {
                self.fail_in_channel(&pending, refusal);
            }
            Outcome::Call(Ok(data)) if pending.id.is_some() => self.answer(pending.id, Answer::Result(data)),
            Outcome::Call(Ok(_)) => {}
            Outcome::Refresh(Err(refusal))
            | Outcome::Subscribe(_, Err(refusal))
            | Outcome::RefreshSubscription(_, Err(refusal))
            | Outcome::Publish(Err(refusal))
            | Outcome::Event(Err(refusal))
            | Outcome::History(Err(refusal))
            | Outcome::Enter(Err(refusal))
            | Outcome::Stored(Err(refusal))
            | Outcome::Presence(Err(refusal))
            | Outcome::Call(Err(refusal)) => self.answer(pending.id, Answer::Error(refusal)),
        }
        Step::Done
    }

    pub(crate) fn answer_already(&mut self, request: Request) {
        let answer = match request.command {
            Command::Subscribe(wish) => match self.already_in(wish.channel) {
                Some(subscribed) => Answer::Subscribed(subscribed),
                None => return self.fail(),
            },
            Command::Unsubscribe(channel) => {
                self.coming.remove(&channel);
                Answer::Unsubscribed { channel, already: true, why: None }
            }
            _ => unreachable!("only a subscription can be there or not be there already"),
        };
        self.answer(request.id, answer);
    }

    /// A subscription that is there; none if the endpoint panics.
    pub(crate) fn already_in(&self, channel: ChannelId) -> Option<Subscribed> {
        let (epoch, offset) = self.hub().place(&channel).expect("a channel with a subscriber is there");
        let keeps = !self.hub().kept(&channel).ok()?.history.is_none();
        Some(Subscribed {
            channel,
            epoch,
            offset,
            keeps,
            already: true,
            recovery: None,
            presence: None,
            expires: None,
            data: None,
        })
    }

    fn carry_out(&mut self, request: Request) -> Step {
        match request.command {
            Command::Unsubscribe(channel) => {
                self.coming.remove(&channel);
                self.leave(&channel);
                return Step::Left(request.id, channel);
            }
            Command::Read(channel, offset) => self.mark_read(request.id, channel, offset),
            Command::Ping => self.answer(request.id, Answer::Pong),
            _ => unreachable!("the endpoint is asked about these"),
        }
        Step::Done
    }

    /// Fans out what this turn published.
    pub(crate) fn flush(&mut self) {
        for channel in std::mem::take(&mut self.dirty) {
            fanout::flush(self.hub(), &channel);
        }
    }

    /// By whom what it does is remembered.
    fn whose(&self) -> Option<Whose> {
        match self.session.info() {
            Some(info) => Whose::of(info, self.seat.peer()),
            None => self.seat.peer().map(Whose::Peer),
        }
    }

    /// Takes the session out of its channels and lets nothing more be said to it. True the first time.
    pub(crate) fn drain(&mut self, close: Close, manner: Manner) -> bool {
        let Some(channels) = self.session.drain() else { return false };
        self.close = Some(Box::new(close));
        if let Some(info) = self.session.info() {
            self.hub().0.users.remove(&info.user, info.id);
        }
        if let Some(whose) = self.whose() {
            self.hub().remember(whose, self.session.record());
        }
        self.flush();
        if manner == Manner::AtOnce {
            let dropped = self.outbox.shut(manner);
            self.hub().0.metrics.dropped("closed", dropped);
        }
        for channel in channels {
            self.hub().leave(&channel, self.seat.id());
        }
        self.outbox.shut(manner);
        // The future that is dropped here is the endpoint's.
        let _ = caught(|| self.pending = None);
        self.opening = None;
        self.coming.clear();
        self.inbox = VecDeque::new();
        self.catch_ups.clear();
        self.catch_ups.book(&self.outbox);
        true
    }
}

/// However the connection ends, its session leaves its channels, and the endpoint hears of it exactly once.
impl Drop for Dialog {
    fn drop(&mut self) {
        self.drain(Close::LOST, Manner::AtOnce);
        self.session.close();
        self.seat.stand_up();
        let close = self.close.take().map_or(Close::LOST, |close| *close);
        self.hub().0.metrics.closed(&close);
        trace::closed(self.seat.id(), &close);
        if let Some(info) = self.session.info() {
            let hook = self.hub().0.endpoint.clone().stream_closed(info.clone(), close);
            let seat = self.seat.clone();
            self.hub().0.runtime.spawn(Box::pin(async move {
                // A panic there has no session left to end; the runtime's thread is not its either.
                let _ = AssertUnwindSafe(hook).catch_unwind().await;
                drop(seat);
            }));
        }
    }
}
