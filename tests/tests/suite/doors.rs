//! Tests admission: under which hosts the server answers, and what a page of another site can make a browser
//! request.

use std::net::SocketAddr;
use std::process::Command;

use chat_core::{Hub, Limits, OpenChat, Rate};
use chat_tests::crowd::Member;
use chat_tests::host::Host;
use chat_tests::program::{self, Program};
use chat_tests::raw::{HANDSHAKE, Raw, frame, request};

/// Lists the headers that a browser sends for a picture on a page of another site.
const PICTURE: [(&str, &str); 3] =
    [("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", "no-cors"), ("Sec-Fetch-Dest", "image")];

/// Connects as boss, and publishes to `room`.
const COMMANDS: &str = "%7B%22id%22%3A1%2C%22connect%22%3A%7B%22data%22%3A%7B%22name%22%3A%22boss%22%7D%7D%7D%0A\
    %7B%22id%22%3A2%2C%22subscribe%22%3A%7B%22channel%22%3A%22room%22%7D%7D%0A\
    %7B%22id%22%3A3%2C%22publish%22%3A%7B%22channel%22%3A%22room%22%2C%22data%22%3A1%7D%7D";

fn ask(address: SocketAddr, method: &str, path: &str, host: &str, headers: &[(&str, &str)]) -> u16 {
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let mut raw = Raw::connect(address);
    raw.send(format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n").as_bytes());
    raw.status()
}

#[test]
fn a_name_that_was_pointed_here_opens_nothing_on_any_adapter() {
    for host in [Host::TokioMulti, Host::AsyncStd, Host::Smol] {
        let served = host.serve(Hub::builder(OpenChat::default()));
        let port = served.address.port();
        let open = |host: &str| {
            let origin = format!("http://{host}");
            ask(served.address, "GET", "/", host, &[&HANDSHAKE[..], &[("Origin", &origin)]].concat())
        };
        for own in ["localhost", "127.0.0.1", "[::1]"] {
            assert_eq!(open(&format!("{own}:{port}")), 101, "{own}");
        }
        assert_eq!(open(&format!("rebound.evil.example:{port}")), 403);
        assert_eq!(open("rebound.evil.example"), 403);
        assert_eq!(open(&format!("localhost:+{port}")), 400);
    }
}

#[test]
fn every_path_of_the_server_is_asked_by_its_own_names_but_for_what_watches_it() {
    let server = Program::server(&["--api-key", "key"]);
    let own = server.address.to_string();
    for (method, path) in [
        ("GET", "/"),
        ("POST", "/api/info"),
        ("GET", "/ws"),
        ("GET", "/connection/websocket"),
        ("POST", "/connection/http_stream"),
        ("GET", "/connection/sse"),
        ("POST", "/emulation"),
        ("GET", "/socket/websocket?vsn=2.0.0"),
        ("GET", "/socket/longpoll?vsn=2.0.0"),
        ("GET", "/websocket"),
        ("GET", "/v1/websocket"),
        ("GET", "/nothing"),
    ] {
        let status = |host: &str| ask(server.address, method, path, host, &[("Content-Length", "0")]);
        assert_eq!(status("rebound.evil.example"), 403, "{path}");
        assert_eq!(status("localhost:99999"), 400, "{path}");
        assert!(![0, 403].contains(&status(&own)), "{path}");
    }
    for watched in ["/health", "/ready", "/metrics"] {
        assert_eq!(ask(server.address, "GET", watched, "10.0.0.7", &[]), 200);
    }
    assert!(server.measure("chat_rejections_total{status=\"403\"}") >= 12);
}

#[test]
fn a_host_that_is_allowed_is_one_of_the_servers_names_as_is_that_of_an_allowed_origin() {
    let server = Program::server(&["--allow-host", "chat.example", "--allow-origin", "https://page.example"]);
    let status = |host: &str| ask(server.address, "GET", "/", host, &[]);
    for own in ["chat.example", "page.example", &*server.address.to_string()] {
        assert_eq!(status(own), 200, "{own}");
    }
    assert_eq!(status("evil.example"), 403);
    let any = Program::server(&["--allow-host", "*"]);
    assert_eq!(ask(any.address, "GET", "/", "evil.example", &[]), 200);
}

#[test]
fn the_server_and_the_examples_listen_where_people_write_it() {
    let server = |place: &str| {
        Program::start(Command::new(program::server()).args(["--store", "none", "--listen", place]))
    };
    for place in ["localhost:0", "127.0.0.1:0", ":0", "*:0"] {
        let server = server(place);
        let port = server.address.port();
        let reached = SocketAddr::from(([127, 0, 0, 1], port));
        let names = [format!("localhost:{port}"), format!("127.0.0.1:{port}"), "127.0.0.1:9000".into()];
        for name in names {
            assert_eq!(ask(reached, "GET", "/", &name, &[]), 200, "{name} at {place}");
        }
        let foreign = if place.ends_with("t:0") || place.starts_with('1') { 403 } else { 200 };
        assert_eq!(ask(reached, "GET", "/", "chat.example", &[]), foreign, "{place}");
    }
    for example in ["tokio_echo", "tokio_axum", "tokio_lines", "async_std_echo", "async_std_server"] {
        for place in ["localhost:0", ":0"] {
            assert_ne!(Program::example_at(example, place).address.port(), 0);
        }
    }
    for wrong in ["localhost", "8080", "::1:8080", "http://localhost:8080", "localhost:http"] {
        let told = Command::new(program::server()).args(["--listen", wrong]).output().expect("it runs");
        let text = String::from_utf8_lossy(&told.stderr).into_owned();
        assert_eq!(told.status.code(), Some(2), "{wrong}: {text}");
        let named = ["the port is", "an IPv6 address stands in brackets", "neither an address nor a name"];
        assert!(named.iter().any(|what| text.contains(what)) && text.contains("--listen"), "{wrong}: {text}");
    }
}

#[test]
fn a_picture_a_link_or_a_script_of_a_page_says_nothing_and_takes_no_seat() {
    let server = Program::server(&[]);
    let own = server.address.to_string();
    let mut ann = Member::connect_to(server.address, "/ws?name=ann");
    ann.subscribe("room");
    let events = format!("/connection/sse?cf_connect={COMMANDS}");
    let poll = "/socket/longpoll?vsn=2.0.0&name=eve";
    let link = [("Sec-Fetch-Site", "none"), ("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "document")];
    let beside =
        [("Sec-Fetch-Site", "same-origin"), ("Sec-Fetch-Mode", "no-cors"), ("Sec-Fetch-Dest", "script")];
    let sibling = [("Sec-Fetch-Site", "same-site"), ("Sec-Fetch-Mode", "cors"), ("Sec-Fetch-Dest", "empty")];
    for by in [PICTURE, link, beside, sibling] {
        assert_eq!(ask(server.address, "GET", &events, &own, &by), 403, "{by:?}");
        assert_eq!(ask(server.address, "GET", poll, &own, &by), 403, "{by:?}");
    }
    for accept in ["image/avif,image/webp,*/*;q=0.8", "*/*", "text/html,*/*"] {
        assert_eq!(ask(server.address, "GET", &events, &own, &[("Accept", accept)]), 406, "{accept}");
    }
    assert_eq!(server.measure("chat_sessions"), 1);
    let own_page =
        [("Sec-Fetch-Site", "same-origin"), ("Sec-Fetch-Mode", "cors"), ("Sec-Fetch-Dest", "empty")];
    assert_eq!(ask(server.address, "GET", &events, &own, &own_page), 200);
    assert_eq!(ann.hear()["senderName"], "boss", "what its own page says is heard");
    assert_eq!(ask(server.address, "GET", &events, &own, &[("Accept", "text/event-stream")]), 200);
    assert_eq!(ask(server.address, "GET", &events, &own, &[]), 200, "no browser");
}

#[test]
fn an_origin_with_an_odd_port_is_none_on_any_adapter() {
    for host in [Host::TokioMulti, Host::AsyncStd, Host::Smol] {
        let served = host.serve(Hub::builder(OpenChat::default()));
        let (own, port) = (served.address.to_string(), served.address.port());
        for odd in [format!("+{port}"), format!("0{port}"), format!("{port}x"), "99999".into(), String::new()]
        {
            let origin = format!("http://127.0.0.1:{odd}");
            let headers = [&HANDSHAKE[..], &[("Origin", &origin)]].concat();
            assert_eq!(ask(served.address, "GET", "/", &own, &headers), 403, "{origin}");
        }
    }
}

#[test]
fn empty_elements_of_a_handshakes_lists_count_for_nothing_on_any_adapter() {
    for host in [Host::TokioMulti, Host::AsyncStd, Host::Smol] {
        let served = host.serve(Hub::builder(OpenChat::default()));
        let own = served.address.to_string();
        let open = |more: &[(&str, &str)]| {
            let status = ask(served.address, "GET", "/", &own, &[&HANDSHAKE[..], more].concat());
            assert_eq!(status, 101, "{more:?} on {host:?}");
        };
        for offered in ["", " ", ",", "chat,,other", ", chat", "chat,\t"] {
            open(&[("Sec-WebSocket-Protocol", offered)]);
            open(&[("sec-websocket-extensions", offered)]);
        }
        open(&[("UPGRADE", ","), ("connection", ""), ("Connection", "keep-alive"), ("Accept", "")]);
        let lists = [
            ("upgrade", ", WebSocket,"),
            ("connection", ",keep-alive,,\tUPGRADE"),
            HANDSHAKE[2],
            HANDSHAKE[3],
        ];
        assert_eq!(ask(served.address, "GET", "/", &own, &lists), 101, "{host:?}");
        let odd = [&HANDSHAKE[..], &[("Sec-WebSocket-Protocol", "chat, a b")]].concat();
        assert_eq!(ask(served.address, "GET", "/", &own, &odd), 400, "{host:?}");
    }
}

#[test]
fn empty_elements_of_what_a_client_accepts_count_for_nothing() {
    let server = Program::server(&[]);
    let own = server.address.to_string();
    let events = format!("/connection/sse?cf_connect={COMMANDS}");
    for (accept, status) in [
        (",text/event-stream,", 200),
        ("image/png,,\tText/Event-Stream ;q=0.9", 200),
        ("", 200),
        (", ,", 200),
        (",image/png,", 406),
    ] {
        assert_eq!(ask(server.address, "GET", &events, &own, &[("Accept", accept)]), status, "{accept:?}");
    }
}

/// Says so many lines of nonsense, and gives the code of the close if that was too much.
fn nonsense(address: SocketAddr, target: &str, lines: usize) -> Option<u16> {
    let mut raw = Raw::open(address, target);
    raw.send(&frame(0x81, b"nonsense").repeat(lines));
    raw.send(&frame(0x88, &4000_u16.to_be_bytes()));
    raw.close_code()
}

#[test]
fn strikes_hold_for_a_user_over_a_reconnect_and_before_there_is_one_for_an_address() {
    for host in [Host::TokioMulti, Host::AsyncStd, Host::Smol] {
        let served = host.serve(Hub::builder(OpenChat::default()));
        let gone = || {
            while served.hub.stats().sessions > 0 {
                std::thread::yield_now();
            }
        };
        assert_eq!(nonsense(served.address, "/?name=eve", 19), Some(4000));
        gone();
        assert_eq!(nonsense(served.address, "/?name=bob", 1), Some(4000), "another has her own");
        gone();
        assert_eq!(nonsense(served.address, "/?name=eve", 1), Some(3509), "{host:?}");
        gone();
        assert_eq!(nonsense(served.address, "/", 19), Some(4000), "nobody yet, at an address");
        gone();
        assert_eq!(nonsense(served.address, "/", 1), Some(3509), "{host:?}");
        gone();
        assert_eq!(nonsense(served.address, "/?name=ann", 19), Some(4000), "who is somebody pays for nobody");
    }
}

#[test]
fn a_rate_holds_for_a_user_over_a_reconnect() {
    let limits = Limits::default().with_requests(Rate { per_second: 1, burst: 20 });
    for host in [Host::TokioMulti, Host::AsyncStd, Host::Smol] {
        let served = host.serve(Hub::builder(OpenChat::default()).limits(limits.clone()));
        let mut unread = Vec::new();
        let mut is_unread = |target: &str, pings: usize| {
            let before = served.hub.stats();
            let mut raw = Raw::open(served.address, target);
            while served.hub.stats().sessions == before.sessions {
                std::thread::yield_now();
            }
            raw.send(&frame(0x81, br#"{"type":"ping"}"#).repeat(pings));
            raw.send(&frame(0x88, &4000_u16.to_be_bytes()));
            loop {
                let stats = served.hub.stats();
                if stats.cut_short.get("requests") > before.cut_short.get("requests") {
                    unread.push(raw);
                    return true;
                }
                if stats.sessions == before.sessions {
                    return false;
                }
                std::thread::yield_now();
            }
        };
        assert!(!is_unread("/?name=eve", 17));
        assert!(is_unread("/?name=eve", 10), "{host:?}");
        assert!(!is_unread("/?name=bob", 17), "{host:?}");
        assert!(!is_unread("/", 17));
        assert!(is_unread("/", 10), "nobody yet, at an address");
        assert!(!is_unread("/", 2), "there is room to open for all who share the address");
        assert!(!is_unread("/?name=ann", 17), "who is somebody pays for nobody");
    }
}

/// Connects through a proxy that names the client's address, sends this many lines of nonsense, and returns
/// the code of the close.
fn nonsense_through(server: &Program, from: &str, lines: usize) -> Option<u16> {
    let mut raw = Raw::connect(server.address);
    let headers = [&HANDSHAKE[..], &[("X-Forwarded-For", from)]].concat();
    raw.send(request("GET", "/ws", server.address, &headers).as_bytes());
    assert_eq!(raw.status(), 101);
    raw.send(&frame(0x81, b"nonsense").repeat(lines));
    raw.send(&frame(0x88, &4000_u16.to_be_bytes()));
    let code = raw.close_code();
    while server.measure("chat_sessions") > 0 {
        std::thread::yield_now();
    }
    code
}

#[test]
fn behind_a_proxy_an_address_is_what_its_header_says_last_or_none() {
    let server = Program::server(&["--client-address", "x-forwarded-for"]);
    let nonsense = |from: &str, lines: usize| nonsense_through(&server, from, lines);
    assert_eq!(nonsense("10.0.0.1, 2001:db8:0:1::7", 19), Some(4000));
    assert_eq!(nonsense("10.0.0.2, 2001:db8:0:2::7", 1), Some(4000));
    assert_eq!(nonsense("10.0.0.3, 2001:db8:0:1::9,, ", 1), Some(3509), "of one /64");
    for _ in 0..2 {
        assert_eq!(nonsense("unknown", 19), Some(4000), "who comes from nowhere is like nobody");
    }
}

#[test]
fn a_trusted_proxy_is_believed_and_what_stands_before_its_clients_is_not() {
    let server = Program::server(&["--trusted-proxy", "127.0.0.0/8,10.0.0.0/8"]);
    assert_eq!(nonsense_through(&server, "203.0.113.1, 192.0.2.7, 10.0.0.1", 19), Some(4000));
    assert_eq!(nonsense_through(&server, "203.0.113.1, 192.0.2.8", 1), Some(4000), "of another client");
    assert_eq!(
        nonsense_through(&server, "203.0.113.2, 192.0.2.7, 10.0.0.2", 1),
        Some(3509),
        "made up before it"
    );
}

#[test]
fn whoever_is_no_trusted_proxy_comes_from_where_it_connects_from() {
    let server = Program::server(&["--trusted-proxy", "192.0.2.0/24", "--client-address", "x-forwarded-for"]);
    assert_eq!(nonsense_through(&server, "203.0.113.1", 19), Some(4000));
    assert_eq!(nonsense_through(&server, "203.0.113.2", 1), Some(3509), "the header counts for nothing");
}
