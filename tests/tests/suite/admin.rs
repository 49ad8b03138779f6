//! Tests the page of the people who run the server: who may ask, what is told, and what it ends.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Command, Stdio};

use chat_tests::clients::script_says;
use chat_tests::crowd::Member;
use chat_tests::program::{self, Program};
use chat_tests::raw::{Raw, frame, request};
use serde_json::{Value, json};

const KEY: &str = "a long and random key";

fn server(more: &[&str]) -> Program {
    Program::server(&[&["--admin-key", KEY][..], more].concat())
}

/// Holds an answer: its status, its head and the JSON of its body.
struct Told {
    status: u16,
    head: String,
    body: Value,
}

fn send(address: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Told {
    let length = body.len().to_string();
    let own = [("content-length", length.as_str()), ("connection", "close")];
    let mut raw = Raw::connect(address);
    raw.send(format!("{}{body}", request(method, path, address, &[headers, &own].concat())).as_bytes());
    let told = String::from_utf8(raw.rest()).expect("text");
    let (head, body) = told.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    Told { status, head: head.to_lowercase(), body: serde_json::from_str(body).unwrap_or_default() }
}

fn ask(server: &Program, path: &str) -> Value {
    let told = send(server.address, "GET", &format!("/admin/api/{path}"), &[("x-admin-key", KEY)], "");
    assert_eq!(told.status, 200, "{path}: {}", told.body);
    told.body
}

fn act(server: &Program, path: &str, body: &Value) -> u16 {
    let headers = [("x-admin-key", KEY), ("content-type", "application/json")];
    send(server.address, "POST", &format!("/admin/api/{path}"), &headers, &body.to_string()).status
}

fn rows(page: &Value) -> &Vec<Value> {
    page["rows"].as_array().expect("rows")
}

/// Lists every request of the page.
const REQUESTS: [(&str, &str); 7] = [
    ("GET", "/admin/api/totals"),
    ("GET", "/admin/api/channels"),
    ("GET", "/admin/api/sessions"),
    ("GET", "/admin/api/subscribers?channel=room"),
    ("POST", "/admin/api/disconnect"),
    ("POST", "/admin/api/unsubscribe"),
    ("GET", "/admin/api/nothing"),
];

#[test]
fn without_a_key_there_is_no_page_for_anybody() {
    let server = Program::server(&[]);
    let files = ["/admin", "/admin/admin.js", "/admin/admin.css"].map(|path| ("GET", path));
    for (method, path) in files.into_iter().chain(REQUESTS) {
        assert_eq!(send(server.address, method, path, &[("x-admin-key", "")], "").status, 404, "{path}");
    }
}

#[test]
fn the_page_runs_its_own_script_alone_and_is_kept_nowhere() {
    let server = server(&[]);
    for path in ["/admin", "/admin/", "/admin/admin.js", "/admin/admin.css", "/admin/api/totals"] {
        let told = send(server.address, "GET", path, &[], "");
        assert!(told.status == 200 || path.contains("api"), "{path}");
        assert!(told.head.contains("content-security-policy: default-src 'none'"), "{path}: {}", told.head);
        assert!(!told.head.contains("unsafe") && told.head.contains("frame-ancestors 'none'"), "{path}");
        for header in ["cache-control: no-store", "nosniff", "no-referrer", "same-origin"] {
            assert!(told.head.contains(header), "{path}: {header}");
        }
        assert!(!told.head.contains("set-cookie") && !told.head.contains("access-control"), "{path}");
    }
}

#[test]
fn only_who_shows_the_key_in_its_header_is_told_anything() {
    for (method, path) in REQUESTS {
        let server = server(&["--api-key", "an api key"]);
        let shown = |headers: &[(&str, &str)]| send(server.address, method, path, headers, "").status;
        assert!(![401, 403, 429].contains(&shown(&[("x-admin-key", KEY)])), "{path}");
        for wrong in ["", "a long and random ke", "a long and random key!", "an api key"] {
            assert_eq!(shown(&[("x-admin-key", wrong)]), 401, "{path}: {wrong:?}");
        }
    }
    let cookie = format!("key={KEY}; x-admin-key={KEY}");
    for some in REQUESTS.chunks(2) {
        let server = server(&[]);
        for (method, path) in some {
            let shown = send(server.address, method, path, &[("cookie", &cookie)], "");
            assert_eq!(shown.status, 401, "{path}");
        }
    }
    let server = server(&[]);
    let queried =
        "/admin/api/totals?x-admin-key=a%20long%20and%20random%20key&key=a%20long%20and%20random%20key";
    assert_eq!(send(server.address, "GET", queried, &[], "").status, 401, "no key stands in an address");
    let basic = [("authorization", "Bearer a long and random key")];
    assert_eq!(send(server.address, "GET", "/admin/api/totals", &basic, "").status, 401);
}

#[test]
fn an_address_that_guesses_is_told_to_wait_and_learns_nothing() {
    let server = server(&["--client-address", "x-forwarded-for"]);
    let shown = |from: &str, key: &str| {
        let headers = [("x-forwarded-for", from), ("x-admin-key", key)];
        send(server.address, "GET", "/admin/api/totals", &headers, "")
    };
    for _ in 0..5 {
        assert_eq!(shown("10.0.0.1", "wrong").status, 401);
    }
    for key in ["wrong", KEY] {
        let told = shown("10.0.0.1", key);
        assert_eq!(told.status, 429, "{key}");
        assert!(told.head.contains("retry-after: 10"), "{}", told.head);
    }
    assert_eq!(shown("10.0.0.2", KEY).status, 200, "others are not held to it");
    assert!(server.measure("chat_rejections_total{status=\"429\"}") >= 2);
}

#[test]
fn who_shows_no_key_keeps_nobody_out() {
    let server = server(&[]);
    let shown =
        |headers: &[(&str, &str)]| send(server.address, "GET", "/admin/api/totals", headers, "").status;
    // A picture on another site's page: over plain HTTP browsers do not say what asks for it.
    let picture = [("accept", "image/*"), ("referer", "http://evil.example/")];
    (0..10).for_each(|_| assert_eq!(shown(&picture), 401));
    assert_eq!(shown(&[("x-admin-key", KEY)]), 200);
}

#[test]
fn even_with_the_key_there_is_an_end_of_requests() {
    let server = server(&[]);
    let mut kept = Raw::connect(server.address);
    let one = request("GET", "/admin/api/totals", server.address, &[("x-admin-key", KEY)]);
    let told = (0..10_000).find(|_| {
        kept.send(one.as_bytes());
        kept.answer() == 429
    });
    assert!(told.is_some_and(|asked| asked > 90), "{told:?}");
}

#[test]
fn a_page_of_another_site_asks_nothing_whatever_key_it_has() {
    let server = server(&["--allow-origin", "https://page.example", "--allow-host", "*"]);
    for foreign in [
        &[("origin", "https://page.example")][..],
        &[("origin", "https://evil.example")],
        &[("origin", "null")],
        &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "image")],
        &[("sec-fetch-site", "same-site"), ("sec-fetch-mode", "cors"), ("sec-fetch-dest", "empty")],
        &[("sec-fetch-site", "none"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")],
    ] {
        for (method, path) in REQUESTS {
            let headers = [&[("x-admin-key", KEY), ("content-type", "application/json")], foreign].concat();
            let told = send(server.address, method, path, &headers, "{}");
            assert_eq!(told.status, 403, "{path}: {foreign:?}");
            assert!(!told.head.contains("access-control"), "{path}");
        }
    }
    let own = format!("http://{}", server.address);
    let headers = [("x-admin-key", KEY), ("origin", &own)];
    assert_eq!(send(server.address, "GET", "/admin/api/totals", &headers, "").status, 200);
    let preflight = [("origin", "https://page.example"), ("access-control-request-headers", "x-admin-key")];
    assert_ne!(send(server.address, "OPTIONS", "/admin/api/disconnect", &preflight, "").status, 200);
}

/// Returns every row of a list, and how many each page has.
fn all(server: &Program, path: &str, key: &str) -> (Vec<String>, Vec<usize>) {
    let (mut names, mut counts, mut after) = (Vec::new(), Vec::new(), String::new());
    loop {
        let page = ask(server, &format!("{path}&after={after}"));
        counts.push(rows(&page).len());
        names.extend(rows(&page).iter().map(|row| row[key].as_str().expect("text").to_owned()));
        match page["next"].as_str() {
            Some(next) => after = next.to_owned(),
            None => return (names, counts),
        }
    }
}

#[test]
fn lists_have_pages_of_a_hundred_and_each_row_once() {
    let server = server(&[]);
    let crowd: Vec<_> = (0..205)
        .map(|n| {
            let mut member = Member::connect_to(server.address, &format!("/ws?name=name-{n}"));
            member.subscribe("room");
            member.subscribe(&format!("own-{n}"));
            member
        })
        .collect();
    for (path, key, count) in [
        ("sessions?", "session", 205),
        ("subscribers?channel=room", "session", 205),
        ("channels?", "channel", 206),
    ] {
        let (mut names, counts) = all(&server, path, key);
        names.sort();
        names.dedup();
        assert_eq!((names.len(), counts), (count, vec![100, 100, count - 200]), "{path}");
    }
    let (found, _) = all(&server, "sessions?begins=name-20", "name");
    assert_eq!(found.len(), 6, "name-20 and 200 to 204: {found:?}");
    let (found, _) = all(&server, "subscribers?channel=room&begins=name-7", "user");
    assert_eq!(found.len(), 11, "{found:?}");
    let (found, _) = all(&server, "channels?begins=roo", "channel");
    assert_eq!(found, ["room"]);
    assert_eq!(all(&server, "sessions?begins=nobody", "name").0, [""; 0]);
    let totals = ask(&server, "totals");
    let counts = ["sessions", "users", "channels", "subscriptions"].map(|name| totals[name].as_u64());
    assert_eq!(counts, [Some(205), Some(205), Some(206), Some(410)], "{totals}");
    drop(crowd);
}

#[test]
fn a_session_is_told_with_who_since_when_from_where_and_over_what() {
    let server = server(&["--jwt-secret", "s", "--client-address", "x-forwarded-for"]);
    let token = |name: &str| {
        let key = jsonwebtoken::EncodingKey::from_secret(b"s");
        let claims = json!({"sub":"u-7","name":name});
        jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).expect("it signs")
    };
    let hostile = ["<script>alert(1)</script>", "\u{202e}nna\u{200f}", &"x".repeat(255), "\"&amp;' onload=1"];
    for name in hostile {
        let mut ann = Member::connect_to(server.address, &format!("/ws?token={}", token(name)));
        ann.subscribe("<b>room</b>");
        let page = ask(&server, "sessions?begins=u-7");
        let row = rows(&page).last().expect("she is there").clone();
        assert_eq!((&row["name"], &row["user"], &row["channels"]), (&json!(name), &json!("u-7"), &json!(1)));
        assert_eq!((&row["protocol"], &row["waitingFrames"]), (&json!("json"), &json!(0)), "{row}");
        assert!(row["since"].as_str().is_some_and(|since| since.starts_with("20") && since.ends_with('Z')));
        assert!(row["session"].is_string(), "a script would round it");
        let page = ask(&server, "subscribers?channel=%3Cb%3Eroom%3C/b%3E");
        let joined = &rows(&page).last().expect("she is in it")["subscribed"];
        assert!(joined.as_str().is_some_and(|joined| joined.starts_with("20")), "{joined}");
    }
    for odd in
        ["sessions?after=x", "subscribers?channel=", "subscribers?channel=a%00b", "channels?after=a%0Ab"]
    {
        let told = send(server.address, "GET", &format!("/admin/api/{odd}"), &[("x-admin-key", KEY)], "");
        assert_eq!(told.status, 400, "{odd}");
    }
}

