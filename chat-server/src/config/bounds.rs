//! Defines one flag for every bound, with the default of the library that keeps it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use chat_core::store::StoreError;
use chat_core::{ChannelOptions, HistoryOptions, Limits, Rate, Storage};
use chat_store_sqlite::SqliteStore;
use chat_tokio_adapter::HttpLimits;
use clap::builder::NonEmptyStringValueParser;
use clap::{ArgAction, Args, value_parser};

use super::flag_error::FlagError;

/// Lists the brokers: the schemes of their addresses, the feature that each needs, and whether it is there.
const BROKERS: [(&[&str], &str, bool); 3] = [
    (&["redis", "rediss"], "redis", cfg!(feature = "redis")),
    (&["postgres", "postgresql"], "postgres", cfg!(feature = "postgres")),
    (&["nats", "tls"], "nats", cfg!(feature = "nats")),
];

/// Holds the flags of the history that every channel keeps.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "History")]
pub(crate) struct History {
    /// Keeps at most this many publications of a channel in memory; 0 keeps none.
    #[arg(long, env = "CHAT_HISTORY_ENTRIES", default_value_t = 100)]
    history_entries: usize,
    /// Keeps at most this many bytes of content of a channel in memory.
    #[arg(long, env = "CHAT_HISTORY_BYTES", default_value_t = 1_048_576)]
    history_bytes: usize,
    /// Keeps a publication in memory for this many seconds.
    #[arg(long, env = "CHAT_HISTORY_SECONDS", default_value_t = 300)]
    history_seconds: u32,
    /// Turns presence on: clients can ask who is in a channel.
    #[arg(long, env = "CHAT_PRESENCE", default_value_t = true, action = ArgAction::Set)]
    presence: bool,
    /// Stores all messages in this file, so that they survive a restart; `none` stores nothing. By default
    /// the file is chat.db, or there is none with --broker, beside which nothing is stored.
    #[arg(long, env = "CHAT_STORE")]
    store: Option<PathBuf>,
    /// Makes this server one with all others that have the same broker: one order, one history.
    /// `redis://user:password@host:port/database` names a Redis from 7 on, `rediss://` one with TLS;
    /// `?prefix=NAME` tells several chats on it apart, and `?durable=aof` says that it loses nothing in a
    /// crash. `postgres://user:password@host:port/database` names a PostgreSQL from 15 on; there
    /// `?schema=NAME` tells chats apart, and `?sslmode=require` uses TLS. `nats://user:password@host:port`
    /// names a nats-server from 2.9 on with JetStream, `tls://` one with TLS, with `?prefix=NAME` and
    /// `?durable=file` as for Redis.
    #[arg(long, env = "CHAT_BROKER", hide_env_values = true, value_parser = NonEmptyStringValueParser::new())]
    pub(super) broker: Option<String>,
    /// Stores at most this many publications of each channel in the file; older ones are deleted when one is
    /// stored. 0 stores all.
    #[arg(long, env = "CHAT_STORE_ENTRIES", default_value_t = 0)]
    store_entries: u64,
    /// Answers a publish only after it is stored. Refused with --store none.
    #[arg(long, env = "CHAT_DURABLE")]
    durable: bool,
}

