//! Tests the HTTP API, each call over a socket of its own.

use std::net::SocketAddr;

use chat_tests::crowd::Member;
use chat_tests::program::Program;
use chat_tests::raw::{Raw, request};
use serde_json::{Value, json};

const KEY: &str = "an api key";

fn server(more: &[&str]) -> Program {
    Program::server(&[&["--api-key", KEY][..], more].concat())
}

/// Returns the status and the body of the answer to a request with these headers.
fn post(address: SocketAddr, path: &str, headers: &[(&str, &str)], body: &str) -> (u16, String) {
    let length = body.len().to_string();
    let own = [("content-length", length.as_str()), ("connection", "close")];
    let head = request("POST", path, address, &[headers, &own].concat());
    let mut raw = Raw::connect(address);
    raw.send(format!("{head}{body}").as_bytes());
    let answer = String::from_utf8(raw.rest()).expect("text");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.expect("a status"), body.to_owned())
}

/// Returns the answer to a call of the API.
fn api(server: &Program, method: &str, fields: &Value) -> (u16, Value) {
    let (status, body) =
        post(server.address, &format!("/api/{method}"), &[("x-api-key", KEY)], &fields.to_string());
    (status, serde_json::from_str(&body).unwrap_or(Value::Null))
}

/// Returns the result of a call that is not refused.
fn result(server: &Program, method: &str, fields: &Value) -> Value {
    let (status, answer) = api(server, method, fields);
    assert!(status == 200 && answer.get("error").is_none(), "{method} {fields}: {status} {answer}");
    answer["result"].clone()
}

/// Returns the code of a refusal.
fn refused(server: &Program, method: &str, fields: &Value) -> u64 {
    let (_, answer) = api(server, method, fields);
    answer["error"]["code"].as_u64().unwrap_or_else(|| panic!("{method} {fields}: {answer}"))
}

fn history(server: &Program, channel: &str) -> Vec<Value> {
    let page = result(server, "history", &json!({"channel":channel,"limit":100}));
    let said = page["publications"].as_array().expect("a list").clone();
    said.into_iter().map(|each| each["data"].clone()).collect()
}

#[test]
fn a_channel_that_nobody_is_in_is_empty_and_no_error() {
    let server = server(&[]);
    let nobody = json!({"channel":"nobody"});
    assert_eq!(result(&server, "presence", &nobody), json!({"presence":{}}));
    assert_eq!(result(&server, "presence_stats", &nobody), json!({"num_clients":0,"num_users":0}));
    let nothing = json!({"publications":[],"epoch":"","offset":0});
    for fields in [json!({}), json!({"limit":10}), json!({"limit":-1,"reverse":true}), json!({"since":{}})] {
        let mut asked = fields.clone();
        asked["channel"] = json!("nobody");
        assert_eq!(result(&server, "history", &asked), nothing, "{fields}");
    }
    let before = json!({"channel":"nobody","since":{"offset":3,"epoch":"another"}});
    assert_eq!(refused(&server, "history", &before), 112, "it was there once");
    let mut ann = Member::connect_to(server.address, "/ws?name=ann");
    ann.subscribe("joined");
    let page = result(&server, "history", &json!({"channel":"joined","limit":1}));
    assert_eq!((&page["publications"], &page["offset"]), (&json!([]), &json!(0)));
    assert!(page["epoch"].as_str().is_some_and(|epoch| !epoch.is_empty()));
    assert_eq!(
        result(&server, "presence_stats", &json!({"channel":"joined"})),
        json!({"num_clients":1,"num_users":1})
    );
}

#[test]
fn where_nobody_knows_who_is_there_that_is_said() {
    let server = server(&["--presence=false"]);
    for method in ["presence", "presence_stats"] {
        assert_eq!(refused(&server, method, &json!({"channel":"nobody"})), 108, "{method}");
    }
}

