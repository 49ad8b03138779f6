//! Reads signed tokens, JWTs with HS256: who a session is, and which channels its token names.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use chat_core::{
    Attachment, ChannelId, Connect, Identity, Payload, Reason, Refusal, SessionInfo, Subscribe, Token,
};
use chrono::{DateTime, Utc};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use tracing::info;

use crate::claims::{ChannelClaims, Claims, Terms, Timed, read_claims};
use crate::jose;

/// Holds the key of the tokens, and what is checked besides their signature.
pub(crate) struct Tokens {
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

/// Lists the channels that a session joined with tokens for one channel, and until when each token is valid.
/// Until then it stays in them when it is refreshed, and may read them, whatever its scopes.
#[derive(Clone, Default)]
struct Granted(Arc<Mutex<VecDeque<Grants>>>);

/// Holds a channel, and until when its token is valid.
type Grants = (ChannelId, Option<DateTime<Utc>>);

/// Bounds the channels that are remembered; older ones are forgotten.
const GRANTED: usize = 1024;

impl Granted {
    fn add(&self, channel: &ChannelId, until: Option<DateTime<Utc>>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|(known, _)| known != channel);
        all.push_back((channel.clone(), until));
        if all.len() > GRANTED {
            all.pop_front();
        }
    }

    fn has(&self, channel: &ChannelId) -> bool {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let until = all.iter().find(|(known, _)| known == channel).map(|(_, until)| *until);
        until.is_some_and(|until| until.is_none_or(|until| until > Utc::now()))
    }
}

impl Tokens {
    pub(crate) fn new(secret: &str, terms: Terms) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.required_spec_claims.clear();
        // The library ignores a date that it cannot read: dates and the audience are checked here.
        (validation.validate_exp, validation.validate_nbf, validation.validate_aud) = (false, false, false);
        Self { key: DecodingKey::from_secret(secret.as_bytes()), validation, terms }
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

    /// Returns who a client is that opens a session.
    pub(crate) fn open(&self, connect: Connect) -> Result<Identity, Refusal> {
        let token = connect.token.ok_or_else(|| Refusal::unauthorized("a token is needed"))?;
        self.identify(&token, Granted::default())
    }

    /// Returns who the session is from now on.
    pub(crate) fn refresh(&self, session: &SessionInfo, token: &Token) -> Result<Identity, Refusal> {
        self.identify(token, scopes(session)?.granted.clone())
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

    /// Returns the time until which this token lets the session stay in this channel, which the session may
    /// read from now on.
    pub(crate) fn admit(
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
        scopes(session)?.granted.add(channel, expires);
        Ok(expires)
    }
}

/// Traces a refusal without the token, and shortened: an unsigned text may hold anything.
fn trace_refused(what: &str, refusal: &Refusal) {
    let why: String = refusal.message.chars().take(200).collect();
    info!(code = refusal.code(), why = ?why, "{what} refused");
}

/// Says what the token of a session says about a channel: nothing is allowed beyond it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grant {
    /// The token names the channel.
    Named,
    /// The token has no list, and so allows every channel.
    Unlisted,
    /// The token has a list, and the channel is not in it.
    Outside,
}

/// Returns what the session's token says about joining a channel.
pub(crate) fn joining(session: &SessionInfo, channel: &ChannelId) -> Result<Grant, Refusal> {
    let scopes = scopes(session)?;
    if scopes.channels.contains(channel) {
        return Ok(Grant::Named);
    }
    Ok(listed(scopes.read.as_deref(), channel))
}

/// Returns what the session's token says about reading a channel, which a token for that channel may have
/// allowed too.
pub(crate) fn reading(session: &SessionInfo, channel: &ChannelId) -> Result<Grant, Refusal> {
    if scopes(session)?.granted.has(channel) {
        return Ok(Grant::Named);
    }
    joining(session, channel)
}

/// Returns what the session's token says about writing to a channel.
pub(crate) fn writing(session: &SessionInfo, channel: &ChannelId) -> Result<Grant, Refusal> {
    Ok(listed(scopes(session)?.write.as_deref(), channel))
}

fn scopes(session: &SessionInfo) -> Result<&Scopes, Refusal> {
    session.attachment.get().ok_or_else(|| Refusal::internal("the session has no scopes"))
}

fn listed(patterns: Option<&[String]>, channel: &ChannelId) -> Grant {
    match patterns {
        None => Grant::Unlisted,
        Some(patterns) if patterns.iter().any(|pattern| covers(pattern, channel.as_str())) => Grant::Named,
        Some(_) => Grant::Outside,
    }
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