/// Holds the flags of the bounds on one session and on all together.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Bounds")]
pub(crate) struct Bounds {
    /// Allows this many sessions at once; further ones get 503. 0 refuses all.
    #[arg(long, env = "CHAT_SESSIONS", default_value_t = 100_000)]
    sessions: usize,
    /// Allows sessions that poll (/socket/longpoll) this percentage of --sessions. Beyond it, the oldest one
    /// that has not polled twice is closed for a new one; if there is none, the new one gets 503.
    #[arg(long, env = "CHAT_POLL_SHARE", default_value_t = 50, value_parser = value_parser!(u8).range(1..=100))]
    poll_share: u8,
    /// Gives a client this many seconds for its opening handshake, and for the head and the body of any
    /// request. After that it gets 408; within the head of a later request, its connection is closed.
    #[arg(long, env = "CHAT_HANDSHAKE_SECONDS", default_value_t = 10)]
    handshake_seconds: u32,
    /// Keeps a connection without a request open for this many seconds. Set it longer than the timeout of a
    /// proxy in front of the server. 0 lifts the bound.
    #[arg(long, env = "CHAT_KEEP_ALIVE_SECONDS", default_value_t = 75)]
    keep_alive_seconds: u32,
    /// Allows an opening handshake this many bytes; larger ones get 431.
    #[arg(long, env = "CHAT_HEAD_BYTES", default_value_t = 49_152)]
    head_bytes: usize,
    /// Allows one line of an opening handshake this many bytes; longer ones get 431.
    #[arg(long, env = "CHAT_HEAD_LINE_BYTES", default_value_t = 32768)]
    head_line_bytes: usize,
    /// Allows an opening handshake this many headers; with more it gets 431.
    #[arg(long, env = "CHAT_HEAD_HEADERS", default_value_t = 100)]
    head_headers: usize,
    /// Allows one session this many channels; further ones get error 106.
    #[arg(long, env = "CHAT_SESSION_CHANNELS", default_value_t = 128)]
    session_channels: usize,
    /// Allows one message this many bytes; a larger one closes the session with 1009.
    #[arg(long, env = "CHAT_MESSAGE_BYTES", default_value_t = 65_536)]
    message_bytes: usize,
    /// Allows one message this many fragments; more close the session with 1009. 0 lifts the bound.
    #[arg(long, env = "CHAT_MESSAGE_FRAGMENTS", default_value_t = 1024)]
    message_fragments: u32,
    /// Allows this many levels of nested arrays and objects in the JSON of a request, its outermost object
    /// included. A deeper request is a bad request (error 107, or the protocol's own).
    #[arg(long, env = "CHAT_JSON_DEPTH", default_value_t = 128, value_parser = value_parser!(u16).range(1..))]
    json_depth: u16,
    /// Allows the name of a channel that a client asks for this many bytes; longer ones get error 107.
    #[arg(long, env = "CHAT_CHANNEL_NAME_BYTES", default_value_t = 255, value_parser = value_parser!(u8).range(1..))]
    channel_name_bytes: u8,
    /// Puts at most this many publications into one answer. A history request is clamped to that; a client
    /// that missed more does not recover.
    #[arg(long, env = "CHAT_ANSWER_ENTRIES", default_value_t = 300)]
    answer_entries: usize,
    /// Allows one user this many sessions; further ones are closed with 3504. 0 refuses all.
    #[arg(long, env = "CHAT_USER_SESSIONS", default_value_t = 64)]
    user_sessions: usize,
    /// Allows one session this many requests a second; a faster one is not read from until its rate allows
    /// it. 0 lifts the bound.
    #[arg(long, env = "CHAT_REQUEST_RATE", default_value_t = 100)]
    request_rate: u32,
    /// Allows one session this many requests at once, after a pause. More in one message get error 111, and
    /// the session is closed with 3013.
    #[arg(long, env = "CHAT_REQUEST_BURST", default_value_t = 200)]
    request_burst: u32,
    /// Allows one session this many pings and pongs a second; more close it with 1008. 0 lifts the bound.
    #[arg(long, env = "CHAT_CONTROL_RATE", default_value_t = 10)]
    control_rate: u32,
    /// Allows one session this many pings and pongs at once, after a pause.
    #[arg(long, env = "CHAT_CONTROL_BURST", default_value_t = 20)]
    control_burst: u32,
    /// Closes a session with 3509 at this many bad requests.
    #[arg(long, env = "CHAT_STRIKES", default_value_t = 20)]
    strikes: u32,
    /// Remembers the rates and bad requests of this many users and addresses over a reconnect, for ten
    /// minutes at most. Beyond that the oldest is forgotten.
    #[arg(long, env = "CHAT_RECORDS", default_value_t = 100_000)]
    records: usize,
    /// Queues at most this many bytes for one session; more close it with 3008.
    #[arg(long, env = "CHAT_OUTBOX_BYTES", default_value_t = 1_048_576)]
    outbox_bytes: usize,
    /// Queues at most this many publications for one session; more close it with 3008.
    #[arg(long, env = "CHAT_OUTBOX_FRAMES", default_value_t = 4096)]
    outbox_frames: usize,
    /// Queues at most this many bytes for all sessions together. Beyond that the sessions with the most
    /// queued are closed with 3008.
    #[arg(long, env = "CHAT_TOTAL_OUTBOX_BYTES", default_value_t = 268_435_456)]
    total_outbox_bytes: usize,
    /// Holds at most this many bytes of incomplete messages, of all sessions together. Beyond that the
    /// sessions whose message began first are closed with 1013.
    #[arg(long, env = "CHAT_TOTAL_INPUT_BYTES", default_value_t = 268_435_456)]
    total_input_bytes: usize,
    /// Keeps at most this many bytes of history in memory, of all channels together. Beyond that the
    /// histories of channels without subscribers are dropped first.
    #[arg(long, env = "CHAT_TOTAL_HISTORY_BYTES", default_value_t = 268_435_456)]
    total_history_bytes: usize,
    /// Queues at most this many bytes of content for the store; publications beyond that are not stored.
    #[arg(long, env = "CHAT_STORE_BYTES", default_value_t = 67_108_864)]
    store_bytes: usize,
    /// Waits for the store for at most this many seconds; then the request continues without it.
    #[arg(long, env = "CHAT_STORE_SECONDS", default_value_t = 5)]
    store_seconds: u32,
    /// Gives a session this many seconds to open; then it is closed with 3502. 0 lifts the bound.
    #[arg(long, env = "CHAT_OPEN_SECONDS", default_value_t = 10)]
    open_seconds: u32,
    /// Closes a connection whose client reads nothing of what waits for it for this many seconds; a session
    /// is closed with 3008. 0 lifts the bound.
    #[arg(long, env = "CHAT_WRITE_SECONDS", default_value_t = 10)]
    write_seconds: u32,
    /// Sends a ping every this many seconds; 0 sends none.
    #[arg(long, env = "CHAT_PING_SECONDS", default_value_t = 25)]
    ping_seconds: u32,
    /// Waits for any input after a ping for this many seconds; then the session is closed with 3012. 0 lifts
    /// the bound.
    #[arg(long, env = "CHAT_PONG_SECONDS", default_value_t = 10)]
    pong_seconds: u32,
    /// Gives a client this many seconds to answer a close.
    #[arg(long, env = "CHAT_CLOSE_SECONDS", default_value_t = 5)]
    close_seconds: u32,
    /// Handles at most this many bytes of input in one turn of a session. 0 lifts the bound.
    #[arg(long, env = "CHAT_TURN_BYTES", default_value_t = 16_384)]
    turn_bytes: usize,
    /// Handles at most this many messages of input in one turn of a session. 0 lifts the bound.
    #[arg(long, env = "CHAT_TURN_MESSAGES", default_value_t = 64)]
    turn_messages: usize,
}

