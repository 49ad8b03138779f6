//! Checks the name under which a server is asked: a page whose own name points at this machine (DNS
//! rebinding) says that name in `Host`.

use std::net::{Ipv6Addr, SocketAddr};
use std::str::FromStr;

use http::header::{HOST, HeaderMap};
use thiserror::Error;

use super::rejection::Rejection;
use chat_websocket::fields::single;

/// Says which hosts a server answers for, by the `Host` of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Hosts {
    /// Answers for whichever host the client names. Only for servers that no page could reach by a name of
    /// its own, such as those with a public address.
    #[default]
    Any,
    /// Answers for exactly these; all others get 403.
    Only(Vec<Host>),
}

/// Names a host and perhaps a port, as they stand in `Host` (RFC 9110 §7.2). Without a port it stands for the
/// usual ones: none, 80 and 443; with `*` in its place for any.
///
/// ```
/// use chat_http::{Host, Hosts};
/// use http::{HeaderMap, HeaderValue};
///
/// let hosts = Hosts::Only(vec!["chat.example".parse::<Host>()?]);
/// let mut headers = HeaderMap::new();
/// headers.insert("host", HeaderValue::from_static("chat.example:443"));
/// assert!(hosts.check(&headers).is_ok());
/// headers.insert("host", HeaderValue::from_static("evil.example"));
/// assert!(hosts.check(&headers).is_err());
/// # Ok::<(), chat_http::HostError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    pub(crate) name: HostName,
    pub(crate) port: Port,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Port {
    Usual,
    One(u16),
    Any,
}

/// Holds a name or an IPv4 address in small letters, or an IPv6 address, however it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum HostName {
    Named(String),
    V6(Ipv6Addr),
}

/// Says that a text is no host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "a host is a name or an address, with IPv6 in brackets, and perhaps a port of 1 to 65535, or *, behind a colon"
)]
#[non_exhaustive]
pub struct HostError;

impl Hosts {
    /// Returns the names of a listener that only this machine reaches: `localhost`, `127.0.0.1`, `[::1]`, and
    /// the address itself. Each has any port: no other machine can be given these names, and what is
    /// forwarded from here is asked by the port that it is forwarded from.
    ///
    /// Returns [`Any`](Self::Any) for a listener that others reach too, since it cannot know by which names.
    pub fn of_listener(address: SocketAddr) -> Self {
        if !address.ip().to_canonical().is_loopback() {
            return Self::Any;
        }
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned(), "[::1]".to_owned(), bare(address)];
        Self::Only(
            names.iter().filter_map(|name| Some(Host { name: name_of(name)?, port: Port::Any })).collect(),
        )
    }

    /// Adds more hosts; [`Any`](Self::Any) stays what it is.
    pub fn and(self, more: impl IntoIterator<Item = Host>) -> Self {
        match self {
            Self::Any => Self::Any,
            Self::Only(hosts) => Self::Only(hosts.into_iter().chain(more).collect()),
        }
    }

    /// Checks under which name a request asks.
    ///
    /// # Errors
    /// Returns [`Rejection::Host`] if it names no host or several, and [`Rejection::ForeignHost`] if that is
    /// none of these.
    pub fn check(&self, headers: &HeaderMap) -> Result<(), Rejection> {
        let Self::Only(hosts) = self else { return Ok(()) };
        let asked = host(headers).ok_or(Rejection::Host)?;
        if hosts.iter().any(|host| host.covers(&asked)) { Ok(()) } else { Err(Rejection::ForeignHost) }
    }
}

impl Host {
    fn covers(&self, asked: &Self) -> bool {
        let port = match (self.port, asked.port) {
            (Port::Any, _) => true,
            (Port::One(port), Port::One(asked)) => asked == port,
            (Port::One(port), _) => is_usual(port),
            (Port::Usual, Port::One(asked)) => is_usual(asked),
            (Port::Usual, _) => true,
        };
        port && self.name.is(&asked.name)
    }

    /// Reads a host as a request names it: its port is a number.
    pub(crate) fn exact(text: &str) -> Result<Self, HostError> {
        let end = if text.starts_with('[') { text.find(']').map(|end| end + 1) } else { text.find(':') };
        let (name, rest) = text.split_at(end.unwrap_or(text.len()));
        let port = match rest.strip_prefix(':') {
            Some(port) => Port::One(port_of(port).ok_or(HostError)?),
            None if rest.is_empty() => Port::Usual,
            None => return Err(HostError),
        };
        Ok(Self { name: name_of(name).ok_or(HostError)?, port })
    }
}

impl HostName {
    /// Compares names without the dot at their end, which only says that a name is whole.
    fn is(&self, asked: &Self) -> bool {
        match (self, asked) {
            (Self::Named(name), Self::Named(asked)) => {
                name.strip_suffix('.').unwrap_or(name) == asked.strip_suffix('.').unwrap_or(asked)
            }
            (name, asked) => name == asked,
        }
    }
}

