//! Tests connections behind a proxy that speaks the PROXY protocol, on every adapter that listens.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chat_core::{Connect, Endpoint, Hub, Identity, Refusal, SessionId};
use chat_http::{HttpLimits, RequestHead};
use chat_tests::host::{Host, Served};
use chat_tests::program::Program;
use chat_tests::raw::{HANDSHAKE, Raw, frame, request};

const HOSTS: [Host; 3] = [Host::TokioMulti, Host::AsyncStd, Host::Smol];
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// Admits everybody, and remembers from where each name came.
#[derive(Clone, Default)]
struct Whence(Arc<Mutex<HashMap<String, IpAddr>>>);

impl Endpoint for Whence {
    async fn stream_opened(&self, session: SessionId, connect: Connect) -> Result<Identity, Refusal> {
        let from = RequestHead::of(&connect).and_then(RequestHead::client_address);
        let name = connect.name.map_or_else(|| format!("guest-{session}").parse(), Ok)?;
        if let Some(from) = from {
            self.0.lock().expect("nobody panics").insert(name.as_str().to_owned(), from);
        }
        Ok(Identity::named(name))
    }
}

fn behind(host: Host, proxies: &[&str], limits: HttpLimits) -> (Whence, Served) {
    let whence = Whence::default();
    (whence.clone(), host.serve_behind(proxies, limits, Hub::builder(whence)))
}

fn opening(address: SocketAddr, target: &str) -> Vec<u8> {
    request("GET", target, address, &HANDSHAKE).into_bytes()
}

/// Returns a header of version 2.
fn binary(command: u8, family: u8, behind: &[u8]) -> Vec<u8> {
    let length = u16::try_from(behind.len()).expect("a header");
    [SIGNATURE, &[command, family], &length.to_be_bytes(), behind].concat()
}

fn v4(tlv: &[u8]) -> Vec<u8> {
    binary(0x21, 0x11, &[&[203, 0, 113, 9, 10, 0, 0, 1, 0x12, 0x67, 0, 80], tlv].concat())
}

fn v6(tlv: &[u8]) -> Vec<u8> {
    let (mut addresses, ports) = ([0; 32], [0, 81, 0, 80]);
    addresses[..4].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8]);
    addresses[15] = 9;
    binary(0x21, 0x21, &[&addresses[..], &ports, tlv].concat())
}

