//! The streaming endpoints of Serverpod 0.9 to 3.4: one stream of objects for each endpoint, and not a word about what becomes of them.
//!
//! Where the original falls silent, and a client could stand any word in its place, there is one: who is not let into a channel, or is taken out of it,
//! gets a `ChannelSubscription` that says so. For the rest the protocol has no words, and clients drop the connection over one that they do not know:
//! what goes wrong counts as a strike, and where the original leaves a dead socket behind, the session is closed with 3501 and why.

use std::borrow::Cow;

use chat_core::{
    Answer, BadRequest, ChannelId, Close, Command, Connect, Cost, Frames, Hello, Limits, Message, Opener,
    Protocol, Publication, Publish, Refusal, Reply, Request, RequestId, SenderName, SessionId, Subscribe,
    Talk, Token, Welcome,
};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::classes::{NoObject, Object, is_told, message, read, subscription};
use super::typed::Typed;
use super::{ENDPOINT, auth};
use crate::read::{check_depth, object, string, text};

/// The protocol of `/websocket`.
///
/// `?auth=` on the URL, or nothing, opens the session; a client is let in as the endpoint says. The command `auth` refreshes it, with an empty token if
/// it signs out. If the endpoint refuses that (but for 108: it knows no tokens), the session ends with 4001, and the client comes back as who it is now.
#[derive(Clone, Copy, Debug, Default)]
pub struct Legacy;

/// A frame of a client.
#[derive(Debug)]
enum Frame<'a> {
    Ping,
    /// Who it is from now on; nobody, if it signs out.
    Auth(Option<Cow<'a, str>>),
    Object(Cow<'a, str>, Typed<'a>),
    /// A command that is none.
    Unknown,
}

#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow)]
    command: Option<Cow<'a, str>>,
    #[serde(borrow)]
    args: Option<&'a RawValue>,
    #[serde(borrow)]
    endpoint: Option<Cow<'a, str>>,
    #[serde(borrow)]
    object: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Args<'a> {
    #[serde(borrow)]
    key: Option<&'a RawValue>,
}

/// What is wrong with a frame.
enum Wrong {
    /// The original goes on as if nothing had come.
    Ignored(&'static str),
    /// The original stops listening.
    Fatal(&'static str),
}

use Wrong::{Fatal, Ignored};

/// Marks the answers to an `auth`.
const AUTH: &str = "auth";

/// Marks, before a channel's name, the answer to the wish to join it.
const JOIN: &str = "join ";

impl Protocol for Legacy {
    fn name(&self) -> &'static str {
        "serverpod-legacy"
    }

    /// The key stands there as it is; servers up to 2.9 took a wrapped one too.
    fn welcome(&self, opening: &Opener<'_>) -> Option<Welcome> {
        let query = opening.query.unwrap_or_default();
        let given = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "auth");
        let token = given.map(|(_, value)| token(auth::key(&value).as_deref().unwrap_or(&value)));
        let hello = Hello::Now(Connect { token, ..Connect::default() });
        Some(Welcome { hello, ..Welcome::default() })
    }

    fn talk(&self, _: SessionId, limits: &Limits) -> Box<dyn Talk> {
        Box::new(Spoken { depth: limits.json_depth, named: false })
    }

    fn encode_publication(&self, publication: &Publication, out: &mut Frames<'_>) {
        if is_told(publication) {
            out.text(|out| {
                out.reserve(publication.message.content.as_bytes().len() + 240);
                sent(out, |out| message(&publication.message, out));
            });
        }
    }
}

/// One session's side.
struct Spoken {
    depth: usize,
    /// A message has said whom it is from.
    named: bool,
}

impl Talk for Spoken {
    fn decode(&mut self, message: Message<'_>, requests: &mut Vec<Result<Request, BadRequest>>) {
        let read =
            text(message).ok_or(Fatal("no UTF-8")).and_then(|text| frame(text, self.depth)).and_then(request);
        if let Ok((_, Some(name))) = &read
            && !std::mem::replace(&mut self.named, true)
        {
            requests.push(Ok(Request::new(Command::Rename(name.clone()))));
        }
        requests.push(read.map(|(request, _)| request).map_err(|wrong| match wrong {
            Ignored(why) => BadRequest::new(None, Refusal::bad_request(why)),
            Fatal(why) => BadRequest {
                close: Some(Close::new(Close::BAD_REQUEST.code, why)),
                ..BadRequest::new(None, Refusal::bad_request(why))
            },
        }));
    }

