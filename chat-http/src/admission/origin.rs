//! Checks which pages may come in (RFC 6455 §10.2): browsers name the origin of a page, and do nothing else
//! to keep pages apart.

use std::str::FromStr;

use http::header::{HeaderMap, ORIGIN};
use thiserror::Error;

use super::host::{Host, HostName, Port, host};
use chat_websocket::fields::single;

/// Says which origins may come in. A client that is no page always may: it sends neither an `Origin` nor what
/// browsers say of a request without one (Fetch Metadata).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origins {
    /// Lets in the host and port that the request itself names. Only as good as that name: see
    /// [`Hosts`](crate::Hosts).
    #[default]
    SameHost,
    /// Lets in exactly these.
    Only(Vec<Origin>),
    /// Lets in every page.
    Any,
}

/// Names an origin: a scheme, a host and a port (RFC 6454). An app in a web view has a scheme of its own,
/// such as `capacitor://localhost`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    scheme: String,
    host: Host,
}

/// Says that a text is no origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("an origin is scheme://host or scheme://host:port, with a port of 1 to 65535")]
#[non_exhaustive]
pub struct OriginError;

impl FromStr for Origin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        let (scheme, rest) = text.split_once("://").ok_or(OriginError)?;
        let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
        let plain =
            scheme.starts_with(|first: char| first.is_ascii_alphabetic()) && scheme.bytes().all(letter);
        let scheme = scheme.to_ascii_lowercase();
        let host = host_of(&scheme, rest).ok_or(OriginError)?;
        plain.then_some(Self { scheme, host }).ok_or(OriginError)
    }
}

/// Reads the host. Pages of files and of some apps come from none: `file://`.
fn host_of(scheme: &str, text: &str) -> Option<Host> {
    let usual = usual_port(scheme);
    if text.is_empty() && usual.is_none() {
        return Some(Host { name: HostName::Named(String::new()), port: Port::Usual });
    }
    let host = Host::exact(text).ok()?;
    let port = host.port.or(usual).map_or(Port::Usual, Port::One);
    Some(Host { port, ..host })
}

impl Origin {
    /// Returns the host that its pages come from.
    pub fn host(&self) -> &Host {
        &self.host
    }
}

impl Origins {
    /// Returns whether a request with these headers may come in.
    pub fn admit(&self, headers: &HeaderMap) -> bool {
        if *self == Self::Any {
            return true;
        }
        if !is_asked_by_script(headers) {
            return false;
        }
        if !headers.contains_key(ORIGIN) {
            return is_said(headers, "sec-fetch-site", &["same-origin", "none"]);
        }
        let text = single(headers, ORIGIN).and_then(|origin| origin.to_str().ok());
        let Some(origin) = text.and_then(|text| text.parse::<Origin>().ok()) else { return false };
        match self {
            Self::Any => true,
            Self::Only(allowed) => allowed.contains(&origin),
            Self::SameHost => host(headers).is_some_and(|host| origin.is_of(&host)),
        }
    }
}

impl Origin {
    fn is_of(&self, host: &Host) -> bool {
        let usual = usual_port(&self.scheme);
        usual.is_some() && self.host.name == host.name && self.host.port.or(None) == host.port.or(usual)
    }
}

fn usual_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    }
}

/// Tells scripts from pictures, frames and links of a page: those ask without an `Origin`, and may open no
/// session, even on a page of the same host.
fn is_asked_by_script(headers: &HeaderMap) -> bool {
    is_said(headers, "sec-fetch-dest", &["empty", "websocket"])
        && is_said(headers, "sec-fetch-mode", &["cors", "same-origin", "websocket"])
}

