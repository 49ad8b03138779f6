//! Reads the rules of channels: the tables `[[channel]]` of a file.

use std::time::Duration;

use chat_core::{HistoryOptions, Storage};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::source::{Source, kind, whole};
use crate::rules::{Pattern, Rule, Who};

/// Bounds the rules, since the first that matches is looked for whenever a channel is used.
const RULES: usize = 256;

/// Bounds an age as the flags bound theirs, so that no deadline is beyond the range of a clock.
const AGE: Duration = Duration::from_secs(u32::MAX as u64);

/// Lists the names in a rule.
const KEYS: [&str; 8] =
    ["pattern", "history", "presence", "storage", "join", "publish", "read", "see_presence"];

/// Lists the names in a rule's history.
const HISTORY: [&str; 3] = ["entries", "bytes", "age"];

const STORAGE: [(&str, Storage); 3] =
    [("none", Storage::None), ("kept", Storage::Kept), ("durable", Storage::Durable)];

/// Holds what the flags say, which decides which rules can work.
pub(super) struct Given {
    /// Holds what holds where a rule says nothing.
    pub(super) otherwise: Rule,
    /// Is true if sessions have tokens.
    pub(super) tokens: bool,
    /// Is true if there is a store.
    pub(super) stores: bool,
}

/// Reads the rules.
///
/// # Errors
/// Says what is wrong with the first rule that is, and where.
pub(super) fn read(
    source: &Source,
    value: &Spanned<DeValue<'_>>,
    given: &Given,
) -> Result<Vec<(Pattern, Rule)>, String> {
    const FORM: &str = "rules of channels are tables that begin with [[channel]]";
    let DeValue::Array(tables) = value.get_ref() else { return Err(source.wrong_at(value, FORM)) };
    let mut rules: Vec<(Pattern, Rule)> = Vec::new();
    for table in tables.iter() {
        let DeValue::Table(fields) = table.get_ref() else { return Err(source.wrong_at(table, FORM)) };
        if rules.len() == RULES {
            return Err(source.wrong_at(table, format!("there are at most {RULES} rules of channels")));
        }
        let fields = Fields { source, table, fields };
        let pattern = fields.pattern(&rules)?;
        rules.push((pattern, fields.rule(given)?));
    }
    Ok(rules)
}

/// Holds one table.
struct Fields<'a> {
    source: &'a Source,
    table: &'a Spanned<DeValue<'a>>,
    fields: &'a DeTable<'a>,
}

impl<'a> Fields<'a> {
    fn pattern(&self, before: &[(Pattern, Rule)]) -> Result<Pattern, String> {
        let value = self.get("pattern").ok_or_else(|| {
            let why = "a rule has a pattern, such as pattern = \"user:*\": which channels it is for";
            self.source.wrong_at(self.table, why)
        })?;
        let text = self.text(value, "a pattern is a text, such as \"user:*\"")?;
        let pattern = Pattern::parse(text).map_err(|error| self.source.wrong_at(value, error.to_string()))?;
        match before.iter().position(|(earlier, _)| earlier.covers(&pattern)) {
            None => Ok(pattern),
            Some(earlier) => {
                let why = format!(
                    "this rule never applies: rule {} takes all its channels; put this one before that",
                    earlier + 1
                );
                Err(self.source.wrong_at(value, why))
            }
        }
    }

    fn rule(&self, given: &Given) -> Result<Rule, String> {
        self.check_keys(&KEYS, "a rule of channels")?;
        let mut rule = given.otherwise;
        rule.options.presence = self.presence()?.unwrap_or(rule.options.presence);
        rule.options.storage = self.storage(given)?.unwrap_or(rule.options.storage);
        rule.options.history = self.history(rule.options.history)?;
        let whose = |name| self.who(name, given);
        rule.join = whose("join")?.unwrap_or(rule.join);
        rule.publish = whose("publish")?.unwrap_or(rule.publish);
        rule.read = whose("read")?.unwrap_or(rule.read);
        rule.see_presence = whose("see_presence")?.unwrap_or(rule.see_presence);
        self.check_together(&rule)?;
        Ok(rule)
    }

    /// Checks that what is allowed can be done.
    fn check_together(&self, rule: &Rule) -> Result<(), String> {
        if rule.join == Who::Members {
            let why = "who joins is no member yet; join is \"anyone\", \"token\" or \"nobody\"";
            return Err(self.never("join", why));
        }
        if rule.see_presence != Who::Nobody && !rule.options.presence && self.get("see_presence").is_some() {
            let why = "the channel has no presence; it needs presence = true, or see_presence = \"nobody\"";
            return Err(self.never("see_presence", why));
        }
        if rule.read != Who::Nobody && !rule.keeps() && self.get("read").is_some() {
            let why = "the channel keeps nothing; it needs a history or a storage, or read = \"nobody\"";
            return Err(self.never("read", why));
        }
        Ok(())
    }

