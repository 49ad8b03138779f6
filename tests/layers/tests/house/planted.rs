//! Shows that circles, arrows that point up and slices are found, however they are written.

use chat_layers::{Arrow, Source, arrows, circles, floors, graph, slices};

fn sources(files: &[(&str, &str)]) -> Vec<Source> {
    files.iter().map(|(path, text)| Source::new(path, text)).collect()
}

/// Returns the circles of a crate whose root has the modules `a`, `b` and `c`.
fn circles_of(files: &[(&str, &str)]) -> Vec<Vec<String>> {
    let root = [("lib.rs", "mod a; mod b; mod c;")];
    let graph = graph(&arrows(&sources(&[&root, files].concat())));
    circles(&graph).into_iter().map(Vec::from_iter).collect()
}

fn circle_of_a_and_b(a: &str, b: &str) {
    assert_eq!(circles_of(&[("a.rs", a), ("b.rs", b)]), [["a.rs", "b.rs"]], "{a} … {b}");
}

fn no_circle(a: &str, b: &str) {
    assert_eq!(circles_of(&[("a.rs", a), ("b.rs", b)]), [[""; 0]; 0], "{a} … {b}");
}

/// Returns what is wrong with a file of the core, beside others that define what it may name.
fn up(path: &str, text: &str) -> Vec<String> {
    let rest = [
        ("lib.rs", "mod driver; mod machine; mod model; mod port; pub use driver::*;"),
        ("driver/mod.rs", "mod caught; mod connection; mod hub; mod outbox; mod session; pub use hub::Hub;"),
        ("driver/caught.rs", "pub struct Panicked; mod x;"),
        ("driver/connection/mod.rs", "pub struct Connection; mod x;"),
        ("driver/session/mod.rs", "pub struct Session; mod x;"),
        ("driver/hub/mod.rs", "pub struct Hub; mod x;"),
        ("driver/outbox/mod.rs", "pub struct Outbox; mod x;"),
        ("machine/mod.rs", "pub struct Shard; mod x;"),
        ("model/mod.rs", "pub struct Name; mod ids; mod x; pub use crate::lock::lock;"),
        ("port/mod.rs", "pub trait Runtime {} mod x;"),
    ];
    floors(&sources(&[&rest[..], &[(path, text)]].concat()))
}

#[test]
fn a_circle_is_found_however_its_names_are_written() {
    circle_of_a_and_b("use crate::b::B; pub struct A;", "use crate::a::A; pub struct B;");
    circle_of_a_and_b("use super::b::{B}; pub struct A;", "use crate::{a::{self, A}}; pub struct B;");
    circle_of_a_and_b("pub struct A(crate::b::B);", "pub struct B; fn f() -> super::a::A { loop {} }");
    circle_of_a_and_b("use super::b; pub fn f() { b::g() }", "use super::a; pub fn g() { a::f() }");
    circle_of_a_and_b("pub fn f() { crate::b::g() }", "pub fn g() { assert!(x.is(1, super::a::f())) }");
    circle_of_a_and_b("use crate::b as c; pub struct A(c::B);", "use crate::a::A as C; pub struct B;");
    circle_of_a_and_b("use crate::b::*; pub struct A;", "use crate::a::*; pub struct B;");
    circle_of_a_and_b(
        "mod inner { use super::super::b::B; } pub struct A;",
        "use crate::a::A; pub struct B;",
    );
}

#[test]
fn a_circle_is_found_through_the_re_exports_of_a_root_and_of_a_folder() {
    let root = ("lib.rs", "mod a; mod b; pub use a::A; pub use b::*;");
    let files = [root, ("a.rs", "use crate::B; pub struct A;"), ("b.rs", "use crate::A; pub struct B;")];
    let found = circles(&graph(&arrows(&sources(&files))));
    assert_eq!(found.into_iter().map(Vec::from_iter).collect::<Vec<_>>(), [["a.rs", "b.rs"]]);

    let folder = ("a/mod.rs", "mod x; pub use x::X;");
    let found = circles_of(&[
        folder,
        ("a/x.rs", "use crate::b::B; pub struct X;"),
        ("b.rs", "use crate::a::X; pub struct B;"),
    ]);
    assert_eq!(found, [["a/x.rs", "b.rs"]]);
}

#[test]
fn a_circle_of_three_is_found_as_one() {
    let files = [("a.rs", "use crate::b::B; pub struct A;"), ("b.rs", "use crate::c::C; pub struct B;")];
    let found = circles_of(&[files[0], files[1], ("c.rs", "use crate::a::A; pub struct C;")]);
    assert_eq!(found, [["a.rs", "b.rs", "c.rs"]]);
}

#[test]
fn a_folder_whose_files_take_what_its_head_uses_of_them_is_a_circle() {
    let used = ("a/mod.rs", "mod x; pub(crate) use x::X; pub struct Fields(X);");
    let child = ("a/x.rs", "use super::Fields; pub struct X;");
    assert_eq!(circles_of(&[used, child]), [["a/mod.rs", "a/x.rs"]]);
    let imported = ("a/mod.rs", "mod x; use x::X; pub struct Fields;");
    assert_eq!(circles_of(&[imported, child]), [["a/mod.rs", "a/x.rs"]]);
}

