//! Holds what notifications leave behind, until it is taken.
//!
//! The connection is read whatever the node takes: one that was not read would hold up the notifications of
//! the whole database.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::words::{self, Notice};

/// Bounds the notifications that wait: 8 MiB at most.
const NOTICES: usize = 4096;

pub(crate) struct Ears {
    /// Is the tag of the node, which needs no word of what it has published itself.
    tag: u32,
    state: Mutex<State>,
    wake: Notify,
}

#[derive(Default)]
struct State {
    notices: VecDeque<Notice>,
    /// Is true if one had no room.
    has_lost: bool,
}

impl Ears {
    pub(crate) fn of(tag: u32) -> Self {
        Self { tag, state: Mutex::default(), wake: Notify::new() }
    }

    /// Takes in the text of a notification. Never waits.
    pub(crate) fn hear(&self, text: &str) {
        match words::read(text) {
            Notice::Published(Some(tag)) if tag == self.tag => return,
            Notice::Published(_) => {}
            notice => {
                let mut state = self.lock();
                // After one that is lost none is heard, until that is told.
                state.has_lost |= state.notices.len() == NOTICES;
                if !state.has_lost {
                    state.notices.push_back(notice);
                }
            }
        }
        self.wake.notify_one();
    }

    /// Returns the next notification of words.
    pub(crate) fn notice(&self) -> Option<Notice> {
        self.lock().notices.pop_front()
    }

    /// Returns true if some were lost since this was last asked. Then those that wait are dropped too.
    pub(crate) fn has_lost(&self) -> bool {
        let mut state = self.lock();
        if state.has_lost {
            state.notices.clear();
        }
        std::mem::take(&mut state.has_lost)
    }

    /// Waits until something was heard since the last wait.
    pub(crate) async fn wake(&self) {
        self.wake.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn words_wait_in_their_order_and_one_too_many_is_told_to_be_lost() {
        let ears = Ears::of(3);
        for n in 0..=NOTICES {
            ears.hear(&format!("W{n}"));
        }
        for n in 0..NOTICES - 1 {
            assert_eq!(ears.notice(), Some(Notice::Words(vec![n as i64])));
        }
        ears.hear("W0");
        assert_eq!(ears.lock().notices.len(), 1, "there is room, but one is missing before it");
        assert_eq!((ears.has_lost(), ears.notice(), ears.has_lost()), (true, None, false));
        ears.hear("W7");
        assert_eq!(ears.notice(), Some(Notice::Words(vec![7])));
    }

    #[test]
    fn something_heard_before_the_wait_ends_it_once() {
        let ears = Ears::of(3);
        ears.hear("p");
        ears.hear("p4");
        assert!(ears.wake().now_or_never().is_some());
        assert!(ears.wake().now_or_never().is_none());
        ears.hear("p3");
        assert!(ears.wake().now_or_never().is_none(), "the node said so itself");
        assert_eq!(ears.notice(), None);
    }
}
