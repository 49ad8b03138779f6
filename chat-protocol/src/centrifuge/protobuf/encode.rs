//! Writes replies and pushes in Protobuf.

use std::collections::HashMap;

use chat_core::protocol::{Answer, Connected, Expiry, Frames, RequestId, SessionPresence, Subscribed};
use chat_core::transport::Kind;
use chat_core::{
    ChannelId, Close, HistoryPage, Offset, Payload, PresencePage, Recovery, Reference, Refusal, SessionId,
    UserId,
};
use prost::Message as _;

use super::schema::{
    ClientInfo, ConnectResult, Data, Disconnect, Empty, Error, HistoryResult, Moved, PresenceResult,
    PresenceStatsResult, Publication, Push, RefreshResult, Reply, SubRefreshResult, Subscribe,
    SubscribeResult, Unsubscribe,
};
use crate::centrifuge::context::{ConnectContext, ReplyContext};
use crate::centrifuge::encode::push::unsubscribe_code;
use crate::centrifuge::encode::reply::{VERSION, as_sent, is_no_history, is_temporary};
use crate::centrifuge::encode::ttl;
use crate::write::timestamp;

/// Makes a push of a publication.
pub(super) fn publication(publication: &chat_core::Publication) -> Reply {
    push(&publication.message.channel_id, |push| push.publication = Some(stored(publication)))
}

/// Makes a push of a session that joins or leaves a channel.
pub(super) fn moved(channel: &ChannelId, who: &SessionPresence, joins: bool) -> Reply {
    let (user, name) = (who.user.as_str(), who.name.as_str());
    let moved = Some(Moved { info: Some(client(who.session, user, name, who.data.as_ref())) });
    push(channel, |push| *(if joins { &mut push.join } else { &mut push.leave }) = moved)
}

/// Makes a push of an answer to no request; none if the protocol has no push for it.
pub(super) fn unasked(answer: &Answer) -> Option<Reply> {
    Some(match answer {
        Answer::Subscribed(answer) => push(&answer.channel, |push| {
            push.subscribe = Some(Subscribe {
                recoverable: answer.keeps,
                epoch: answer.epoch.to_string(),
                offset: answer.offset.0,
                positioned: true,
                data: bytes(answer.data.as_ref()),
            });
        }),
        Answer::Unsubscribed { channel, why: Some(why), .. } => push(channel, |push| {
            push.unsubscribe =
                Some(Unsubscribe { code: unsubscribe_code(why).into(), reason: why.message.clone() });
        }),
        Answer::Direct(data) => {
            let message = Some(Data { data: bytes(Some(data)) });
            Reply { push: Some(Push { message, ..Push::default() }), ..Reply::default() }
        }
        _ => return None,
    })
}

/// Makes a reply; none if the id is of no command, or the protocol has no reply for the answer.
pub(super) fn reply(id: &RequestId, session: SessionId, answer: &Answer) -> Option<Reply> {
    let context = ReplyContext::of(id)?;
    let mut reply = Reply { id: context.id, ..Reply::default() };
    match answer {
        Answer::Error(refusal) if is_no_history(context, refusal) => {
            reply.history = Some(HistoryResult::default());
        }
        Answer::Error(refusal) => reply.error = Some(error(&as_sent(refusal))),
        Answer::Subscribed(answer) => reply.subscribe = Some(subscribed(answer, context.since)),
        Answer::Unsubscribed { .. } => reply.unsubscribe = Some(Empty {}),
        Answer::Published { .. } => reply.publish = Some(Empty {}),
        Answer::Presence { page, .. } if context.method == "presence_stats" => {
            let (num_clients, num_users) = (page.sessions as u32, page.users as u32);
            reply.presence_stats = Some(PresenceStatsResult { num_clients, num_users });
        }
        Answer::Presence { page, .. } => reply.presence = Some(presence(page)),
        Answer::History { page, .. } => reply.history = Some(history(page)),
        Answer::Result(data) => reply.rpc = Some(Data { data: bytes(Some(data)) }),
        Answer::Refreshed { expires } => {
            let (client, version, (expires, ttl)) =
                (session.to_string(), VERSION.to_owned(), expiry(*expires));
            reply.refresh = Some(RefreshResult { client, version, expires, ttl });
        }
        Answer::SubscriptionRefreshed { expires, .. } => {
            let (expires, ttl) = expiry(*expires);
            reply.sub_refresh = Some(SubRefreshResult { expires, ttl });
        }
        _ => return None,
    }
    Some(reply)
}

/// Makes the reply to a connect; none if the id is of no command.
pub(super) fn connected(id: &RequestId, connected: &Connected, extra: &ConnectContext<'_>) -> Option<Reply> {
    let context = ReplyContext::of(id)?;
    let (expires, ttl) = expiry(connected.expires);
    let subs = connected.subscriptions.iter();
    let subs = subs.map(|one| (one.channel.to_string(), subscribed(one, extra.since(&one.channel))));
    let connect = Some(ConnectResult {
        client: connected.session.to_string(),
        version: VERSION.to_owned(),
        expires,
        ttl,
        data: bytes(connected.data.as_ref()),
        subs: subs.collect(),
        ping: u32::try_from(extra.ping).unwrap_or(u32::MAX),
        pong: extra.ping > 0,
        session: extra.stream.map(|stream| stream.key.to_string()).unwrap_or_default(),
        node: extra.stream.map(|stream| stream.node.to_string()).unwrap_or_default(),
    });
    Some(Reply { id: context.id, connect, ..Reply::default() })
}

