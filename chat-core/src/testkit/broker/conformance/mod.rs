//! Holds the cases that any broker must pass, and runs them.

mod bounds;
mod history;
mod joining;
mod keys;
mod names;
mod order;
mod pair;
mod words;

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use self::pair::{Case, Pair};
use crate::port::Runtime;
use crate::port::broker::Broker;

/// Tells which cases a broker passes. Its `Display` has a line for each that fails, and a last line such as
/// `41 passed, 0 failed`.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Conformance {
    /// Lists the cases that passed.
    pub passed: Vec<&'static str>,
    /// Lists the cases that failed, and what was wrong.
    pub failed: Vec<(&'static str, String)>,
}

impl fmt::Display for Conformance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.failed.iter().try_for_each(|(case, wrong)| writeln!(f, "{case}: {wrong}"))?;
        write!(f, "{} passed, {} failed", self.passed.len(), self.failed.len())
    }
}

/// Runs the cases that any [`Broker`] must pass. For each case `make` returns two nodes of a deployment of
/// their own, in which nothing was published yet; the engine behind them may be the same, under another
/// prefix.
///
/// A case waits up to 10 s for what must come, and 300 ms for what must not. Some let keys and publications
/// grow old, for which they wait two to three seconds.
///
/// The cases say what a broker does while its engine is well. That it says [`Heard::Deaf`] when it is not,
/// has to be tested with the engine: kill it, stop it, cut its connections.
///
/// ```
/// use std::sync::Arc;
///
/// use chat_core::testkit::{MemoryBroker, World, broker_conformance};
///
/// let world = World::new();
/// let of = world.clone();
/// let all = world.run(broker_conformance(Arc::new(world.clone()), move || {
///     let memory = MemoryBroker::new(of.clone());
///     async move { [memory.node(), memory.node()] }
/// }));
/// assert!(all.failed.is_empty(), "{all}");
/// ```
///
/// [`Heard::Deaf`]: crate::broker::Heard::Deaf
pub async fn broker_conformance<B, M, F>(runtime: Arc<dyn Runtime>, make: M) -> Conformance
where
    B: Broker,
    M: Fn() -> F,
    F: Future<Output = [B; 2]>,
{
    let mut all = Conformance::default();
    for (case, holds) in cases() {
        let pair = Pair::listening(runtime.clone(), make().await).await;
        let outcome = match pair {
            Ok(pair) => holds(&pair).await,
            Err(wrong) => Err(wrong),
        };
        match outcome {
            Ok(()) => all.passed.push(case),
            Err(wrong) => all.failed.push((case, wrong)),
        }
    }
    all
}

fn cases() -> impl Iterator<Item = Case> {
    let rooms = [
        order::CASES,
        joining::CASES,
        history::CASES,
        keys::CASES,
        words::CASES,
        names::CASES,
        bounds::CASES,
    ];
    rooms.into_iter().flatten().copied()
}
