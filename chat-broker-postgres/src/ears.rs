//! Holds what notifications leave behind, until it is taken.
//!
//! The connection is read whatever the node takes: one that was not read would hold up the notifications of
//! the whole database.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::words::{self, Notice};

/// Bounds the words that wait: 8 MiB at most.
const WORDS: usize = 1024;

#[derive(Default)]
pub(crate) struct Ears {
    state: Mutex<State>,
    wake: Notify,
}

#[derive(Default)]
struct State {
    words: VecDeque<Notice>,
    /// Is true if a word had no room.
    has_lost: bool,
}

impl Ears {
    /// Takes in the text of a notification. Never waits.
    pub(crate) fn hear(&self, text: &str) {
        let notice = words::read(text);
        if notice != Notice::Published {
            let mut state = self.lock();
            // After one that is lost none is heard, until that is told.
            state.has_lost |= state.words.len() == WORDS;
            if !state.has_lost {
                state.words.push_back(notice);
            }
        }
        self.wake.notify_one();
    }

    /// Returns the next word.
    pub(crate) fn word(&self) -> Option<Notice> {
        self.lock().words.pop_front()
    }

    /// Returns true if words were lost since this was last asked. Then those that wait are dropped too.
    pub(crate) fn has_lost(&self) -> bool {
        let mut state = self.lock();
        if state.has_lost {
            state.words.clear();
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
        let ears = Ears::default();
        for n in 0..=WORDS {
            ears.hear(&format!("W{n}"));
        }
        for n in 0..WORDS - 1 {
            assert_eq!(ears.word(), Some(Notice::Word(n as i64)));
        }
        ears.hear("W0");
        assert_eq!(ears.lock().words.len(), 1, "there is room, but one is missing before it");
        assert_eq!((ears.has_lost(), ears.word(), ears.has_lost()), (true, None, false));
        ears.hear("W7");
        assert_eq!(ears.word(), Some(Notice::Word(7)));
    }

    #[test]
    fn something_heard_before_the_wait_ends_it_once() {
        let ears = Ears::default();
        ears.hear("p");
        ears.hear("p");
        assert!(ears.wake().now_or_never().is_some());
        assert!(ears.wake().now_or_never().is_none());
        assert_eq!(ears.word(), None);
    }
}
