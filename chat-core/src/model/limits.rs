//! Every bound, its name and its default.

use std::time::Duration;

use thiserror::Error;

use super::{NAME_BYTES, Rate};

/// The bounds of a hub and of each of its sessions. What happens at each is told where it stands.
///
/// A time that is longer than the clock can say, such as [`Duration::MAX`], is never. Where 0 lifts a bound, its field says so; where with 0 nothing
/// could work, [`check`](Self::check) refuses it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Sessions at once: the next one is refused its [`Permit`](crate::Permit) (503 at the handshake).
    pub sessions: usize,
    /// Seats that long polls may take, in a hundred of [`sessions`](Self::sessions): polls hold no connection, so they cost a client nothing. Over them the
    /// oldest goes of those whose client has not shown yet that it polls on; if there is none, the next one gets 503.
    pub poll_share: u8,
    /// How long a client may take for its opening handshake, in all: then it gets 408. As long for the head of any later request on its connection, then that
    /// is closed; and for the body of a request, then it gets 408. Not 0.
    pub handshake_timeout: Duration,
    /// How long a connection is kept on which no request is under way: then it is closed. Longer than the minute after which those in front of a server let
    /// theirs go. 0 lifts the bound.
    pub keep_alive_timeout: Duration,
    /// Bytes of an opening handshake: more get 431. Not 0.
    pub head_bytes: usize,
    /// Bytes of one line of it: more get 431. Not 0.
    pub head_line_bytes: usize,
    /// Headers of it: more get 431. Not 0.
    pub head_headers: usize,
    /// Channels of one session: the next subscribe is refused with 106.
    pub session_channels: usize,
    /// Bytes of one request: a longer one closes with 1009, and before its payload is read if it is a message of its own. Not 0.
    ///
    /// A message that holds several may have [`batch_bytes`](Self::batch_bytes).
    pub message_bytes: usize,
    /// Fragments of one message: one more closes with 1009. 0 lifts the bound.
    pub message_fragments: u32,
    /// How deep arrays and objects may stand in each other in a request of JSON, itself counted: a deeper one is none (refused with 107, or as its protocol has it). Not 0.
    pub json_depth: usize,
    /// Bytes of a channel's name that a client may ask for: a longer one is refused with 107. No [`ChannelId`](crate::ChannelId) has more than 255. Not 0.
    pub channel_name_bytes: usize,
    /// Publications in one answer, be it a history or a recovery: more are clamped, or not recovered.
    pub answer_entries: usize,
    /// Sessions of one user: the next one is closed with 3504.
    pub user_sessions: usize,
    /// Requests of one session. One that asks faster is not read until there is room again; its answers, what it is told and the server's pings go on, and
    /// its silence is not taken for an end. One message has at most a burst of requests, and beside it as many subscribes as
    /// [`session_channels`](Self::session_channels): the next is refused with 111 and closes with 3013.
    pub requests: Rate,
    /// Control frames of one session, pings and pongs: one too many closes with 1008.
    pub controls: Rate,
    /// Bad requests of one session: the last of them closes with 3509.
    pub strikes: u32,
    /// Users and addresses whose rates and strikes are remembered when their sessions are gone, for at most ten minutes: over that the oldest is forgotten.
    pub records: usize,
    /// Bytes of publications that wait for one session: more close with 3008. Not 0.
    ///
    /// Answers have the same room of their own. Once a quarter of it waits, no further request is read or begun until the transport has taken some.
    pub outbox_bytes: usize,
    /// Publications that wait for one session: more close with 3008. Answers have the same room of their own. Not 0.
    pub outbox_frames: usize,
    /// Bytes that wait in all sessions together: over them those close with 3008 for whom the most waits, until a tenth is free. Not 0.
    pub total_outbox_bytes: usize,
    /// Bytes of messages, and of bodies, that are not whole yet, in all transports together: over them those sessions close with 1013 whose message was
    /// begun first, until a tenth is free; a body gets 503. Not 0.
    pub total_input_bytes: usize,
    /// Bytes that all channels' histories and idempotency keys may weigh together: over them those go first that nobody is in.
    pub history_bytes: usize,
    /// Bytes of content that wait to be stored: more is not stored, which is counted.
    pub store_bytes: usize,
    /// How long a request waits for the store: then it goes on without.
    pub store_timeout: Duration,
    /// How long a session may take to open: then it is closed with 3502. 0 lifts the bound.
    pub open_timeout: Duration,
    /// How long a peer may take nothing of what waits for it: then it is closed with 3008, and an HTTP connection without a word. 0 lifts the bound.
    pub write_timeout: Duration,
    /// The pause between two pings. 0 asks nobody whether it is there.
    pub ping_interval: Duration,
    /// How long nothing may be heard after a ping: then the session is closed with 3012. 0 lifts the bound.
    pub pong_timeout: Duration,
    /// How long the peer has to answer a close: then the transport is dropped. With 0 it is not waited for.
    ///
    /// What waits when a session ends in order has [`write_timeout`](Self::write_timeout) more at most, whatever the peer takes now and then.
    pub close_timeout: Duration,
    /// Bytes of input handled in one turn of a session, before it yields to its output and to others. 0 lifts the bound.
    pub turn_bytes: usize,
    /// Messages of input handled in one turn. 0 lifts the bound.
    pub turn_messages: usize,
}

