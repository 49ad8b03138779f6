//! What is served where.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{ALLOW, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::IntoResponse;
use axum::routing::{MethodRouter, any, get, options};
use chat_core::{Hub, Peer, Protocol};
use chat_protocol::centrifuge::Centrifuge;
use chat_protocol::json::Json;
use chat_protocol::phoenix::Phoenix;
use chat_protocol::serverpod::{Legacy, MethodStreams};
use chat_tokio_adapter::{Gate, LongPoll, Origins, Streams, list, upgrade};

use crate::metrics;
use crate::page::page;

pub(crate) fn routes(hub: &Hub, origins: &Origins) -> Router {
    let sockets = Sockets { hub, origins };
    let streams = Streams::new(hub.clone()).origins(origins.clone());
    let (lines, events, beside) = (streams.clone(), streams.clone(), streams);
    Router::new()
        .route("/", get(page))
        .route("/ws", sockets.of(Json))
        .route("/connection/websocket", sockets.of(Centrifuge::default()))
        .route("/connection/http_stream", any(async move |request: Request| lines.http_stream(request).await))
        .route("/connection/sse", any(async move |request: Request| events.event_stream(request).await))
        .route("/emulation", any(async move |request: Request| beside.emulation(request).await))
        .route("/socket/websocket", sockets.of(Phoenix::default()))
        .route("/socket/longpoll", sockets.long_poll(Phoenix::only_text()))
        .route("/websocket", sockets.of(Legacy))
        .route("/v1/websocket", sockets.of(MethodStreams::default()))
        .with_state(hub.clone())
}

/// Balancers and Prometheus, which ask by an address or by a name of their own, are answered whoever they are: what they hear are counts, and they change nothing.
pub(crate) fn watched(hub: &Hub, routes: Router) -> Router {
    routes
        .route("/", options(readable))
        .route("/health", get(|| async { "ok\n" }).options(readable))
        .route("/metrics", get(scrape).options(readable).with_state(hub.clone()))
}

/// What may be done with what can be read: so a balancer asks whether somebody is there.
async fn readable() -> impl IntoResponse {
    ([(ALLOW, "GET, HEAD, OPTIONS")], "")
}

/// Behind a proxy each request comes from where the header says that it wrote last, or from nowhere.
pub(crate) fn from_header(header: Option<HeaderName>, routes: Router) -> Router {
    let place = async |State(header): State<Option<HeaderName>>, mut request: Request, next: Next| {
        request.extensions_mut().remove::<Peer>();
        let last = header.and_then(|header| last_address(request.headers(), &header));
        if let Some(address) = last {
            request.extensions_mut().insert(Peer::from(address));
        }
        next.run(request).await
    };
    routes.layer(from_fn_with_state(header, place))
}

fn last_address(headers: &HeaderMap, header: &HeaderName) -> Option<IpAddr> {
    address(str::from_utf8(list(headers, header).next_back()?).ok()?)
}

/// An address as proxies write them: alone, with a port, in brackets, or as the `for` of RFC 7239.
fn address(element: &str) -> Option<IpAddr> {
    let mut pairs = element.split(';').filter_map(|pair| pair.split_once('='));
    let value =
        pairs.find(|(name, _)| name.trim().eq_ignore_ascii_case("for")).map_or(element, |(_, value)| value);
    let text = value.trim().trim_matches('"');
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok().or_else(|| text.parse().ok().map(|at: SocketAddr| at.ip()))
}

/// Opens sessions to a hub, for pages of these origins.
struct Sockets<'a> {
    hub: &'a Hub,
    origins: &'a Origins,
}

impl Sockets<'_> {
    /// For clients that speak this.
    fn of(&self, protocol: impl Protocol) -> MethodRouter<Hub, Infallible> {
        let gate = self.gate(protocol);
        any(move |mut request: Request| async move { upgrade(&gate, &mut request) }).options(readable)
    }

    /// For clients that speak this and poll.
    fn long_poll(&self, protocol: impl Protocol) -> MethodRouter<Hub, Infallible> {
        let poll = LongPoll::new(self.gate(protocol));
        any(move |request: Request| async move { poll.answer(request).await })
    }

    fn gate(&self, protocol: impl Protocol) -> Gate {
        Gate::new(self.hub.clone(), protocol).origins(self.origins.clone())
    }
}

async fn scrape(State(hub): State<Hub>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4")], metrics::text(&hub.stats()))
}

#[cfg(test)]
mod tests {
    use super::*;

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
            assert_eq!(address(element), read.parse().ok(), "{element}");
        }
        for none in ["unknown", "for=_hidden", "by=192.0.2.7", "", "192.0.2.7:http", "[192.0.2.7"] {
            assert_eq!(address(none), None, "{none}");
        }
    }
}
