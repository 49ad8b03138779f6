//! Defines the protocol of scripted sessions, with a line for each message.

use std::fmt::Write;

use crate::model::{
    Answer, BadRequest, Call, ChannelId, Command, Connect, Connected, Epoch, EventName, Gap, HistoryRequest,
    Limits, Message, Offset, Overflow, Payload, PresenceChange, PresencePage, Publication, Publish, Recovery,
    Reference, Refusal, Reply, Request, RequestId, SessionId, Since, Subscribe, Subscribed,
};
use crate::port::{Frames, Protocol, Requests, SessionCodec};

/// Encodes requests and answers as lines of text, for tests.
///
/// The requests are `connect ann TOKEN`, `refresh TOKEN`, `subscribe room OPTIONS`, `unsubscribe room`,
/// `publish room CONTENT`, `signal room CONTENT`, `once room KEY CONTENT`, `edit room 7 CONTENT`,
/// `delete room 7 CONTENT`, `history room OPTIONS`, `presence room`, `read room 7`, `call METHOD DATA`,
/// `event room NAME CONTENT`, `stay room TOKEN` and `ping`; with `#7 ` before it, a request has the id 7. The
/// options of subscribe are `quietly` (its own messages are not delivered to it), `latest`, `present`,
/// `since EPOCH OFFSET` (`any` accepts any epoch), `whole` (refused unless all of that is kept), and for slow
/// readers `drop-oldest`, `drop-newest`, `only-latest` and `resync`. The options of history are a limit,
/// `after 7`, `before 7` and `reverse`.
///
/// The answers are `connected 1 ann`, `refreshed`, `stays room`, `subscribed room 0`, `unsubscribed room`
/// (with `103 why` if the server ended it for a reason), `direct DATA` and `published room 1`, of which those
/// about a channel may end with ` already`. After `subscribed room 0` may follow ` recovered EPOCH` or
/// ` not recovered: too old EPOCH`. The others are `history room 7 more 3:CONTENT 4:CONTENT`,
/// `present room ann,bob 2/3` (users, then sessions), `read room 7`, `result DATA`, `pong`, `goodbye` and
/// `error 103 message`.
///
/// A publication is `message room 1 ann CONTENT`, `event/NAME room 1 ann CONTENT`, `edit/7 room 8 …`,
/// `delete/7 room 8 …` or `signal room 7 …`; a gap is `lost room 3 5` or `lost room presence`. A subscribe
/// with `present` is answered with the users behind ` present `, as `ann,bob`; joins and leaves are
/// `presence room +ann -bob`, with `+ann/7` if she has read to 7. Names in a script have no spaces, and
/// content is carried as it stands.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "it has nothing to set")]
pub struct Script;

impl SessionCodec for Script {
    fn decode(&mut self, message: Message<'_>, requests: &mut Requests) {
        let text = match message {
            Message::Text(text) => text,
            Message::Binary(_) => "",
        };
        requests.extend(text.split('\n').map(request));
    }

    fn encode_reply(&mut self, reply: &Reply, out: &mut Frames<'_>) {
        let mut line = String::new();
        if let Some(RequestId(id)) = &reply.id {
            let _ = write!(line, "#{id} ");
        }
        write_answer(&reply.answer, &mut line).expect("a String takes it");
        out.text(|out| out.extend(line.as_bytes()));
        if let Answer::Connected(connected) = &reply.answer {
            for subscribed in &connected.subscriptions {
                let answer = Answer::Subscribed(subscribed.clone());
                self.encode_reply(&Reply { id: None, answer }, out);
            }
        }
    }
}

