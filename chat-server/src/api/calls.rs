//! Does the calls of the API. Each has its parameters and its result as the published API has them.

use std::sync::Arc;

use chat_core::protocol::Answer;
use chat_core::{
    ChannelId, Close, Epoch, HistoryPage, HistoryRequest, Hub, KEY_BYTES, Offset, Payload, PresencePage,
    Publish, Published, Refusal, SessionId, Since, Subscribe, UserId,
};
use chat_protocol::centrifuge::{no_history, result};
use chat_tokio_adapter::HttpHub;
use futures::future::join_all;
use serde::Deserialize;
use serde_json::json;
use tokio::task::yield_now;

use super::fields::{Fields, channel};
use crate::rules::Rules;

/// Closes a client that the API disconnects without a close of its own: the client does not reconnect.
fn forced() -> Close {
    Close::new(3503, "force disconnect")
}

/// Lists the methods of the published API that are known, in the order in which a command is searched for
/// them.
pub(super) const METHODS: [&str; 10] = [
    "publish",
    "broadcast",
    "subscribe",
    "unsubscribe",
    "disconnect",
    "history",
    "presence",
    "presence_stats",
    "info",
    "rpc",
];

/// Holds what the calls act on.
#[derive(Clone)]
pub(super) struct Api {
    pub(super) http: HttpHub,
    pub(super) rules: Arc<Rules>,
}

impl Api {
    pub(super) fn hub(&self) -> &Hub {
        self.http.hub()
    }
}

/// Holds a result, as JSON.
pub(super) type Called = Result<String, Refusal>;

/// Calls one method, and returns its result.
pub(super) async fn call(api: &Api, method: &str, fields: Fields<'_>) -> Called {
    let hub = api.hub();
    match method {
        "publish" => publish(hub, fields).await,
        "broadcast" => broadcast(hub, fields).await,
        "subscribe" => subscribe(hub, fields),
        "unsubscribe" => unsubscribe(hub, fields),
        "disconnect" => disconnect(hub, fields),
        "presence" => presence(hub, fields).await,
        "presence_stats" => presence_stats(hub, fields).await,
        "history" => history(api, fields).await,
        "info" => info(hub, fields),
        "rpc" => Err(Refusal::method_not_found("no RPC methods are defined")),
        _ => Err(Refusal::method_not_found(format!("{method}: unknown method"))),
    }
}

/// Says how a publication is made: once in five minutes under its key, and kept in no history if so asked.
struct Manner {
    key: Option<Box<str>>,
    unkept: bool,
}

impl Manner {
    fn read(fields: &mut Fields<'_>) -> Result<Self, Refusal> {
        let (key, unkept) = (fields.take::<Box<str>>("idempotency_key")?, fields.take("skip_history")?);
        if key.len() > KEY_BYTES {
            return Err(Refusal::bad_request(format!("an idempotency_key has at most {KEY_BYTES} bytes")));
        }
        // A subscriber to deltas accepts a whole publication as well.
        fields.pass_over("delta");
        Ok(Self { key: Some(key).filter(|key| !key.is_empty()), unkept })
    }

    async fn say(&self, hub: &Hub, channel: ChannelId, content: Payload) -> Called {
        let said = Publish::to(channel, content).with_key(self.key.clone());
        let said = if self.unkept { said.kept_nowhere() } else { said };
        let said = hub.publish_durable(said).await?;
        Ok(match said {
            Published::Placed { epoch, offset, .. }
            | Published::Duplicate { epoch, offset: Some(offset) }
                if !self.unkept =>
            {
                json!({"offset":offset.0,"epoch":epoch.to_string()}).to_string()
            }
            _ => "{}".to_owned(),
        })
    }
}

async fn publish(hub: &Hub, mut fields: Fields<'_>) -> Called {
    let (channel, content) = (fields.channel()?, fields.content()?);
    let manner = Manner::read(&mut fields)?;
    fields.end()?;
    manner.say(hub, channel, content).await
}

/// Bounds the channels that are published to before other tasks have a turn.
const AT_ONCE: usize = 256;

/// Publishes to each channel; each has an answer of its own.
async fn broadcast(hub: &Hub, mut fields: Fields<'_>) -> Called {
    let (channels, content) = (fields.take::<Vec<String>>("channels")?, fields.content()?);
    let manner = Manner::read(&mut fields)?;
    fields.end()?;
    if channels.is_empty() {
        return Err(Refusal::bad_request("channels: missing"));
    }
    let (bytes, most) = (content.as_bytes().len(), hub.limits().message_bytes);
    if bytes > most {
        return Err(Refusal::bad_request(format!("data: has at most {most} bytes, this has {bytes}")));
    }
    let say = async |name: &String| manner.say(hub, channel(name)?, content.clone()).await;
    let told =
        |said: Called| said.map_or_else(|refusal| error(&refusal), |place| format!("{{\"result\":{place}}}"));
    let mut responses = Vec::with_capacity(channels.len());
    for some in channels.chunks(AT_ONCE) {
        responses.extend(join_all(some.iter().map(say)).await.into_iter().map(told));
        yield_now().await;
    }
    Ok(format!("{{\"responses\":[{}]}}", responses.join(",")))
}

/// Writes a refusal as JSON.
pub(super) fn error(refusal: &Refusal) -> String {
    json!({"error":{"code":refusal.code(),"message":refusal.message}}).to_string()
}

/// Holds a position in a channel, as the published API has it.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Place {
    offset: Option<u64>,
    epoch: Option<String>,
}

