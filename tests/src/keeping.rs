//! Builds hubs over a store that may fail, and calls them.

use std::time::Duration;

use chat_core::testkit::{Client, Way, World};
use chat_core::{
    ChannelId, ChannelOptions, Endpoint, Epoch, HistoryOptions, HistoryRequest, Hub, Limits, OpenChat,
    Payload, Storage,
};

use crate::scene::Scene;
use crate::store::FaultyStore;

/// Is one second of the world's time.
pub const SECOND: Duration = Duration::from_secs(1);
/// Is a millisecond of the world's time.
pub const MILLI: Duration = Duration::from_millis(1);

/// Keeps this many messages for a minute, and stores them.
pub fn kept(entries: usize) -> ChannelOptions {
    let history = HistoryOptions::of(entries, SECOND * 60).with_bytes(1 << 20);
    ChannelOptions::default().with_history(history).with_storage(Storage::Kept)
}

/// Keeps this many messages for a minute, stores them, and answers once they are stored.
pub fn durable(entries: usize) -> ChannelOptions {
    kept(entries).with_storage(Storage::Durable)
}

/// Builds a hub over this store, in a world of its own: to the store it is another process.
pub fn scene(way: Way, store: &FaultyStore, options: ChannelOptions) -> Scene {
    scene_of(way, store, OpenChat::default(), options, Limits::default())
}

/// Builds a hub over this store with an endpoint, options and bounds of its own.
pub fn scene_of(
    way: Way,
    store: &FaultyStore,
    endpoint: impl Endpoint,
    options: ChannelOptions,
    limits: Limits,
) -> Scene {
    let world = World::new();
    store.move_to(&world);
    Scene::of(world, way, Hub::builder(endpoint).limits(limits).channel(|_| options).store(store.clone()))
}

/// Drains the hub.
pub fn stop(scene: &Scene) {
    let hub = scene.hub.clone();
    scene.world.run(async move { hub.drain(SECOND * 30).await });
}

/// Closes the store, and returns whether all was written.
pub fn close(scene: &Scene, patience: Duration) -> bool {
    let hub = scene.hub.clone();
    scene.world.run(async move { hub.close_store(patience).await }).is_ok()
}

/// Returns the channel of this name.
pub fn id(name: &str) -> ChannelId {
    name.parse().expect("a name")
}

/// Returns the channel's epoch.
pub fn epoch(scene: &Scene, channel: &str) -> Epoch {
    scene.hub.history(&HistoryRequest::of(id(channel), 1)).expect("it is there").epoch
}

/// Publishes as the server, and returns the offset; 0 if it has none yet.
pub fn publish(scene: &Scene, channel: &str, content: &str) -> u64 {
    scene.hub.publish(channel, Payload::json(content)).expect("a name").offset().map_or(0, |offset| offset.0)
}

/// Connects a session of this name that resumes the room, and returns what it receives.
pub fn come_back(scene: &Scene, name: &str, epoch: Epoch, offset: u64) -> (Client, Vec<String>) {
    let client = scene.enter(name);
    client.say(&format!("subscribe room since {epoch} {offset}"));
    let heard = client.heard();
    (client, heard)
}

/// Tells whether the session was told that it missed nothing.
pub fn is_recovered(heard: &[String]) -> bool {
    heard.iter().any(|line| line.starts_with("subscribed ") && line.contains(" recovered "))
}
