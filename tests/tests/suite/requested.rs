//! Tests that the request by which a client came reaches the endpoint over real sockets, on every adapter.

use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use chat_core::{Connect, Endpoint, Hub, Identity, Refusal, SessionId};
use chat_http::RequestHead;
use chat_tests::host::Host;
use chat_tests::raw::{HANDSHAKE, Raw, frame, request};
use chat_tokio_adapter::{TokioRuntime, axum::route, gate};

/// Admits everybody, and keeps the request of each.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<Arc<RequestHead>>>>);

impl Endpoint for Kept {
    async fn stream_opened(&self, _: SessionId, connect: Connect) -> Result<Identity, Refusal> {
        let request = connect.extensions.share().ok_or_else(|| Refusal::internal("no request"))?;
        self.0.lock().expect("nobody panics").push(request);
        Ok(Identity::named("ann".parse()?))
    }
}

impl Kept {
    fn last(&self) -> Arc<RequestHead> {
        self.0.lock().expect("nobody panics").pop().expect("somebody came")
    }
}

/// Opens a session with odd headers, and waits until it is open.
fn open(address: std::net::SocketAddr, target: &str) -> Raw {
    let mut head = request("GET", target, address, &HANDSHAKE).into_bytes();
    head.truncate(head.len() - 2);
    head.extend(b"X-Odd: one\r\nx-odd: \xfftwo\r\nCookie: session=b7f2; theme=dark\r\nCookie: b=2\r\n\r\n");
    let mut raw = Raw::connect(address);
    raw.send(&head);
    assert_eq!(raw.status(), 101);
    raw.send(&frame(0x81, br#"{"type":"connect","id":1}"#));
    assert!(raw.frame().is_some());
    raw
}

#[test]
fn the_whole_request_reaches_the_endpoint_on_every_adapter_whichever_way_the_client_connects() {
    for host in [Host::TokioMulti, Host::TokioCurrent, Host::AsyncStd, Host::Smol] {
        let kept = Kept::default();
        let served = host.serve(Hub::builder(kept.clone()));
        for query in ["x=%20a&name=eve", "x=%20a"] {
            let _session = open(served.address, &format!("/a//b?{query}"));
            let head = kept.last();
            assert_eq!((head.method().as_str(), head.path(), head.query()), ("GET", "/a//b", Some(query)));
            let odd: Vec<_> = head.headers().get_all("x-odd").iter().map(|value| value.as_bytes()).collect();
            assert_eq!(odd, [&b"one"[..], b"\xfftwo"], "{host:?}");
            let cookies = ["session", "theme", "b", "c"].map(|name| head.cookie(name));
            assert_eq!(cookies, [Some("b7f2"), Some("dark"), Some("2"), None], "{host:?}");
            assert_eq!(head.client_address(), Some(IpAddr::from([127, 0, 0, 1])), "{host:?}");
        }
        assert!(kept.0.lock().expect("nobody panics").is_empty(), "{host:?}: each was asked about once");
    }
}

/// Holds a value of the middleware's.
#[derive(Clone, Debug, PartialEq)]
struct User(&'static str);

#[test]
fn what_middleware_left_in_the_request_reaches_the_endpoint() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let kept = Kept::default();
    let (hub, address) = runtime.block_on(async {
        let hub = Hub::builder(kept.clone()).build(TokioRuntime::current());
        let served = hub.clone();
        let login = from_fn(async |mut request: Request, next: Next| {
            request.extensions_mut().insert(User("ann"));
            next.run(request).await
        });
        let app: Router = Router::new().route("/ws", route(gate(served))).layer(login);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a port");
        let app = app.into_make_service_with_connect_info::<std::net::SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, app).await });
        (hub, address)
    });
    for target in ["/ws", "/ws?name=eve"] {
        let _session = open(address, target);
        let last = hub.sessions(None, 100).entries.pop().expect("it is open");
        assert_eq!(last.peer, Some(IpAddr::from([127, 0, 0, 1]).into()), "its rates count by its address");
        let head = kept.last();
        assert_eq!(head.extension(), Some(&User("ann")), "{target}");
        assert_eq!(head.parts().uri, target);
        assert_eq!(head.client_address(), Some(IpAddr::from([127, 0, 0, 1])), "axum's own listener knows it");
    }
}