#[test]
fn what_is_to_be_kept_nowhere_is_heard_and_is_in_no_history() {
    let server = server(&[]);
    let mut ann = Member::connect_to(server.address, "/ws?name=ann");
    ann.subscribe("room");
    let kept = |data: u64| json!({"channel":"room","data":data});
    assert_eq!(result(&server, "publish", &kept(1))["offset"], 1);
    let unkept = json!({"channel":"room","data":2,"skip_history":true});
    assert_eq!(result(&server, "publish", &unkept), json!({}), "it has no place");
    let both = json!({"channels":["room","other"],"data":3,"skip_history":true});
    assert_eq!(result(&server, "broadcast", &both), json!({"responses":[{"result":{}},{"result":{}}]}));
    assert_eq!(result(&server, "publish", &kept(4))["offset"], 2);
    let heard: Vec<_> = (0..4).map(|_| ann.hear()).collect();
    let told = |name: &str| heard.iter().map(|frame| frame[name].clone()).collect::<Vec<_>>();
    assert_eq!(told("type"), vec![json!("message"); 4]);
    assert_eq!(told("content"), [json!(1), json!(2), json!(3), json!(4)]);
    assert_eq!(told("offset"), [json!(1), Value::Null, Value::Null, json!(2)]);
    assert_eq!(told("event"), vec![Value::Null; 4], "no event that nobody said");
    assert_eq!(history(&server, "room"), [json!(1), json!(4)]);
    let keyed = json!({"channel":"room","data":5,"skip_history":true,"idempotency_key":"k"});
    (0..2).for_each(|_| assert_eq!(result(&server, "publish", &keyed), json!({})));
    result(&server, "publish", &kept(6));
    assert_eq!(
        [ann.hear(), ann.hear()].map(|frame| frame["content"].clone()),
        [json!(5), json!(6)],
        "said once"
    );
}

/// Tests every call with the parameters of the published API that this server does not support.
#[test]
fn what_is_not_spoken_is_refused_unless_it_says_nothing_and_nothing_is_done() {
    let server = server(&[]);
    let publish = json!({"channel":"room","data":1});
    let whom = json!({"channel":"room","user":"ann"});
    let unspoken = [
        ("publish", &publish, &["tags", "version", "version_epoch", "unheard_of"][..]),
        ("broadcast", &json!({"channels":["room"],"data":1}), &["tags", "version", "version_epoch"]),
        (
            "subscribe",
            &whom,
            &[
                "expire_at",
                "info",
                "b64info",
                "data",
                "b64data",
                "session",
                "override",
                "label_filter",
                "all_users",
            ],
        ),
        ("unsubscribe", &whom, &["session", "label_filter", "all_users"]),
        ("disconnect", &json!({"user":"ann"}), &["session", "label_filter", "all_users"]),
        ("history", &json!({"channel":"room"}), &["filter"]),
        ("presence", &json!({"channel":"room"}), &["filter"]),
    ];
    for (method, fields, names) in unspoken {
        for name in names {
            for said in [json!(7), json!("a"), json!({"a":"b"}), json!(["a"]), json!(true)] {
                let mut fields = fields.clone();
                fields[name] = said;
                assert_eq!(refused(&server, method, &fields), 108, "{method} {name}");
            }
            for empty in [json!(null), json!(""), json!(0), json!(false), json!({}), json!([])] {
                let mut fields = fields.clone();
                fields[name] = empty;
                if !["publish", "broadcast"].contains(&method) {
                    result(&server, method, &fields);
                }
            }
        }
    }
    assert_eq!(history(&server, "room"), [json!(null); 0], "nothing was published");
    let empty = json!({"channel":"room","data":1,"tags":{},"version":0,"version_epoch":"","delta":true});
    assert_eq!(result(&server, "publish", &empty)["offset"], 1);
}

#[test]
fn what_is_null_is_as_if_it_were_not_there() {
    let server = server(&[]);
    let publish = json!({"channel":"room","data":1,"b64data":null,"skip_history":null,"idempotency_key":null,"tags":null});
    assert_eq!(result(&server, "publish", &publish)["offset"], 1);
    let history = json!({"channel":"room","limit":null,"since":null,"reverse":null});
    assert_eq!(result(&server, "history", &history)["offset"], 1);
    let since = json!({"channel":"room","limit":1,"since":{"offset":null,"epoch":null}});
    assert_eq!(result(&server, "history", &since)["publications"][0]["data"], 1);
    let ends = json!({"user":"ann","client":null,"session":null,"whitelist":null,"disconnect":null});
    assert_eq!(result(&server, "disconnect", &ends), json!({}));
    assert_eq!(refused(&server, "publish", &json!({"channel":null,"data":1})), 107);
    assert_eq!(
        result(&server, "publish", &json!({"channel":"room","data":null}))["offset"],
        2,
        "null is content"
    );
}

