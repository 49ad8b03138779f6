//! Defines the bounds of a hub, each with its name and its default.

use super::setters::setters;
use std::time::Duration;

use thiserror::Error;

use super::{NAME_BYTES, Rate, or_never};

/// Bounds a hub and each of its sessions. Each field tells what happens at its bound. What bounds a transport
/// alone stands with it, such as the `HttpLimits` of chat-http.
///
/// A time that is longer than the clock can count, such as [`Duration::MAX`], means never. Where 0 lifts a
/// bound, its field says so; where nothing could work with 0, [`check`](Self::check) refuses it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bounds the sessions at once: the next one is refused its [`Permit`](crate::transport::Permit) (503
    /// at the handshake).
    pub sessions: usize,
    /// Bounds the channels of one session: the next subscribe is refused with 106.
    pub session_channels: usize,
    /// Bounds the bytes of one request: a longer one closes with 1009, before its payload is read if it is a
    /// message of its own. It must not be 0.
    ///
    /// A message that holds several requests may have [`batch_bytes`](Self::batch_bytes).
    pub message_bytes: usize,
    /// Bounds how deep arrays and objects may be nested in a JSON request, the request itself included: a
    /// deeper one is a bad request (refused with 107, or as its protocol decides). It must not be 0.
    pub json_depth: usize,
    /// Bounds the bytes of a channel name that a client may request: a longer one is refused with 107. No
    /// [`ChannelId`](crate::ChannelId) has more than 255. It must not be 0.
    pub channel_name_bytes: usize,
    /// Bounds the publications in one answer, be it a history page or a recovery: a longer page is clamped,
    /// and a longer recovery fails.
    pub answer_entries: usize,
    /// Bounds the sessions of one user: the next one is closed with 3504.
    ///
    /// Behind a broker those on other nodes count too, as soon as this node has heard of them: they are told
    /// within a tenth of a second, of users who have at least an eighth of the bound on their node (at least
    /// one). So a node never has more, and all nodes together may: those that opened on several at the same
    /// moment, and on each other node one less than an eighth. Sessions on a node that is gone count for 9 s.
    pub user_sessions: usize,
    /// Bounds the rate of one session's requests. A session over its rate is not read until there is room
    /// again; its answers, its deliveries and the server's pings continue, and its silence does not count as
    /// a lost peer. One message may have at most a burst of requests, and besides as many subscribes as
    /// [`session_channels`](Self::session_channels): the next request is refused with 111 and closes with
    /// 3013.
    pub requests: Rate,
    /// Bounds the rate of one session's control frames, pings and pongs: one too many closes with 1008.
    pub controls: Rate,
    /// Bounds the bad requests of one session: the last of them closes with 3509.
    pub strikes: u32,
    /// Bounds the users and addresses whose rates and strikes are remembered after their sessions ended, for
    /// at most ten minutes: over the bound the oldest is forgotten.
    pub records: usize,
    /// Bounds the bytes of publications that wait in one session's outbox: more close with 3008. It must not
    /// be 0.
    ///
    /// Answers have the same room of their own. Once a quarter of it waits, no further request is read or
    /// begun until the transport has taken some.
    pub outbox_bytes: usize,
    /// Bounds the publications that wait in one session's outbox: more close with 3008. Answers have the
    /// same room of their own. It must not be 0.
    pub outbox_frames: usize,
    /// Bounds the bytes that wait in all outboxes together: over the bound the sessions with the most
    /// waiting bytes close with 3008, until a tenth is free. It must not be 0.
    pub total_outbox_bytes: usize,
    /// Bounds the bytes of incomplete messages and request bodies in all transports together: over the bound
    /// the sessions whose message was begun first close with 1013, until a tenth is free; a body gets 503.
    /// It must not be 0.
    pub total_input_bytes: usize,
    /// Bounds the bytes of all channels' histories and idempotency keys together: over the bound those of
    /// channels without a subscriber are dropped first.
    pub history_bytes: usize,
    /// Bounds the bytes of content that wait to be stored: more is not stored, which is counted.
    pub store_bytes: usize,
    /// Bounds the time that a request waits for the store: after it the request continues without.
    pub store_timeout: Duration,
    /// Bounds the time that a session may take to open: after it the session is closed with 3502. 0 lifts
    /// the bound.
    pub open_timeout: Duration,
    /// Bounds the time in which a peer takes nothing of what waits for it: after it the session is closed
    /// with 3008, and an HTTP connection is closed without a message. 0 lifts the bound.
    pub write_timeout: Duration,
    /// Sets the pause between two pings. 0 sends no pings.
    pub ping_interval: Duration,
    /// Bounds the time in which nothing is received after a ping: after it the session is closed with 3012.
    /// 0 lifts the bound.
    pub pong_timeout: Duration,
    /// Bounds the time that the peer has to answer a close: after it the transport is dropped. 0 waits for
    /// no answer.
    ///
    /// Data that still waits when a session ends in order has at most [`write_timeout`](Self::write_timeout)
    /// more, however often the peer takes a part of it.
    pub close_timeout: Duration,
    /// Bounds the bytes of input that are handled in one turn of a session, before it yields to its output
    /// and to other sessions. 0 lifts the bound.
    pub turn_bytes: usize,
    /// Bounds the messages of input that are handled in one turn. 0 lifts the bound.
    pub turn_messages: usize,
}

