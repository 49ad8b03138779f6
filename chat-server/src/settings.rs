//! The command line, and the environment behind it.

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

/// A chat server: the page at /, the plain protocol at /ws, Centrifuge's at /connection/websocket, /connection/http_stream and /connection/sse, Phoenix
/// Channels at /socket, Serverpod's at /websocket and /v1/websocket; /health and /metrics.
#[derive(Clone, Debug, Parser)]
#[command(version, about)]
pub(crate) struct Settings {
    /// Where to listen: an address (`127.0.0.1:8080`, `[::1]:8080`), a name (`localhost:8080`: all its addresses), or `:8080` for all addresses of the machine; port 0 is a free one.
    #[arg(long, env = "CHAT_LISTEN", default_value = "127.0.0.1:8080")]
    pub(crate) listen: Listen,
    /// An origin whose pages may connect, exactly, as `https://example.com` or `capacitor://localhost`, and with their cookies; may stand several times, or `*` for any, without cookies. Without it:
    /// the same host.
    #[arg(long, env = "CHAT_ALLOW_ORIGIN", value_delimiter = ',')]
    allow_origin: Vec<String>,
    /// A name under which the server may be asked (the header `Host`), exactly, as `chat.example`, `chat.example:8443` or, at any port, `chat.example:*`; may stand several times, or `*` for any.
    /// All others get 403, but for /health and /metrics. The hosts of --allow-origin are such names, and on a loopback address `localhost`, `127.0.0.1` and `[::1]` at any port. Without it: any, but
    /// on a loopback address those alone.
    #[arg(long, env = "CHAT_ALLOW_HOST", value_delimiter = ',')]
    allow_host: Vec<String>,
    /// Where clients come from, for bounds on those who are not let in: `connection`, or behind a proxy the header in which it writes their address last, as `x-forwarded-for` or `forwarded`; or `off`.
    /// Anybody may write such a header: name your proxies with --trusted-proxy, unless nobody else reaches the server.
    #[arg(long, env = "CHAT_CLIENT_ADDRESS", default_value = "connection")]
    client_address: String,
    /// A proxy, or a network of them as `10.0.0.0/8`, that says where clients come from; may stand several times. Only what these say is believed, in the header of --client-address or, where that is
    /// `connection`, in `x-forwarded-for`. Everybody else comes from where they connect from.
    #[arg(long, env = "CHAT_TRUSTED_PROXY", value_delimiter = ',')]
    trusted_proxy: Vec<Network>,
    /// Lets those publish to a channel who have not joined it.
    #[arg(long, env = "CHAT_OPEN_PUBLISH")]
    pub(crate) open_publish: bool,
    /// Lets only those in who have a JWT, signed with this secret (HS256): `sub` is the user, `name` and `info` what others see, `exp` when it ends, `channels` those that it is put into, `read` and
    /// `write` the channels that may be joined and written to (names, or beginnings with `*` behind; without them any).
    #[arg(long, env = "CHAT_JWT_SECRET", hide_env_values = true, value_parser = NonEmptyStringValueParser::new())]
    pub(crate) jwt_secret: Option<String>,
    /// Seconds that the clocks of who makes tokens and of the server may be apart: a token holds for so long after `exp`, and before `nbf`.
    #[arg(long, env = "CHAT_JWT_LEEWAY_SECONDS", default_value_t = 5)]
    jwt_leeway_seconds: u32,
    /// Lets only those tokens in that are made for this audience (`aud`). Without it, for whom they are made is not asked.
    #[arg(long, env = "CHAT_JWT_AUDIENCE", value_parser = NonEmptyStringValueParser::new())]
    jwt_audience: Option<String>,
    /// Serves the HTTP API at /api, for those whose requests have this key in `X-API-Key`, as `Authorization: apikey …` or as `?api_key=…`: printable ASCII without blanks around it. Without the flag there is none.
    #[arg(long, env = "CHAT_API_KEY", hide_env_values = true, value_parser = sayable)]
    pub(crate) api_key: Option<String>,
    /// Threads that serve, at most 1024; 0 for one a core.
    #[arg(long, env = "CHAT_WORKERS", default_value_t = 0, value_parser = clap::value_parser!(u16).range(..=1024))]
    pub(crate) workers: u16,
    /// How long a stop waits for sessions to take what is queued for them, in seconds.
    #[arg(long, env = "CHAT_DRAIN_SECONDS", default_value_t = 30)]
    drain_seconds: u32,
    #[command(flatten)]
    history: History,
    #[command(flatten)]
    bounds: Bounds,
}

/// Says where clients come from.
#[derive(Clone, Debug)]
pub(crate) enum ClientAddress {
    /// From the other end of their connection.
    Connection,
    /// From where proxies say.
    Proxies(Proxies),
    /// From nowhere: it is not looked at.
    Off,
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

    /// Returns what says where a client comes from.
    ///
    /// # Errors
    /// Returns that a text is no header's name, or that the flags contradict each other.
    pub(crate) fn client_address(&self) -> Result<ClientAddress, String> {
        let proxied = !self.trusted_proxy.is_empty();
        let name = match &*self.client_address {
            "connection" if proxied => "x-forwarded-for",
            "connection" => return Ok(ClientAddress::Connection),
            "off" if proxied => return Err("--trusted-proxy needs a header, not --client-address off".into()),
            "off" => return Ok(ClientAddress::Off),
            name => name,
        };
        let header: HeaderName = name.parse().map_err(|error| format!("{name:?}: {error}"))?;
        Ok(ClientAddress::Proxies(match proxied {
            true => Proxies::trusted(header, self.trusted_proxy.clone()),
            false => Proxies::all(header),
        }))
    }

    /// What tokens are held to.
    pub(crate) fn token_terms(&self) -> Terms {
        Terms { leeway: seconds(self.jwt_leeway_seconds), audience: self.jwt_audience.clone() }
    }

    /// # Errors
    /// The first text that is no origin.
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

    /// The names under which a server may be asked that listens there: also by the name that --listen has.
    ///
    /// # Errors
    /// The first text that is no host.
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

/// A key that can stand in a header as it is: no other can ever be shown.
fn sayable(key: &str) -> Result<String, &'static str> {
    let plain = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
    if key.is_empty() || key.trim() != key || !key.bytes().all(plain) {
        return Err("a key is printable ASCII, with no blank at its ends, and not empty");
    }
    Ok(key.to_owned())
}

/// Any, if one of the addresses is reached from other machines.
fn own_names(listening: &[SocketAddr]) -> Hosts {
    let all = listening.iter().copied().map(Hosts::of_listener);
    all.reduce(|all, next| match (all, next) {
        (Hosts::Only(all), Hosts::Only(next)) => Hosts::Only(all).and(next),
        _ => Hosts::Any,
    })
    .unwrap_or_default()
}

/// What a list names: an empty variable, a comma at the end and blanks around a name say nothing.
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
