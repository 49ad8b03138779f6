//! Tests that hostile clients get a status or a close code, over every adapter, and that no other client
//! notices.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use chat_core::{Hub, Limits, OpenChat, Rate};
use chat_http::HttpLimits;
use chat_tests::crowd::{Member, at_once};
use chat_tests::host::{Host, Served};
use chat_tests::program::Program;
use chat_tests::raw::{HANDSHAKE, Raw, frame, request};

const HOSTS: [Host; 3] = [Host::TokioMulti, Host::AsyncStd, Host::Smol];

/// Plays on every adapter, and looks whether the server serves others still.
fn on_each(limits: &Limits, play: impl Fn(&Served)) {
    on_each_within(HttpLimits::default(), limits, play);
}

fn on_each_within(http: HttpLimits, limits: &Limits, play: impl Fn(&Served)) {
    for host in HOSTS {
        let served = host.serve_within(http, Hub::builder(OpenChat::default()).limits(limits.clone()));
        play(&served);
        let mut member = Member::connect(served.address, "ann");
        member.subscribe("room");
        member.publish_all("other", 0, 0);
    }
}

fn status_of(address: SocketAddr, bytes: &[u8]) -> u16 {
    let mut raw = Raw::connect(address);
    raw.send(bytes);
    raw.status()
}

/// Returns the status of a handshake with one header replaced or added.
fn with(address: SocketAddr, name: &str, value: &str) -> u16 {
    let mut headers = HANDSHAKE.to_vec();
    headers.retain(|(known, _)| *known != name);
    headers.push((name, value));
    status_of(address, request("GET", "/", address, &headers).as_bytes())
}

#[test]
fn a_handshake_that_breaks_a_rule_is_told_which_status_that_is() {
    on_each(&Limits::default(), |served| {
        let at = served.address;
        let whole = |method, headers: &[_]| status_of(at, request(method, "/", at, headers).as_bytes());
        assert_eq!(whole("GET", &HANDSHAKE), 101);
        assert_eq!(whole("POST", &HANDSHAKE), 405);
        assert_eq!(whole("GET", &[]), 426, "no upgrade");
        assert_eq!(with(at, "Sec-WebSocket-Version", "8"), 426);
        assert_eq!(with(at, "Sec-WebSocket-Key", "c2hvcnQ="), 400);
        assert_eq!(with(at, "Sec-WebSocket-Key", "no base64 at all!!!!!!!!"), 400);
        assert_eq!(with(at, "Connection", "keep-alive"), 400);
        assert_eq!(with(at, "Content-Length", "5"), 400);
        assert_eq!(with(at, "Host", "elsewhere"), 400, "two hosts");
        let twice = [&HANDSHAKE[..], &[HANDSHAKE[3]]].concat();
        assert_eq!(whole("GET", &twice), 400, "two keys");
        let old = request("GET", "/", at, &HANDSHAKE).replace("HTTP/1.1", "HTTP/1.0");
        assert_eq!(status_of(at, old.as_bytes()), 400);
        assert_eq!(status_of(at, b"\x16\x03\x01\x02\x00\x01\r\n\r\n"), 400, "TLS to a plain port");
    });
}

#[test]
fn pages_of_other_hosts_may_not_come_in() {
    on_each(&Limits::default(), |served| {
        let at = served.address;
        assert_eq!(with(at, "Origin", &format!("http://{at}")), 101);
        for foreign in
            ["null", "http://evil.example", "http://127.0.0.1:1", "file://", "http://127.0.0.1.evil"]
        {
            assert_eq!(with(at, "Origin", foreign), 403, "{foreign}");
        }
        let two = [&HANDSHAKE[..], &[("Origin", "http://a"), ("Origin", "http://b")]].concat();
        assert_eq!(status_of(at, request("GET", "/", at, &two).as_bytes()), 403);
    });
}

