//! Accepts connections through failures.

use std::future::Future;
use std::io;
use std::time::Duration;

use chat_core::Hub;

/// Bounds the pauses after a failure, such as without file descriptors left: doubled from the first to the
/// last.
const PAUSES: [Duration; 2] = [Duration::from_millis(10), Duration::from_secs(1)];

/// Repeats an attempt until it succeeds. Counts each failure as a failed accept of the hub, and pauses after
/// it.
pub async fn accept_with<T, F>(hub: &Hub, attempt: impl Fn() -> F) -> T
where
    F: Future<Output = io::Result<T>>,
{
    let runtime = hub.runtime();
    let mut pause = PAUSES[0];
    loop {
        match attempt().await {
            Ok(done) => return done,
            Err(_) => {
                hub.acceptor().count_failed_accept();
                runtime.sleep_until(runtime.after(pause)).await;
                pause = (pause * 2).min(PAUSES[1]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::ready;

    use chat_core::OpenChat;
    use chat_core::runtime::Runtime;
    use chat_core::testkit::World;
    use futures::FutureExt;

    use super::*;

    #[test]
    fn an_attempt_is_repeated_with_longer_and_longer_pauses() {
        let world = World::new();
        let hub = Hub::builder(OpenChat::default()).build(world.clone());
        let (begun, attempts) = (world.instant(), Cell::new(0));
        let mut accepting = Box::pin(accept_with(&hub, || {
            attempts.set(attempts.get() + 1);
            ready(if attempts.get() < 10 { Err(io::ErrorKind::Other.into()) } else { Ok(attempts.get()) })
        }));
        let accepted = loop {
            match (&mut accepting).now_or_never() {
                Some(accepted) => break accepted,
                None => world.advance(Duration::from_millis(10)),
            }
        };
        // 10 + 20 + … + 640 + 1000 + 1000 ms.
        assert_eq!((accepted, world.instant() - begun), (10, Duration::from_millis(3270)));
        assert_eq!(hub.stats().cut_short.get("accept"), Some(&9));
    }
}
