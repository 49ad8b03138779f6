//! Which pages may open a WebSocket (RFC 6455 §10.2): browsers name theirs, and do not keep them apart otherwise.

use std::str::FromStr;

use http::header::{HOST, HeaderMap, HeaderValue, ORIGIN};
use thiserror::Error;

use crate::handshake::single;

/// Which origins may come in. Requests without `Origin` are no browser's and always may.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Origins {
    /// The host and port that the request itself names.
    #[default]
    SameHost,
    /// These, exactly.
    Only(Vec<Origin>),
    /// Whoever.
    Any,
}

/// A scheme, a host and a port (RFC 6454), compared as such.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    scheme: String,
    host: String,
    port: u16,
}

/// A text that is no origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("an origin is scheme://host or scheme://host:port, with scheme http or https")]
pub struct OriginError;

impl FromStr for Origin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        let (scheme, rest) = text.split_once("://").ok_or(OriginError)?;
        let scheme = scheme.to_ascii_lowercase();
        let default = match scheme.as_str() {
            "http" => 80,
            "https" => 443,
            _ => return Err(OriginError),
        };
        let (host, port) = host_and_port(rest).ok_or(OriginError)?;
        Ok(Self { scheme, host, port: port.unwrap_or(default) })
    }
}

impl Origins {
    /// Whether a request with these headers may come in.
    pub fn admit(&self, headers: &HeaderMap) -> bool {
        let host = single(headers, &HOST).cloned();
        check_origin(headers, &host.unwrap_or_else(|| HeaderValue::from_static("")), self)
    }
}

pub(crate) fn check_origin(headers: &HeaderMap, host: &HeaderValue, origins: &Origins) -> bool {
    if !headers.contains_key(ORIGIN) || *origins == Origins::Any {
        return true;
    }
    let text = single(headers, &ORIGIN).and_then(|origin| origin.to_str().ok());
    let Some(origin) = text.and_then(|text| text.parse::<Origin>().ok()) else { return false };
    match origins {
        Origins::Any => true,
        Origins::Only(allowed) => allowed.contains(&origin),
        Origins::SameHost => host.to_str().ok().and_then(host_and_port).is_some_and(|(host, port)| {
            let default = if origin.scheme == "https" { 443 } else { 80 };
            (host, port.unwrap_or(default)) == (origin.host, origin.port)
        }),
    }
}

/// Takes apart what `http::uri` takes for an authority, but for user names.
fn host_and_port(text: &str) -> Option<(String, Option<u16>)> {
    let authority: http::uri::Authority = text.parse().ok()?;
    let whole = !text.contains('@') && !text.ends_with(':') && !authority.host().is_empty();
    whole.then(|| (authority.host().to_ascii_lowercase(), authority.port_u16()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn may(origin: &[&str], host: &'static str, origins: &Origins) -> bool {
        let mut headers = HeaderMap::new();
        for value in origin {
            headers.append(ORIGIN, HeaderValue::from_str(value).expect("a value"));
        }
        check_origin(&headers, &HeaderValue::from_static(host), origins)
    }

    #[test]
    fn the_same_host_may_and_no_other() {
        let same = Origins::SameHost;
        assert!(may(&[], "chat.example", &same), "no browser");
        assert!(may(&["https://chat.example"], "chat.example", &same));
        assert!(may(&["http://Chat.Example:80"], "chat.example", &same));
        assert!(may(&["http://127.0.0.1:8080"], "127.0.0.1:8080", &same));
        assert!(may(&["http://[::1]:8080"], "[::1]:8080", &same));
        for evil in [
            "null",
            "http://evilchat.example",
            "http://chat.example.evil",
            "http://chat.example:81",
            "http://chat.example@evil",
            "http://chat.example/",
            "file://chat.example",
            "http://",
            "",
        ] {
            assert!(!may(&[evil], "chat.example", &same), "{evil}");
        }
        assert!(!may(&["http://chat.example", "http://chat.example"], "chat.example", &same), "twice");
    }

    #[test]
    fn a_list_holds_exactly_what_it_names() {
        let only = Origins::Only(vec!["https://good.com".parse().expect("an origin")]);
        assert!(may(&["https://good.com:443"], "chat.example", &only));
        for evil in ["https://evilgood.com", "http://good.com", "https://good.com:444", "null"] {
            assert!(!may(&[evil], "chat.example", &only), "{evil}");
        }
    }
}
