//! Tests requests as clients, proxies and load balancers write them: all that HTTP allows is read, and each
//! refusal says why.

use std::net::SocketAddr;

use chat_core::{Hub, OpenChat};
use chat_tests::host::Host;
use chat_tests::program::Program;
use chat_tests::raw::{HANDSHAKE, Raw};

const ADAPTERS: [Host; 3] = [Host::TokioMulti, Host::AsyncStd, Host::Smol];

/// Lists every path of the server, and the methods that it answers.
const PATHS: [(&str, &str); 14] = [
    ("/", "GET, HEAD, OPTIONS"),
    ("/health", "GET, HEAD, OPTIONS"),
    ("/ready", "GET, HEAD, OPTIONS"),
    ("/metrics", "GET, HEAD, OPTIONS"),
    ("/ws", "GET, HEAD, OPTIONS"),
    ("/connection/websocket", "GET, HEAD, OPTIONS"),
    ("/connection/http_stream", "POST, OPTIONS"),
    ("/connection/sse", "GET, HEAD, OPTIONS"),
    ("/emulation", "POST, OPTIONS"),
    ("/socket/websocket", "GET, HEAD, OPTIONS"),
    ("/socket/longpoll", "GET, HEAD, POST, OPTIONS"),
    ("/websocket", "GET, HEAD, OPTIONS"),
    ("/v1/websocket", "GET, HEAD, OPTIONS"),
    ("/api/info", "POST"),
];

/// Holds the answer to a request.
struct Reply {
    status: u16,
    head: String,
    body: String,
}

impl Reply {
    fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    }
}

/// Returns the answer to these lines, up to the end of the connection if that comes soon; else the head.
fn said(address: SocketAddr, lines: &str) -> Reply {
    let mut raw = Raw::connect(address);
    raw.send(lines.as_bytes());
    let head = raw.head();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
    let ends = head.to_lowercase().contains("connection: close") || lines.contains("HTTP/1.0");
    let streams = status == 200 && head.contains("text/event-stream") && lines.starts_with("GET");
    let body = if ends && !streams { raw.rest() } else { Vec::new() };
    Reply { status, head, body: String::from_utf8_lossy(&body).into_owned() }
}

fn ask(address: SocketAddr, method: &str, target: &str, headers: &[(&str, &str)]) -> Reply {
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    said(
        address,
        &format!("{method} {target} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{headers}\r\n"),
    )
}

fn upgrade(address: SocketAddr, target: &str) -> u16 {
    let headers: String = HANDSHAKE.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    said(address, &format!("GET {target} HTTP/1.1\r\nHost: {address}\r\n{headers}\r\n")).status
}

#[test]
fn a_path_is_the_same_with_a_slash_behind_it_two_in_it_or_escapes() {
    let server = Program::server(&["--api-key", "key"]);
    for (path, methods) in PATHS {
        let method = methods.split(", ").next().expect("one");
        let status = |target: &str| ask(server.address, method, target, &[("Content-Length", "0")]).status;
        let plain = status(path);
        assert_ne!(plain, 404, "{path}");
        let (front, last) = path.rsplit_once('/').expect("a path");
        for other in [
            format!("{path}/"),
            format!("/{path}"),
            format!("{front}//{last}//"),
            format!("{path}/?a=b//c"),
            path.replace('s', "%73").replace('i', "%69"),
            format!("http://{}/{path}", server.address),
        ] {
            assert_eq!(status(&other), plain, "{method} {other}");
        }
    }
    for socket in
        ["/ws", "/connection/websocket", "/socket/websocket?vsn=2.0.0", "/websocket", "/v1/websocket"]
    {
        let (path, query) = socket.split_once('?').unwrap_or((socket, ""));
        for target in [
            format!("{path}?{query}"),
            format!("{path}/?{query}"),
            format!("/{}?{query}", path.replace('/', "//")),
            format!("http://{}{path}?{query}", server.address),
        ] {
            assert_eq!(upgrade(server.address, &target), 101, "{target}");
        }
    }
    for other in ["/ws/more", "/w%2Fs", "/WS", "/socket%2Fwebsocket"] {
        assert_eq!(ask(server.address, "GET", other, &[]).status, 404, "{other}");
    }
    assert_eq!(
        upgrade(server.address, "http://evil.example/ws"),
        403,
        "the host before the path is the one that is asked"
    );
}

