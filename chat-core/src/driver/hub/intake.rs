//! What clients have said of messages that are not whole yet, in all transports together.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use crate::driver::hub::Hub;
use crate::driver::hub::permits::Seat;
use crate::driver::outbox::control::Manner;
use crate::lock::lock;
use crate::model::{Close, SessionId};

/// Counts what one transport holds of a message that is not whole yet, or of a body, against
/// [`Limits::total_input_bytes`](crate::Limits::total_input_bytes). Dropping it gives all back. For adapters.
pub struct Intake {
    hub: Hub,
    session: Option<SessionId>,
    holding: Option<Box<Holding>>,
}

struct Holding {
    /// Its place among all: the oldest has the least.
    turn: u64,
    bytes: usize,
    given_up: Arc<AtomicBool>,
}

/// All that is held, the oldest first.
#[derive(Default)]
pub(crate) struct Intakes {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    bytes: usize,
    next: u64,
    held: BTreeMap<u64, Held>,
}

struct Held {
    session: Option<SessionId>,
    bytes: usize,
    given_up: Arc<AtomicBool>,
}

impl Seat {
    /// Returns a count of what this session's transport holds of messages that are not whole yet.
    pub fn intake(&self) -> Intake {
        Intake { hub: self.hub().clone(), session: Some(self.id()), holding: None }
    }
}

impl Hub {
    /// Returns a count of what is held for a request that is no session's own, such as one with a body.
    pub fn intake(&self) -> Intake {
        Intake { hub: self.clone(), session: None, holding: None }
    }
}

impl Intake {
    /// Sets what is held now, in bytes. Takes a lock of the hub's, unless nothing changes.
    ///
    /// If that is too much in all, those sessions close with 1013 whose message was begun first, until a tenth is free. Returns false if it must not be
    /// held: then it is to be dropped, and its sender told.
    pub fn hold(&mut self, bytes: usize) -> bool {
        let before = self.holding.as_ref().map_or(0, |holding| holding.bytes);
        if bytes == before {
            return !self.is_given_up();
        }
        let bound = self.hub.0.limits.total_input_bytes;
        let mut state = lock(&self.hub.0.intakes.state);
        state.set(self.session, &mut self.holding, bytes);
        let over = state.bytes > bound;
        let given_up = if over { state.give_up(bound - bound / 10) } else { Vec::new() };
        let fits = state.bytes <= bound;
        drop(state);
        given_up.into_iter().for_each(|session| self.hub.cut_input(session));
        if !fits && self.session.is_none() {
            self.hub.0.metrics.cut_short("input");
        }
        (fits || self.session.is_some()) && !self.is_given_up()
    }

    /// Whether it had to go for others: what is held is to be dropped.
    pub fn is_given_up(&self) -> bool {
        self.holding.as_ref().is_some_and(|holding| holding.given_up.load(Ordering::Relaxed))
    }
}

impl Hub {
    fn cut_input(&self, session: SessionId) {
        self.0.metrics.cut_short("input");
        if let Some(outbox) = self.0.seats.outbox(session) {
            outbox.condemn(Close::TRY_AGAIN, Manner::AtOnce);
        }
    }
}

impl State {
    fn set(&mut self, session: Option<SessionId>, holding: &mut Option<Box<Holding>>, bytes: usize) {
        if bytes == 0 {
            if let Some(gone) = holding.take().and_then(|holding| self.held.remove(&holding.turn)) {
                self.bytes -= gone.bytes;
            }
            return;
        }
        let holding = holding.get_or_insert_with(|| {
            let turn = self.next;
            self.next += 1;
            let given_up = Arc::new(AtomicBool::new(false));
            self.held.insert(turn, Held { session, bytes: 0, given_up: given_up.clone() });
            Box::new(Holding { turn, bytes: 0, given_up })
        });
        holding.bytes = bytes;
        // One that was given up is counted no more.
        if let Some(held) = self.held.get_mut(&holding.turn) {
            self.bytes = self.bytes - held.bytes + bytes;
            held.bytes = bytes;
        }
    }

    /// Takes out the oldest until so little is held, and returns whose they are.
    fn give_up(&mut self, most: usize) -> Vec<SessionId> {
        let mut excess = self.bytes.saturating_sub(most);
        let sessions = self.held.iter().filter_map(|(turn, held)| Some((*turn, held.session?, held.bytes)));
        let going: Vec<_> = sessions
            .take_while(|(_, _, bytes)| {
                let goes = excess > 0;
                excess = excess.saturating_sub(*bytes);
                goes
            })
            .collect();
        for (turn, ..) in &going {
            let Some(held) = self.held.remove(turn) else { continue };
            self.bytes -= held.bytes;
            held.given_up.store(true, Ordering::Relaxed);
        }
        going.into_iter().map(|(_, session, _)| session).collect()
    }
}

impl Drop for Intake {
    fn drop(&mut self) {
        self.hold(0);
    }
}

impl fmt::Debug for Intake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.holding.as_ref().map_or(0, |holding| holding.bytes);
        f.debug_struct("Intake")
            .field("session", &self.session)
            .field("bytes", &bytes)
            .finish_non_exhaustive()
    }
}
