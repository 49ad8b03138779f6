//! Reads a URL: where the server is, who asks, and under which names.

use redis::{ConnectionAddr, IntoConnectionInfo, RedisConnectionInfo};

use crate::error::ConnectError;
use crate::names::Names;

/// Tells where a server is, and how it is spoken to.
#[derive(Clone, Debug)]
pub(crate) struct Address {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) tls: bool,
    pub(crate) login: RedisConnectionInfo,
    pub(crate) names: Names,
    /// Is true if the server's log survives what the server does not.
    pub(crate) durable: bool,
}

impl Address {
    pub(crate) fn parse(text: &str) -> Result<Self, ConnectError> {
        let mut url = redis::parse_redis_url(text).ok_or(ConnectError::Url)?;
        let tls = match url.scheme() {
            "redis" => false,
            "rediss" if cfg!(feature = "rustls") => true,
            "rediss" => return Err(ConnectError::NoTls),
            _ => return Err(ConnectError::Url),
        };
        if url.fragment().is_some() {
            return Err(ConnectError::Url);
        }
        let (mut prefix, mut durable) = ("chat".to_owned(), false);
        for (name, value) in url.query_pairs() {
            match (&*name, &*value) {
                ("prefix", value) => prefix = value.to_owned(),
                ("durable", "aof") => durable = true,
                // Its value may be a password.
                _ => return Err(ConnectError::Parameter(name.into_owned())),
            }
        }
        url.set_query(None);
        // The parser refuses the other scheme if the library is built without TLS, which is done here.
        url.set_scheme("redis").map_err(|()| ConnectError::Url)?;
        let info = url.into_connection_info().map_err(|_| ConnectError::Url)?;
        let ConnectionAddr::Tcp(host, port) = info.addr() else { return Err(ConnectError::Url) };
        let login = info.redis_settings().clone();
        let names = Names::new(&prefix, login.db()).ok_or(ConnectError::Prefix(prefix))?;
        Ok(Self { host: host.clone(), port: *port, tls, login, names, durable })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_where_and_who_and_under_which_names() {
        let url = "redis://bob:pa%40ss@example.org:7000/3?prefix=room&durable=aof";
        let address = Address::parse(url).expect("a URL");
        assert_eq!((&*address.host, address.port, address.durable), ("example.org", 7000, true));
        assert_eq!((address.login.username(), address.login.password()), (Some("bob"), Some("pa@ss")));
        assert_eq!(address.login.db(), 3);
        let plain = Address::parse("redis://[::1]").expect("a URL");
        assert_eq!((&*plain.host, plain.port, plain.durable), ("::1", 6379, false));
    }

    #[test]
    fn a_url_that_is_not_understood_is_refused() {
        let refused = |url: &str| Address::parse(url).expect_err(url);
        for url in
            ["", "redis", "http://a", "redis+unix:///a", "redis://", "redis://a/b", "redis://a#insecure"]
        {
            assert!(matches!(refused(url), ConnectError::Url), "{url}");
        }
        for url in ["redis://a?prefx=b", "redis://a?durable=yes", "redis://a?protocol=resp3"] {
            assert!(matches!(refused(url), ConnectError::Parameter(_)), "{url}");
        }
        for prefix in ["", "a{b", "a}b", "a%20b", "%D0%B6", &"x".repeat(65)] {
            assert!(
                matches!(refused(&format!("redis://a?prefix={prefix}")), ConnectError::Prefix(_)),
                "{prefix}"
            );
        }
        #[cfg(not(feature = "rustls"))]
        assert!(matches!(refused("rediss://a"), ConnectError::NoTls));
        #[cfg(feature = "rustls")]
        assert!(Address::parse("rediss://a").expect("a URL").tls);
    }
}