#[test]
fn bytes_come_in_base64() {
    let server = server(&[]);
    let coded = |coded: &str| json!({"channel":"room","b64data":coded});
    result(&server, "publish", &coded("eyJhIjoxfQ=="));
    result(&server, "publish", &coded("/wA="));
    assert_eq!(history(&server, "room"), [json!({"a":1}), json!("/wA=")]);
    assert_eq!(refused(&server, "publish", &coded("no base64")), 107);
    assert_eq!(refused(&server, "publish", &json!({"channel":"room"})), 107, "no content");
}

#[test]
fn each_channel_of_a_broadcast_has_an_answer_of_its_own() {
    let server = server(&[]);
    let answers = result(&server, "broadcast", &json!({"channels":["a","","b"],"data":1}));
    let answers = answers["responses"].as_array().expect("a list");
    let codes: Vec<_> = answers.iter().map(|answer| answer["error"]["code"].clone()).collect();
    assert_eq!(codes, [Value::Null, json!(107), Value::Null]);
    assert_eq!((history(&server, "a"), history(&server, "b")), (vec![json!(1)], vec![json!(1)]));
    assert_eq!(refused(&server, "broadcast", &json!({"channels":[],"data":1})), 107);
}

#[test]
fn the_server_puts_users_into_channels_and_takes_them_out_all_or_one() {
    let server = server(&[]);
    let mut all: Vec<_> = (0..2).map(|_| Member::connect_to(server.address, "/ws?name=ann")).collect();
    for one in &mut all {
        one.subscribe("first");
    }
    let clients = result(&server, "presence", &json!({"channel":"first"}))["presence"].clone();
    let client = clients.as_object().expect("by client").keys().next().expect("one").clone();
    let there = || result(&server, "presence_stats", &json!({"channel":"room"}))["num_clients"].clone();
    result(&server, "subscribe", &json!({"channel":"room","user":"ann"}));
    for one in &mut all {
        assert_eq!(one.hear()["type"], "subscribed");
    }
    assert_eq!(there(), 2);
    result(&server, "unsubscribe", &json!({"channel":"room","user":"ann","client":client}));
    result(&server, "unsubscribe", &json!({"channel":"first","user":"ann"}));
    // Each hears the second; the one that was named hears the first before that.
    let mut outs = 0;
    for one in &mut all {
        while one.hear()["channelId"] == "room" {
            outs += 1;
        }
    }
    assert_eq!((outs, there()), (1, json!(1)));
    result(&server, "subscribe", &json!({"channel":"room","user":"ann","client":client}));
    result(&server, "subscribe", &json!({"channel":"first","user":"ann","client":"nobody"}));
    assert!(all.iter_mut().any(|one| {
        one.say(&json!({"type":"ping"}));
        one.hear()["type"] == "subscribed"
    }));
    assert_eq!(there(), 2);
    result(&server, "disconnect", &json!({"user":"ann","whitelist":[client]}));
    while result(&server, "info", &json!({}))["nodes"][0]["num_clients"] != 1 {}
    assert_eq!(result(&server, "info", &json!({}))["nodes"][0]["num_users"], 1);
    assert_eq!(there(), 1);
}

#[test]
fn many_calls_of_one_body_are_answered_one_by_one() {
    let server = server(&[]);
    let commands = json!([
        {"publish":{"channel":"a","data":1}},
        {"presence":{"channel":"a"}},
        null,
        {"publish":{"channel":"","data":1}},
        {"publish":null,"history":{"channel":"a","limit":1}},
        {"map_publish":{"channel":"a"}},
    ]);
    for parallel in [json!(false), json!(true), json!(null)] {
        let (status, answer) = api(&server, "batch", &json!({"commands":commands,"parallel":parallel}));
        let replies = answer["replies"].as_array().unwrap_or_else(|| panic!("{status} {answer}"));
        assert_eq!((status, replies.len()), (200, 6));
        assert!(replies[0]["publish"]["offset"].as_u64().is_some(), "{answer}");
        assert_eq!(replies[1], json!({"presence":{"presence":{}}}));
        assert_eq!(
            [&replies[2], &replies[3]].map(|reply| reply["error"]["code"].clone()),
            [json!(107), json!(107)]
        );
        assert_eq!(replies[4]["history"]["publications"][0]["data"], 1);
        assert_eq!(replies[5]["error"]["code"], 104);
    }
    assert_eq!(api(&server, "batch", &json!({"commands":[]})).1, json!({"replies":[]}));
}

