//! The streams that are open, by the keys under which their clients speak.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_channel::{Receiver, Sender};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chat_core::Incoming;

/// So many messages wait for a session; the requests that bring more wait for an answer.
const WAITING: usize = 4;

/// As many as there are sessions: each has a seat.
#[derive(Clone)]
pub(super) struct Open {
    /// Names the server, for as long as it runs.
    pub(super) node: Arc<str>,
    streams: Streams,
}

type Streams = Arc<Mutex<HashMap<Arc<str>, Sender<Incoming>>>>;

/// A stream that is open, for as long as this is kept. Then nothing more comes in for it.
pub(super) struct Entry {
    open: Open,
    pub(super) key: Arc<str>,
    pub(super) sender: Sender<Incoming>,
}

impl Open {
    /// None yet.
    ///
    /// # Panics
    /// If the system has no randomness to give.
    pub(super) fn new() -> Self {
        Self { node: secret().expect("the system has randomness"), streams: Streams::default() }
    }

    /// Under a new key of 128 random bits: whoever knows it speaks for the session.
    ///
    /// # Errors
    /// If the system has no randomness to give.
    pub(super) fn enter(&self) -> Result<(Entry, Receiver<Incoming>), getrandom::Error> {
        let key = secret()?;
        let (sender, receiver) = async_channel::bounded(WAITING);
        self.lock().insert(key.clone(), sender.clone());
        Ok((Entry { open: self.clone(), key, sender }, receiver))
    }

    /// Where to say something to the session of this key.
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
        self.open.lock().remove(&self.key);
        self.sender.close();
    }
}
