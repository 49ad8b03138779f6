//! The hooks that a user of the library writes.

use std::future::{Future, ready};

use chrono::{DateTime, Utc};
use futures::FutureExt;

use crate::model::{
    Author, Call, ChannelId, ChannelOptions, Close, Connect, HistoryRequest, Identity, Overflow, Payload,
    Publish, Refusal, SenderName, SessionId, SessionInfo, Since, Subscribe, Token,
};

/// Decides what sessions may do. Every hook has a default; together the defaults are [`OpenChat`].
///
/// A hook may take its time: it holds up the requests of its own session, not that session's pings nor what others say to it.
/// No lock is held while it runs, so it may call the hub. If the session ends first, the hook's future is dropped.
///
/// What goes wrong stays where it goes wrong. If [`publish`](Self::publish) or [`event`](Self::event) panics, or refuses with 100, the session is taken out
/// of that one channel and told so with 100; its other channels go on. If [`subscribe`](Self::subscribe) does, it does not come in, and if
/// [`history`](Self::history), [`presence`](Self::presence), [`refresh_subscription`](Self::refresh_subscription) or [`rename`](Self::rename) does, that one
/// request is refused with 100. A panic in the hooks that are about the whole session, which are the others, closes it with 3004.
pub trait Endpoint: Send + Sync + 'static {
    /// Who is this, and may it come in? An error refuses it: 101 closes with 3500, 109 with 3005, any other with 3507, as does the
    /// [name](crate::HubBuilder::name) of the server itself.
    ///
    /// What is done to the user meanwhile counts: who is disconnected does not come in. If too much is done to all users meanwhile to be remembered, the
    /// hook is asked again.
    fn stream_opened(
        &self,
        session: SessionId,
        connect: Connect,
    ) -> impl Future<Output = Result<Identity, Refusal>> + Send {
        let wished = connect.name.map_or_else(|| Ok(guest(session)), as_nobody_elses);
        ready(wished.map(Identity::named))
    }

    /// By what name does it go from now on, since it says this one though it came in under another? Protocols ask whose clients have no other way to say
    /// theirs. The user stays the same, and the server's own name is not taken. An error leaves all as it was.
    ///
    /// Unless overridden, a guest may: one that came in without a name, and goes by the number of its session.
    fn rename(
        &self,
        session: &SessionInfo,
        name: SenderName,
    ) -> impl Future<Output = Result<SenderName, Refusal>> + Send {
        let guest = guest(session.id);
        let is_guest = session.name == guest && session.user.as_str() == guest.as_str();
        let nameless = is_guest.then_some(name).ok_or_else(|| Refusal::not_available("it has a name"));
        ready(nameless.and_then(as_nobody_elses))
    }

    /// Who is it from now on? It must be the same user, and not under the server's own name. An error leaves all as it was, until the session expires.
    fn refresh(
        &self,
        session: &SessionInfo,
        token: Token,
    ) -> impl Future<Output = Result<Identity, Refusal>> + Send {
        let _ = (session, token);
        ready(Err(Refusal::not_available("nothing expires here")))
    }

    /// May it stay in this channel, now that it was refreshed? An error takes it out, and is told. Asked for every channel that it is in when the refresh
    /// is answered.
    fn stay(
        &self,
        session: &SessionInfo,
        channel: &ChannelId,
    ) -> impl Future<Output = Result<(), Refusal>> + Send {
        let _ = (session, channel);
        ready(Ok(()))
    }

    /// May it join this channel, and how? Not asked again while it is in.
    ///
    /// Where the client wants to look back or to know who is there, and this lets it, [`history`](Self::history) and [`presence`](Self::presence) are asked
    /// too. They are not asked about what this hook adds by itself.
    fn subscribe(
        &self,
        session: &SessionInfo,
        request: Subscribe,
    ) -> impl Future<Output = Result<SubscribeOptions, Refusal>> + Send {
        let _ = session;
        ready(Ok(SubscribeOptions::of(&request)))
    }

    /// Until when may it stay in this channel, now that it shows this? None for as long as the session lasts. An error leaves all as it was.
    fn refresh_subscription(
        &self,
        session: &SessionInfo,
        channel: &ChannelId,
        token: Token,
    ) -> impl Future<Output = Result<Option<DateTime<Utc>>, Refusal>> + Send {
        let _ = (session, channel, token);
        ready(Err(Refusal::not_available("nothing expires here")))
    }

    /// May it say this here? What is returned is what is published.
    ///
    /// By default members may speak. An endpoint with a `publish` of its own has allowed what it returns, also to those who are not in the channel. The hub
    /// goes on to check one rule beside it, in the channel that is returned: only its author edits or deletes a message, and only while that is kept;
    /// [`Publish::moderates`] lifts it. If the session joined or left the channel of the request meanwhile, the hook is asked again.
    fn publish(
        &self,
        session: &SessionInfo,
        request: Publish,
        standing: PublishContext,
    ) -> impl Future<Output = Result<Publish, Refusal>> + Send {
        let _ = session;
        ready(may_publish(request, &standing, false))
    }

    /// What comes of an event that a client pushes to a channel? By default it is [published](Self::publish). An endpoint with an `event` of its own has
    /// allowed what it returns: `publish` is not asked then. The rules that the hub checks are those of `publish`.
    fn event(
        &self,
        session: &SessionInfo,
        request: Publish,
        standing: PublishContext,
    ) -> impl Future<Output = Result<Pushed, Refusal>> + Send {
        self.publish(session, request, standing).map(|said| said.map(Pushed::Publish))
    }

    /// May it read what this channel kept? What is returned is what is read. By default members may.
    ///
    /// One who joins and wants to hear what it missed, or the newest publication, is asked about as a member, once [`subscribe`](Self::subscribe) has let
    /// it in. Unless all that it wants is allowed, it joins without, and is told so. If the session joined or left the channel meanwhile, the hook is
    /// asked again.
    fn history(
        &self,
        session: &SessionInfo,
        request: HistoryRequest,
        member: bool,
    ) -> impl Future<Output = Result<HistoryRequest, Refusal>> + Send {
        let _ = session;
        ready(if member { Ok(request) } else { Err(not_a_member(&request.channel, "read it")) })
    }

    /// May it know who is in this channel? By default members may.
    ///
    /// One who joins and wants to be told who is there is asked about as a member, once [`subscribe`](Self::subscribe) has let it in; without, it joins and
    /// is told nothing of that. If the session joined or left the channel meanwhile, the hook is asked again.
    fn presence(
        &self,
        session: &SessionInfo,
        channel: &ChannelId,
        member: bool,
    ) -> impl Future<Output = Result<(), Refusal>> + Send {
        let _ = session;
        ready(if member { Ok(()) } else { Err(not_a_member(channel, "know who is in it")) })
    }

    /// How is this channel kept? Asked often, so it must be quick; the answer counts when the channel comes to be, for all its life.
    fn channel(&self, channel: &ChannelId, defaults: ChannelOptions) -> ChannelOptions {
        let _ = channel;
        defaults
    }

    /// Answers any other request. By default nothing is offered: [`Refusal::no_calls`]. One that offers something refuses what it does not know with
    /// [`Refusal::method_not_found`], in its own words.
    fn call(
        &self,
        session: &SessionInfo,
        request: Call,
    ) -> impl Future<Output = Result<Payload, Refusal>> + Send {
        let _ = session;
        ready(Err(Refusal::no_calls(&request.method)))
    }

    /// The session is over, and has left all its channels. Called exactly once for every session that was let in.
    fn stream_closed(&self, session: &SessionInfo, close: &Close) -> impl Future<Output = ()> + Send {
        let _ = (session, close);
        ready(())
    }
}

