//! Tests that a request costs a strike if it cannot be read, and only then.

use std::sync::Arc;
use std::time::Duration;

use chat_core::protocol::Credentials;
use chat_core::{Connect, Endpoint, Identity, Limits, Refusal, SessionId, UserId};
use chat_protocol::centrifuge::Centrifuge;
use chat_protocol::phoenix::Phoenix;
use chat_tests::scene::{Scene, each_way};

const SECOND: Duration = Duration::from_secs(1);

/// Gives users an id other than their name, as tokens do, so that their rates are remembered.
struct Named;

impl Endpoint for Named {
    async fn stream_opened(&self, _: SessionId, connect: Connect) -> Result<Identity, Refusal> {
        let name = connect.name.expect("a name");
        let user = format!("u-{name}").parse::<UserId>()?;
        Ok(Identity::named(name).with_user(user))
    }
}

/// Tests refused joins of npm's phoenix, which joins again after every refusal, with delays of up to ten
/// seconds (channel.js).
#[test]
fn a_client_with_one_name_that_is_too_long_is_not_cut_from_its_other_channels() {
    each_way(|way| {
        let scene = Scene::new(way, Named, Limits::default());
        for life in 0..3 {
            let ann = scene.enter_in(Phoenix::default(), "ann");
            ann.say(r#"["1","1","room","phx_join",{}]"#);
            for n in 0..40 {
                scene.world.advance(SECOND * 10);
                ann.say(&format!(r#"["7","{n}","{}","phx_join",{{}}]"#, "x".repeat(256)));
                let code = ann.close().map(|close| close.code());
                assert_eq!(code, None, "life {life}, after {} joins", n + 1);
            }
        }
    });
}

/// Tests an app whose channel names are longer than the operator's `--channel-name-bytes`: each is refused,
/// and clients do not ask again.
#[test]
fn names_over_the_bound_are_refused_and_the_connection_stays() {
    each_way(|way| {
        let scene = Scene::new(way, Named, Limits::default().with_channel_name_bytes(8));
        let ann = scene.enter("ann");
        let all: Vec<_> = (0..30).map(|n| format!("#{n} subscribe organisation-{n}")).collect();
        ann.say(&all.join("\n"));
        let (heard, close) = (ann.heard(), ann.close().map(|close| close.code()));
        assert_eq!((heard.iter().filter(|line| line.contains(" error 107 ")).count(), close), (30, None));
    });
}

/// Tests a promise of docs/clients.md: filters are refused with 108; a bad request is one that is refused
/// with 107.
#[test]
fn what_is_not_offered_is_no_strike() {
    each_way(|way| {
        let scene = Scene::open_chat(way);
        let ann = scene.enter_by(Arc::new(Centrifuge::default()), Credentials::Later);
        ann.say(r#"{"id":1,"connect":{}}"#);
        for n in 2..32 {
            ann.say(&format!(r#"{{"id":{n},"subscribe":{{"channel":"room-{n}","tf":{{"op":"eq"}}}}}}"#));
        }
        let heard = ann.heard();
        let refused = heard.iter().filter(|line| line.contains("\"code\":108")).count();
        assert_eq!((refused, ann.close().map(|close| close.code())), (30, None), "{:?}", heard.last());
    });
}
