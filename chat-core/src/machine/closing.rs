//! Decides the steps of closing a session: which frames are still written, when the peer is waited for, and
//! when the session is over.

/// Holds how far the close has come, and how the peer has answered it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Closing {
    stage: Stage,
    peer: Peer,
    /// Tells whether the peer answers a close with a close of its own.
    answers: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Means that the close has not begun.
    Open,
    /// Means that the frames queued before the close are being written.
    Flushing,
    /// Means that the close frame is queued.
    Said,
    /// Means that all is written, and the transport is being ended.
    Ending,
    /// Means that the transport's writing half is ended, and the peer is waited for.
    Lingering,
    Over,
}

/// Names the states of the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    Talks,
    /// Means that the peer broke a rule: its messages are dropped.
    Ignored,
    /// Means that the peer sent a close.
    Closed,
    /// Means that nothing more can come from the peer.
    Gone,
}

/// Names the next step of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// Writes the waiting frames; the connection asks again once they are written.
    Write,
    /// Queues the close frame and writes it.
    SayClose,
    /// Ends the transport's writing half.
    EndTransport,
    /// Waits for a frame to write, or for the peer's answer.
    Wait,
    /// Ends the connection, which is over.
    Over,
}

impl Closing {
    /// Creates the state of an open session, whose peer answers a close or does not.
    pub(crate) fn new(answers: bool) -> Self {
        Self { stage: Stage::Open, peer: Peer::Talks, answers }
    }

    pub(crate) fn set_answers(&mut self, answers: bool) {
        self.answers = answers;
    }

    /// Returns whether the close has not begun.
    pub(crate) fn is_open(&self) -> bool {
        self.stage == Stage::Open
    }

    pub(crate) fn is_over(&self) -> bool {
        self.stage == Stage::Over
    }

    /// Returns whether all is written, so that only the end of the transport is waited for.
    pub(crate) fn is_written(&self) -> bool {
        matches!(self.stage, Stage::Ending | Stage::Lingering)
    }

    /// Returns whether the peer is still read, to receive its close.
    pub(crate) fn listens(&self) -> bool {
        matches!(self.peer, Peer::Talks | Peer::Ignored)
    }

    /// Begins to close; the peer gets a close frame.
    pub(crate) fn begin(&mut self) {
        self.stage = Stage::Flushing;
    }

    /// Notes the peer's state. A peer that broke a rule stays in that state until it closes.
    pub(crate) fn heard(&mut self, peer: Peer) {
        self.peer = peer;
    }

    /// Notes that the close frame is queued.
    pub(crate) fn said(&mut self) {
        self.stage = Stage::Said;
    }

    /// Notes that the transport is being ended.
    pub(crate) fn ending(&mut self) {
        self.stage = Stage::Ending;
    }

    /// Notes that the transport's writing half is ended.
    pub(crate) fn ended(&mut self) {
        self.stage = Stage::Lingering;
    }

    /// Ends the session without a close frame, which the peer could not receive.
    pub(crate) fn lose(&mut self) {
        self.stage = Stage::Over;
    }

    /// Returns the next step, given whether all queued frames are `written`.
    pub(crate) fn next(&self, written: bool) -> Act {
        match self.stage {
            Stage::Open | Stage::Flushing | Stage::Said if !written => Act::Write,
            Stage::Open => Act::Wait,
            Stage::Flushing => Act::SayClose,
            Stage::Said if self.peer == Peer::Talks && self.answers => Act::Wait,
            Stage::Said | Stage::Ending => Act::EndTransport,
            // Ending the transport while the peer still writes would reset it, and the close frame would be
            // lost.
            Stage::Lingering if self.peer == Peer::Ignored => Act::Wait,
            Stage::Lingering | Stage::Over => Act::Over,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lists the steps of a session whose every write is taken at once, from its first close until it waits
    /// or is over.
    fn acts(peer: Peer, answers: bool) -> Vec<Act> {
        let (mut closing, mut written, mut acts) = (Closing::new(answers), false, Vec::new());
        closing.heard(peer);
        closing.begin();
        loop {
            let act = closing.next(written);
            acts.push(act);
            match act {
                Act::Write => written = true,
                Act::SayClose => {
                    closing.said();
                    written = false;
                }
                Act::EndTransport => closing.ended(),
                Act::Wait | Act::Over => return acts,
            }
        }
    }

    const SAID: [Act; 3] = [Act::Write, Act::SayClose, Act::Write];

    #[test]
    fn what_waits_goes_before_the_close_whoever_the_peer_is() {
        for peer in [Peer::Talks, Peer::Ignored, Peer::Closed, Peer::Gone] {
            for answers in [true, false] {
                assert_eq!(acts(peer, answers)[..3], SAID, "{peer:?}, {answers}");
            }
        }
    }

    #[test]
    fn only_a_peer_that_talks_and_answers_is_waited_for_before_the_transport_ends() {
        let end = [Act::EndTransport, Act::Over];
        assert_eq!(acts(Peer::Talks, true)[3..], [Act::Wait]);
        assert_eq!(acts(Peer::Talks, false)[3..], end);
        assert_eq!(acts(Peer::Closed, true)[3..], end);
        assert_eq!(acts(Peer::Gone, true)[3..], end);
    }

    #[test]
    fn who_broke_a_rule_is_waited_for_after_the_transport_ends_until_it_closes() {
        assert_eq!(acts(Peer::Ignored, true)[3..], [Act::EndTransport, Act::Wait]);
        let mut closing = Closing::new(true);
        closing.heard(Peer::Ignored);
        closing.ended();
        assert!(closing.listens());
        closing.heard(Peer::Closed);
        assert_eq!((closing.listens(), closing.next(true)), (false, Act::Over));
    }

    #[test]
    fn an_open_session_writes_and_waits_and_a_lost_one_is_over_at_once() {
        let mut closing = Closing::new(true);
        assert_eq!((closing.next(false), closing.next(true)), (Act::Write, Act::Wait));
        closing.lose();
        assert_eq!((closing.next(false), closing.is_over()), (Act::Over, true));
    }
}
