//! The hooks that a user of the library writes.

use std::future::{Future, ready};

use crate::model::{
    Call, Close, Connect, Payload, Publish, Refusal, SenderName, SessionId, SessionInfo, Subscribe,
};

/// Decides what sessions may do. Every hook has a default; together the defaults are [`OpenChat`].
///
/// A hook may take its time: it holds up the requests of its own session, not that session's pings nor what others say to it.
/// No lock is held while it runs, so it may call the hub. If the session ends first, the hook's future is dropped.
/// A hook that panics closes its session with 3004; the others go on.
pub trait Endpoint: Send + Sync + 'static {
    /// Who is this, and may it come in? An error refuses it: 101 closes with 3500, any other with 3507.
    fn stream_opened(
        &self,
        session: SessionId,
        connect: Connect,
    ) -> impl Future<Output = Result<Identity, Refusal>> + Send {
        ready(Ok(Identity { name: connect.name.unwrap_or_else(|| guest(session)) }))
    }

    /// May it join this channel, and how? Not asked again while it is in.
    fn subscribe(
        &self,
        session: &SessionInfo,
        request: Subscribe,
    ) -> impl Future<Output = Result<SubscribeOptions, Refusal>> + Send {
        let _ = session;
        ready(Ok(SubscribeOptions { echo: request.echo }))
    }

    /// May it say this here? What is returned is what is published. `member` tells whether it is in the channel.
    fn publish(
        &self,
        session: &SessionInfo,
        request: Publish,
        member: bool,
    ) -> impl Future<Output = Result<Payload, Refusal>> + Send {
        let _ = session;
        ready(if member { Ok(request.content) } else { Err(not_a_member(&request)) })
    }

    /// Answers any other request.
    fn call(
        &self,
        session: &SessionInfo,
        request: Call,
    ) -> impl Future<Output = Result<Payload, Refusal>> + Send {
        let _ = session;
        ready(Err(Refusal::method_not_found(format!("there is no method {:?}", request.method))))
    }

    /// The session is over, and has left all its channels. Called exactly once for every session that was let in.
    fn stream_closed(&self, session: &SessionInfo, close: &Close) -> impl Future<Output = ()> + Send {
        let _ = (session, close);
        ready(())
    }
}

/// What the endpoint says of a session that it lets in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The name under which it speaks.
    pub name: SenderName,
}

/// How a session is in a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubscribeOptions {
    /// Whether it hears its own messages.
    pub echo: bool,
}

/// The chat of the original design: everyone may join any channel, and its members may speak in it.
#[derive(Clone, Copy, Debug, Default)]
pub struct OpenChat {
    /// Lets those speak who are not in the channel too.
    pub open_publish: bool,
}

impl Default for SubscribeOptions {
    fn default() -> Self {
        Self { echo: true }
    }
}

impl Endpoint for OpenChat {
    fn publish(
        &self,
        _: &SessionInfo,
        request: Publish,
        member: bool,
    ) -> impl Future<Output = Result<Payload, Refusal>> + Send {
        let may = member || self.open_publish;
        ready(if may { Ok(request.content) } else { Err(not_a_member(&request)) })
    }
}

fn guest(session: SessionId) -> SenderName {
    format!("guest-{session}").parse().expect("a number makes a name")
}

fn not_a_member(request: &Publish) -> Refusal {
    Refusal::permission_denied(format!("only subscribers of {:?} may publish to it", request.channel))
}