/// What comes of an event that a client pushed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// It is published so.
    Publish(Publish),
    /// It is answered, and nobody else hears of it.
    Answer(Payload),
}

/// How a session is in a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscribeOptions {
    /// Whether it hears its own messages.
    pub echo: bool,
    /// Where it goes on, if it was there before.
    pub since: Option<Since>,
    /// Whether it is refused with 112 if it cannot go on from there.
    pub whole: bool,
    /// Whether it hears the channel's newest publication first, if it does not go on from somewhere.
    pub latest: bool,
    /// Whether it is told who is in the channel, and who joins and leaves, if the channel knows.
    pub presence: bool,
    /// What becomes of publications that it is too slow for. Where the client's protocol has no words for a loss, [`Overflow::Disconnect`] stands in its place.
    pub overflow: Overflow,
    /// When it leaves, unless that is [refreshed](Endpoint::refresh_subscription) before; it is told so with 110.
    pub expires: Option<DateTime<Utc>>,
    /// What its client is told with the answer.
    pub data: Option<Payload>,
}

/// How a session that wants to publish stands to the channel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PublishContext {
    /// It is in the channel.
    pub member: bool,
    /// Who published what this publication is about, if it is about one, and that is still kept.
    pub author: Option<Author>,
}

impl PublishContext {
    /// Checks the author's rule: a message that is kept is edited and deleted by its author alone. The hub does so for what an endpoint allows; this is for
    /// endpoints that want to know before.
    ///
    /// # Errors
    /// 103 if another user is the author, or the server; 108 if the message is not kept, or the publication is about none.
    pub fn may_change(&self, session: &SessionInfo) -> Result<(), Refusal> {
        match &self.author {
            Some(author) if author.is(&session.user) => Ok(()),
            Some(_) => Err(Refusal::permission_denied("only its author may edit or delete a message")),
            None => Err(Refusal::not_available("the message is not kept any more")),
        }
    }
}

