//! Handles the session's requests one by one: asks the machine, asks the hooks, and carries out what they
//! allow.

use std::task::{Context, Poll};

use super::hooks::{AGAIN, Allowed, Asked, Asking, Guarded, Outcome, Pending};
use super::{Session, Step};
use crate::driver::caught::Panicked;
use crate::driver::hub::place::author;
use crate::machine::{Stay, Verdict};
use crate::model::{
    Answer, BadRequest, Close, Command, Publish, Reason, Refusal, Request, Subscribe, UnsubscribeReason,
};
use crate::port::{PublishContext, Pushed};

impl Session {
    /// Continues with the hook that is under way, or with the next request.
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
        if self.notify(cx).is_pending() {
            return Step::Idle;
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
        match self.state.weigh(&request.command, &self.permit.shared().limits) {
            Verdict::Ignore => {}
            Verdict::OpenFirst(connect) => {
                self.inbox.push_front(request);
                let known = self.known.take();
                self.open(known.map_or(connect, |known| *known));
            }
            Verdict::Bad(_) if self.is_to_be_told(&request.command) => self.tell_who_it_is(request.id),
            Verdict::Bad(refusal) => {
                let bad = BadRequest::new(request.id, refusal);
                return self.refuse_bad(bad).map_or_else(Step::End, |()| Step::Done);
            }
            Verdict::Refuse(refusal) => {
                self.shared().metrics.bad_requests.add(u64::from(refusal.reason == Reason::BadRequest));
                self.answer(request.id, Answer::Error(refusal));
            }
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
        let endpoint = self.shared().endpoint.clone();
        let info = || self.state.info().expect("only an open session asks").clone();
        let asking = match command {
            Command::Connect(connect) => return self.greeted(id, connect, times),
            Command::Refresh(token) => {
                let stays = self.state.stays().map(|(channel, stay)| (channel.clone(), stay)).collect();
                Asking::Refresh(Guarded::new(endpoint.refresh(info(), token, stays)))
            }
            Command::Rename(name) => Asking::Rename(Guarded::new(endpoint.rename(info(), name))),
            Command::Subscribe(request) => {
                let channel = request.channel.clone();
                let most = self.shared().limits.answer_entries;
                let hook = endpoint.subscribe(info(), request, self.shared().channel, most);
                Asking::Subscribe(channel, Guarded::new(hook))
            }
            Command::RefreshSubscription(channel, token) => {
                let hook = endpoint.refresh_subscription(info(), channel.clone(), token);
                Asking::RefreshSubscription(channel, Guarded::new(hook))
            }
            Command::Publish(mut request) => {
                request.moderates = false;
                let standing = self.standing(&request, member);
                Asking::Publish(Guarded::new(endpoint.publish(
                    info(),
                    request,
                    standing,
                    self.shared().channel,
                )))
            }
            Command::Event(mut request) => {
                request.moderates = false;
                let standing = self.standing(&request, member);
                Asking::Event(Guarded::new(endpoint.event(info(), request, standing, self.shared().channel)))
            }
            Command::History(request) => {
                let hook = endpoint.history(info(), request, member);
                Asking::History(Guarded::new(self.look_back(hook)))
            }
            Command::Presence(channel) => {
                let hook = endpoint.presence(info(), channel, member);
                Asking::Presence(Guarded::new(self.look_around(hook)))
            }
            Command::Call(call) => Asking::Call(Guarded::new(endpoint.call(info(), call))),
            Command::Unsubscribe(_) | Command::Read(..) | Command::Ping => {
                unreachable!("nobody is asked about these")
            }
        };
        self.pending = Some(Box::new(Pending { id, announced: true, asking, asked, times }));
        Step::Done
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

    fn standing(&self, request: &Publish, member: bool) -> PublishContext {
        let refers = request.refers.map(|refers| refers.offset());
        let author = refers.and_then(|offset| author(self.shared(), &request.channel, offset));
        PublishContext { member, author }
    }

    fn conclude(&mut self, pending: Pending, outcome: Outcome) -> Step {
        match outcome {
            Outcome::Open(Ok(opened)) => return self.opened(pending, opened),
            Outcome::Open(Err(refusal)) => return self.turn_away(pending.id, refusal),
            Outcome::Refresh(Ok(refreshed)) => self.refreshed(pending.id, pending.times, refreshed),
            Outcome::Rename(name) => self.renamed(pending.id, name),
            Outcome::Subscribe(channel, Ok(_)) if self.state.is_in(&channel) => {
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
            Outcome::Presence(Ok((channel, _entry))) => self.tell_presence(pending.id, channel),
            Outcome::Publish(Err(refusal)) | Outcome::Event(Err(refusal))
                if refusal.reason == Reason::Internal =>
            {
                self.fail_in_channel(&pending, refusal);
            }
            Outcome::Call(Ok(data)) if pending.id.is_some() => self.answer(pending.id, Answer::Result(data)),
            Outcome::Call(Ok(_)) | Outcome::Event(Ok((Pushed::Nothing, _))) => {}
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

    fn carry_out(&mut self, request: Request) -> Step {
        match request.command {
            Command::Unsubscribe(channel) => {
                self.coming.remove(&channel);
                self.leave(&channel, UnsubscribeReason::ByClient);
                return Step::Left(request.id, channel);
            }
            Command::Read(channel, offset) => self.mark_read(request.id, channel, offset),
            Command::Ping => self.answer(request.id, Answer::Pong),
            _ => unreachable!("the endpoint is asked about these"),
        }
        Step::Done
    }

    /// Handles a panic of a hook: the request that it was about fails, and no more than that.
    fn conclude_panic(&mut self, pending: Pending) -> Step {
        match &pending.asking {
            Asking::Open(_) | Asking::Refresh(_) | Asking::Call(_) => return Step::End(Close::SERVER_ERROR),
            Asking::Publish(_) | Asking::Event(_) => self.fail_in_channel(&pending, failure()),
            _ => self.answer(pending.id, failed()),
        }
        Step::Done
    }

    /// Removes the session from a channel in which its message made the endpoint fail, unless it joined anew
    /// meanwhile; its other channels continue.
    fn fail_in_channel(&mut self, pending: &Pending, why: Refusal) {
        let channel = pending.asked.as_ref().and_then(|asked| asked.command.channel());
        if let Some(channel) = channel.filter(|channel| self.state.is_in(channel) && !self.has_moved(pending))
        {
            self.remove(channel.clone(), why.clone(), UnsubscribeReason::Failed);
        }
        self.answer(pending.id.clone(), Answer::Error(why));
    }
}

/// Returns the answer to a request whose hook panicked.
fn failed() -> Answer {
    Answer::Error(failure())
}

fn failure() -> Refusal {
    Refusal::internal("a hook of the server failed")
}
