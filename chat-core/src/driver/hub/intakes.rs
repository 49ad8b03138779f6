//! Counts all that transports hold of messages that are not complete yet, the oldest first.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use crate::lock::lock;
use crate::model::SessionId;

/// Describes what one transport holds.
pub(crate) struct Holding {
    /// Orders it among all: the oldest has the least.
    turn: u64,
    pub(crate) bytes: usize,
    pub(crate) given_up: Arc<AtomicBool>,
}

/// Counts all that is held, the oldest first.
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

impl Intakes {
    /// Sets how much one transport holds. Returns whether all together fit then, and whose sessions were
    /// given up for that.
    pub(crate) fn set(
        &self,
        session: Option<SessionId>,
        holding: &mut Option<Box<Holding>>,
        bytes: usize,
        bound: usize,
    ) -> (bool, Vec<SessionId>) {
        let mut state = lock(&self.state);
        state.set(session, holding, bytes);
        let over = state.bytes > bound;
        let given_up = if over { state.give_up(bound - bound / 10) } else { Vec::new() };
        (state.bytes <= bound, given_up)
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
        // A holding that was given up is counted no more.
        if let Some(held) = self.held.get_mut(&holding.turn) {
            self.bytes = self.bytes - held.bytes + bytes;
            held.bytes = bytes;
        }
    }

    /// Takes out the oldest until at most `most` bytes are held, and returns whose they are.
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