/// The chat of the original design: everyone may join any channel, and its members may speak in it.
#[derive(Clone, Copy, Debug, Default)]
pub struct OpenChat {
    /// Lets those speak who are not in the channel too.
    pub open_publish: bool,
}

impl SubscribeOptions {
    /// As the client asks for it.
    pub fn of(request: &Subscribe) -> Self {
        let &Subscribe { echo, since, whole, latest, presence, overflow, .. } = request;
        Self { echo, since, whole, latest, presence, overflow, expires: None, data: None }
    }
}

impl Default for SubscribeOptions {
    fn default() -> Self {
        Self {
            echo: true,
            since: None,
            whole: false,
            latest: false,
            presence: false,
            overflow: Overflow::Disconnect,
            expires: None,
            data: None,
        }
    }
}

impl Endpoint for OpenChat {
    fn publish(
        &self,
        session: &SessionInfo,
        request: Publish,
        standing: PublishContext,
    ) -> impl Future<Output = Result<Publish, Refusal>> + Send {
        let _ = session;
        ready(may_publish(request, &standing, self.open_publish))
    }
}

fn guest(session: SessionId) -> SenderName {
    format!("{GUEST}{session}").parse().expect("a number makes a name")
}

const GUEST: &str = "guest-";

/// A name that somebody wishes for. Those of guests are given, not wished for: another could speak for one otherwise.
fn as_nobody_elses(name: SenderName) -> Result<SenderName, Refusal> {
    let seen = name.seen();
    if seen.is_empty() {
        return Err(Refusal::bad_request("a name has something to see"));
    }
    let number = seen.strip_prefix(GUEST).unwrap_or_default();
    let given = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    if given { Err(Refusal::permission_denied("that is the name of a guest")) } else { Ok(name) }
}

fn may_publish(request: Publish, standing: &PublishContext, open: bool) -> Result<Publish, Refusal> {
    if !standing.member && !open {
        return Err(not_a_member(&request.channel, "publish to it"));
    }
    Ok(request)
}

fn not_a_member(channel: &ChannelId, what: &str) -> Refusal {
    Refusal::permission_denied(format!("only subscribers of {channel:?} may {what}"))
}
