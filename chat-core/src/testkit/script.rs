//! The protocol of scripted sessions: a line for a message.

use std::fmt::Write;

use crate::model::{
    Answer, BadRequest, Call, Command, Connect, Kind, Message, Payload, Publication, Publish, Refusal, Reply,
    Request, RequestId, Subscribe,
};
use crate::port::Protocol;

/// Lines for tests: `connect ann TOKEN`, `subscribe room`, `subscribe room quietly` (not to hear oneself), `unsubscribe room`,
/// `publish room CONTENT`, `call METHOD DATA`, `ping`; with `#7 ` before it, a request has the id 7.
///
/// The answers are `connected 1 ann`, `subscribed room 0`, `unsubscribed room`, each perhaps with ` already`; `published room 1`, `result DATA`,
/// `pong` and `error 103 message`; a publication is `message room 1 ann CONTENT`. Names in a script have no spaces; content is carried as it stands.
#[derive(Clone, Copy, Debug, Default)]
pub struct Script;

impl Protocol for Script {
    fn name(&self) -> &'static str {
        "script"
    }

    fn decode(&self, message: Message<'_>, requests: &mut Vec<Result<Request, BadRequest>>) {
        let line = match message {
            Message::Text(line) => line,
            Message::Binary(_) => "",
        };
        let (id, line) = split_id(line);
        let command = parse(line);
        requests.push(match command {
            Ok(command) => Ok(Request { id, command }),
            Err(refusal) => Err(BadRequest { id, refusal }),
        });
    }

    fn encode_reply(&self, reply: &Reply, out: &mut Vec<u8>) -> Option<Kind> {
        let mut line = String::new();
        if let Some(RequestId(id)) = &reply.id {
            let _ = write!(line, "#{id} ");
        }
        write_answer(&reply.answer, &mut line).expect("a String takes it");
        out.extend(line.as_bytes());
        Some(Kind::Text)
    }

    fn encode_publication(&self, publication: &Publication, out: &mut Vec<u8>) -> Kind {
        let message = &publication.message;
        let head = format!("message {} {} {} ", message.channel_id, publication.offset, message.sender_name);
        out.extend(head.as_bytes());
        out.extend(message.content.as_bytes());
        Kind::Text
    }
}

fn split_id(line: &str) -> (Option<RequestId>, &str) {
    match line.strip_prefix('#').and_then(|line| line.split_once(' ')) {
        Some((id, rest)) => (Some(RequestId(id.into())), rest),
        None => (None, line),
    }
}

fn parse(line: &str) -> Result<Command, Refusal> {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    let (name, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    Ok(match word {
        "connect" => Command::Connect(Connect {
            name: (!name.is_empty()).then(|| name.parse()).transpose()?,
            token: (!rest.is_empty()).then(|| rest.into()),
        }),
        "subscribe" => Command::Subscribe(Subscribe { channel: name.parse()?, echo: rest != "quietly" }),
        "unsubscribe" => Command::Unsubscribe(name.parse()?),
        "publish" => Command::Publish(Publish { channel: name.parse()?, content: Payload::json(rest) }),
        "call" => Command::Call(Call { method: name.into(), data: Payload::json(rest) }),
        "ping" => Command::Ping,
        _ => return Err(Refusal::bad_request(format!("no request: {line:?}"))),
    })
}

fn write_answer(answer: &Answer, line: &mut String) -> std::fmt::Result {
    let mark = |already: &bool| if *already { " already" } else { "" };
    match answer {
        Answer::Connected { session, name } => write!(line, "connected {session} {name}"),
        Answer::Subscribed { channel, offset, already, .. } => {
            write!(line, "subscribed {channel} {offset}{}", mark(already))
        }
        Answer::Unsubscribed { channel, already } => {
            write!(line, "unsubscribed {channel}{}", mark(already))
        }
        Answer::Published { channel, offset } => write!(line, "published {channel} {offset}"),
        Answer::Result(data) => write!(line, "result {}", String::from_utf8_lossy(data.as_bytes())),
        Answer::Pong => line.write_str("pong"),
        Answer::Error(refusal) => write!(line, "error {} {}", refusal.code, refusal.message),
    }
}
