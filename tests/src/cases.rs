//! Reads the conformance cases of `cases/`.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chat_core::{Hub, HubBuilder, Limits, OpenChat};
use serde_json::Value;

/// Builds the hub that the cases require: the open chat, whose channels keep their last 100 messages for five
/// minutes.
pub fn keeping() -> HubBuilder {
    // The clients of all cases have the same names, and most of them one address.
    let limits = Limits::default().with_records(0);
    Hub::builder(OpenChat::default()).limits(limits).history(100, Duration::from_secs(300))
}

/// Holds one case: a sentence, and the steps that show it.
#[derive(Debug)]
pub struct Case {
    /// Names the file and the sentence.
    pub name: String,
    /// Lists what is sent and expected, in order.
    pub steps: Vec<Value>,
    only: Option<Vec<Value>>,
    not: Option<Vec<Value>>,
}

/// Returns every case that this client runs.
///
/// # Panics
/// Panics if there is no case, or one cannot be read.
pub fn cases_for(client: &str) -> Vec<Case> {
    let mut files: Vec<_> = fs::read_dir(folder("cases")).expect("the cases").flatten().collect();
    files.sort_by_key(fs::DirEntry::file_name);
    let all = files.iter().map(|file| file.path()).filter(|path| path.extension() == Some("json".as_ref()));
    let cases: Vec<_> = all.flat_map(|path| read(&path)).filter(|case| case.is_for(client)).collect();
    assert!(!cases.is_empty(), "there are no cases for {client}");
    cases
}

/// Returns a folder beside this crate's sources.
pub fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn read(path: &Path) -> Vec<Case> {
    let file = path.file_name().expect("a file").to_string_lossy().into_owned();
    let text = fs::read_to_string(path).expect("a readable file");
    let Value::Array(cases) = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{file}: {e}")) else {
        panic!("{file} is no array");
    };
    cases.into_iter().map(|case| parse(&file, &case)).collect()
}

fn parse(file: &str, case: &Value) -> Case {
    let list = |name: &str| case[name].as_array().cloned();
    Case {
        name: format!("{file}: {}", case["case"].as_str().expect("a case has a sentence")),
        steps: list("steps").expect("a case has steps"),
        only: list("only"),
        not: list("not"),
    }
}

impl Case {
    fn is_for(&self, client: &str) -> bool {
        let names = |list: &Option<Vec<Value>>| list.as_ref().map(|list| list.iter().any(|n| n == client));
        names(&self.only).unwrap_or(true) && !names(&self.not).unwrap_or(false)
    }
}
