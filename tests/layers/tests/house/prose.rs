//! Shows that long functions, wide comments and docs without a verb are found, and that counts may only fall.

use chat_layers::{Complaint, Known, Source, complaints, functions, lines, spread};

fn complaints_of(text: &str) -> Vec<(usize, Complaint)> {
    complaints(&Source::new("x.rs", text))
}

#[test]
fn functions_are_measured_from_their_signature_to_their_brace_wherever_they_stand() {
    let text = "/// Docs.\n#[inline]\nfn a() {\n}\nimpl X {\n    fn b(\n        x: u8,\n    ) {\n    }\n}\n\
                trait T { fn c(); fn d() { fn e() {} } }\n";
    let source = Source::new("x.rs", text);
    let found: Vec<_> = functions(&source).into_iter().map(|one| (one.name, one.line, one.lines)).collect();
    let expected = [("a", 3, 2), ("b", 6, 4), ("d", 11, 1), ("e", 11, 1)];
    assert_eq!(found, expected.map(|(name, line, lines)| (name.to_owned(), line, lines)));
    assert_eq!(lines(&source), 11);
    assert_eq!(spread((1..=100).collect()), (50, 90, 100));
    assert_eq!(spread(Vec::new()), (0, 0, 0));
}

#[test]
fn a_line_of_comment_over_110_columns_is_found_and_a_line_of_code_is_not() {
    let wide = "x".repeat(107);
    assert_eq!(
        complaints_of(&format!("// {wide}\n    // {wide}\nlet {wide} = {wide};\n")),
        [(2, Complaint::Wide)]
    );
    assert!(complaints_of(&format!("// {}\n", "–".repeat(107))).is_empty(), "columns, not bytes");
}

#[test]
fn a_doc_without_a_subject_or_a_verb_is_found() {
    for doc in
        ["What comes of it.", "Who may do so.", "Whether it is.", "So many are left.", "It is a number."]
    {
        assert_eq!(
            complaints_of(&format!("fn f();\n/// {doc}\nfn g();")),
            [(2, Complaint::Beginning)],
            "{doc}"
        );
        assert_eq!(complaints_of(&format!("//! {doc}\n")), [(1, Complaint::Beginning)], "{doc}");
    }
    assert_eq!(complaints_of("/// Which one.\n"), [(1, Complaint::Short)]);
    assert_eq!(complaints_of("//! Never.\n/// Closes the session.\n"), [(1, Complaint::Short)]);
    assert!(complaints_of("/// Closes the\n/// session.\n// Whether.\n").is_empty());
    assert!(complaints_of("/// Items of a list.\n///\n/// It goes on, which is no beginning.\n").is_empty());
}

#[test]
fn what_is_known_must_be_there_still_and_counts_may_only_fall() {
    let known = Known::new("# a list\n\na: circle x y\nb: 2 wide lines\n");
    let owned = |text: &str| text.to_owned();
    assert!(known.check_listed(&[owned("a: circle x y")]).is_empty());
    assert_eq!(known.check_listed(&[owned("a: circle x y"), owned("a: circle z")]), ["a: circle z"]);
    assert_eq!(known.check_listed(&[]), ["a: circle x y: this is mended: delete the line"]);
    let counted = |count| known.check_counted(&[(owned("b: wide lines"), count)]);
    assert!(counted(2).is_empty() && counted(1).is_empty());
    assert_eq!(counted(3), ["b: wide lines: 3, may be 2"]);
    assert_eq!(known.check_counted(&[]), ["b: wide lines: none is left: delete the line"]);
    assert_eq!(
        known.check_counted(&[(owned("b: wide lines"), 2), (owned("c: wide lines"), 1)]),
        ["c: wide lines: 1, may be 0"]
    );
}
