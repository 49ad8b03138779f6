//! Writes a publication as the text that a broker carries, and reads it again.
//!
//! The [fields](super::fields) are these, of which all but `name` and `time` may be left out. A reader takes
//! no notice of others.
//!
//! ```text
//! from   the session that published it        user   its user
//! name   the name that is shown               time   microseconds since 1970, UTC
//! event  its kind                             edit, delete   the offset of the publication it refers to
//! binary 16, if the content is bytes in Base16; otherwise it is one JSON value
//! ```

use chrono::{DateTime, Utc};

use super::fields::{Fields, Writer, base16, from_base16};
use crate::machine::Draft;
use crate::model::{
    ChannelId, ChatMessage, EventName, Instant, Now, Offset, Payload, Publication, Reference, SenderName,
    SessionId,
};
use crate::port::broker::Stand;

/// Returns the [body](crate::broker::Draft::body) of a publication that the server itself makes, as a hub
/// writes it: for an engine that lets others publish than hubs, such as the transactions of a database. The
/// channel, its place, and whether it is a signal stand beside the body.
///
/// The same arguments give the same text in all nodes of one version.
///
/// ```
/// use chat_core::{Payload, broker};
/// use chrono::DateTime;
///
/// let (name, content) = ("server".parse()?, Payload::json("\"open at nine\""));
/// let body = broker::body_of_server(&name, &content, None, DateTime::UNIX_EPOCH);
/// assert!(body.ends_with("\"open at nine\""));
/// # Ok::<(), chat_core::NameError>(())
/// ```
pub fn body_of_server(
    sender: &SenderName,
    content: &Payload,
    event: Option<&EventName>,
    time: DateTime<Utc>,
) -> String {
    let (sender, content, event) = (sender.clone(), content.clone(), event.cloned());
    let now = Now { instant: Instant::START, utc: time };
    let (from, author, key, refers, receipt) = (None, None, None, None, None);
    encode(&Draft { from, author, sender, content, event, key, refers, ephemeral: false, receipt, now })
}

/// Returns the text of a message that has no place yet.
pub(super) fn encode(draft: &Draft) -> String {
    let mut writer = Writer::new();
    writer.maybe("from", draft.from);
    writer.maybe("user", draft.author.as_ref());
    writer.field("name", &draft.sender);
    writer.field("time", &draft.now.utc.timestamp_micros());
    writer.maybe("event", draft.event.as_ref());
    match draft.refers {
        Some(Reference::Edit(offset)) => writer.field("edit", &offset),
        Some(Reference::Delete(offset)) => writer.field("delete", &offset),
        None => {}
    }
    match &draft.content {
        Payload::Json(text) => writer.with_content(text),
        Payload::Binary(bytes) => {
            writer.field("binary", &16);
            writer.with_content(&base16(bytes))
        }
    }
}

/// Reads the publication of a channel that has this place; none if the text is not what a node of this
/// version writes.
pub(super) fn decode(channel: &ChannelId, stand: Stand, ephemeral: bool, text: &str) -> Option<Publication> {
    let fields = Fields::read(text)?;
    let content = match fields.text("binary").as_deref() {
        None => Payload::parse(fields.content).ok()?,
        Some("16") => Payload::Binary(from_base16(fields.content)?.into()),
        Some(_) => return None,
    };
    let refers = match (fields.may("edit")?, fields.may("delete")?) {
        (Some(offset), None) => Some(Reference::Edit(Offset(offset))),
        (None, Some(offset)) => Some(Reference::Delete(Offset(offset))),
        (None, None) => None,
        (Some(_), Some(_)) => return None,
    };
    let message = ChatMessage {
        sender_name: fields.need("name")?,
        content,
        timestamp: DateTime::from_timestamp_micros(fields.need("time")?)?,
        channel_id: channel.clone(),
    };
    let previous = if ephemeral { stand.offset } else { Offset(stand.offset.0.checked_sub(1)?) };
    let publication = Publication::new(message, stand.epoch, stand.offset)
        .with_previous(previous)
        .with_from(fields.may("from")?.map(SessionId))
        .with_author(fields.may("user")?)
        .with_event(fields.may("event")?)
        .with_refers(refers)
        .with_ephemeral(ephemeral);
    Some(publication)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Epoch;

    fn draft(content: Payload) -> Draft {
        let now = Now {
            instant: Instant::START,
            utc: DateTime::from_timestamp_micros(1_700_000_000_000_001).expect("a time"),
        };
        Draft {
            from: Some(SessionId(u64::MAX)),
            author: Some("ann".parse().expect("a name")),
            sender: "Ann \"A\"".parse().expect("a name"),
            content,
            event: Some("typing".parse().expect("a name")),
            key: None,
            refers: Some(Reference::Edit(Offset(7))),
            ephemeral: false,
            receipt: None,
            now,
        }
    }

    fn back(text: &str) -> Option<Publication> {
        decode(&"room".parse().expect("a name"), Stand::new(Epoch(5), Offset(9)), false, text)
    }

    #[test]
    fn a_publication_comes_back_as_it_was_to_the_byte() {
        let contents =
            ["{\"a\" : 1.0e400, \"a\":\"\\u0000\\ud800\u{2028}\"}", "null", " [1]\r\n", "\n\n\"\"\n"];
        let binary = Payload::Binary(vec![0, 255, 10].into());
        for content in contents.map(Payload::json).into_iter().chain([binary]) {
            let draft = draft(content.clone());
            let publication = back(&encode(&draft)).expect("it can be read");
            let Publication { message, from, author, event, refers, offset, previous, .. } = publication;
            assert_eq!(
                (message.content, from, author, event),
                (content, draft.from, draft.author, draft.event)
            );
            assert_eq!((refers, offset, previous), (draft.refers, Offset(9), Offset(8)));
            assert_eq!((message.sender_name, message.timestamp), (draft.sender, draft.now.utc));
        }
    }

    #[test]
    fn the_body_of_the_server_is_read_as_a_publication_of_nobody_else() {
        let (name, event) = ("server".parse().expect("a name"), "news".parse().expect("a name"));
        let time = DateTime::from_timestamp_micros(1_700_000_000_000_001).expect("a time");
        let content = Payload::json("[1]");
        let publication = back(&body_of_server(&name, &content, Some(&event), time)).expect("it can be read");
        let Publication { message, from, author, event: said, .. } = publication;
        assert_eq!((from, author, said), (None, None, Some(event)));
        assert_eq!((message.sender_name, message.content, message.timestamp), (name, content, time));
    }

    #[test]
    fn fields_of_a_later_version_are_passed_over_and_what_is_no_envelope_is_told_apart() {
        let text = encode(&draft(Payload::json("1")));
        assert_eq!(back(&text.replacen('\n', "\nlater x\n", 1)), back(&text));
        assert!(back(&text).is_some());
        for wrong in [
            "",
            "v 1\n\n1",
            &text.replace("v 1", "v 2"),
            &text.replace("\n\n1", "\n\n"),
            &text.replace("\n\n1", "\nbinary 16\n\n0"),
            &text.replace("\n\n1", "\nbinary 16\n\n+1"),
            &text.replace("\n\n1", "\nbinary 64\n\n00"),
            &text.replace("edit 7", "edit 7\ndelete 7"),
            &text.replace("edit 7", "edit -7"),
            &text.replace("time 1", "time 9223372036854775807"),
            &text.replace("name ", "nom "),
        ] {
            assert_eq!(back(wrong), None, "{wrong}");
        }
    }
}
