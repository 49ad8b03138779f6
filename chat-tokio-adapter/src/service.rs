//! Puts the bounds of a connection before a service: on heads, and on the time that an answer takes.

use std::error::Error;
use std::net::SocketAddr;

use chat_core::transport::Peer;
use chat_http::{HeadLimits, HttpConnection, HttpHub, Rejection, RemoteAddress, ServedBody};
use futures::future::BoxFuture;
use http::{Request, Response};
use http_body_util::{Either, Empty};
use hyper::body::{Body, Incoming};
use hyper::service::Service;

/// Serves the requests of one connection. Each request has the client's address and the connection among its
/// extensions; one whose head is over a bound is answered with 431 and counted, and does not reach the
/// service.
pub(crate) struct Bounded<S> {
    service: S,
    http: HttpHub,
    remote: Option<SocketAddr>,
    connection: HttpConnection,
}

type Answer<B> = ServedBody<Either<B, Empty<<B as Body>::Data>>>;

impl<S> Bounded<S> {
    pub(crate) fn new(service: S, http: HttpHub, remote: Option<SocketAddr>) -> Self {
        Self { service, http, remote, connection: HttpConnection::default() }
    }

    pub(crate) fn connection(&self) -> &HttpConnection {
        &self.connection
    }
}

impl<S, B> Service<Request<Incoming>> for Bounded<S>
where
    S: Service<Request<Incoming>, Response = Response<B>>,
    S::Future: Send + 'static,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Response = Response<Answer<B>>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Self::Response, S::Error>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        let serving = self.connection.serve();
        if !HeadLimits::from(self.http.limits()).admits(&request) {
            self.http.hub().acceptor().count_rejection(Rejection::TooLarge.status().as_u16());
            let refused = Rejection::TooLarge.response().map(|_| Either::Right(Empty::new()));
            return Box::pin(async { Ok(refused.map(|body| ServedBody::new(body, serving))) });
        }
        let extensions = request.extensions_mut();
        extensions.insert(self.connection.clone());
        if let Some(remote) = self.remote {
            extensions.insert(RemoteAddress(remote));
            extensions.insert(Peer::from(remote.ip()));
        }
        let answer = self.service.call(request);
        Box::pin(async { Ok(answer.await?.map(|body| ServedBody::new(Either::Left(body), serving))) })
    }
}
