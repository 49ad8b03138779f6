//! Reads a URL: where the server is, who asks, under which names, and what the streams are to keep.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use async_nats::ServerAddr;
use chat_core::broker::STAND;

use crate::error::ConnectError;
use crate::names::Names;

/// Bounds from below how long a stream keeps what it took: a channel must be rewritten in time to stand.
pub(crate) const SHORTEST: Duration = Duration::from_secs(2 * STAND.as_secs());
/// Bounds times from above: ten years.
const LONGEST: Duration = Duration::from_secs(10 * 366 * 24 * 60 * 60);

/// Tells where a server is, and how it is spoken to.
#[derive(Clone, Debug)]
pub(crate) struct Address {
    pub(crate) server: Server,
    pub(crate) names: Names,
    /// Is true if what the streams hold survives what the server does not.
    pub(crate) durable: bool,
    pub(crate) bounds: Bounds,
}

/// Is a server and a login.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) url: ServerAddr,
    pub(crate) login: Login,
}

#[derive(Clone)]
pub(crate) enum Login {
    Nobody,
    Token(String),
    User(String, String),
}

/// Bounds streams that do not exist yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub(crate) age: Duration,
    pub(crate) bytes: u64,
    /// Bounds the messages of each channel.
    pub(crate) messages: u64,
    /// Bounds how long a key is remembered.
    pub(crate) key_age: Duration,
    pub(crate) key_bytes: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            age: Duration::from_secs(24 * 60 * 60),
            bytes: 1 << 30,
            messages: 10_000,
            key_age: Duration::from_secs(60 * 60),
            key_bytes: 64 << 20,
        }
    }
}

impl Address {
    pub(crate) fn parse(text: &str) -> Result<Self, ConnectError> {
        let (scheme, _) = text.split_once("://").ok_or(ConnectError::Url)?;
        match scheme {
            "nats" => {}
            "tls" if cfg!(feature = "rustls") => {}
            "tls" => return Err(ConnectError::NoTls),
            _ => return Err(ConnectError::Url),
        }
        let mut url = text.parse::<ServerAddr>().map_err(|_| ConnectError::Url)?.into_inner();
        let has_path = !matches!(url.path(), "" | "/");
        if has_path || url.fragment().is_some() || url.host_str().is_none_or(str::is_empty) {
            return Err(ConnectError::Url);
        }
        let (mut prefix, mut durable, mut bounds) = ("chat".to_owned(), false, Bounds::default());
        for (name, value) in url.query_pairs() {
            // Its value may be a password.
            let odd = || ConnectError::Parameter(name.to_string());
            match (&*name, &*value) {
                ("prefix", value) => prefix = value.to_owned(),
                ("durable", "file") => durable = true,
                (name, value) => bounds.set(name, value).ok_or_else(odd)?,
            }
        }
        let login = login(url.username(), url.password());
        // The server's address is all that the client needs to know, and all that it may tell.
        let cleared = url.set_username("").and_then(|()| url.set_password(None));
        cleared.map_err(|()| ConnectError::Url)?;
        url.set_query(None);
        let url = ServerAddr::from_url(url).map_err(|_| ConnectError::Url)?;
        let names = Names::new(&prefix).ok_or(ConnectError::Prefix(prefix))?;
        Ok(Self { server: Server { url, login }, names, durable, bounds })
    }
}

impl Bounds {
    /// Returns none for what is no parameter, or no value of it.
    fn set(&mut self, name: &str, value: &str) -> Option<()> {
        match name {
            "max_age" => self.age = time(value).filter(|age| *age >= SHORTEST)?,
            "max_bytes" => self.bytes = number(value, 1 << 20..=1 << 50)?,
            "max_messages" => self.messages = number(value, 1..=1 << 32)?,
            "key_age" => self.key_age = time(value)?,
            "key_bytes" => self.key_bytes = number(value, 1 << 16..=1 << 50)?,
            _ => return None,
        }
        Some(())
    }
}

fn number(text: &str, range: std::ops::RangeInclusive<u64>) -> Option<u64> {
    u64::from_str(text).ok().filter(|number| range.contains(number))
}

/// Returns a time of a second or more.
fn time(text: &str) -> Option<Duration> {
    humantime::parse_duration(text).ok().filter(|time| (Duration::from_secs(1)..=LONGEST).contains(time))
}

/// Returns who asks: a user alone is a token, as for NATS's own clients.
fn login(user: &str, password: Option<&str>) -> Login {
    match (decoded(user), password) {
        (user, Some(password)) => Login::User(user, decoded(password)),
        (user, None) if user.is_empty() => Login::Nobody,
        (token, None) => Login::Token(token),
    }
}

fn decoded(part: &str) -> String {
    let query = part.replace('+', "%2B").replace('&', "%26");
    form_urlencoded::parse(format!("={query}").as_bytes()).map(|(_, value)| value.into_owned()).collect()
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("host", &self.url.host()).field("port", &self.url.port()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_where_and_who_and_under_which_names_and_what_is_kept() {
        let url = "nats://bob:pa%40s+s@example.org:7000?prefix=room&durable=file&max_age=2h&max_messages=7";
        let address = Address::parse(url).expect("a URL");
        assert_eq!((address.server.url.host(), address.server.url.port()), ("example.org", 7000));
        assert!(address.durable && address.bounds.messages == 7);
        assert_eq!(address.bounds.age, Duration::from_secs(7200));
        assert!(
            matches!(&address.server.login, Login::User(user, pass) if user == "bob" && pass == "pa@s+s")
        );
        let said = format!("{address:?} {}", address.server.url.as_url_str());
        assert!(!said.contains("bob") && !said.contains("pa"), "{said}");
        let plain = Address::parse("nats://[::1]/").expect("a URL");
        assert_eq!((plain.server.url.host(), plain.server.url.port(), plain.durable), ("::1", 4222, false));
        let token = Address::parse("nats://s3cret@a").expect("a URL").server.login;
        assert!(matches!(token, Login::Token(token) if token == "s3cret"));
    }

    #[test]
    fn a_url_that_is_not_understood_is_refused() {
        let refused = |url: &str| Address::parse(url).expect_err(url);
        for url in ["", "nats", "http://a", "ws://a", "nats://", "nats://a/b", "nats://a#b"] {
            assert!(matches!(refused(url), ConnectError::Url), "{url}");
        }
        for query in [
            "prefx=b",
            "durable=yes",
            "max_age=9m",
            "max_age=",
            "max_bytes=1",
            "max_messages=0",
            "key_age=-1",
        ] {
            assert!(matches!(refused(&format!("nats://a?{query}")), ConnectError::Parameter(_)), "{query}");
        }
        for prefix in ["", "a.b", "a_b", "a%20b", "%D0%B6"] {
            let url = format!("nats://a?prefix={prefix}");
            assert!(matches!(refused(&url), ConnectError::Prefix(_)), "{prefix}");
        }
        #[cfg(not(feature = "rustls"))]
        assert!(matches!(refused("tls://a"), ConnectError::NoTls));
        #[cfg(feature = "rustls")]
        assert!(Address::parse("tls://a").is_ok());
    }
}
