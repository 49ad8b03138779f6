//! Holds every crate of the workspace to the house's rules, apart from what `known.txt` lists.

use chat_layers::{Known, counts, crates, violations, workspace};

fn known() -> Known {
    Known::new(include_str!("../../known.txt"))
}

#[test]
fn no_files_stand_in_a_circle_no_import_points_up_and_no_type_is_extended_out_of_its_room() {
    let wrong = known().check_listed(&violations(&crates(&workspace())));
    assert!(wrong.is_empty(), "not as tests/layers/known.txt lists it:\n{}", wrong.join("\n"));
}

#[test]
fn functions_files_and_comments_keep_their_bounds_or_are_no_more_than_is_known() {
    let wrong = known().check_counted(&counts(&crates(&workspace())));
    let hint = "`cargo run -p chat-layers --example picture -- sizes comments` names each";
    assert!(wrong.is_empty(), "not as tests/layers/known.txt lists it; {hint}:\n{}", wrong.join("\n"));
}

#[test]
fn every_crate_of_the_workspace_is_read() {
    let names: Vec<_> = crates(&workspace()).into_iter().map(|one| one.name).collect();
    let manifest = std::fs::read_to_string(workspace().join("Cargo.toml")).expect("a manifest");
    let (_, members) = manifest.split_once("\nmembers = [").expect("members");
    let (members, _) = members.split_once(']').expect("their end");
    let members: Vec<_> = members
        .split(',')
        .map(|name| name.trim().trim_matches('"'))
        .filter(|name| !name.is_empty())
        .collect();
    let missing: Vec<_> = members.iter().filter(|member| !names.iter().any(|name| name == *member)).collect();
    assert!(missing.is_empty() && members.len() > 5, "{missing:?} of {members:?}");
}
