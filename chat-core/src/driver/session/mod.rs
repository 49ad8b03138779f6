//! Handles a session's requests and answers, without its transport.

pub(crate) mod catch_up;
pub(crate) mod coming;
pub(crate) mod hooks;
pub(crate) mod identity;
pub(crate) mod membership;
pub(crate) mod notify;
pub(crate) mod publishing;
pub(crate) mod replies;
pub(crate) mod steps;

use std::collections::VecDeque;
use std::future::poll_fn;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::FutureExt;

use self::catch_up::CatchUps;
use self::coming::Coming;
use self::hooks::Pending;
use self::notify::{Change, Notifications};
use crate::driver::caught::{Panicked, caught, discard};
use crate::driver::hub::cluster::tallying;
use crate::driver::hub::fanout::flush;
use crate::driver::hub::joining;
use crate::driver::hub::permit::Permit;
use crate::driver::hub::shared::Shared;
use crate::driver::hub::users::Opening;
use crate::driver::outbox::Outbox;
use crate::driver::outbox::control::Manner;
use crate::driver::outbox::subscription::Subscription;
use crate::driver::trace;
use crate::machine::{Phase, SessionState, Whose};
use crate::model::{ChannelId, Close, Command, Connect, Request, RequestId, UnsubscribeReason};
use crate::port::SessionCodec;

/// Tells the outcome of looking at the requests.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// One request was dealt with.
    Done,
    /// There is no request, or the first waits for a hook.
    Idle,
    /// The session has left this channel; its answer is due once the transport took what it takes now.
    Left(Option<RequestId>, ChannelId),
    /// The session is to end with this close.
    End(Close),
}

/// Holds one session: its state, what it waits for, and its codec.
pub(crate) struct Session {
    /// Holds the permit, which is given back when the endpoint was told that the session is over.
    pub(crate) permit: Arc<Permit>,
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) codec: Box<dyn SessionCodec>,
    pub(crate) state: SessionState<Arc<Subscription>>,
    pub(crate) inbox: VecDeque<Request>,
    pub(crate) pending: Option<Box<Pending>>,
    /// Holds what the transport knew of a client that is still to send its own connect: who it is, or the
    /// extensions of its request alone.
    pub(crate) known: Option<Box<Connect>>,
    /// Is true if the session is open, and its client is still to send its own connect.
    pub(crate) untold: bool,
    /// Remembers what is done to the session's user while the endpoint decides whether to accept the session.
    pub(crate) opening: Option<Box<Opening>>,
    /// Holds channels that the server subscribes the session to once they are restored from the store.
    pub(crate) coming: Coming,
    /// Holds what the endpoint is still to be told of joins and leaves.
    pub(crate) notifications: Notifications,
    /// Holds channels that this turn published to, and is to flush.
    pub(crate) dirty: Vec<ChannelId>,
    /// Holds the subscriptions that are behind.
    pub(crate) catch_ups: CatchUps,
    pub(crate) close: Option<Box<Close>>,
    /// Counts the bytes of presence that joins were told since the last answer.
    pub(crate) told: u32,
}

impl Session {
    pub(crate) fn new(permit: Arc<Permit>, outbox: Arc<Outbox>, codec: Box<dyn SessionCodec>) -> Self {
        let mut state = SessionState::new();
        if let Some(peer) = permit.peer() {
            let shared = permit.shared();
            let record = shared.remembered(&Whose::Peer(peer));
            state.go_on_from_peer(record, &shared.limits, shared.runtime.instant());
        }
        Self {
            permit,
            outbox,
            codec,
            state,
            inbox: VecDeque::new(),
            pending: None,
            known: None,
            untold: false,
            opening: None,
            coming: Coming::default(),
            notifications: Notifications::default(),
            dirty: Vec::new(),
            catch_ups: CatchUps::default(),
            close: None,
            told: 0,
        }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        self.permit.shared()
    }

    pub(crate) fn phase(&self) -> Phase {
        self.state.phase()
    }

    /// Returns how the session ends, if it does.
    pub(crate) fn close(&self) -> Option<&Close> {
        self.close.as_deref()
    }

    /// Returns how many requests wait for those before them.
    pub(crate) fn waiting(&self) -> usize {
        self.inbox.len()
    }