    fn never(&self, name: &str, why: &str) -> String {
        let place = self.get(name).unwrap_or(self.table);
        self.source.wrong_at(place, format!("{name} can never work like this: {why}"))
    }

    fn presence(&self) -> Result<Option<bool>, String> {
        let Some(value) = self.get("presence") else { return Ok(None) };
        let presence = value.get_ref().as_bool();
        presence.map(Some).ok_or_else(|| self.odd(value, "presence is true or false"))
    }

    fn storage(&self, given: &Given) -> Result<Option<Storage>, String> {
        let Some(value) = self.get("storage") else { return Ok(None) };
        let storage = self.one_of(value, "storage", &STORAGE)?;
        if storage != Storage::None && !given.stores {
            let why = "there is no store; it needs a --store, or storage = \"none\"";
            return Err(self.never("storage", why));
        }
        Ok(Some(storage))
    }

    fn who(&self, name: &str, given: &Given) -> Result<Option<Who>, String> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let who = self.one_of(value, name, &Who::ALL)?;
        if who == Who::Token && !given.tokens {
            return Err(self.never(name, "no session has a token; it needs a --jwt-secret"));
        }
        Ok(Some(who))
    }

    fn history(&self, otherwise: HistoryOptions) -> Result<HistoryOptions, String> {
        let Some(value) = self.get("history") else { return Ok(otherwise) };
        let DeValue::Table(fields) = value.get_ref() else {
            let why = "a history is a table, such as { entries = 100, age = \"5m\" }";
            return Err(self.odd(value, why));
        };
        let own = Fields { source: self.source, table: value, fields };
        own.check_keys(&HISTORY, "a history")?;
        let entries = own.count("entries")?.unwrap_or(otherwise.entries);
        let bytes = own.count("bytes")?.unwrap_or(otherwise.bytes);
        let age = own.age()?.unwrap_or(otherwise.age);
        own.check_kept(&otherwise)?;
        Ok(HistoryOptions::of(entries, age).with_bytes(bytes))
    }

    /// Checks that a history keeps something, unless its own `entries` or `bytes` are 0.
    fn check_kept(&self, otherwise: &HistoryOptions) -> Result<(), String> {
        let own = ["entries", "bytes"].map(|name| self.get(name).and_then(|value| whole(value.get_ref())));
        let named = HISTORY.into_iter().find(|name| self.get(name).is_some());
        let Some(named) = named.filter(|_| !own.contains(&Some(0))) else { return Ok(()) };
        for (name, is_zero, flag, such_as) in [
            ("entries", otherwise.entries == 0, "--history-entries", "entries = 100"),
            ("bytes", otherwise.bytes == 0, "--history-bytes", "bytes = 1_000_000"),
            ("age", otherwise.age.is_zero(), "--history-seconds", "age = \"5m\""),
        ] {
            if is_zero && self.get(name).is_none() {
                let why = format!("{flag} is 0; it needs {such_as} beside it, or another {flag}");
                return Err(self.never(named, &why));
            }
        }
        Ok(())
    }

    fn count(&self, name: &str) -> Result<Option<usize>, String> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let count = whole(value.get_ref()).and_then(|count| usize::try_from(count).ok());
        count.map(Some).ok_or_else(|| self.odd(value, format!("{name} is a whole number, 0 or more")))
    }

    fn age(&self) -> Result<Option<Duration>, String> {
        let Some(value) = self.get("age") else { return Ok(None) };
        let text =
            self.text(value, "an age is a text with its unit, such as \"30s\", \"5m\" or \"1h 30m\"")?;
        let age = humantime::parse_duration(text).map_err(|error| {
            let why = format!("{error}; an age is such as \"30s\", \"5m\" or \"1h 30m\"");
            self.source.wrong_at(value, why)
        })?;
        match age {
            Duration::ZERO => {
                Err(self.source.wrong_at(value, "nothing is kept for no time: entries = 0 keeps nothing"))
            }
            long if long > AGE => Err(self.source.wrong_at(value, "an age is at most 136 years")),
            age => Ok(Some(age)),
        }
    }

    fn one_of<T: Copy>(
        &self,
        value: &Spanned<DeValue<'_>>,
        name: &str,
        all: &[(&str, T)],
    ) -> Result<T, String> {
        let text = value.get_ref().as_str();
        let found = all.iter().find(|(known, _)| Some(*known) == text);
        found.map(|(_, one)| *one).ok_or_else(|| {
            let known: Vec<_> = all.iter().map(|(known, _)| format!("{known:?}")).collect();
            self.odd(value, format!("{name} is one of {}", known.join(", ")))
        })
    }

    fn text<'b>(&self, value: &'b Spanned<DeValue<'_>>, right: &str) -> Result<&'b str, String> {
        value.get_ref().as_str().ok_or_else(|| self.odd(value, right))
    }

    /// Says what would be right, and what stands there.
    fn odd(&self, value: &Spanned<DeValue<'_>>, right: impl AsRef<str>) -> String {
        let told = match value.get_ref() {
            DeValue::String(text) => format!("{text:?}"),
            other => kind(other).to_owned(),
        };
        self.source.wrong_at(value, format!("{}, not {told}", right.as_ref()))
    }

    fn check_keys(&self, known: &[&str], whose: &str) -> Result<(), String> {
        let unknown = self.fields.keys().find(|key| !known.contains(&&**key.get_ref()));
        unknown.map_or(Ok(()), |key| {
            let why = format!("{whose} has no {:?}, but {}", key.get_ref(), known.join(", "));
            Err(self.source.wrong_at(key, why))
        })
    }

    fn get(&self, name: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.fields.get(name)
    }
}

