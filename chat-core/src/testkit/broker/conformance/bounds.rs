//! Cases: what is too long is refused, and what is long is carried.

use futures::FutureExt;

use super::pair::{Case, draft, ensure, equal};
use crate::model::Offset;
use crate::port::broker::{BODY_BYTES, BrokerError, BrokerFault};

fn fault(error: Option<BrokerError>) -> Option<BrokerFault> {
    error.map(|error| error.fault())
}

pub(super) const CASES: &[Case] = &[
    ("a body of the most bytes is carried", |pair| {
        async {
            pair.there.join("room").await?;
            let most = "x".repeat(BODY_BYTES);
            pair.here.publish("room", &[&most]).await?;
            pair.there.hears("room", 1, &[&most]).await
        }
        .boxed()
    }),
    ("a body of a byte more is refused alone, and has no place", |pair| {
        async {
            let more = "x".repeat(BODY_BYTES + 1);
            let batch = vec![draft("room", "1"), draft("room", &more), draft("room", "2")];
            let placed = pair.here.try_publish(batch).await;
            equal("the number of answers", &placed.len(), &3)?;
            ensure(placed[0].is_ok() && placed[2].is_ok(), "the others are placed")?;
            let refused = placed.into_iter().nth(1).and_then(Result::err);
            equal("the fault", &fault(refused), &Some(BrokerFault::TooLarge))?;
            equal("the stand", &pair.here.stands(&["room"]).await?[0].offset, &Offset(2))
        }
        .boxed()
    }),
    ("a word of a byte too many is refused", |pair| {
        async {
            let refused = pair.here.try_tell(&"x".repeat(BODY_BYTES + 1)).await.err();
            equal("the fault", &fault(refused), &Some(BrokerFault::TooLarge))?;
            pair.there.is_quiet().await
        }
        .boxed()
    }),
    ("a thousand publications in one batch are placed and heard", |pair| {
        async {
            pair.there.join("room").await?;
            let bodies: Vec<_> = (0..1000).map(|n| n.to_string()).collect();
            let bodies: Vec<_> = bodies.iter().map(String::as_str).collect();
            pair.here.publish("room", &bodies).await?;
            pair.there.hears("room", 1, &bodies).await
        }
        .boxed()
    }),
];