#[test]
fn head_is_as_get_options_says_what_may_be_done_and_all_else_is_405() {
    let server = Program::server(&["--api-key", "key"]);
    let key = ("X-API-Key", "key");
    for (path, methods) in PATHS {
        let answer = |method: &str| ask(server.address, method, path, &[key, ("Content-Length", "0")]);
        for method in ["GET", "HEAD", "POST", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "BREW"] {
            let reply = answer(method);
            let may = methods.split(", ").any(|known| known == method);
            assert_eq!(reply.status != 405, may, "{method} {path}: {}", reply.head);
            if !may {
                let allowed = reply.header("allow").unwrap_or_default();
                assert!(
                    allowed.contains(methods.split(", ").next().expect("one")),
                    "{method} {path}: {}",
                    reply.head
                );
            }
        }
        if methods.contains("OPTIONS") {
            let reply = answer("OPTIONS");
            assert!(matches!(reply.status, 200 | 204), "{path}: {}", reply.head);
            assert_eq!(reply.header("allow"), Some(methods), "{path}");
        }
        if methods.contains("HEAD") {
            let reply = answer("HEAD");
            assert!(matches!(reply.status, 200 | 426) && reply.body.is_empty(), "{path}: {}", reply.head);
        }
    }
    assert_eq!(server.measure("chat_sessions"), 0, "nothing was opened");
}

#[test]
fn a_balancer_is_answered_by_whatever_name_or_none_and_in_http_1_0() {
    let server = Program::server(&[]);
    for lines in [
        "OPTIONS / HTTP/1.0\r\n\r\n",
        "OPTIONS /health HTTP/1.0\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: 10.0.0.7\r\nConnection: close\r\n\r\n",
        "OPTIONS / HTTP/1.1\r\nHost: check.local\r\nConnection: close\r\n\r\n",
        "GET /health HTTP/1.0\r\n\r\n",
        "HEAD /health/ HTTP/1.0\r\n\r\n",
        "GET //metrics HTTP/1.0\r\n\r\n",
        "\r\nGET http://10.0.0.7/health HTTP/1.1\r\nhost:\t10.0.0.7 \r\nCONNECTION: Close\r\n\r\n",
    ] {
        assert_eq!(said(server.address, lines).status, 200, "{lines:?}");
    }
}

#[test]
fn a_websockets_path_answers_other_methods_on_every_adapter() {
    for host in ADAPTERS {
        let served = host.serve(Hub::builder(OpenChat::default()));
        let head = ask(served.address, "HEAD", "/", &[]);
        assert_eq!((head.status, head.body.as_str()), (426, ""), "{host:?}");
        for method in ["POST", "PUT", "OPTIONS", "BREW"] {
            let reply = ask(served.address, method, "/", &[]);
            assert_eq!((reply.status, reply.header("allow")), (405, Some("GET, HEAD")), "{host:?}");
        }
        for target in ["/ws/", "//ws", "/?name=ann&", "/?name=ann+lee&empty=&&=", "/%77s?name=%C3%A4"] {
            assert_eq!(upgrade(served.address, target), 101, "{target} on {host:?}");
        }
        let whole = format!("http://{}/ws", served.address);
        assert_eq!(upgrade(served.address, &whole), 101, "{host:?}");
    }
}

