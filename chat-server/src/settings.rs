//! Defines the command line and its environment variables.

use std::fmt::Display;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use axum::http::HeaderName;
use chat_core::{ChannelOptions, Limits, StoreError};
use chat_store_sqlite::SqliteStore;
use chat_tokio_adapter::{Host, Hosts, Listen, Network, Origin, Origins, Proxies};
use clap::Parser;
use clap::builder::NonEmptyStringValueParser;

use crate::bounds::{Bounds, History, seconds};
use crate::claims::Terms;

/// Serves chat: a page at /, the plain protocol at /ws, Centrifuge's at /connection/websocket,
/// /connection/http_stream and /connection/sse, Phoenix Channels at /socket, Serverpod's at /websocket and
/// /v1/websocket; /health, /ready (503 while it stops) and /metrics.
#[derive(Clone, Debug, Parser)]
#[command(version, about)]
pub(crate) struct Settings {
    /// Listens at an address (`127.0.0.1:8080`, `[::1]:8080`), at all addresses of a name (`localhost:8080`),
    /// or at all addresses of the machine (`:8080`). Port 0 takes a free port.
    #[arg(long, env = "CHAT_LISTEN", default_value = "127.0.0.1:8080")]
    pub(crate) listen: Listen,
    /// Lets pages of exactly this origin connect, with cookies: `https://example.com` or
    /// `capacitor://localhost`. Can be given several times; `*` allows any origin, without cookies. By
    /// default only pages of the same host may connect.
    #[arg(long, env = "CHAT_ALLOW_ORIGIN", value_delimiter = ',')]
    allow_origin: Vec<String>,
    /// Answers requests for exactly this host (the header `Host`): `chat.example`, `chat.example:8443`, or
    /// `chat.example:*` for any port. Can be given several times; `*` allows any host. Requests for other
    /// hosts get 403, except for /health, /ready and /metrics. The hosts of --allow-origin are allowed too,
    /// and on a loopback address `localhost`, `127.0.0.1` and `[::1]` at any port. By default any host is
    /// allowed; on a loopback address only those are.
    #[arg(long, env = "CHAT_ALLOW_HOST", value_delimiter = ',')]
    allow_host: Vec<String>,
    /// Takes the address of a client, which bounds on refused clients need, from its `connection`; behind a
    /// proxy from the header to which the proxy appends it, such as `x-forwarded-for` or `forwarded`; or,
    /// with `off`, from nowhere. Any client can send such a header: name your proxies with --trusted-proxy,
    /// unless only they can reach the server.
    #[arg(long, env = "CHAT_CLIENT_ADDRESS", default_value = "connection")]
    client_address: String,
    /// Trusts this proxy, or network of proxies such as `10.0.0.0/8`, to name the addresses of clients. Can
    /// be given several times. The addresses are read from the header of --client-address, or from
    /// `x-forwarded-for` if that is `connection`. The address of any other client is that of its connection.
    #[arg(long, env = "CHAT_TRUSTED_PROXY", value_delimiter = ',')]
    trusted_proxy: Vec<Network>,
    /// Lets clients publish to channels that they have not joined.
    #[arg(long, env = "CHAT_OPEN_PUBLISH")]
    pub(crate) open_publish: bool,
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

/// Says where the address of a client is read.
#[derive(Clone, Debug)]
pub(crate) enum ClientAddress {
    /// Takes the address of the connection.
    Connection,
    /// Takes the address that proxies name.
    Proxies(Proxies),
    /// Takes no address.
    Off,
}

impl Settings {
    pub(crate) fn limits(&self) -> Limits {
        self.bounds.limits()
    }

    /// Checks the bounds.
    ///
    /// # Errors
    /// Names the flag that is wrong, and says how.
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

    /// Returns where the address of a client is read.
    ///
    /// # Errors
    /// Fails if a text is no name of a header, or if the flags contradict each other.
    pub(crate) fn client_address(&self) -> Result<ClientAddress, String> {
        let proxied = !self.trusted_proxy.is_empty();
        let name = match &*self.client_address {
            "connection" if proxied => "x-forwarded-for",
            "connection" => return Ok(ClientAddress::Connection),
            "off" if proxied => {
                return Err("--trusted-proxy cannot be combined with --client-address off".into());
            }
            "off" => return Ok(ClientAddress::Off),
            name => name,
        };
        let header: HeaderName = name.parse().map_err(|error| format!("{name:?}: {error}"))?;
        Ok(ClientAddress::Proxies(match proxied {
            true => Proxies::trusted(header, self.trusted_proxy.clone()),
            false => Proxies::all(header),
        }))
    }

