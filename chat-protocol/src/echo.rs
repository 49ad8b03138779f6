//! Sends every message back as it came, through all that a session passes: for trying out a transport.

use chat_core::protocol::{
    Answer, Command, Frames, Message, Protocol, Reply, Request, RequestId, Requests, SessionCodec,
};
use chat_core::transport::Kind;
use chat_core::{Call, Endpoint, Limits, Payload, Publication, Refusal, SessionId, SessionInfo};

/// Reads each message as a call, and writes the result as a message.
///
/// ```
/// use std::sync::Arc;
///
/// use chat_core::testkit::{Way, World};
/// use chat_core::{Connect, Hub};
/// use chat_core::protocol::Credentials;
/// use chat_protocol::echo::{Echo, EchoEndpoint};
///
/// let world = World::new();
/// let hub = Hub::builder(EchoEndpoint).build(world.clone());
/// let credentials = Credentials::Now(Connect::named(Some("ann".parse()?)));
/// let ann = world.connect(&hub, Arc::new(Echo), credentials, Way::Bytes);
/// ann.say("hello");
/// assert_eq!(ann.heard(), ["hello"]);
/// # Ok::<(), chat_core::NameError>(())
/// ```
#[allow(clippy::exhaustive_structs, reason = "a unit, which users write as a value")]
#[derive(Clone, Copy, Debug, Default)]
pub struct Echo;

/// Answers each call with its own data.
///
/// ```
/// use chat_core::Hub;
/// use chat_core::testkit::World;
/// use chat_protocol::echo::EchoEndpoint;
///
/// let world = World::new();
/// let hub = Hub::builder(EchoEndpoint).build(world.clone());
/// let ann = world.open(&hub, "ann");
/// ann.say("#1 call anything 7");
/// assert_eq!(ann.heard(), ["#1 result 7"]);
/// ```
#[allow(clippy::exhaustive_structs, reason = "a unit, which users write as a value")]
#[derive(Clone, Copy, Debug, Default)]
pub struct EchoEndpoint;

impl Protocol for Echo {
    fn name(&self) -> &'static str {
        "echo"
    }

    fn session_codec(&self, _: SessionId, _: &Limits) -> Box<dyn SessionCodec> {
        Box::new(*self)
    }

    fn encode_publication(&self, publication: &Publication, out: &mut Frames<'_>) {
        out.text(|out| out.extend(publication.message.content.as_bytes()));
    }
}

impl SessionCodec for Echo {
    fn decode(&mut self, message: Message<'_>, requests: &mut Requests) {
        let (kind, data) = match message {
            Message::Text(text) => ("text", Payload::json_unchecked(text)),
            Message::Binary(bytes) => ("binary", Payload::Binary(bytes.into())),
        };
        let command = Command::Call(Call::new("echo".into(), data));
        requests.push(Ok(Request::new(command).with_id(Some(RequestId(kind.into())))));
    }

    fn encode_reply(&mut self, reply: &Reply, out: &mut Frames<'_>) {
        let Answer::Result(data) = &reply.answer else { return };
        let kind = if matches!(data, Payload::Binary(_)) { Kind::Binary } else { Kind::Text };
        out.write(kind, |out| out.extend(data.as_bytes()));
    }
}

impl Endpoint for EchoEndpoint {
    async fn call(&self, _: &SessionInfo, request: Call) -> Result<Payload, Refusal> {
        Ok(request.data)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use chat_core::protocol::Credentials;
    use chat_core::testkit::{Way, World};
    use chat_core::transport::Incoming;
    use chat_core::{Connect, Hub};

    use super::*;

    #[test]
    fn text_and_bytes_come_back_as_they_came() {
        let world = World::new();
        let hub = Hub::builder(EchoEndpoint).build(world.clone());
        let credentials = Credentials::Now(Connect::named(Some("ann".parse().expect("a name"))));
        let ann = world.connect(&hub, Arc::new(Echo), credentials, Way::Bytes);
        ann.say("not {json");
        ann.put(Ok(Incoming::Binary(vec![0xff, 0])));
        let (text, bytes) = (ann.next().expect("a text"), ann.next().expect("bytes"));
        assert_eq!((text.kind, &*text.payload), (Kind::Text, &b"not {json"[..]));
        assert_eq!((bytes.kind, &*bytes.payload), (Kind::Binary, &[0xff, 0][..]));
    }
}
