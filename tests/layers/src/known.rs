//! Lists violations that are still to be mended; the list may only grow shorter.

/// The list: a line `crate: what is wrong` is a violation that must be there still, a line
/// `crate: N what is counted` allows N of them.
#[derive(Debug, Default)]
pub struct Known {
    listed: Vec<String>,
    counted: Vec<(String, usize)>,
}

impl Known {
    /// Reads a list; lines that are empty or begin with `#` say nothing.
    pub fn new(text: &str) -> Self {
        let mut known = Self::default();
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            match counted(line) {
                Some(counted) => known.counted.push(counted),
                None => known.listed.push(line.to_owned()),
            }
        }
        known
    }

    /// Returns what was found and is not listed, and what is listed and was not found.
    pub fn check_listed(&self, found: &[String]) -> Vec<String> {
        difference(&self.listed, found)
    }

    /// Returns the counts that are more than listed, and those that are listed and are none any longer.
    pub fn check_counted(&self, found: &[(String, usize)]) -> Vec<String> {
        let allowed =
            |what| self.counted.iter().find(|(known, _)| known == what).map_or(0, |(_, count)| *count);
        let count = |what| found.iter().find(|(found, _)| found == what).map_or(0, |(_, count)| *count);
        let more = found.iter().filter(|(what, count)| *count > allowed(what));
        let more = more.map(|(what, count)| format!("{what}: {count}, may be {}", allowed(what)));
        let gone = self.counted.iter().filter(|(what, _)| count(what) == 0);
        more.chain(gone.map(|(what, _)| format!("{what}: none is left: delete the line"))).collect()
    }
}

/// Returns what was found and is not known, and what is known and was not found.
pub fn difference(known: &[String], found: &[String]) -> Vec<String> {
    let new = found.iter().filter(|one| !known.contains(one)).cloned();
    let gone = known.iter().filter(|one| !found.contains(one));
    new.chain(gone.map(|one| format!("{one}: this is mended: delete the line"))).collect()
}

/// Takes `crate: N what` apart into `crate: what` and N.
fn counted(line: &str) -> Option<(String, usize)> {
    let (name, rest) = line.split_once(": ")?;
    let (count, what) = rest.split_once(' ')?;
    Some((format!("{name}: {what}"), count.parse().ok()?))
}
