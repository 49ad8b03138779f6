//! The command line, and the environment behind it: one flag for every bound.

use std::net::SocketAddr;
use std::time::Duration;

use chat_core::Limits;
use chat_tokio_adapter::{Origin, Origins};
use clap::Parser;

/// A chat server: the page at /, the plain protocol at /ws, /health and /metrics.
#[derive(Clone, Debug, Parser)]
#[command(version, about)]
pub(crate) struct Settings {
    /// Where to listen.
    #[arg(long, env = "CHAT_LISTEN", default_value = "127.0.0.1:8080")]
    pub(crate) listen: SocketAddr,
    /// An origin whose pages may connect, exactly, as `https://example.com`; may stand several times, or `*` for any. Without it: the same host.
    #[arg(long, env = "CHAT_ALLOW_ORIGIN", value_delimiter = ',')]
    allow_origin: Vec<String>,
    /// Lets those publish to a channel who have not joined it.
    #[arg(long, env = "CHAT_OPEN_PUBLISH")]
    pub(crate) open_publish: bool,
    /// Threads that serve; 0 for one a core.
    #[arg(long, env = "CHAT_WORKERS", default_value_t = 0)]
    pub(crate) workers: usize,
    /// How long a stop waits for sessions to take what is queued for them, in seconds.
    #[arg(long, env = "CHAT_DRAIN_SECONDS", default_value_t = 30)]
    drain_seconds: u64,
    /// Sessions at once; more get 503.
    #[arg(long, env = "CHAT_SESSIONS", default_value_t = 100_000)]
    sessions: usize,
    /// Channels of one session; more get error 106.
    #[arg(long, env = "CHAT_SESSION_CHANNELS", default_value_t = 128)]
    session_channels: usize,
    /// Bytes of one message; more close with 1009.
    #[arg(long, env = "CHAT_MESSAGE_BYTES", default_value_t = 65_536)]
    message_bytes: usize,
    /// Fragments of one message; more close with 1009. 0 lifts the bound.
    #[arg(long, env = "CHAT_MESSAGE_FRAGMENTS", default_value_t = 1024)]
    message_fragments: u32,
    /// Bad requests of one session; the last closes with 3509.
    #[arg(long, env = "CHAT_STRIKES", default_value_t = 20)]
    strikes: u32,
    /// Bytes that wait for one session; more close with 3008.
    #[arg(long, env = "CHAT_OUTBOX_BYTES", default_value_t = 1_048_576)]
    outbox_bytes: usize,
    /// Publications that wait for one session; more close with 3008.
    #[arg(long, env = "CHAT_OUTBOX_FRAMES", default_value_t = 4096)]
    outbox_frames: usize,
    /// Seconds a session may take to open; then it is closed with 3502.
    #[arg(long, env = "CHAT_OPEN_SECONDS", default_value_t = 10)]
    open_seconds: u64,
    /// Seconds a client may take nothing of what waits for it; then it is closed with 3008.
    #[arg(long, env = "CHAT_WRITE_SECONDS", default_value_t = 10)]
    write_seconds: u64,
    /// Seconds between two pings.
    #[arg(long, env = "CHAT_PING_SECONDS", default_value_t = 25)]
    ping_seconds: u64,
    /// Seconds that nothing may be heard after a ping; then the session is closed with 3012.
    #[arg(long, env = "CHAT_PONG_SECONDS", default_value_t = 10)]
    pong_seconds: u64,
    /// Seconds a client has to answer a close.
    #[arg(long, env = "CHAT_CLOSE_SECONDS", default_value_t = 5)]
    close_seconds: u64,
    /// Bytes of input handled in one turn of a session.
    #[arg(long, env = "CHAT_TURN_BYTES", default_value_t = 16_384)]
    turn_bytes: usize,
    /// Messages of input handled in one turn of a session.
    #[arg(long, env = "CHAT_TURN_MESSAGES", default_value_t = 64)]
    turn_messages: usize,
}

impl Settings {
    pub(crate) fn limits(&self) -> Limits {
        Limits {
            sessions: self.sessions,
            session_channels: self.session_channels,
            message_bytes: self.message_bytes,
            message_fragments: self.message_fragments,
            strikes: self.strikes,
            outbox_bytes: self.outbox_bytes,
            outbox_frames: self.outbox_frames,
            open_timeout: Duration::from_secs(self.open_seconds),
            write_timeout: Duration::from_secs(self.write_seconds),
            ping_interval: Duration::from_secs(self.ping_seconds),
            pong_timeout: Duration::from_secs(self.pong_seconds),
            close_timeout: Duration::from_secs(self.close_seconds),
            turn_bytes: self.turn_bytes.max(1),
            turn_messages: self.turn_messages.max(1),
        }
    }

    pub(crate) fn drain(&self) -> Duration {
        Duration::from_secs(self.drain_seconds)
    }

    /// # Errors
    /// The first text that is no origin.
    pub(crate) fn origins(&self) -> Result<Origins, String> {
        if self.allow_origin.is_empty() {
            return Ok(Origins::SameHost);
        }
        if self.allow_origin.iter().any(|origin| origin == "*") {
            return Ok(Origins::Any);
        }
        let parse = |text: &String| text.parse::<Origin>().map_err(|error| format!("{text:?}: {error}"));
        self.allow_origin.iter().map(parse).collect::<Result<_, _>>().map(Origins::Only)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_flag_every_bound_has_the_cores_default() {
        assert_eq!(Settings::parse_from(["chat-server"]).limits(), Limits::default());
    }

    #[test]
    fn origins_are_exact_or_any() {
        let origins = |list: &str| Settings::parse_from(["chat-server", "--allow-origin", list]).origins();
        assert_eq!(origins("*"), Ok(Origins::Any));
        assert!(origins("https://a.example,http://b.example:81").is_ok());
        assert!(origins("a.example").is_err());
    }
}
