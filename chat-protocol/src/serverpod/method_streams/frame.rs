//! Defines the frames of both sides: `{"type":…,"data":{…}}` (`websocket_messages.dart`).

use std::borrow::Cow;

use crate::serverpod::typed::Typed;

/// Holds a frame of either side.
#[derive(Clone, Debug)]
pub(super) enum Frame<'a> {
    Ping,
    Pong,
    /// Asks to open a call: `omsc`.
    Open(Open<'a>),
    /// Tells whether a call is open: `omsr`.
    Opened(Call<'a>, Opened),
    /// Carries one value, for the named input or of the call's own stream: `msm`.
    Value(Call<'a>, Input<'a>, Typed<'a>),
    /// Carries an exception with its class: `msse`.
    Exception(Call<'a>, Input<'a>, Typed<'a>),
    /// Ends the named input, or the whole call: `cmsc`.
    Close(Call<'a>, Input<'a>, CloseReason),
    /// Tells that the other side sent an unknown message, upon which this side closes: `brm`.
    Bad(Cow<'a, str>),
}

/// Names a call, by all three in every frame.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Call<'a> {
    pub(super) endpoint: Cow<'a, str>,
    pub(super) method: Cow<'a, str>,
    /// Holds a UUID of the client's choice, as it wrote it.
    pub(super) cid: Cow<'a, str>,
}

/// Names an input stream; none for the call's own stream.
pub(super) type Input<'a> = Option<Cow<'a, str>>;

/// Holds a request to open a call.
#[derive(Clone, Debug)]
pub(super) struct Open<'a> {
    pub(super) call: Call<'a>,
    /// Holds a JSON object, as text.
    pub(super) args: Cow<'a, str>,
    pub(super) inputs: Vec<Cow<'a, str>>,
    /// Holds the value of a header.
    pub(super) auth: Option<Cow<'a, str>>,
    /// Tells where else the client expects its credentials to be, such as in a `cookie`; since 4.0.
    pub(super) mode: Option<Cow<'a, str>>,
}

/// Tells whether a call is open, or why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opened {
    Success,
    EndpointNotFound,
    AuthenticationFailed,
    AuthorizationDeclined,
    InvalidArguments,
}

/// Tells how a stream ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CloseReason {
    Done,
    Error,
}

impl Opened {
    pub(super) const ALL: [(&'static str, Self); 5] = [
        ("success", Self::Success),
        ("endpointNotFound", Self::EndpointNotFound),
        ("authenticationFailed", Self::AuthenticationFailed),
        ("authorizationDeclined", Self::AuthorizationDeclined),
        ("invalidArguments", Self::InvalidArguments),
    ];

    pub(super) fn name(self) -> &'static str {
        Self::ALL[self as usize].0
    }
}

impl Call<'_> {
    pub(super) fn into_owned(self) -> Call<'static> {
        let own = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        Call { endpoint: own(self.endpoint), method: own(self.method), cid: own(self.cid) }
    }
}