#[test]
fn a_handshake_is_read_in_whatever_letters_lines_and_blanks_it_is_written_on_any_adapter() {
    for host in ADAPTERS {
        let served = host.serve(Hub::builder(OpenChat::default()));
        let own = served.address;
        for lines in [
            format!(
                "GET / HTTP/1.1\r\nHOST:{own}\r\nupgrade:WebSocket\r\nCONNECTION:\tkeep-alive ,\tUpgrade\t\r\n\
                 sec-websocket-VERSION:  13  \r\nSEC-WEBSOCKET-KEY:\tdGhlIHNhbXBsZSBub25jZQ==\t\r\n\r\n"
            ),
            format!(
                "GET / HTTP/1.1\nHost: {own}\nUpgrade: h2c\nUpgrade: websocket\nConnection: keep-alive\nConnection: upgrade\n\
                 Sec-WebSocket-Version: 13\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\n\n"
            ),
            "\r\nGET / HTTP/1.1\r\nHost: LOCALHOST.:1\r\nOrigin: http://localhost.:1\r\nUpgrade: websocket\r\n\
                 Connection: Upgrade, Keep-Alive\r\nKeep-Alive: timeout=5\r\nContent-Length: 0\r\nExpect: 100-continue\r\n\
                 Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZR==\r\n\
                 Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: b, c\r\n\r\n"
                .to_owned(),
        ] {
            let reply = said(own, &lines);
            assert!([100, 101].contains(&reply.status), "{lines:?} on {host:?}: {}", reply.head);
        }
    }
}

#[test]
fn credentials_may_come_with_pages_of_an_origin_that_is_named_and_of_no_other() {
    let app = "capacitor://localhost";
    let named = Program::server(&["--allow-origin", &format!("https://page.example,{app}")]);
    let any = Program::server(&["--allow-origin", "*"]);
    for (path, methods) in [
        ("/connection/http_stream", "POST"),
        ("/connection/sse", "GET"),
        ("/emulation", "POST"),
        ("/socket/longpoll?vsn=2.0.0", "GET"),
    ] {
        for (server, credentials) in [(&named, Some("true")), (&any, None)] {
            let headers = [
                ("Origin", app),
                ("Cookie", "a=b"),
                ("Access-Control-Request-Headers", "x-own,,content-type"),
            ];
            let asked = ask(server.address, "OPTIONS", path, &headers);
            let headers = [("Origin", app), ("Content-Length", "0"), ("Accept", "text/event-stream")];
            let answered = ask(server.address, methods, path, &headers);
            for reply in [&asked, &answered] {
                assert_eq!(reply.header("access-control-allow-origin"), Some(app), "{path}: {}", reply.head);
                assert_eq!(reply.header("access-control-allow-credentials"), credentials, "{path}");
                assert_eq!(reply.header("vary"), Some("origin"), "{path}");
            }
            assert!(asked.header("access-control-allow-headers").is_some_and(|all| all.contains("x-own")));
            assert!(asked.header("access-control-allow-methods").is_some_and(|all| all.contains(methods)));
        }
        let evil =
            ask(named.address, methods, path, &[("Origin", "capacitor://evil"), ("Content-Length", "0")]);
        assert_eq!(evil.status, 403);
        assert_eq!(evil.header("access-control-allow-origin"), None, "{path}");
        assert_eq!(evil.header("access-control-allow-credentials"), None, "{path}");
    }
}

#[test]
fn who_is_refused_is_told_the_flag_that_allows_it() {
    let server = Program::server(&[]);
    let evil = "https://evil.example";
    for path in ["/ws", "/connection/websocket", "/connection/sse", "/websocket"] {
        let headers = [&HANDSHAKE[..], &[("Origin", evil)]].concat();
        let reply = ask(server.address, "GET", path, &headers);
        assert_eq!(reply.status, 403, "{path}");
        assert!(reply.body.contains("this origin is not allowed"), "{path}: {}", reply.body);
        assert!(reply.body.contains("--allow-origin"), "{path}: {}", reply.body);
    }
    let lines = "GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n";
    let reply = said(server.address, lines);
    assert_eq!(reply.status, 403);
    assert!(
        reply.body.contains("this host is not allowed") && reply.body.contains("--allow-host"),
        "{}",
        reply.body
    );
    let poll = ask(server.address, "GET", "/socket/longpoll?vsn=2.0.0", &[("Origin", evil)]);
    assert!(
        poll.status == 403 && poll.body.contains("\"status\":403"),
        "as its client reads it: {}",
        poll.body
    );
}

