//! Sends every message back as it came: no channel, no chat, but all of a session's machinery between.

use chat_core::{
    Answer, BadRequest, Call, Command, Endpoint, Frames, Kind, Limits, Message, Payload, Protocol,
    Publication, Refusal, Reply, Request, RequestId, SessionId, SessionInfo, Talk,
};

/// The protocol: a message is a call, its result is the message.
#[derive(Clone, Copy, Debug, Default)]
pub struct Echo;

/// The endpoint: a call's result is its data.
#[derive(Clone, Copy, Debug, Default)]
pub struct EchoEndpoint;

impl Protocol for Echo {
    fn name(&self) -> &'static str {
        "echo"
    }

    fn talk(&self, _: SessionId, _: &Limits) -> Box<dyn Talk> {
        Box::new(*self)
    }

    fn encode_publication(&self, publication: &Publication, out: &mut Frames<'_>) {
        out.text(|out| out.extend(publication.message.content.as_bytes()));
    }
}

impl Talk for Echo {
    fn decode(&mut self, message: Message<'_>, requests: &mut Vec<Result<Request, BadRequest>>) {
        let (kind, data) = match message {
            Message::Text(text) => ("text", Payload::json_unchecked(text)),
            Message::Binary(bytes) => ("binary", Payload::Binary(bytes.into())),
        };
        let command = Command::Call(Call { method: "echo".into(), data });
        requests.push(Ok(Request { id: Some(RequestId(kind.into())), command }));
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
