//! Says from where the server is reached: under which names, from which pages, and behind which proxies.

use std::fmt::Display;
use std::net::SocketAddr;
use std::str::FromStr;

use axum::http::HeaderName;
use chat_tokio_adapter::{Host, Hosts, Network, Origin, Origins, Proxies};
use clap::Args;

use super::flag_error::FlagError;

/// Holds the flags that say who reaches the server.
#[derive(Clone, Debug, Args)]
pub(crate) struct Reach {
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
    /// Expects the header of the PROXY protocol, version 1 or 2, at the beginning of each connection from a
    /// --trusted-proxy, and takes the client's address from it; such a connection without the header is
    /// closed. From anybody else the header is refused, as is whatever is no HTTP. A header of HTTP is read
    /// only if --client-address names one.
    #[arg(long, env = "CHAT_PROXY_PROTOCOL")]
    proxy_protocol: bool,
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

impl Reach {
    /// Returns where the address of a client is read.
    ///
    /// # Errors
    /// Fails if a text is no name of a header, or if the flags contradict each other.
    pub(super) fn client_address(&self) -> Result<ClientAddress, FlagError> {
        let proxied = !self.trusted_proxy.is_empty();
        if self.proxy_protocol && !proxied {
            let why = "is of use only with --trusted-proxy, which names the proxies that speak it";
            return Err(FlagError::new("proxy-protocol", why));
        }
        let name = match &*self.client_address {
            "connection" if proxied && !self.proxy_protocol => "x-forwarded-for",
            "connection" => return Ok(ClientAddress::Connection),
            "off" if proxied => {
                return Err(FlagError::new("trusted-proxy", "cannot be combined with --client-address off"));
            }
            "off" => return Ok(ClientAddress::Off),
            name => name,
        };
        let header: HeaderName =
            name.parse().map_err(|error| FlagError::of("client-address", name, error))?;
        Ok(ClientAddress::Proxies(match proxied {
            true => Proxies::trusted(header, self.trusted_proxy.clone()),
            false => Proxies::all(header),
        }))
    }

    /// Returns the networks whose connections begin with the header of the PROXY protocol.
    pub(crate) fn proxy_protocol(&self) -> Vec<Network> {
        if self.proxy_protocol { self.trusted_proxy.clone() } else { Vec::new() }
    }

    /// Returns the origins whose pages may connect.
    ///
    /// # Errors
    /// Names the first text that is no origin.
    pub(super) fn origins(&self) -> Result<Origins, FlagError> {
        let named = elements(&self.allow_origin);
        if named.is_empty() {
            return Ok(Origins::SameHost);
        }
        if named.contains(&"*") {
            return Ok(Origins::Any);
        }
        parse_all::<Origin>("allow-origin", &named).map(Origins::Only)
    }

    /// Returns the hosts that a server at these addresses answers for, this name of its own among them.
    ///
    /// # Errors
    /// Names the first text that is no host.
    pub(super) fn hosts(&self, listening: &[SocketAddr], own_name: Option<&str>) -> Result<Hosts, FlagError> {
        let own = own_names(listening).and(own_name.and_then(|name| format!("{name}:*").parse().ok()));
        let named = elements(&self.allow_host);
        if named.contains(&"*") || named.is_empty() && own == Hosts::Any {
            return Ok(Hosts::Any);
        }
        let named = parse_all::<Host>("allow-host", &named)?;
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

fn parse_all<T: FromStr<Err: Display>>(flag: &str, texts: &[&str]) -> Result<Vec<T>, FlagError> {
    texts.iter().map(|text| text.parse().map_err(|error| FlagError::of(flag, text, error))).collect()
}

#[cfg(test)]
mod tests {
    use chat_tokio_adapter::Listen;
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Alone {
        #[arg(long, default_value = "127.0.0.1:8080")]
        listen: Listen,
        #[command(flatten)]
        reach: Reach,
    }

    impl Alone {
        fn hosts(&self, listening: &[SocketAddr]) -> Result<Hosts, FlagError> {
            self.reach.hosts(listening, self.listen.name())
        }
    }

    #[test]
    fn proxies_are_trusted_by_their_networks() {
        let address = |flags: &[&str]| {
            let flags = [&["chat-server"], flags].concat();
            Alone::try_parse_from(flags).ok().and_then(|alone| alone.reach.client_address().ok())
        };
        let trusted = ["--trusted-proxy", "10.0.0.0/8,::1"];
        assert!(matches!(address(&[]), Some(ClientAddress::Connection)));
        assert!(matches!(address(&["--client-address", "off"]), Some(ClientAddress::Off)));
        assert!(matches!(address(&["--client-address", "forwarded"]), Some(ClientAddress::Proxies(_))));
        assert!(matches!(address(&trusted), Some(ClientAddress::Proxies(_))));
        assert!(address(&[&trusted[..], &["--client-address", "off"]].concat()).is_none());
        let spoken = [&trusted[..], &["--proxy-protocol"]].concat();
        assert!(matches!(address(&spoken), Some(ClientAddress::Connection)));
        let both = [&spoken[..], &["--client-address", "forwarded"]].concat();
        assert!(matches!(address(&both), Some(ClientAddress::Proxies(_))));
        assert!(address(&["--proxy-protocol"]).is_none(), "of nobody");
        for odd in ["10.0.0.0/33", "proxy.example", ""] {
            assert!(address(&["--trusted-proxy", odd]).is_none(), "{odd}");
        }
    }

    #[test]
    fn origins_are_exact_or_any() {
        let origins = |list: &str| Alone::parse_from(["chat-server", "--allow-origin", list]).reach.origins();
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
        let alone = |flag: &str, list: &str| Alone::parse_from(["chat-server", flag, list]);
        let origins = |list: &str| alone("--allow-origin", list).reach.origins();
        for nothing in ["", " ", ",", " , ,"] {
            assert_eq!(origins(nothing), Ok(Origins::SameHost), "{nothing:?}");
            let hosts = |at: &str| alone("--allow-host", nothing).hosts(&[at.parse().expect("a place")]);
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
        let hosts = |list: &str| alone("--allow-host", list).hosts(&["0.0.0.0:81".parse().expect("a place")]);
        assert_eq!(hosts("a, b:82,"), hosts("a,b:82"));
        assert_eq!(hosts("*,"), Ok(Hosts::Any));
    }

    #[test]
    fn hosts_are_exact_or_any_and_on_loopback_there_is_a_list_without_a_flag() {
        let hosts = |listening: &str, flags: &[&str]| {
            let alone = Alone::parse_from([&["chat-server"], flags].concat());
            let listening: Vec<_> = listening.split(' ').map(|at| at.parse().expect("an address")).collect();
            alone.hosts(&listening)
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
