//! Writes what nodes tell each other of the members of a channel as text, and reads it again.
//!
//! A word has these [fields](super::fields), of which those that are of no use are left out:
//!
//! ```text
//! node  the number of the node that says it   do     changed, stands, ask, whole; or alive, to all nodes
//! life, number   how far its changes have come
//! asks  1, if the others are to say theirs    of     the node that is asked
//! part, parts    of a whole
//! ```
//!
//! Its content has a line for each member, `+` with session, time, user, name and data between tabs, and a
//! line for each that left, `-` with its session. The time counts nanoseconds since 1970, UTC. The data is
//! empty if there is none, and else begins with `j` (one JSON value) or `b` (bytes in Base16). A reader takes
//! no notice of other lines.

use std::fmt::Write;
use std::time::Duration;

use super::fields::{Fields, Writer, base16, escape, from_base16, unescape};
use crate::machine::{Member, MemberWord, Progress, Told};
use crate::model::{Identity, Instant, Now, Payload, SessionId, SessionInfo};

/// Bounds the data of a member that other nodes are told. They see one that has more without it.
const DATA_BYTES: usize = 192 * 1024;

/// Bounds the parts of a whole.
const PARTS: usize = 1000;

/// Returns the word by which a node is heard that has nothing to say.
pub(super) fn alive(node: u64) -> String {
    let mut writer = Writer::new();
    writer.field("node", &node);
    writer.field("do", &"alive");
    writer.with_content("")
}

/// Reads which node says that it is there; none if the word says something else.
pub(super) fn is_alive(text: &str) -> Option<u64> {
    let fields = Fields::read(text)?;
    (fields.text("do")? == "alive").then(|| fields.need("node")).flatten()
}

/// Returns the text of a word. The node counts time from `begun`.
pub(super) fn encode(node: u64, progress: Progress, word: &MemberWord, begun: Now) -> String {
    let mut writer = Writer::new();
    writer.field("node", &node);
    writer.field("life", &progress.life);
    writer.field("number", &progress.number);
    let mut content = String::new();
    match word {
        MemberWord::Changed { joined, left } => {
            writer.field("do", &"changed");
            joined.iter().for_each(|member| write_member(member, begun, &mut content));
            left.iter().for_each(|session| {
                let _ = writeln!(content, "-{session}");
            });
        }
        MemberWord::Stands { asks } => {
            writer.field("do", &"stands");
            writer.maybe("asks", asks.then_some(1));
        }
        MemberWord::Ask(of) => {
            writer.field("do", &"ask");
            writer.maybe("of", *of);
        }
        MemberWord::Whole { part, parts, members } => {
            writer.field("do", &"whole");
            writer.field("part", part);
            writer.field("parts", parts);
            members.iter().for_each(|member| write_member(member, begun, &mut content));
        }
    }
    writer.with_content(&content)
}

/// Returns whether other nodes are told a member with all of its data.
pub(super) fn is_whole(member: &Member) -> bool {
    member.who.data.as_ref().is_none_or(|data| data.as_bytes().len() <= DATA_BYTES)
}

fn write_member(member: &Member, begun: Now, out: &mut String) {
    let Member { who, since } = member;
    let data = match who.data.as_ref().filter(|_| is_whole(member)) {
        None => String::new(),
        Some(Payload::Json(text)) => format!("j{}", escape(text)),
        Some(Payload::Binary(bytes)) => format!("b{}", base16(bytes)),
    };
    let _ = writeln!(out, "+{}\t{}\t{}\t{}\t{data}", who.id, nanos(*since, begun), who.user, who.name);
}

/// Reads a word; none if no node of this version writes it.
pub(super) fn decode(text: &str, begun: Now) -> Option<Told> {
    let fields = Fields::read(text)?;
    let progress = Progress { life: fields.need("life")?, number: fields.need("number")? };
    let (mut members, mut left) = (Vec::new(), Vec::new());
    for line in fields.content.split_terminator('\n') {
        if let Some(line) = line.strip_prefix('+') {
            members.push(read_member(line, begun)?);
        } else if let Some(session) = line.strip_prefix('-') {
            left.push(SessionId(session.parse().ok()?));
        }
    }
    let word = match fields.text("do")?.as_str() {
        "changed" => MemberWord::Changed { joined: members, left },
        "stands" => MemberWord::Stands { asks: fields.may::<u8>("asks")?.is_some() },
        "ask" => MemberWord::Ask(fields.may("of")?),
        "whole" => {
            let (part, parts) = (fields.need("part")?, fields.need("parts")?);
            (part < parts && parts <= PARTS).then_some(MemberWord::Whole { part, parts, members })?
        }
        _ => return None,
    };
    Some(Told { node: fields.need("node")?, progress, word })
}

