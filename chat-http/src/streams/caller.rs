//! Knows who asks for a stream and over which connection, and what a stream holds of both.

use std::future::Future;

use chat_core::protocol::Credentials;
use chat_core::transport::{HeldPermit, Peer, Permit};
use chat_core::{Close, Extensions, Hub, SessionId};
use http::Version;

use crate::admission::{HeadRef, RequestHead};
use crate::socket::HttpConnection;

/// Stands for the client of a request.
pub(super) struct Caller {
    pub(super) peer: Option<Peer>,
    /// Says who it is, if the server has found out.
    pub(super) credentials: Credentials,
    /// Holds what the endpoint is given of the request.
    pub(super) extensions: Extensions,
    pub(super) connection: Option<HttpConnection>,
    /// Tells that the connection can end with the answer: those that carry several answers at once do not.
    pub(super) closes: bool,
}

impl Caller {
    pub(super) fn of<'a>(request: impl Into<HeadRef<'a>>) -> Self {
        let request = request.into();
        Self {
            peer: request.peer(),
            credentials: request.credentials().unwrap_or_default(),
            extensions: RequestHead::from(request).into_extensions(),
            connection: request.extensions.get().cloned(),
            closes: request.version <= Version::HTTP_11,
        }
    }

    /// Takes out what its session begins with, and is not to hold for as long as it lasts.
    pub(super) fn take_claims(&mut self) -> (Credentials, Extensions) {
        (std::mem::take(&mut self.credentials), std::mem::take(&mut self.extensions))
    }

    /// Runs a session to its end. Then its client has as long to take the rest as the end of a session may
    /// last, even if it takes something now and then.
    pub(super) async fn run_to_end(self, hub: Hub, session: impl Future<Output = Close> + Send) {
        session.await;
        let limits = hub.limits();
        if let Some(connection) = self.connection.filter(|_| self.closes && !limits.write_timeout.is_zero()) {
            let patience = limits.write_timeout.saturating_add(limits.close_timeout);
            connection.end_by(hub.runtime().after(patience));
        }
    }
}

/// Keeps a session's place in the hub for an open answer: until the socket is closed or, where no socket is
/// known, until this is dropped with the answer.
pub(super) struct Place {
    hub: Hub,
    session: SessionId,
    connection: Option<HttpConnection>,
    _seat: HeldPermit,
}

impl Place {
    pub(super) fn of(permit: &mut Permit, connection: Option<HttpConnection>) -> Self {
        let held = permit.hold();
        if let Some(connection) = &connection {
            connection.keep(held.clone());
        }
        Self { hub: permit.hub().clone(), session: permit.id(), connection, _seat: held }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // If the answer ends since its client takes nothing, the session is closed for that and is not lost.
        if self.connection.as_ref().is_some_and(HttpConnection::is_overdue) {
            self.hub.disconnect(self.session, Close::SLOW);
        }
    }
}
