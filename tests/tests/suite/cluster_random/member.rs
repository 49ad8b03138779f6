//! Plays one client, whatever its protocol, and checks what it hears.

use std::collections::BTreeMap;
use std::sync::Arc;

use chat_core::protocol::{Credentials, Protocol};
use chat_core::testkit::{Client, Way, World};
use chat_core::transport::Kind;
use chat_core::{Connect, Hub};
use chat_tests::speakers::{Place, Speaker, TONGUES, Told, Tongue};

use super::ledger::Ledger;

/// Is one client, which comes back to its channels after each end of its connection.
pub(super) struct Member {
    tongue: &'static Tongue,
    protocol: Arc<dyn Protocol>,
    way: Way,
    /// Holds the name of its user; none for a guest.
    pub(super) name: Option<String>,
    speaker: Box<dyn Speaker>,
    client: Client,
    seats: BTreeMap<String, Seat>,
    /// Maps the texts that may be said again, since they were not answered as published, to their channels.
    unanswered: BTreeMap<String, String>,
}

/// Tells how a client stands in a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Out,
    Asked,
    In,
    /// Is asked to be out. Where nobody answers that, the client stays so until its connection ends.
    Leaving,
}

/// Holds what a client knows of a channel.
struct Seat {
    standing: Standing,
    /// Is true if the client is to be in the channel.
    wanted: bool,
    stay: Option<Stay>,
}

/// Is a time in a channel without a gap that the client was told of. One who recovers goes on with it.
struct Stay {
    /// Holds the number of the first message that was asked to be published when the client was in already.
    began: usize,
    heard: Vec<usize>,
    /// Holds the place of the last message; none if there was none, and the protocol does not tell it. There
    /// may be several where the broker forgot the message and got it again.
    last: Vec<Place>,
}

impl Member {
    pub(super) fn enter(
        world: &World,
        hub: &Hub,
        (tongue, way): (usize, Way),
        protocol: Arc<dyn Protocol>,
        name: Option<String>,
    ) -> Self {
        let tongue = &TONGUES[tongue];
        let mut speaker = (tongue.speaker)();
        let client = connect(world, hub, &mut *speaker, (&protocol, way), name.as_deref());
        Self {
            tongue,
            protocol,
            way,
            name,
            speaker,
            client,
            seats: BTreeMap::new(),
            unanswered: BTreeMap::new(),
        }
    }

    pub(super) fn is_in(&self, channel: &str) -> bool {
        self.seats.get(channel).is_some_and(|seat| seat.standing == Standing::In)
    }

    /// Asks to join a channel, or to leave one that it is in. While an answer is due it does nothing.
    pub(super) fn join_or_leave(&mut self, channel: &str) {
        match self.seats.get(channel).map(|seat| seat.standing) {
            None | Some(Standing::Out) => self.join(channel),
            Some(Standing::In) => self.leave(channel),
            Some(Standing::Asked | Standing::Leaving) => {}
        }
    }

    fn join(&mut self, channel: &str) {
        let seat = self.seats.entry(channel.to_owned()).or_insert_with(Seat::new);
        let since = seat.stay.as_ref().and_then(|_| self.speaker.place(channel));
        seat.wanted = true;
        seat.standing = Standing::Asked;
        if !self.tongue.answers {
            // Nobody says when it is in: only what it hears tells.
            (seat.standing, seat.stay) = (Standing::In, Some(Stay::new(usize::MAX, None)));
        }
        let frame = self.speaker.subscribe(channel, since.as_ref());
        self.say(&frame);
    }

    fn leave(&mut self, channel: &str) {
        let seat = self.seats.get_mut(channel).expect("it is in");
        (seat.wanted, seat.standing) = (false, Standing::Leaving);
        let frame = self.speaker.leave(channel);
        self.say(&frame);
    }

    pub(super) fn publish(&mut self, channel: &str, ledger: &mut Ledger) {
        let text = ledger.ask(channel);
        self.ask_to_publish(channel, &text);
        if self.tongue.repeats && self.name.is_some() {
            self.unanswered.insert(text, channel.to_owned());
        }
    }

    fn ask_to_publish(&mut self, channel: &str, text: &str) {
        let frame = self.speaker.ask_to_publish(channel, text);
        self.say(&frame);
    }

    /// Asks again to publish what was not answered as published.
    pub(super) fn publish_again(&mut self) {
        if let Some((text, channel)) = self.unanswered.clone().into_iter().next() {
            self.ask_to_publish(&channel, &text);
        }
    }

