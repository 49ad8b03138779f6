//! Cases: one order on all nodes.

use futures::FutureExt;
use futures::future::join;

use super::pair::{Case, channel, draft, ensure, equal};
use crate::model::Offset;
use crate::port::broker::Heard;

pub(super) const CASES: &[Case] = &[
    ("a publication is heard on every node that has joined, the publisher's own included", |pair| {
        async {
            pair.join_both("room").await?;
            pair.here.publish("room", &["\"a\""]).await?;
            pair.here.hears("room", 1, &["\"a\""]).await?;
            pair.there.hears("room", 1, &["\"a\""]).await
        }
        .boxed()
    }),
    ("offsets begin at 1 and grow by one, whichever node publishes", |pair| {
        async {
            pair.join_both("room").await?;
            for (n, node) in [&pair.here, &pair.there, &pair.there, &pair.here].into_iter().enumerate() {
                let placed = node.publish("room", &["0"]).await?;
                equal("the offset", &placed[0].stand.offset, &Offset(n as u64 + 1))?;
            }
            pair.here.hears("room", 1, &["0"; 4]).await
        }
        .boxed()
    }),
    ("a batch is placed in its order", |pair| {
        async {
            pair.there.join("room").await?;
            let placed = pair.here.publish("room", &["1", "2", "3", "4", "5"]).await?;
            let offsets: Vec<_> = placed.iter().map(|placed| placed.stand.offset.0).collect();
            equal("the offsets", &offsets, &vec![1, 2, 3, 4, 5])?;
            pair.there.hears("room", 1, &["1", "2", "3", "4", "5"]).await
        }
        .boxed()
    }),
    ("a batch may be of several channels of a lane, and each has its own offsets", |pair| {
        async {
            let lane = pair.here.lane("room");
            let names = (0..1000).map(|n| format!("other{n}"));
            let other =
                names.into_iter().find(|name| pair.here.lane(name) == lane).ok_or("no name has the lane")?;
            pair.join_both("room").await?;
            pair.join_both(&other).await?;
            let batch = vec![draft("room", "1"), draft(&other, "2"), draft("room", "3"), draft(&other, "4")];
            let placed = pair.here.publish_drafts(batch).await?;
            let offsets: Vec<_> = placed.iter().map(|placed| placed.stand.offset.0).collect();
            equal("the offsets", &offsets, &vec![1, 1, 2, 2])?;
            ensure(placed[0].stand.epoch != placed[1].stand.epoch, "each channel has an epoch of its own")
        }
        .boxed()
    }),
    ("two nodes that publish at once hear one order", |pair| {
        async {
            pair.join_both("room").await?;
            for _ in 0..20 {
                let (one, two) = join(
                    pair.here.publish("room", &["\"h\"", "\"h\""]),
                    pair.there.publish("room", &["\"t\""]),
                )
                .await;
                one?;
                two?;
                for _ in 0..3 {
                    let (here, there) =
                        (pair.here.hear_published("room").await?, pair.there.hear_published("room").await?);
                    equal("what the other node heard", &there, &here)?;
                }
            }
            equal("the stand", &pair.here.stands(&["room"]).await?[0].offset, &Offset(60))
        }
        .boxed()
    }),
    ("an answer has the epoch and the offset that every node hears", |pair| {
        async {
            pair.there.join("room").await?;
            let placed = pair.here.publish("room", &["0"]).await?;
            let (stand, _) = pair.there.hear_published("room").await?;
            equal("the stand", &stand, &placed[0].stand)
        }
        .boxed()
    }),
    ("a signal is heard once, and has the offset of the publication before it", |pair| {
        async {
            pair.join_both("room").await?;
            pair.here.publish("room", &["1"]).await?;
            let placed =
                pair.here.publish_drafts(vec![draft("room", "\"typing\"").with_ephemeral(true)]).await?;
            equal("the signal's offset", &placed[0].stand.offset, &Offset(1))?;
            pair.here.publish("room", &["2"]).await?;
            pair.there.hears("room", 1, &["1"]).await?;
            let stand = placed[0].stand;
            let (channel, body) = (channel("room"), "\"typing\"".into());
            let signal = Heard::Published { channel, stand, ephemeral: true, body };
            equal("the signal", &pair.there.hear().await?, &signal)?;
            pair.there.hears("room", 2, &["2"]).await
        }
        .boxed()
    }),
    ("a channel that nobody has joined has its order all the same", |pair| {
        async {
            pair.here.publish("room", &["1", "2"]).await?;
            let placed = pair.there.publish("room", &["3"]).await?;
            equal("the offset", &placed[0].stand.offset, &Offset(3))
        }
        .boxed()
    }),
    ("an epoch is no 0, and stays", |pair| {
        async {
            let first = pair.here.join("room").await?.stand.epoch;
            ensure(first.0 != 0, "an epoch is not 0")?;
            let placed = pair.there.publish("room", &["1"]).await?;
            equal("the epoch", &placed[0].stand.epoch, &first)
        }
        .boxed()
    }),
    ("every channel has the same lane on all nodes", |pair| {
        async {
            for n in 0..100 {
                let name = format!("channel{n}");
                ensure(pair.here.lane(&name) < pair.here.lanes(), "a lane is below the number of lanes")?;
                equal("the lane", &pair.there.lane(&name), &pair.here.lane(&name))?;
            }
            Ok(())
        }
        .boxed()
    }),
];
