//! Reads what the server is told: flags, environment variables and a file.
//!
//! ```text
//!   settings    defines the flags
//!   reach       defines the flags that say from where the server is reached
//!   bounds      defines a flag for every bound
//!   source      reads the text of a file, and tells places in it
//!   flags       takes values of flags from a file
//!   channels    takes rules of channels from a file
//!   flag_error  says what is wrong with a flag
//! ```

mod bounds;
mod channels;
mod flag_error;
mod flags;
mod reach;
mod settings;
mod source;

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{ArgMatches, Command, CommandFactory, FromArgMatches};
use toml::de::DeTable;

pub(crate) use self::reach::ClientAddress;
pub(crate) use self::settings::Settings;

use self::channels::Given;
use self::flag_error::FlagError;
use self::flags::{CHANNEL, Places, with_defaults};
use self::source::Source;
use crate::rules::Rules;

/// Holds all that the server is told.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) settings: Settings,
    pub(crate) rules: Rules,
}

/// Says what is to be done.
#[derive(Clone, Debug)]
pub(crate) enum Task {
    Serve(Box<Config>),
    /// Tells this: all that the server is told is right.
    Tell(String),
}

/// Reads the command line, its program's name first, and the file that it names.
///
/// # Errors
/// Says what is wrong, and in which flag, or at which line and column of the file. The help and the version
/// are such errors too.
pub(crate) fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Task, clap::Error> {
    let arguments: Vec<_> = arguments.into_iter().collect();
    let (settings, matches) = parse(Settings::command(), &arguments)?;
    let Some(path) = &settings.config else { return finish(settings, &matches, None) };
    let source = Source::read(path).map_err(refuse)?;
    let table = source.table().map_err(refuse)?;
    let (command, places) = with_defaults(Settings::command(), &source, &table).map_err(refuse)?;
    let (settings, matches) = parse(command, &arguments)?;
    finish(settings, &matches, Some(&File { source: &source, table: &table, places }))
}

/// Holds a file that was read.
struct File<'a> {
    source: &'a Source,
    table: &'a DeTable<'a>,
    places: Places,
}

impl File<'_> {
    /// Says what is wrong with a flag, at its place in the file if the value came from there.
    fn explain(&self, error: &FlagError, matches: &ArgMatches) -> Option<String> {
        let id = error.flag.replace('-', "_");
        let place = self.places.get(&error.flag)?;
        let own = matches.value_source(&id) == Some(ValueSource::DefaultValue);
        own.then(|| self.source.wrong(place.clone(), error.to_string()))
    }
}

fn parse(mut command: Command, arguments: &[OsString]) -> Result<(Settings, ArgMatches), clap::Error> {
    let matches =
        command.try_get_matches_from_mut(arguments).map_err(|error| without_secret(&command, error))?;
    let settings = Settings::from_arg_matches(&matches).map_err(|error| error.format(&mut command))?;
    Ok((settings, matches))
}

/// Hides the value of an error about a secret: it may stand in an environment variable, and the error in a
/// log.
fn without_secret(command: &Command, mut error: clap::Error) -> clap::Error {
    let Some(ContextValue::String(flag)) = error.get(ContextKind::InvalidArg) else { return error };
    let name = flag.split(' ').next().unwrap_or_default().trim_start_matches('-');
    let arg = command.get_arguments().find(|arg| arg.get_long() == Some(name));
    let shows = error.get(ContextKind::InvalidValue).is_some();
    if shows && arg.is_some_and(clap::Arg::is_hide_env_values_set) {
        error.insert(ContextKind::InvalidValue, ContextValue::String("…".to_owned()));
    }
    error
}

fn finish(settings: Settings, matches: &ArgMatches, file: Option<&File<'_>>) -> Result<Task, clap::Error> {
    settings.check().map_err(|error| {
        refuse(file.and_then(|file| file.explain(&error, matches)).unwrap_or_else(|| error.to_string()))
    })?;
    let rules = rules(&settings, file).map_err(refuse)?;
    if settings.check {
        return Ok(Task::Tell(all_is_right(&rules, file)));
    }
    Ok(Task::Serve(Box::new(Config { settings, rules })))
}

fn rules(settings: &Settings, file: Option<&File<'_>>) -> Result<Rules, String> {
    let otherwise = settings.rule();
    let tables = file.and_then(|file| Some((file, file.table.get(CHANNEL)?)));
    let Some((file, value)) = tables else { return Ok(Rules::new(Vec::new(), otherwise)) };
    let given = Given { otherwise, tokens: settings.jwt_secret.is_some(), stores: settings.stores() };
    Ok(Rules::new(channels::read(file.source, value, &given)?, otherwise))
}

fn all_is_right(rules: &Rules, file: Option<&File<'_>>) -> String {
    match file {
        None => "the flags are right".to_owned(),
        Some(File { source, places, .. }) => {
            let (name, values, rules) = (source.name(), places.len(), rules.count());
            format!("the flags and {name} are right; flags set there: {values}, rules of channels: {rules}")
        }
    }
}