/// Returns whether a header of Fetch Metadata says one of these, or is not there.
fn is_said(headers: &HeaderMap, name: &'static str, one_of: &[&str]) -> bool {
    headers.get_all(name).iter().all(|value| one_of.iter().any(|known| value == known))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use http::header::HOST;

    use super::*;

    fn may(origin: &[&str], host: &'static str, origins: &Origins) -> bool {
        let mut headers = HeaderMap::new();
        for value in origin {
            headers.append(ORIGIN, HeaderValue::from_str(value).expect("a value"));
        }
        headers.insert(HOST, HeaderValue::from_static(host));
        origins.admit(&headers)
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
        let app = Origins::Only(vec!["capacitor://localhost".parse().expect("an origin")]);
        assert!(may(&["capacitor://localhost"], "chat.example", &app));
        for evil in ["capacitor://evil", "http://localhost", "capacitor://localhost:1", "capacitor://"] {
            assert!(!may(&[evil], "localhost", &app), "{evil}");
        }
        for app in [
            "ionic://localhost",
            "tauri://localhost",
            "app://.",
            "file://",
            "vscode-webview://1a2b-3c",
            "chrome-extension://abcdefghijklmnop",
            "moz-extension://0f0e0d0c-0b0a-0908-0706-050403020100",
        ] {
            let only = Origins::Only(vec![app.parse().expect("an origin")]);
            assert!(may(&[app], "chat.example", &only), "{app}");
            assert!(!may(&["https://chat.example"], "chat.example", &only), "{app} and no other");
        }
    }

    #[test]
    fn a_port_is_read_strictly_or_it_is_none() {
        let only = Origins::Only(vec!["https://good.com".parse().expect("an origin")]);
        for port in ["+443", "0443", "0443x", "443x", "99999", "", " 443", "4_43", "-443", "0", "443:443"] {
            let odd = format!("https://good.com:{port}");
            assert!(!may(&[&odd], "good.com", &only), "{odd}");
            assert!(!may(&[&odd], "good.com", &Origins::SameHost), "{odd}");
            assert_eq!(odd.parse::<Origin>(), Err(OriginError), "in the list");
        }
        assert!(!may(&["https://good.com"], "good.com:+443", &Origins::SameHost), "a host's as well");
        for odd in ["://a", "1a://b", "a b://c", "https:///", "https://u@good.com", "https://good.com?"] {
            assert_eq!(odd.parse::<Origin>(), Err(OriginError), "{odd}");
        }
    }

    #[test]
    fn what_a_page_asks_for_without_an_origin_is_known_by_what_browsers_say_of_it() {
        let asked = |said: &[(&'static str, &'static str)], origins: &Origins| {
            let mut headers = HeaderMap::new();
            said.iter().for_each(|(name, value)| {
                headers.append(*name, HeaderValue::from_static(value));
            });
            origins.admit(&headers)
        };
        let (site, mode, dest) = ("sec-fetch-site", "sec-fetch-mode", "sec-fetch-dest");
        for origins in [Origins::SameHost, Origins::Only(Vec::new())] {
            let may = |said: &[(&'static str, &'static str)]| asked(said, &origins);
            assert!(may(&[(site, "same-origin"), (mode, "cors"), (dest, "empty")]));
            assert!(may(&[(mode, "cors")]), "a library that is no browser");
            for foreign in ["cross-site", "same-site", "", "new"] {
                assert!(!may(&[(site, foreign), (mode, "cors"), (dest, "empty")]), "{foreign}");
            }
            for by in ["image", "script", "document", "iframe", "style", "video", "object", "report"] {
                assert!(!may(&[(site, "same-origin"), (mode, "no-cors"), (dest, by)]), "{by}");
                assert!(!may(&[(dest, by)]), "{by}");
            }
            assert!(!may(&[(site, "none"), (mode, "navigate"), (dest, "document")]), "a link in a letter");
            assert!(!may(&[(site, "same-origin"), (site, "cross-site")]), "twice");
        }
        assert!(asked(&[(site, "cross-site"), (mode, "no-cors"), (dest, "image")], &Origins::Any));
    }
}
