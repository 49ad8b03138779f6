//! Takes events from a broker's memory to a node.

use async_channel::{Receiver, Sender};
use futures::FutureExt;
use futures::future::{OptionFuture, select_all};

use super::held::Held;
use super::line::SimLine;
use crate::model::{Instant, later};
use crate::port::Runtime;
use crate::port::broker::Heard;
use crate::testkit::world::World;

/// Is the way of events from the memory to the node.
pub(super) struct Way<'a> {
    world: &'a World,
    line: &'a SimLine,
    reliable: bool,
    from: Receiver<Heard>,
    to: Sender<Heard>,
    held: Held,
    /// Holds when what comes next arrives, at the earliest.
    late_until: Instant,
    /// Is true while the memory hands over all that there is.
    memory_is_back: bool,
    /// Is true from when the node was told that all is heard, until it is told otherwise.
    node_is_back: bool,
}

/// Is what the way waits for.
enum Next {
    Event(Heard),
    /// Is the time, or a change of the line.
    Look,
}

impl<'a> Way<'a> {
    pub(super) fn new(
        world: &'a World,
        line: &'a SimLine,
        reliable: bool,
        (from, to): (Receiver<Heard>, Sender<Heard>),
    ) -> Self {
        let (held, late_until) = (Held::default(), Instant::START);
        let (memory_is_back, node_is_back) = (false, false);
        Self { world, line, reliable, from, to, held, late_until, memory_is_back, node_is_back }
    }

    /// Hands over what arrives, until one of the two ends is gone.
    pub(super) async fn run(mut self) -> Option<()> {
        loop {
            let (deaf, ends) = self.line.is_deaf();
            self.say_how_it_is(deaf || !self.memory_is_back).await?;
            if self.line.loses_all() {
                self.held.clear();
            }
            while let Some(heard) = self.held.take(self.world.instant()) {
                self.to.send(heard).await.ok()?;
            }
            match self.next(ends).await? {
                Next::Event(heard) => self.take(heard),
                Next::Look => {}
            }
        }
    }

    /// Tells the node that it is deaf, or that it is no longer. What was on its way to a deaf one is lost.
    async fn say_how_it_is(&mut self, deaf: bool) -> Option<()> {
        if deaf {
            self.held.clear();
        }
        if deaf != self.node_is_back {
            return Some(());
        }
        self.node_is_back = !deaf;
        self.to.send(if deaf { Heard::Deaf } else { Heard::Back }).await.ok()
    }

    /// Waits for the next event of the memory, for what arrives next, or for what becomes of the line.
    async fn next(&self, ends: Option<Instant>) -> Option<Next> {
        let changed = async { self.line.changed().recv().await.ok().map(|()| Next::Look) };
        let event = async {
            match self.held.has_room() {
                true => self.from.recv().await.ok().map(Next::Event),
                false => futures::future::pending().await,
            }
        };
        let time = self.held.next().into_iter().chain(ends).min();
        let timer = OptionFuture::from(time.map(|at| self.world.sleep_until(at)));
        let timer = async {
            match timer.await {
                Some(()) => Some(Next::Look),
                None => futures::future::pending().await,
            }
        };
        select_all([changed.boxed(), event.boxed(), timer.boxed()]).await.0
    }

    fn take(&mut self, heard: Heard) {
        let faults = self.line.faults();
        match &heard {
            Heard::Deaf => return self.memory_is_back = false,
            Heard::Back => return self.memory_is_back = true,
            _ if !self.node_is_back || self.line.loses_all() => return,
            _ => {}
        }
        if self.line.happens(faults.deaf_times) {
            return self.line.deafen_for_a_time();
        }
        match &heard {
            Heard::Published { .. } if self.line.happens(faults.losses) => {
                if self.reliable {
                    self.line.deafen_for_a_time();
                }
            }
            Heard::Told { .. } if self.line.happens(faults.lost_words) => {}
            _ => self.send_on(heard),
        }
    }

    fn send_on(&mut self, heard: Heard) {
        let faults = self.line.faults();
        let again = match &heard {
            Heard::Published { ephemeral: false, .. } if self.line.happens(faults.doubles) => {
                Some(heard.clone())
            }
            _ => None,
        };
        if self.line.happens(faults.delays) {
            self.late_until = self.late_until.max(self.later());
        }
        let alone = self.line.happens(faults.reorders).then(|| self.later());
        let at = self.held.add(heard, self.late_until.max(alone.unwrap_or(Instant::START)));
        if let Some(copy) = again {
            self.held.add_copy(copy, later(at.max(self.world.instant()), self.line.some_time()));
        }
    }

    fn later(&self) -> Instant {
        later(self.world.instant(), self.line.some_time())
    }
}
