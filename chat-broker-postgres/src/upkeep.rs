//! Deletes what is too old, and keeps the channels that are joined from being forgotten.

use std::time::Duration;

use chat_core::broker::BrokerError;
use tokio::time::sleep;

use crate::asks;
use crate::cursors::LANES;
use crate::error;
use crate::node::PostgresBroker;

/// Is about the time between two rounds.
const ROUND: Duration = Duration::from_secs(10);
/// Is the number of rounds after which the channels are kept anew.
const KEEP: u32 = 6;
/// Bounds the calls of one kind in a round.
const CALLS: u32 = 20;

/// Looks after the tables for as long as it is polled. Any node does so for all; where one is at work, others
/// go past.
pub(crate) async fn look_after(node: &PostgresBroker) -> ! {
    for round in 1_u32.. {
        sleep(ROUND.mul_f64(0.5 + fastrand::f64())).await;
        // A database that fails is noticed where it is polled.
        let _ = prune(node).await;
        if round.is_multiple_of(KEEP)
            && let Some(joined) = node.interest.all(usize::MAX)
        {
            let _ = asks::stands(node, &joined).await;
        }
    }
    unreachable!("it goes on for a thousand years")
}

async fn prune(node: &PostgresBroker) -> Result<(), BrokerError> {
    for lane in 0..LANES as i32 {
        repeat(node, "SELECT chat.prune_lane($1, 2000)", Some(lane)).await?;
    }
    repeat(node, "SELECT chat.prune_channels(20, 2000)", None).await?;
    repeat(node, "SELECT chat.prune_rest(2000)", None).await
}

/// Calls a function while it says that there may be more to delete.
async fn repeat(node: &PostgresBroker, sql: &str, lane: Option<i32>) -> Result<(), BrokerError> {
    for _ in 0..CALLS {
        let database = node.database()?;
        let rows = match &lane {
            Some(lane) => database.query(sql, &[lane]).await,
            None => database.query(sql, &[]).await,
        };
        if !rows.map_err(error::of)?.iter().any(|row| row.try_get(0).unwrap_or_default()) {
            break;
        }
    }
    Ok(())
}