/// Why no hub can be built with these bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum LimitsError {
    /// A bound with which nothing could work if it is 0.
    #[error("`{field}` must not be 0")]
    Zero {
        /// The field of [`Limits`].
        field: &'static str,
    },
}

impl LimitsError {
    /// Returns the name of the field of [`Limits`] that is wrong.
    pub fn field(&self) -> &'static str {
        let Self::Zero { field } = self;
        field
    }
}

impl Limits {
    /// Returns how many bytes a message may have that holds several requests, each of at most [`message_bytes`](Self::message_bytes): enough for a client
    /// that comes back to all its channels at once, with 4 KiB to say for each, such as a token and data of its own.
    pub fn batch_bytes(&self) -> usize {
        const CHANNEL: usize = 4096 + NAME_BYTES;
        let needed = self.session_channels.saturating_mul(CHANNEL).saturating_add(self.message_bytes);
        needed.max(256 * 1024).max(self.message_bytes)
    }

    /// Checks that a hub can work with these bounds.
    ///
    /// # Errors
    /// The first field that is wrong.
    pub fn check(&self) -> Result<(), LimitsError> {
        let needed = [
            ("handshake_timeout", self.handshake_timeout.is_zero()),
            ("head_bytes", self.head_bytes == 0),
            ("head_line_bytes", self.head_line_bytes == 0),
            ("head_headers", self.head_headers == 0),
            ("message_bytes", self.message_bytes == 0),
            ("json_depth", self.json_depth == 0),
            ("channel_name_bytes", self.channel_name_bytes == 0),
            ("outbox_bytes", self.outbox_bytes == 0),
            ("outbox_frames", self.outbox_frames == 0),
            ("total_outbox_bytes", self.total_outbox_bytes == 0),
            ("total_input_bytes", self.total_input_bytes == 0),
        ];
        match needed.into_iter().find(|(_, zero)| *zero) {
            Some((field, _)) => Err(LimitsError::Zero { field }),
            None => Ok(()),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            sessions: 100_000,
            poll_share: 50,
            handshake_timeout: Duration::from_secs(10),
            keep_alive_timeout: Duration::from_secs(75),
            head_bytes: 48 * 1024,
            head_line_bytes: 32 * 1024,
            head_headers: 100,
            session_channels: 128,
            message_bytes: 64 * 1024,
            message_fragments: 1024,
            json_depth: 128,
            channel_name_bytes: NAME_BYTES,
            answer_entries: 300,
            user_sessions: 64,
            requests: Rate { per_second: 100, burst: 200 },
            controls: Rate { per_second: 10, burst: 20 },
            strikes: 20,
            records: 100_000,
            outbox_bytes: 1024 * 1024,
            outbox_frames: 4096,
            total_outbox_bytes: 256 * 1024 * 1024,
            total_input_bytes: 256 * 1024 * 1024,
            history_bytes: 256 * 1024 * 1024,
            store_bytes: 64 * 1024 * 1024,
            store_timeout: Duration::from_secs(5),
            open_timeout: Duration::from_secs(10),
            write_timeout: Duration::from_secs(10),
            ping_interval: Duration::from_secs(25),
            pong_timeout: Duration::from_secs(10),
            close_timeout: Duration::from_secs(5),
            turn_bytes: 16 * 1024,
            turn_messages: 64,
        }
    }
}
