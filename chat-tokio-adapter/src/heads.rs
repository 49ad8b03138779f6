//! The bounds of a request's head, for every request of a connection: hyper reads all but the first, and knows no bound on a line.

use std::error::Error;

use chat_core::Hub;
use chat_http::{HeadLimits, Rejection};
use futures::future::{Either as One, FutureExt, Map, MapOk, Ready, TryFutureExt, ready};
use http::{Request, Response, Uri};
use http_body_util::{Either, Empty};
use hyper::body::{Body, Incoming};
use hyper::service::Service;

/// A service that hears of no request whose head is over a bound: 431 is answered in its place, and counted.
pub(crate) struct Heads<S> {
    service: S,
    hub: Hub,
}

type Answer<B> = Response<Either<B, Empty<<B as Body>::Data>>>;

impl<S> Heads<S> {
    pub(crate) fn new(service: S, hub: Hub) -> Self {
        Self { service, hub }
    }
}

impl<S, B> Service<Request<Incoming>> for Heads<S>
where
    S: Service<Request<Incoming>, Response = Response<B>>,
    B: Body,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Response = Answer<B>;
    type Error = S::Error;
    type Future = One<
        MapOk<S::Future, fn(Response<B>) -> Answer<B>>,
        Map<Ready<()>, fn(()) -> Result<Answer<B>, S::Error>>,
    >;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        if fits(&request, HeadLimits::from(self.hub.limits())) {
            return One::Left(self.service.call(request).map_ok(|response| response.map(Either::Left)));
        }
        self.hub.count_rejection(Rejection::TooLarge.status().as_u16());
        One::Right(
            ready(()).map(|()| Ok(Rejection::TooLarge.response().map(|_| Either::Right(Empty::new())))),
        )
    }
}

/// As its head stood on the wire, with one space behind each colon.
fn fits<B>(request: &Request<B>, limits: HeadLimits) -> bool {
    let first = request.method().as_str().len() + 1 + uri_bytes(request.uri()) + " HTTP/1.1".len();
    let headers = request.headers();
    let lines = headers.iter().map(|(name, value)| name.as_str().len() + 2 + value.len());
    let (longest, bytes) =
        lines.fold((first, first + 4), |(longest, bytes), line| (longest.max(line), bytes + line + 2));
    longest <= limits.line && bytes <= limits.bytes && headers.len() <= limits.headers
}

fn uri_bytes(uri: &Uri) -> usize {
    let scheme = uri.scheme_str().map_or(0, |scheme| scheme.len() + "://".len());
    let authority = uri.authority().map_or(0, |authority| authority.as_str().len());
    scheme + authority + uri.path_and_query().map_or(0, |path| path.as_str().len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_measured_as_it_stood_on_the_wire() {
        let head = "GET /a?b HTTP/1.1\r\nhost: a.example\r\nx: y\r\n\r\n";
        let request =
            Request::get("/a?b").header("host", "a.example").header("x", "y").body(()).expect("one");
        let fits = |bytes, line, headers| fits(&request, HeadLimits { bytes, line, headers });
        assert!(fits(head.len(), 17, 2));
        assert!(!fits(head.len() - 1, 17, 2) && !fits(head.len(), 16, 2) && !fits(head.len(), 17, 1));
        assert_eq!(uri_bytes(&Uri::from_static("http://a.example/b")), "http://a.example/b".len());
    }
}