/// Tells why no hub can be built with these bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LimitsError {
    /// Reports a bound that is 0, with which nothing could work.
    #[error("`{field}` must not be 0")]
    Zero {
        /// Names the field of [`Limits`].
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

setters! {
    Limits:
    with_sessions sessions: usize,
    with_session_channels session_channels: usize,
    with_message_bytes message_bytes: usize,
    with_json_depth json_depth: usize,
    with_channel_name_bytes channel_name_bytes: usize,
    with_answer_entries answer_entries: usize,
    with_user_sessions user_sessions: usize,
    with_requests requests: Rate,
    with_controls controls: Rate,
    with_strikes strikes: u32,
    with_records records: usize,
    with_outbox_bytes outbox_bytes: usize,
    with_outbox_frames outbox_frames: usize,
    with_total_outbox_bytes total_outbox_bytes: usize,
    with_total_input_bytes total_input_bytes: usize,
    with_history_bytes history_bytes: usize,
    with_store_bytes store_bytes: usize,
    with_store_timeout store_timeout: Duration,
    with_open_timeout open_timeout: Duration,
    with_write_timeout write_timeout: Duration,
    with_ping_interval ping_interval: Duration,
    with_pong_timeout pong_timeout: Duration,
    with_close_timeout close_timeout: Duration,
    with_turn_bytes turn_bytes: usize,
    with_turn_messages turn_messages: usize,
}

impl Limits {
    /// Returns the bytes that a message with several requests may have, each request of at most
    /// [`message_bytes`](Self::message_bytes). That is enough for a client that resubscribes to all its
    /// channels at once, with 4 KiB for each, such as a token and data of its own.
    pub fn batch_bytes(&self) -> usize {
        const CHANNEL: usize = 4096 + NAME_BYTES;
        let needed = self.session_channels.saturating_mul(CHANNEL).saturating_add(self.message_bytes);
        needed.max(256 * 1024).max(self.message_bytes)
    }

    /// Reads a bound on a time that 0 lifts, as its field says: returns [`Duration::MAX`] for 0.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use chat_core::Limits;
    ///
    /// assert_eq!(Limits::or_never(Duration::ZERO), Duration::MAX);
    /// assert_eq!(Limits::or_never(Duration::from_secs(10)), Duration::from_secs(10));
    /// ```
    pub fn or_never(time: Duration) -> Duration {
        or_never(time)
    }

    /// Checks that a hub can work with these bounds.
    ///
    /// # Errors
    /// Returns the first field that is wrong.
    pub fn check(&self) -> Result<(), LimitsError> {
        let needed = [
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
            session_channels: 128,
            message_bytes: 64 * 1024,
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