impl History {
    pub(crate) fn channel(&self) -> ChannelOptions {
        let age = seconds(self.history_seconds);
        let history = HistoryOptions::of(self.history_entries, age).with_bytes(self.history_bytes);
        ChannelOptions::default()
            .with_history(history)
            .with_presence(self.presence)
            .with_storage(self.storage())
    }
}

impl History {
    /// Checks what no flag says alone: that what is to be durable has a store, and that a broker stands alone
    /// and is one that this server knows.
    ///
    /// # Errors
    /// Names the flag that is wrong, and says how.
    pub(crate) fn check(&self) -> Result<(), FlagError> {
        if self.durable && !self.stores() {
            return Err(FlagError::new("durable", "is of use only with a --store, which is \"none\""));
        }
        let Some(broker) = &self.broker else { return Ok(()) };
        let scheme = broker.split_once("://").map_or("", |(scheme, _)| scheme);
        let known = BROKERS.iter().find(|(schemes, ..)| schemes.contains(&scheme));
        let (flag, wrong) = match (self.stores(), known) {
            (true, _) => {
                ("store", "cannot be beside --broker, which keeps what there is: say none".to_owned())
            }
            (_, None) => {
                let schemes = "redis://, rediss://, postgres://, nats:// or tls://";
                ("broker", format!("is no address that begins with {schemes}"))
            }
            (_, Some((.., true))) => return Ok(()),
            (_, Some((_, feature, false))) => {
                ("broker", format!("needs a server that is built with the feature {feature}"))
            }
        };
        Err(FlagError::new(flag, wrong))
    }

