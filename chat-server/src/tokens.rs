//! A chat for those who have a signed token: a JWT with HS256.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use chat_core::{
    Attachment, ChannelId, Connect, Endpoint, HistoryRequest, Identity, OpenChat, Payload, Publish, Refusal,
    SenderName, SessionId, SessionInfo, Standing, Subscribe, SubscribeOptions, Token, UserId,
};
use chrono::{DateTime, Utc};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::value::RawValue;

/// As the open chat, for those whose token says who they are, and within the scopes that it names.
pub(crate) struct TokenChat {
    open: OpenChat,
    key: DecodingKey,
    validation: Validation,
}

/// What a token says. `sub` is the user; `name` the name to speak under, `sub` without it; `info` what others see of the user.
///
/// `channels` are those that its session is put into at once.
///
/// `read` and `write` are the channels that may be joined and written to: names, or beginnings of names with a `*` behind. Without one of them, any channel.
#[derive(Deserialize)]
struct Claims {
    sub: UserId,
    name: Option<SenderName>,
    exp: Option<f64>,
    info: Option<Box<RawValue>>,
    #[serde(default)]
    channels: Vec<ChannelId>,
    read: Option<Vec<String>>,
    write: Option<Vec<String>>,
    /// Only a token for one channel has this, and it lets nobody in.
    channel: Option<IgnoredAny>,
}

/// What a token for one channel says: that this user may join it, until then.
#[derive(Deserialize)]
struct ChannelClaims {
    sub: UserId,
    channel: ChannelId,
    exp: Option<f64>,
}

/// What the endpoint attaches to a session.
struct Scopes {
    read: Option<Vec<String>>,
    write: Option<Vec<String>>,
    granted: Granted,
}

/// Channels that a session joined by tokens for each, whatever its scopes: so it stays in them when it is refreshed, and may read them.
#[derive(Clone, Default)]
struct Granted(Arc<Mutex<VecDeque<ChannelId>>>);

/// So many of them are remembered, the last.
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
    pub(crate) fn new(open: OpenChat, secret: &str) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.required_spec_claims.clear();
        (validation.leeway, validation.validate_aud, validation.validate_nbf) = (0, false, true);
        Self { open, key: DecodingKey::from_secret(secret.as_bytes()), validation }
    }

    fn claims<T: DeserializeOwned>(&self, token: &Token) -> Result<T, Refusal> {
        let claims = decode::<T>(&token.0, &self.key, &self.validation);
        claims.map(|claims| claims.claims).map_err(|error| match error.kind() {
            ErrorKind::ExpiredSignature => Refusal::token_expired("the token has expired"),
            _ => Refusal::unauthorized(format!("the token does not hold: {error}")),
        })
    }

    fn identify(&self, token: &Token, granted: Granted) -> Result<Identity, Refusal> {
        let Claims { sub, name, exp, info, channels, read, write, channel } = self.claims(token)?;
        if channel.is_some() {
            return Err(Refusal::unauthorized("that is a token for one channel"));
        }
        let name = match name {
            Some(name) => name,
            None => sub.as_str().parse().map_err(Refusal::from)?,
        };
        Ok(Identity {
            user: sub,
            data: info.map(|info| Payload::json(info.get())),
            expires: exp.and_then(time),
            subscriptions: channels.into_iter().map(Subscribe::to).collect(),
            attachment: Attachment::new(Scopes { read, write, granted }),
            ..Identity::named(name)
        })
    }

    /// Until when this token lets the session be in this channel.
    fn admit(
        &self,
        session: &SessionInfo,
        channel: &ChannelId,
        token: &Token,
    ) -> Result<Option<DateTime<Utc>>, Refusal> {
        let claims: ChannelClaims = self.claims(token).map_err(|refusal| match refusal.code {
            109 => refusal,
            _ => Refusal::permission_denied(refusal.message),
        })?;
        if claims.sub != session.user || claims.channel != *channel {
            return Err(Refusal::permission_denied("that is a token for another user or channel"));
        }
        scopes(session)?.granted.add(channel);
        Ok(claims.exp.and_then(time))
    }
}

/// RFC 7519 §2: seconds since 1970, perhaps with a fraction.
fn time(seconds: f64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_millis((seconds * 1000.0) as i64)
}

impl Endpoint for TokenChat {
    async fn stream_opened(&self, _: SessionId, connect: Connect) -> Result<Identity, Refusal> {
        let token = connect.token.ok_or_else(|| Refusal::unauthorized("a token is needed"))?;
        self.identify(&token, Granted::default())
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
        Ok(SubscribeOptions { expires, ..self.open.subscribe(session, request).await? })
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
        standing: Standing,
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
    session.attachment.get().ok_or_else(|| Refusal::internal("a session without scopes"))
}

fn may_read(session: &SessionInfo, channel: &ChannelId) -> Result<(), Refusal> {
    if scopes(session)?.granted.has(channel) {
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
