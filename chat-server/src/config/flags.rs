//! Takes values of flags from a file: there they are the defaults.

use std::collections::HashMap;
use std::error::Error;
use std::ops::Range;

use clap::builder::{OsStr, Resettable};
use clap::error::{ContextKind, ContextValue};
use clap::{Arg, ArgAction, Command};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::source::{Source, kind};

/// Names what a file has besides flags: the rules of channels.
pub(super) const CHANNEL: &str = "channel";

/// Lists the flags that a file cannot have: those that are about the file itself, or instead of serving.
const NOT_IN_A_FILE: [&str; 4] = ["config", "check", "help", "version"];

/// Holds the place of each flag's value in the file.
pub(super) type Places = HashMap<String, Range<usize>>;

/// Makes the values of a file the defaults of a command's flags, so that environment variables and the
/// command line win over them.
///
/// # Errors
/// Says which value of the file is wrong, and where.
pub(super) fn with_defaults(
    mut command: Command,
    source: &Source,
    table: &DeTable<'_>,
) -> Result<(Command, Places), String> {
    let (plain, mut places) = (without_environment(&command), Places::new());
    for (key, value) in table.iter().filter(|(key, _)| key.get_ref() != CHANNEL) {
        let name: &str = key.get_ref();
        let found = command.get_arguments().find(|arg| arg.get_long() == Some(name));
        let Some(arg) = found.filter(|_| !NOT_IN_A_FILE.contains(&name)) else {
            return Err(source.wrong_at(key, unknown(&plain, name)));
        };
        let texts = texts(source, arg, value)?;
        try_alone(&plain, arg, &texts).map_err(|why| source.wrong_at(value, why))?;
        places.insert(name.to_owned(), value.span());
        let (id, defaults) = (arg.get_id().clone(), texts.into_iter().map(OsStr::from));
        command = command.mut_arg(id, |arg| arg.default_values(defaults));
    }
    Ok((command, places))
}

fn without_environment(command: &Command) -> Command {
    command.clone().mut_args(|arg| arg.env(Resettable::Reset))
}

/// Says that there is no such flag, and which one is nearly named like it.
fn unknown(plain: &Command, name: &str) -> String {
    if NOT_IN_A_FILE.contains(&name) {
        return format!("--{name} stands on the command line, not in a file");
    }
    let tried = plain.clone().try_get_matches_from(["", &format!("--{name}")]);
    let similar = tried.err().and_then(|error| match error.get(ContextKind::SuggestedArg) {
        Some(ContextValue::String(flag)) => Some(flag.trim_start_matches('-').to_owned()),
        _ => None,
    });
    let similar = similar.map(|flag| format!("; is it {flag}?")).unwrap_or_else(|| ".".to_owned());
    format!(
        "there is no flag --{name}{similar} A file has the names of the flags (see --help), and [[channel]]"
    )
}

/// Returns the values as they would stand on the command line.
fn texts(source: &Source, arg: &Arg, value: &Spanned<DeValue<'_>>) -> Result<Vec<String>, String> {
    let wrong = |value: &Spanned<DeValue<'_>>, right: &str| {
        let name = arg.get_long().unwrap_or_default();
        source.wrong_at(value, format!("{name} is {right}, not {}", kind(value.get_ref())))
    };
    let one = |value: &Spanned<DeValue<'_>>, right: &str| match value.get_ref() {
        DeValue::Boolean(is) => Ok(is.to_string()),
        DeValue::String(text) => Ok(text.to_string()),
        DeValue::Integer(number) if number.radix() == 10 => {
            Ok(number.as_str().trim_start_matches('+').to_owned())
        }
        DeValue::Integer(_) => Err(source.wrong_at(value, "a number is written in decimal digits here")),
        _ => Err(wrong(value, right)),
    };
    match (value.get_ref(), arg.get_action()) {
        (DeValue::Boolean(is), ArgAction::SetTrue) => Ok(vec![is.to_string()]),
        (_, ArgAction::SetTrue) => Err(wrong(value, "true or false")),
        (DeValue::Array(all), ArgAction::Append) => {
            all.iter().map(|value| one(value, "a list of texts")).collect()
        }
        (_, ArgAction::Append) => one(value, "a text or a list of texts").map(|text| vec![text]),
        _ => one(value, "a number or a text").map(|text| vec![text]),
    }
}

/// Tries values as they would be tried on the command line.
///
/// # Errors
/// Says why a value is wrong, without a value that is secret.
fn try_alone(plain: &Command, arg: &Arg, texts: &[String]) -> Result<(), String> {
    if matches!(arg.get_action(), ArgAction::SetTrue) {
        return Ok(());
    }
    let name = arg.get_long().unwrap_or_default();
    let given = texts.iter().map(|text| format!("--{name}={text}"));
    let tried = plain.clone().try_get_matches_from(std::iter::once(String::new()).chain(given));
    tried.map(drop).map_err(|error| {
        let why = error.source().map(ToString::to_string);
        let value = texts.iter().filter(|_| !arg.is_hide_env_values_set()).map(|text| format!("{text:?}: "));
        let value: String = value.collect();
        match why.or_else(|| possible(&error)) {
            Some(why) => format!("{name} cannot be {value}{why}"),
            None => format!("{name} has a value that it cannot have"),
        }
    })
}

/// Lists the values that are possible, if they are few.
fn possible(error: &clap::Error) -> Option<String> {
    match error.get(ContextKind::ValidValue)? {
        ContextValue::Strings(all) => Some(format!("it is one of {}", all.join(", "))),
        _ => None,
    }
}