#[test]
fn declaring_and_listing_modules_tests_comments_and_other_crates_are_no_imports() {
    let lists = ("a/mod.rs", "mod x; pub(crate) use x::X; pub struct Fields;");
    assert_eq!(circles_of(&[lists, ("a/x.rs", "use super::Fields; pub struct X;")]), [[""; 0]; 0]);
    no_circle("use crate::b::B; pub struct A;", "#[cfg(test)] mod tests { use crate::a::A; } pub struct B;");
    no_circle("use crate::b::B; pub struct A;", "// crate::a::A\n/// [`crate::a::A`]\npub struct B;");
    no_circle(
        "use crate::b::B; pub struct A;",
        "use a::A; use ::a::C; pub struct B; fn f() { x.a(); y::a::A::z() }",
    );
    no_circle("use crate::b::B; pub struct A;", "pub(in crate::a) struct B; pub(super) struct C;");
}

#[test]
fn an_arrow_leads_to_the_file_that_defines_and_tells_who_re_exported() {
    let folder = [("b/mod.rs", "mod y; pub use y::Y;"), ("b/y.rs", "pub struct Y;")];
    let root = ("lib.rs", "mod a; mod b;");
    let found = arrows(&sources(&[root, ("a.rs", "use crate::b::Y;"), folder[0], folder[1]]));
    let arrow = |from: &str, to: &str, through: &[&str], is_list| Arrow {
        from: from.to_owned(),
        to: to.to_owned(),
        through: through.iter().map(|file| (*file).to_owned()).collect(),
        is_list,
    };
    assert_eq!(
        found,
        [arrow("a.rs", "b/y.rs", &["b/mod.rs"], false), arrow("b/mod.rs", "b/y.rs", &[], true)]
    );
}

#[test]
fn an_import_that_points_up_is_found_however_it_is_written() {
    let names = |from: &str, to: &str| vec![format!("{from} names what stands in {to}")];
    assert_eq!(up("model/ids.rs", "use crate::port::Runtime;"), names("model/ids.rs", "port/mod.rs"));
    assert_eq!(
        up("machine/x.rs", "use crate::{\n    model::{Name, B},\n    driver::hub::Hub,\n};"),
        names("machine/x.rs", "driver/hub/mod.rs")
    );
    let through_the_root = [
        names("port/x.rs", "driver/hub/mod.rs"),
        names("port/x.rs", "driver/mod.rs"),
        names("port/x.rs", "lib.rs"),
    ];
    assert_eq!(up("port/x.rs", "fn f() -> crate::Hub {}"), through_the_root.concat());
    assert_eq!(up("machine/x.rs", "use super::super::port::Runtime;"), names("machine/x.rs", "port/mod.rs"));
    assert_eq!(
        up("machine/x.rs", "pub(crate) use crate::port::Runtime;"),
        names("machine/x.rs", "port/mod.rs")
    );
    assert!(
        up("driver/hub/x.rs", "use crate::{machine::Shard, model::Name, driver::caught::Panicked};")
            .is_empty()
    );
}

#[test]
fn the_rooms_of_the_driver_name_only_what_is_below_them() {
    let rooms = ["connection", "session", "hub", "outbox"];
    let item = |room: &str| format!("{}{}", room[..1].to_uppercase(), &room[1..]);
    for (at, room) in rooms.iter().enumerate() {
        for (other_at, other) in rooms.iter().enumerate() {
            let file = format!("driver/{room}/x.rs");
            let found = up(&file, &format!("use crate::driver::{other}::{};", item(other)));
            assert_eq!(!found.is_empty(), other_at < at, "{room} names {other}: {found:?}");
        }
    }
    assert_eq!(up("driver/caught/x.rs", "").len(), 1, "the ground is three files");
    assert_eq!(up("driver/archive.rs", ""), ["driver/archive.rs stands in no room"]);
}

#[test]
fn what_only_the_driver_may_is_found_below_it() {
    assert_eq!(up("machine/x.rs", "async fn f() {}"), ["machine/x.rs has async"]);
    assert_eq!(up("model/x.rs", "use std::sync::Mutex;"), ["model/x.rs has Mutex"]);
    assert_eq!(up("port/x.rs", "fn f() { let now = Instant::now(); }"), ["port/x.rs has ::now("]);
    assert!(
        up("machine/x.rs", "// not async\n#[cfg(test)]\nmod tests { fn f() { Instant::now() } }").is_empty()
    );
}

#[test]
fn a_type_that_is_extended_out_of_its_room_is_found() {
    let files = |place: &str, text: &str| {
        let root = ("lib.rs", "mod hub; mod outbox; mod machine;");
        let hub = ("hub/mod.rs", "mod x; pub struct Hub;");
        let rest = [
            root,
            hub,
            ("outbox/mod.rs", "mod y;"),
            ("machine/mod.rs", "mod shard; mod keep;"),
            ("machine/shard.rs", "mod idle; pub struct Shard;"),
        ];
        slices(&sources(&[&rest[..], &[(place, text)]].concat()))
    };
    assert_eq!(files("outbox/y.rs", "impl crate::hub::Hub {}"), ["outbox/y.rs extends Hub of hub/mod.rs"]);
    assert_eq!(
        files("outbox/y.rs", "use crate::hub::Hub as H; impl<T> H {}"),
        ["outbox/y.rs extends H of hub/mod.rs"]
    );
    assert!(files("hub/x.rs", "use super::Hub; impl Hub {}").is_empty());
    assert!(files("outbox/y.rs", "impl Clone for crate::hub::Hub {}").is_empty());
    assert!(files("machine/shard/idle.rs", "impl super::Shard {}").is_empty());
    let beside = sources(&[
        ("lib.rs", "mod machine;"),
        ("machine/mod.rs", "mod shard; mod keep;"),
        ("machine/shard.rs", "mod idle; pub struct Shard;"),
        ("machine/shard/idle.rs", ""),
        ("machine/keep.rs", "use super::shard::Shard; impl Shard {}"),
    ]);
    assert_eq!(slices(&beside), ["machine/keep.rs extends Shard of machine/shard.rs"]);
}
