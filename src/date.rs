//! Times as texts: RFC 3339, which files and services use, and the dates of HTTP.

use std::time::SystemTime;

use time::format_description::well_known::{Rfc2822, Rfc3339};
use time::{OffsetDateTime, UtcOffset};

/// A time in UTC, rounded down to the second: `2030-01-02T03:04:05Z`. `None` unless it is in the years from 0 to 9999.
pub fn rfc3339(time: SystemTime) -> Option<String> {
    let since = match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_secs()).ok()?,
        Err(before) => {
            let before = before.duration();
            -i64::try_from(before.as_secs()).ok()? - i64::from(before.subsec_nanos() > 0)
        }
    };
    OffsetDateTime::from_unix_timestamp(since).ok()?.format(&Rfc3339).ok()
}

/// The time of a text such as `2030-01-02T03:04:05Z`, in the forms that tools write: with any zone or none, which is
/// UTC, a blank before the time, or as a number of seconds or milliseconds since 1970.
pub(crate) fn read_time(text: &str) -> Option<SystemTime> {
    let text = text.trim();
    if text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        let number = text.split('.').next()?.parse::<i64>().ok()?;
        let seconds = if number < FIRST_MILLISECONDS { number } else { number / 1000 };
        return from_seconds(seconds);
    }
    // Old versions of the AWS CLI wrote the zone as `UTC`.
    let mut text =
        text.strip_suffix("UTC").map_or_else(|| text.to_owned(), |text| format!("{}Z", text.trim_end()));
    if text.as_bytes().get(10) == Some(&b' ') {
        text.replace_range(10..=10, "T");
    }
    let zone = text.get(19..).and_then(|rest| Some(19 + rest.find(['Z', 'z', '+', '-'])?));
    match zone.map(|zone| (zone, text.len() - zone)) {
        None => text.push('Z'),
        Some((_, 3)) => text.push_str(":00"),
        Some((zone, 5)) => text.insert(zone + 3, ':'),
        _ => {}
    }
    let time = OffsetDateTime::parse(&text, &Rfc3339).ok()?;
    // Near the year 9999 the conversion may overflow.
    system_time(time.checked_to_offset(UtcOffset::UTC)?)
}

/// The time that is so many seconds after 1970. `None` unless it is in the years to 9999.
pub(crate) fn from_seconds(seconds: i64) -> Option<SystemTime> {
    system_time(OffsetDateTime::from_unix_timestamp(seconds).ok()?)
}

/// A time on the system's clock. The clock of Windows begins in 1601, where the conversion of the crate `time` panics:
/// an earlier time becomes 1970, which is as much in the past.
fn system_time(time: OffsetDateTime) -> Option<SystemTime> {
    let since = (time - OffsetDateTime::UNIX_EPOCH).unsigned_abs();
    if time >= OffsetDateTime::UNIX_EPOCH {
        return SystemTime::UNIX_EPOCH.checked_add(since);
    }
    Some(SystemTime::UNIX_EPOCH.checked_sub(since).unwrap_or(SystemTime::UNIX_EPOCH))
}

/// The time of an HTTP date, which is an RFC 2822 date with another name for the zone.
pub(crate) fn read_http_date(text: &str) -> Option<SystemTime> {
    OffsetDateTime::parse(&text.replace("GMT", "+0000"), &Rfc2822).ok().and_then(system_time)
}

/// A number from here on is of milliseconds: as seconds it would be in the year 5138.
const FIRST_MILLISECONDS: i64 = 100_000_000_000;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn times_are_read_and_written() {
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_893_553_445);
        assert_eq!(rfc3339(at + Duration::from_millis(900)).as_deref(), Some("2030-01-02T03:04:05Z"));
        for text in [
            "2030-01-02T03:04:05Z",
            "2030-01-02T03:04:05UTC",
            "2030-01-02 03:04:05 UTC",
            "2030-01-02T05:04:05+02:00",
            "2030-01-02T03:04:05+0000",
            "2030-01-01T20:04:05-0700",
            "2030-01-02T05:04:05+02",
            "2030-01-02T03:04:05",
            "2030-01-02 03:04:05",
            "2030-01-02 03:04:05+00:00",
            "1893553445",
            "1893553445.0",
            "1893553445000",
        ] {
            assert_eq!(read_time(text), Some(at), "{text}");
        }
        assert_eq!(read_time("2030-01-02T03:04:05.5"), Some(at + Duration::from_millis(500)));
        for text in [
            "tomorrow",
            "9999-12-31T23:59:59-01:00",
            "2030-01-02",
            "",
            ".",
            "-1",
            "99999999999999999999",
            "2030-01-02T03:04",
        ] {
            assert_eq!(read_time(text), None, "{text}");
        }
        for far in [u64::MAX >> 1, 253_402_300_800] {
            let time = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(far));
            assert_eq!(time.and_then(rfc3339), None);
        }
        for (milliseconds, text) in [
            (1_000, Some("1969-12-31T23:59:59Z")),
            (1_001, Some("1969-12-31T23:59:58Z")),
            (62_167_219_200_000, Some("0000-01-01T00:00:00Z")),
            (62_167_219_200_001, None),
        ] {
            // The clock of Windows does not go back so far.
            let before = SystemTime::UNIX_EPOCH.checked_sub(Duration::from_millis(milliseconds));
            let Some(before) = before.filter(|_| !cfg!(windows) || milliseconds < 10_000) else { continue };
            assert_eq!(rfc3339(before).as_deref(), text, "{milliseconds} ms before 1970");
        }
        assert_eq!(read_http_date("Wed, 02 Jan 2030 03:04:05 GMT"), Some(at));
        assert_eq!(read_http_date("tomorrow"), None);
        // A time that is not set, in Go: it is in the past on every system.
        for time in [read_time("0001-01-01T00:00:00Z"), read_http_date("Mon, 01 Jan 1900 00:00:00 GMT")] {
            assert!(time.unwrap() <= SystemTime::UNIX_EPOCH);
        }
    }
}
