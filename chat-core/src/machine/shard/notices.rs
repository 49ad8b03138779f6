//! Notes what the endpoint is told about a shard's channels, and hands it to the shard's teller.

use std::sync::atomic::Ordering;

use super::Shard;
use crate::machine::notices::Notice;

impl<S: Clone> Shard<S> {
    /// Adds a notice. If too many wait, since a hook takes long, sessions begin no further request.
    pub(in crate::machine) fn note(&mut self, notice: Notice) {
        self.notices.push(notice);
        if self.notices.are_many() {
            self.common.untold.store(self.index + 1, Ordering::Relaxed);
        }
    }

    /// Returns whether a notice waits that nobody is about to tell. The caller has to tell it then.
    pub(crate) fn is_untold(&self) -> bool {
        self.notices.is_stranded()
    }

    /// Takes the role of the teller and the first notice. Returns none if nothing waits, or if another has
    /// the role and tells what waits.
    pub(crate) fn begin_telling(&mut self) -> Option<Notice> {
        self.notices.begin()
    }

    /// Takes the next notice, for the teller. Gives the role back if none waits.
    pub(crate) fn next_notice(&mut self) -> Option<Notice> {
        let next = self.notices.next();
        let untold = &self.common.untold;
        if untold.load(Ordering::Relaxed) == self.index + 1 && !self.notices.are_many() {
            untold.store(0, Ordering::Relaxed);
        }
        next
    }

    /// Gives the role of the teller back, whatever waits. Returns whether a notice waits.
    pub(crate) fn stop_telling(&mut self) -> bool {
        self.notices.give_back()
    }
}
