//! Reads the frames of clients: a command, or an object of an endpoint.

use std::borrow::Cow;

use chat_core::protocol::{BadRequest, Command, Credentials, Message, Request};
use chat_core::{Close, Connect, Publish, Refusal, SenderName, Subscribe, Token};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::context::ReplyContext;
use crate::read::{check_depth, object, string, text};
use crate::serverpod::auth;
use crate::serverpod::classes::{self, ClassError, ENDPOINT, Object};
use crate::serverpod::typed::Typed;

/// Holds one frame of a client.
#[derive(Debug)]
pub(super) enum Frame<'a> {
    Ping,
    /// Gives new credentials; none, if the client signs out.
    Auth(Option<Cow<'a, str>>),
    Object(Cow<'a, str>, Typed<'a>),
    /// Holds a command that does not exist.
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

/// Tells what the original does about a frame that is wrong, and why it is wrong.
#[derive(Debug)]
pub(super) enum Fault {
    /// Goes on as if nothing had come.
    Ignored(&'static str),
    /// Stops listening, and leaves the socket open.
    Fatal(&'static str),
}

use Fault::{Fatal, Ignored};

/// Reads the credentials on the URL: `auth` holds the key as it is; servers up to 2.9 took a wrapped one too.
pub(super) fn credentials(query: Option<&str>) -> Credentials {
    let given = form_urlencoded::parse(query.unwrap_or_default().as_bytes()).find(|(name, _)| name == "auth");
    let token = given.map(|(_, value)| token(auth::key(&value).as_deref().unwrap_or(&value)));
    Credentials::Now(Connect::default().with_token(token))
}

/// Reads one frame: its request, and the sender if it names one.
///
/// # Errors
/// 107. Ends the session where the original stops listening.
pub(super) fn read(message: Message<'_>, depth: usize) -> Result<(Request, Option<SenderName>), BadRequest> {
    let text = text(message).ok_or(Fatal("no UTF-8"));
    text.and_then(|text| frame(text, depth)).and_then(request).map_err(|fault| match fault {
        Ignored(why) => BadRequest::new(None, Refusal::bad_request(why)),
        Fatal(why) => {
            BadRequest::new(None, Refusal::bad_request(why)).with_close(Close::BAD_REQUEST.with_message(why))
        }
    })
}

/// Takes a frame apart. A command counts before an endpoint, and always has arguments.
pub(super) fn frame(text: &str, depth: usize) -> Result<Frame<'_>, Fault> {
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

/// Returns the request, and the sender if the frame names one.
fn request(frame: Frame<'_>) -> Result<(Request, Option<SenderName>), Fault> {
    let with = |context: ReplyContext, command| Request::new(command).with_id(context.to_id());
    let request = match frame {
        Frame::Ping => Request::new(Command::Ping),
        Frame::Auth(key) => with(ReplyContext::Auth, Command::Refresh(refreshed(key)?)),
        Frame::Unknown => return Err(Ignored("unknown command")),
        Frame::Object(endpoint, _) if endpoint != ENDPOINT => return Err(Fatal("unknown endpoint")),
        Frame::Object(_, value) => match classes::read(&value).map_err(not_accepted)? {
            Object::Message(channel, content, name) => {
                return Ok((Request::new(Command::Publish(Publish::to(channel, content))), name));
            }
            Object::Subscription(channel, true) => {
                with(ReplyContext::Join(channel.clone()), Command::Subscribe(Subscribe::to(channel)))
            }
            Object::Subscription(channel, false) => Request::new(Command::Unsubscribe(channel)),
        },
    };
    Ok((request, None))
}

/// Reads a key: clients up to 2.0 send it as it is. A value that names a scheme and does not keep to it is no
/// key.
fn refreshed(key: Option<Cow<'_, str>>) -> Result<Token, Fault> {
    let Some(value) = key else { return Ok(token("")) };
    auth::key(&value).map(|key| token(&key)).map_err(|_| Ignored("no value of a header"))
}

fn not_accepted(why: ClassError) -> Fault {
    Ignored(match why {
        ClassError::Unknown => "unknown class",
        ClassError::Malformed => "not of its class",
    })
}

fn token(key: &str) -> Token {
    Token(key.into())
}
