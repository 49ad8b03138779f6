//! Provides a runtime whose time moves only when told to.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures::future::BoxFuture;

use crate::lock::lock;
use crate::model::{Instant, Now};
use crate::port::{Runtime, Sleep};

/// Provides time, timers and tasks that move only when told to. Cloning a world is cheap; the clones are one
/// world.
///
/// Tasks run in the order in which they were woken, or in one that a seed decides, so a run can be repeated
/// exactly.
///
/// ```
/// use std::time::Duration;
///
/// use chat_core::runtime::Runtime;
/// use chat_core::testkit::World;
///
/// let world = World::new();
/// let begin = world.instant();
/// let timer = world.sleep_until(world.after(Duration::from_secs(3600)));
/// world.run(timer);
/// assert_eq!(world.instant(), begin + Duration::from_secs(3600));
/// assert_eq!(world.tasks(), 0);
/// ```
#[derive(Clone, Debug)]
pub struct World(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    state: Mutex<State>,
}

struct State {
    now: Now,
    tasks: HashMap<u64, BoxFuture<'static, ()>>,
    ready: VecDeque<u64>,
    timers: BTreeMap<(Instant, u64), Waker>,
    next: u64,
    seed: Option<u64>,
    random: u64,
}

/// Bounds the steps without time moving: more are no work, since a task wakes itself for ever.
const STEPS: usize = 1_000_000;

/// Marks where the wall clock of every world begins: 2026-01-01, midnight UTC.
const BEGINNING: DateTime<Utc> = DateTime::from_timestamp_secs(1_767_225_600).expect("a day of 2026");

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

impl World {
    /// Returns a world in which tasks run in the order in which they were woken.
    pub fn new() -> Self {
        Self::begin(None)
    }

    /// Returns a world in which `seed` decides which of the tasks that can run is next.
    pub fn seeded(seed: u64) -> Self {
        Self::begin(Some(seed))
    }

    fn begin(seed: Option<u64>) -> Self {
        let state = State {
            now: Now { instant: Instant::START, utc: BEGINNING },
            tasks: HashMap::new(),
            ready: VecDeque::new(),
            timers: BTreeMap::new(),
            next: 0,
            seed,
            random: seed.unwrap_or_default(),
        };
        Self(Arc::new(Inner { state: Mutex::new(state) }))
    }

    /// Lets every task run until none can without time passing.
    ///
    /// # Panics
    /// Panics if a task wakes itself for ever.
    pub fn settle(&self) {
        for _ in 0..STEPS {
            if !self.step() {
                return;
            }
        }
        panic!("a task wakes itself for ever");
    }

    /// Polls one task once; returns false if none can run without time passing.
    pub fn turn(&self) -> bool {
        self.step()
    }

    /// Moves both clocks forward, and stops at every deadline between to let the tasks run.
    pub fn advance(&self, by: Duration) {
        let end = self.after(by);
        self.settle();
        while self.ring(Some(end)) {
            self.settle();
        }
        self.state(|state| state.move_to(end));
    }

    /// Moves the wall clock alone, as an administrator does. No timer depends on it.
    pub fn jump(&self, by: TimeDelta) {
        self.state(|state| state.now.utc += by);
    }

    /// Runs a future to its end. Time moves whenever nothing can run without.
    ///
    /// # Panics
    /// Panics if the future waits and no timer is left.
    pub fn run<T: Send + 'static>(&self, future: impl Future<Output = T> + Send + 'static) -> T {
        let slot = Arc::new(Mutex::new(None));
        let filled = slot.clone();
        self.spawn(Box::pin(async move {
            let value = future.await;
            *lock(&filled) = Some(value);
        }));
        loop {
            self.settle();
            if let Some(value) = lock(&slot).take() {
                return value;
            }
            assert!(self.ring(None), "the future waits for nothing");
        }
    }

    /// Returns the number of tasks that have not ended.
    pub fn tasks(&self) -> usize {
        self.state(|state| state.tasks.len())
    }

    fn state<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut lock(&self.0.state))
    }

    /// Polls one task once; returns false if none can run.
    fn step(&self) -> bool {
        let Some((id, task)) = self.state(State::next_ready) else { return false };
        let Some(mut task) = task else { return true };
        let waker = Waker::from(Arc::new(TaskWaker { id, world: Arc::downgrade(&self.0) }));
        if task.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
            self.state(|state| state.tasks.insert(id, task));
        }
        true
    }

    /// Moves time to the next deadline; returns false if there is none, or if it is after `end`.
    fn ring(&self, end: Option<Instant>) -> bool {
        let wakers = self.state(|state| state.ring(end));
        let any = wakers.is_some();
        wakers.into_iter().flatten().for_each(Waker::wake);
        any
    }
}

