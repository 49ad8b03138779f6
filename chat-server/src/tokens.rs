//! Lets clients in that have a signed token: a JWT with HS256.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use chat_core::{
    Attachment, ChannelId, Connect, Endpoint, HistoryRequest, Identity, OpenChat, Payload, Publish,
    PublishContext, Reason, Refusal, SenderName, SessionId, SessionInfo, Subscribe, SubscribeOptions, Token,
};
use chrono::{DateTime, Utc};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use tracing::info;

use crate::claims::{ChannelClaims, Claims, Terms, Timed, read_claims};
use crate::jose;

/// Behaves as the open chat, for users that a token names, within the scopes of the token.
pub(crate) struct TokenChat {
    open: OpenChat,
    key: DecodingKey,
    validation: Validation,
    terms: Terms,
}

/// Holds what the endpoint attaches to a session.
struct Scopes {
    read: Option<Vec<String>>,
    write: Option<Vec<String>>,
    /// Lists the channels that the token subscribes its session to, which it may read too.
    channels: Vec<ChannelId>,
    granted: Granted,
}

/// Lists the channels that a session joined with tokens for one channel. It stays in them when it is
/// refreshed, and may read them, whatever its scopes.
#[derive(Clone, Default)]
struct Granted(Arc<Mutex<VecDeque<ChannelId>>>);

/// Bounds the channels that are remembered; older ones are forgotten.
const GRANTED: usize = 1024;

impl Granted {
    fn add(&self, channel: &ChannelId) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|known| known != channel);
        all.push_back(channel.clone());
        if all.len() > GRANTED {
            all.pop_front();
        }
    }

    fn has(&self, channel: &ChannelId) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(channel)
    }
}

impl TokenChat {
    pub(crate) fn new(open: OpenChat, secret: &str, terms: Terms) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.required_spec_claims.clear();
        // The library ignores a date that it cannot read: dates and the audience are checked here.
        (validation.validate_exp, validation.validate_nbf, validation.validate_aud) = (false, false, false);
        Self { open, key: DecodingKey::from_secret(secret.as_bytes()), validation, terms }
    }

    /// Returns the claims of a token, and the end of its validity.
    fn claims<T: DeserializeOwned + Timed>(
        &self,
        token: &Token,
    ) -> Result<(T, Option<DateTime<Utc>>), Refusal> {
        let claims: T =
            self.signed(&token.0).and_then(|text| read_claims(&text)).map_err(Refusal::unauthorized)?;
        let until = claims.times().check(&self.terms, Utc::now())?;
        Ok((claims, until))
    }

    /// Returns the text of a token's claims, if they are signed with the server's key and the token needs no
    /// extensions.
    fn signed(&self, token: &str) -> Result<Box<RawValue>, String> {
        jose::check(token)?;
        let claims = decode::<Box<RawValue>>(token, &self.key, &self.validation);
        claims.map(|read| read.claims).map_err(|error| jose::in_plain_words(error.kind()).to_owned())
    }

    fn identify(&self, token: &Token, granted: Granted) -> Result<Identity, Refusal> {
        self.read(token, granted).inspect_err(|refusal| trace_refused("a token is", refusal))
    }

    fn read(&self, token: &Token, granted: Granted) -> Result<Identity, Refusal> {
        let (claims, expires) = self.claims::<Claims>(token)?;
        let Claims { sub, name, info, channels, read, write, channel, .. } = claims;
        if channel.is_some() {
            return Err(Refusal::unauthorized("the token is for one channel and opens no session"));
        }
        let name = match name {
            Some(name) => name,
            None => sub.as_str().parse().map_err(Refusal::from)?,
        };
        Ok(Identity::named(name)
            .with_user(sub)
            .with_data(info.map(|info| Payload::json_unchecked(info.get())))
            .with_expires(expires)
            .with_subscriptions(channels.iter().cloned().map(Subscribe::to).collect())
            .with_attachment(Attachment::new(Scopes { read, write, channels, granted })))
    }

    /// Returns the time until which this token lets the session stay in this channel.
    fn admit(
        &self,
        session: &SessionInfo,
        channel: &ChannelId,
        token: &Token,
    ) -> Result<Option<DateTime<Utc>>, Refusal> {
        self.read_for(session, channel, token)
            .inspect_err(|refusal| trace_refused("a token for a channel is", refusal))
    }

    fn read_for(
        &self,
        session: &SessionInfo,
        channel: &ChannelId,
        token: &Token,
    ) -> Result<Option<DateTime<Utc>>, Refusal> {
        let (claims, expires) =
            self.claims::<ChannelClaims>(token).map_err(|refusal| match refusal.reason {
                Reason::TokenExpired => refusal,
                _ => Refusal::permission_denied(refusal.message),
            })?;
        if claims.sub != session.user || claims.channel != *channel {
            return Err(Refusal::permission_denied("the token is for another user or channel"));
        }
        scopes(session)?.granted.add(channel);
        Ok(expires)
    }
}

