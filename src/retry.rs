//! When to retry: AWS's *standard* retry mode, as a function of the failure and a random number.
//!
//! There are three attempts. Before each retry is a pause of `random(0, 1) × min(base × 2^retries, 20 s)`, with a base
//! of 1 s if the call was throttled, otherwise of 50 ms. A quota for the whole client limits the retries while the
//! service has trouble. Source: the AWS SDKs' reference guide,
//! [retry behavior](https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html).

mod rate;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::Method;

pub(crate) use self::rate::RateLimit;
use crate::endpoint::Service;
use crate::operation::{Call, Operation};
use crate::refusal::wording::lacks_capacity;
use crate::{Error, ErrorKind, Hint};

/// How many attempts a call has, and how long it waits between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Retry {
    /// The most attempts of one call, including the first; at least 1.
    pub max_attempts: u32,
    /// How long one call may wait in total while it is throttled, the model is not ready, or the service has no capacity
    /// (503). Such retries do not count as attempts. `None` by
    /// default; [`Duration::MAX`] means no limit.
    pub patience: Option<Duration>,
    /// Whether the client also limits its rate of requests once it has been throttled. Off by default.
    pub adaptive: bool,
}

impl Retry {
    /// Three attempts.
    pub fn standard() -> Self {
        Self { max_attempts: 3, patience: None, adaptive: false }
    }

    /// One attempt.
    pub fn never() -> Self {
        Self { max_attempts: 1, patience: None, adaptive: false }
    }

    /// Three attempts, and a limit on the client's rate of requests, which throttling lowers and success raises: for
    /// many calls at once.
    pub fn adaptive() -> Self {
        Self { adaptive: true, ..Self::standard() }
    }

    /// For agents, which prefer waiting to failing: three attempts, and up to `budget` in total to wait, as
    /// [`patience`](Self::patience) says; [`Duration::MAX`] means no limit.
    pub fn patient(budget: Duration) -> Self {
        Self { patience: Some(budget), ..Self::standard() }
    }

    /// Sets the number of attempts; 0 counts as 1.
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = attempts.max(1);
        self
    }

    /// The pause before the retry that follows `attempt` (the first is 1), or `None` if there is no retry.
    ///
    /// `random` is from 0 to 1. A time that the service asks for lengthens the pause by five seconds at most.
    pub fn delay(&self, error: &Error, attempt: u32, random: f64) -> Option<Duration> {
        let base = match error.kind() {
            // A model needs more than 50 ms to become ready.
            ErrorKind::Throttled | ErrorKind::ModelNotReady => LONG_BASE,
            _ => Duration::from_millis(50),
        };
        (error.is_retryable() && attempt < self.max_attempts).then(|| pause(base, error, attempt, random))
    }

    /// The pause before a retry that [`patience`](Self::patience) allows, after `attempt` attempts and the time
    /// `waited` so far. `None` if no patience is left, or if waiting does not help. Half of a pause is random.
    pub fn patient_delay(
        &self,
        error: &Error,
        attempt: u32,
        waited: Duration,
        random: f64,
    ) -> Option<Duration> {
        let left = self.patience?.checked_sub(waited)?;
        let waits =
            matches!(error.kind(), ErrorKind::Throttled | ErrorKind::ModelNotReady) || lacks_capacity(error);
        let delay = pause(LONG_BASE, error, attempt, 0.5 + random / 2.0);
        (waits && error.is_retryable() && delay <= left).then_some(delay)
    }
}

/// The pause after this many attempts.
fn pause(base: Duration, error: &Error, attempt: u32, random: f64) -> Duration {
    let longest = base.saturating_mul(1 << attempt.saturating_sub(1).min(16)).min(MAX_BACKOFF);
    let random = if random.is_nan() { 0.0 } else { random.clamp(0.0, 1.0) };
    let delay = longest.mul_f64(random);
    match error.retry_after() {
        Some(asked) => asked.clamp(delay, delay + MAX_EXTENSION),
        None => delay,
    }
}

impl Default for Retry {
    fn default() -> Self {
        Self::standard()
    }
}

/// The retries that a client may still make: each has a cost, which success gives back.
#[derive(Debug)]
pub(crate) struct Quota(Mutex<u32>);

impl Quota {
    /// A full quota.
    pub(crate) fn new() -> Self {
        Self(Mutex::new(FULL_QUOTA))
    }

    /// Takes the cost of a retry after this failure, and returns it. `None` if not enough is left.
    pub(crate) fn take(&self, error: &Error) -> Option<u32> {
        let cost = if error.kind() == ErrorKind::Throttled { THROTTLED_COST } else { TRANSIENT_COST };
        let mut left = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *left = left.checked_sub(cost)?;
        Some(cost)
    }

    /// Gives back, after a success, the cost of its last retry, or 1 if there was none.
    pub(crate) fn give_back(&self, cost: Option<u32>) {
        let mut left = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *left = (*left + cost.unwrap_or(1)).min(FULL_QUOTA);
    }
}

