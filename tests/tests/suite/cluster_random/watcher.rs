//! Watches who is in a channel, as a client that counts joins and leaves.

use std::collections::BTreeSet;

use chat_core::Hub;
use chat_core::testkit::{Client, World};

/// Is a session that asks to be told who is in a channel, and is always there.
pub(super) struct Watcher {
    channel: String,
    name: String,
    client: Client,
    /// Holds whom it knows to be there; none while it is not in the channel.
    known: Option<BTreeSet<String>>,
    /// Is true while its request to join is not answered.
    asked: bool,
}

impl Watcher {
    pub(super) fn enter(world: &World, hub: &Hub, channel: &str, name: String) -> Self {
        let client = world.open(hub, &name);
        Self { channel: channel.to_owned(), name, client, known: None, asked: false }
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// Takes in what it heard.
    pub(super) fn follow(&mut self) {
        while let Some(line) = self.client.wire().next() {
            let line = line.to_string();
            let words: Vec<_> = line.split(' ').collect();
            match words[..] {
                ["subscribed", _, _, "present", users] => {
                    self.asked = false;
                    self.known = Some(users.split(',').map(str::to_owned).collect());
                }
                ["presence", _, ..] => self.change(&words[2..], &line),
                // It asked to come back before it was told that it was taken out.
                ["unsubscribed", ..] if self.asked => {}
                ["unsubscribed", ..] => self.known = None,
                ["error", ..] => (self.asked, self.known) = (false, None),
                ["message" | "event/said" | "close", ..] => {}
                _ => panic!("{line}"),
            }
        }
    }

    /// Applies changes: `+ann`, `+ann/7` if she has read to 7, or `-ann`.
    fn change(&mut self, changes: &[&str], line: &str) {
        let known = self.known.as_mut().unwrap_or_else(|| panic!("only who is there is told: {line}"));
        for change in changes {
            match change.strip_prefix('+') {
                Some(user) => known.insert(user.split('/').next().unwrap_or_default().to_owned()),
                None => known.remove(&change[1..]),
            };
        }
    }

    /// Joins again, on this hub if its connection has ended.
    pub(super) fn come_back(&mut self, world: &World, hub: &Hub) {
        if self.client.close().is_some() {
            self.client = world.open(hub, &self.name);
            (self.known, self.asked) = (None, false);
        }
        if self.known.is_none() && !self.asked {
            self.asked = true;
            self.client.say(&format!("subscribe {} present", self.channel));
        }
    }

    /// Checks that it knows exactly those who are there.
    pub(super) fn check(&self, there: &BTreeSet<String>) {
        assert_eq!(self.known.as_ref(), Some(there), "{} knows who is in {}", self.name, self.channel);
    }
}