#[test]
fn the_address_in_the_header_is_the_clients_whatever_its_version_and_however_it_arrives() {
    let tlv = [&[1, 0, 2][..], b"h2", &[4, 0, 0]].concat();
    let own = "127.0.0.1";
    for host in HOSTS {
        let (whence, served) = behind(host, &["127.0.0.0/8", "::1"], HttpLimits::default());
        for (n, (header, from)) in [
            (b"PROXY TCP4 203.0.113.9 10.0.0.1 4711 80\r\n".to_vec(), "203.0.113.9"),
            (b"PROXY TCP6 2001:db8::9 ::1 4711 80\r\n".to_vec(), "2001:db8::9"),
            (b"PROXY UNKNOWN\r\n".to_vec(), own),
            (v4(&[]), "203.0.113.9"),
            (v4(&tlv), "203.0.113.9"),
            (v6(&[]), "2001:db8::9"),
            (v6(&tlv), "2001:db8::9"),
            (binary(0x20, 0, &[]), own),
            (binary(0x21, 0, &tlv), own),
        ]
        .into_iter()
        .enumerate()
        {
            for split in [false, true] {
                let name = format!("u{n}-{split}");
                let opening = opening(served.address, &format!("/?name={name}"));
                let sent = [&header[..], &opening].concat();
                let mut raw = Raw::connect(served.address);
                match split {
                    true => sent.iter().for_each(|byte| raw.send(&[*byte])),
                    false => raw.send(&sent),
                }
                assert_eq!(raw.status(), 101, "{host:?}: {}", sent.escape_ascii());
                raw.send(&frame(0x81, br#"{"type":"ping"}"#));
                assert!(raw.frame().is_some(), "its session goes on");
                let known = whence.0.lock().expect("nobody panics").get(&name).copied();
                assert_eq!(known, from.parse().ok(), "{host:?}: {}", sent.escape_ascii());
            }
        }
    }
}

/// Sends so many lines of nonsense as a client of this address; returns the code of the close.
fn nonsense(served: &Served, from: &str, lines: usize) -> Option<u16> {
    let mut raw = Raw::connect(served.address);
    let header = format!("PROXY TCP4 {from} 10.0.0.1 4711 80\r\n").into_bytes();
    raw.send(&[header, opening(served.address, "/")].concat());
    assert_eq!(raw.status(), 101);
    raw.send(&frame(0x81, b"nonsense").repeat(lines));
    raw.send(&frame(0x88, &4000_u16.to_be_bytes()));
    let code = raw.close_code();
    while served.hub.stats().sessions > 0 {
        std::thread::yield_now();
    }
    code
}

#[test]
fn what_counts_for_an_address_counts_for_the_one_in_the_header() {
    for host in HOSTS {
        let (_, served) = behind(host, &["127.0.0.1"], HttpLimits::default());
        assert_eq!(nonsense(&served, "203.0.113.9", 19), Some(4000));
        assert_eq!(nonsense(&served, "203.0.113.10", 1), Some(4000), "{host:?}: of another");
        assert_eq!(nonsense(&served, "203.0.113.9", 1), Some(3509), "{host:?}");
    }
}

#[test]
fn a_header_from_anybody_else_is_no_http() {
    for host in HOSTS {
        for proxies in [&[][..], &["192.0.2.0/24"]] {
            let (whence, served) = behind(host, proxies, HttpLimits::default());
            for header in [b"PROXY TCP4 203.0.113.9 10.0.0.1 4711 80\r\n".to_vec(), v4(&[]), v6(&[])] {
                let mut raw = Raw::connect(served.address);
                raw.send(&[header, opening(served.address, "/?name=eve")].concat());
                assert_eq!(raw.status(), 400, "{host:?} behind {proxies:?}");
            }
            assert!(whence.0.lock().expect("nobody panics").is_empty());
            let mut raw = Raw::open(served.address, "/?name=ann");
            raw.send(&frame(0x81, br#"{"type":"ping"}"#));
            assert!(raw.frame().is_some());
            assert_eq!(whence.0.lock().expect("nobody panics")["ann"], IpAddr::from([127, 0, 0, 1]));
        }
    }
}

#[test]
fn a_connection_of_a_proxy_without_a_good_header_is_closed_without_an_answer() {
    for host in HOSTS {
        let (_, served) = behind(host, &["127.0.0.1"], HttpLimits::default());
        let bad = [
            opening(served.address, "/"),
            b"PROXY TCP4 203.0.113.9 10.0.0.1 4711\r\n".to_vec(),
            b"PROXY TCP4 2001:db8::9 ::1 4711 80\r\n".to_vec(),
            format!("PROXY UNKNOWN {}", "x".repeat(107)).into_bytes(),
            binary(0x31, 0x11, &[0; 12]),
            binary(0x21, 0x11, &[0; 11]),
            binary(0x21, 0x00, &[0; 65_535])[..16].to_vec(),
            b"\x16\x03\x01".to_vec(),
        ];
        for sent in &bad {
            let mut raw = Raw::connect(served.address);
            raw.send(sent);
            assert_eq!(raw.rest(), b"", "{host:?}: {}", sent.escape_ascii());
        }
        assert_eq!(served.hub.stats().rejections.get(&400), Some(&(bad.len() as u64)), "{host:?}");
        assert_eq!(served.hub.stats().sessions, 0);
    }
}

#[test]
fn a_header_is_within_the_bytes_and_the_time_of_the_handshake() {
    let limits = HttpLimits::default().with_handshake_timeout(Duration::from_secs(1)).with_head_bytes(2048);
    for host in HOSTS {
        let (_, served) = behind(host, &["127.0.0.1"], limits);
        let status = |tlv: usize, padding: usize| {
            let mut head = opening(served.address, "/");
            head.truncate(head.len() - 2);
            let more = 2048 - head.len() - v4(&[]).len() - "x: \r\n\r\n".len();
            head.extend(format!("x: {}\r\n\r\n", "y".repeat(more - tlv - padding)).into_bytes());
            let mut raw = Raw::connect(served.address);
            raw.send(&[v4(&vec![0; tlv]), head].concat());
            raw.status()
        };
        assert_eq!((status(0, 0), status(1000, 0)), (101, 101), "{host:?}");
        let over = |tlv: usize| {
            let mut head = opening(served.address, "/");
            head.truncate(head.len() - 2);
            head.extend(vec![b'a'; 2049 - head.len() - tlv - v4(&[]).len()]);
            let mut raw = Raw::connect(served.address);
            raw.send(&[v4(&vec![0; tlv]), head].concat());
            raw.status()
        };
        assert_eq!((over(0), over(1000)), (431, 431), "{host:?}");
        let parts = [&b""[..], b"PROXY TCP4 ", &v4(&[])[..20], &[&v4(&[])[..], b"GET / HT"].concat()];
        let mut slow = parts.map(|part| {
            let mut raw = Raw::connect(served.address);
            raw.send(part);
            raw
        });
        assert_eq!(slow.each_mut().map(Raw::status), [408; 4], "{host:?}");
    }
}

#[test]
fn the_server_takes_addresses_from_the_header_where_it_is_told_to() {
    let server = Program::server(&["--proxy-protocol", "--trusted-proxy", "127.0.0.0/8"]);
    let health = request("GET", "/health", server.address, &[("Connection", "close")]).into_bytes();
    let mut raw = Raw::connect(server.address);
    raw.send(&[v4(&[]), health.clone()].concat());
    assert_eq!(raw.status(), 200);
    let mut raw = Raw::connect(server.address);
    raw.send(&health);
    assert_eq!(raw.rest(), b"", "without a header");
    let nonsense = |from: &str, lines: usize| {
        let mut raw = Raw::connect(server.address);
        let header = format!("PROXY TCP4 {from} 10.0.0.1 4711 80\r\n").into_bytes();
        raw.send(&[header, opening(server.address, "/ws")].concat());
        assert_eq!(raw.status(), 101);
        raw.send(&frame(0x81, b"nonsense").repeat(lines));
        raw.send(&frame(0x88, &4000_u16.to_be_bytes()));
        raw.close_code()
    };
    // The session's record is kept before its transport ends.
    assert_eq!(nonsense("203.0.113.9", 20), Some(3509));
    assert_eq!(nonsense("203.0.113.9", 1), Some(3509));
    assert_eq!(nonsense("203.0.113.10", 1), Some(4000));
}