impl State {
    /// Returns the next task to run; without the task itself if it has ended or is just running.
    fn next_ready(&mut self) -> Option<(u64, Option<BoxFuture<'static, ()>>)> {
        let place = match self.seed {
            Some(_) if self.ready.len() > 1 => self.random() as usize % self.ready.len(),
            _ => 0,
        };
        let id = self.ready.remove(place)?;
        Some((id, self.tasks.remove(&id)))
    }

    fn wake(&mut self, id: u64) {
        if !self.ready.contains(&id) {
            self.ready.push_back(id);
        }
    }

    fn ring(&mut self, end: Option<Instant>) -> Option<Vec<Waker>> {
        let (next, _) = *self.timers.first_key_value()?.0;
        if end.is_some_and(|end| next > end) {
            return None;
        }
        self.move_to(next);
        let later = self.timers.split_off(&(next, u64::MAX));
        let due = std::mem::replace(&mut self.timers, later);
        Some(due.into_values().collect())
    }

    fn move_to(&mut self, instant: Instant) {
        let by = instant.saturating_duration_since(self.now.instant);
        self.now.instant += by;
        self.now.utc += TimeDelta::from_std(by).expect("tests do not last for ages");
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Returns the next number of the generator splitmix64.
    fn random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.random ^ (self.random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State")
            .field("now", &self.now.utc)
            .field("tasks", &self.tasks.len())
            .field("timers", &self.timers.len())
            .finish_non_exhaustive()
    }
}

impl Runtime for World {
    fn now(&self) -> Now {
        self.state(|state| state.now)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(Timer { world: self.clone(), deadline, number: self.state(State::number) })
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        self.state(|state| {
            let id = state.number();
            state.tasks.insert(id, task);
            state.wake(id);
        });
    }

    fn random(&self) -> u64 {
        self.state(State::random)
    }
}

struct TaskWaker {
    id: u64,
    world: Weak<Inner>,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        if let Some(world) = self.world.upgrade() {
            lock(&world.state).wake(self.id);
        }
    }
}

struct Timer {
    world: World,
    deadline: Instant,
    number: u64,
}

impl Timer {
    fn cancel(&self) {
        let key = (self.deadline, self.number);
        // The waker is dropped once the lock is free: it may be a task's last one.
        let waker = self.world.state(|state| state.timers.remove(&key));
        drop(waker);
    }
}

impl Future for Timer {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let before = self.world.state(|state| {
            if state.now.instant >= self.deadline {
                return Err(());
            }
            Ok(state.timers.insert((self.deadline, self.number), cx.waker().clone()))
        });
        if before.is_err() { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Sleep for Timer {
    fn reset(mut self: Pin<&mut Self>, deadline: Instant) {
        self.cancel();
        self.deadline = deadline;
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.cancel();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(world: &World, notes: &Arc<Mutex<Vec<u64>>>, after: u64) {
        let (there, notes) = (world.clone(), notes.clone());
        world.spawn(Box::pin(async move {
            there.sleep_until(there.instant() + Duration::from_secs(after)).await;
            lock(&notes).push(after);
        }));
    }

    #[test]
    fn time_stands_still_until_it_is_moved_and_stops_at_every_deadline() {
        let (world, notes) = (World::new(), Arc::default());
        for after in [3, 1, 2] {
            note(&world, &notes, after);
        }
        world.settle();
        assert!(lock(&notes).is_empty());
        world.advance(Duration::from_secs(2));
        assert_eq!(*lock(&notes), [1, 2]);
        assert_eq!((world.now().utc - BEGINNING).num_seconds(), 2);
        assert_eq!(world.tasks(), 1);
    }

    #[test]
    fn a_run_moves_time_only_as_far_as_it_must() {
        let world = World::new();
        let there = world.clone();
        let end = world.instant() + Duration::from_secs(5);
        assert_eq!(world.run(async move { there.sleep_until(end).await }), ());
        assert_eq!(world.instant(), end);
    }

    #[test]
    fn a_seed_decides_who_runs_first_and_decides_the_same_every_time() {
        let order = |seed| {
            let (world, notes) = (World::seeded(seed), Arc::default());
            (0..8).for_each(|n| {
                let notes: Arc<Mutex<Vec<u64>>> = Arc::clone(&notes);
                world.spawn(Box::pin(async move { lock(&notes).push(n) }));
            });
            world.settle();
            lock(&notes).clone()
        };
        assert_eq!(order(1), order(1));
        assert!((2..10).any(|seed| order(seed) != order(1)));
    }
}
