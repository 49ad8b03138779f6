//! Decides what sessions may do: by the rules of channels, and within their tokens.

use std::sync::Arc;

use chat_core::{
    ChannelId, ChannelOptions, Connect, Endpoint, HistoryRequest, Identity, OpenChat, Publish,
    PublishContext, Refusal, SenderName, SessionId, SessionInfo, Subscribe, SubscribeOptions, Token,
};
use chrono::{DateTime, Utc};

use crate::rules::{Rule, Rules, Who};
use crate::tokens::{Grant, Tokens, joining, reading, writing};

/// Behaves as the open chat does where no rule says otherwise. Where there are tokens, every session has one,
/// and no rule allows more than the lists in it.
pub(crate) struct Chat {
    rules: Arc<Rules>,
    tokens: Option<Tokens>,
    /// Decides who a session is where there are no tokens.
    open: OpenChat,
}

impl Chat {
    pub(crate) fn new(rules: Arc<Rules>, tokens: Option<Tokens>) -> Self {
        Self { rules, tokens, open: OpenChat::default() }
    }

    fn rule(&self, channel: &ChannelId) -> &Rule {
        self.rules.of(channel)
    }

    /// Returns what a session's token says; without tokens, that it has no list.
    fn grant(&self, said: impl FnOnce() -> Result<Grant, Refusal>) -> Result<Grant, Refusal> {
        if self.tokens.is_some() { said() } else { Ok(Grant::Unlisted) }
    }

    /// Returns the time until which a token for this channel lets the session in; none if there is no such
    /// token.
    fn admit(&self, session: &SessionInfo, request: &Subscribe) -> Result<Option<Admitted>, Refusal> {
        let (Some(tokens), Some(token)) = (&self.tokens, &request.token) else { return Ok(None) };
        tokens.admit(session, &request.channel, token).map(|until| Some(Admitted(until)))
    }
}

/// Holds the time until which a token lets a session into a channel, if the token tells one.
struct Admitted(Option<DateTime<Utc>>);

/// Checks that a session may do this in a channel: by its token and by the rule.
fn check(does: &str, channel: &ChannelId, who: Who, grant: Grant, member: bool) -> Result<(), Refusal> {
    let why = match (who, grant) {
        (Who::Nobody, _) => format!("only the server may {does} {channel:?}"),
        (_, Grant::Outside) => format!("the token does not allow to {does} {channel:?}"),
        (Who::Anyone, _) | (Who::Token, Grant::Named) => return Ok(()),
        (Who::Members, _) if member => return Ok(()),
        (Who::Members, _) => format!("only subscribers of {channel:?} may {does} it"),
        (Who::Token, Grant::Unlisted) => format!("the token does not name {channel:?}, to {does} it"),
    };
    Err(Refusal::permission_denied(why))
}

impl Endpoint for Chat {
    async fn stream_opened(&self, session: SessionId, connect: Connect) -> Result<Identity, Refusal> {
        match &self.tokens {
            Some(tokens) => tokens.open(connect),
            None => self.open.stream_opened(session, connect).await,
        }
    }

    async fn rename(&self, session: &SessionInfo, name: SenderName) -> Result<SenderName, Refusal> {
        match &self.tokens {
            Some(_) => Err(Refusal::not_available("the token sets the name")),
            None => self.open.rename(session, name).await,
        }
    }

    async fn refresh(&self, session: &SessionInfo, token: Token) -> Result<Identity, Refusal> {
        match &self.tokens {
            Some(tokens) => tokens.refresh(session, &token),
            None => self.open.refresh(session, token).await,
        }
    }

    async fn stay(&self, session: &SessionInfo, channel: &ChannelId) -> Result<(), Refusal> {
        // Who was put into a channel that nobody may join stays there.
        let who = match self.rule(channel).join {
            Who::Nobody => Who::Anyone,
            who => who,
        };
        check("read", channel, who, self.grant(|| reading(session, channel))?, true)
    }

    async fn subscribe(
        &self,
        session: &SessionInfo,
        request: Subscribe,
    ) -> Result<SubscribeOptions, Refusal> {
        let (channel, who) = (&request.channel, self.rule(&request.channel).join);
        let admitted = if who == Who::Nobody { None } else { self.admit(session, &request)? };
        let grant = match admitted {
            Some(_) => Grant::Named,
            None => self.grant(|| joining(session, channel))?,
        };
        check("join", channel, who, grant, false)?;
        let expires = admitted.and_then(|Admitted(until)| until);
        Ok(SubscribeOptions::of(&request).with_expires(expires))
    }

    async fn refresh_subscription(
        &self,
        session: &SessionInfo,
        channel: &ChannelId,
        token: Token,
    ) -> Result<Option<DateTime<Utc>>, Refusal> {
        match &self.tokens {
            Some(tokens) if self.rule(channel).join != Who::Nobody => tokens.admit(session, channel, &token),
            _ => self.open.refresh_subscription(session, channel, token).await,
        }
    }

    async fn publish(
        &self,
        session: &SessionInfo,
        request: Publish,
        standing: PublishContext,
    ) -> Result<Publish, Refusal> {
        let (channel, who) = (&request.channel, self.rule(&request.channel).publish);
        let grant = self.grant(|| writing(session, channel))?;
        check("publish to", channel, who, grant, standing.member)?;
        Ok(request)
    }

    async fn history(
        &self,
        session: &SessionInfo,
        request: HistoryRequest,
        member: bool,
    ) -> Result<HistoryRequest, Refusal> {
        let (channel, who) = (&request.channel, self.rule(&request.channel).read);
        check("read", channel, who, self.grant(|| reading(session, channel))?, member)?;
        Ok(request)
    }

    async fn presence(
        &self,
        session: &SessionInfo,
        channel: &ChannelId,
        member: bool,
    ) -> Result<(), Refusal> {
        // Members are seen there themselves, however they came in.
        let grant = match self.grant(|| reading(session, channel))? {
            Grant::Outside if member => Grant::Unlisted,
            grant => grant,
        };
        check("know who is in", channel, self.rule(channel).see_presence, grant, member)
    }

    fn channel(&self, channel: &ChannelId, _: ChannelOptions) -> ChannelOptions {
        self.rule(channel).options
    }
}
