//! Bounds the input that a session handles before it yields.

use crate::model::Limits;

/// Holds the budget of one turn. Input beyond it waits, so that a flood of input never starves output.
#[derive(Debug)]
pub(crate) struct Turn {
    bytes: usize,
    messages: usize,
}

impl Turn {
    pub(crate) fn new(limits: &Limits) -> Self {
        let bound = |most| if most == 0 { usize::MAX } else { most };
        Self { bytes: bound(limits.turn_bytes), messages: bound(limits.turn_messages) }
    }

    /// Counts one message. The message that exceeds the budget is still handled.
    pub(crate) fn spend(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_sub(bytes);
        self.messages = self.messages.saturating_sub(1);
    }

    pub(crate) fn is_spent(&self) -> bool {
        self.bytes == 0 || self.messages == 0
    }
}