/// Appends the end of an HTTP stream, in place of a close frame.
pub(in crate::centrifuge) fn disconnect(close: &Close, out: &mut Vec<u8>) {
    let disconnect = Some(Disconnect { code: close.code().into(), reason: close.message.to_string() });
    let push = Some(Push { disconnect, ..Push::default() });
    append(&Reply { push, ..Reply::default() }, out);
}

/// Writes a ping: an empty reply.
pub(super) fn ping(out: &mut Frames<'_>) {
    frame(&Reply::default(), out);
}

/// Writes a message behind its length, as a frame of its own.
pub(super) fn frame(reply: &Reply, out: &mut Frames<'_>) {
    out.write(Kind::Binary, |out| append(reply, out));
}

fn append(reply: &Reply, out: &mut Vec<u8>) {
    reply.encode_length_delimited(out).expect("a Vec takes it");
}

fn push(channel: &ChannelId, fill: impl FnOnce(&mut Push)) -> Reply {
    let mut push = Push { channel: channel.to_string(), ..Push::default() };
    fill(&mut push);
    Reply { push: Some(push), ..Reply::default() }
}

fn stored(publication: &chat_core::Publication) -> Publication {
    let message = &publication.message;
    let client = publication.from.map(|session| session.to_string()).unwrap_or_default();
    let name = message.sender_name.as_str();
    let user = publication.author.as_ref().map_or(name, UserId::as_str).to_owned();
    let conn_info = if user == name { Vec::new() } else { named(name) };
    Publication {
        data: bytes(Some(&message.content)),
        info: Some(ClientInfo { user, client, conn_info }),
        offset: if publication.ephemeral { 0 } else { publication.offset.0 },
        tags: tags(publication),
    }
}

fn tags(publication: &chat_core::Publication) -> HashMap<String, String> {
    let mut time = Vec::new();
    timestamp(&publication.message.timestamp, &mut time);
    let mut tags = HashMap::from([("time".to_owned(), String::from_utf8_lossy(&time).into_owned())]);
    let mut tag = |name: &str, value: String| tags.insert(name.to_owned(), value);
    publication.told_event().into_iter().for_each(|event| drop(tag("event", event.to_string())));
    match publication.refers {
        None => {}
        Some(Reference::Edit(offset)) => drop(tag("edits", offset.to_string())),
        Some(Reference::Delete(offset)) => drop(tag("deletes", offset.to_string())),
    }
    if publication.is_signal() {
        tag("signal", "true".to_owned());
    }
    tags
}

fn client(session: SessionId, user: &str, name: &str, seen: Option<&Payload>) -> ClientInfo {
    let conn_info = match seen {
        Some(seen) => bytes(Some(seen)),
        None if name != user => named(name),
        None => Vec::new(),
    };
    ClientInfo { user: user.to_owned(), client: session.to_string(), conn_info }
}

fn named(name: &str) -> Vec<u8> {
    serde_json::json!({ "name": name }).to_string().into_bytes()
}

fn subscribed(answer: &Subscribed, since: Option<Offset>) -> SubscribeResult {
    let recovered = answer.recovery == Some(Recovery::Recovered);
    let (expires, ttl) = expiry(answer.expires);
    SubscribeResult {
        expires,
        ttl,
        recoverable: answer.keeps,
        epoch: answer.epoch.to_string(),
        recovered,
        offset: since.filter(|_| recovered).unwrap_or(answer.offset).0,
        positioned: true,
        data: bytes(answer.data.as_ref()),
        was_recovering: since.is_some(),
    }
}

fn history(page: &HistoryPage) -> HistoryResult {
    let publications = page.publications.iter().map(|publication| stored(publication)).collect();
    HistoryResult { publications, epoch: page.epoch.to_string(), offset: page.offset.0 }
}

fn presence(page: &PresencePage) -> PresenceResult {
    let each = page.present.iter().flat_map(|present| {
        let who =
            |session| client(session, present.user.as_str(), present.name.as_str(), present.data.as_ref());
        present.sessions.iter().map(move |session| (session.to_string(), who(*session)))
    });
    PresenceResult { presence: each.collect() }
}

fn error(refusal: &Refusal) -> Error {
    let message =
        if refusal.message.is_empty() { refusal.reason.to_string() } else { refusal.message.clone() };
    Error { code: refusal.code().into(), message, temporary: is_temporary(refusal) }
}

fn expiry(expires: Option<Expiry>) -> (bool, u32) {
    let ttl = expires.map(|expires| u32::try_from(ttl(expires)).unwrap_or(u32::MAX));
    (ttl.is_some(), ttl.unwrap_or_default())
}

fn bytes(payload: Option<&Payload>) -> Vec<u8> {
    payload.map(|payload| payload.as_bytes().to_vec()).unwrap_or_default()
}
