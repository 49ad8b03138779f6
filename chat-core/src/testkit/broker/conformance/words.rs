//! Cases: words without a place.

use futures::FutureExt;

use super::pair::{Case, channel, equal};
use crate::model::Offset;
use crate::port::broker::Heard;

pub(super) const CASES: &[Case] = &[
    ("a word to all nodes is heard by all, the speaker included", |pair| {
        async {
            pair.here.tell(None, "hello").await?;
            let word = Heard::Told { channel: None, body: "hello".into() };
            equal("what was heard here", &pair.here.hear().await?, &word)?;
            equal("what was heard there", &pair.there.hear().await?, &word)
        }
        .boxed()
    }),
    ("a word to a channel is heard by the nodes that have joined it", |pair| {
        async {
            pair.there.join("room").await?;
            pair.here.tell(Some("room"), "hello").await?;
            let word = Heard::Told { channel: Some(channel("room")), body: "hello".into() };
            equal("what was heard there", &pair.there.hear().await?, &word)?;
            pair.here.is_quiet().await
        }
        .boxed()
    }),
    ("words of one node are heard in its order", |pair| {
        async {
            for n in 0..50 {
                pair.here.tell(None, &n.to_string()).await?;
            }
            for n in 0..50 {
                let word = Heard::Told { channel: None, body: n.to_string().into() };
                equal("the next word", &pair.there.hear().await?, &word)?;
            }
            Ok(())
        }
        .boxed()
    }),
    ("a word has no place and is kept nowhere", |pair| {
        async {
            pair.here.join("room").await?;
            pair.here.tell(Some("room"), "hello").await?;
            pair.here.hear().await?;
            let joined = pair.there.join("room").await?;
            equal("the channel", &(joined.stand.offset, joined.kept.len()), &(Offset(0), 0))
        }
        .boxed()
    }),
];