#[test]
fn values_that_are_no_text_kill_nothing() {
    on_each(&Limits::default(), |served| {
        let at = served.address;
        let whole = request("GET", "/", at, &HANDSHAKE);
        let head = whole.trim_end_matches("\r\n").as_bytes();
        for name in ["Sec-WebSocket-Protocol", "Sec-WebSocket-Key", "Origin", "Upgrade", "Cookie"] {
            let bytes = [head, b"\r\n", name.as_bytes(), b": \x80\xff\r\n\r\n"].concat();
            let status = status_of(at, &bytes);
            assert!([101, 400, 403, 426].contains(&status), "{name}: {status}");
        }
    });
}

#[test]
fn a_request_passes_at_each_bound_and_is_refused_one_past_it() {
    on_each(&Limits::default(), |served| {
        let at = served.address;
        let whole = request("GET", "/", at, &HANDSHAKE);
        let head = whole.trim_end_matches("\r\n");
        let padded = |headers: &str| status_of(at, format!("{head}\r\n{headers}\r\n").as_bytes());
        let line = |bytes: usize| padded(&format!("a: {}\r\n", "x".repeat(bytes - 3)));
        assert_eq!((line(32 * 1024), line(32 * 1024 + 1)), (101, 431), "a line, without its end");
        let there = whole.lines().count() - 2;
        let headers = |count: usize| padded(&"a: b\r\n".repeat(count - there));
        assert_eq!((headers(100), headers(101)), (101, 431), "headers");
        let bytes = |count: usize| {
            let header = |bytes: usize| format!("a: {}\r\n", "x".repeat(bytes - 5));
            padded(&(header(4000).repeat(6) + &header(count - whole.len() - 6 * 4000)))
        };
        assert_eq!((bytes(48 * 1024), bytes(48 * 1024 + 1)), (101, 431), "bytes");
        assert_eq!(served.hub.stats().rejections.get(&431), Some(&3), "{:?}", served.hub.stats().rejections);
    });
}

#[test]
fn a_handshake_that_never_ends_is_over_after_ten_seconds_however_many_there_are() {
    at_once(HOSTS.len(), |n| {
        let served = HOSTS[n].serve(Hub::builder(OpenChat::default()));
        let slow: Vec<_> = (0..200).map(|_| Raw::connect(served.address)).collect();
        for (n, mut raw) in slow.into_iter().enumerate() {
            raw.send(&b"GET / HTTP/1.1\r\nHost: a\r\n"[..n % 25]);
            if n == 0 {
                assert_eq!(with(served.address, "X", "y"), 101, "others come in meanwhile");
                assert_eq!(raw.status(), 408);
            }
        }
    });
}

#[test]
fn bytes_that_are_no_http_are_told_so_at_the_first_that_cannot_be() {
    let began = Instant::now();
    on_each(&Limits::default(), |served| {
        let noise: [&[u8]; 6] = [
            b"\x16\x03\x01",
            b"\0",
            b"\xff\xfe",
            b"SSH-2.0-client\r\n",
            b"PRI * HTTP/2",
            b"GET / HTTP/1.1\r\n:",
        ];
        for noise in noise {
            assert_eq!(status_of(served.address, noise), 400, "{}", noise.escape_ascii());
        }
    });
    assert!(began.elapsed() < Duration::from_secs(9), "none waits for more");
}

#[test]
fn a_bound_of_the_head_holds_behind_empty_lines() {
    on_each(&Limits::default(), |served| {
        for empty in ["\r\n", "\r\n\r\n", "\n\n\n"] {
            let line = |bytes: usize| {
                let header = format!("a: {}", "x".repeat(bytes - 3));
                let whole = request("GET", "/", served.address, &HANDSHAKE);
                let head = whole.trim_end_matches("\r\n");
                status_of(served.address, format!("{empty}{head}\r\n{header}\r\n\r\n").as_bytes())
            };
            assert_eq!((line(32 * 1024), line(32 * 1024 + 1), line(33_000)), (101, 431, 431), "{empty:?}");
        }
    });
}