impl Protocol for Script {
    fn name(&self) -> &'static str {
        "script"
    }

    fn session_codec(&self, _: SessionId, _: &Limits) -> Box<dyn SessionCodec> {
        Box::new(*self)
    }

    fn encode_publication(&self, publication: &Publication, out: &mut Frames<'_>) {
        let message = &publication.message;
        let word = match publication.refers {
            _ if publication.is_signal() => "signal".to_owned(),
            None if publication.event.is_some() => {
                format!("event/{}", publication.event.as_ref().map_or("", EventName::as_str))
            }
            None => "message".to_owned(),
            Some(Reference::Edit(offset)) => format!("edit/{offset}"),
            Some(Reference::Delete(offset)) => format!("delete/{offset}"),
        };
        let head = format!("{word} {} {} {} ", message.channel_id, publication.offset, message.sender_name);
        out.text(|out| {
            out.extend(head.as_bytes());
            out.extend(message.content.as_bytes());
        });
    }

    fn reports_gaps(&self) -> bool {
        true
    }

    fn encode_gap(&self, lost: &Gap, out: &mut Frames<'_>) {
        let line = match lost {
            Gap::Publications { channel, from, to } => format!("lost {channel} {from} {to}"),
            Gap::Presence { channel } => format!("lost {channel} presence"),
        };
        out.text(|out| out.extend(line.as_bytes()));
    }

    fn encode_presence(&self, channel: &ChannelId, change: &PresenceChange, out: &mut Frames<'_>) {
        let joined = change.joined.iter().map(|present| match present.read {
            Offset(0) => format!(" +{}", present.user),
            read => format!(" +{}/{read}", present.user),
        });
        let left = change.left.iter().map(|user| format!(" -{user}"));
        let line = joined.chain(left).collect::<String>();
        if !line.is_empty() {
            out.text(|out| out.extend(format!("presence {channel}{line}").as_bytes()));
        }
    }
}

/// Parses the options of subscribe in any order: `quietly`, `whole`, `latest`, `present`, `drop-oldest`,
/// `drop-newest`, `only-latest`, `resync`, `since EPOCH OFFSET`.
fn subscribe(channel: ChannelId, options: &str) -> Result<Subscribe, Refusal> {
    let mut wish = Subscribe::to(channel);
    let mut words = options.split_whitespace();
    while let Some(word) = words.next() {
        match word {
            "quietly" => wish.echo = false,
            "whole" => wish.whole = true,
            "latest" => wish.latest = true,
            "present" => wish.presence = true,
            "drop-oldest" => wish.overflow = Overflow::DropOldest,
            "drop-newest" => wish.overflow = Overflow::DropNewest,
            "only-latest" => wish.overflow = Overflow::Latest,
            "resync" => wish.overflow = Overflow::Resync,
            "since" => {
                let epoch = words.next().unwrap_or_default();
                let epoch = (epoch != "any").then(|| Epoch::kept_by_client(epoch));
                wish.since = offset(words.next()).map(|offset| Since { epoch, offset });
            }
            _ => return Err(Refusal::bad_request(format!("no option: {word:?}"))),
        }
    }
    Ok(wish)
}

/// Parses the rest of `once room KEY CONTENT`, `edit room 7 CONTENT` and `delete room 7 CONTENT`.
fn publish_about(word: &str, channel: ChannelId, rest: &str) -> Result<Publish, Refusal> {
    let (about, content) = rest.split_once(' ').unwrap_or((rest, "null"));
    let mut publish = Publish::to(channel, Payload::json_unchecked(content));
    match word {
        "once" => publish.key = Some(about.into()),
        word => {
            let offset = offset(Some(about)).ok_or_else(|| Refusal::bad_request("no offset"))?;
            publish.refers =
                Some(if word == "edit" { Reference::Edit(offset) } else { Reference::Delete(offset) });
        }
    }
    Ok(publish)
}

/// Parses the options of history in any order: `LIMIT`, `after N`, `before N`, `reverse`.
fn history(channel: ChannelId, options: &str) -> Result<HistoryRequest, Refusal> {
    let mut wish = HistoryRequest::of(channel, 100);
    let mut words = options.split_whitespace();
    while let Some(word) = words.next() {
        match word {
            "after" => wish.after = offset(words.next()),
            "before" => wish.before = offset(words.next()),
            "reverse" => wish.reverse = true,
            limit => wish.limit = limit.parse().map_err(|_| Refusal::bad_request("no limit"))?,
        }
    }
    Ok(wish)
}

/// Lists the users as `ann,bob`, or as `-` if there is none.
fn users(page: &PresencePage) -> String {
    let users: Vec<_> = page.present.iter().map(|present| present.user.as_str()).collect();
    if users.is_empty() { "-".to_owned() } else { users.join(",") }
}

fn offset(word: Option<&str>) -> Option<Offset> {
    word?.parse().ok().map(Offset)
}

fn split_id(line: &str) -> (Option<RequestId>, &str) {
    match line.strip_prefix('#').and_then(|line| line.split_once(' ')) {
        Some((id, rest)) => (Some(RequestId(id.into())), rest),
        None => (None, line),
    }
}

