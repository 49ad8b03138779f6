//! Cases: names and bodies are exact, whatever they mean to the engine.

use futures::FutureExt;

use super::pair::{Case, channel, equal, listed};
use crate::model::HistoryRequest;

/// Lists names that mean something to one engine or another, each beside one that it must not be taken for.
const NAMES: [(&str, &str); 16] = [
    ("a*", "ab"),
    ("a?", "ab"),
    ("[ab]", "a"),
    ("{t}a", "ta"),
    ("{t}a", "{t}b"),
    (">", "a"),
    ("a.>", "a.b"),
    ("*", "a"),
    ("a.*", "a.b"),
    ("a.b", "a_b"),
    ("a b", "a+b"),
    ("a:b", "a::b"),
    ("a%20b", "a b"),
    ("'; DROP TABLE x --", "x"),
    ("a", "A"),
    ("ä", "a\u{308}"),
];

/// Lists bodies that an engine might change.
const BODIES: [&str; 7] = ["", " ", "\r\n", "\u{0}", "\"\\u0000\"", "{\"a\" :1.0e400}", "\u{2028}ж𝄞"];

pub(super) const CASES: &[Case] = &[
    ("a name stands for one channel alone", |pair| {
        async {
            for (name, other) in NAMES {
                pair.there.join(name).await?;
                pair.here.publish(other, &["\"other\""]).await?;
                pair.here.publish(name, &["\"this\""]).await?;
                let (_, body) =
                    pair.there.hear_published(name).await.map_err(|wrong| format!("{name}: {wrong}"))?;
                equal(name, &body.as_str(), &"\"this\"")?;
                pair.there.leave(name).await?;
            }
            pair.there.is_quiet().await
        }
        .boxed()
    }),
    ("a name as long as one may be, and one of a byte, are channels like others", |pair| {
        async {
            for name in ["x".repeat(255), "ж".repeat(127), "-".to_owned()] {
                pair.there.join(&name).await?;
                pair.here.publish(&name, &["1"]).await?;
                pair.there.hears(&name, 1, &["1"]).await?;
            }
            Ok(())
        }
        .boxed()
    }),
    ("a body is carried to the byte, to those who hear it and to those who read it", |pair| {
        async {
            pair.there.join("room").await?;
            pair.here.publish("room", &BODIES).await?;
            pair.there.hears("room", 1, &BODIES).await?;
            let page = pair.there.read(HistoryRequest::of(channel("room"), 100)).await?;
            let must: Vec<_> = (1..).zip(BODIES).collect();
            equal("the page", &listed(&page.entries), &must)
        }
        .boxed()
    }),
];
