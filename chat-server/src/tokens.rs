//! A chat for those who have a signed token: a JWT with HS256.

use chat_core::{
    Attachment, ChannelId, Connect, Endpoint, HistoryRequest, Identity, OpenChat, Payload, Publish, Refusal,
    SenderName, SessionId, SessionInfo, Standing, Subscribe, SubscribeOptions, Token, UserId,
};
use chrono::DateTime;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde::Deserialize;
use serde_json::value::RawValue;

/// As the open chat, for those whose token says who they are, and within the scopes that it names.
pub(crate) struct TokenChat {
    open: OpenChat,
    key: DecodingKey,
    validation: Validation,
}

/// What a token says. `sub` is the user; `name` the name to speak under, `sub` without it; `info` what others see of the user.
///
/// `read` and `write` are the channels that may be joined and written to: names, or beginnings of names with a `*` behind. Without one of them, any channel.
#[derive(Deserialize)]
struct Claims {
    sub: UserId,
    name: Option<SenderName>,
    exp: Option<i64>,
    info: Option<Box<RawValue>>,
    read: Option<Vec<String>>,
    write: Option<Vec<String>>,
}

/// What the endpoint attaches to a session.
struct Scopes {
    read: Option<Vec<String>>,
    write: Option<Vec<String>>,
}

impl TokenChat {
    pub(crate) fn new(open: OpenChat, secret: &str) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.required_spec_claims.clear();
        (validation.leeway, validation.validate_aud) = (0, false);
        Self { open, key: DecodingKey::from_secret(secret.as_bytes()), validation }
    }

    fn identify(&self, token: &Token) -> Result<Identity, Refusal> {
        let claims =
            decode::<Claims>(&token.0, &self.key, &self.validation).map_err(|error| match error.kind() {
                ErrorKind::ExpiredSignature => Refusal::token_expired("the token has expired"),
                _ => Refusal::unauthorized(format!("the token does not hold: {error}")),
            })?;
        let Claims { sub, name, exp, info, read, write } = claims.claims;
        let name = match name {
            Some(name) => name,
            None => sub.as_str().parse().map_err(Refusal::from)?,
        };
        Ok(Identity {
            user: sub,
            data: info.map(|info| Payload::json(info.get())),
            expires: exp.and_then(|seconds| DateTime::from_timestamp(seconds, 0)),
            attachment: Attachment::new(Scopes { read, write }),
            ..Identity::named(name)
        })
    }
}

impl Endpoint for TokenChat {
    async fn stream_opened(&self, _: SessionId, connect: Connect) -> Result<Identity, Refusal> {
        let token = connect.token.ok_or_else(|| Refusal::unauthorized("a token is needed"))?;
        self.identify(&token)
    }

    async fn refresh(&self, _: &SessionInfo, token: Token) -> Result<Identity, Refusal> {
        self.identify(&token)
    }

    async fn stay(&self, session: &SessionInfo, channel: &ChannelId) -> Result<(), Refusal> {
        may(session, channel, |scopes| &scopes.read, "read")
    }

    async fn subscribe(
        &self,
        session: &SessionInfo,
        request: Subscribe,
    ) -> Result<SubscribeOptions, Refusal> {
        may(session, &request.channel, |scopes| &scopes.read, "read")?;
        self.open.subscribe(session, request).await
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
        may(session, &request.channel, |scopes| &scopes.read, "read")?;
        self.open.history(session, request, member).await
    }
}

fn may(
    session: &SessionInfo,
    channel: &ChannelId,
    scope: impl Fn(&Scopes) -> &Option<Vec<String>>,
    what: &str,
) -> Result<(), Refusal> {
    let scopes = session.attachment.get().ok_or_else(|| Refusal::internal("a session without scopes"))?;
    let Some(patterns) = scope(scopes) else { return Ok(()) };
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
