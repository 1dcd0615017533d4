//! What a test takes of the machine.

/// The memory that the process holds, in KiB; 0 where the system does not say.
#[allow(unreachable_pub, reason = "a part of tests")]
pub fn resident_kib() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}
