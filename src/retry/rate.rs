//! The *adaptive* mode's limit on how often a client calls, which throttling sets and success raises.
//!
//! There is no limit until the first throttling. Then the limit is seven tenths of the rate that had been reached, and
//! rises again along a cubic curve, like TCP's (RFC 9438). Source: the AWS
//! SDKs' reference guide, [retry behavior](https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html).

use std::time::Duration;

/// The limit and its state. Times are since the client was created, rates are in requests per second.
#[derive(Debug, Default)]
pub(crate) struct RateLimit {
    /// Whether there has been throttling.
    enabled: bool,
    /// How many requests may be sent at once.
    tokens: f64,
    filled: Duration,
    rate: f64,
    measured: Measured,
    /// The rate at the last throttling, and its time.
    highest: f64,
    throttled: Duration,
}

/// How often requests are sent, over half seconds.
#[derive(Debug, Default)]
struct Measured {
    rate: f64,
    requests: f64,
    /// The half second that is being counted.
    since: Duration,
}

impl RateLimit {
    /// Reserves one request. Returns how long to wait before sending it.
    pub(crate) fn take(&mut self, now: Duration) -> Duration {
        if !self.enabled {
            return Duration::ZERO;
        }
        self.fill(now);
        self.tokens -= 1.0;
        if self.tokens >= 0.0 {
            return Duration::ZERO;
        }
        Duration::try_from_secs_f64(-self.tokens / self.rate).unwrap_or(Duration::MAX)
    }

    /// Learns from the outcome of a request.
    pub(crate) fn learn(&mut self, now: Duration, throttled: bool) {
        self.measured.count(now);
        let rate = if throttled {
            let reached = if self.enabled { self.measured.rate.min(self.rate) } else { self.measured.rate };
            self.fill(now);
            self.enabled = true;
            self.highest = reached;
            self.throttled = now;
            reached * BETA
        } else {
            let since = now.saturating_sub(self.throttled).as_secs_f64();
            let plateau = (self.highest * (1.0 - BETA) / SCALE).cbrt();
            SCALE * (since - plateau).powi(3) + self.highest
        };
        self.fill(now);
        self.rate = rate.min(2.0 * self.measured.rate).max(LOWEST_RATE);
        self.tokens = self.tokens.min(self.capacity());
    }

    fn fill(&mut self, now: Duration) {
        let since = now.saturating_sub(self.filled).as_secs_f64();
        self.tokens = (self.tokens + since * self.rate).min(self.capacity());
        self.filled = now;
    }

    fn capacity(&self) -> f64 {
        self.rate.max(1.0)
    }
}

impl Measured {
    fn count(&mut self, now: Duration) {
        self.requests += 1.0;
        let half_seconds = (now.as_secs_f64() * 2.0).floor() / 2.0;
        let since = half_seconds - self.since.as_secs_f64();
        if since > 0.0 {
            self.rate = self.requests / since * SMOOTHING + self.rate * (1.0 - SMOOTHING);
            self.requests = 0.0;
            self.since = Duration::from_secs_f64(half_seconds);
        }
    }
}

const BETA: f64 = 0.7;
const SCALE: f64 = 0.4;
const SMOOTHING: f64 = 0.8;
const LOWEST_RATE: f64 = 0.5;

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends for this many seconds, at ten requests per second or as fast as the limit allows. Returns how many were sent.
    fn send(
        limit: &mut RateLimit,
        from: &mut Duration,
        seconds: u64,
        throttled: impl Fn(usize) -> bool,
    ) -> usize {
        let until = *from + Duration::from_secs(seconds);
        let mut sent = 0;
        while *from < until {
            *from += limit.take(*from);
            limit.learn(*from, throttled(sent));
            *from += Duration::from_millis(100);
            sent += 1;
        }
        sent
    }

    #[test]
    fn only_throttling_limits() {
        let (mut limit, mut now) = (RateLimit::default(), Duration::ZERO);
        assert_eq!(send(&mut limit, &mut now, 10, |_| false), 100);
        let slowed = send(&mut limit, &mut now, 10, |sent| sent % 4 == 0);
        assert!((3..60).contains(&slowed), "{slowed}");
        // It climbs back to the rate it had.
        send(&mut limit, &mut now, 30, |_| false);
        let recovered = send(&mut limit, &mut now, 10, |_| false);
        assert!(recovered >= 90, "{recovered}");
    }

    #[test]
    fn the_limit_is_never_below_one_in_two_seconds() {
        let (mut limit, mut now) = (RateLimit::default(), Duration::ZERO);
        send(&mut limit, &mut now, 60, |_| true);
        assert!(limit.take(now) <= Duration::from_secs(4));
    }
}
