//! Reads what the kernel tells about a process.

use std::process::Command;
use std::{fs, io};

/// Sets how many descriptors the largest workload needs, with some to spare.
const DESCRIPTORS: u64 = 12_000;

/// Raises the limit of open files if it is too low.
///
/// # Errors
/// Fails if the limit cannot be raised.
pub(crate) fn allow_descriptors() -> io::Result<()> {
    if enough()? {
        return Ok(());
    }
    let own = std::process::id().to_string();
    // If this fails, the limit stays as it was.
    let _ = Command::new("prlimit").args(["--pid", &own, &format!("--nofile={DESCRIPTORS}:")]).status();
    if enough()? {
        return Ok(());
    }
    Err(io::Error::other(format!("too few open files are allowed: say `ulimit -n {DESCRIPTORS}` first")))
}

fn enough() -> io::Result<bool> {
    let limits = fs::read_to_string("/proc/self/limits")?;
    Ok(soft_limit(&limits).is_none_or(|limit| limit >= DESCRIPTORS))
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

/// Returns the resident memory of a process in KiB.
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