#[test]
fn every_request_of_a_connection_is_held_to_the_bounds_of_its_head() {
    let server = Program::server(&[]);
    let first = request("GET", "/health", server.address, &[]);
    let second = |bytes: &[u8]| {
        let mut raw = Raw::connect(server.address);
        raw.send(first.as_bytes());
        assert_eq!(raw.answer(), 200);
        raw.send(bytes);
        raw.status()
    };
    let headers = |headers: &str| {
        let head = first.trim_end_matches("\r\n");
        second(format!("{head}\r\n{headers}\r\n").as_bytes())
    };
    let line = |bytes: usize| headers(&format!("a: {}\r\n", "x".repeat(bytes - 3)));
    assert_eq!((line(32 * 1024), line(32 * 1024 + 1), line(33_000)), (200, 431, 431));
    let many = |count: usize| headers(&"a: b\r\n".repeat(count - 1));
    assert_eq!((many(100), many(101)), (200, 431));
    let bytes = |count: usize| {
        let header = |bytes: usize| format!("a: {}\r\n", "x".repeat(bytes - 5));
        headers(&(header(4000).repeat(6) + &header(count - first.len() - 6 * 4000)))
    };
    assert_eq!((bytes(48 * 1024), bytes(48 * 1024 + 1), bytes(50_000)), (200, 431, 431));
    let path = |bytes: usize| {
        second(first.replace("/health", &format!("/health?{}", "x".repeat(bytes - 21))).as_bytes())
    };
    assert_eq!((path(32 * 1024), path(32 * 1024 + 1)), (200, 431), "its first line");
    for noise in [&b"\x16\x03\x01"[..], b"GET / HTTP/1.1\r\n:"] {
        assert_eq!(second(noise), 400, "{}", noise.escape_ascii());
    }
}

#[test]
fn a_handshake_in_single_bytes_has_the_time_of_any_other_and_no_more() {
    let http = HttpLimits::default().with_handshake_timeout(Duration::from_secs(1));
    on_each_within(http, &Limits::default(), |served| {
        let mut raw = Raw::connect(served.address);
        let head = [b"GET / HTTP/1.1\r\nA: ", &[b'x'; 100][..]].concat();
        // Each byte waits for an answer to those before it.
        let sent = head.iter().take_while(|byte| raw.try_send(&[**byte]) && !raw.is_answered());
        assert!(sent.count() < head.len(), "it is let go");
        assert_eq!(raw.status(), 408);
    });
}

#[test]
fn a_frame_that_breaks_a_rule_closes_with_its_code() {
    on_each(&Limits::default(), |served| {
        let code = |bytes: &[u8]| {
            let mut raw = Raw::open(served.address, "/?name=eve");
            raw.send(bytes);
            raw.close_code()
        };
        assert_eq!(code(&[0x81, 2, b'h', b'i']), Some(1002), "unmasked");
        assert_eq!(code(&frame(0xC1, b"hi")), Some(1002), "a reserved bit");
        assert_eq!(code(&frame(0x83, b"hi")), Some(1002), "a reserved opcode");
        assert_eq!(code(&frame(0x80, b"hi")), Some(1002), "a continuation of nothing");
        assert_eq!(code(&frame(0x09, b"hi")), Some(1002), "a ping in pieces");
        assert_eq!(code(&frame(0x81, b"\xff\xfe")), Some(1007), "no UTF-8");
        assert_eq!(code(&[0x81, 0xFF, 0x40, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4]), Some(1009), "2^62 bytes");
        let top = code(&[0x81, 0xFF, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4]);
        assert!(matches!(top, Some(1002 | 1009)), "the top bit: {top:?}");
        assert_eq!(code(&frame(0x81, &[b'x'; 65_537])), Some(1009));
    });
}

