//! How far this machine's clock is from the service's. A signature is valid for five minutes.
//!
//! The difference is the `Date` of a response minus the middle of the attempt by this machine's clock. It counts from
//! four minutes to a century. A response that may be old (`Age`) or that took very long says nothing about it. The
//! AWS SDKs do the same.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use http::header::{AGE, DATE, HeaderMap};

use crate::date::read_http_date;
use crate::{Error, ErrorKind};

/// The difference, for all calls of a client.
#[derive(Debug, Default)]
pub(crate) struct ClockSkew {
    /// The service's clock minus this machine's, in seconds; 0 if the difference does not count.
    seconds: AtomicI64,
}

impl ClockSkew {
    /// The time by the service's clock.
    pub(crate) fn correct(&self, now: SystemTime) -> SystemTime {
        let seconds = self.seconds.load(Ordering::Relaxed);
        let by = Duration::from_secs(seconds.unsigned_abs());
        let corrected = if seconds < 0 { now.checked_sub(by) } else { now.checked_add(by) };
        corrected.unwrap_or(now)
    }

    /// Learns from a response. The times are when the request was sent and the response arrived, by this machine's
    /// clock. Returns the difference if it is new.
    pub(crate) fn learn(&self, headers: &HeaderMap, sent: SystemTime, arrived: SystemTime) -> Option<i64> {
        let took = arrived.duration_since(sent).ok().filter(|took| *took < LONGEST_ATTEMPT)?;
        if headers.contains_key(AGE) {
            return None;
        }
        let date = read_http_date(headers.get(DATE)?.to_str().ok()?)?;
        let difference = seconds_between(sent + took / 2, date);
        let counts = TOLERANCE.as_secs()..FARTHEST.as_secs();
        let counted = if counts.contains(&difference.unsigned_abs()) { difference } else { 0 };
        let before = self.seconds.swap(counted, Ordering::Relaxed);
        (counted.abs_diff(before) > TOLERANCE.as_secs()).then_some(counted)
    }
}

/// Whether a refusal can be due to a wrong clock.
pub(crate) fn may_be_due_to(error: &Error) -> bool {
    error.kind() == ErrorKind::AccessDenied
        && matches!(
            error.code(),
            Some(
                "InvalidSignatureException"
                    | "SignatureDoesNotMatch"
                    | "AuthFailure"
                    | "RequestTimeTooSkewed"
                    | "RequestExpired"
                    | "RequestInTheFuture"
                    | "AccessDeniedException"
            )
        )
}

fn seconds_between(from: SystemTime, to: SystemTime) -> i64 {
    let whole = |duration: Duration| i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
    match to.duration_since(from) {
        Ok(later) => whole(later),
        Err(earlier) => -whole(earlier.duration()),
    }
}

/// Less than the five minutes by which a signature's date may differ.
const TOLERANCE: Duration = Duration::from_mins(4);
/// The year in a signature's date has four digits.
const FARTHEST: Duration = Duration::from_hours(100 * 365 * 24);
const LONGEST_ATTEMPT: Duration = Duration::from_mins(15);

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn dated(date: &str) -> HeaderMap {
        HeaderMap::from_iter([(DATE, date.parse().unwrap())])
    }

    /// 2026-01-02T03:04:05Z.
    const NOW: u64 = 1_767_323_045;

    #[test]
    fn a_clock_that_is_far_off_is_corrected_once() {
        let skew = ClockSkew::default();
        let response = dated("Fri, 02 Jan 2026 03:34:05 GMT");
        assert_eq!(skew.learn(&response, at(NOW), at(NOW)), Some(1800));
        assert_eq!(skew.correct(at(NOW)), at(NOW + 1800));
        assert_eq!(skew.learn(&response, at(NOW), at(NOW)), None);
        // The clock has been corrected.
        assert_eq!(skew.learn(&response, at(NOW + 1800), at(NOW + 1802)), Some(0));
        assert_eq!(skew.correct(at(NOW)), at(NOW));
        assert_eq!(skew.learn(&response, at(NOW + 1800 + 7200), at(NOW + 1800 + 7202)), Some(-7201));
        assert_eq!(skew.correct(at(NOW + 9000)), at(NOW + 1799));
    }

    #[test]
    fn responses_without_a_usable_date_change_nothing() {
        let skew = ClockSkew::default();
        let mut old = dated("Fri, 02 Jan 2026 03:34:05 GMT");
        old.insert(AGE, "60".parse().unwrap());
        for (headers, arrived) in [
            (old, NOW),
            (dated("yesterday"), NOW),
            (dated("Fri, 31 Dec 9999 23:59:59 GMT"), NOW),
            (dated("Sat, 01 Jan 0000 00:00:00 GMT"), NOW),
            (HeaderMap::new(), NOW),
            (dated("Fri, 02 Jan 2026 03:07:05 GMT"), NOW),
            (dated("Fri, 02 Jan 2026 03:34:05 GMT"), NOW + 1000),
        ] {
            assert_eq!(skew.learn(&headers, at(NOW), at(arrived)), None, "{headers:?}");
        }
    }
}
