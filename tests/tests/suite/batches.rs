//! Tests that a message of several commands may be as large as a client needs that rejoins all its channels,
//! and each command as large as a request.

use chat_core::Limits;
use chat_tests::program::Program;
use chat_tests::raw::{Raw, frame, request};

/// Names the encodings of Centrifuge's commands.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Form {
    Json,
    Protobuf,
}

const FORMS: [Form; 2] = [Form::Json, Form::Protobuf];

impl Form {
    fn open(self, server: &Program) -> Raw {
        let spoken = if self == Self::Protobuf { "?cf_protocol=protobuf" } else { "" };
        Raw::open(server.address, &format!("/connection/websocket{spoken}"))
    }

    fn connect(self) -> Vec<u8> {
        match self {
            Self::Json => br#"{"id":1,"connect":{}}"#.to_vec(),
            Self::Protobuf => [field(8, 1), bytes(0x22, b"")].concat(),
        }
    }

    /// Returns a subscribe of exactly this many bytes, padded by its epoch.
    fn subscribe(self, n: usize, size: usize) -> Vec<u8> {
        let of = |epoch: usize| match self {
            Self::Json => {
                let place = format!(r#""recover":true,"offset":1,"epoch":"{}""#, "x".repeat(epoch));
                format!(r#"{{"id":{},"subscribe":{{"channel":"room-{n}",{place}}}}}"#, n + 2).into_bytes()
            }
            Self::Protobuf => {
                let place = [field(24, 1), field(56, 1), bytes(0x32, &vec![b'x'; epoch])].concat();
                let asked = [bytes(0x0A, format!("room-{n}").as_bytes()), place].concat();
                [field(8, n + 2), bytes(0x2A, &asked)].concat()
            }
        };
        let room = size - of(0).len();
        let fitting = (room.saturating_sub(8)..=room).map(of).find(|command| command.len() == size);
        fitting.expect("some epoch is as long as that takes")
    }

    /// Joins commands into one message.
    fn message(self, commands: &[Vec<u8>]) -> Vec<u8> {
        match self {
            Self::Json => frame(0x81, &commands.join(&b'\n')),
            Self::Protobuf => {
                let sized =
                    commands.iter().flat_map(|command| [varint(command.len()), command.clone()].concat());
                frame(0x82, &sized.collect::<Vec<_>>())
            }
        }
    }
}

fn varint(mut number: usize) -> Vec<u8> {
    let mut out = Vec::new();
    while number > 127 {
        out.push(number as u8 | 128);
        number >>= 7;
    }
    out.push(number as u8);
    out
}

fn field(tag: u8, number: usize) -> Vec<u8> {
    [vec![tag], varint(number)].concat()
}

fn bytes(tag: u8, bytes: &[u8]) -> Vec<u8> {
    [field(tag, bytes.len()), bytes.to_vec()].concat()
}

fn wait_for(server: &Program, subscriptions: u64) {
    while server.measure("chat_subscriptions") != subscriptions {
        std::thread::yield_now();
    }
}

#[test]
fn a_client_comes_back_to_all_its_channels_in_one_message() {
    for form in FORMS {
        let server = Program::server(&["--store", "none"]);
        for _ in 0..2 {
            let mut ann = form.open(&server);
            let commands: Vec<_> = (0..128).map(|n| form.subscribe(n, 2300)).collect();
            ann.send(&form.message(&[form.connect()]));
            ann.send(&form.message(&commands));
            wait_for(&server, 128);
            drop(ann);
            wait_for(&server, 0);
        }
    }
}

#[test]
fn a_command_has_the_room_of_a_request_also_among_others() {
    let most = Limits::default().message_bytes;
    for form in FORMS {
        let server = Program::server(&["--store", "none"]);
        let says = |size: usize| {
            let mut ann = form.open(&server);
            ann.send(&form.message(&[form.connect(), form.subscribe(0, 100), form.subscribe(1, size)]));
            ann
        };
        let _stays = says(most);
        wait_for(&server, 2);
        assert_eq!(says(most + 1).close_code(), Some(1009), "{form:?}");
    }
}

#[test]
fn a_message_of_several_commands_has_a_bound_of_its_own() {
    let limits = Limits::default();
    let most = limits.batch_bytes();
    assert!(most >= 256 * 1024 && most >= limits.session_channels * 2048);
    for form in FORMS {
        let server = Program::server(&["--store", "none"]);
        let says = |more: usize| {
            let commands = |last: usize| {
                let full = (0..9).map(|n| form.subscribe(n, 65_536));
                full.chain([form.subscribe(9, last)]).collect::<Vec<_>>()
            };
            // What a frame has before its payload, here: two bytes, eight for the length and four for the
            // mask.
            let short = form.message(&commands(20_000)).len() - 14;
            let mut ann = form.open(&server);
            ann.send(&form.message(&[form.connect()]));
            ann.send(&form.message(&commands(20_000 + most - short + more)));
            ann
        };
        let _stays = says(0);
        wait_for(&server, 10);
        assert_eq!(says(1).close_code(), Some(1009), "{form:?}");
    }
}

#[test]
fn bodies_that_are_not_whole_count_among_all_that_is_held() {
    let server = Program::server(&["--store", "none", "--total-input-bytes", "100000"]);
    for path in ["/connection/http_stream", "/emulation"] {
        let mut raw = Raw::connect(server.address);
        let head = request("POST", path, server.address, &[("Content-Length", "200000")]);
        raw.send(&[head.as_bytes(), &[b'x'; 100_001]].concat());
        let head = raw.head().to_lowercase();
        assert!(head.contains(" 503 ") && head.contains("\r\nretry-after: 5\r\n"), "{path}: {head}");
    }
    assert_eq!(server.measure(r#"chat_cut_short_total{what="input"}"#), 2);
}
