//! Holds what goes wrong between a node and a simulated broker, and how often.

use std::time::Duration;

use crate::model::setters::setters;

/// Sets what goes wrong on a [`SimLine`](super::SimLine), and how often. By default nothing does.
///
/// Each chance is a number of a thousand: 0 is never, 1000 and more is always.
///
/// ```
/// use chat_core::testkit::SimFaults;
///
/// let deaf_at_times = SimFaults::default().with_deaf_times(10);
/// assert_eq!(deaf_at_times.losses, 0);
/// assert!(SimFaults::rough().losses > 0);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SimFaults {
    /// Is the chance that a publication is lost on its way to the node. A broker that is reliable says
    /// [`Heard::Deaf`](crate::broker::Heard::Deaf) then, and any other says nothing.
    pub losses: u32,
    /// Is the chance that a word is lost on its way to the node, in silence.
    pub lost_words: u32,
    /// Is the chance that the node hears a publication again, at once or later. Signals and words come once.
    pub doubles: u32,
    /// Is the chance that an event is late, and all that follow it with it.
    pub delays: u32,
    /// Is the chance that an event is late while those of other channels pass it. Those of its own channel do
    /// not.
    pub reorders: u32,
    /// Is the chance, at each event, that the node hears nothing from here on, for a time.
    pub deaf_times: u32,
    /// Is the chance that a call, or one of the publications in it, fails and has not happened.
    pub failures: u32,
    /// Is the chance that a call, or one of the publications in it, happens and fails.
    pub lost_answers: u32,
    /// Is the chance that a call waits before it happens, and the chance that its answer is late.
    pub slow_calls: u32,
    /// Is the chance, at each call to publish, that the broker restarts from an older snapshot: it forgets at
    /// most [`forgotten`](Self::forgotten) of the last publications, and begins new epochs.
    pub restarts: u32,
    /// Bounds how many publications such a restart forgets.
    pub forgotten: usize,
    /// Is the chance, at each publication, that its channel begins a new epoch in its place.
    pub new_epochs: u32,
    /// Bounds how long each of these takes: to be late, slow or deaf.
    pub time: Duration,
}

impl SimFaults {
    /// Lets everything go wrong now and then, for at most two seconds each.
    pub fn rough() -> Self {
        Self {
            losses: 10,
            lost_words: 30,
            doubles: 50,
            delays: 30,
            reorders: 60,
            deaf_times: 5,
            failures: 20,
            lost_answers: 20,
            slow_calls: 50,
            restarts: 3,
            forgotten: 5,
            new_epochs: 2,
            time: Duration::from_secs(2),
        }
    }
}

setters! {
    SimFaults:
    with_losses losses: u32,
    with_lost_words lost_words: u32,
    with_doubles doubles: u32,
    with_delays delays: u32,
    with_reorders reorders: u32,
    with_deaf_times deaf_times: u32,
    with_failures failures: u32,
    with_lost_answers lost_answers: u32,
    with_slow_calls slow_calls: u32,
    with_restarts restarts: u32,
    with_forgotten forgotten: usize,
    with_new_epochs new_epochs: u32,
    with_time time: Duration,
}