    /// Returns the checks of tokens besides their signature.
    pub(crate) fn token_terms(&self) -> Terms {
        Terms { leeway: seconds(self.jwt_leeway_seconds), audience: self.jwt_audience.clone() }
    }

    /// Returns the origins whose pages may connect.
    ///
    /// # Errors
    /// Names the first text that is no origin.
    pub(crate) fn origins(&self) -> Result<Origins, String> {
        let named = elements(&self.allow_origin);
        if named.is_empty() {
            return Ok(Origins::SameHost);
        }
        if named.contains(&"*") {
            return Ok(Origins::Any);
        }
        parse_all::<Origin>(&named).map(Origins::Only)
    }

    /// Returns the hosts that a server at these addresses answers for, the name of --listen among them.
    ///
    /// # Errors
    /// Names the first text that is no host.
    pub(crate) fn hosts(&self, listening: &[SocketAddr]) -> Result<Hosts, String> {
        let own =
            own_names(listening).and(self.listen.name().and_then(|name| format!("{name}:*").parse().ok()));
        let named = elements(&self.allow_host);
        if named.contains(&"*") || named.is_empty() && own == Hosts::Any {
            return Ok(Hosts::Any);
        }
        let named = parse_all::<Host>(&named)?;
        let origins = match self.origins()? {
            Origins::Only(origins) => origins,
            _ => Vec::new(),
        };
        let hosts = named.into_iter().chain(origins.iter().map(|origin| origin.host().clone()));
        Ok(match own {
            Hosts::Any => Hosts::Only(hosts.collect()),
            own => own.and(hosts),
        })
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

/// Returns the names of loopback addresses; any host if other machines can reach one of the addresses.
fn own_names(listening: &[SocketAddr]) -> Hosts {
    let all = listening.iter().copied().map(Hosts::of_listener);
    all.reduce(|all, next| match (all, next) {
        (Hosts::Only(all), Hosts::Only(next)) => Hosts::Only(all).and(next),
        _ => Hosts::Any,
    })
    .unwrap_or_default()
}

/// Returns the elements of a list without empty ones and without spaces around them.
fn elements(list: &[String]) -> Vec<&str> {
    list.iter().map(|element| element.trim()).filter(|element| !element.is_empty()).collect()
}

fn parse_all<T: FromStr<Err: Display>>(texts: &[&str]) -> Result<Vec<T>, String> {
    texts.iter().map(|text| text.parse().map_err(|error| format!("{text:?}: {error}"))).collect()
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
    fn a_key_or_an_audience_that_nobody_could_show_is_refused() {
        let given = |flag: &str, value: &str| Settings::try_parse_from(["chat-server", flag, value]).is_ok();
        for odd in ["", " ", "key ", "\tkey", "k\u{fc}", "a\nb"] {
            assert!(!given("--api-key", odd), "{odd:?}");
        }
        assert!(given("--api-key", "an api key"));
        for flag in ["--jwt-secret", "--jwt-audience", "--store"] {
            assert!(!given(flag, "") && given(flag, "x"), "{flag}");
        }
    }

    #[test]
    fn proxies_are_trusted_by_their_networks() {
        let address = |flags: &[&str]| {
            let flags = [&["chat-server"], flags].concat();
            Settings::try_parse_from(flags).ok().and_then(|settings| settings.client_address().ok())
        };
        let trusted = ["--trusted-proxy", "10.0.0.0/8,::1"];
        assert!(matches!(address(&[]), Some(ClientAddress::Connection)));
        assert!(matches!(address(&["--client-address", "off"]), Some(ClientAddress::Off)));
        assert!(matches!(address(&["--client-address", "forwarded"]), Some(ClientAddress::Proxies(_))));
        assert!(matches!(address(&trusted), Some(ClientAddress::Proxies(_))));
        assert!(address(&[&trusted[..], &["--client-address", "off"]].concat()).is_none());
        for odd in ["10.0.0.0/33", "proxy.example", ""] {
            assert!(address(&["--trusted-proxy", odd]).is_none(), "{odd}");
        }
    }

    #[test]
    fn origins_are_exact_or_any() {
        let origins = |list: &str| Settings::parse_from(["chat-server", "--allow-origin", list]).origins();
        assert_eq!(origins("*"), Ok(Origins::Any));
        assert!(origins("https://a.example,http://b.example:81").is_ok());
        assert!(origins("capacitor://localhost,chrome-extension://abc,app://.,file://").is_ok());
        for odd in
            ["a.example", "https://a.example:+443", "https://a.example:0443", "https://a.example:99999"]
        {
            assert!(origins(odd).is_err(), "{odd}");
        }
    }

    #[test]
    fn empty_elements_of_a_list_and_blanks_around_one_say_nothing() {
        let settings = |flag: &str, list: &str| Settings::parse_from(["chat-server", flag, list]);
        let origins = |list: &str| settings("--allow-origin", list).origins();
        for nothing in ["", " ", ",", " , ,"] {
            assert_eq!(origins(nothing), Ok(Origins::SameHost), "{nothing:?}");
            let hosts = |at: &str| settings("--allow-host", nothing).hosts(&[at.parse().expect("a place")]);
            assert_eq!(hosts("0.0.0.0:81"), Ok(Hosts::Any), "{nothing:?}");
            assert!(matches!(hosts("127.0.0.1:81"), Ok(Hosts::Only(_))), "{nothing:?}");
        }
        let both = origins("https://a.example,https://b.example");
        assert!(both.is_ok());
        for list in [
            "https://a.example, https://b.example",
            "https://a.example,https://b.example,",
            ",https://a.example ,\thttps://b.example, ",
        ] {
            assert_eq!(origins(list), both, "{list:?}");
        }
        assert_eq!(origins("* ,"), Ok(Origins::Any));
        assert!(origins("https://a.example,b c").is_err());
        let hosts =
            |list: &str| settings("--allow-host", list).hosts(&["0.0.0.0:81".parse().expect("a place")]);
        assert_eq!(hosts("a, b:82,"), hosts("a,b:82"));
        assert_eq!(hosts("*,"), Ok(Hosts::Any));
    }

    #[test]
    fn hosts_are_exact_or_any_and_on_loopback_there_is_a_list_without_a_flag() {
        let hosts = |listening: &str, flags: &[&str]| {
            let settings = Settings::parse_from([&["chat-server"], flags].concat());
            let listening: Vec<_> = listening.split(' ').map(|at| at.parse().expect("an address")).collect();
            settings.hosts(&listening)
        };
        let only =
            |names: &[&str]| Hosts::Only(names.iter().map(|name| name.parse().expect("a host")).collect());
        let own = ["localhost:*", "127.0.0.1:*", "[::1]:*", "127.0.0.1:*"];
        assert_eq!(hosts("0.0.0.0:81", &[]), Ok(Hosts::Any));
        assert_eq!(hosts("127.0.0.1:81", &[]), Ok(only(&own)));
        assert_eq!(hosts("127.0.0.1:81", &["--allow-host", "*"]), Ok(Hosts::Any));
        assert_eq!(hosts("0.0.0.0:81", &["--allow-host", "a,b:82"]), Ok(only(&["a", "b:82"])));
        let both = [&own[..], &["a", "b:443"]].concat();
        assert_eq!(
            hosts("127.0.0.1:81", &["--allow-host", "a", "--allow-origin", "https://b"]),
            Ok(only(&both))
        );
        assert!(hosts("0.0.0.0:81", &["--allow-host", "a:+80"]).is_err());
        assert_eq!(hosts("127.0.0.1:81 192.0.2.1:81", &[]), Ok(Hosts::Any));
        let named = [&own[..], &own[..3], &["[::1]:*", "chat.local:*"]].concat();
        assert_eq!(hosts("127.0.0.1:81 [::1]:81", &["--listen", "chat.local:81"]), Ok(only(&named)));
    }
}