#[test]
fn a_method_that_is_not_spoken_is_not_there_and_every_count_is() {
    let server = server(&[]);
    for method in ["channels", "connections", "history_remove", "refresh", "map_publish", "dance", ""] {
        assert_eq!(api(&server, method, &json!({})).0, 404, "{method}");
    }
    assert_eq!(refused(&server, "rpc", &json!({"method":"dance"})), 104);
    let info = result(&server, "info", &json!({}));
    for count in ["num_clients", "num_users", "num_channels", "num_subs"] {
        assert_eq!(info["nodes"][0][count], 0, "{count}");
    }
}

#[test]
fn the_key_comes_in_either_header_or_in_the_query() {
    let server = server(&[]);
    let asked = |name: &str, value: &str| post(server.address, "/api/info", &[(name, value)], "{}").0;
    let scheme = format!("apikey {KEY}");
    assert_eq!([asked("x-api-key", KEY), asked("authorization", &scheme)], [200, 200]);
    assert_eq!([asked("authorization", KEY), asked("authorization", "apikey another")], [401, 401]);
    assert_eq!([asked("authorization", "Bearer an api key"), asked("x-api-key", "")], [401, 401]);
    let queried = |query: &str, headers: &[(&str, &str)]| {
        post(server.address, &format!("/api/info?{query}"), headers, "{}").0
    };
    for right in ["api_key=an%20api%20key", "api_key=an+api+key", "a=b&api_key=an+api+key&api_key=another"] {
        assert_eq!(queried(right, &[]), 200, "{right}");
    }
    for wrong in ["api_key=another", "api_key=", "api_key", "", "API_KEY=an+api+key", "key=an+api+key"] {
        assert_eq!(queried(wrong, &[]), 401, "{wrong}");
    }
    assert_eq!(queried("api_key=an+api+key", &[("x-api-key", "another")]), 200, "one of them is right");
    assert_eq!(queried("api_key=another", &[("x-api-key", KEY)]), 200);
    assert_eq!(queried("api_key=another", &[("x-api-key", ""), ("authorization", &scheme)]), 200);
}

