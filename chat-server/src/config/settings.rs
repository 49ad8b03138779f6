//! Defines the flags and their environment variables.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use chat_core::Limits;
use chat_core::store::StoreError;
use chat_store_sqlite::SqliteStore;
use chat_tokio_adapter::{Hosts, HttpLimits, Listen, Origins};
use clap::Parser;
use clap::builder::NonEmptyStringValueParser;

use super::bounds::{Bounds, History, seconds};
use super::flag_error::FlagError;
use super::reach::{ClientAddress, Reach};
use crate::admin::KEY_BYTES;
use crate::claims::Terms;
use crate::rules::{Rule, Who};
use chat_tokio_adapter::Network;

/// Serves chat: a page at /, the plain protocol at /ws, Centrifuge's at /connection/websocket,
/// /connection/http_stream and /connection/sse, Phoenix Channels at /socket, Serverpod's at /websocket and
/// /v1/websocket; /health, /ready (503 while it stops) and /metrics; with --admin-key, /admin.
#[derive(Clone, Debug, Parser)]
#[command(version, about)]
pub(crate) struct Settings {
    /// Reads this file (TOML). It says what the flags say, under the same names, where neither the flag nor
    /// its environment variable is given; and, in tables `[[channel]]`, how channels are kept and who may do
    /// what in them: see docs/chat.toml.
    #[arg(long, env = "CHAT_CONFIG")]
    pub(super) config: Option<PathBuf>,
    /// Checks the flags and the file, says what is wrong with them, and ends without serving.
    #[arg(long)]
    pub(super) check: bool,
    /// Listens at an address (`127.0.0.1:8080`, `[::1]:8080`), at all addresses of a name (`localhost:8080`),
    /// or at all addresses of the machine (`:8080`). Port 0 takes a free port.
    #[arg(long, env = "CHAT_LISTEN", default_value = "127.0.0.1:8080")]
    pub(crate) listen: Listen,
    #[command(flatten)]
    reach: Reach,
    /// Lets clients publish to channels that they have not joined.
    #[arg(long, env = "CHAT_OPEN_PUBLISH")]
    open_publish: bool,
    /// Requires a JWT signed with this secret (HS256). The claim `sub` is the user, `name` and `info` are
    /// shown to others, `exp` is the end of its validity, `channels` lists the channels that the session is
    /// subscribed to at once, and `read` and `write` list those that it may join and publish to: names, or
    /// prefixes that end with `*`. A missing list allows any channel.
    #[arg(long, env = "CHAT_JWT_SECRET", hide_env_values = true, value_parser = NonEmptyStringValueParser::new())]
    pub(crate) jwt_secret: Option<String>,
    /// Allows the clocks of the token's issuer and of the server to differ by this many seconds: a token is
    /// valid for that long after `exp` and before `nbf`.
    #[arg(long, env = "CHAT_JWT_LEEWAY_SECONDS", default_value_t = 5)]
    jwt_leeway_seconds: u32,
    /// Requires tokens to have this audience (`aud`). By default any audience is accepted.
    #[arg(long, env = "CHAT_JWT_AUDIENCE", value_parser = NonEmptyStringValueParser::new())]
    jwt_audience: Option<String>,
    /// Serves the HTTP API at /api for requests with this key in `X-API-Key`, in `Authorization: apikey …` or
    /// in `?api_key=…`. The key is printable ASCII without spaces at its ends. By default there is no API.
    #[arg(long, env = "CHAT_API_KEY", hide_env_values = true, value_parser = sayable)]
    pub(crate) api_key: Option<String>,
    /// Serves a page at /admin for those who know this key: it lists channels and sessions, and can
    /// disconnect and unsubscribe. The key is printable ASCII without spaces at its ends, of at most 255
    /// bytes; let it be long and random. An address that has shown five wrong keys may show one in ten
    /// seconds. By default there is no such page.
    #[arg(long, env = "CHAT_ADMIN_KEY", hide_env_values = true, value_parser = admin_key)]
    pub(crate) admin_key: Option<String>,
    /// Runs this many worker threads, at most 1024; 0 runs one for each core.
    #[arg(long, env = "CHAT_WORKERS", default_value_t = 0, value_parser = clap::value_parser!(u16).range(..=1024))]
    pub(crate) workers: u16,
    /// Waits at most this many seconds at a stop for sessions to receive what is queued for them.
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

    pub(crate) fn http_limits(&self) -> HttpLimits {
        self.bounds.http_limits()
    }

