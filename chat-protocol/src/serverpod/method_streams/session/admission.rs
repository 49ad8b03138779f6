//! Admits calls one after the other, so that each runs with the credentials that it shows.

use std::collections::VecDeque;

use chat_core::protocol::Command;
use chat_core::{ChannelId, Connect, Token};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::read::{check_depth, object};
use crate::serverpod::auth;
use crate::serverpod::classes::{self, ENDPOINT};
use crate::serverpod::method_streams::frame::{Call, Open, Opened};

/// Names the input stream of `chat.publish`.
pub(super) const MESSAGES: &str = "messages";

/// Bounds the bytes of `auth`, as servers bound a line of a request's head.
const AUTH_BYTES: usize = 8 * 1024;

/// Tells what a call is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Returns a stream of `ChatMessage`: `chat.subscribe(channelId)`.
    Subscribe(ChannelId),
    /// Takes a stream of `ChatMessage`: `chat.publish(channelId, messages)`.
    Publish(ChannelId),
}

/// Holds a call that waits for its turn.
#[derive(Debug)]
pub(super) struct PendingCall {
    pub(super) call: Call<'static>,
    /// Holds the key that the call shows, if it shows one.
    auth: Option<Box<str>>,
    /// Holds what the call is for; none if its arguments are wrong.
    pub(super) purpose: Option<Purpose>,
}

/// Queues calls, and knows with which credentials the session is open.
#[derive(Debug, Default)]
pub(super) struct Admission {
    waiting: VecDeque<PendingCall>,
    /// Holds the key with which the session was opened or refreshed last; none if it is not open.
    known: Option<Option<Box<str>>>,
    /// Holds the key about which the endpoint is asked.
    asked: Option<Option<Box<str>>>,
}

/// Holds the arguments that both methods read.
#[derive(Deserialize)]
struct Args<'a> {
    #[serde(borrow, rename = "channelId")]
    channel: Option<&'a RawValue>,
}

/// Tells what is to be done next.
#[derive(Debug)]
pub(super) enum Step {
    /// Asks the endpoint about credentials.
    Ask(Command),
    /// Begins this call.
    Begin(PendingCall),
}

impl Admission {
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn push(&mut self, pending: PendingCall) {
        self.waiting.push_back(pending);
    }

    /// Removes a call that still waits.
    pub(super) fn take(&mut self, call: &Call<'_>) -> Option<PendingCall> {
        let at = self.waiting.iter().position(|pending| pending.call == *call)?;
        self.waiting.remove(at)
    }

    /// Returns what is to be done next; nothing while the endpoint is asked.
    pub(super) fn next(&mut self) -> Option<Step> {
        if self.asked.is_some() {
            return None;
        }
        let first = self.waiting.front()?;
        let token = first.auth.as_deref().map(Token::from);
        let command = match (&self.known, token) {
            (None, token) => Command::Connect(Connect::default().with_token(token)),
            // A call that shows nothing runs with the session's credentials.
            (Some(known), Some(token)) if *known != first.auth => Command::Refresh(token),
            _ => return self.waiting.pop_front().map(Step::Begin),
        };
        self.asked = Some(first.auth.clone());
        Some(Step::Ask(command))
    }

    /// Takes note that the endpoint has accepted the credentials.
    pub(super) fn granted(&mut self) {
        self.known = self.asked.take().or(self.known.take());
    }

    /// Removes every call that shows the credentials that the endpoint refused.
    pub(super) fn denied(&mut self) -> Vec<PendingCall> {
        let asked = self.asked.take();
        let same = |call: &PendingCall| Some(&call.auth) == asked.as_ref();
        let (denied, waiting) = std::mem::take(&mut self.waiting).into_iter().partition(same);
        self.waiting = waiting;
        Vec::from(denied)
    }
}

impl PendingCall {
    /// Checks a request for a call, in the order in which Serverpod does.
    ///
    /// # Errors
    /// The answer that the client gets.
    pub(super) fn of(open: Open<'_>, depth: usize, name_bytes: usize) -> Result<Self, Opened> {
        let shallow = check_depth(&open.args, depth).ok().and_then(|()| object(&open.args));
        let args: Args<'_> = shallow.ok_or(Opened::InvalidArguments)?;
        let auth = open.auth.map(|value| credentials(&value)).transpose()?;
        let short = |channel: &ChannelId| channel.as_str().len() <= name_bytes;
        let channel = args.channel.and_then(classes::channel).filter(short);
        let purpose = match (&*open.call.endpoint, &*open.call.method) {
            (ENDPOINT, "subscribe") => channel.map(Purpose::Subscribe),
            (ENDPOINT, "publish") => {
                let has_input = open.inputs.iter().any(|input| input == MESSAGES);
                channel.filter(|_| has_input).map(Purpose::Publish)
            }
            _ => return Err(Opened::EndpointNotFound),
        };
        Ok(Self { call: open.call.into_owned(), auth, purpose })
    }
}

/// Reads the key of a call. A value that keeps to no scheme fails this call alone; in the original it closes
/// the socket.
fn credentials(value: &str) -> Result<Box<str>, Opened> {
    let key = auth::key(value).ok().filter(|_| value.len() <= AUTH_BYTES && auth::is_header(value));
    key.map(Box::from).ok_or(Opened::AuthenticationFailed)
}
