//! One flag for every bound, with the core's default.

use std::path::{Path, PathBuf};
use std::time::Duration;

use chat_core::{ChannelOptions, HistoryOptions, Limits, Rate, Storage, StoreError};
use chat_store_sqlite::SqliteStore;
use clap::{ArgAction, Args, value_parser};

/// What every channel keeps.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "History")]
pub(crate) struct History {
    /// Publications that a channel keeps; 0 keeps none.
    #[arg(long, env = "CHAT_HISTORY_ENTRIES", default_value_t = 100)]
    history_entries: usize,
    /// Bytes of content that a channel keeps.
    #[arg(long, env = "CHAT_HISTORY_BYTES", default_value_t = 1_048_576)]
    history_bytes: usize,
    /// Seconds that a channel keeps a publication.
    #[arg(long, env = "CHAT_HISTORY_SECONDS", default_value_t = 300)]
    history_seconds: u32,
    /// Whether channels know who is in them.
    #[arg(long, env = "CHAT_PRESENCE", default_value_t = true, action = ArgAction::Set)]
    presence: bool,
    /// The file that keeps all messages over a restart, or `none`.
    #[arg(long, env = "CHAT_STORE", default_value = "chat.db")]
    store: PathBuf,
    /// Publications that the file keeps of each channel, seen to whenever one is stored; 0 keeps all.
    #[arg(long, env = "CHAT_STORE_ENTRIES", default_value_t = 0)]
    store_entries: u64,
    /// Answers a publish only when it is stored.
    #[arg(long, env = "CHAT_DURABLE")]
    durable: bool,
}

