//! Finds frames in the bytes that were read, and writes frames; one file for each wire.

mod centrifuge;
mod chat;
mod content;
mod floor;
mod kind;
mod nats;
mod phoenix;
mod raw;
mod socketio;
mod websocket;

pub(crate) use content::{all_stamps, content, stamps};
pub(crate) use kind::Kind;
use websocket::{BINARY, CLOSE, PING, TEXT};
pub(crate) use websocket::{PONG, masked};

/// Names the wires: protocols in which the load speaks to a server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Wire {
    /// Lengths and bytes.
    Floor,
    /// The plain protocol in WebSocket frames.
    Chat,
    /// Centrifuge's protocol in WebSocket frames.
    Centrifuge,
    /// Phoenix Channels in WebSocket frames.
    Phoenix,
    /// Bare contents in WebSocket frames.
    Raw,
    /// NATS in WebSocket frames.
    Nats,
    /// Socket.IO in WebSocket frames.
    SocketIo,
}

/// Holds a complete frame.
pub(crate) struct Frame<'a> {
    /// Tells the kind of the frame.
    pub(crate) kind: Kind,
    /// Holds the payload.
    pub(crate) payload: &'a [u8],
    /// Counts the bytes of the frame, its header included.
    pub(crate) size: usize,
}

impl Wire {
    /// Returns the wire of a target's scheme.
    pub(crate) fn of_scheme(scheme: &str) -> Option<Self> {
        Some(match scheme {
            "floor" => Self::Floor,
            "ws" => Self::Chat,
            "centrifuge" => Self::Centrifuge,
            "phoenix" => Self::Phoenix,
            "raw" => Self::Raw,
            "nats" => Self::Nats,
            "sio" => Self::SocketIo,
            _ => return None,
        })
    }

    /// Tells whether one frame may hold several messages.
    pub(crate) fn joins(self) -> bool {
        self == Self::Nats
    }

    /// Tells whether a publisher hears itself.
    pub(crate) fn echoes(self) -> bool {
        matches!(self, Self::Centrifuge | Self::Phoenix)
    }

