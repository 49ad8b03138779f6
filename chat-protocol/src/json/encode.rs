//! What the server says. Written field by field: content is JSON already, and the order of fields is part of the protocol.

use chat_core::{
    Answer, ChannelId, Connected, Expiry, HistoryPage, Lost, Payload, PresenceChange, PresencePage, Present,
    Publication, Recovery, Refusal, Reply, RequestId, Subscribed,
};

use crate::write::{field, list, mark, number, number_field, payload, said, string, timestamp};

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
    said(publication, out);
    author(publication, out);
    out.push(b'}');
}

fn place(publication: &Publication, out: &mut Vec<u8>) {
    out.extend(br#""offset":"#);
    number(publication.offset.0, out);
    out.push(b',');
}

pub(super) fn lost(lost: &Lost, out: &mut Vec<u8>) {
    begin("lost", None, out);
    field("channelId", lost.channel().as_str(), out);
    match lost {
        Lost::Publications { from, to, .. } => {
            number_field("from", from.0, out);
            number_field("to", to.0, out);
        }
        Lost::Presence { .. } => mark("presence", true, out),
    }
    out.push(b'}');
}

pub(super) fn presence(channel: &ChannelId, change: &PresenceChange, out: &mut Vec<u8>) {
    begin("presence", None, out);
    field("channelId", channel.as_str(), out);
    out.extend(br#","joined":"#);
    list(&change.joined, present, out);
    out.extend(br#","left":"#);
    list(&change.left, |user, out| string(user.as_str(), out), out);
    out.push(b'}');
}

fn page(page: &PresencePage, out: &mut Vec<u8>) {
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

fn history(page: &HistoryPage, clamped: Option<usize>, out: &mut Vec<u8>) {
    field("epoch", &page.epoch.to_string(), out);
    number_field("offset", page.offset.0, out);
    out.extend(br#","messages":"#);
    list(&page.publications, |publication, out| kept(publication, out), out);
    mark("more", page.more, out);
    if let Some(limit) = clamped {
        number_field("limit", limit as u64, out);
    }
}

fn kept(publication: &Publication, out: &mut Vec<u8>) {
    out.push(b'{');
    place(publication, out);
    said(publication, out);
    author(publication, out);
    out.push(b'}');
}

/// The user who said it, as presence names it, unless that is the name that is shown.
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
        None => mark("recovered", true, out),
        Some(why) => {
            out.extend(br#","recovered":false"#);
            field("why", why, out);
        }
    }
}

/// `message_bytes` is told to who comes in.
pub(super) fn reply(reply: &Reply, message_bytes: Option<usize>, out: &mut Vec<u8>) {
    let id = reply.id.as_ref();
    match &reply.answer {
        Answer::Connected(Connected { session, name, user, expires, data, .. }) => {
            begin("connected", id, out);
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
        Answer::Refreshed { expires } => {
            begin("refreshed", id, out);
            expiry(*expires, out);
        }
        Answer::Subscribed(answer) => return subscribed(id, answer, out),
        Answer::SubscriptionRefreshed { channel, expires } => {
            begin("refreshed", id, out);
            field("channelId", channel.as_str(), out);
            expiry(*expires, out);
        }
        Answer::Unsubscribed { channel, already, why } => {
            begin("unsubscribed", id, out);
            field("channelId", channel.as_str(), out);
            mark("already", *already, out);
            why.iter().for_each(|why| refusal(why, out));
        }
        Answer::Published { channel, offset, already } => {
            begin("published", id, out);
            field("channelId", channel.as_str(), out);
            number_field("offset", offset.0, out);
            mark("already", *already, out);
        }
        Answer::History { channel, page, clamped } => {
            begin("history", id, out);
            field("channelId", channel.as_str(), out);
            history(page, *clamped, out);
        }
        Answer::Presence { channel, page: presence } => {
            begin("presence", id, out);
            field("channelId", channel.as_str(), out);
            page(presence, out);
        }
        Answer::Read { channel, offset } => {
            begin("read", id, out);
            field("channelId", channel.as_str(), out);
            number_field("offset", offset.0, out);
        }
        Answer::Result(data) => {
            begin("result", id, out);
            out.extend(br#","data":"#);
            payload(data, out);
        }
        Answer::Direct(data) => {
            begin("direct", id, out);
            out.extend(br#","data":"#);
            payload(data, out);
        }
        Answer::Goodbye { come_back } => {
            begin("goodbye", id, out);
            number_field("comeBack", come_back.as_millis() as u64, out);
        }
        Answer::Pong => begin("pong", id, out),
        Answer::Error(why) => {
            begin("error", id, out);
            refusal(why, out);
        }
    }
    out.push(b'}');
}

pub(super) fn subscribed(id: Option<&RequestId>, answer: &Subscribed, out: &mut Vec<u8>) {
    begin("subscribed", id, out);
    field("channelId", answer.channel.as_str(), out);
    field("epoch", &answer.epoch.to_string(), out);
    number_field("offset", answer.offset.0, out);
    mark("already", answer.already, out);
    answer.recovery.iter().for_each(|recovery| recovered(*recovery, out));
    answer.presence.iter().for_each(|presence| page(presence, out));
    expiry(answer.expires, out);
    extra(answer.data.as_ref(), out);
    out.push(b'}');
}

/// What the endpoint says besides.
fn extra(data: Option<&Payload>, out: &mut Vec<u8>) {
    if let Some(data) = data {
        out.extend(br#","data":"#);
        payload(data, out);
    }
}

fn refusal(refusal: &Refusal, out: &mut Vec<u8>) {
    number_field("code", u64::from(refusal.code), out);
    field("reason", &refusal.reason, out);
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
    if let Some(id) = id {
        out.extend(br#","id":"#);
        out.extend(id.0.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use chat_core::{ChatMessage, Epoch, Offset, SessionId};
    use chrono::DateTime;

    use super::*;

    fn text(answer: Answer) -> String {
        let mut out = Vec::new();
        reply(&Reply { id: Some(RequestId("3".into())), answer }, None, &mut out);
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn every_frame_stands_as_the_protocol_shows_it() {
        let channel: chat_core::ChannelId = "room-1".parse().expect("a name");
        let name = |name: &str| name.parse::<chat_core::SenderName>().expect("a name");
        let message = ChatMessage {
            sender_name: name("ann"),
            content: Payload::json(r#""hi""#),
            timestamp: DateTime::from_timestamp_millis(1_795_456_800_123).expect("a time"),
            channel_id: channel.clone(),
        };
        let mut out = Vec::new();
        let mut said = Publication {
            offset: Offset(58),
            previous: Offset(57),
            epoch: Epoch(1),
            from: None,
            author: None,
            key: None,
            event: None,
            refers: None,
            ephemeral: false,
            message,
        };
        publication(&said, &mut out);
        assert_eq!(
            String::from_utf8_lossy(&out),
            r#"{"type":"message","channelId":"room-1","offset":58,"senderName":"ann","content":"hi","timestamp":"2026-11-23T18:00:00.123Z"}"#
        );
        for (user, told) in [("ann", ""), ("u-1", r#","user":"u-1""#)] {
            said.author = Some(user.parse().expect("a name"));
            let mut out = Vec::new();
            kept(&said, &mut out);
            let end = format!(r#""timestamp":"2026-11-23T18:00:00.123Z"{told}}}"#);
            assert!(String::from_utf8_lossy(&out).ends_with(&end), "its author, unless it is the name");
        }
        let (epoch, offset) = (Epoch(0x5f1c_9a02_e7b3_d846), Offset(57));
        let pairs = [
            (
                Answer::Connected(Connected {
                    session: SessionId(17),
                    name: name("ann"),
                    user: name("ann").into(),
                    expires: DateTime::from_timestamp_millis(1_795_456_800_123)
                        .map(|at| Expiry { at, left: Duration::ZERO }),
                    data: None,
                    subscriptions: Vec::new(),
                }),
                r#"{"type":"connected","id":3,"session":"17","name":"ann","expires":"2026-11-23T18:00:00.123Z"}"#,
            ),
            (
                Answer::Subscribed(Subscribed {
                    channel: channel.clone(),
                    epoch,
                    offset,
                    keeps: true,
                    already: true,
                    recovery: None,
                    presence: None,
                    expires: None,
                    data: None,
                }),
                r#"{"type":"subscribed","id":3,"channelId":"room-1","epoch":"5f1c9a02e7b3d846","offset":57,"already":true}"#,
            ),
            (
                Answer::Unsubscribed { channel: channel.clone(), already: false, why: None },
                r#"{"type":"unsubscribed","id":3,"channelId":"room-1"}"#,
            ),
            (
                Answer::Published { channel, offset: Offset(58), already: false },
                r#"{"type":"published","id":3,"channelId":"room-1","offset":58}"#,
            ),
            (Answer::Result(Payload::null()), r#"{"type":"result","id":3,"data":null}"#),
            (Answer::Pong, r#"{"type":"pong","id":3}"#),
            (
                Answer::Error(Refusal::permission_denied("no \"way\"")),
                r#"{"type":"error","id":3,"code":103,"reason":"permission denied","message":"no \"way\""}"#,
            ),
        ];
        for (answer, expected) in pairs {
            assert_eq!(text(answer), expected);
        }
    }
}