    /// Says one or several frames.
    fn say(&self, frames: &str) {
        frames.lines().for_each(|frame| self.client.say(frame));
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// Takes in what it heard.
    pub(super) fn follow(&mut self, ledger: &mut Ledger) {
        while let Some(frame) = self.client.wire().next() {
            if frame.kind != Kind::Text {
                continue;
            }
            // Phoenix's clients are told who is there; the watchers see to that.
            for line in frame.to_string().lines().filter(|line| !line.contains("\"presence_")) {
                for told in self.speaker.hear(line) {
                    self.take(told, line, ledger);
                }
            }
        }
    }

    fn take(&mut self, told: Told, line: &str, ledger: &mut Ledger) {
        let place = |channel: &str| self.speaker.place(channel);
        match told {
            Told::In(channel, recovered) => {
                let place = place(&channel);
                let seat = self.seats.get_mut(&channel).unwrap_or_else(|| panic!("never asked: {line}"));
                assert_eq!(seat.standing, Standing::Asked, "{line}");
                seat.standing = Standing::In;
                if recovered == Some(true) {
                    let last = seat.stay.as_ref().map(|stay| &*stay.last);
                    assert_eq!(last, Some(place.as_slice()), "it goes on where it was: {line}");
                } else {
                    seat.stay = Some(Stay::new(ledger.next(), place));
                }
            }
            Told::Out(channel) => {
                // It may have asked to come back before it is told that it was taken out.
                if let Some(seat) =
                    self.seats.get_mut(&channel).filter(|seat| seat.standing != Standing::Asked)
                {
                    seat.standing = Standing::Out;
                }
            }
            Told::Refused(channel, None) => {
                self.seats.entry(channel).and_modify(|seat| seat.standing = Standing::Out);
            }
            Told::Said(channel, text) => {
                let place = place(&channel);
                let seat = self.seats.get_mut(&channel).unwrap_or_else(|| panic!("never asked: {line}"));
                assert!(matches!(seat.standing, Standing::In | Standing::Leaving), "it is out: {line}");
                let stay = seat.stay.as_mut().expect("who is in stays");
                stay.hear(&channel, &text, place.as_ref(), ledger);
            }
            Told::Published(channel, text, offset) => {
                self.unanswered.remove(&text);
                ledger.is_published(&channel, &text, offset);
            }
            Told::Refused(_, Some(text)) => ledger.is_refused(&text),
        }
    }

    /// Returns true if the server has closed the session.
    pub(super) fn is_closed(&self) -> bool {
        self.client.close().is_some()
    }

    /// Connects anew, to a hub, and joins the channels that it wants.
    pub(super) fn come_back(&mut self, world: &World, hub: &Hub) {
        let speaker = &mut *self.speaker;
        self.client = connect(world, hub, speaker, (&self.protocol, self.way), self.name.as_deref());
        self.seats.values_mut().for_each(|seat| seat.standing = Standing::Out);
        self.join_again();
    }

    /// Joins the channels that it wants and is not in.
    pub(super) fn join_again(&mut self) {
        let wanted = self.seats.iter().filter(|(_, seat)| seat.wanted && seat.standing == Standing::Out);
        let names: Vec<_> = wanted.map(|(channel, _)| channel.clone()).collect();
        names.iter().for_each(|channel| self.join(channel));
    }

    /// Checks that it has heard all that it must, now that nothing goes wrong any more. `all` says that
    /// something was published to each channel since it came, `compared` that the nodes compare channels with
    /// the broker from time to time.
    pub(super) fn check(&self, ledger: &Ledger, all: bool, compared: bool) {
        for (channel, seat) in &self.seats {
            let who = (self.tongue.name, &self.name, channel);
            let due = matches!(seat.standing, Standing::Asked | Standing::Leaving) && self.tongue.answers;
            assert!(!due, "no answer is due: {who:?}");
            assert!(!all || (seat.standing == Standing::In) == seat.wanted, "it is where it wants: {who:?}");
            let (Standing::In, Some(stay)) = (seat.standing, &seat.stay) else { continue };
            let end = ledger.truth.end(channel);
            // A new epoch in which nothing was published yet is noticed where channels are compared.
            let same = stay.last.iter().any(|last| last.0 == end.0);
            if all || same || (compared && !stay.last.is_empty()) {
                assert!(stay.last.contains(end), "{who:?} is at {:?}, the channel at {end:?}", stay.last);
            }
            for message in ledger.published(channel, stay.began) {
                assert!(stay.heard.contains(&message), "{who:?} was never told of m{message}");
            }
        }
    }
}

impl Seat {
    fn new() -> Self {
        Self { standing: Standing::Out, wanted: false, stay: None }
    }
}

impl Stay {
    fn new(began: usize, last: Option<Place>) -> Self {
        Self { began, heard: Vec::new(), last: last.into_iter().collect() }
    }

    /// Takes a message in, which has to be the next one.
    fn hear(&mut self, channel: &str, text: &str, told: Option<&Place>, ledger: &Ledger) {
        let follows = |place: &&Place| {
            self.last.is_empty() || self.last.iter().any(|last| last.0 == place.0 && last.1 + 1 == place.1)
        };
        let places = ledger.truth.places(channel, text);
        let mut next: Vec<_> = places.iter().filter(follows).cloned().collect();
        assert!(
            !next.is_empty(),
            "{text} of {channel} is at {places:?}, and does not follow {:?}",
            self.last
        );
        if let Some(told) = told {
            next.retain(|place| place == told);
            assert!(!next.is_empty(), "{text} of {channel} is at {places:?}, and was told to be at {told:?}");
        }
        self.last = next;
        self.heard.push(ledger.number(text));
        if self.began == usize::MAX {
            self.began = ledger.next();
        }
    }
}

fn connect(
    world: &World,
    hub: &Hub,
    speaker: &mut dyn Speaker,
    (protocol, way): (&Arc<dyn Protocol>, Way),
    name: Option<&str>,
) -> Client {
    let connect = Connect::named(name.map(|name| name.parse().expect("a name")));
    let greeting = speaker.greeting();
    let credentials = if greeting.is_some() { Credentials::Later } else { Credentials::Now(connect) };
    let client = world.connect(hub, protocol.clone(), credentials, way);
    if let Some(frame) = greeting {
        let data =
            name.map_or_else(|| "{}".to_owned(), |name| format!("{{\"data\":{{\"name\":\"{name}\"}}}}"));
        client.say(&frame.replace("{}", &data));
    }
    client
}