    fn encode_reply(&mut self, reply: &Reply, out: &mut Frames<'_>) {
        match &reply.answer {
            Answer::Pong => out.text(|out| out.extend(br#"{"command":"pong"}"#)),
            Answer::Error(_) => {
                joining(reply).into_iter().for_each(|channel| told(&channel, false, out));
            }
            Answer::Unsubscribed { channel, why: Some(_), .. } => told(channel, false, out),
            Answer::Subscribed(subscribed) if reply.id.is_none() => told(&subscribed.channel, true, out),
            Answer::Connected(connected) => {
                connected.subscriptions.iter().for_each(|one| told(&one.channel, true, out));
            }
            _ => {}
        }
    }

    /// What cannot be said counts as a strike, unless it is the server that failed.
    fn cost(&self, refused: &Reply, usual: Cost) -> Cost {
        let Answer::Error(refusal) = &refused.answer else { return usual };
        let is_auth = refused.id.as_ref().is_some_and(|id| &*id.0 == AUTH);
        match usual {
            Cost::Nothing if is_auth && refusal.code == 108 => Cost::Nothing,
            Cost::Nothing if is_auth => Cost::End(Close::new(4001, "come back as who you are now")),
            Cost::Nothing if refusal.code != 100 && joining(refused).is_none() => Cost::Strike,
            usual => usual,
        }
    }
}

fn token(key: &str) -> Token {
    Token(key.into())
}

/// The channel that a request wanted to join.
fn joining(reply: &Reply) -> Option<ChannelId> {
    reply.id.as_ref()?.0.strip_prefix(JOIN)?.parse().ok()
}

fn told(channel: &ChannelId, subscribe: bool, out: &mut Frames<'_>) {
    out.text(|out| sent(out, |out| subscription(channel, subscribe, out)));
}

/// Writes an object of the endpoint.
fn sent(out: &mut Vec<u8>, object: impl FnOnce(&mut Vec<u8>)) {
    out.extend(br#"{"endpoint":"chat","object":"#);
    object(out);
    out.push(b'}');
}

/// A command counts before an endpoint, and always has arguments.
fn frame(text: &str, depth: usize) -> Result<Frame<'_>, Wrong> {
    let shallow = check_depth(text, depth).ok().and_then(|()| object(text));
    let fields: Fields<'_> = shallow.ok_or(Fatal("no object of a stream"))?;
    let Some(command) = fields.command else {
        let endpoint = fields.endpoint.ok_or(Fatal("no endpoint"))?;
        let value = fields.object.and_then(Typed::read).ok_or(Fatal("no typed object"))?;
        return Ok(Frame::Object(endpoint, value));
    };
    let args: Args<'_> = fields.args.and_then(|args| object(args.get())).ok_or(Fatal("no args"))?;
    Ok(match &*command {
        "ping" => Frame::Ping,
        "auth" => Frame::Auth(match args.key {
            None => None,
            Some(key) => Some(string(key).ok_or(Fatal("no key"))?),
        }),
        _ => Frame::Unknown,
    })
}

/// What is asked, and by whom if that is told.
fn request(frame: Frame<'_>) -> Result<(Request, Option<SenderName>), Wrong> {
    let marked = |id: String, command| Request { id: Some(RequestId(id.into())), command };
    let request = match frame {
        Frame::Ping => Request::new(Command::Ping),
        Frame::Auth(key) => marked(AUTH.to_owned(), Command::Refresh(refreshed(key)?)),
        Frame::Unknown => return Err(Ignored("unknown command")),
        Frame::Object(endpoint, _) if endpoint != ENDPOINT => return Err(Fatal("unknown endpoint")),
        Frame::Object(_, value) => match read(&value).map_err(not_taken)? {
            Object::Message(channel, content, name) => {
                return Ok((Request::new(Command::Publish(Publish::to(channel, content))), name));
            }
            Object::Subscription(channel, true) => {
                marked(format!("{JOIN}{channel}"), Command::Subscribe(Subscribe::to(channel)))
            }
            Object::Subscription(channel, false) => Request::new(Command::Unsubscribe(channel)),
        },
    };
    Ok((request, None))
}

/// Clients up to 2.0 send the key as it is; one that could be wrapped and is not well is no key.
fn refreshed(key: Option<Cow<'_, str>>) -> Result<Token, Wrong> {
    let Some(value) = key else { return Ok(token("")) };
    auth::key(&value).map(|key| token(&key)).map_err(|_| Ignored("no value of a header"))
}

fn not_taken(why: NoObject) -> Wrong {
    Ignored(match why {
        NoObject::Unknown => "unknown class",
        NoObject::Malformed => "not of its class",
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn heard(text: &str) -> Result<Request, BadRequest> {
        let mut requests = Vec::new();
        Spoken { depth: 128, named: false }.decode(Message::Text(text), &mut requests);
        requests.pop().expect("one for each")
    }

    fn closed(text: &str) -> Option<String> {
        heard(text).expect_err(text).close.map(|close| close.to_string())
    }

    /// As the frame came.
    fn again(text: &str) -> String {
        let mut out = Vec::new();
        match frame(text, 128).map_err(|_| text).expect("a frame") {
            Frame::Ping => out.extend(br#"{"command":"ping","args":{}}"#),
            Frame::Auth(key) => {
                let key = serde_json::to_string(&key).expect("JSON");
                out.extend(format!(r#"{{"command":"auth","args":{{"key":{key}}}}}"#).bytes());
            }
            Frame::Object(endpoint, value) => {
                out.extend(format!(r#"{{"endpoint":"{endpoint}","object":"#).bytes());
                value.write(&mut out);
                out.push(b'}');
            }
            Frame::Unknown => {}
        }
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn every_frame_of_the_page_is_read_and_stands_as_it_came() {
        for vector in [
            r#"{"command":"ping","args":{}}"#,
            r#"{"command":"auth","args":{"key":"Basic MTI6c2VjcmV0"}}"#,
            r#"{"command":"auth","args":{"key":null}}"#,
            r#"{"endpoint":"streaming","object":{"className":"SimpleData","data":{"__className__":"SimpleData","num":42}}}"#,
            r#"{"endpoint":"streaming","object":{"className":"SimpleData","data":{"num":42}}}"#,
            r#"{"endpoint":"serverpod_chat.chat","object":{"className":"serverpod_chat.ChatMessagePost","data":{"__className__":"serverpod_chat.ChatMessagePost","channel":"general","message":"hi","clientMessageId":7}}}"#,
        ] {
            assert_eq!(again(vector), vector);
        }
    }

    #[test]
    fn frames_are_asked_for_what_they_say() {
        let room: ChannelId = "room".parse().expect("a name");
        let command = |text: &str| heard(text).expect("a request").command;
        assert_eq!(command(r#"{"args":{},"x":1,"command":"ping"}"#), Command::Ping);
        let refreshed = command(r#"{"command":"auth","args":{"key":"Basic MTI6c2VjcmV0"}}"#);
        assert_eq!(refreshed, Command::Refresh("12:secret".into()));
        assert_eq!(
            command(r#"{"command":"auth","args":{"key":"12:raw"}}"#),
            Command::Refresh("12:raw".into())
        );
        assert_eq!(command(r#"{"command":"auth","args":{"key":null}}"#), Command::Refresh("".into()));
        let said = r#"{"endpoint":"chat","object":{"className":"ChatMessage","data":{"senderName":"x","content":"hi","timestamp":"2024-01-02T03:04:05.678Z","channelId":"room"}}}"#;
        let publish = Publish::to(room.clone(), chat_core::Payload::json(r#""hi""#));
        assert_eq!(command(said), Command::Publish(publish));
        let wish = |subscribe| {
            format!(
                r#"{{"endpoint":"chat","object":{{"className":"ChannelSubscription","data":{{"__className__":"ChannelSubscription","channelId":"room","subscribe":{subscribe}}}}}}}"#
            )
        };
        assert_eq!(command(&wish(true)), Command::Subscribe(Subscribe::to(room.clone())));
        assert_eq!(command(&wish(false)), Command::Unsubscribe(room));
    }

    #[test]
    fn where_the_original_leaves_a_dead_socket_the_session_ends_with_why() {
        for (text, why) in [
            ("no JSON", "3501 no object of a stream"),
            ("[1]", "3501 no object of a stream"),
            (r#"{"command":7,"args":{}}"#, "3501 no object of a stream"),
            (r#"{"command":"ping"}"#, "3501 no args"),
            (r#"{"command":"ping","args":[]}"#, "3501 no args"),
            (r#"{"command":"auth","args":{"key":7}}"#, "3501 no key"),
            (r#"{"object":{"className":"ChatMessage","data":{}}}"#, "3501 no endpoint"),
            (r#"{"endpoint":"chat"}"#, "3501 no typed object"),
            (r#"{"endpoint":"chat","object":{"data":{}}}"#, "3501 no typed object"),
            (
                r#"{"endpoint":"streaming","object":{"className":"ChatMessage","data":{}}}"#,
                "3501 unknown endpoint",
            ),
        ] {
            assert_eq!(closed(text).as_deref(), Some(why), "{text}");
        }
        for text in [
            r#"{"command":"dance","args":{}}"#,
            r#"{"command":"auth","args":{"key":"Basic a b"}}"#,
            r#"{"endpoint":"chat","object":{"className":"SimpleData","data":{"num":42}}}"#,
            r#"{"endpoint":"chat","object":{"className":"ChatMessage","data":{"channelId":"room"}}}"#,
        ] {
            assert_eq!(closed(text), None, "a strike: {text}");
        }
    }

    #[test]
    fn depth_128_is_read_and_129_is_not() {
        let nested = |depth: usize| {
            let x = format!("{}{}", "[".repeat(depth - 3), "]".repeat(depth - 3));
            format!(
                r#"{{"endpoint":"chat","object":{{"className":"ChatMessage","data":{{"content":"hi","channelId":"room","x":{x}}}}}}}"#
            )
        };
        assert!(heard(&nested(128)).is_ok());
        assert_eq!(closed(&nested(129)).as_deref(), Some("3501 no object of a stream"));
    }

    #[test]
    fn the_plain_key_stands_on_the_url() {
        let token = |query| match Legacy.welcome(&Opener { query, subprotocols: &[] }).expect("welcome").hello
        {
            Hello::Now(connect) => connect.token,
            other => panic!("{other:?}"),
        };
        assert_eq!(token(Some("auth=12%3Aabcdef")), Some("12:abcdef".into()));
        assert_eq!(token(Some("auth=Basic%20MTI6c2VjcmV0")), Some("12:secret".into()));
        assert_eq!(token(Some("auth=Basic%20a%20b")), Some("Basic a b".into()));
        assert_eq!((token(None), token(Some("x=1"))), (None, None));
    }

    proptest! {
        #[test]
        fn no_input_makes_it_panic(bytes in any::<Vec<u8>>(), text in ".*", key in ".*", class in ".*") {
            let mut requests = Vec::new();
            Spoken { depth: 128, named: false }.decode(Message::Binary(&bytes), &mut requests);
            let (key, class) = (serde_json::json!(key), serde_json::json!(class));
            for text in [
                text,
                format!(r#"{{"command":"auth","args":{{"key":{key}}}}}"#),
                format!(r#"{{"endpoint":"chat","object":{{"className":{class},"data":{key}}}}}"#),
                format!(r#"{{"endpoint":"chat","object":{{"className":"ChatMessage","data":{{"channelId":{key},"content":{class}}}}}}}"#),
            ] {
                Spoken { depth: 128, named: false }.decode(Message::Text(&text), &mut requests);
            }
            prop_assert_eq!(requests.len(), 5);
        }
    }
}
