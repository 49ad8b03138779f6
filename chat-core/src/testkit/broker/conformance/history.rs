//! Cases: what is kept, and how it is read.

use std::time::Duration;

use futures::FutureExt;

use super::pair::{Case, channel, draft, ensure, equal, kept, listed};
use crate::model::{HistoryOptions, HistoryRequest, Offset};
use crate::port::broker::Draft;

fn all() -> HistoryRequest {
    HistoryRequest::of(channel("room"), 100)
}

pub(super) const CASES: &[Case] = &[
    ("a page has what is kept of a range, in either order", |pair| {
        async {
            pair.here.publish("room", &["1", "2", "3", "4", "5"]).await?;
            let page = pair.there.read(all()).await?;
            equal("the stand", &page.stand.offset, &Offset(5))?;
            equal("all", &listed(&page.entries), &vec![(1, "1"), (2, "2"), (3, "3"), (4, "4"), (5, "5")])?;
            let range = all().with_after(Offset(1)).with_before(Offset(5));
            let page = pair.there.read(range.clone()).await?;
            equal("a range", &listed(&page.entries), &vec![(2, "2"), (3, "3"), (4, "4")])?;
            ensure(!page.more, "that is all of the range")?;
            let page = pair.there.read(range.with_reverse(true)).await?;
            equal("in reverse", &listed(&page.entries), &vec![(4, "4"), (3, "3"), (2, "2")])
        }
        .boxed()
    }),
    ("a page has at most its limit, and says that there is more", |pair| {
        async {
            pair.here.publish("room", &["1", "2", "3"]).await?;
            let mut request = all();
            request.limit = 2;
            let page = pair.there.read(request.clone()).await?;
            equal("the first two", &(listed(&page.entries), page.more), &(vec![(1, "1"), (2, "2")], true))?;
            let page = pair.there.read(request.with_after(Offset(2))).await?;
            equal("the rest", &(listed(&page.entries), page.more), &(vec![(3, "3")], false))
        }
        .boxed()
    }),
    ("a page has at most its bytes, but one publication in any case", |pair| {
        async {
            let long = format!("\"{}\"", "x".repeat(1000));
            pair.here.publish("room", &[&long, &long, &long]).await?;
            let page = pair.there.read_within(all(), 2100).await?;
            equal("two fit", &(page.entries.len(), page.more), &(2, true))?;
            let page = pair.there.read_within(all(), 10).await?;
            equal("one in any case", &(page.entries.len(), page.more), &(1, true))
        }
        .boxed()
    }),
    ("a channel that nobody knows has an empty page", |pair| {
        async {
            let page = pair.here.read(all()).await?;
            equal("the page", &(page.entries.len(), page.more, page.stand.offset), &(0, false, Offset(0)))
        }
        .boxed()
    }),
    ("the newest are kept, as many as the publication says", |pair| {
        async {
            let keep = HistoryOptions { entries: 2, ..kept() };
            let bodies = ["1", "2", "3"].map(|body| Draft::new(channel("room"), body, keep));
            pair.here.publish_drafts(bodies.to_vec()).await?;
            equal("what is kept", &listed(&pair.there.read(all()).await?.entries), &vec![(2, "2"), (3, "3")])
        }
        .boxed()
    }),
    ("a channel that keeps nothing has offsets all the same", |pair| {
        async {
            let keep = HistoryOptions { entries: 0, ..kept() };
            pair.there.join_keeping("room", keep).await?;
            let bodies = ["1", "2"].map(|body| Draft::new(channel("room"), body, keep));
            pair.here.publish_drafts(bodies.to_vec()).await?;
            pair.there.hears("room", 1, &["1", "2"]).await?;
            let page = pair.there.read(all()).await?;
            equal("the page", &(page.entries.len(), page.stand.offset), &(0, Offset(2)))
        }
        .boxed()
    }),
    ("a signal is kept nowhere", |pair| {
        async {
            pair.here.publish("room", &["1"]).await?;
            pair.here.publish_drafts(vec![draft("room", "2").with_ephemeral(true)]).await?;
            equal("what is kept", &listed(&pair.there.read(all()).await?.entries), &vec![(1, "1")])
        }
        .boxed()
    }),
    ("what is too old is dropped, and the offsets go on", |pair| {
        async {
            let keep = HistoryOptions { age: Duration::from_secs(1), ..kept() };
            let publish = |body| vec![Draft::new(channel("room"), body, keep)];
            pair.here.publish_drafts(publish("1")).await?;
            pair.wait(Duration::from_millis(2500)).await;
            let placed = pair.here.publish_drafts(publish("2")).await?;
            equal("the offset", &placed[0].stand.offset, &Offset(2))?;
            equal("what is kept", &listed(&pair.there.read(all()).await?.entries), &vec![(2, "2")])
        }
        .boxed()
    }),
    ("where channels stand is told in the order of the question", |pair| {
        async {
            pair.here.publish("b", &["1"]).await?;
            let placed = pair.here.publish("a", &["1", "2"]).await?;
            let stands = pair.there.stands(&["a", "new", "b", "a"]).await?;
            let offsets: Vec<_> = stands.iter().map(|stand| stand.offset.0).collect();
            equal("the offsets", &offsets, &vec![2, 0, 1, 2])?;
            equal("the stand", &stands[0], &placed[1].stand)
        }
        .boxed()
    }),
];
