//! Reads where a client comes from, behind proxies that say so.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use http::{HeaderMap, HeaderName};
use thiserror::Error;

/// Holds a range of addresses, written as `10.0.0.0/8`, `2001:db8::/32` or, for one address, `192.0.2.7`.
///
/// ```
/// use chat_http::Network;
///
/// let network: Network = "10.0.0.0/8".parse()?;
/// assert!(network.contains("10.1.2.3".parse()?) && !network.contains("192.0.2.7".parse()?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

/// Says that a text is no network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "a network is an address, as 192.0.2.7, or one with the length of its prefix, as 10.0.0.0/8 or 2001:db8::/32"
)]
#[non_exhaustive]
pub struct NetworkError;

/// Knows which header says where a client comes from, and whom to believe it.
///
/// ```
/// use chat_http::Proxies;
/// use http::{HeaderMap, HeaderName, HeaderValue};
///
/// let proxies = Proxies::trusted(HeaderName::from_static("x-forwarded-for"), vec!["10.0.0.0/8".parse()?]);
/// let mut headers = HeaderMap::new();
/// headers.insert("x-forwarded-for", HeaderValue::from_static("203.0.113.9, 192.0.2.7, 10.0.0.2"));
/// let client = |peer: &str| proxies.client(peer.parse().ok(), &headers);
/// // From a proxy: the last address that is no proxy's.
/// assert_eq!(client("10.0.0.1"), "192.0.2.7".parse().ok());
/// // From anybody else the header counts for nothing.
/// assert_eq!(client("198.51.100.4"), "198.51.100.4".parse().ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Proxies {
    header: HeaderName,
    /// Holds none where everybody is believed.
    trusted: Option<Vec<Network>>,
}

impl Proxies {
    /// Believes the header of those who connect from these networks, and of nobody else.
    pub fn trusted(header: HeaderName, networks: Vec<Network>) -> Self {
        Self { header, trusted: Some(networks) }
    }

    /// Believes the header of everybody: only for servers that nobody but one proxy can reach.
    pub fn all(header: HeaderName) -> Self {
        Self { header, trusted: None }
    }

    /// Returns where a client comes from, whose connection comes from `remote`; none if that is not known.
    ///
    /// Reads the header from its end, past the proxies that are trusted: what stands before the first other
    /// address may be made up. An element that is no address, such as `unknown`, is a client of which nothing
    /// is known.
    pub fn client(&self, remote: Option<IpAddr>, headers: &HeaderMap) -> Option<IpAddr> {
        let mut elements = from_the_end(headers, &self.header).map(address);
        let Some(networks) = &self.trusted else { return elements.next().flatten() };
        let is_proxy = |address: &IpAddr| networks.iter().any(|network| network.contains(*address));
        let mut client = remote?;
        while is_proxy(&client) {
            match elements.next() {
                Some(Some(before)) => client = before,
                Some(None) => return None,
                None => break,
            }
        }
        Some(client)
    }
}

/// Returns the elements of a list, the last one first. A comma in quotes parts none: a `host` in them is what
/// the client has said. Quotes are read from the end too, where the proxies have written, so that one which a
/// client has left open changes nothing there.
fn from_the_end<'a>(headers: &'a HeaderMap, name: &'a HeaderName) -> impl Iterator<Item = &'a [u8]> {
    let lines = headers.get_all(name).into_iter().rev();
    let elements = lines.flat_map(|line| split_from_the_end(line.as_bytes(), b','));
    elements.map(<[u8]>::trim_ascii).filter(|element| !element.is_empty())
}

/// Splits at each such byte that stands in no quotes (RFC 9110 §5.6.4), and returns the last part first.
fn split_from_the_end(text: &[u8], at: u8) -> impl Iterator<Item = &[u8]> {
    let mut left = Some(text);
    std::iter::from_fn(move || {
        let text = left?;
        let mut quoted = false;
        let split = (0..text.len()).rev().find(|place| {
            quoted ^= text[*place] == b'"' && !is_escaped(text, *place);
            text[*place] == at && !quoted
        });
        left = split.map(|place| &text[..place]);
        Some(split.map_or(text, |place| &text[place + 1..]))
    })
}

/// Returns whether an odd number of backslashes stands before this place.
fn is_escaped(text: &[u8], place: usize) -> bool {
    text[..place].iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1
}

/// Reads an address as proxies write it: alone, with a port, in brackets, or as the `for` of RFC 7239.
fn address(element: &[u8]) -> Option<IpAddr> {
    let pairs: Vec<_> = split_from_the_end(element, b';').collect();
    let element = str::from_utf8(element).ok()?;
    let mut pairs = pairs.into_iter().rev().filter_map(|pair| str::from_utf8(pair).ok()?.split_once('='));
    let value =
        pairs.find(|(name, _)| name.trim().eq_ignore_ascii_case("for")).map_or(element, |(_, value)| value);
    let text = value.trim().trim_matches('"');
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok().or_else(|| text.parse().ok().map(|at: SocketAddr| at.ip()))
}

impl Network {
    /// Returns whether an address is in this range. An IPv4 address that is written as IPv6 counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                leading(u128::from(network.to_bits()) << 96, self.prefix)
                    == leading(u128::from(address.to_bits()) << 96, self.prefix)
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                leading(network.to_bits(), self.prefix) == leading(address.to_bits(), self.prefix)
            }
            _ => false,
        }
    }
}