#[test]
fn who_wishes_for_it_is_told_of_a_refusal_by_the_status_alone() {
    let server = server(&["--presence=false"]);
    let asked = |method: &str, fields: &str, mode: &str| {
        let headers = [("x-api-key", KEY), ("X-Centrifugo-Error-Mode", mode)];
        let (status, body) = post(server.address, &format!("/api/{method}"), &headers, fields);
        (status, serde_json::from_str::<Value>(&body).expect("JSON"))
    };
    let refusals = [
        ("publish", r#"{"channel":"","data":1}"#, 400, 107, 400),
        ("publish", "nonsense", 400, 107, 400),
        ("presence", r#"{"channel":"room"}"#, 200, 108, 400),
        ("publish", r#"{"channel":"room","data":1,"tags":{"a":"b"}}"#, 200, 108, 400),
        ("rpc", r#"{"method":"dance"}"#, 200, 104, 404),
        ("dance", "{}", 404, 104, 404),
        ("history", r#"{"channel":"room","since":{"offset":1,"epoch":"another"}}"#, 200, 112, 416),
    ];
    for (method, fields, usual, code, own) in refusals {
        for mode in ["", "reply", "Transport"] {
            let (status, answer) = asked(method, fields, mode);
            assert_eq!((status, &answer["error"]["code"]), (usual, &json!(code)), "{method} {fields} {mode}");
        }
        let (status, answer) = asked(method, fields, "transport");
        assert_eq!((status, &answer["code"]), (own, &json!(code)), "{method} {fields}: {answer}");
        assert!(answer["message"].is_string() && answer.get("error").is_none(), "{answer}");
    }
    let (status, answer) = asked("publish", r#"{"channel":"room","data":1}"#, "transport");
    assert_eq!((status, &answer["result"]["offset"]), (200, &json!(1)), "what is done is answered as ever");
    let (status, answer) = asked("batch", r#"{"commands":[{"presence":{"channel":"a"}}]}"#, "transport");
    assert_eq!((status, &answer["replies"][0]["error"]["code"]), (200, &json!(108)), "and so are many");
    let (status, answer) = asked("broadcast", r#"{"channels":[""],"data":1}"#, "transport");
    assert_eq!((status, &answer["result"]["responses"][0]["error"]["code"]), (200, &json!(107)));
}

#[test]
fn many_calls_and_many_channels_may_be_longer_than_a_message_but_none_of_the_calls_and_no_publication() {
    let server = server(&["--total-history-bytes", "1000000"]);
    let refused_as_too_large = |method: &str, body: &str| {
        let (status, said) = post(server.address, &format!("/api/{method}"), &[("x-api-key", KEY)], body);
        let said: Value = serde_json::from_str(&said).expect("JSON");
        assert_eq!((status, &said["error"]["code"]), (413, &json!(107)), "{method}");
    };
    let blanks = |bytes: usize| format!("{{}}{}", " ".repeat(bytes - 2));
    for method in ["publish", "history", "info", "subscribe"] {
        refused_as_too_large(method, &blanks(65_537));
    }
    assert_eq!(post(server.address, "/api/info", &[("x-api-key", KEY)], &blanks(65_536)).0, 200);
    for method in ["batch", "broadcast"] {
        refused_as_too_large(method, &blanks(4 * 1024 * 1024 + 1));
    }
    let channels: Vec<_> = (0..3000).map(|number| format!("a-channel-with-a-long-name-{number}")).collect();
    let said = result(&server, "broadcast", &json!({"channels":channels,"data":"x"}));
    let responses = said["responses"].as_array().expect("a list");
    assert!(responses.len() == 3000 && responses.iter().all(|each| each["result"]["offset"] == 1));
    let long = |bytes: usize| json!("x".repeat(bytes - 2));
    let fits = result(&server, "broadcast", &json!({"channels":["a","b"],"data":long(65_536)}));
    assert_eq!(fits["responses"][1]["result"]["offset"], 1);
    assert_eq!(refused(&server, "broadcast", &json!({"channels":["a","b"],"data":long(65_537)})), 107);
    let publish = |bytes: usize| json!({"publish":{"channel":"c","data":long(bytes)}});
    let commands = json!([publish(60_000), publish(65_536), publish(60_000)]);
    let (status, answer) = api(&server, "batch", &json!({"commands":commands}));
    let told = |at: usize| answer["replies"][at]["publish"]["offset"].clone();
    assert_eq!((status, told(0), told(2)), (200, json!(1), json!(2)));
    assert_eq!(answer["replies"][1]["error"]["code"], 107, "that one is longer than a message");
}

#[test]
fn what_is_answered_to_many_calls_is_bounded_and_what_comes_behind_is_not_done() {
    let server = server(&[]);
    for _ in 0..16 {
        result(&server, "publish", &json!({"channel":"room","data":"x".repeat(60_000)}));
    }
    let asked = json!({"history":{"channel":"room","limit":-1}});
    let mut commands = vec![asked; 200];
    commands.push(json!({"publish":{"channel":"room","data":"too late"}}));
    let (status, answer) = api(&server, "batch", &json!({"commands":commands}));
    let replies = answer["replies"].as_array().expect("a list");
    assert_eq!((status, replies.len()), (200, 201));
    assert!(replies[0]["history"]["publications"].is_array());
    assert_eq!(replies[200]["error"]["code"], 106);
    assert!(!history(&server, "room").contains(&json!("too late")));
}

#[test]
fn a_body_counts_among_all_that_is_not_whole_yet_while_it_is_read() {
    let server = server(&["--total-input-bytes", "100000"]);
    let commands = format!("{{\"commands\":[]{}}}", " ".repeat(200_000));
    let length = commands.len().to_string();
    let head = request(
        "POST",
        "/api/batch",
        server.address,
        &[("x-api-key", KEY), ("content-length", &length), ("connection", "close")],
    );
    let mut raw = Raw::connect(server.address);
    raw.send(head.as_bytes());
    raw.send(&commands.as_bytes()[..100_001]);
    let answer = String::from_utf8(raw.rest()).expect("text").to_lowercase();
    assert!(answer.starts_with("http/1.1 503 ") && answer.contains("retry-after: "), "{answer}");
    assert!(answer.contains("{\"error\":{\"code\":100,"), "{answer}");
    for _ in 0..3 {
        let fits = format!("{{\"commands\":[]{}}}", " ".repeat(90_000));
        let (status, _) = post(server.address, "/api/batch", &[("x-api-key", KEY)], &fits);
        assert_eq!(status, 200, "what was held is given back");
    }
}

#[test]
fn where_nothing_is_kept_there_is_no_history_to_be_had() {
    let asked = json!({"channel":"room","limit":10});
    for none in ["--history-entries", "--history-bytes", "--history-seconds"] {
        let server = server(&[none, "0"]);
        result(&server, "publish", &json!({"channel":"room","data":1}));
        assert_eq!(refused(&server, "history", &asked), 108, "{none}");
        assert_eq!(refused(&server, "history", &json!({"channel":""})), 107);
    }
}