#[test]
fn the_api_says_in_its_own_form_what_it_has_not() {
    let server = Program::server(&["--api-key", "key"]);
    let answer = |method: &str, path: &str| {
        ask(server.address, method, path, &[("X-API-Key", "key"), ("Content-Length", "0")])
    };
    for (method, path, status, code) in [
        ("GET", "/api/publish", 405, 107),
        ("PUT", "/api/info", 405, 107),
        ("POST", "/api/nothing", 404, 104),
        ("GET", "/api/nothing", 405, 107),
        ("GET", "/api", 404, 104),
        ("POST", "/api/a/b", 404, 104),
    ] {
        let reply = answer(method, path);
        assert_eq!(reply.status, status, "{method} {path}");
        assert!(
            reply.body.starts_with(&format!("{{\"error\":{{\"code\":{code},\"message\":\"")),
            "{}",
            reply.body
        );
        assert_eq!(reply.header("content-type"), Some("application/json"));
    }
    assert_eq!(
        ask(server.address, "GET", "/api/nothing", &[]).status,
        401,
        "nothing is told without the key"
    );
    assert_eq!(ask(Program::server(&[]).address, "GET", "/api/info", &[]).status, 404);
}

#[test]
fn events_are_not_sent_to_whom_they_have_no_weight() {
    let server = Program::server(&[]);
    let events = "/connection/sse?cf_connect=%7B%22id%22%3A1%2C%22connect%22%3A%7B%7D%7D";
    let told = [("Sec-Fetch-Site", "same-origin"), ("Sec-Fetch-Mode", "cors"), ("Sec-Fetch-Dest", "empty")];
    for (accept, status) in [
        ("text/event-stream;q=0", 406),
        ("*/*, text/event-stream ; Q=0.000", 406),
        ("text/event-stream;charset=utf-8;q=0.0", 406),
        ("text/event-stream;q=0.001", 200),
        ("text/event-stream;q=1;x=\"q=0\"", 200),
        ("TEXT/Event-Stream; charset=utf-8", 200),
    ] {
        let accepts = [("Accept", accept)];
        assert_eq!(ask(server.address, "GET", events, &accepts).status, status, "{accept}");
        let by_script = [&told[..], &accepts].concat();
        assert_eq!(ask(server.address, "GET", events, &by_script).status, status, "{accept} by a script");
    }
}

#[test]
fn a_body_that_waits_to_be_asked_for_is_asked_for() {
    let server = Program::server(&["--api-key", "key"]);
    for (path, body, status) in [
        ("/connection/http_stream", r#"{"id":1,"connect":{}}"#, 200),
        ("/api/publish", r#"{"channel":"a","data":1}"#, 200),
        ("/emulation", "{}", 400),
    ] {
        let mut raw = Raw::connect(server.address);
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\nX-API-Key: key\r\nExpect: 100-Continue\r\nContent-Length: {}\r\n\r\n",
            server.address,
            body.len()
        );
        raw.send(head.as_bytes());
        assert_eq!(raw.status(), 100, "{path}");
        raw.send(body.as_bytes());
        assert_eq!(raw.status(), status, "{path}");
    }
}

#[test]
fn a_server_for_no_sessions_lets_nobody_in_by_any_way_and_one_for_none_of_a_user_closes_each() {
    let server = Program::server(&["--sessions", "0"]);
    let connect = "%7B%22id%22%3A1%2C%22connect%22%3A%7B%7D%7D";
    for socket in
        ["/ws", "/connection/websocket", "/socket/websocket?vsn=2.0.0", "/websocket", "/v1/websocket"]
    {
        assert_eq!(upgrade(server.address, socket), 503, "{socket}");
    }
    let events = ask(server.address, "GET", &format!("/connection/sse?cf_connect={connect}"), &[]);
    let lines = ask(server.address, "POST", "/connection/http_stream", &[("Content-Length", "0")]);
    let poll = ask(server.address, "GET", "/socket/longpoll?vsn=2.0.0", &[]);
    assert_eq!([events.status, lines.status, poll.status], [503; 3]);
    assert_eq!(ask(server.address, "GET", "/health", &[]).status, 200);
    let none = Program::server(&["--user-sessions", "0"]);
    assert_eq!(Raw::open(none.address, "/ws?name=ann").close_code(), Some(3504));
}
