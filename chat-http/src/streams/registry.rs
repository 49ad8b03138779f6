//! Finds the streams that are open, by the keys under which their clients send.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_channel::{Receiver, Sender};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chat_core::transport::Incoming;

/// Limits the messages that wait for a session; the requests that bring more wait for their answers.
const WAITING: usize = 4;

/// Knows all open streams: at most as many as the hub has sessions.
#[derive(Clone)]
pub(super) struct Registry {
    /// Names the server for as long as it runs.
    pub(super) node: Arc<str>,
    streams: Streams,
}

type Streams = Arc<Mutex<HashMap<Arc<str>, Sender<Incoming>>>>;

/// Keeps a stream in the registry. Once it is dropped nothing more comes in for that stream.
pub(super) struct Entry {
    registry: Registry,
    pub(super) key: Arc<str>,
    pub(super) sender: Sender<Incoming>,
}

impl Registry {
    /// Makes an empty registry.
    ///
    /// # Panics
    /// If the system has no randomness to give.
    pub(super) fn new() -> Self {
        Self { node: secret().expect("the system has randomness"), streams: Streams::default() }
    }

    /// Enters a stream under a new key of 128 random bits: whoever knows it sends for the session.
    ///
    /// # Errors
    /// Returns that the system has no randomness to give.
    pub(super) fn enter(&self) -> Result<(Entry, Receiver<Incoming>), getrandom::Error> {
        let key = secret()?;
        let (sender, receiver) = async_channel::bounded(WAITING);
        self.lock().insert(key.clone(), sender.clone());
        Ok((Entry { registry: self.clone(), key, sender }, receiver))
    }

    /// Returns where to send messages to the session of this key.
    pub(super) fn find(&self, key: &str) -> Option<Sender<Incoming>> {
        self.lock().get(key).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, Sender<Incoming>>> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn secret() -> Result<Arc<str>, getrandom::Error> {
    let mut bits = [0; 16];
    getrandom::fill(&mut bits)?;
    Ok(URL_SAFE_NO_PAD.encode(bits).into())
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.registry.lock().remove(&self.key);
        self.sender.close();
    }
}
