//! What a test takes of the machine.

/// The memory that the process holds, in KiB. Only Linux says so in a file: elsewhere it is 0, and limits on it are
/// not tested.
#[allow(unreachable_pub, clippy::unwrap_used, reason = "a part of tests")]
pub fn resident_kib() -> usize {
    if !cfg!(target_os = "linux") {
        return 0;
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}