#[test]
fn a_session_is_disconnected_or_unsubscribed_and_does_not_come_back() {
    let server = server(&[]);
    let mut ann = Member::connect_to(server.address, "/ws?name=ann");
    let mut eve = Raw::open(server.address, "/ws?name=eve");
    eve.send(&frame(0x81, br#"{"type":"subscribe","channelId":"room"}"#));
    assert!(eve.frame().is_some(), "she is in");
    ann.subscribe("room");
    let session = |name: &str| {
        let page = ask(&server, &format!("sessions?begins={name}"));
        rows(&page)[0]["session"].clone()
    };
    let (of_ann, of_eve) = (session("ann"), session("eve"));
    assert_eq!(act(&server, "unsubscribe", &json!({"session":of_ann,"channel":"room"})), 200);
    let left = ann.hear();
    assert_eq!(
        (&left["type"], &left["channelId"], &left["code"]),
        (&json!("unsubscribed"), &json!("room"), &json!(103))
    );
    assert_eq!(rows(&ask(&server, "subscribers?channel=room")).len(), 1, "Eve alone is in it");
    assert_eq!(act(&server, "disconnect", &json!({"session":of_eve})), 200);
    assert_eq!(eve.close_code(), Some(3503), "a code on which clients stay away");
    ann.subscribe("room");
    for (path, body, status) in [
        ("disconnect", json!({"session":"999999"}), 404),
        ("disconnect", json!({"session":"x"}), 404),
        ("disconnect", json!({"session":of_ann,"why":"so"}), 400),
        ("disconnect", json!({"session":1}), 400),
        ("disconnect", json!([]), 400),
        ("unsubscribe", json!({"session":of_ann}), 400),
        ("unsubscribe", json!({"session":of_ann,"channel":""}), 400),
        ("unsubscribe", json!({"session":of_ann,"channel":"x".repeat(5000)}), 413),
    ] {
        assert_eq!(act(&server, path, &body), status, "{path} {body}");
    }
    let plain = [("x-admin-key", KEY), ("content-type", "text/plain")];
    let body = json!({"session":of_ann}).to_string();
    assert_eq!(send(server.address, "POST", "/admin/api/disconnect", &plain, &body).status, 415);
    assert_eq!(send(server.address, "GET", "/admin/api/disconnect", &plain[..1], &body).status, 405);
    ann.say(&json!({"type":"publish","id":1,"channelId":"room","content":1}));
    assert_eq!(ann.hear()["type"], "published", "nothing of that has ended her session");
}

#[test]
fn what_an_admin_does_is_traced_and_no_key_ever() {
    let mut command = Command::new(program::server());
    command.args(["--store", "none", "--listen", "127.0.0.1:0", "--admin-key", KEY]).env("RUST_LOG", "trace");
    let mut child = command.stderr(Stdio::piped()).spawn().expect("it runs");
    let mut trace = BufReader::new(child.stderr.take().expect("it is piped"));
    let mut seen = String::new();
    let mut until = |what: &str| {
        while !seen.contains(what) {
            assert!(trace.read_line(&mut seen).expect("text") > 0, "it says {what}: {seen}");
        }
        seen.clone()
    };
    let (_, address) =
        until("http://127").rsplit_once("http://").map(|(a, b)| (a.to_owned(), b.to_owned())).expect("it");
    let address: SocketAddr =
        address.trim_end_matches(|last: char| !last.is_ascii_digit()).parse().expect("an address");
    let mut ann = Raw::open(address, "/ws?name=ann");
    ann.send(&frame(0x81, br#"{"type":"subscribe","channelId":"room"}"#));
    assert!(ann.frame().is_some(), "she is in");
    send(address, "GET", "/admin/api/totals", &[("x-admin-key", "a wrong key\u{7f}")], "");
    send(address, "GET", "/admin/api/totals?key=a+queried+key", &[("x-admin-key", "a wrong key")], "");
    let headers = [("x-admin-key", KEY), ("content-type", "application/json")];
    let told = send(address, "GET", "/admin/api/sessions", &headers, "");
    let disconnect = json!({"session":rows(&told.body)[0]["session"]}).to_string();
    send(address, "POST", "/admin/api/disconnect", &headers, &disconnect);
    assert_eq!(ann.close_code(), Some(3503));
    until("an admin key is wrong");
    let seen = until("an admin disconnected a session");
    child.kill().expect("it runs");
    child.wait().expect("a child can be waited for");
    for key in [KEY, "a wrong key", "a queried key"] {
        assert!(!seen.contains(key), "{seen}");
    }
}

#[test]
fn the_page_shows_a_hundred_sessions_in_a_browser_and_ends_them() {
    let server = format!(
        "{} --store none --listen 127.0.0.1:{{port}} --admin-key {}",
        program::server().display(),
        "a-long-and-random-key"
    );
    let all = script_says("admin.mjs", &["--server", &server]);
    assert!(all.ends_with(" passed, 0 failed"), "{all}");
}