impl Default for Quota {
    fn default() -> Self {
        Self::new()
    }
}

/// Where waiting is what helps.
const LONG_BASE: Duration = Duration::from_secs(1);
const MAX_BACKOFF: Duration = Duration::from_secs(20);
/// How far a time that the service asks for may lengthen a pause.
const MAX_EXTENSION: Duration = Duration::from_secs(5);
const FULL_QUOTA: u32 = 500;
const TRANSIENT_COST: u32 = 14;
const THROTTLED_COST: u32 = 5;

/// The failure of a call, not retryable if a model may be working on it: the next attempt would be paid for too.
pub(crate) fn unless_charged_twice(error: Error, call: &Call) -> Error {
    let late = error.kind() == ErrorKind::Timeout;
    if (late || error.kind() == ErrorKind::BrokenOff) && runs_a_model(call) {
        return error.with_retryable(false).with_hint(Hint::MayBeCharged { late });
    }
    error
}

/// Whether a model works on a call, as far as that is known.
fn runs_a_model(call: &Call) -> bool {
    match call.operation {
        Some(
            Operation::Converse
            | Operation::ConverseStream
            | Operation::InvokeModel
            | Operation::InvokeModelWithResponseStream,
        ) => true,
        Some(_) => false,
        None => call.service == Service::Runtime && call.method == Method::POST,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn longest(kind: ErrorKind, attempt: u32) -> Option<u64> {
        let retry = Retry::standard().max_attempts(20);
        let delay = retry.delay(&Error::new(kind, ""), attempt, 1.0)?;
        Some(u64::try_from(delay.as_millis()).unwrap())
    }

    #[test]
    fn the_pause_doubles_up_to_twenty_seconds() {
        let transient: Vec<_> =
            (1..=11).filter_map(|attempt| longest(ErrorKind::Internal, attempt)).collect();
        assert_eq!(transient, [50, 100, 200, 400, 800, 1600, 3200, 6400, 12800, 20000, 20000]);
        let throttled: Vec<_> =
            (1..=6).filter_map(|attempt| longest(ErrorKind::Throttled, attempt)).collect();
        assert_eq!(throttled, [1000, 2000, 4000, 8000, 16000, 20000]);
        assert_eq!(longest(ErrorKind::Validation, 1), None);
    }

    #[test]
    fn there_are_three_attempts() {
        let error = Error::new(ErrorKind::Unavailable, "");
        let retry = Retry::standard();
        assert!(retry.delay(&error, 2, 0.5).is_some());
        assert!(retry.delay(&error, 3, 0.5).is_none());
        assert!(Retry::never().delay(&error, 1, 0.5).is_none());
        assert_eq!(retry.max_attempts(0), Retry::never());
    }

    #[test]
    fn a_time_asked_for_lengthens_the_pause_within_limits() {
        let asked = |asked| {
            let error =
                Error::new(ErrorKind::Throttled, "").with_retry_after(Some(Duration::from_millis(asked)));
            Retry::standard().delay(&error, 1, 0.5).unwrap().as_millis()
        };
        assert_eq!(asked(0), 500);
        assert_eq!(asked(3000), 3000);
        assert_eq!(asked(60_000), 5500);
    }

    #[test]
    fn patience_is_for_throttling_and_has_an_end() {
        let (second, budget) = (Duration::from_secs(1), Duration::from_secs(30));
        let throttled = Error::new(ErrorKind::Throttled, "");
        let patient = Retry::patient(budget);
        assert_eq!(patient.patient_delay(&throttled, 1, Duration::ZERO, 0.0), Some(second / 2));
        assert_eq!(patient.patient_delay(&throttled, 9, Duration::ZERO, 1.0), Some(20 * second));
        assert_eq!(patient.patient_delay(&throttled, 9, 11 * second, 1.0), None);
        assert_eq!(patient.patient_delay(&throttled, 1, 31 * second, 0.0), None);
        assert_eq!(patient.patient_delay(&Error::new(ErrorKind::Internal, ""), 1, Duration::ZERO, 0.0), None);
        assert_eq!(Retry::standard().patient_delay(&throttled, 1, Duration::ZERO, 0.0), None);
    }

    #[test]
    fn the_quota_runs_dry_and_fills_again() {
        let (transient, throttled) =
            (Error::new(ErrorKind::Internal, ""), Error::new(ErrorKind::Throttled, ""));
        let quota = Quota::new();
        assert_eq!((0..100).filter(|_| quota.take(&transient).is_some()).count(), 35);
        assert_eq!(Quota::new().0.into_inner().unwrap(), 500);
        let quota = Quota::new();
        assert_eq!((0..200).filter(|_| quota.take(&throttled).is_some()).count(), 100);
        quota.give_back(None);
        assert!(quota.take(&throttled).is_none());
        quota.give_back(Some(5));
        assert!(quota.take(&throttled).is_some());
        (0..3).for_each(|_| quota.give_back(Some(500)));
        assert_eq!(*quota.0.lock().unwrap(), 500);
    }
}