/// Keeps so many of the leading bits.
fn leading(bits: u128, count: u8) -> u128 {
    bits & u128::MAX.checked_shl(128 - u32::from(count)).unwrap_or(0)
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(at, prefix)| (at, Some(prefix)));
        let address: IpAddr = address.parse().map_err(|_| NetworkError)?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => most,
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                digits.parse().ok().filter(|prefix| *prefix <= most).ok_or(NetworkError)?
            }
            Some(_) => return Err(NetworkError),
        };
        Ok(Self { address, prefix })
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use http::header::FORWARDED;

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn forwarded(lines: &[&'static str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        lines.iter().for_each(|line| {
            headers.append(FORWARDED, HeaderValue::from_static(line));
        });
        headers
    }

    #[test]
    fn an_address_is_read_as_proxies_write_it() {
        for (element, read) in [
            ("192.0.2.7", "192.0.2.7"),
            ("192.0.2.7:4711", "192.0.2.7"),
            ("2001:db8::7", "2001:db8::7"),
            ("[2001:db8::7]", "2001:db8::7"),
            ("[2001:db8::7]:4711", "2001:db8::7"),
            ("for=192.0.2.7", "192.0.2.7"),
            ("proto=https; For=\"[2001:db8::7]:4711\";by=10.0.0.1", "2001:db8::7"),
        ] {
            assert_eq!(address(element.as_bytes()), read.parse().ok(), "{element}");
        }
        for none in ["unknown", "for=_hidden", "by=192.0.2.7", "", "192.0.2.7:http", "[192.0.2.7"] {
            assert_eq!(address(none.as_bytes()), None, "{none}");
        }
    }

    #[test]
    fn what_a_client_says_in_quotes_names_no_address() {
        let proxies = Proxies::trusted(FORWARDED, vec!["10.0.0.1".parse().expect("a network")]);
        for line in [
            r#"for=192.0.2.7;host="a,for=203.0.113.9""#,
            r#"for=192.0.2.7;host="a,for=203.0.113.9";proto=http"#,
            r#"host="a;for=203.0.113.9";for=192.0.2.7"#,
            r#"host="a;for=203.0.113.9,for=203.0.113.9;b";for="192.0.2.7""#,
            r#"for=192.0.2.7;host="a\",for=203.0.113.9""#,
            r#"host="a\\";for=192.0.2.7"#,
            // What stands before is the client's own, whatever it leaves open.
            r#"for=203.0.113.9;host=", for=192.0.2.7"#,
            r#"for="203.0.113.9, for=192.0.2.7;host="a,b""#,
            r#"\", for=192.0.2.7"#,
        ] {
            let read = proxies.client(Some(ip("10.0.0.1")), &forwarded(&[line]));
            assert_eq!(read, Some(ip("192.0.2.7")), "{line}");
        }
    }

    #[test]
    fn a_network_holds_the_addresses_that_begin_as_it_does() {
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
            ("10.1.2.3/8", "10.255.0.1", "11.0.0.1"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.6"),
            ("192.0.2.6/31", "192.0.2.7", "192.0.2.8"),
            ("0.0.0.0/0", "203.0.113.1", "::1"),
            ("2001:db8::/32", "2001:db8:1::1", "2001:db9::1"),
            ("::1", "::1", "127.0.0.1"),
            ("::/0", "2001:db8::1", "192.0.2.7"),
            ("10.0.0.0/8", "::ffff:10.0.0.1", "::ffff:11.0.0.1"),
        ] {
            let read: Network = network.parse().expect("a network");
            assert!(read.contains(ip(inside)) && !read.contains(ip(outside)), "{network}");
        }
        for bad in ["", "10.0.0.0/", "10.0.0.0/33", "::/129", "10.0.0.0/+8", "10/8", "a/8", "10.0.0.0/8/8"] {
            assert_eq!(bad.parse::<Network>(), Err(NetworkError), "{bad}");
        }
    }

    #[test]
    fn only_a_trusted_proxy_is_believed_and_only_what_it_saw_itself() {
        let networks = ["10.0.0.0/8", "::1"].map(|network| network.parse().expect("a network"));
        let proxies = Proxies::trusted(FORWARDED, networks.to_vec());
        for (remote, lines, client) in [
            ("192.0.2.7", &["for=203.0.113.9"][..], Some("192.0.2.7")),
            ("10.0.0.1", &["for=203.0.113.9"], Some("203.0.113.9")),
            ("10.0.0.1", &["for=198.51.100.1, for=203.0.113.9", "for=10.0.0.2"], Some("203.0.113.9")),
            ("::ffff:10.0.0.1", &["for=203.0.113.9"], Some("203.0.113.9")),
            ("::1", &["for=10.0.0.3", "for=10.0.0.2"], Some("10.0.0.3")),
            ("10.0.0.1", &[], Some("10.0.0.1")),
            ("10.0.0.1", &["for=203.0.113.9, for=unknown"], None),
        ] {
            let read = proxies.client(Some(ip(remote)), &forwarded(lines));
            assert_eq!(read, client.map(ip), "{remote}: {lines:?}");
        }
        assert_eq!(proxies.client(None, &forwarded(&["for=203.0.113.9"])), None, "from nowhere");
    }

    #[test]
    fn where_everybody_is_believed_the_last_address_counts() {
        let all = Proxies::all(FORWARDED);
        let headers = forwarded(&["for=198.51.100.1, for=203.0.113.9"]);
        assert_eq!(all.client(Some(ip("192.0.2.7")), &headers), Some(ip("203.0.113.9")));
        assert_eq!(all.client(Some(ip("192.0.2.7")), &forwarded(&[])), None);
    }
}
