//! What the kernel tells about a process.

use std::{fs, io};

/// How many descriptors the largest workload takes, with some to spare.
const DESCRIPTORS: u64 = 12_000;

/// Refuses to start where the limit of open files is too low.
pub(crate) fn check_descriptors() -> io::Result<()> {
    let limits = fs::read_to_string("/proc/self/limits")?;
    match soft_limit(&limits) {
        Some(limit) if limit < DESCRIPTORS => {
            let text = format!("{limit} open files are too few: say `ulimit -n {DESCRIPTORS}` first");
            Err(io::Error::other(text))
        }
        _ => Ok(()),
    }
}

/// Finds the soft limit; `None` stands for no limit.
fn soft_limit(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Adds up the nanoseconds that all threads of a process have run.
pub(crate) fn cpu_nanos(pid: u32) -> io::Result<u64> {
    let mut sum = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task")).map_err(|_| gone(pid))? {
        // A thread may end between the listing and the reading.
        let text = fs::read_to_string(task?.path().join("schedstat")).unwrap_or_default();
        sum += text.split_whitespace().next().and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
    }
    Ok(sum)
}

/// Tells the resident memory of a process in KiB.
pub(crate) fn resident_kib(pid: u32) -> io::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).map_err(|_| gone(pid))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).ok_or_else(|| gone(pid))
}

fn gone(pid: u32) -> io::Error {
    io::Error::other(format!("there is no process {pid}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_is_the_first_figure() {
        let limits = "Limit  Soft Limit  Hard Limit  Units\nMax open files            1024                 4096   files\n";
        assert_eq!(soft_limit(limits), Some(1024));
        assert_eq!(soft_limit("Max open files  unlimited unlimited files"), None);
    }
}
