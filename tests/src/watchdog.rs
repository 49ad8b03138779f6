//! Ends the program when a test hangs, and says which, so that a fault is a failure and no silence.

use std::collections::BTreeMap;
use std::io::Write;
use std::process;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Bounds the time of a test. The longest, which drive browsers, take two minutes on two busy cores.
const PATIENCE: Duration = Duration::from_secs(600);

/// Maps the tests that run now to the time at which each of them began, under the name that the test runner
/// gives its thread.
static RUNNING: LazyLock<Mutex<BTreeMap<String, Instant>>> = LazyLock::new(|| {
    thread::spawn(|| {
        loop {
            thread::park_timeout(Duration::from_secs(5));
            end_if_one_hangs();
        }
    });
    Mutex::default()
});

thread_local! {
    static TEST: Watched = Watched::begin();
}

/// Watches the test that runs on this thread until the thread ends. Everything here that starts a server
/// calls this.
pub(crate) fn watch() {
    TEST.with(|_| ());
}

struct Watched(Option<String>);

impl Watched {
    fn begin() -> Self {
        let name = thread::current().name().map(str::to_owned);
        if let Some(name) = name.clone() {
            RUNNING.lock().unwrap_or_else(PoisonError::into_inner).insert(name, Instant::now());
        }
        Self(name)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if let Some(name) = &self.0 {
            RUNNING.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
        }
    }
}

#[expect(clippy::exit, reason = "nothing else ends a thread of a test that hangs")]
fn end_if_one_hangs() {
    let running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
    let hung: Vec<_> = running.iter().filter(|(_, since)| since.elapsed() > PATIENCE).collect();
    if !hung.is_empty() {
        // Not by a macro, whose output the test runner would keep for the end of the test.
        let _ = writeln!(std::io::stderr(), "no end after {PATIENCE:?}: {hung:?}");
        process::exit(1);
    }
}
