//! How far this machine's clock is from the service's. A signature is valid for five minutes.
//!
//! The difference is the `Date` of a response minus the middle of the attempt by this machine's clock. It counts from
//! four minutes to a century. A response that may be old (`Age`) or that took very long says nothing about it. The
//! AWS SDKs do the same.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use http::header::{AGE, DATE, HeaderMap};

use crate::date::read_http_date;
use crate::{Error, ErrorKind, Hint};

/// The difference.
#[derive(Debug, Default)]
pub(crate) struct ClockSkew {
    seconds: AtomicI64,
}

impl ClockSkew {
    /// The service's clock minus this machine's, in seconds; 0 if the difference does not count.
    pub(crate) fn seconds(&self) -> i64 {
        self.seconds.load(Ordering::Relaxed)
    }

    /// Learns from a response. The times are when the request was sent and the response arrived, by this machine's
    /// clock. Returns the difference if it is new.
    pub(crate) fn learn(&self, headers: &HeaderMap, sent: SystemTime, arrived: SystemTime) -> Option<i64> {
        let difference = difference(headers, sent, arrived)?;
        let counts = TOLERANCE.as_secs()..FARTHEST.as_secs();
        let counted = if counts.contains(&difference.unsigned_abs()) { difference } else { 0 };
        let before = self.seconds.swap(counted, Ordering::Relaxed);
        (counted.abs_diff(before) > TOLERANCE.as_secs()).then_some(counted)
    }
}

/// The service's clock minus this machine's, in seconds, if a response says it. The times are when the request was sent
/// and the response arrived, by this machine's clock.
pub(crate) fn difference(headers: &HeaderMap, sent: SystemTime, arrived: SystemTime) -> Option<i64> {
    let took = arrived.duration_since(sent).ok().filter(|took| *took < LONGEST_ATTEMPT)?;
    if headers.contains_key(AGE) {
        return None;
    }
    let date = read_http_date(headers.get(DATE)?.to_str().ok()?)?;
    Some(seconds_between(sent + took / 2, date))
}

/// The time by a clock that is this many seconds ahead.
pub(crate) fn shifted(time: SystemTime, seconds: i64) -> SystemTime {
    let by = Duration::from_secs(seconds.unsigned_abs());
    let shifted = if seconds < 0 { time.checked_sub(by) } else { time.checked_add(by) };
    shifted.unwrap_or(time)
}

/// The error of a request that was dated by a clock which is this many seconds behind the service's. `corrected`: the
/// next request is dated by the service's.
pub(crate) fn explained(error: Error, seconds: i64, corrected: bool) -> Error {
    let is_signature = error.code().is_some_and(|code| SIGNATURE_CODES.contains(&code));
    // Of any other refusal a clock is the cause only now and then.
    let may_be = is_signature || corrected && error.code() == Some("AccessDeniedException");
    if error.kind() != ErrorKind::AccessDenied || !may_be || seconds == 0 && !corrected {
        return error;
    }
    let error = if seconds == 0 { error } else { error.with_hint(Hint::CheckClock { seconds }) };
    if corrected { error.with_retryable(true) } else { error }
}

fn seconds_between(from: SystemTime, to: SystemTime) -> i64 {
    let whole = |duration: Duration| i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
    match to.duration_since(from) {
        Ok(later) => whole(later),
        Err(earlier) => -whole(earlier.duration()),
    }
}

const SIGNATURE_CODES: [&str; 6] = [
    "InvalidSignatureException",
    "SignatureDoesNotMatch",
    "AuthFailure",
    "RequestTimeTooSkewed",
    "RequestExpired",
    "RequestInTheFuture",
];
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
        assert_eq!(shifted(at(NOW), skew.seconds()), at(NOW + 1800));
        assert_eq!(skew.learn(&response, at(NOW), at(NOW)), None);
        // The clock has been corrected.
        assert_eq!(skew.learn(&response, at(NOW + 1800), at(NOW + 1802)), Some(0));
        assert_eq!(skew.seconds(), 0);
        assert_eq!(skew.learn(&response, at(NOW + 1800 + 7200), at(NOW + 1800 + 7202)), Some(-7201));
        assert_eq!(shifted(at(NOW + 9000), skew.seconds()), at(NOW + 1799));
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
