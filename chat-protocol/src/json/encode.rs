//! Writes replies and publications field by field: content is JSON already, and the order of fields is part
//! of the protocol.

use chat_core::protocol::{Answer, Connected, Expiry, Gap, PresenceChange, Reply, RequestId, Subscribed};
use chat_core::{ChannelId, HistoryPage, Payload, PresencePage, Present, Publication, Recovery, Refusal};

use super::context;
use crate::write::{field, flag, list, message_fields, number, number_field, payload, string, timestamp};

/// Writes a publication for all subscribers of its channel.
pub(super) fn publication(publication: &Publication, out: &mut Vec<u8>) {
    let message = &publication.message;
    out.reserve(message.content.as_bytes().len() + 160);
    out.extend(if publication.is_signal() {
        &br#"{"type":"signal","channelId":"#[..]
    } else {
        br#"{"type":"message","channelId":"#
    });
    string(message.channel_id.as_str(), out);
    out.push(b',');
    if !publication.ephemeral {
        place(publication, out);
    }
    message_fields(publication, out);
    author(publication, out);
    out.push(b'}');
}

fn place(publication: &Publication, out: &mut Vec<u8>) {
    out.extend(br#""offset":"#);
    number(publication.offset.0, out);
    out.push(b',');
}

/// Writes what a subscriber does not get.
pub(super) fn gap(lost: &Gap, out: &mut Vec<u8>) {
    begin("lost", None, out);
    in_channel(lost.channel(), out);
    match lost {
        Gap::Publications { from, to, .. } => {
            number_field("from", from.0, out);
            number_field("to", to.0, out);
        }
        Gap::Presence { .. } => flag("presence", true, out),
    }
    out.push(b'}');
}

/// Writes which users came and went.
pub(super) fn presence(channel: &ChannelId, change: &PresenceChange, out: &mut Vec<u8>) {
    begin("presence", None, out);
    in_channel(channel, out);
    out.extend(br#","joined":"#);
    list(&change.joined, present, out);
    out.extend(br#","left":"#);
    list(&change.left, |user, out| string(user.as_str(), out), out);
    out.push(b'}');
}

fn presence_page(page: &PresencePage, out: &mut Vec<u8>) {
    out.extend(br#","present":"#);
    list(&page.present, present, out);
    number_field("users", page.users as u64, out);
    number_field("sessions", page.sessions as u64, out);
}

fn present(present: &Present, out: &mut Vec<u8>) {
    out.extend(br#"{"user":"#);
    string(present.user.as_str(), out);
    field("name", present.name.as_str(), out);
    out.extend(br#","sessions":"#);
    list(&present.sessions, |session, out| string(&session.to_string(), out), out);
    if present.read.0 > 0 {
        number_field("read", present.read.0, out);
    }
    extra(present.data.as_ref(), out);
    out.push(b'}');
}

fn history_page(page: &HistoryPage, clamped: Option<usize>, out: &mut Vec<u8>) {
    field("epoch", &page.epoch.to_string(), out);
    number_field("offset", page.offset.0, out);
    out.extend(br#","messages":"#);
    list(&page.publications, |publication, out| stored(publication, out), out);
    flag("more", page.more, out);
    if let Some(limit) = clamped {
        number_field("limit", limit as u64, out);
    }
}

fn stored(publication: &Publication, out: &mut Vec<u8>) {
    out.push(b'{');
    place(publication, out);
    message_fields(publication, out);
    author(publication, out);
    out.push(b'}');
}

/// Writes the user who published, as presence names it, unless that is the name that is shown.
fn author(publication: &Publication, out: &mut Vec<u8>) {
    let name = publication.message.sender_name.as_str();
    publication
        .author
        .iter()
        .filter(|user| user.as_str() != name)
        .for_each(|user| field("user", user.as_str(), out));
}

fn recovered(recovery: Recovery, out: &mut Vec<u8>) {
    match recovery.failure() {
        None => flag("recovered", true, out),
        Some(why) => {
            out.extend(br#","recovered":false"#);
            field("why", why, out);
        }
    }
}

/// Writes a reply. `message_bytes` goes out with the reply to a connect, if clients have to be told.
pub(super) fn reply(reply: &Reply, message_bytes: Option<usize>, out: &mut Vec<u8>) {
    begin(kind(&reply.answer), reply.id.as_ref(), out);
    match &reply.answer {
        Answer::Connected(answer) => connected(answer, message_bytes, out),
        Answer::Subscribed(answer) => subscription(answer, out),
        answer => fields(answer, out),
    }
    out.push(b'}');
}

/// Writes a subscription that the server made.
pub(super) fn subscribed(answer: &Subscribed, out: &mut Vec<u8>) {
    begin("subscribed", None, out);
    subscription(answer, out);
    out.push(b'}');
}

fn kind(answer: &Answer) -> &'static str {
    match answer {
        Answer::Connected(_) => "connected",
        Answer::Refreshed { .. } | Answer::SubscriptionRefreshed { .. } => "refreshed",
        Answer::Subscribed(_) => "subscribed",
        Answer::Unsubscribed { .. } => "unsubscribed",
        Answer::Published { .. } => "published",
        Answer::History { .. } => "history",
        Answer::Presence { .. } => "presence",
        Answer::Read { .. } => "read",
        Answer::Result(_) => "result",
        Answer::Direct(_) => "direct",
        Answer::Goodbye { .. } => "goodbye",
        Answer::Pong => "pong",
        Answer::Error(_) => "error",
    }
}

fn connected(answer: &Connected, message_bytes: Option<usize>, out: &mut Vec<u8>) {
    let Connected { session, name, user, expires, data, .. } = answer;
    out.extend(br#","session":""#);
    number(session.0, out);
    out.extend(br#"","name":"#);
    string(name.as_str(), out);
    if user.as_str() != name.as_str() {
        field("user", user.as_str(), out);
    }
    expiry(*expires, out);
    message_bytes.iter().for_each(|bytes| number_field("messageBytes", *bytes as u64, out));
    extra(data.as_ref(), out);
}

fn subscription(answer: &Subscribed, out: &mut Vec<u8>) {
    in_channel(&answer.channel, out);
    field("epoch", &answer.epoch.to_string(), out);
    number_field("offset", answer.offset.0, out);
    flag("already", answer.already, out);
    answer.recovery.iter().for_each(|recovery| recovered(*recovery, out));
    answer.presence.iter().for_each(|page| presence_page(page, out));
    expiry(answer.expires, out);
    extra(answer.data.as_ref(), out);
}

fn fields(answer: &Answer, out: &mut Vec<u8>) {
    match answer {
        Answer::Refreshed { expires } => expiry(*expires, out),
        Answer::SubscriptionRefreshed { channel, expires } => {
            in_channel(channel, out);
            expiry(*expires, out);
        }
        Answer::Unsubscribed { channel, already, why } => {
            in_channel(channel, out);
            flag("already", *already, out);
            why.iter().for_each(|why| refusal(why, out));
        }
        Answer::Published { channel, offset, already } => {
            in_channel(channel, out);
            offset.iter().for_each(|offset| number_field("offset", offset.0, out));
            flag("already", *already, out);
        }
        Answer::History { channel, page, clamped } => {
            in_channel(channel, out);
            history_page(page, *clamped, out);
        }
        Answer::Presence { channel, page } => {
            in_channel(channel, out);
            presence_page(page, out);
        }
        Answer::Read { channel, offset } => {
            in_channel(channel, out);
            number_field("offset", offset.0, out);
        }
        Answer::Result(data) | Answer::Direct(data) => extra(Some(data), out),
        Answer::Goodbye { come_back } => number_field("comeBack", come_back.as_millis() as u64, out),
        Answer::Error(why) => refusal(why, out),
        Answer::Connected(_) | Answer::Subscribed(_) | Answer::Pong => {}
    }
}

fn in_channel(channel: &ChannelId, out: &mut Vec<u8>) {
    field("channelId", channel.as_str(), out);
}

/// Writes the data of the endpoint, if there is any.
fn extra(data: Option<&Payload>, out: &mut Vec<u8>) {
    if let Some(data) = data {
        out.extend(br#","data":"#);
        payload(data, out);
    }
}

fn refusal(refusal: &Refusal, out: &mut Vec<u8>) {
    number_field("code", u64::from(refusal.code()), out);
    field("reason", refusal.reason.as_str(), out);
    field("message", &refusal.message, out);
    extra(refusal.data.as_deref(), out);
}

fn expiry(expires: Option<Expiry>, out: &mut Vec<u8>) {
    if let Some(expires) = expires {
        out.extend(br#","expires":""#);
        timestamp(&expires.at, out);
        out.push(b'"');
    }
}

fn begin(kind: &str, id: Option<&RequestId>, out: &mut Vec<u8>) {
    out.extend(br#"{"type":""#);
    out.extend(kind.as_bytes());
    out.push(b'"');
    context::write(id, out);
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use chat_core::{ChatMessage, Epoch, Offset, SenderName, SessionId};
    use chrono::DateTime;

    use super::*;

    fn channel() -> ChannelId {
        "room-1".parse().expect("a name")
    }

    fn ann() -> SenderName {
        "ann".parse().expect("a name")
    }

    fn message() -> Publication {
        let message = ChatMessage {
            sender_name: ann(),
            content: Payload::json(r#""hi""#),
            timestamp: DateTime::from_timestamp_millis(1_795_456_800_123).expect("a time"),
            channel_id: channel(),
        };
        Publication::new(message, Epoch(1), Offset(58)).with_previous(Offset(57)).with_ephemeral(false)
    }

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).expect("UTF-8")
    }

    fn check(answer: Answer, expected: &str) {
        let reply = Reply { id: Some(RequestId("3".into())), answer };
        assert_eq!(written(|out| super::reply(&reply, None, out)), expected);
    }

    #[test]
    fn a_publication_stands_as_the_protocol_shows_it_with_its_author_unless_it_is_the_name() {
        let mut publication = message();
        assert_eq!(
            written(|out| super::publication(&publication, out)),
            r#"{"type":"message","channelId":"room-1","offset":58,"senderName":"ann","content":"hi","timestamp":"2026-11-23T18:00:00.123Z"}"#
        );
        for (user, field) in [("ann", ""), ("u-1", r#","user":"u-1""#)] {
            publication.author = Some(user.parse().expect("a name"));
            let end = format!(r#""timestamp":"2026-11-23T18:00:00.123Z"{field}}}"#);
            assert!(
                written(|out| stored(&publication, out)).ends_with(&end),
                "its author, unless it is the name"
            );
        }
    }

    #[test]
    fn replies_about_a_session_or_a_subscription_stand_as_the_protocol_shows_them() {
        let at = DateTime::from_timestamp_millis(1_795_456_800_123).expect("a time");
        let connected = Connected::new(SessionId(17), ann(), ann().into())
            .with_expires(Expiry { at, left: Duration::ZERO })
            .with_subscriptions(Vec::new());
        let subscribed = Subscribed::to(channel(), Epoch(0x5f1c_9a02_e7b3_d846), Offset(57))
            .with_keeps(true)
            .with_already(true);
        check(
            Answer::Connected(connected),
            r#"{"type":"connected","id":3,"session":"17","name":"ann","expires":"2026-11-23T18:00:00.123Z"}"#,
        );
        check(
            Answer::Subscribed(subscribed),
            r#"{"type":"subscribed","id":3,"channelId":"room-1","epoch":"5f1c9a02e7b3d846","offset":57,"already":true}"#,
        );
        check(
            Answer::Unsubscribed { channel: channel(), already: false, why: None },
            r#"{"type":"unsubscribed","id":3,"channelId":"room-1"}"#,
        );
    }

    #[test]
    fn every_other_reply_stands_as_the_protocol_shows_it() {
        check(
            Answer::Published { channel: channel(), offset: Some(Offset(58)), already: false },
            r#"{"type":"published","id":3,"channelId":"room-1","offset":58}"#,
        );
        check(Answer::Result(Payload::null()), r#"{"type":"result","id":3,"data":null}"#);
        check(Answer::Pong, r#"{"type":"pong","id":3}"#);
        check(
            Answer::Error(Refusal::permission_denied("no \"way\"")),
            r#"{"type":"error","id":3,"code":103,"reason":"permission denied","message":"no \"way\""}"#,
        );
    }
}