    /// Checks what no flag says alone.
    ///
    /// # Errors
    /// Names the flag that is wrong, and says how.
    pub(super) fn check(&self) -> Result<(), FlagError> {
        self.bounds.check()?;
        self.history.check()?;
        self.client_address()?;
        self.origins()?;
        self.hosts(&[])?;
        Ok(())
    }

    /// Returns how a channel is kept and who may do what in it, where no rule says it.
    pub(super) fn rule(&self) -> Rule {
        let publish = if self.open_publish { Who::Anyone } else { Who::Members };
        let (join, read, see_presence) = (Who::Anyone, Who::Members, Who::Members);
        Rule { options: self.history.channel(), join, publish, read, see_presence }
    }

    /// Returns whether there is a store.
    pub(super) fn stores(&self) -> bool {
        self.history.stores()
    }

    /// Returns the address of the broker, if there is one.
    pub(crate) fn broker(&self) -> Option<&str> {
        self.history.broker.as_deref()
    }

    pub(crate) fn open_store(&self) -> Result<Option<SqliteStore>, StoreError> {
        self.history.open_store()
    }

    pub(crate) fn drain(&self) -> Duration {
        seconds(self.drain_seconds)
    }

    /// Returns the checks of tokens besides their signature.
    pub(crate) fn token_terms(&self) -> Terms {
        Terms { leeway: seconds(self.jwt_leeway_seconds), audience: self.jwt_audience.clone() }
    }

    /// Returns where the address of a client is read.
    ///
    /// # Errors
    /// Fails if a text is no name of a header, or if the flags contradict each other.
    pub(crate) fn client_address(&self) -> Result<ClientAddress, FlagError> {
        self.reach.client_address()
    }

    /// Returns the networks whose connections begin with the header of the PROXY protocol.
    pub(crate) fn proxy_protocol(&self) -> Vec<Network> {
        self.reach.proxy_protocol()
    }

    /// Returns the origins whose pages may connect.
    ///
    /// # Errors
    /// Names the first text that is no origin.
    pub(crate) fn origins(&self) -> Result<Origins, FlagError> {
        self.reach.origins()
    }

    /// Returns the hosts that a server at these addresses answers for, the name of --listen among them.
    ///
    /// # Errors
    /// Names the first text that is no host.
    pub(crate) fn hosts(&self, listening: &[SocketAddr]) -> Result<Hosts, FlagError> {
        self.reach.hosts(listening, self.listen.name())
    }
}

/// Accepts a key that can be sent in a header as it is.
fn sayable(key: &str) -> Result<String, &'static str> {
    let plain = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
    if key.is_empty() || key.trim() != key || !key.bytes().all(plain) {
        return Err("a key must be printable ASCII, without spaces at its ends, and not empty");
    }
    Ok(key.to_owned())
}

/// Accepts a key that the page can send, and that the server compares whole.
fn admin_key(key: &str) -> Result<String, String> {
    match sayable(key)? {
        long if long.len() > KEY_BYTES => Err(format!("a key has at most {KEY_BYTES} bytes")),
        key => Ok(key),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_flag_every_bound_has_the_default_of_its_library() {
        let settings = Settings::parse_from(["chat-server"]);
        assert_eq!(settings.limits(), Limits::default());
        assert_eq!(settings.http_limits(), HttpLimits::default());
    }

    #[test]
    fn seconds_beyond_what_a_clock_can_say_are_refused() {
        let drain = |seconds: &str| Settings::try_parse_from(["chat-server", "--drain-seconds", seconds]);
        assert!(drain("4294967295").is_ok() && drain("4294967296").is_err());
    }

    #[test]
    fn a_bound_with_which_nothing_works_is_refused_by_the_name_of_its_flag() {
        let check = |flag: &str, value: &str| {
            let checked = Settings::parse_from(["chat-server", flag, value]).check();
            checked.map_err(|error| error.to_string())
        };
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
    fn a_key_or_an_audience_that_nobody_could_show_is_refused() {
        let given = |flag: &str, value: &str| Settings::try_parse_from(["chat-server", flag, value]).is_ok();
        for odd in ["", " ", "key ", "\tkey", "k\u{fc}", "a\nb"] {
            assert!(!given("--api-key", odd), "{odd:?}");
        }
        assert!(given("--api-key", "an api key") && given("--admin-key", &"k".repeat(255)));
        assert!(!given("--admin-key", &"k".repeat(256)) && !given("--admin-key", "k\u{fc}"));
        for flag in ["--jwt-secret", "--jwt-audience", "--store"] {
            assert!(!given(flag, "") && given(flag, "x"), "{flag}");
        }
    }
}
