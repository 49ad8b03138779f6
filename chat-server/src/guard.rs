//! Refuses requests for foreign hosts and from foreign origins, and names the flag that allows them.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_TYPE, HOST, ORIGIN};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use chat_core::Hub;
use chat_tokio_adapter::{Hosts, Origins, Rejection};
use tracing::info;

/// Bounds the bytes of a header that are traced.
const TRACED: usize = 200;

const HOST_HINT: &str = "this host is not allowed; the operator can allow it with --allow-host\n";
const ORIGIN_HINT: &str = "this origin is not allowed; the operator can allow it with --allow-origin\n";

#[derive(Clone)]
struct Guard {
    hosts: Arc<Hosts>,
    origins: Arc<Origins>,
    hub: Hub,
}

/// Passes on requests whose `Host` is one of these names, and refuses all others. A refusal for the host, or
/// later for the origin of a page, names the flag that allows it, and is traced.
pub(crate) fn guarded(hosts: Hosts, origins: &Origins, hub: &Hub, routes: Router) -> Router {
    let guard = Guard { hosts: Arc::new(hosts), origins: Arc::new(origins.clone()), hub: hub.clone() };
    routes.layer(from_fn_with_state(guard, check))
}

async fn check(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    if let Err(rejection) = guard.hosts.check(request.headers()) {
        guard.hub.acceptor().count_rejection(rejection.status().as_u16());
        let response = rejection.response();
        if rejection != Rejection::ForeignHost {
            return response.into_response();
        }
        info!(host = ?start(request.headers(), HOST), "host refused; --allow-host lists the allowed ones");
        return response.map(|_| HOST_HINT.to_owned()).into_response();
    }
    let foreign = !guard.origins.admit(request.headers());
    let origin = foreign.then(|| start(request.headers(), ORIGIN)).flatten();
    let response = next.run(request).await;
    match origin.filter(|_| response.status() == StatusCode::FORBIDDEN) {
        Some(origin) => refuse_origin(&origin, response),
        None => response,
    }
}

/// Adds the hint to a refusal; a JSON body stays as it is.
fn refuse_origin(origin: &str, response: Response) -> Response {
    info!(?origin, "origin refused; --allow-origin lists the allowed ones");
    let own = response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == "application/json");
    if own { response } else { response.map(|_| Body::from(ORIGIN_HINT)) }
}

/// Returns the beginning of a header, which may hold anything.
fn start(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    let value = headers.get(name)?.as_bytes();
    Some(String::from_utf8_lossy(&value[..value.len().min(TRACED)]).into_owned())
}