impl Place {
    fn since(self) -> Since {
        let epoch = self.epoch.filter(|epoch| !epoch.is_empty());
        Since {
            epoch: epoch.map(|epoch| Epoch::kept_by_client(&epoch)),
            offset: Offset(self.offset.unwrap_or_default()),
        }
    }
}

async fn history(api: &Api, mut fields: Fields<'_>) -> Called {
    let (channel, limit, reverse) =
        (fields.channel()?, fields.take::<i64>("limit")?, fields.take("reverse")?);
    let since = fields.take::<Option<Place>>("since")?.map(Place::since);
    fields.end()?;
    if !api.rules.of(&channel).keeps() {
        return Err(Refusal::not_available(format!("history is off in {channel:?}")));
    }
    let from = since.map(|since| since.offset);
    let (after, before) = if reverse { (None, from) } else { (from, None) };
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let request =
        HistoryRequest::of(channel, limit).with_after(after).with_before(before).with_reverse(reverse);
    let clamped = request.clamped(api.hub().limits().answer_entries);
    let page = api.hub().try_read_history(&request).await?;
    let life = page.as_ref().map(|page: &HistoryPage| page.epoch);
    if since.and_then(|since| since.epoch).is_some_and(|epoch| life != Some(epoch)) {
        return Err(Refusal::unrecoverable_position("the channel has a new epoch"));
    }
    Ok(match page {
        None => no_history().to_owned(),
        Some(page) => result(&Answer::History { channel: request.channel, page, clamped }),
    })
}

async fn present(hub: &Hub, mut fields: Fields<'_>) -> Result<(ChannelId, PresencePage), Refusal> {
    let channel = fields.channel()?;
    fields.end()?;
    let page = hub.try_presence(&channel).await?;
    let page = page.ok_or_else(|| Refusal::not_available(format!("presence is off in {channel:?}")))?;
    Ok((channel, page))
}

async fn presence(hub: &Hub, fields: Fields<'_>) -> Called {
    present(hub, fields).await.map(|(channel, page)| result(&Answer::Presence { channel, page }))
}

async fn presence_stats(hub: &Hub, fields: Fields<'_>) -> Called {
    let (_, page) = present(hub, fields).await?;
    Ok(json!({"num_clients":page.sessions,"num_users":page.users}).to_string())
}

/// Says which sessions of a user are meant: one, or all, those that are still opening among them.
enum Whom {
    All,
    One(Option<SessionId>),
}

impl Whom {
    fn read(hub: &Hub, user: &UserId, fields: &mut Fields<'_>) -> Result<Self, Refusal> {
        let client: String = fields.take("client")?;
        if client.is_empty() {
            return Ok(Self::All);
        }
        let mut sessions = hub.sessions_of(user).into_iter();
        Ok(Self::One(sessions.find(|session| session.to_string() == client)))
    }
}

fn subscribe(hub: &Hub, mut fields: Fields<'_>) -> Called {
    let (channel, user) = (fields.channel()?, fields.user()?);
    let whom = Whom::read(hub, &user, &mut fields)?;
    let since = fields.take::<Option<Place>>("recover_since")?.map(Place::since);
    fields.end()?;
    let wish = Subscribe::to(channel).with_since(since);
    let _anybody = match whom {
        Whom::All => hub.subscribe_user(&user, &wish) > 0,
        Whom::One(session) => session.is_some_and(|session| hub.subscribe(session, &wish)),
    };
    Ok("{}".to_owned())
}

fn unsubscribe(hub: &Hub, mut fields: Fields<'_>) -> Called {
    let (channel, user) = (fields.channel()?, fields.user()?);
    let whom = Whom::read(hub, &user, &mut fields)?;
    fields.end()?;
    let why = Refusal::permission_denied("server unsubscribe");
    let _anybody = match whom {
        Whom::All => hub.unsubscribe_user(&user, &channel, &why) > 0,
        Whom::One(session) => session.is_some_and(|session| hub.unsubscribe(session, &channel, &why)),
    };
    Ok("{}".to_owned())
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Ending {
    code: u16,
    reason: Option<String>,
}

fn disconnect(hub: &Hub, mut fields: Fields<'_>) -> Called {
    let user = fields.user()?;
    let whom = Whom::read(hub, &user, &mut fields)?;
    let spared: Vec<String> = fields.take("whitelist")?;
    let close = match fields.take::<Option<Ending>>("disconnect")? {
        None => forced(),
        Some(Ending { code: code @ 3000..5000, reason }) => Close::new(code, reason.unwrap_or_default()),
        Some(_) => return Err(Refusal::bad_request("disconnect: the code must be 3000 to 4999")),
    };
    fields.end()?;
    let ends = |session: &SessionId| !spared.contains(&session.to_string());
    let ended = |session: &SessionId| hub.disconnect(*session, close.clone());
    let _anybody = match whom {
        Whom::All if spared.is_empty() => hub.disconnect_user(&user, &close),
        Whom::All => hub.sessions_of(&user).iter().filter(|session| ends(session) && ended(session)).count(),
        Whom::One(session) => session.iter().filter(|session| ends(session) && ended(session)).count(),
    };
    Ok("{}".to_owned())
}

fn info(hub: &Hub, fields: Fields<'_>) -> Called {
    fields.end()?;
    let stats = hub.stats();
    let node = json!({
        "uid": "1",
        "name": "chat-server",
        "version": env!("CARGO_PKG_VERSION"),
        "num_clients": stats.sessions,
        "num_users": hub.users(),
        "num_channels": stats.channels,
        "num_subs": stats.subscriptions,
    });
    Ok(json!({"nodes":[node]}).to_string())
}