#[test]
fn fragments_without_end_are_too_many_though_they_are_empty() {
    on_each(&Limits::default(), |served| {
        for payload in [&b""[..], b"x"] {
            let mut raw = Raw::open(served.address, "/?name=eve");
            raw.send(&[frame(0x01, payload), frame(0x00, payload).repeat(1024)].concat());
            assert_eq!(raw.close_code(), Some(1009));
        }
    });
}

#[test]
fn a_server_may_allow_fewer_fragments() {
    on_each_within(HttpLimits::default().with_message_fragments(3), &Limits::default(), |served| {
        let mut raw = Raw::open(served.address, "/?name=eve");
        let ping = [frame(0x01, br#"{"type""#), frame(0x00, b":"), frame(0x80, br#""ping"}"#)].concat();
        raw.send(&ping);
        let mut said = std::iter::from_fn(|| raw.frame().map(|(_, payload)| payload));
        assert!(said.any(|said| said.starts_with(br#"{"type":"pong""#)), "three are allowed");
        raw.send(&[frame(0x01, b""), frame(0x00, b"").repeat(3)].concat());
        assert_eq!(raw.close_code(), Some(1009));
    });
}

#[test]
fn a_flood_of_tiny_frames_does_not_keep_others_from_talking() {
    on_each(&Limits::default(), |served| {
        let (mut flood, mut member) =
            (Raw::open(served.address, "/?name=eve"), Member::connect(served.address, "bob"));
        let frames = frame(0x8A, b"").repeat(100_000);
        std::thread::scope(|scope| {
            let flooding = scope.spawn(|| flood.send(&frames));
            member.subscribe("room");
            (0..100).for_each(|_| {
                member.say(&serde_json::json!({"type":"ping"}));
                assert_eq!(member.hear()["type"], "pong");
            });
            flooding.join().expect("it floods");
        });
    });
}

#[test]
fn a_full_server_says_so_at_the_door() {
    on_each(&Limits::default().with_sessions(2), |served| {
        let first = Raw::open(served.address, "/");
        let _second = Raw::open(served.address, "/");
        assert_eq!(with(served.address, "X", "y"), 503);
        drop(first);
        while served.hub.stats().sessions == 2 {
            std::thread::yield_now();
        }
    });
}

#[test]
fn a_client_that_never_reads_is_let_go_and_its_channel_goes_on() {
    let close_timeout = Duration::from_secs(1);
    let limits = Limits::default()
        .with_outbox_frames(1000)
        .with_requests(Rate::UNBOUNDED)
        .with_close_timeout(close_timeout);
    on_each(&limits, |served| {
        let mut deaf = Raw::open(served.address, "/?name=deaf");
        deaf.send(&frame(0x81, br#"{"type":"subscribe","channelId":"room"}"#));
        let mut member = Member::connect(served.address, "bob");
        member.subscribe("room");
        let content = "x".repeat(10_000);
        let mut said = 0;
        while !served.hub.stats().closes.contains_key(&3008) {
            member.say(&serde_json::json!({"type":"publish","channelId":"room","content":content}));
            assert_eq!(member.hear()["type"], "message");
            said += 1;
            assert!(said < 10_000, "{:?}", served.hub.stats());
        }
    });
}

#[test]
fn what_a_flooder_says_after_its_close_is_not_read_at_its_speed() {
    let every = [
        Host::TokioMulti,
        Host::AsyncStd,
        Host::Smol,
        Host::AxumSockets,
        Host::TokioStreams,
        Host::AsyncStdStreams,
    ];
    let limits = Limits::default().with_close_timeout(Duration::from_secs(1));
    at_once(every.len(), |n| {
        let host = every[n];
        let served = host.serve(Hub::builder(OpenChat::default()).limits(limits.clone()));
        // A rule of the protocol, and one of the transport; both close at once.
        let strikes = frame(0x81, b"nonsense").repeat(20);
        for first in [&strikes[..], &[0x81, 2, b'h', b'i']] {
            for then in [frame(0x81, &[b'x'; 60_000]), frame(0x8A, b"").repeat(10_000), vec![0; 60_000]] {
                let mut raw = Raw::open(served.address, "/?name=eve");
                raw.send(first);
                assert!(raw.close_code().is_some() || host == Host::AxumSockets, "{host:?}");
                let taken = (0..).take_while(|_| raw.try_send(&then)).count() * then.len();
                assert!(taken < 24 << 20, "{host:?}: {taken} bytes");
            }
        }
    });
}

#[test]
fn a_peer_that_was_talking_hears_the_close_and_answers_it_behind_what_it_had_said() {
    for host in [Host::TokioMulti, Host::AsyncStd, Host::Smol, Host::AxumSockets, Host::TokioStreams] {
        let served = host.serve(Hub::builder(OpenChat::default()));
        let mut raw = Raw::open(served.address, "/?name=ann");
        raw.send(&[frame(0x81, b"nonsense").repeat(20), frame(0x81, &[b'x'; 50_000]).repeat(16)].concat());
        assert_eq!(raw.close_code(), Some(3509), "{host:?}");
        raw.send(&frame(0x88, &[0x03, 0xE8]));
        assert_eq!(raw.frame(), None);
        assert_eq!(
            served.hub.stats().cut_short.get("close"),
            None,
            "{host:?}: it is not waited for to the end"
        );
    }
}

/// Returns the beginning of a message of this many bytes.
fn begun(bytes: u64) -> Vec<u8> {
    let mut frame = vec![0x81, 0xFF];
    frame.extend(bytes.to_be_bytes());
    frame.extend([1, 2, 3, 4, b'x']);
    frame
}

#[test]
fn messages_that_are_not_whole_are_bounded_in_all_and_the_first_begun_goes_first() {
    let every = [
        Host::TokioMulti,
        Host::AsyncStd,
        Host::Smol,
        Host::TokioStreams,
        Host::AsyncStdStreams,
        Host::AsyncStdSockets,
    ];
    for host in every {
        // Each holds 40,000 bytes, and the buffer that it is read into.
        let limits = Limits::default().with_total_input_bytes(10 * (40_000 + 4096));
        let served = host.serve(Hub::builder(OpenChat::default()).limits(limits));
        let mut all: Vec<_> = (0..11).map(|_| Raw::open(served.address, "/")).collect();
        let cut = || served.hub.stats().cut_short.get("input").copied().unwrap_or_default();
        for (n, raw) in all.iter_mut().enumerate().take(10) {
            // Those who begin later are to be read later: the ping is answered once all that came with it is
            // read.
            raw.send(&[frame(0x81, br#"{"type":"ping"}"#), begun(40_000)].concat());
            assert!(raw.frame().is_some(), "{host:?}: {n}");
            assert_eq!(cut(), 0, "{host:?}: {n}");
        }
        all[10].send(&begun(40_000));
        assert_eq!(all[0].close_code(), Some(1013), "{host:?}");
        assert_eq!(all[1].close_code(), Some(1013), "{host:?}: a tenth is free again");
        assert_eq!(cut(), 2);
        // One that is whole is held no more: there is room for as many again.
        all[2].send(&[b'x'; 39_999]);
        all[2].send(&frame(0x81, br#"{"type":"ping"}"#));
        assert!(all[2].frame().is_some() && all[2].frame().is_some(), "{host:?}");
        let mut late: Vec<_> = (0..2).map(|_| Raw::open(served.address, "/")).collect();
        for raw in &mut late {
            raw.send(&[frame(0x81, br#"{"type":"ping"}"#), begun(30_000)].concat());
            assert!(raw.frame().is_some(), "{host:?}");
        }
        assert_eq!(cut(), 2, "{host:?}");
    }
}
