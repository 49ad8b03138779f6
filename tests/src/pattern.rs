//! Compares the frames that a case expects with those that were heard. The rules are in `cases/README.md`.

use std::collections::HashMap;

use serde_json::Value;

/// Holds the values that each `"$name"` has had so far.
pub type Bound = HashMap<String, Value>;

/// Tells whether the frame is the expected one. Names are bound only if it is.
pub fn matches(expected: &Value, got: &Value, bound: &mut Bound) -> bool {
    let mut fresh = bound.clone();
    let fits = fits(expected, got, &mut fresh);
    if fits {
        *bound = fresh;
    }
    fits
}

fn fits(expected: &Value, got: &Value, bound: &mut Bound) -> bool {
    match (expected, got) {
        (Value::String(text), _) if text.starts_with('$') => fits_variable(&text[1..], got, bound),
        (Value::Object(expected), Value::Object(got)) => {
            expected.len() == got.len()
                && expected.iter().all(|(key, value)| got.get(key).is_some_and(|got| fits(value, got, bound)))
        }
        (Value::Array(expected), Value::Array(got)) => {
            expected.len() == got.len()
                && expected.iter().zip(got).all(|(value, got)| fits(value, got, bound))
        }
        _ => expected == got,
    }
}

/// Returns a frame to send, in which each `"$name"` has its value.
pub fn known(value: &Value, bound: &Bound) -> Value {
    match value {
        Value::String(text) => {
            let heard = text.strip_prefix('$').and_then(|name| bound.get(name));
            heard.unwrap_or(value).clone()
        }
        Value::Array(all) => all.iter().map(|value| known(value, bound)).collect(),
        Value::Object(all) => all.iter().map(|(key, value)| (key.clone(), known(value, bound))).collect(),
        other => other.clone(),
    }
}

fn fits_variable(name: &str, got: &Value, bound: &mut Bound) -> bool {
    match name.strip_prefix('!') {
        Some(other) => bound[other] != *got,
        None if name == "_" => true,
        None => *bound.entry(name.to_owned()).or_insert_with(|| got.clone()) == *got,
    }
}

/// Tells whether the text is the expected one, in which `{any}` and `{time}` leave something open.
pub fn fits_text(mut expected: &str, mut got: &str) -> bool {
    while let Some((at, open)) = next_open(expected) {
        let Some(rest) = got.strip_prefix(&expected[..at]) else { return false };
        let length = if open == ANY { inside_of_a_string(rest) } else { time(rest) };
        let Some(length) = length else { return false };
        (expected, got) = (&expected[at + open.len()..], &rest[length..]);
    }
    expected == got
}

const ANY: &str = "{any}";
const TIME: &str = "{time}";

fn next_open(text: &str) -> Option<(usize, &'static str)> {
    [ANY, TIME].into_iter().filter_map(|open| Some((text.find(open)?, open))).min()
}

fn inside_of_a_string(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.find(|c| {
        let end = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        end
    })
}

/// Returns the length of a time such as `2026-11-23T18:00:00.123Z` at the start of a text.
fn time(text: &str) -> Option<usize> {
    const SHAPE: &str = "0000-00-00T00:00:00.000Z";
    let head = text.get(..SHAPE.len())?;
    let fits = head.chars().zip(SHAPE.chars()).all(|(c, shape)| match shape {
        '0' => c.is_ascii_digit(),
        shape => c == shape,
    });
    fits.then_some(SHAPE.len())
}

/// Fills in what stands for something else: `{run}`, `{n}`, `{fill:9}`, `{deep:9}`.
pub fn fill(value: &Value, run: &str, n: u64) -> Value {
    match value {
        Value::String(text) => fill_text(text, run, n).into(),
        Value::Array(all) => all.iter().map(|value| fill(value, run, n)).collect(),
        Value::Object(all) => all.iter().map(|(key, value)| (key.clone(), fill(value, run, n))).collect(),
        other => other.clone(),
    }
}

fn fill_text(text: &str, run: &str, n: u64) -> String {
    let text = text.replace("{run}", run).replace("{n}", &n.to_string());
    let text = repeat(&text, "{fill:", |count| "x".repeat(count));
    repeat(&text, "{deep:", |depth| "[".repeat(depth) + &"]".repeat(depth))
}

fn repeat(text: &str, mark: &str, with: impl Fn(usize) -> String) -> String {
    let mut pieces = text.split(mark);
    let mut filled = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (count, rest) = piece.split_once('}').expect("a count ends");
        filled += &with(count.parse().expect("a count is a number"));
        filled += rest;
    }
    filled
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_variable_stands_for_the_same_ever_after() {
        let mut bound = Bound::new();
        assert!(matches(&json!({"a":"$x","b":"$_"}), &json!({"a":1,"b":2}), &mut bound));
        assert!(!matches(&json!("$x"), &json!(2), &mut bound));
        assert!(matches(&json!(["$!x", "$x"]), &json!([2, 1]), &mut bound));
        assert!(!matches(&json!({"a":1}), &json!({"a":1,"b":2}), &mut bound));
        assert_eq!(known(&json!({"a":["$x", "$y"]}), &bound), json!({"a":[1, "$y"]}));
    }

    #[test]
    fn a_text_is_exact_but_for_what_it_leaves_open() {
        let text = r#"{"a":"{any}","t":"{time}"}"#;
        assert!(fits_text(text, r#"{"a":"x\"y","t":"2026-11-23T18:00:00.123Z"}"#));
        assert!(!fits_text(text, r#"{"a":"x","t":"2026-11-23 18:00:00.123Z"}"#));
        assert!(!fits_text("{any}\"", "x\" "));
    }

    #[test]
    fn what_stands_for_something_else_is_filled_in() {
        let filled = fill(&json!({"a":["{run}-{n}", "{fill:3}{deep:2}"]}), "ff", 7);
        assert_eq!(filled, json!({"a":["ff-7", "xxx[[]]"]}));
    }
}
