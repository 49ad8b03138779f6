//! Cases: what is published under a key is placed once.

use std::time::Duration;

use futures::FutureExt;
use futures::future::join;

use super::pair::{Case, draft, ensure, equal, keyed};
use crate::model::Offset;

const LONG: Duration = Duration::from_secs(60);

pub(super) const CASES: &[Case] = &[
    ("under one key a message is placed once, whichever node says it again", |pair| {
        async {
            pair.join_both("room").await?;
            let first = pair.here.publish_drafts(vec![keyed("room", "1", "k", LONG)]).await?;
            let again = pair.there.publish_drafts(vec![keyed("room", "1", "k", LONG)]).await?;
            ensure(!first[0].already && again[0].already, "the second is told that it was placed before")?;
            equal("where the second is", &again[0].stand, &first[0].stand)?;
            pair.there.hears("room", 1, &["1"]).await?;
            pair.there.is_quiet().await
        }
        .boxed()
    }),
    ("under one key a message is placed once, though both nodes say it at once", |pair| {
        async {
            for round in 0..10 {
                let say = |body| vec![keyed("room", body, &format!("k{round}"), LONG)];
                let (one, two) =
                    join(pair.here.publish_drafts(say("1")), pair.there.publish_drafts(say("2"))).await;
                let (one, two) = (one?, two?);
                ensure(one[0].already != two[0].already, "one of them is the first")?;
                equal("where the other is", &one[0].stand, &two[0].stand)?;
            }
            equal("the stand", &pair.here.stands(&["room"]).await?[0].offset, &Offset(10))
        }
        .boxed()
    }),
    ("under one key twice in a batch is once", |pair| {
        async {
            let batch =
                vec![keyed("room", "1", "k", LONG), keyed("room", "2", "k", LONG), draft("room", "3")];
            let placed = pair.here.publish_drafts(batch).await?;
            let places: Vec<_> =
                placed.iter().map(|placed| (placed.stand.offset.0, placed.already)).collect();
            equal("the places", &places, &vec![(1, false), (1, true), (2, false)])
        }
        .boxed()
    }),
    ("a key counts in its channel alone", |pair| {
        async {
            pair.here.publish_drafts(vec![keyed("room", "1", "k", LONG)]).await?;
            let other = pair.here.publish_drafts(vec![keyed("other", "1", "k", LONG)]).await?;
            ensure(!other[0].already, "it is placed")
        }
        .boxed()
    }),
    ("keys that differ in a byte, in case or in length are different keys", |pair| {
        async {
            for key in ["k", "K", "k ", "", "k:1", "k\u{0}", "ключ"] {
                let placed = pair.here.publish_drafts(vec![keyed("room", "1", key, LONG)]).await?;
                ensure(!placed[0].already, key)?;
            }
            Ok(())
        }
        .boxed()
    }),
    ("a key is forgotten once its time is over", |pair| {
        async {
            let short = Duration::from_secs(1);
            pair.here.publish_drafts(vec![keyed("room", "1", "k", short)]).await?;
            pair.wait(Duration::from_millis(2500)).await;
            let again = pair.here.publish_drafts(vec![keyed("room", "1", "k", short)]).await?;
            ensure(!again[0].already, "it is placed again")
        }
        .boxed()
    }),
    ("a signal under a key is heard once", |pair| {
        async {
            pair.join_both("room").await?;
            let signal = || vec![keyed("room", "\"typing\"", "k", LONG).with_ephemeral(true)];
            pair.here.publish_drafts(signal()).await?;
            let again = pair.there.publish_drafts(signal()).await?;
            ensure(again[0].already, "the second is told that it was said before")?;
            pair.there.hear().await?;
            pair.there.is_quiet().await
        }
        .boxed()
    }),
];