    /// Reads the first frame, if it is complete.
    pub(crate) fn frame(self, bytes: &[u8]) -> Option<Frame<'_>> {
        let (head, length) =
            if self == Self::Floor { floor::header(bytes)? } else { websocket::header(bytes)? };
        let size = head.checked_add(length)?;
        let payload = bytes.get(head..size)?;
        Some(Frame { kind: self.kind(bytes[0], payload), payload, size })
    }

    fn kind(self, first: u8, payload: &[u8]) -> Kind {
        match (self, first & 0x0f) {
            (Self::Floor, _) => floor::kind(payload),
            (_, PING) => Kind::Ping,
            (_, CLOSE) => Kind::Close,
            (Self::Chat, TEXT) => chat::kind(payload),
            (Self::Centrifuge, TEXT) => centrifuge::kind(payload),
            (Self::Phoenix, TEXT) => phoenix::kind(payload),
            (Self::Raw, TEXT) => raw::kind(payload),
            (Self::SocketIo, TEXT) => socketio::kind(payload),
            (Self::Nats, BINARY) => nats::kind(payload),
            _ => Kind::Other,
        }
    }

    /// Writes the greeting that must be answered first, if there is one, and returns how its answer begins.
    pub(crate) fn greet(self, out: &mut Vec<u8>) -> Option<&'static [u8]> {
        (self == Self::SocketIo).then(|| {
            socketio::connect(out);
            socketio::CONNECTED
        })
    }

    /// Writes the request that subscribes to a channel.
    pub(crate) fn subscribe(self, out: &mut Vec<u8>, channel: usize) {
        match self {
            Self::Floor => floor::subscribe(out, channel),
            Self::Chat => chat::subscribe(out, channel, true),
            Self::Centrifuge => centrifuge::subscribe(out, channel),
            Self::Phoenix => phoenix::subscribe(out, channel),
            Self::Raw => raw::subscribe(out, channel),
            Self::Nats => nats::subscribe(out, channel),
            Self::SocketIo => socketio::subscribe(out, channel),
        }
    }

    /// Writes the request that subscribes to a channel again and recovers all its messages. Only this
    /// project's servers know it.
    pub(crate) fn resume(self, out: &mut Vec<u8>, channel: usize, epoch: &str) {
        chat::resume(out, channel, epoch);
    }

    /// Finds the channel's epoch in the answer to a subscription.
    pub(crate) fn epoch(self, payload: &[u8]) -> Option<String> {
        chat::epoch(payload)
    }

    /// Writes the requests that make a connection a publisher to these channels, and returns how many answers
    /// they get.
    pub(crate) fn introduce(self, out: &mut Vec<u8>, channels: &[usize]) -> usize {
        match self {
            Self::Floor => out.extend_from_slice(b"P\n"),
            Self::Raw => masked(out, TEXT, b"P"),
            Self::SocketIo => {}
            Self::Nats => {
                nats::introduce(out);
                return 1;
            }
            // Only members may publish.
            Self::Chat => {
                channels.iter().for_each(|&channel| chat::subscribe(out, channel, false));
                return channels.len();
            }
            Self::Centrifuge => {
                centrifuge::introduce(out, channels);
                return channels.len();
            }
            Self::Phoenix => {
                channels.iter().for_each(|&channel| phoenix::subscribe(out, channel));
                return channels.len();
            }
        }
        0
    }

    /// Writes a message.
    pub(crate) fn publish(self, out: &mut Vec<u8>, channel: usize, content: &str) {
        match self {
            Self::Floor => floor::publish(out, channel, content),
            Self::Chat => chat::publish(out, channel, content),
            Self::Centrifuge => centrifuge::publish(out, channel, content),
            Self::Phoenix => phoenix::publish(out, channel, content),
            Self::Raw => raw::publish(out, channel, content),
            Self::Nats => nats::publish(out, channel, content),
            Self::SocketIo => socketio::publish(out, channel, content),
        }
    }

    /// Writes the answer to a ping of the protocol.
    pub(crate) fn reply(self, out: &mut Vec<u8>) {
        match self {
            Self::Nats => nats::reply(out),
            Self::SocketIo => socketio::reply(out),
            Self::Centrifuge => centrifuge::reply(out),
            Self::Floor | Self::Chat | Self::Phoenix | Self::Raw => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn served(opcode: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![0x80 | opcode];
        match payload.len() {
            short @ 0..126 => frame.push(short as u8),
            long => {
                frame.push(126);
                frame.extend_from_slice(&(long as u16).to_be_bytes());
            }
        }
        frame.extend_from_slice(payload);
        frame
    }

    fn kinds(wire: Wire, reads: &[&[u8]]) -> Vec<Kind> {
        let (mut held, mut kinds) = (Vec::new(), Vec::new());
        for read in reads {
            held.extend_from_slice(read);
            while let Some(frame) = wire.frame(&held) {
                kinds.push(frame.kind);
                let size = frame.size;
                held.drain(..size);
            }
        }
        assert!(held.is_empty());
        kinds
    }

    /// Checks that the kinds of frames do not depend on how reads split the bytes.
    fn heard(wire: Wire, bytes: &[u8], expected: &[Kind]) {
        for split in 0..=bytes.len() {
            let (front, back) = bytes.split_at(split);
            assert_eq!(kinds(wire, &[front, back]), expected, "{wire:?}, split at {split}");
        }
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(kinds(wire, &single), expected);
    }

    #[test]
    fn frames_are_counted_wherever_the_reads_split_them() {
        let message = format!(r#"{{"type":"message","channelId":"c-1","content":"{}"}}"#, content(1, 2));
        let mut bytes = served(TEXT, br#"{"type":"subscribed","id":1}"#);
        bytes.extend(served(TEXT, message.as_bytes()));
        bytes.extend(served(PING, b"hi"));
        bytes.extend(served(TEXT, br#"{"type":"error","code":107}"#));
        bytes.extend(served(CLOSE, &[3, 0xe8]));
        heard(Wire::Chat, &bytes, &[Kind::Joined, Kind::Delivery, Kind::Ping, Kind::Refused, Kind::Close]);
    }

    #[test]
    fn the_peers_are_heard_in_their_own_words() {
        let mut raw = served(TEXT, b"ok");
        raw.extend(served(TEXT, content(1, 2).as_bytes()));
        heard(Wire::Raw, &raw, &[Kind::Joined, Kind::Delivery]);
        let mut nats = served(BINARY, b"INFO {}\r\n");
        nats.extend(served(BINARY, b"PONG\r\n"));
        nats.extend(served(BINARY, b"PING\r\n"));
        nats.extend(served(BINARY, format!("MSG c-0 1 128\r\n{}\r\n", content(1, 2)).as_bytes()));
        heard(Wire::Nats, &nats, &[Kind::Other, Kind::Joined, Kind::Asked, Kind::Delivery]);
        let mut centrifuge = served(TEXT, br#"{"id":1,"connect":{"client":"1"}}"#);
        centrifuge.extend(served(TEXT, br#"{"id":2,"subscribe":{"offset":7}}"#));
        centrifuge.extend(served(TEXT, b"{}"));
        let push = format!(r#"{{"push":{{"channel":"c-0","pub":{{"data":"{}"}}}}}}"#, content(1, 2));
        centrifuge.extend(served(TEXT, push.as_bytes()));
        heard(Wire::Centrifuge, &centrifuge, &[Kind::Other, Kind::Joined, Kind::Asked, Kind::Delivery]);
        let mut phoenix = served(TEXT, br#"["1","1","c-0","phx_reply",{"status":"ok","response":{}}]"#);
        phoenix.extend(served(TEXT, br#"[null,null,"c-0","presence_diff",{"joins":{},"leaves":{}}]"#));
        let broadcast = format!(r#"[null,null,"c-0","said",{{"text":"{}"}}]"#, content(1, 2));
        phoenix.extend(served(TEXT, broadcast.as_bytes()));
        heard(Wire::Phoenix, &phoenix, &[Kind::Joined, Kind::Other, Kind::Delivery]);
        let mut sio = served(TEXT, br#"42["ok"]"#);
        sio.extend(served(TEXT, b"2"));
        sio.extend(served(TEXT, format!(r#"42["message","{}"]"#, content(1, 2)).as_bytes()));
        heard(Wire::SocketIo, &sio, &[Kind::Joined, Kind::Asked, Kind::Delivery]);
    }

    #[test]
    fn the_floor_answers_with_nothing_and_delivers_bytes() {
        let mut bytes = vec![0, 0, 0, 0, 3, 0, 0, 0];
        bytes.extend_from_slice(b"abc");
        heard(Wire::Floor, &bytes, &[Kind::Joined, Kind::Delivery]);
    }
}