fn read_member(line: &str, begun: Now) -> Option<Member> {
    let mut columns = line.splitn(5, '\t');
    let session = SessionId(columns.next()?.parse().ok()?);
    let since = instant(columns.next()?.parse().ok()?, begun)?;
    let (user, name) = (columns.next()?.parse().ok()?, columns.next()?.parse().ok()?);
    let data = columns.next()?;
    let data = match (data.is_empty(), data.strip_prefix('j'), data.strip_prefix('b')) {
        (true, ..) => None,
        (_, Some(json), _) => Some(Payload::parse(unescape(json)?).ok()?),
        (_, _, Some(digits)) => Some(Payload::Binary(from_base16(digits)?.into())),
        _ => return None,
    };
    let identity = Identity::named(name).with_user(user).with_data(data);
    Some(Member { who: SessionInfo::of(session, identity).into(), since })
}

/// Returns a time as all nodes count it.
fn nanos(at: Instant, begun: Now) -> i64 {
    let signed = |by: Duration| i64::try_from(by.as_nanos()).unwrap_or(i64::MAX);
    let (ahead, behind) =
        (at.saturating_duration_since(begun.instant), begun.instant.saturating_duration_since(at));
    let begin = begun.utc.timestamp_nanos_opt().unwrap_or_default();
    begin.saturating_add(signed(ahead)).saturating_sub(signed(behind))
}

fn instant(nanos: i64, begun: Now) -> Option<Instant> {
    let by = nanos.checked_sub(begun.utc.timestamp_nanos_opt()?)?;
    let distance = Duration::from_nanos(by.unsigned_abs());
    if by < 0 { begun.instant.checked_sub(distance) } else { begun.instant.checked_add(distance) }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    fn begun() -> Now {
        Now {
            instant: Instant::START,
            utc: DateTime::from_timestamp_micros(1_700_000_000_000_001).expect("a time"),
        }
    }

    fn member(session: u64, data: Option<Payload>) -> Member {
        let identity = Identity::named("Ann \\n".parse().expect("a name"))
            .with_user("ann".parse().expect("a name"))
            .with_data(data);
        let since = Instant::START + Duration::from_nanos(session);
        Member { who: SessionInfo::of(SessionId(session), identity).into(), since }
    }

    fn words() -> Vec<MemberWord> {
        let members = vec![
            member(1, None),
            member(2, Some(Payload::parse("{\"a\":\n\t\"\\n\"}").expect("JSON"))),
            member(1 << 50, Some(Payload::Binary(vec![0, 255].into()))),
        ];
        vec![
            MemberWord::Changed { joined: members.clone(), left: vec![SessionId(7), SessionId(u64::MAX)] },
            MemberWord::Changed { joined: vec![], left: vec![] },
            MemberWord::Stands { asks: true },
            MemberWord::Stands { asks: false },
            MemberWord::Ask(None),
            MemberWord::Ask(Some(u64::MAX)),
            MemberWord::Whole { part: 1, parts: 2, members },
        ]
    }

    #[test]
    fn a_word_is_understood_as_it_was_said_also_where_time_began_at_another_moment() {
        let progress = Progress { life: 3, number: 4 };
        let there = Now { instant: Instant::START + Duration::from_secs(5), ..begun() };
        for word in words() {
            let said = Told { node: 9, progress, word: word.clone() };
            assert_eq!(decode(&encode(9, progress, &word, begun()), begun()), Some(said));
            let moved = decode(&encode(9, progress, &word, begun()), there).expect("it can be read");
            assert_eq!(encode(9, progress, &moved.word, there), encode(9, progress, &word, begun()));
        }
        assert_eq!(is_alive(&alive(9)), Some(9));
    }

    #[test]
    fn what_is_no_word_is_told_apart_and_what_later_versions_add_is_not_looked_at() {
        let progress = Progress { life: 3, number: 4 };
        let word = encode(9, progress, &words()[0], begun());
        assert!(decode(&word.replace("node", "later 1\nnode"), begun()).is_some());
        assert!(decode(&format!("{word}=later\n"), begun()).is_some());
        for wrong in [
            "",
            &word.replace("v 1", "v 2"),
            &word.replace("changed", "danced"),
            &word.replace("life 3", "life x"),
            &word.replace("+1\t", "+x\t"),
            &word.replace("\tann", ""),
            &word.replace("\tj", "\tz"),
            &word.replace("\tj{", "\tj["),
            &word.replace("-7", "-"),
            &word.replace("+1\t1700000000000001001", &format!("+1\t{}", i64::MIN)),
            &alive(9),
        ] {
            assert!(decode(wrong, begun()).is_none(), "{wrong}");
        }
        let whole = encode(9, progress, &words()[6], begun());
        for wrong in [&whole.replace("part 1", "part 2"), &whole.replace("parts 2", "parts 9999")] {
            assert!(decode(wrong, begun()).is_none(), "{wrong}");
        }
        assert_eq!(is_alive(&whole), None);
    }

    #[test]
    fn data_that_is_too_long_is_left_out() {
        let long = member(1, Some(Payload::json(format!("\"{}\"", "x".repeat(DATA_BYTES)))));
        assert!(!is_whole(&long));
        let word = MemberWord::Changed { joined: vec![long], left: vec![] };
        let told = decode(&encode(9, Progress::default(), &word, begun()), begun()).expect("a word");
        assert_eq!(told.word, MemberWord::Changed { joined: vec![member(1, None)], left: vec![] });
    }
}
