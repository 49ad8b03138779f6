//! Runs the thread that owns the file.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use async_channel::{Receiver, Sender};
use chat_core::store::StoreError;
use futures::channel::oneshot;
use futures::future::BoxFuture;
use rusqlite::Connection;

/// Bounds the queued calls; further callers wait for room.
const WAITING: usize = 1024;

/// Bounds the time that a drop waits for the thread to end.
const LONGEST_END: Duration = Duration::from_secs(5);

/// Bounds the calls of one transaction.
const TOGETHER: usize = 256;

/// Does its part of a transaction, and returns the function that answers its caller: after the commit, with
/// the error of the commit if there was one.
type Job = Box<dyn FnOnce(&Connection) -> Answer + Send>;
type Answer = Box<dyn FnOnce(Option<StoreError>)>;

#[derive(Debug)]
pub(crate) struct Thread {
    jobs: Sender<Job>,
    /// Disconnects when the thread has ended.
    ended: Mutex<mpsc::Receiver<()>>,
    commits: Arc<AtomicU64>,
}

impl Thread {
    pub(crate) fn spawn(connection: Connection) -> Self {
        let (jobs, waiting) = async_channel::bounded(WAITING);
        let commits = Arc::new(AtomicU64::new(0));
        let counter = commits.clone();
        let (end, ended) = mpsc::channel();
        std::thread::spawn(move || {
            work(connection, &waiting, &counter);
            drop(end);
        });
        Self { jobs, ended: Mutex::new(ended), commits }
    }

    pub(crate) fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }

    pub(crate) fn ask<T: Send + 'static>(
        &self,
        what: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> BoxFuture<'_, Result<T, StoreError>> {
        let (tell, told) = oneshot::channel();
        let job: Job = Box::new(move |db| {
            let done = apart(db, what).map_err(StoreError::of);
            Box::new(move |failed| {
                // A caller that no longer waits needs no answer.
                let _ = tell.send(failed.map_or(done, Err));
            })
        });
        Box::pin(async move {
            let gone = || StoreError::new("the store's thread has ended");
            self.jobs.send(job).await.map_err(|_| gone())?;
            told.await.map_err(|_| gone())?
        })
    }
}

/// Finishes all calls that were made. A disk that does not answer delays the drop only for a bounded time.
impl Drop for Thread {
    fn drop(&mut self) {
        self.jobs.close();
        let ended = self.ended.get_mut().unwrap_or_else(PoisonError::into_inner);
        // Nothing is ever sent; the receiver is ready when the sender is dropped.
        let _ = ended.recv_timeout(LONGEST_END);
    }
}

fn work(db: Connection, jobs: &Receiver<Job>, commits: &AtomicU64) {
    let db = &db;
    while let Ok(first) = jobs.recv_blocking() {
        let others = std::iter::from_fn(|| jobs.try_recv().ok()).take(TOGETHER - 1);
        let batch: Vec<Job> = std::iter::once(first).chain(others).collect();
        let began = db.execute_batch("BEGIN");
        let answers: Vec<Answer> = batch.into_iter().map(|job| job(db)).collect();
        let ended = began.and_then(|()| db.execute_batch("COMMIT"));
        if ended.is_err() && !db.is_autocommit() {
            // The rest of this transaction must not become part of the next one.
            let _ = db.execute_batch("ROLLBACK");
        }
        commits.fetch_add(1, Ordering::Relaxed);
        let failed = ended.err().map(StoreError::of);
        answers.into_iter().for_each(|answer| answer(failed.clone()));
    }
}

/// Does a job within a savepoint, so that a failed job undoes only its own part.
fn apart<T>(db: &Connection, what: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> rusqlite::Result<T> {
    db.execute_batch("SAVEPOINT job")?;
    let done = what(db);
    let end = if done.is_ok() { "RELEASE job" } else { "ROLLBACK TO job; RELEASE job" };
    db.execute_batch(end).and(done)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use futures::FutureExt;

    use super::*;

    #[test]
    fn a_disk_that_does_not_answer_holds_up_nobody_for_ever() {
        let thread = Thread::spawn(Connection::open_in_memory().expect("it opens"));
        let (answer, disk) = mpsc::channel::<()>();
        let asked = thread.ask(move |_| Ok(disk.recv().is_ok())).now_or_never();
        assert!(asked.is_none(), "the disk does not answer");
        let begin = Instant::now();
        drop(thread);
        let took = begin.elapsed();
        assert!((LONGEST_END..LONGEST_END * 3).contains(&took), "{took:?}");
        drop(answer);
    }
}