/// What a session, and all of them, may take.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Bounds")]
pub(crate) struct Bounds {
    /// Sessions at once; more get 503. 0 lets nobody in.
    #[arg(long, env = "CHAT_SESSIONS", default_value_t = 100_000)]
    sessions: usize,
    /// Sessions that poll (/socket/longpoll), in a hundred of --sessions; over them the oldest goes that has not polled twice, else more get 503.
    #[arg(long, env = "CHAT_POLL_SHARE", default_value_t = 50, value_parser = value_parser!(u8).range(1..=100))]
    poll_share: u8,
    /// Seconds a client may take for its opening handshake, or for the head or the body of any request; then it gets 408, or is closed within a later head.
    #[arg(long, env = "CHAT_HANDSHAKE_SECONDS", default_value_t = 10)]
    handshake_seconds: u32,
    /// Seconds that a connection is kept on which no request is under way; best longer than whatever stands in front waits. 0 lifts the bound.
    #[arg(long, env = "CHAT_KEEP_ALIVE_SECONDS", default_value_t = 75)]
    keep_alive_seconds: u32,
    /// Bytes of an opening handshake; more get 431.
    #[arg(long, env = "CHAT_HEAD_BYTES", default_value_t = 49_152)]
    head_bytes: usize,
    /// Bytes of one line of an opening handshake; more get 431.
    #[arg(long, env = "CHAT_HEAD_LINE_BYTES", default_value_t = 32768)]
    head_line_bytes: usize,
    /// Headers of an opening handshake; more get 431.
    #[arg(long, env = "CHAT_HEAD_HEADERS", default_value_t = 100)]
    head_headers: usize,
    /// Channels of one session; more get error 106.
    #[arg(long, env = "CHAT_SESSION_CHANNELS", default_value_t = 128)]
    session_channels: usize,
    /// Bytes of one message; more close with 1009.
    #[arg(long, env = "CHAT_MESSAGE_BYTES", default_value_t = 65_536)]
    message_bytes: usize,
    /// Fragments of one message; more close with 1009. 0 lifts the bound.
    #[arg(long, env = "CHAT_MESSAGE_FRAGMENTS", default_value_t = 1024)]
    message_fragments: u32,
    /// Arrays and objects that may stand in each other in JSON, the whole request counted; what is deeper is no request (error 107, or as the protocol has it).
    #[arg(long, env = "CHAT_JSON_DEPTH", default_value_t = 128, value_parser = value_parser!(u16).range(1..))]
    json_depth: u16,
    /// Bytes of the name of a channel that a client asks for; more get error 107.
    #[arg(long, env = "CHAT_CHANNEL_NAME_BYTES", default_value_t = 255, value_parser = value_parser!(u8).range(1..))]
    channel_name_bytes: u8,
    /// Publications in one answer; more are clamped, or not recovered.
    #[arg(long, env = "CHAT_ANSWER_ENTRIES", default_value_t = 300)]
    answer_entries: usize,
    /// Sessions of one user; more close with 3504. 0 lets nobody in.
    #[arg(long, env = "CHAT_USER_SESSIONS", default_value_t = 64)]
    user_sessions: usize,
    /// Requests of one session in a second; one that asks faster is not read until there is room again. 0 lifts the bound.
    #[arg(long, env = "CHAT_REQUEST_RATE", default_value_t = 100)]
    request_rate: u32,
    /// Requests of one session at once, after a pause; more in one message get error 111 and close with 3013.
    #[arg(long, env = "CHAT_REQUEST_BURST", default_value_t = 200)]
    request_burst: u32,
    /// Pings and pongs of one session in a second; more close with 1008. 0 lifts the bound.
    #[arg(long, env = "CHAT_CONTROL_RATE", default_value_t = 10)]
    control_rate: u32,
    /// Pings and pongs of one session at once, after a pause.
    #[arg(long, env = "CHAT_CONTROL_BURST", default_value_t = 20)]
    control_burst: u32,
    /// Bad requests of one session; the last closes with 3509.
    #[arg(long, env = "CHAT_STRIKES", default_value_t = 20)]
    strikes: u32,
    /// Users and addresses whose rates and strikes are remembered over a reconnect, for ten minutes at most; over that the oldest is forgotten.
    #[arg(long, env = "CHAT_RECORDS", default_value_t = 100_000)]
    records: usize,
    /// Bytes that wait for one session; more close with 3008.
    #[arg(long, env = "CHAT_OUTBOX_BYTES", default_value_t = 1_048_576)]
    outbox_bytes: usize,
    /// Publications that wait for one session; more close with 3008.
    #[arg(long, env = "CHAT_OUTBOX_FRAMES", default_value_t = 4096)]
    outbox_frames: usize,
    /// Bytes that wait in all sessions together; over them those close with 3008 for whom the most waits.
    #[arg(long, env = "CHAT_TOTAL_OUTBOX_BYTES", default_value_t = 268_435_456)]
    total_outbox_bytes: usize,
    /// Bytes of messages that are not whole yet, in all sessions together; over them those close with 1013 whose message was begun first.
    #[arg(long, env = "CHAT_TOTAL_INPUT_BYTES", default_value_t = 268_435_456)]
    total_input_bytes: usize,
    /// Bytes that all histories may weigh together; over them those go first that nobody is in.
    #[arg(long, env = "CHAT_TOTAL_HISTORY_BYTES", default_value_t = 268_435_456)]
    total_history_bytes: usize,
    /// Bytes of content that wait to be stored; more is not stored.
    #[arg(long, env = "CHAT_STORE_BYTES", default_value_t = 67_108_864)]
    store_bytes: usize,
    /// Seconds that a request waits for the store; then it goes on without.
    #[arg(long, env = "CHAT_STORE_SECONDS", default_value_t = 5)]
    store_seconds: u32,
    /// Seconds a session may take to open; then it is closed with 3502. 0 lifts the bound.
    #[arg(long, env = "CHAT_OPEN_SECONDS", default_value_t = 10)]
    open_seconds: u32,
    /// Seconds a client may take nothing of what waits for it, be it of a session or of any answer; then it is closed, a session with 3008. 0 lifts the bound.
    #[arg(long, env = "CHAT_WRITE_SECONDS", default_value_t = 10)]
    write_seconds: u32,
    /// Seconds between two pings; 0 asks nobody whether it is there.
    #[arg(long, env = "CHAT_PING_SECONDS", default_value_t = 25)]
    ping_seconds: u32,
    /// Seconds that nothing may be heard after a ping; then the session is closed with 3012. 0 lifts the bound.
    #[arg(long, env = "CHAT_PONG_SECONDS", default_value_t = 10)]
    pong_seconds: u32,
    /// Seconds a client has to answer a close.
    #[arg(long, env = "CHAT_CLOSE_SECONDS", default_value_t = 5)]
    close_seconds: u32,
    /// Bytes of input handled in one turn of a session. 0 lifts the bound.
    #[arg(long, env = "CHAT_TURN_BYTES", default_value_t = 16_384)]
    turn_bytes: usize,
    /// Messages of input handled in one turn of a session. 0 lifts the bound.
    #[arg(long, env = "CHAT_TURN_MESSAGES", default_value_t = 64)]
    turn_messages: usize,
}