/// Traces a refusal without the token, and shortened: an unsigned text may hold anything.
fn trace_refused(what: &str, refusal: &Refusal) {
    let why: String = refusal.message.chars().take(200).collect();
    info!(code = refusal.code(), why = ?why, "{what} refused");
}

impl Endpoint for TokenChat {
    async fn stream_opened(&self, _: SessionId, connect: Connect) -> Result<Identity, Refusal> {
        let token = connect.token.ok_or_else(|| Refusal::unauthorized("a token is needed"))?;
        self.identify(&token, Granted::default())
    }

    async fn rename(&self, _: &SessionInfo, _: SenderName) -> Result<SenderName, Refusal> {
        Err(Refusal::not_available("the token sets the name"))
    }

    async fn refresh(&self, session: &SessionInfo, token: Token) -> Result<Identity, Refusal> {
        self.identify(&token, scopes(session)?.granted.clone())
    }

    async fn stay(&self, session: &SessionInfo, channel: &ChannelId) -> Result<(), Refusal> {
        may_read(session, channel)
    }

    async fn subscribe(
        &self,
        session: &SessionInfo,
        request: Subscribe,
    ) -> Result<SubscribeOptions, Refusal> {
        let expires = match &request.token {
            Some(token) => self.admit(session, &request.channel, token)?,
            None => {
                may(session, &request.channel, |scopes| &scopes.read, "read")?;
                None
            }
        };
        Ok(self.open.subscribe(session, request).await?.with_expires(expires))
    }

    async fn refresh_subscription(
        &self,
        session: &SessionInfo,
        channel: &ChannelId,
        token: Token,
    ) -> Result<Option<DateTime<Utc>>, Refusal> {
        self.admit(session, channel, &token)
    }

    async fn publish(
        &self,
        session: &SessionInfo,
        request: Publish,
        standing: PublishContext,
    ) -> Result<Publish, Refusal> {
        may(session, &request.channel, |scopes| &scopes.write, "write to")?;
        self.open.publish(session, request, standing).await
    }

    async fn history(
        &self,
        session: &SessionInfo,
        request: HistoryRequest,
        member: bool,
    ) -> Result<HistoryRequest, Refusal> {
        may_read(session, &request.channel)?;
        self.open.history(session, request, member).await
    }
}

fn scopes(session: &SessionInfo) -> Result<&Scopes, Refusal> {
    session.attachment.get().ok_or_else(|| Refusal::internal("the session has no scopes"))
}

fn may_read(session: &SessionInfo, channel: &ChannelId) -> Result<(), Refusal> {
    let scopes = scopes(session)?;
    if scopes.channels.contains(channel) || scopes.granted.has(channel) {
        return Ok(());
    }
    may(session, channel, |scopes| &scopes.read, "read")
}

fn may(
    session: &SessionInfo,
    channel: &ChannelId,
    scope: impl Fn(&Scopes) -> &Option<Vec<String>>,
    what: &str,
) -> Result<(), Refusal> {
    let Some(patterns) = scope(scopes(session)?) else { return Ok(()) };
    if patterns.iter().any(|pattern| covers(pattern, channel.as_str())) {
        return Ok(());
    }
    Err(Refusal::permission_denied(format!("the token does not allow to {what} {channel:?}")))
}

fn covers(pattern: &str, channel: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => channel.starts_with(beginning),
        None => pattern == channel,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_names_channels_or_beginnings_of_names() {
        assert!(covers("room", "room") && !covers("room", "room-1") && !covers("room-1", "room"));
        assert!(covers("room-*", "room-1") && covers("room-*", "room-") && !covers("room-*", "room"));
        assert!(covers("*", "anything"));
    }
}
