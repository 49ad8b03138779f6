//! Cases: joining and leaving.

use futures::FutureExt;
use futures::future::join;

use super::pair::{Case, ensure, equal, kept, listed};
use crate::model::{HistoryOptions, Offset};

pub(super) const CASES: &[Case] = &[
    ("a channel that is new stands at 0 and has nothing", |pair| {
        async {
            let joined = pair.here.join("room").await?;
            equal("the offset", &joined.stand.offset, &Offset(0))?;
            ensure(joined.kept.is_empty(), "nothing is kept of it")
        }
        .boxed()
    }),
    ("who joins gets what is kept, up to where the channel stands", |pair| {
        async {
            pair.here.publish("room", &["1", "2", "3"]).await?;
            let joined = pair.there.join("room").await?;
            equal("the offset", &joined.stand.offset, &Offset(3))?;
            equal("what is kept", &listed(&joined.kept), &vec![(1, "1"), (2, "2"), (3, "3")])
        }
        .boxed()
    }),
    ("who joins gets at most what it keeps, the newest", |pair| {
        async {
            pair.here.publish("room", &["1", "2", "3"]).await?;
            let joined = pair.there.join_keeping("room", HistoryOptions { entries: 2, ..kept() }).await?;
            equal("what is kept", &listed(&joined.kept), &vec![(2, "2"), (3, "3")])
        }
        .boxed()
    }),
    ("a node that has not joined hears nothing", |pair| {
        async {
            pair.here.join("room").await?;
            pair.there.join("other").await?;
            pair.here.publish("room", &["1"]).await?;
            pair.here.hears("room", 1, &["1"]).await?;
            pair.there.is_quiet().await
        }
        .boxed()
    }),
    ("a node that has left hears nothing more", |pair| {
        async {
            pair.join_both("room").await?;
            pair.there.leave("room").await?;
            pair.here.publish("room", &["1"]).await?;
            pair.here.hears("room", 1, &["1"]).await?;
            pair.there.is_quiet().await
        }
        .boxed()
    }),
    ("who left and joins again gets what was published meanwhile, and hears on from there", |pair| {
        async {
            pair.join_both("room").await?;
            pair.there.leave("room").await?;
            pair.here.publish("room", &["1", "2"]).await?;
            let joined = pair.there.join("room").await?;
            equal("what is kept", &listed(&joined.kept), &vec![(1, "1"), (2, "2")])?;
            pair.here.publish("room", &["3"]).await?;
            pair.there.hears("room", 3, &["3"]).await
        }
        .boxed()
    }),
    ("a channel that is joined already is read again, and heard once", |pair| {
        async {
            pair.here.join("room").await?;
            pair.here.publish("room", &["1"]).await?;
            pair.here.hears("room", 1, &["1"]).await?;
            let joined = pair.here.join("room").await?;
            equal("what is kept", &listed(&joined.kept), &vec![(1, "1")])?;
            pair.here.publish("room", &["2"]).await?;
            pair.here.hears("room", 2, &["2"]).await?;
            pair.here.is_quiet().await
        }
        .boxed()
    }),
    ("what is read at a join and what is heard after it leave no gap, also while others publish", |pair| {
        async {
            for round in 0..20_u32 {
                let name = format!("room{round}");
                let publishing = async {
                    for _ in 0..10 {
                        pair.here.publish(&name, &["0"]).await?;
                    }
                    Ok::<_, String>(())
                };
                let (published, joined) = join(publishing, pair.there.join(&name)).await;
                published?;
                let joined = joined?;
                let (mut next, last) = (joined.stand.offset.0 + 1, 10);
                equal(
                    "the last that is kept",
                    &joined.kept.last().map_or(0, |entry| entry.offset.0),
                    &(next - 1),
                )?;
                while next <= last {
                    let (stand, _) = pair.there.hear_published(&name).await?;
                    // What was read already may be heard again.
                    ensure(stand.offset.0 <= next, "no offset is left out")?;
                    next = next.max(stand.offset.0 + 1);
                }
                pair.there.leave(&name).await?;
            }
            Ok(())
        }
        .boxed()
    }),
    ("many channels are joined at once, each with its answer in the same order", |pair| {
        async {
            let names: Vec<_> = (0..300).map(|n| format!("room{n}")).collect();
            pair.here.publish("room7", &["7"]).await?;
            pair.here.publish("room299", &["1", "2"]).await?;
            let joined = pair.there.join_all(&names).await?;
            equal("the number of answers", &joined.len(), &names.len())?;
            let offsets = [7, 8, 299].map(|n| joined[n].stand.offset.0);
            equal("the offsets", &offsets, &[1, 0, 2])?;
            pair.here.publish("room150", &["150"]).await?;
            pair.there.hears("room150", 1, &["150"]).await
        }
        .boxed()
    }),
    ("leaving a channel that is not joined does nothing", |pair| {
        async {
            pair.here.join("room").await?;
            pair.here.leave("other").await?;
            pair.here.leave("other").await?;
            pair.here.publish("room", &["1"]).await?;
            pair.here.hears("room", 1, &["1"]).await
        }
        .boxed()
    }),
    ("joining or leaving no channel at all is well", |pair| {
        async {
            ensure(pair.here.join_all(&[]).await?.is_empty(), "there is nothing to answer")?;
            ensure(pair.here.stands(&[]).await?.is_empty(), "there is nothing to answer")?;
            ensure(pair.here.publish_drafts(Vec::new()).await?.is_empty(), "there is nothing to answer")
        }
        .boxed()
    }),
];
