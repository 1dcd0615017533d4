//! The memory that a test uses.

/// The resident memory of the process, in KiB. Only known on Linux: elsewhere it is 0, and limits are not tested.
#[allow(unreachable_pub, clippy::unwrap_used, reason = "a part of tests")]
pub fn resident_kib() -> usize {
    if !cfg!(target_os = "linux") {
        return 0;
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}