/// Returns an error as a wrong flag is one.
fn refuse(why: String) -> clap::Error {
    Settings::command().error(ErrorKind::ValueValidation, why)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use chat_core::Storage;
    use tempfile::NamedTempFile;

    use super::*;

    /// Reads flags, with a file of this text.
    fn told(text: &str, flags: &[&str]) -> Result<Task, String> {
        let mut file = NamedTempFile::with_suffix("chat.toml").expect("a file");
        file.write_all(text.as_bytes()).expect("it takes text");
        let path = file.path().to_str().expect("text");
        let arguments = [&["chat-server", "--config", path], flags].concat();
        read(arguments.into_iter().map(OsString::from)).map_err(|error| {
            assert_eq!(error.exit_code(), 2, "{error}");
            error.to_string().replace(path, "chat.toml")
        })
    }

    fn config(text: &str, flags: &[&str]) -> Config {
        match told(text, flags) {
            Ok(Task::Serve(config)) => *config,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn a_file_says_what_flags_say_and_the_command_line_wins() {
        let text = "sessions = 7\nstrikes = 0x3\n";
        assert!(told(text, &[]).expect_err("hexadecimal").contains("chat.toml:2:11: "));
        let text = r#"
            sessions = 7
            message-bytes = 1_000
            presence = false
            open-publish = true
            durable = true
            store = "kept.db"
            jwt-secret = "s"
            allow-origin = ["https://a.example", "https://b.example"]
            trusted-proxy = "10.0.0.0/8"
        "#;
        let Config { settings, rules } = config(text, &[]);
        let limits = settings.limits();
        assert_eq!((limits.sessions, limits.message_bytes, limits.strikes), (7, 1000, 20));
        assert_eq!(settings.jwt_secret.as_deref(), Some("s"));
        assert!(settings.origins().is_ok_and(|origins| format!("{origins:?}").contains("b.example")));
        assert!(matches!(settings.client_address(), Ok(ClientAddress::Proxies(_))));
        let rule = rules.of(&"any".parse().expect("a name"));
        assert_eq!((rule.options.presence, rule.options.storage), (false, Storage::Durable));
        let flags = ["--sessions", "8", "--store", "other.db", "--allow-origin", "https://c.example"];
        let Config { settings, rules } = config(text, &flags);
        assert_eq!((settings.limits().sessions, settings.limits().message_bytes), (8, 1000));
        assert!(settings.origins().is_ok_and(|origins| !format!("{origins:?}").contains("b.example")));
        assert_eq!(rules.of(&"any".parse().expect("a name")).options.storage, Storage::Durable);
    }

    #[test]
    fn every_flag_may_stand_in_a_file() {
        let command = Settings::command();
        let names: Vec<_> = command.get_arguments().filter_map(clap::Arg::get_long).collect();
        assert!(names.len() > 50, "{names:?}");
        for name in names.into_iter().filter(|name| !["config", "check", "help", "version"].contains(name)) {
            let value = match name {
                "open-publish" | "durable" | "presence" => "true",
                "proxy-protocol" => "true\ntrusted-proxy = '10.0.0.0/8'",
                "listen" => "':8080'",
                "broker" => "'redis://127.0.0.1'",
                "allow-origin" => "['*']",
                "client-address" => "'off'",
                "trusted-proxy" => "'10.0.0.0/8'",
                _ => "50",
            };
            config(&format!("{name} = {value}"), &[]);
        }
    }

    #[test]
    fn a_value_that_is_wrong_is_told_with_its_place_and_what_is_right() {
        for (text, place, right) in [
            ("sessions = 'many'", "1:12", "sessions cannot be \"many\": invalid digit"),
            ("\n sessions = -1", "2:13", "sessions cannot be \"-1\""),
            ("sessions = 1.5", "1:12", "a number or a text, not a number with a fraction"),
            ("sessions = [1]", "1:12", "not a list"),
            ("poll-share = 101", "1:14", "1..=100"),
            ("presence = 'perhaps'", "1:12", "true, false"),
            ("durable = 'yes'", "1:11", "durable is true or false, not a text"),
            ("listen = '8080'", "1:10", "listen cannot be \"8080\""),
            ("broker = 'http://me:secret@a'", "1:10", "begins with redis://"),
            ("broker = 'nats:a'", "1:10", "nats://"),
            ("broker = 'postgres'", "1:10", "begins with redis://"),
            ("store = 'a.db'\nbroker = 'redis://a'", "1:9", "--store cannot be beside --broker"),
            ("allow-origin = ['https://a.example', {}]", "1:38", "a list of texts, not a table"),
            ("allow-origin = 'a b'", "1:16", "--allow-origin has the value \"a b\""),
            ("allow-host = ['a:+80']", "1:14", "--allow-host has the value"),
            ("client-address = 'no header'", "1:18", "--client-address"),
            ("trusted-proxy = 'x'", "1:17", "trusted-proxy cannot be \"x\""),
            ("proxy-protocol = true", "1:18", "--trusted-proxy"),
            ("durable = true\nstore = 'none'", "1:11", "--durable is of use only with a --store"),
            (
                "history-seconds = 0\n[[channel]]\npattern = 'a'\nhistory = { entries = 9 }",
                "4:23",
                "age = \"5m\"",
            ),
            (
                "history-entries = 0\n[[channel]]\npattern = 'a'\nhistory = { age = '5m' }",
                "4:19",
                "entries = 100",
            ),
            ("head-bytes = 0", "1:14", "--head-bytes must not be 0"),
            ("handshake-seconds = 0", "1:21", "must not be 0"),
            ("session = 7", "1:1", "there is no flag --session; is it session"),
            ("history_seconds = 7", "1:1", "is it history-seconds?"),
            ("[tls]\ncert = 'x'", "1:2", "[[channel]]"),
            ("check = true", "1:1", "on the command line"),
            ("config = 'x'", "1:1", "on the command line"),
            ("sessions = 1\nsessions = 2", "2:1", "duplicate key"),
            ("sessions 7", "1:10", ""),
            ("jwt-secret = ''", "1:14", "jwt-secret"),
            ("[[channel]]\npattern = 'a'\njoin = 'token'", "3:8", "--jwt-secret"),
            ("[[channel]]\njoin = 'anyone'", "1:1", "pattern"),
        ] {
            let error = told(text, &[]).expect_err(text);
            assert!(error.starts_with(&format!("error: chat.toml:{place}: ")), "{text}: {error}");
            assert!(error.contains(right), "{text}: {error}");
        }
    }

    #[test]
    fn a_flag_that_wins_is_what_is_wrong_and_not_the_file() {
        assert!(told("head-bytes = 0", &["--head-bytes", "1"]).is_ok());
        let error = told("head-bytes = 1", &["--head-bytes", "0"]).expect_err("it is 0");
        assert!(error.starts_with("error: --head-bytes must not be 0"), "{error}");
        let rule = "jwt-secret = 's'\n[[channel]]\npattern = 'a'\nstorage = 'kept'";
        assert!(told(rule, &[]).is_ok());
        let error = told(rule, &["--store", "none"]).expect_err("no store");
        assert!(error.starts_with("error: chat.toml:4:11: "), "{error}");
        assert!(told("durable = true", &[]).is_ok());
        let error = told("durable = true", &["--store", "none"]).expect_err("no store");
        assert!(error.starts_with("error: chat.toml:1:11: "), "{error}");
        let error = told("store = 'none'", &["--durable"]).expect_err("no store");
        assert!(error.starts_with("error: --durable is of use only with a --store"), "{error}");
    }

    #[test]
    fn what_belongs_together_may_be_told_in_two_places() {
        for (text, flags) in [
            ("trusted-proxy = '10.0.0.0/8'", &["--proxy-protocol"][..]),
            ("proxy-protocol = true", &["--trusted-proxy", "10.0.0.0/8"]),
        ] {
            assert_eq!(config(text, flags).settings.proxy_protocol().len(), 1, "{text} {flags:?}");
        }
        let error = told("", &["--proxy-protocol"]).expect_err("of nobody");
        assert!(error.starts_with("error: --proxy-protocol is of use only with --trusted-proxy"), "{error}");
    }

    #[test]
    fn no_error_says_a_secret() {
        let error = told("api-key = 'sésame'", &[]).expect_err("no plain text");
        assert!(!error.contains("sésame") && error.contains("printable ASCII"), "{error}");
        for flag in ["--api-key", "--admin-key"] {
            let error = told("", &[flag, "sesame "]).expect_err("a space at its end");
            assert!(!error.contains("sesame") && error.contains("printable ASCII"), "{error}");
            assert!(error.contains(flag), "{error}");
        }
        assert!(told("", &["--sessions", "many"]).expect_err("no number").contains("'many'"));
    }

    #[test]
    fn a_file_that_cannot_be_read_is_told_by_its_name() {
        let read = |path: &str| {
            let arguments = ["chat-server", "--config", path].map(OsString::from);
            read(arguments).expect_err(path).to_string()
        };
        assert!(read("/nowhere/chat.toml").starts_with("error: /nowhere/chat.toml: No such file"));
        assert!(read("/dev/zero").starts_with("error: /dev/zero: a file has at most 1048576 bytes"));
        let mut file = NamedTempFile::new().expect("a file");
        file.write_all(b"a = 1\nb = '\xff'").expect("it takes bytes");
        let path = file.path().to_str().expect("text");
        assert!(read(path).starts_with(&format!("error: {path}:2:6: this is not UTF-8")), "{}", read(path));
    }

    #[test]
    fn a_check_tells_that_all_is_right_and_serves_nothing() {
        let text = "sessions = 7\n[[channel]]\npattern = '*'\njoin = 'nobody'\n";
        let Ok(Task::Tell(told)) = told(text, &["--check"]) else { panic!("it is right") };
        assert!(told.contains("flags set there: 1, rules of channels: 1"), "{told}");
        let Ok(Task::Tell(told)) = read(["chat-server", "--check"].map(OsString::from)) else {
            panic!("it is right")
        };
        assert_eq!(told, "the flags are right");
        assert!(read(["chat-server", "--check", "--head-bytes", "0"].map(OsString::from)).is_err());
    }
}
