//! Receives requests and sends replies through the session's codec.

use crate::driver::caught::{Panicked, caught};
use crate::driver::outbox::control::Manner;

use super::Session;
use crate::driver::trace;
use crate::machine::Burst;
use crate::model::{
    Answer, BadRequest, Batch, Close, Command, Instant, Kind, Message, Refusal, Reply, Request, RequestId,
};
use crate::port::{Cost, Requests};

impl Session {
    /// Receives a message of the peer.
    ///
    /// # Errors
    /// The close with which the session ends by it.
    pub(crate) fn receive(&mut self, message: Message<'_>) -> Result<(), Close> {
        if message.len() > self.outbox.encoding.message_bytes(&self.shared().limits) {
            return Err(Close::TOO_BIG);
        }
        let (now, limits) = (self.shared().runtime.instant(), &self.permit.shared().limits);
        let mut burst = Burst::of(limits);
        let mut requests = Requests::at_most(burst.most());
        caught(|| self.codec.decode(message, &mut requests)).map_err(|_| Close::SERVER_ERROR)?;
        (0..requests.counted().max(1)).for_each(|_| self.state.count_request(limits, now));
        let is_full = requests.is_full();
        for request in requests {
            if !burst.has_room_for(&request) {
                let id = request.map_or_else(|bad| bad.id, |request| request.id);
                let refusal =
                    Refusal::too_many_requests("one message has more requests than may come at once");
                self.answer(id, Answer::Error(refusal));
                return Err(Close::TOO_MANY_REQUESTS);
            }
            match request {
                Ok(request) => self.queue(request),
                Err(bad) => self.refuse_bad(bad)?,
            }
        }
        if is_full { Err(Close::TOO_MANY_REQUESTS) } else { Ok(()) }
    }

    /// Returns until when nothing more is to be read of the peer, if it has asked faster than it may.
    pub(crate) fn unread_until(&mut self) -> Option<Instant> {
        let shared = self.permit.shared();
        // This is asked before every read: without a bound, the clock is not read for it.
        if shared.limits.requests.is_unbounded() {
            return None;
        }
        self.state.unread_until(&shared.limits, shared.runtime.instant())
    }

    /// Returns until when no request of the session is begun, if it reconnected owing more than its rate has
    /// room for.
    pub(crate) fn idle_until(&mut self) -> Option<Instant> {
        // This is asked before every step, and hardly any session owes: only for those the clock is read.
        if !self.state.is_indebted() {
            return None;
        }
        let shared = self.permit.shared();
        self.state.idle_until(&shared.limits, shared.runtime.instant())
    }

    /// Notes that all that the peer has sent is read.
    pub(crate) fn caught_up(&mut self) {
        self.state.caught_up();
    }

    /// Receives a ping of the peer's transport.
    pub(crate) fn receive_ping(&mut self, payload: &[u8]) -> Result<(), Close> {
        self.count_control_frame()?;
        self.control(Kind::Pong, payload);
        Ok(())
    }

    /// Counts a control frame of the peer.
    pub(crate) fn count_control_frame(&mut self) -> Result<(), Close> {
        let now = self.shared().runtime.instant();
        self.state.count_control(&self.permit.shared().limits, now)
    }

    /// Answers a bad request, and counts it.
    pub(crate) fn refuse_bad(&mut self, bad: BadRequest) -> Result<(), Close> {
        self.shared().metrics.bad_requests.add(1);
        let cost = if bad.readable { Cost::Nothing } else { Cost::Strike };
        let usual = bad.close.map_or(cost, Cost::End);
        self.refuse(bad.id, bad.refusal, usual).map_or(Ok(()), Err)
    }

    pub(crate) fn answer(&mut self, id: Option<RequestId>, answer: Answer) {
        match answer {
            Answer::Error(refusal) => {
                if let Some(close) = self.refuse(id, refusal, Cost::Nothing) {
                    self.outbox.request_close(close, Manner::Graceful);
                }
            }
            answer => {
                if answer.is_clamped() {
                    self.shared().metrics.cut_short("answer");
                }
                self.say(&Reply { id, answer });
            }
        }
    }

    /// Answers with a refusal. Returns how the session ends by it, if it does.
    pub(crate) fn refuse(&mut self, id: Option<RequestId>, refusal: Refusal, usual: Cost) -> Option<Close> {
        self.shared().metrics.refused(&refusal);
        let code = refusal.code();
        let reply = Reply { id, answer: Answer::Error(refusal) };
        self.say(&reply);
        let cost =
            caught(|| self.codec.cost(&reply, usual.clone())).unwrap_or(Cost::End(Close::SERVER_ERROR));
        if cost != usual {
            trace::refused(self.permit.id(), code, &cost);
        }
        match cost {
            Cost::Nothing => None,
            Cost::Strike => self.state.strike(&self.permit.shared().limits),
            Cost::End(close) => Some(close),
        }
    }

    fn say(&mut self, reply: &Reply) {
        self.told = 0;
        let said = self.outbox.encoding.reply(&mut *self.codec, reply);
        self.put(said);
        let mut requests = Vec::new();
        match caught(|| self.codec.follow_up(&mut requests)) {
            Ok(()) => requests.into_iter().for_each(|request| self.queue(request)),
            Err(Panicked) => self.fail(),
        }
    }

    /// Queues what the codec encoded. Returns false if that is nothing.
    fn put(&mut self, said: Result<Option<Batch>, Panicked>) -> bool {
        match said {
            Ok(said) => said.map(|batch| self.outbox.push(batch)).is_some(),
            Err(Panicked) => {
                self.fail();
                false
            }
        }
    }

    /// Ends the session, since code that it needs has panicked.
    pub(crate) fn fail(&self) {
        self.outbox.request_close(Close::SERVER_ERROR, Manner::Graceful);
    }

    /// Queues a request. A ping is answered at once, though a hook may hold up what came before it.
    fn queue(&mut self, request: Request) {
        match request {
            Request { id, command: Command::Ping } => self.answer(id, Answer::Pong),
            request => self.inbox.push_back(request),
        }
    }

    /// Queues the protocol's own ping. Returns false if it has none.
    pub(crate) fn ping(&mut self) -> bool {
        let ping = self.outbox.encoding.ping(&mut *self.codec);
        self.put(ping)
    }

    /// Queues a control frame.
    pub(crate) fn control(&mut self, kind: Kind, payload: &[u8]) {
        let frame = self.outbox.encoding.control(kind, payload);
        self.put(frame);
    }

    /// Queues the close frame, as the last one.
    pub(crate) fn say_close(&mut self) {
        let close = self.close.as_deref().expect("a session says that it closes after it drained");
        if let Ok(Some(frame)) = self.outbox.encoding.control(Kind::Close, &close.payload()) {
            self.outbox.push_last(frame);
        }
    }
}