fn request(line: &str) -> Result<Request, BadRequest> {
    let (id, line) = split_id(line);
    match parse(line) {
        Ok(command) => Ok(Request { id, command }),
        Err(refusal) => Err(BadRequest::new(id, refusal)),
    }
}

fn parse(line: &str) -> Result<Command, Refusal> {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    let (name, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    Ok(match word {
        "connect" => Command::Connect(Connect {
            name: (!name.is_empty()).then(|| name.parse()).transpose()?,
            token: (!rest.is_empty()).then(|| rest.into()),
            ..Connect::default()
        }),
        "stay" => Command::RefreshSubscription(name.parse()?, rest.into()),
        "event" => {
            let (event, content) = rest.split_once(' ').unwrap_or((rest, ""));
            let event = Some(event.parse()?);
            Command::Event(Publish { event, ..Publish::to(name.parse()?, Payload::json_unchecked(content)) })
        }
        "refresh" => Command::Refresh(name.into()),
        "subscribe" => Command::Subscribe(subscribe(name.parse()?, rest)?),
        "unsubscribe" => Command::Unsubscribe(name.parse()?),
        "publish" => Command::Publish(Publish::to(name.parse()?, Payload::json_unchecked(rest))),
        "signal" => Command::Publish(Publish {
            ephemeral: true,
            ..Publish::to(name.parse()?, Payload::json_unchecked(rest))
        }),
        "once" | "edit" | "delete" => Command::Publish(publish_about(word, name.parse()?, rest)?),
        "history" => Command::History(history(name.parse()?, rest)?),
        "presence" => Command::Presence(name.parse()?),
        "read" => {
            Command::Read(name.parse()?, offset(Some(rest)).ok_or_else(|| Refusal::bad_request("no offset"))?)
        }
        "call" => Command::Call(Call { method: name.into(), data: Payload::json_unchecked(rest) }),
        "ping" => Command::Ping,
        _ => return Err(Refusal::bad_request(format!("no request: {line:?}"))),
    })
}

fn write_answer(answer: &Answer, line: &mut String) -> std::fmt::Result {
    let mark = |already: &bool| if *already { " already" } else { "" };
    match answer {
        Answer::Connected(Connected { session, name, .. }) => write!(line, "connected {session} {name}"),
        Answer::Refreshed { .. } => line.write_str("refreshed"),
        Answer::Direct(data) => write!(line, "direct {}", String::from_utf8_lossy(data.as_bytes())),
        Answer::SubscriptionRefreshed { channel, .. } => write!(line, "stays {channel}"),
        Answer::Subscribed(Subscribed { channel, offset, already, recovery, epoch, presence, .. }) => {
            write!(line, "subscribed {channel} {offset}{}", mark(already))?;
            match recovery.map(Recovery::failure) {
                None => {}
                Some(None) => write!(line, " recovered {epoch}")?,
                Some(Some(why)) => write!(line, " not recovered: {why} {epoch}")?,
            }
            presence.iter().try_for_each(|page| write!(line, " present {}", users(page)))
        }
        Answer::History { channel, page, .. } => {
            write!(line, "history {channel} {}{}", page.offset, if page.more { " more" } else { "" })?;
            let said = |publication: &Publication| {
                let content = publication.message.content.as_bytes();
                format!(" {}:{}", publication.offset, String::from_utf8_lossy(content))
            };
            page.publications.iter().try_for_each(|publication| line.write_str(&said(publication)))
        }
        Answer::Presence { channel, page } => {
            write!(line, "present {channel} {} {}/{}", users(page), page.users, page.sessions)
        }
        Answer::Read { channel, offset } => write!(line, "read {channel} {offset}"),
        Answer::Unsubscribed { channel, already, why } => {
            write!(line, "unsubscribed {channel}{}", mark(already))?;
            why.iter().try_for_each(|why| write!(line, " {} {}", why.code(), why.message))
        }
        Answer::Published { channel, offset, already } => {
            let offset = offset.map_or_else(String::new, |offset| format!(" {offset}"));
            write!(line, "published {channel}{offset}{}", mark(already))
        }
        Answer::Result(data) => write!(line, "result {}", String::from_utf8_lossy(data.as_bytes())),
        Answer::Goodbye { .. } => line.write_str("goodbye"),
        Answer::Pong => line.write_str("pong"),
        Answer::Error(refusal) => write!(line, "error {} {}", refusal.code(), refusal.message),
    }
}
