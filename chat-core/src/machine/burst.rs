//! Limits how many requests one message may have.

use crate::model::{BadRequest, Command, Limits, Request};

/// Holds the room of one message: a burst of requests, and beside it one subscribe for each channel that a
/// session may be in, for a client that reconnects to all of its channels at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Burst {
    requests: usize,
    subscribes: usize,
}

impl Burst {
    pub(crate) fn of(limits: &Limits) -> Self {
        let requests =
            if limits.requests.is_unbounded() { usize::MAX } else { limits.requests.burst.max(1) as usize };
        Self { requests, subscribes: limits.session_channels }
    }

    /// Returns the most requests that are counted of one message: all that it may have, and one too many.
    pub(crate) fn most(self) -> usize {
        self.requests.saturating_add(self.subscribes).saturating_add(1)
    }

    /// Takes the room for a request. Returns false if there is none.
    pub(crate) fn has_room_for(&mut self, request: &Result<Request, BadRequest>) -> bool {
        let subscribes = matches!(request, Ok(Request { command: Command::Subscribe(_), .. }));
        let room = if subscribes && self.subscribes > 0 { &mut self.subscribes } else { &mut self.requests };
        let had = *room > 0;
        *room = room.saturating_sub(1);
        had
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Rate, Subscribe};

    #[test]
    fn a_client_comes_back_to_all_its_channels_and_has_its_burst_beside() {
        let requests = Rate { per_second: 1, burst: 2 };
        let limits = Limits { requests, session_channels: 3, ..Limits::default() };
        let ask = |command| Ok(Request { id: None, command });
        let subscribe = || ask(Command::Subscribe(Subscribe::to("a".parse().expect("a name"))));
        let mut burst = Burst::of(&limits);
        assert!((0..3).all(|_| burst.has_room_for(&subscribe())));
        assert!((0..2).all(|_| burst.has_room_for(&ask(Command::Ping))));
        assert!(!burst.has_room_for(&ask(Command::Ping)) && !burst.has_room_for(&subscribe()));
        let unbounded = Limits { requests: Rate::UNBOUNDED, ..limits };
        let mut burst = Burst::of(&unbounded);
        assert!((0..1000).all(|_| burst.has_room_for(&ask(Command::Ping))));
    }
}
