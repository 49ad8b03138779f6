//! Reads the header by which a proxy says whose connection it passes on (HAProxy's PROXY protocol, versions 1
//! and 2).

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

/// Begins a header of version 2.
const BINARY: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// Begins a header of version 1.
const TEXT: &[u8] = b"PROXY ";

/// Bounds a header of version 1, with its CR LF.
const LINE: usize = 107;

/// Counts the bytes of version 2 before its addresses.
const FIXED: usize = 16;

/// Holds a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProxyHeader {
    /// Holds the client's address. None where the proxy speaks for itself (`LOCAL`) or does not know it
    /// (`UNKNOWN`).
    pub(crate) client: Option<SocketAddr>,
    /// Counts the bytes of the header.
    pub(crate) bytes: usize,
}

/// Says that bytes do not begin with a header within its bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoProxyHeader;

impl ProxyHeader {
    /// Reads the header at the beginning of these bytes; none if it is not whole yet. It has at most `most`
    /// bytes, and one that announces more is refused before they come.
    pub(crate) fn read(bytes: &[u8], most: usize) -> Result<Option<Self>, NoProxyHeader> {
        if begins(bytes, BINARY) {
            return binary(bytes, most);
        }
        if begins(bytes, TEXT) { text(bytes, most) } else { Err(NoProxyHeader) }
    }
}

/// Returns true if these bytes begin like that, as far as both go.
fn begins(bytes: &[u8], with: &[u8]) -> bool {
    bytes.iter().zip(with).all(|(byte, expected)| byte == expected)
}

fn text(bytes: &[u8], most: usize) -> Result<Option<ProxyHeader>, NoProxyHeader> {
    let most = most.min(LINE);
    let line = &bytes[..bytes.len().min(most)];
    let Some(end) = line.windows(2).position(|pair| pair == b"\r\n") else {
        return if line.len() < most { Ok(None) } else { Err(NoProxyHeader) };
    };
    let words = str::from_utf8(&line[TEXT.len()..end]).map_err(|_| NoProxyHeader)?;
    Ok(Some(ProxyHeader { client: named(words).ok_or(NoProxyHeader)?, bytes: end + 2 }))
}

/// Reads the client of a line: the protocol, both addresses and both ports. The inner none is a client that
/// the proxy does not know.
fn named(words: &str) -> Option<Option<SocketAddr>> {
    let words: Vec<_> = words.split(' ').collect();
    match words[..] {
        ["UNKNOWN", ..] => Some(None),
        ["TCP4", from, to, from_port, to_port] => {
            let ends: [Ipv4Addr; 2] = [from.parse().ok()?, to.parse().ok()?];
            let ports = [port(from_port)?, port(to_port)?];
            Some(Some((ends[0], ports[0]).into()))
        }
        ["TCP6", from, to, from_port, to_port] => {
            let ends: [Ipv6Addr; 2] = [from.parse().ok()?, to.parse().ok()?];
            let ports = [port(from_port)?, port(to_port)?];
            Some(Some((ends[0], ports[0]).into()))
        }
        _ => None,
    }
}

fn port(digits: &str) -> Option<u16> {
    let plain = digits == "0" || !digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| plain)
}

fn binary(bytes: &[u8], most: usize) -> Result<Option<ProxyHeader>, NoProxyHeader> {
    let Some(&[.., command, family, high, low]) = bytes.first_chunk::<FIXED>() else { return Ok(None) };
    let end = FIXED + usize::from(u16::from_be_bytes([high, low]));
    if end > most || !matches!(command, 0x20 | 0x21) {
        return Err(NoProxyHeader);
    }
    // What follows the addresses describes the connection further (TLV), and is of no use here.
    let Some(addresses) = bytes.get(FIXED..end) else { return Ok(None) };
    let client = match (command, family) {
        (0x20, _) => None,
        (_, 0x11) => Some(v4(addresses).ok_or(NoProxyHeader)?),
        (_, 0x21) => Some(v6(addresses).ok_or(NoProxyHeader)?),
        // Nothing is said, or no TCP is spoken.
        (_, 0x00 | 0x12 | 0x22 | 0x31 | 0x32) => None,
        _ => return Err(NoProxyHeader),
    };
    Ok(Some(ProxyHeader { client, bytes: end }))
}

fn v4(addresses: &[u8]) -> Option<SocketAddr> {
    let &[a, b, c, d, _, _, _, _, high, low, _, _] = addresses.first_chunk()?;
    Some((Ipv4Addr::new(a, b, c, d), u16::from_be_bytes([high, low])).into())
}