    /// Returns whether a request waits for its hook.
    pub(crate) fn is_asking(&self) -> bool {
        self.pending.is_some()
    }

    /// Fans out what this turn published.
    pub(crate) fn flush(&mut self) {
        for channel in std::mem::take(&mut self.dirty) {
            flush(self.shared(), &channel);
        }
    }

    /// Returns whether the session has joined or left the channel since the hook was asked about it.
    pub(crate) fn has_moved(&self, pending: &Pending) -> bool {
        let stay_in = |command: &Command| command.channel().and_then(|channel| self.state.stay(channel));
        pending.asked.as_ref().is_some_and(|asked| stay_in(&asked.command) != asked.stay)
    }

    /// Returns the user or peer under which the session's rates and strikes are remembered.
    fn whose(&self) -> Option<Whose> {
        match self.state.info() {
            Some(info) => Whose::of(info, self.permit.peer()),
            None => self.permit.peer().map(Whose::Peer),
        }
    }

    /// Notes a join or a leave for the endpoint. If too many wait, since a hook takes long while the server
    /// orders more, the session closes as slow.
    pub(crate) fn note(&mut self, channel: ChannelId, change: Change) {
        let session = self.state.info().expect("only an open session joins and leaves").clone();
        self.outbox.note_channels(self.state.channels().count());
        let waiting = self.notifications.add(session, channel, change);
        // A session may join all its channels at once, and leave them, however few frames may wait for it.
        let rounds = self.permit.shared().limits.session_channels.saturating_mul(2);
        if waiting > self.outbox.bound().frames.max(rounds) {
            self.outbox.request_close(Close::SLOW, Manner::AtOnce);
        }
    }

    /// Continues to tell the endpoint of joins and leaves. Ready when it knows of all.
    pub(crate) fn notify(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.notifications.poll(cx, self.permit.shared())
    }

    /// Takes the session out of its channels and lets nothing more be sent to it. Returns true the first
    /// time.
    pub(crate) fn drain(&mut self, close: Close, manner: Manner) -> bool {
        let Some(channels) = self.state.drain() else { return false };
        self.close = Some(Box::new(close.clone()));
        if let Some(info) = self.state.info() {
            tallying::remove(self.shared(), &info.user, info.id);
        }
        if let Some(whose) = self.whose() {
            self.shared().remember(whose, self.state.record());
        }
        self.flush();
        if manner == Manner::AtOnce {
            let dropped = self.outbox.shut(manner);
            self.shared().metrics.dropped("closed", dropped);
        }
        for channel in channels {
            joining::leave(self.shared(), &channel, self.permit.id());
            self.note(channel, Change::Left(UnsubscribeReason::Closed(close.clone())));
        }
        self.outbox.shut(manner);
        // The future and the extensions that are dropped here are the endpoint's and the server's.
        let _ = caught(|| self.pending = None);
        let _ = caught(|| self.known = None);
        self.opening = None;
        self.coming.clear();
        self.inbox = VecDeque::new();
        self.catch_ups.clear();
        self.catch_ups.book(&self.outbox);
        true
    }
}

/// Ends the session, however the connection ends: it leaves its channels, and the endpoint is told exactly
/// once.
impl Drop for Session {
    fn drop(&mut self) {
        self.drain(Close::DISCONNECTED, Manner::AtOnce);
        self.state.close();
        self.permit.stand_up();
        let close = self.close.take().map_or(Close::DISCONNECTED, |close| *close);
        self.shared().metrics.closed(&close);
        trace::closed(self.permit.id(), &close);
        if let Some(info) = self.state.info() {
            let hook = self.shared().endpoint.clone().stream_closed(info.clone(), close);
            let (permit, mut before) = (self.permit.clone(), std::mem::take(&mut self.notifications));
            self.shared().runtime.spawn(Box::pin(async move {
                poll_fn(|cx| before.poll(cx, permit.shared())).await;
                // A panic there has no session left to end, and the thread belongs to the runtime.
                if let Err(Panicked) = AssertUnwindSafe(hook).catch_unwind().await.map_err(discard) {
                    permit.shared().metrics.hook_panics.add(1);
                }
                drop(permit);
            }));
        }
    }
}