    /// Returns whether there is a store.
    pub(crate) fn stores(&self) -> bool {
        self.path().is_some()
    }

    fn storage(&self) -> Storage {
        match (self.path(), self.durable) {
            (None, _) => Storage::None,
            (Some(_), false) => Storage::Kept,
            (Some(_), true) => Storage::Durable,
        }
    }

    /// Opens the store, unless it is turned off.
    pub(crate) fn open_store(&self) -> Result<Option<SqliteStore>, StoreError> {
        let Some(path) = self.path() else { return Ok(None) };
        let store = SqliteStore::open(path)?;
        Ok(Some(if self.store_entries == 0 { store } else { store.keep(self.store_entries) }))
    }

    fn path(&self) -> Option<&Path> {
        let otherwise = if self.broker.is_some() { "none" } else { "chat.db" };
        let path = self.store.as_deref().unwrap_or(Path::new(otherwise));
        Some(path).filter(|path| *path != Path::new("none"))
    }
}

impl Bounds {
    /// Checks that a hub can work within the bounds.
    ///
    /// # Errors
    /// Names the flag that prevents it.
    pub(crate) fn check(&self) -> Result<(), FlagError> {
        self.http_limits().check().map_err(|error| zero(error.field()))?;
        self.limits().check().map_err(|error| zero(error.field()))
    }

    pub(crate) fn http_limits(&self) -> HttpLimits {
        HttpLimits::default()
            .with_poll_share(self.poll_share)
            .with_handshake_timeout(seconds(self.handshake_seconds))
            .with_keep_alive_timeout(seconds(self.keep_alive_seconds))
            .with_head_bytes(self.head_bytes)
            .with_head_line_bytes(self.head_line_bytes)
            .with_head_headers(self.head_headers)
            .with_message_fragments(self.message_fragments)
    }

    pub(crate) fn limits(&self) -> Limits {
        Limits::default()
            .with_sessions(self.sessions)
            .with_session_channels(self.session_channels)
            .with_message_bytes(self.message_bytes)
            .with_json_depth(self.json_depth.into())
            .with_channel_name_bytes(self.channel_name_bytes.into())
            .with_answer_entries(self.answer_entries)
            .with_user_sessions(self.user_sessions)
            .with_requests(Rate { per_second: self.request_rate, burst: self.request_burst })
            .with_controls(Rate { per_second: self.control_rate, burst: self.control_burst })
            .with_strikes(self.strikes)
            .with_records(self.records)
            .with_outbox_bytes(self.outbox_bytes)
            .with_outbox_frames(self.outbox_frames)
            .with_total_outbox_bytes(self.total_outbox_bytes)
            .with_total_input_bytes(self.total_input_bytes)
            .with_history_bytes(self.total_history_bytes)
            .with_store_bytes(self.store_bytes)
            .with_store_timeout(seconds(self.store_seconds))
            .with_open_timeout(seconds(self.open_seconds))
            .with_write_timeout(seconds(self.write_seconds))
            .with_ping_interval(seconds(self.ping_seconds))
            .with_pong_timeout(seconds(self.pong_seconds))
            .with_close_timeout(seconds(self.close_seconds))
            .with_turn_bytes(self.turn_bytes)
            .with_turn_messages(self.turn_messages)
    }
}

/// Says that the flag of this field is 0.
fn zero(field: &str) -> FlagError {
    FlagError::new(field.replace("_timeout", "_seconds").replace('_', "-"), "must not be 0")
}

/// Returns a duration of at most 136 years, so that no deadline is beyond the range of a clock.
pub(crate) fn seconds(count: u32) -> Duration {
    Duration::from_secs(count.into())
}