impl History {
    pub(crate) fn channel(&self) -> ChannelOptions {
        let age = seconds(self.history_seconds);
        let history = HistoryOptions { entries: self.history_entries, bytes: self.history_bytes, age };
        ChannelOptions { history, presence: self.presence, storage: self.storage() }
    }
}

impl History {
    fn storage(&self) -> Storage {
        match (self.path(), self.durable) {
            (None, _) => Storage::None,
            (Some(_), false) => Storage::Kept,
            (Some(_), true) => Storage::Durable,
        }
    }

    /// The store, if there is to be one.
    pub(crate) fn open_store(&self) -> Result<Option<SqliteStore>, StoreError> {
        let Some(path) = self.path() else { return Ok(None) };
        let store = SqliteStore::open(path)?;
        Ok(Some(if self.store_entries == 0 { store } else { store.keep(self.store_entries) }))
    }

    fn path(&self) -> Option<&Path> {
        Some(&*self.store).filter(|path| *path != Path::new("none"))
    }
}

impl Bounds {
    /// # Errors
    /// Which flag stands in the way of a hub that works.
    pub(crate) fn check(&self) -> Result<(), String> {
        self.limits().check().map_err(|error| {
            let flag = error.field().replace("_timeout", "_seconds").replace('_', "-");
            format!("--{flag} must not be 0")
        })
    }

    pub(crate) fn limits(&self) -> Limits {
        Limits {
            sessions: self.sessions,
            poll_share: self.poll_share,
            handshake_timeout: seconds(self.handshake_seconds),
            keep_alive_timeout: seconds(self.keep_alive_seconds),
            head_bytes: self.head_bytes,
            head_line_bytes: self.head_line_bytes,
            head_headers: self.head_headers,
            session_channels: self.session_channels,
            message_bytes: self.message_bytes,
            message_fragments: self.message_fragments,
            json_depth: self.json_depth.into(),
            channel_name_bytes: self.channel_name_bytes.into(),
            answer_entries: self.answer_entries,
            user_sessions: self.user_sessions,
            requests: Rate { per_second: self.request_rate, burst: self.request_burst },
            controls: Rate { per_second: self.control_rate, burst: self.control_burst },
            strikes: self.strikes,
            records: self.records,
            outbox_bytes: self.outbox_bytes,
            outbox_frames: self.outbox_frames,
            total_outbox_bytes: self.total_outbox_bytes,
            total_input_bytes: self.total_input_bytes,
            history_bytes: self.total_history_bytes,
            store_bytes: self.store_bytes,
            store_timeout: seconds(self.store_seconds),
            open_timeout: seconds(self.open_seconds),
            write_timeout: seconds(self.write_seconds),
            ping_interval: seconds(self.ping_seconds),
            pong_timeout: seconds(self.pong_seconds),
            close_timeout: seconds(self.close_seconds),
            turn_bytes: self.turn_bytes,
            turn_messages: self.turn_messages,
        }
    }
}

/// 136 years at most, so that no deadline is beyond what a clock can say.
pub(crate) fn seconds(count: u32) -> Duration {
    Duration::from_secs(count.into())
}
