//! Tests presence as clients of Phoenix Channels receive it.

use std::sync::Arc;

use chat_core::protocol::Credentials;
use chat_core::testkit::{Client, World};
use chat_core::{ChannelOptions, Connect, Endpoint, Hub, Identity, Payload, Refusal, SessionId};
use chat_protocol::phoenix::Phoenix;
use chat_tests::scene::{Scene, each_way};

use super::phoenix_rules::{MOMENT, enter, joined, keeping, ok};

#[test]
fn who_joins_sees_who_is_there_and_hears_who_comes_and_goes_by_session() {
    each_way(|way| {
        let scene = keeping(way);
        let ann = enter(&scene, "ann");
        ann.say(r#"["1","1","room","phx_join",{}]"#);
        let state = r#"["1",null,"room","presence_state",{"ann":{"metas":[{"phx_ref":"1","name":"ann"}]}}]"#;
        assert_eq!(ann.heard(), [ok(r#""1","1","room""#), state.to_owned()]);
        scene.world.advance(MOMENT);
        ann.heard();
        let diff = |joins: &str, leaves: &str| {
            format!(r#"[null,null,"room","presence_diff",{{"joins":{{{joins}}},"leaves":{{{leaves}}}}}]"#)
        };
        let metas = |refs: &[u8]| {
            let metas: Vec<_> = refs.iter().map(|n| format!(r#"{{"phx_ref":"{n}","name":"bob"}}"#)).collect();
            format!(r#""bob":{{"metas":[{}]}}"#, metas.join(","))
        };
        let (phone, desk) = (joined(&scene, "bob"), joined(&scene, "bob"));
        scene.world.advance(MOMENT);
        assert_eq!(ann.heard(), [diff(&metas(&[2, 3]), "")]);
        phone.cut();
        scene.world.advance(MOMENT);
        assert_eq!(ann.heard(), [diff("", &metas(&[2]))]);
        let again = joined(&scene, "bob");
        scene.world.advance(MOMENT);
        assert_eq!(ann.heard(), [diff(&metas(&[4]), "")]);
        [desk, again].iter().for_each(Client::cut);
        scene.world.advance(MOMENT);
        assert_eq!(ann.heard(), [diff("", &metas(&[3, 4]))]);
    });
}

#[test]
fn a_user_who_changes_while_another_session_of_hers_comes_is_told_with_all_her_sessions() {
    each_way(|way| {
        let scene = keeping(way);
        let (ann, bob) = (joined(&scene, "ann"), scene.join("bob", "room"));
        ann.say(r#"["1","2","room","new_msg",{}]"#);
        scene.world.advance(MOMENT);
        ann.heard();
        bob.say("read room 1");
        scene.join("bob", "room");
        scene.world.advance(MOMENT);
        let meta = |n| format!(r#"{{"phx_ref":"{n}","name":"bob","read":1}}"#);
        let joins = format!(r#""bob":{{"metas":[{},{}]}}"#, meta(2), meta(3));
        let diff = format!(r#"[null,null,"room","presence_diff",{{"joins":{{{joins}}},"leaves":{{}}}}]"#);
        assert_eq!(ann.heard(), [diff]);
    });
}

/// Lets others see of who comes what it says of itself.
struct Showing;

impl Endpoint for Showing {
    async fn stream_opened(&self, _: SessionId, connect: Connect) -> Result<Identity, Refusal> {
        let name = connect.name.expect("these say who they are");
        let data = Payload::json(connect.token.map_or("null".to_owned(), |token| token.0.to_string()));
        Ok(Identity::named(name).with_data(data))
    }
}

#[test]
fn what_the_endpoint_lets_others_see_stands_at_the_top_of_a_meta() {
    each_way(|way| {
        for (data, expected) in [
            (r#"{ "online_at": "7", "a b": [ 1 ] }"#, r#""name":"ann","a b":[ 1 ],"online_at":"7""#),
            (r#"{"name":"Ann","phx_ref":"9","read":{}}"#, r#""name":"Ann","read":{}"#),
            ("{}", r#""name":"ann""#),
            ("[7]", r#""name":"ann","data":[7]"#),
            (r#""x""#, r#""name":"ann","data":"x""#),
        ] {
            let options = ChannelOptions::default().with_presence(true);
            let scene = Scene::of(World::new(), way, Hub::builder(Showing).channel(|_| options));
            let credentials = |name: &str| Connect::named(name.parse().ok()).with_token(Some(data.into()));
            let enter =
                |name| scene.enter_by(Arc::new(Phoenix::default()), Credentials::Now(credentials(name)));
            let (bob, ann) = (enter("bob"), enter("ann"));
            bob.say(r#"["1","1","room","phx_join",{}]"#);
            scene.world.advance(MOMENT);
            bob.heard();
            ann.say(r#"["1","1","room","phx_join",{}]"#);
            let meta = format!(r#""ann":{{"metas":[{{"phx_ref":"2",{expected}}}]}}"#);
            assert!(ann.heard()[1].contains(&meta), "{meta}");
            scene.world.advance(MOMENT);
            assert!(bob.heard()[0].contains(&format!(r#"{{"joins":{{{meta}}},"leaves":{{}}}}"#)), "{meta}");
            ann.cut();
            scene.world.advance(MOMENT);
            assert!(bob.heard()[0].contains(&format!(r#"{{"joins":{{}},"leaves":{{{meta}}}}}"#)), "{meta}");
        }
    });
}