impl Port {
    /// Returns its number, or else the usual one.
    pub(crate) fn or(self, usual: Option<u16>) -> Option<u16> {
        if let Self::One(port) = self { Some(port) } else { usual }
    }
}

impl FromStr for Host {
    type Err = HostError;

    fn from_str(text: &str) -> Result<Self, HostError> {
        match text.strip_suffix(":*").map(Self::exact) {
            Some(Ok(host)) if host.port == Port::Usual => Ok(Self { port: Port::Any, ..host }),
            Some(_) => Err(HostError),
            None => Self::exact(text),
        }
    }
}

fn is_usual(port: u16) -> bool {
    port == 80 || port == 443
}

/// Returns the one host that a request names.
pub(crate) fn host(headers: &HeaderMap) -> Option<Host> {
    Host::exact(single(headers, HOST)?.to_str().ok()?).ok()
}

/// Reads digits as a browser writes them: no sign, no zeros before them, and a port that there is.
fn port_of(text: &str) -> Option<u16> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    text.parse().ok().filter(|_| plain)
}

fn name_of(text: &str) -> Option<HostName> {
    if let Some(address) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        return address.parse().ok().map(HostName::V6);
    }
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    let plain = !text.is_empty() && text.bytes().all(letter);
    plain.then(|| HostName::Named(text.to_ascii_lowercase()))
}

fn bare(address: SocketAddr) -> String {
    match address {
        SocketAddr::V4(address) => address.ip().to_string(),
        SocketAddr::V6(address) => format!("[{}]", address.ip()),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn check(hosts: &Hosts, asked: &[&str]) -> Result<(), Rejection> {
        let mut headers = HeaderMap::new();
        asked.iter().for_each(|host| {
            headers.append(HOST, HeaderValue::from_str(host).expect("a value"));
        });
        hosts.check(&headers)
    }

    #[test]
    fn a_listener_on_loopback_is_asked_by_its_own_names_at_any_port() {
        let hosts = Hosts::of_listener("127.0.0.2:8080".parse().expect("an address"));
        for own in [
            "localhost:8080",
            "LocalHost:8080",
            "127.0.0.1:8080",
            "[::1]:8080",
            "[0:0:0::1]:8080",
            "127.0.0.2:8080",
            "localhost",
            "localhost.:8080",
            "localhost:80",
            "127.0.0.1:9000",
        ] {
            assert_eq!(check(&hosts, &[own]), Ok(()), "{own}");
        }
        for foreign in [
            "evil.example:8080",
            "localhost.evil:8080",
            "localhost..:8080",
            "sub.localhost",
            "127.1:8080",
            "127.0.0.3:8080",
        ] {
            assert_eq!(check(&hosts, &[foreign]), Err(Rejection::ForeignHost), "{foreign}");
        }
        for none in [
            &["localhost:+8080"][..],
            &["localhost:08080"],
            &["localhost:99999"],
            &["localhost:*"],
            &["a b"],
            &[""],
            &[],
            &["localhost:8080", "localhost:8080"],
        ] {
            assert_eq!(check(&hosts, none), Err(Rejection::Host), "{none:?}");
        }
        assert_eq!(Hosts::of_listener("0.0.0.0:8080".parse().expect("an address")), Hosts::Any);
    }

    #[test]
    fn a_host_without_a_port_has_the_usual_ones_and_one_with_a_port_has_that() {
        let only = |host: &str| Hosts::Only(vec![host.parse().expect("a host")]);
        for (listed, asked, may) in [
            ("chat.example", "chat.example", true),
            ("chat.example", "chat.example:443", true),
            ("chat.example", "Chat.Example.:443", true),
            ("chat.example.", "chat.example", true),
            ("chat.example:*", "chat.example:8443", true),
            ("chat.example:*", "chat.example", true),
            ("chat.example:*", "evil.example:8443", false),
            ("[::1]:*", "[::1]:8443", true),
            ("chat.example", "chat.example:8443", false),
            ("chat.example:8443", "chat.example:8443", true),
            ("chat.example:8443", "chat.example", false),
            ("chat.example:443", "chat.example", true),
        ] {
            assert_eq!(check(&only(listed), &[asked]).is_ok(), may, "{asked} at {listed}");
        }
    }

    #[test]
    fn what_is_no_host_is_refused_in_the_list_as_well() {
        for bad in [
            "", ":80", "a:", "a:0", "a:+80", "a:080", "a:65536", "a:80:80", "a/b", "u@a", "[::1", "::1",
            "[::1]80", "[::1%1]", "é", ":*", "a:*:*", "a:80:*", "a*",
        ] {
            assert_eq!(bad.parse::<Host>(), Err(HostError), "{bad}");
        }
    }
}
