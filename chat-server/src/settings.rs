//! The command line, and the environment behind it.

use std::net::SocketAddr;
use std::time::Duration;

use chat_core::{ChannelOptions, Limits, StoreError};
use chat_store_sqlite::SqliteStore;
use chat_tokio_adapter::{Origin, Origins};
use clap::Parser;
use clap::builder::NonEmptyStringValueParser;

use crate::bounds::{Bounds, History, seconds};

/// A chat server: the page at /, the plain protocol at /ws, Centrifuge's at /connection/websocket, /connection/http_stream and /connection/sse, Phoenix
/// Channels at /socket, Serverpod's at /websocket and /v1/websocket; /health and /metrics.
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
    /// Lets only those in who have a JWT, signed with this secret (HS256): `sub` is the user, `name` and `info` what others see, `exp` when it ends, `channels` those that it is put into, `read` and
    /// `write` the channels that may be joined and written to (names, or beginnings with `*` behind; without them any).
    #[arg(long, env = "CHAT_JWT_SECRET", hide_env_values = true, value_parser = NonEmptyStringValueParser::new())]
    pub(crate) jwt_secret: Option<String>,
    /// Serves the HTTP API at /api, for those whose requests have this key in `X-API-Key`. Without it there is none.
    #[arg(long, env = "CHAT_API_KEY", hide_env_values = true)]
    pub(crate) api_key: Option<String>,
    /// Threads that serve; 0 for one a core.
    #[arg(long, env = "CHAT_WORKERS", default_value_t = 0)]
    pub(crate) workers: usize,
    /// How long a stop waits for sessions to take what is queued for them, in seconds.
    #[arg(long, env = "CHAT_DRAIN_SECONDS", default_value_t = 30)]
    drain_seconds: u32,
    #[command(flatten)]
    history: History,
    #[command(flatten)]
    bounds: Bounds,
}

impl Settings {
    pub(crate) fn limits(&self) -> Limits {
        self.bounds.limits()
    }

    /// # Errors
    /// Which flag is wrong, and how.
    pub(crate) fn check(&self) -> Result<(), String> {
        self.bounds.check()
    }

    pub(crate) fn channel(&self) -> ChannelOptions {
        self.history.channel()
    }

    pub(crate) fn open_store(&self) -> Result<Option<SqliteStore>, StoreError> {
        self.history.open_store()
    }

    pub(crate) fn drain(&self) -> Duration {
        seconds(self.drain_seconds)
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
    fn seconds_beyond_what_a_clock_can_say_are_refused() {
        let drain = |seconds: &str| Settings::try_parse_from(["chat-server", "--drain-seconds", seconds]);
        assert!(drain("4294967295").is_ok() && drain("4294967296").is_err());
    }

    #[test]
    fn a_bound_with_which_nothing_works_is_refused_by_the_name_of_its_flag() {
        let check = |flag: &str, value: &str| Settings::parse_from(["chat-server", flag, value]).check();
        for flag in
            ["--handshake-seconds", "--head-bytes", "--message-bytes", "--outbox-bytes", "--outbox-frames"]
        {
            assert_eq!(check(flag, "0"), Err(format!("{flag} must not be 0")));
            assert_eq!(check(flag, "1"), Ok(()));
        }
        for flag in ["--turn-messages", "--turn-bytes", "--ping-seconds", "--pong-seconds", "--write-seconds"]
        {
            assert_eq!(check(flag, "0"), Ok(()), "0 lifts it");
        }
    }

    #[test]
    fn origins_are_exact_or_any() {
        let origins = |list: &str| Settings::parse_from(["chat-server", "--allow-origin", list]).origins();
        assert_eq!(origins("*"), Ok(Origins::Any));
        assert!(origins("https://a.example,http://b.example:81").is_ok());
        assert!(origins("a.example").is_err());
    }
}
