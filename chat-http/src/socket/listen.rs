//! Reads where to listen, as people write it.

use std::fmt::{self, Display, Formatter};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::str::FromStr;

use thiserror::Error;

/// Names a place to listen: an address (`127.0.0.1:8080`, `[::1]:8080`), a name of this machine
/// (`localhost:8080`), or all of its addresses (`:8080`, `*:8080`). Port 0 is a free one.
///
/// ```
/// use chat_http::Listen;
///
/// let place: Listen = "127.0.0.1:8080".parse()?;
/// assert_eq!(place.addresses()?, ["127.0.0.1:8080".parse()?]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    place: Place,
    port: u16,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Everywhere,
    At(SocketAddr),
    Named(String),
}

/// Says why a text is no place to listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ListenError {
    /// No colon stands there, or nothing behind it.
    #[error("the port is missing: it stands behind a colon, as in localhost:8080 or :8080")]
    NoPort,
    /// Behind the last colon stands no port.
    #[error("the port is no number of 0 to 65535")]
    Port,
    /// Colons stand within it, without brackets.
    #[error("an IPv6 address stands in brackets, as in [::1]:8080")]
    Brackets,
    /// In brackets stands no IPv6 address.
    #[error("what stands in brackets is no IPv6 address")]
    V6,
    /// Before the colon stands neither an address nor a name.
    #[error("the host is neither an address nor a name")]
    Name,
}

impl Listen {
    /// Returns its addresses, each once. Looks a name up, which blocks for as long as that takes, and returns
    /// all that it has. Of all addresses it returns that of IPv6, which takes in IPv4 too where there are
    /// both, and then that of IPv4.
    ///
    /// # Errors
    /// Returns that the name is not known.
    pub fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        let all: Vec<SocketAddr> = match &self.place {
            Place::At(address) => vec![*address],
            Place::Everywhere => {
                vec![(Ipv6Addr::UNSPECIFIED, self.port).into(), (Ipv4Addr::UNSPECIFIED, self.port).into()]
            }
            Place::Named(name) => {
                let found = (name.as_str(), self.port).to_socket_addrs();
                found.map_err(|error| io::Error::new(error.kind(), format!("{name}: {error}")))?.collect()
            }
        };
        let first = |at: usize| !all[..at].contains(&all[at]);
        Ok((0..all.len()).filter(|at| first(*at)).map(|at| all[at]).collect())
    }

    /// Returns the name, if it is one.
    pub fn name(&self) -> Option<&str> {
        if let Place::Named(name) = &self.place { Some(name) } else { None }
    }
}

impl FromStr for Listen {
    type Err = ListenError;

    fn from_str(text: &str) -> Result<Self, ListenError> {
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(Self { place: Place::At(address), port: address.port() });
        }
        let split = text.rsplit_once(':').filter(|(_, port)| !port.is_empty() && !port.ends_with(']'));
        let (host, port) = split.ok_or(ListenError::NoPort)?;
        let digits = port.bytes().all(|byte| byte.is_ascii_digit());
        let port = port.parse().ok().filter(|_| digits).ok_or(ListenError::Port)?;
        let is_name =
            |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
        let place = match host {
            "" | "*" => Place::Everywhere,
            name if is_name(name) => Place::Named(name.to_owned()),
            v6 if v6.starts_with('[') => return Err(ListenError::V6),
            v6 if v6.split(':').all(is_name) => return Err(ListenError::Brackets),
            _ => return Err(ListenError::Name),
        };
        Ok(Self { place, port })
    }
}

impl Display for Listen {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Everywhere => write!(f, "*:{}", self.port),
            Place::At(address) => address.fmt(f),
            Place::Named(name) => write!(f, "{name}:{}", self.port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listen(text: &str) -> Listen {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn a_place_is_an_address_or_a_name_or_everywhere() {
        let addresses = |text: &str| listen(text).addresses().expect("it is known");
        let every = ["[::]:8080".parse().expect("one"), "0.0.0.0:8080".parse().expect("one")];
        assert_eq!(addresses(":8080"), every);
        assert_eq!(addresses("*:8080"), every);
        for exact in ["127.0.0.1:8080", "[::1]:0", "0.0.0.0:80", "[::]:80", "[fe80::1%3]:80"] {
            assert_eq!(addresses(exact), [exact.parse().expect("an address")], "{exact}");
        }
        let local = addresses("localhost:8080");
        assert!(!local.is_empty() && local.iter().all(|at| at.ip().is_loopback() && at.port() == 8080));
        assert_eq!(listen("chat_1.example:81").name(), Some("chat_1.example"));
        for (text, shown) in [(":1", "*:1"), ("a.b:1", "a.b:1"), ("[0::1]:1", "[::1]:1")] {
            assert_eq!(listen(text).to_string(), shown);
        }
    }

    #[test]
    fn what_is_no_place_is_told_what_is_wrong_with_it() {
        for (text, wrong) in [
            ("", ListenError::NoPort),
            ("8080", ListenError::NoPort),
            ("localhost", ListenError::NoPort),
            ("localhost:", ListenError::NoPort),
            ("[::1]", ListenError::NoPort),
            ("localhost:http", ListenError::Port),
            ("localhost:65536", ListenError::Port),
            ("127.0.0.1:+80", ListenError::Port),
            ("127.0.0.1:-1", ListenError::Port),
            ("::1:8080", ListenError::Brackets),
            (":::8080", ListenError::Brackets),
            ("[::1:8080", ListenError::V6),
            ("[localhost]:8080", ListenError::V6),
            ("http://localhost:8080", ListenError::Name),
            ("a b:80", ListenError::Name),
            ("a/b:80", ListenError::Name),
        ] {
            assert_eq!(text.parse::<Listen>(), Err(wrong), "{text:?}");
        }
        let nowhere = listen("no-such-machine.invalid:80").addresses().expect_err("nobody has that name");
        assert!(nowhere.to_string().starts_with("no-such-machine.invalid: "), "{nowhere}");
    }
}