#[cfg(test)]
mod tests {
    use chat_core::{ChannelId, ChannelOptions};

    use super::*;
    use crate::rules::Rules;

    fn given() -> Given {
        let history = HistoryOptions::of(10, Duration::from_secs(60)).with_bytes(1000);
        let options = ChannelOptions::default().with_history(history).with_presence(true);
        let options = options.with_storage(Storage::Kept);
        let (join, publish, read, see_presence) = (Who::Anyone, Who::Members, Who::Members, Who::Members);
        let otherwise = Rule { options, join, publish, read, see_presence };
        Given { otherwise, tokens: true, stores: true }
    }

    fn rules(text: &str, given: &Given) -> Result<Vec<(Pattern, Rule)>, String> {
        let source = Source::of(text);
        let table = source.table()?;
        read(&source, &table["channel"], given)
    }

    #[test]
    fn a_rule_changes_what_it_names_and_the_first_that_matches_counts() {
        let text = r#"
            [[channel]]
            pattern = "user:*"
            history = { entries = 5, age = "1h 30m" }
            presence = false
            storage = "durable"
            join = "token"
            publish = "nobody"
            see_presence = "nobody"
            [[channel]]
            pattern = "*"
            read = "anyone"
        "#;
        let given = given();
        let rules = Rules::new(rules(text, &given).expect("rules"), given.otherwise);
        let of = |name: &str| *rules.of(&name.parse::<ChannelId>().expect("a name"));
        let ann = of("user:ann");
        let history = HistoryOptions::of(5, Duration::from_secs(5400)).with_bytes(1000);
        let options = ChannelOptions::default().with_history(history).with_storage(Storage::Durable);
        assert_eq!(ann.options, options);
        assert_eq!((ann.join, ann.publish, ann.read), (Who::Token, Who::Nobody, Who::Members));
        assert_eq!(of("userx"), Rule { read: Who::Anyone, ..given.otherwise });
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place_and_with_what_is_right() {
        for (line, column, right) in [
            ("pat = 'x'", 1, "pattern, history, presence, storage, join, publish, read, see_presence"),
            ("see-presence = 'nobody'", 1, "see_presence"),
            ("join = 'everyone'", 8, r#""anyone", "members", "token", "nobody", not "everyone""#),
            ("join = true", 8, "\"anyone\", \"members\", \"token\", \"nobody\", not true or false"),
            ("join = 'members'", 8, r#""anyone", "token" or "nobody""#),
            ("publish = 'Anyone'", 11, "\"anyone\""),
            ("read = ['anyone']", 8, "not a list"),
            ("presence = 'yes'", 12, "presence is true or false, not \"yes\""),
            ("storage = 'forever'", 11, r#""none", "kept", "durable""#),
            ("history = 100", 11, "{ entries = 100, age = \"5m\" }, not a number"),
            ("history = { entry = 1 }", 13, "entries, bytes, age"),
            ("history = { entries = -1 }", 23, "0 or more"),
            ("history = { bytes = 1.5 }", 21, "not a number with a fraction"),
            ("history = { age = 300 }", 19, "\"5m\""),
            ("history = { age = '5 centuries' }", 19, "\"5m\""),
            ("history = { age = '-5m' }", 19, "\"5m\""),
            ("history = { age = '' }", 19, "\"5m\""),
            ("history = { age = '0s' }", 19, "entries = 0"),
            ("history = { age = '200years' }", 19, "136 years"),
            ("see_presence = 'anyone'\npresence = false", 16, "presence = true"),
            ("read = 'anyone'\nstorage = 'none'\nhistory = { entries = 0 }", 8, "read = \"nobody\""),
        ] {
            let text = format!("[[channel]]\npattern = 'x'\n{line}\n");
            let told = rules(&text, &given()).expect_err(line);
            assert!(
                told.starts_with(&format!("chat.toml:3:{column}: ")) && told.contains(right),
                "{line}: {told}"
            );
        }
        for (text, place, right) in [
            ("[[channel]]\njoin = 'anyone'\n", "1:1", "pattern = \"user:*\""),
            ("[[channel]]\npattern = 7\n", "2:11", "not a number"),
            ("[[channel]]\npattern = ''\n", "2:11", "at least one character"),
            ("[[channel]]\npattern = 'a\\b'\n", "2:11", r"\* is a star"),
            ("[[channel]]\npattern = '*'\n\n[[channel]]\npattern = 'user:*'\n", "5:11", "rule 1"),
            ("[channel]\npattern = '*'\n", "1:1", "[[channel]]"),
            ("channel = 7\n", "1:11", "[[channel]]"),
            ("channel = [7]\n", "1:12", "[[channel]]"),
        ] {
            let told = rules(text, &given()).expect_err(text);
            assert!(
                told.starts_with(&format!("chat.toml:{place}: ")) && told.contains(right),
                "{text}: {told}"
            );
        }
    }

    #[test]
    fn what_nothing_could_come_of_is_refused() {
        let alone =
            |line: &str, given: &Given| rules(&format!("[[channel]]\npattern = 'x'\n{line}\n"), given);
        let tokenless = Given { tokens: false, ..given() };
        for name in ["join", "publish", "read", "see_presence"] {
            let line = format!("{name} = 'token'");
            assert!(alone(&line, &given()).is_ok(), "{line}");
            let told = alone(&line, &tokenless).expect_err(&line);
            assert!(told.contains("--jwt-secret") && told.starts_with("chat.toml:3:"), "{told}");
        }
        let storeless = Given { stores: false, ..given() };
        for storage in ["kept", "durable"] {
            let line = format!("storage = '{storage}'");
            assert!(alone(&line, &given()).is_ok(), "{line}");
            assert!(alone(&line, &storeless).expect_err(&line).contains("--store"));
        }
        assert!(alone("storage = 'none'", &storeless).is_ok());
        let mut off = given();
        (off.otherwise.options.presence, off.otherwise.options.history.entries) = (false, 0);
        off.otherwise.options.storage = Storage::None;
        assert!(alone("join = 'nobody'", &off).is_ok(), "it names nothing that cannot be");
        assert!(alone("see_presence = 'members'", &off).is_err() && alone("read = 'members'", &off).is_err());
        assert!(alone("see_presence = 'nobody'\nread = 'nobody'", &off).is_ok());
    }

    #[test]
    fn a_history_that_keeps_nothing_since_a_flag_is_0_is_refused() {
        let told = |history: &str, otherwise: (usize, usize, u64)| {
            let (entries, bytes, seconds) = otherwise;
            let mut given = given();
            given.otherwise.options.history =
                HistoryOptions::of(entries, Duration::from_secs(seconds)).with_bytes(bytes);
            rules(&format!("[[channel]]\npattern = 'x'\nhistory = {{ {history} }}\n"), &given)
        };
        for (history, otherwise, column, right) in [
            ("entries = 100", (10, 1000, 0), 23, "--history-seconds is 0; it needs age = \"5m\" beside it"),
            ("age = '5m'", (0, 1000, 60), 19, "--history-entries is 0; it needs entries = 100 beside it"),
            ("bytes = 7, age = '5m'", (0, 1000, 60), 21, "or another --history-entries"),
            ("age = '5m', entries = 7", (10, 0, 60), 35, "--history-bytes is 0; it needs bytes = 1_000_000"),
        ] {
            let told = told(history, otherwise).expect_err(history);
            assert!(
                told.starts_with(&format!("chat.toml:3:{column}: ")) && told.contains(right),
                "{history}: {told}"
            );
        }
        for history in ["entries = 7, age = '5m'", "entries = 0", "entries = 0, age = '5m'", ""] {
            assert!(told(history, (0, 1000, 0)).is_ok(), "{history}");
        }
        assert!(told("bytes = 0", (10, 1000, 0)).is_ok(), "it says so itself");
    }

    #[test]
    fn there_are_256_rules_and_no_more() {
        let text =
            |count: usize| (0..count).map(|n| format!("[[channel]]\npattern = 'x{n}'\n")).collect::<String>();
        assert_eq!(rules(&text(256), &given()).expect("rules").len(), 256);
        assert!(rules(&text(257), &given()).expect_err("one more").starts_with("chat.toml:513:"));
    }
}
