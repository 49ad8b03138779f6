//! Controls what goes wrong between one node and a simulated broker.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_channel::{Receiver, Sender};

use super::faults::SimFaults;
use crate::lock::lock;
use crate::model::{Instant, later};
use crate::port::Runtime;
use crate::port::broker::{BrokerError, BrokerFault};
use crate::testkit::world::World;

/// Controls the line between one node and a [`SimBroker`](super::SimBroker): what goes wrong on it by chance,
/// and what at once. A clone is the same line.
///
/// ```
/// # use std::time::Duration;
/// use chat_core::testkit::{SimBroker, World};
/// use chat_core::{Hub, OpenChat};
///
/// let world = World::new();
/// let node = SimBroker::new(world.clone()).node();
/// let line = node.line();
/// let hub = Hub::builder(OpenChat::default()).broker(node).build(world.clone());
/// world.settle();
/// assert_eq!(hub.deaf_for(), None);
/// line.cut();
/// world.advance(Duration::from_secs(1));
/// assert_eq!(hub.deaf_for(), Some(Duration::from_secs(1)));
/// line.mend();
/// world.settle();
/// assert_eq!(hub.deaf_for(), None);
/// ```
#[derive(Clone, Debug)]
pub struct SimLine(Arc<Inner>);

/// Bounds from below how long a node is deaf: in no time at all nobody would be told.
const SHORTEST: Duration = Duration::from_millis(1);

#[derive(Debug)]
struct Inner {
    world: World,
    state: Mutex<State>,
    changed: (Sender<()>, Receiver<()>),
}

#[derive(Debug, Default)]
struct State {
    faults: SimFaults,
    /// Is true while no call gets through.
    cut: bool,
    deaf: Deaf,
    /// Counts the next publications that happen and fail.
    unanswered: usize,
}

/// Tells whether the node hears anything.
#[derive(Debug, Default, PartialEq, Eq)]
enum Deaf {
    #[default]
    No,
    Until(Instant),
    UntilMended,
    /// Is deaf until the line is mended, and not told of it.
    Unnoticed,
}

impl SimLine {
    pub(super) fn new(world: World) -> Self {
        let (state, changed) = (Mutex::default(), async_channel::bounded(1));
        Self(Arc::new(Inner { world, state, changed }))
    }

    /// Sets what goes wrong from now on. What is late already stays late.
    pub fn set(&self, faults: SimFaults) {
        lock(&self.0.state).faults = faults;
    }

    /// Cuts the line until it is mended: the node is told that it is deaf, and every call fails that has not
    /// happened. Of one that is under way the answer is lost.
    pub fn cut(&self) {
        self.change(|state| (state.cut, state.deaf) = (true, Deaf::UntilMended));
    }

    /// Cuts the line as [`cut`](Self::cut) does, but nobody notices: the node is not told, until the line is
    /// mended: then it learns that it was deaf.
    pub fn cut_unnoticed(&self) {
        self.change(|state| (state.cut, state.deaf) = (true, Deaf::Unnoticed));
    }

    /// Lets the node hear nothing until the line is mended, and tells it so. Calls get through.
    pub fn deafen(&self) {
        self.change(|state| state.deaf = Deaf::UntilMended);
    }

    /// Lets everything through again, but for what goes wrong by chance, and tells the node so.
    pub fn mend(&self) {
        let soon = later(self.0.world.instant(), SHORTEST);
        self.change(|state| {
            // One that was never told learns it now.
            let deaf = if state.deaf == Deaf::Unnoticed { Deaf::Until(soon) } else { Deaf::No };
            (state.cut, state.deaf, state.unanswered) = (false, deaf, 0);
        });
    }

    /// Lets the next publications happen and fail: so many of them.
    pub fn lose_answers(&self, publications: usize) {
        self.change(|state| state.unanswered = publications);
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut lock(&self.0.state));
        // One that waits already is enough.
        let _ = self.0.changed.0.try_send(());
    }

    /// Returns what is received when the line is changed.
    pub(super) fn changed(&self) -> &Receiver<()> {
        &self.0.changed.1
    }

    pub(super) fn faults(&self) -> SimFaults {
        lock(&self.0.state).faults
    }

    /// Lets the node hear nothing for a time, unless it is deaf already.
    pub(super) fn deafen_for_a_time(&self) {
        let until = later(self.0.world.instant(), self.some_time().max(SHORTEST));
        let mut state = lock(&self.0.state);
        if state.deaf == Deaf::No {
            state.deaf = Deaf::Until(until);
        }
    }

    /// Returns whether the node is told that it is deaf, and when that ends by itself.
    pub(super) fn is_deaf(&self) -> (bool, Option<Instant>) {
        let now = self.0.world.instant();
        let mut state = lock(&self.0.state);
        match state.deaf {
            Deaf::Until(end) if end <= now => state.deaf = Deaf::No,
            Deaf::Until(end) => return (true, Some(end)),
            Deaf::No | Deaf::UntilMended | Deaf::Unnoticed => {}
        }
        (state.deaf == Deaf::UntilMended, None)
    }

    /// Returns whether all that comes to the node is lost without a word.
    pub(super) fn loses_all(&self) -> bool {
        lock(&self.0.state).deaf == Deaf::Unnoticed
    }

    /// Returns true as often as this chance, of a thousand, says. Nothing is drawn for one of 0.
    pub(super) fn happens(&self, chance: u32) -> bool {
        chance > 0 && self.0.world.random() % 1000 < u64::from(chance)
    }

    /// Draws a number below this one.
    pub(super) fn below(&self, bound: usize) -> usize {
        (self.0.world.random() % bound.max(1) as u64) as usize
    }

    /// Draws a time, in milliseconds, up to what the faults say.
    pub(super) fn some_time(&self) -> Duration {
        let most = self.faults().time.as_millis() as u64;
        Duration::from_millis(self.0.world.random() % most.saturating_add(1))
    }

    /// Waits, if a call is slow.
    pub(super) async fn passes(&self) {
        if self.happens(self.faults().slow_calls) {
            let end = self.0.world.after(self.some_time());
            self.0.world.sleep_until(end).await;
        }
    }

    /// Fails if a call does not reach the broker.
    pub(super) fn reaches(&self) -> Result<(), BrokerError> {
        self.is_whole()?;
        match self.happens(self.faults().failures) {
            true => Err(unavailable("the call did not get through")),
            false => Ok(()),
        }
    }

    /// Fails if the answer to a call does not reach the node.
    pub(super) fn returns(&self) -> Result<(), BrokerError> {
        self.is_whole()?;
        match self.happens(self.faults().lost_answers) {
            true => Err(unavailable("the answer was lost")),
            false => Ok(()),
        }
    }

    /// Fails if the answer to a publication does not reach the node.
    pub(super) fn returns_place(&self) -> Result<(), BrokerError> {
        let mut state = lock(&self.0.state);
        let lost = state.unanswered > 0;
        state.unanswered = state.unanswered.saturating_sub(1);
        drop(state);
        if lost { Err(unavailable("the answer was lost")) } else { self.returns() }
    }

    fn is_whole(&self) -> Result<(), BrokerError> {
        if lock(&self.0.state).cut { Err(unavailable("the line is cut")) } else { Ok(()) }
    }
}

fn unavailable(why: &str) -> BrokerError {
    BrokerError::new(BrokerFault::Unavailable, why)
}