fn v6(addresses: &[u8]) -> Option<SocketAddr> {
    let addresses: &[u8; 36] = addresses.first_chunk()?;
    let client: [u8; 16] = *addresses.first_chunk()?;
    Some((Ipv6Addr::from(client), u16::from_be_bytes([addresses[32], addresses[33]])).into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MOST: usize = 1024;

    fn read(bytes: &[u8]) -> Result<Option<ProxyHeader>, NoProxyHeader> {
        ProxyHeader::read(bytes, MOST)
    }

    fn of_2(command: u8, family: u8, behind: &[u8]) -> Vec<u8> {
        let length = u16::try_from(behind.len()).expect("a header");
        [BINARY, &[command, family], &length.to_be_bytes(), behind].concat()
    }

    fn both() -> Vec<(Vec<u8>, Option<&'static str>)> {
        let v4 = [192, 0, 2, 7, 10, 0, 0, 1, 0x12, 0x67, 0, 80];
        let mut v6 = [0; 36];
        v6[..4].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8]);
        v6[15] = 7;
        v6[33] = 81;
        let tlv = [4, 0, 3, b'a', b'b', b'c'];
        let line = |text: &str| format!("PROXY {text}\r\n").into_bytes();
        vec![
            (line("TCP4 192.0.2.7 10.0.0.1 4711 80"), Some("192.0.2.7:4711")),
            (line("TCP6 2001:db8::7 ::1 81 80"), Some("[2001:db8::7]:81")),
            (line("TCP6 ::ffff:192.0.2.7 ::1 0 65535"), Some("[::ffff:192.0.2.7]:0")),
            (line("UNKNOWN"), None),
            (line("UNKNOWN ffff::1 whatever 1 2"), None),
            (of_2(0x21, 0x11, &v4), Some("192.0.2.7:4711")),
            (of_2(0x21, 0x11, &[&v4[..], &tlv].concat()), Some("192.0.2.7:4711")),
            (of_2(0x21, 0x21, &v6), Some("[2001:db8::7]:81")),
            (of_2(0x21, 0x21, &[&v6[..], &tlv].concat()), Some("[2001:db8::7]:81")),
            (of_2(0x20, 0x11, &v4), None),
            (of_2(0x20, 0xff, &[]), None),
            (of_2(0x21, 0x00, &[]), None),
            (of_2(0x21, 0x31, &[0; 216]), None),
            (of_2(0x21, 0x12, &v4), None),
        ]
    }

    #[test]
    fn a_header_of_either_version_names_the_client_however_its_bytes_arrive() {
        for (header, client) in both() {
            let shown = header.escape_ascii();
            for cut in 0..header.len() {
                assert_eq!(read(&header[..cut]), Ok(None), "{shown}, {cut} bytes");
            }
            let whole =
                ProxyHeader { client: client.map(|at| at.parse().expect("one")), bytes: header.len() };
            for behind in [&b""[..], b"GET / HTTP/1.1\r\n\r\n", b"PROXY UNKNOWN\r\n"] {
                assert_eq!(read(&[&header, behind].concat()), Ok(Some(whole)), "{shown}");
            }
        }
    }

    #[test]
    fn what_is_no_header_is_refused() {
        let line = |text: &str| format!("PROXY {text}\r\n").into_bytes();
        let mut version = of_2(0x21, 0x00, &[]);
        version[12] = 0x11;
        for bad in [
            b"GET / HTTP/1.1\r\n".to_vec(),
            b"X".to_vec(),
            b"PROXI".to_vec(),
            b"proxy UNKNOWN\r\n".to_vec(),
            b"\r\n\r\n\0\r\nQUIX".to_vec(),
            line(""),
            line("TCP4"),
            line("TCP4 192.0.2.7 10.0.0.1 4711"),
            line("TCP4 192.0.2.7 10.0.0.1 4711 80 1"),
            line("TCP4  192.0.2.7 10.0.0.1 4711 80"),
            line("TCP4 192.0.2.07 10.0.0.1 4711 80"),
            line("TCP4 192.0.2.7 10.0.0 4711 80"),
            line("TCP4 ::1 ::1 4711 80"),
            line("TCP6 192.0.2.7 10.0.0.1 4711 80"),
            line("TCP4 192.0.2.7 10.0.0.1 65536 80"),
            line("TCP4 192.0.2.7 10.0.0.1 04711 80"),
            line("TCP4 192.0.2.7 10.0.0.1 +4711 80"),
            line("TCP4 192.0.2.7 10.0.0.1 4711 "),
            line("TCP5 192.0.2.7 10.0.0.1 4711 80"),
            line("UNKNOWNX"),
            b"PROXY TCP4 192.0.2.7 \xff 4711 80\r\n".to_vec(),
            version,
            of_2(0x22, 0x11, &[0; 12]),
            of_2(0x21, 0x11, &[0; 11]),
            of_2(0x21, 0x21, &[0; 35]),
            of_2(0x21, 0x13, &[0; 12]),
            of_2(0x21, 0x41, &[0; 12]),
        ] {
            assert_eq!(read(&bad), Err(NoProxyHeader), "{}", bad.escape_ascii());
        }
    }

    #[test]
    fn a_header_over_its_bound_is_refused_before_it_is_read() {
        let long = |bytes: usize| format!("PROXY UNKNOWN{}", " x".repeat(bytes)).into_bytes();
        assert_eq!(read(&long(47)[..LINE]), Err(NoProxyHeader), "a line without an end");
        assert_eq!(read(&long(40)), Ok(None));
        let announced = |bytes: usize| of_2(0x21, 0x00, &vec![0; bytes])[..FIXED].to_vec();
        assert_eq!(read(&announced(MOST - FIXED)), Ok(None));
        assert_eq!(read(&announced(MOST - FIXED + 1)), Err(NoProxyHeader));
        assert_eq!(read(&announced(65_535)), Err(NoProxyHeader));
    }

    proptest! {
        #[test]
        fn no_bytes_panic_and_none_are_taken_that_are_not_there(
            start in 0..3_usize,
            bytes in proptest::collection::vec(any::<u8>(), 0..300),
            flip in any::<(usize, u8)>(),
        ) {
            let headers = both();
            let header = &headers[flip.0 % headers.len()].0;
            let mut bytes = match start {
                0 => bytes,
                1 => [BINARY, &bytes].concat(),
                _ => [header, &bytes[..]].concat(),
            };
            if let Some(byte) = bytes.get_mut(flip.0 % header.len()) {
                *byte ^= flip.1;
            }
            let whole = read(&bytes);
            if let Ok(Some(header)) = whole {
                prop_assert!(header.bytes <= bytes.len());
                prop_assert_eq!(read(&bytes[..header.bytes]), whole, "what follows says nothing");
                prop_assert_eq!(read(&bytes[..header.bytes - 1]), Ok(None));
            }
        }
    }
}
