//! Tests that the server waits for a client only until a deadline: for answers to be read, for heads and
//! bodies to arrive, and on idle connections.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use chat_tests::program::Program;
use chat_tests::raw::{Raw, get, request};
use socket2::{Domain, Socket, Type};

/// Connects a client with a tiny receive buffer, which reads nothing by itself.
fn deaf(address: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.set_recv_buffer_size(2048).expect("a size");
    socket.connect(&address.into()).expect("it listens");
    socket.set_read_timeout(Some(Duration::from_secs(30))).expect("a time");
    socket.into()
}

fn sockets(server: &Program) -> usize {
    let held = std::fs::read_dir(format!("/proc/{}/fd", server.id())).expect("it runs");
    held.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
        .filter(|link| link.to_string_lossy().starts_with("socket:"))
        .count()
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let (_open, pause) = std::sync::mpsc::channel::<()>();
    for _ in 0..3000 {
        if done() {
            return;
        }
        let _ = pause.recv_timeout(Duration::from_millis(10));
    }
    panic!("never: {what}");
}

fn quick(arguments: &[&str]) -> Program {
    let bounds = ["--write-seconds", "1", "--close-seconds", "1", "--request-rate", "0"];
    Program::server(&[&bounds, arguments].concat())
}

const JOIN: &str =
    "{\"id\":1,\"connect\":{\"data\":{\"name\":\"ann\"}}}\n{\"id\":2,\"subscribe\":{\"channel\":\"room\"}}";

fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

fn post(address: SocketAddr, path: &str, body: &str) -> String {
    let length = body.len().to_string();
    let headers = [("Content-Length", &*length), ("X-API-Key", "key"), ("Connection", "close")];
    request("POST", path, address, &headers) + body
}

#[test]
fn a_stream_that_nobody_reads_is_closed_as_slow_and_its_seat_goes_with_its_socket() {
    let server = quick(&["--api-key", "key"]);
    let address = server.address;
    let events = request("GET", &format!("/connection/sse?cf_connect={}", escaped(JOIN)), address, &[]);
    let lines = post(address, "/connection/http_stream", JOIN);
    let before = sockets(&server);
    let mut readers = Vec::new();
    for opening in [events, lines] {
        let mut reader = deaf(address);
        reader.write_all(opening.as_bytes()).expect("it listens");
        let mut head = [0; 17];
        reader.read_exact(&mut head).expect("an answer");
        assert_eq!(&head, b"HTTP/1.1 200 OK\r\n");
        readers.push(reader);
    }
    let data = "x".repeat(60_000);
    let publish = post(address, "/api/publish", &format!(r#"{{"channel":"room","data":"{data}"}}"#));
    // Until no buffer on the way has room any more.
    until("slow", || {
        let mut raw = Raw::connect(address);
        raw.send(publish.as_bytes());
        assert_eq!(raw.status(), 200);
        // A session that ends between the two is counted by neither or by the sockets alone.
        let (open, sessions) = (sockets(&server), server.measure("chat_sessions"));
        assert!(sessions as usize <= open.saturating_sub(before), "{sessions} seats of {open} sockets");
        server.measure("chat_closes_total{code=\"3008\"}") == 2
    });
    until("gone", || sockets(&server) == before && server.measure("chat_sessions") == 0);
}

#[test]
fn answers_that_nobody_reads_are_given_up() {
    let server = quick(&[]);
    let before = sockets(&server);
    let mut readers: Vec<_> = (0..3).map(|_| deaf(server.address)).collect();
    let asked = request("GET", "/", server.address, &[]).repeat(400);
    for reader in &mut readers {
        reader.set_write_timeout(Some(Duration::from_millis(200))).expect("a time");
        let _ = reader.write_all(asked.as_bytes());
    }
    until("accepted", || sockets(&server) == before + readers.len());
    until("gone", || sockets(&server) == before);
}

#[test]
fn an_idle_connection_is_kept_longer_than_a_head_may_take() {
    let server = quick(&["--handshake-seconds", "1", "--keep-alive-seconds", "3"]);
    let ask = request("GET", "/health", server.address, &[]);
    let mut idle = Raw::connect(server.address);
    let mut slow = Raw::connect(server.address);
    for client in [&mut idle, &mut slow] {
        client.send(ask.as_bytes());
        assert_eq!(client.status(), 200);
        assert_eq!(client.hear(3), b"ok\n");
    }
    slow.send(b"GET /health HTTP/1.1\r\nX: ");
    until("the head is given up", || {
        slow.send(b"x");
        slow.is_over()
    });
    idle.send(ask.as_bytes());
    assert_eq!(idle.status(), 200, "what is idle is kept");
    assert_eq!(idle.rest(), b"ok\n", "nothing unasked is written until its end");
}

#[test]
fn a_body_that_does_not_come_is_408_on_every_path_that_reads_one() {
    let server = quick(&["--handshake-seconds", "1", "--api-key", "key"]);
    for path in [
        "/api/publish",
        "/api/broadcast",
        "/api/history",
        "/api/presence",
        "/api/disconnect",
        "/api/unsubscribe",
        "/connection/http_stream",
        "/emulation",
    ] {
        let mut raw = Raw::connect(server.address);
        let headers = [("Content-Length", "100"), ("X-API-Key", "key")];
        raw.send((request("POST", path, server.address, &headers) + "{").as_bytes());
        assert_eq!(raw.status(), 408, "{path}");
    }
    assert_eq!(server.measure("chat_rejections_total{status=\"408\"}"), 8);
    assert!(get(server.address, "/health").ends_with("ok\n"));
}

#[test]
fn a_body_byte_by_byte_is_no_better() {
    let server = quick(&["--handshake-seconds", "1", "--api-key", "key"]);
    let mut client = TcpStream::connect(server.address).expect("it listens");
    let headers = [("Content-Length", "100000"), ("X-API-Key", "key")];
    client
        .write_all(request("POST", "/api/publish", server.address, &headers).as_bytes())
        .expect("it listens");
    client.set_read_timeout(Some(Duration::from_millis(50))).expect("a time");
    let mut answer = [0; 12];
    for _ in 0..600 {
        let _ = client.write_all(b" ");
        match client.read_exact(&mut answer) {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            read => {
                read.expect("an answer");
                break;
            }
        }
    }
    assert_eq!(&answer, b"HTTP/1.1 408");
}
