//! Calls on their way in: what they want, and who wants it. One is let in after the other, so that each is made as who it says it is.

use std::collections::VecDeque;

use chat_core::{ChannelId, Command, Connect, Token};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::read::{check_depth, object};
use crate::serverpod::method_streams::frame::{Call, Open, Opened};
use crate::serverpod::{ENDPOINT, auth, classes};

/// The input stream of `chat.publish`.
pub(super) const MESSAGES: &str = "messages";

/// The longest value of `auth`, as of a line of a request's head.
const AUTH_BYTES: usize = 8 * 1024;

/// What a call is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// `chat.subscribe(channelId)`: a stream of `ChatMessage`.
    Subscribe(ChannelId),
    /// `chat.publish(channelId, messages)`: takes a stream of `ChatMessage`, returns nothing.
    Publish(ChannelId),
}

/// A call that waits to be let in.
#[derive(Debug)]
pub(super) struct Opening {
    pub(super) call: Call<'static>,
    /// The key that it shows, if it shows one.
    auth: Option<Box<str>>,
    /// None if its arguments do not hold.
    pub(super) wish: Option<Wish>,
}

/// Lets calls in.
#[derive(Debug, Default)]
pub(super) struct Gate {
    waiting: VecDeque<Opening>,
    /// What the session was opened or refreshed with last; none if it is not open.
    known: Option<Option<Box<str>>>,
    /// What the endpoint is asked about.
    asked: Option<Option<Box<str>>>,
}

/// What comes next.
#[derive(Debug)]
pub(super) enum Next {
    /// To ask the endpoint who this is.
    Ask(Command),
    /// To begin this call.
    Begin(Opening),
}

impl Gate {
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn push(&mut self, opening: Opening) {
        self.waiting.push_back(opening);
    }

    /// Takes a call out that is not let in yet.
    pub(super) fn take(&mut self, call: &Call<'_>) -> Option<Opening> {
        let at = self.waiting.iter().position(|opening| opening.call == *call)?;
        self.waiting.remove(at)
    }

    /// What is to be done next; nothing while the endpoint is asked.
    pub(super) fn next(&mut self) -> Option<Next> {
        if self.asked.is_some() {
            return None;
        }
        let first = self.waiting.front()?;
        let token = first.auth.as_deref().map(Token::from);
        let command = match (&self.known, token) {
            (None, token) => Command::Connect(Connect { token, ..Connect::default() }),
            // A call that shows nothing is made as who the session is.
            (Some(known), Some(token)) if *known != first.auth => Command::Refresh(token),
            _ => return self.waiting.pop_front().map(Next::Begin),
        };
        self.asked = Some(first.auth.clone());
        Some(Next::Ask(command))
    }

    /// The endpoint let it in.
    pub(super) fn granted(&mut self) {
        self.known = self.asked.take().or(self.known.take());
    }

    /// The endpoint did not. Every call that shows the same is given back.
    pub(super) fn denied(&mut self) -> Vec<Opening> {
        let asked = self.asked.take();
        let same = |opening: &Opening| Some(&opening.auth) == asked.as_ref();
        let (denied, waiting) = std::mem::take(&mut self.waiting).into_iter().partition(same);
        self.waiting = waiting;
        Vec::from(denied)
    }
}

impl Opening {
    /// What a client wants, in the order in which Serverpod looks at it.
    ///
    /// # Errors
    /// What it is answered.
    pub(super) fn of(open: Open<'_>, depth: usize, name_bytes: usize) -> Result<Self, Opened> {
        #[derive(Deserialize)]
        struct Args<'a> {
            #[serde(borrow, rename = "channelId")]
            channel: Option<&'a RawValue>,
        }
        let shallow = check_depth(&open.args, depth).ok().and_then(|()| object(&open.args));
        let args: Args<'_> = shallow.ok_or(Opened::InvalidArguments)?;
        let auth = open.auth.map(|value| proof(&value)).transpose()?;
        let short = |channel: &ChannelId| channel.as_str().len() <= name_bytes;
        let channel = args.channel.and_then(classes::channel).filter(short);
        let wish = match (&*open.call.endpoint, &*open.call.method) {
            (ENDPOINT, "subscribe") => channel.map(Wish::Subscribe),
            (ENDPOINT, "publish") => {
                let has_input = open.inputs.iter().any(|input| input == MESSAGES);
                channel.filter(|_| has_input).map(Wish::Publish)
            }
            _ => return Err(Opened::EndpointNotFound),
        };
        Ok(Self { call: open.call.into_owned(), auth, wish })
    }
}

/// A value that is wrapped and not well closes the whole socket in the original; here it is this call's alone.
fn proof(value: &str) -> Result<Box<str>, Opened> {
    let key = auth::key(value).ok().filter(|_| value.len() <= AUTH_BYTES && auth::is_header(value));
    key.map(Box::from).ok_or(Opened::AuthenticationFailed)
}
