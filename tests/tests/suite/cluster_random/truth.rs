//! Follows the broker itself, to know where everything was placed.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use async_channel::Receiver;
use chat_core::broker::{Broker, Heard, Join};
use chat_core::runtime::Runtime;
use chat_core::testkit::{MemoryBroker, MemoryNode, World};
use chat_core::{ChannelId, HistoryOptions};
use chat_tests::speakers::{Place, content};
use futures::future::select;

/// Holds where the broker has placed what.
pub(super) struct Truth {
    node: Arc<MemoryNode>,
    heard: Receiver<Heard>,
    /// Maps each text of a channel to its places: several, if the broker forgot it and it was said again.
    places: BTreeMap<(String, String), Vec<Place>>,
    given: BTreeSet<(String, Place)>,
    ends: BTreeMap<String, Place>,
}

impl Truth {
    /// Listens to these channels on a line on which nothing is lost.
    pub(super) fn new(world: &World, memory: &MemoryBroker, channels: &[String]) -> Self {
        let (sender, heard) = async_channel::unbounded();
        let node = Arc::new(memory.node());
        let runs = node.clone();
        let keep = HistoryOptions::of(0, Duration::from_secs(3600));
        let names = channels.iter().map(|name| name.parse::<ChannelId>().expect("a name"));
        let joins = names.map(|name| Join::new(name, keep)).collect();
        world.spawn(Box::pin(async move {
            runs.join(joins).await.expect("the memory answers");
            // Until nobody listens any more.
            select(runs.run(sender.clone()), pin!(sender.closed())).await;
        }));
        world.settle();
        Self { node, heard, places: BTreeMap::new(), given: BTreeSet::new(), ends: BTreeMap::new() }
    }

    /// Takes in what was placed.
    pub(super) fn follow(&mut self) {
        while let Ok(heard) = self.heard.try_recv() {
            let Heard::Published { channel, stand, ephemeral: false, body } = heard else { continue };
            let (channel, place) = (channel.to_string(), (stand.epoch.to_string(), stand.offset.0));
            // The content stands behind the first empty line, to the byte.
            let (_, text) = body.split_once("\n\n").expect("a hub wrote it");
            let text = content(&serde_json::from_str(text).expect("JSON"));
            let given = self.given.insert((channel.clone(), place.clone()));
            assert!(given, "{channel} {place:?} is given once");
            let places = self.places.entry((channel, text)).or_default();
            let again = places.iter().any(|known| known.0 == place.0);
            assert!(!again, "{place:?} is placed once, and already at {places:?}");
            places.push(place);
        }
    }

    /// Takes in what was placed, and asks where these channels stand.
    pub(super) fn look(&mut self, world: &World, channels: &[String]) {
        self.follow();
        let names = channels.iter().map(|name| name.parse::<ChannelId>().expect("a name")).collect();
        let node = self.node.clone();
        let stands = world.run(async move { node.stands(names).await }).expect("the memory answers");
        let ends = stands.into_iter().map(|stand| (stand.epoch.to_string(), stand.offset.0));
        self.ends = channels.iter().cloned().zip(ends).collect();
    }

    /// Returns where a text of a channel was placed.
    pub(super) fn places(&self, channel: &str, text: &str) -> &[Place] {
        self.places.get(&(channel.to_owned(), text.to_owned())).map_or(&[], Vec::as_slice)
    }

    /// Returns where a channel stood at the last look.
    pub(super) fn end(&self, channel: &str) -> &Place {
        &self.ends[channel]
    }
}
