//! How many calls may be under way: found by what the service refuses.
//!
//! The limit doubles with each round of responses until the first refusal. A round with refusals lowers it by a twentieth
//! and by one for each refusal after the first, at most by half; a round without raises it by one. If a round brings
//! nothing but refusals, all calls wait, and then a single one finds out whether the service responds again.

use std::time::Duration;

use tokio::time::Instant;

/// The limit and its state, shared by all calls.
#[derive(Debug)]
pub(super) struct Pace {
    most: f64,
    limit: f64,
    /// Whether there was no refusal yet.
    doubles: bool,
    started: u64,
    /// The calls that had been started at the last change for a refusal: their round has been taken into account.
    heard: u64,
    /// Half of the limit before that refusal: its round lowers it no further.
    least: f64,
    /// Whether there was a response since that refusal.
    answered: bool,
    /// How many rounds brought nothing but refusals.
    barren: u32,
    /// No call is started before this.
    paused: Option<Instant>,
}

impl Pace {
    /// At most so many calls at a time.
    pub(super) fn new(most: usize) -> Self {
        let most = f64::from(u32::try_from(most.max(1)).unwrap_or(u32::MAX));
        Self {
            most,
            limit: FIRST.min(most),
            doubles: true,
            started: 0,
            heard: 0,
            least: 1.0,
            answered: false,
            barren: 0,
            paused: None,
        }
    }

    /// How many calls may be under way.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 1 to `most`")]
    pub(super) fn limit(&self) -> usize {
        if self.barren > 0 { 1 } else { self.limit as usize }
    }

    /// When the next call may be started, if not now.
    pub(super) fn paused(&self, now: Instant) -> Option<Instant> {
        self.paused.filter(|until| *until > now)
    }

    /// Counts a call that is started. Returns its number.
    pub(super) fn start(&mut self) -> u64 {
        self.started += 1;
        self.started
    }

    /// The service responded to a call, with so many under way, this one among them.
    pub(super) fn answered(&mut self, under_way: usize) {
        (self.answered, self.barren, self.paused) = (true, 0, None);
        // Calls that were not needed do not show that more are possible.
        if under_way >= self.limit() {
            let more = if self.doubles { 1.0 } else { 1.0 / self.limit.max(SHORTEST_ROUND) };
            self.limit = (self.limit + more).min(self.most);
        }
    }

    /// The service refused this call for now, and perhaps asked for a time to wait. `chance` is from 0 to 1.
    pub(super) fn refused(&mut self, call: u64, now: Instant, asked: Option<Duration>, chance: f64) {
        let asked = asked.map(|asked| now + asked.min(LONGEST_ASKED));
        if call <= self.heard {
            self.limit = (self.limit - 1.0).max(self.least);
            self.paused = self.paused.map(|paused| asked.map_or(paused, |asked| asked.max(paused)));
            return;
        }
        self.heard = self.started;
        self.doubles = false;
        self.least = (self.limit / 2.0).max(1.0);
        self.limit = (self.limit * LESS).min(self.limit - 1.0).max(1.0);
        if !std::mem::take(&mut self.answered) {
            let longest = PAUSE.saturating_mul(1 << self.barren.min(16)).min(LONGEST_PAUSE);
            // Half of a pause is random, so that many programs do not ask at the same time.
            let paused = now + longest.mul_f64(0.5 + chance.clamp(0.0, 1.0) / 2.0);
            self.paused = Some(asked.map_or(paused, |asked| asked.max(paused)));
            self.barren += 1;
        }
    }
}

/// The limit at the start.
const FIRST: f64 = 4.0;
/// What the first refusal of a round leaves of the limit. A refusal costs nothing, an unused place does.
const LESS: f64 = 0.95;
/// Where few are allowed, each round would try one too many.
const SHORTEST_ROUND: f64 = 8.0;
/// How long to wait after the first round that brought nothing but refusals. The pause doubles with each further one.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(20);
/// The longest wait that the service may ask for: quotas are of a minute.
pub(super) const LONGEST_ASKED: Duration = Duration::from_mins(2);

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    /// Makes so many calls, one after the other as places are free, of a service that allows some at once. Returns how
    /// many were refused, and the mean number under way of the allowed ones.
    fn run(pace: &mut Pace, calls: usize, allowed: usize) -> (usize, f64) {
        let mut now = Instant::now();
        let (mut under_way, mut refused, mut sum) = (VecDeque::new(), 0, 0);
        let mut done = 0;
        while done < calls {
            now = pace.paused(now).unwrap_or(now);
            while under_way.len() < pace.limit() {
                let call = pace.start();
                if under_way.len() < allowed {
                    under_way.push_back(call);
                } else {
                    refused += 1;
                    pace.refused(call, now, None, 0.5);
                }
            }
            sum += under_way.len();
            under_way.pop_front();
            pace.answered(under_way.len() + 1);
            done += 1;
        }
        #[allow(clippy::cast_precision_loss)]
        (refused, sum as f64 / calls as f64)
    }

    #[tokio::test(start_paused = true)]
    async fn the_limit_is_found_and_nearly_used() {
        for allowed in [1, 3, 10, 50, 200] {
            let mut pace = Pace::new(1000);
            run(&mut pace, 5000, allowed);
            let (refused, mean) = run(&mut pace, 10_000, allowed);
            #[allow(clippy::cast_precision_loss)]
            let share = mean / allowed as f64;
            assert!(share > 0.95, "{share} of {allowed}");
            assert!(refused < 10_000 / allowed.max(4), "{refused} refused where {allowed} are allowed");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn it_grows_fast_until_the_first_refusal_and_never_over_the_most() {
        let mut pace = Pace::new(32);
        assert_eq!(pace.limit(), 4);
        for _ in 0..28 {
            let under_way = pace.limit();
            pace.answered(under_way);
        }
        assert_eq!(pace.limit(), 32);
        pace.answered(32);
        assert_eq!(pace.limit(), 32);
        // Few requests do not raise it.
        let mut pace = Pace::new(32);
        (0..100).for_each(|_| pace.answered(1));
        assert_eq!(pace.limit(), 4);
    }

    #[tokio::test(start_paused = true)]
    async fn a_round_lowers_it_by_what_it_refuses_and_at_most_by_half() {
        let mut pace = Pace::new(100);
        let now = Instant::now();
        (0..40).for_each(|_| pace.answered(100));
        let calls = (0..44).map(|_| pace.start()).collect::<Vec<_>>();
        pace.answered(0);
        assert_eq!(pace.limit(), 44);
        for (call, limit) in calls.iter().zip([41, 40, 39, 38].into_iter().chain([0; 40])) {
            pace.refused(*call, now, None, 0.5);
            assert!(limit == 0 || pace.limit() == limit, "{} is not {limit}", pace.limit());
        }
        assert_eq!((pace.limit(), pace.paused(now)), (22, None));
    }

    #[tokio::test(start_paused = true)]
    async fn where_nothing_is_answered_all_wait_as_long_as_asked_and_one_call_asks() {
        let mut pace = Pace::new(100);
        let now = Instant::now();
        let calls = [pace.start(), pace.start()];
        pace.refused(calls[0], now, None, 1.0);
        assert_eq!((pace.limit(), pace.paused(now)), (1, Some(now + PAUSE)));
        let asked = Duration::from_secs(7);
        pace.refused(calls[1], now, Some(asked), 1.0);
        assert_eq!(pace.paused(now), Some(now + asked));
        assert_eq!(pace.paused(now + asked), None);
        let waits = (0..8).map(|_| {
            let call = pace.start();
            pace.refused(call, now, None, 1.0);
            (pace.paused(now).unwrap() - now).as_secs()
        });
        assert_eq!(waits.collect::<Vec<_>>(), [2, 4, 8, 16, 20, 20, 20, 20]);
        pace.answered(1);
        assert!(pace.limit() > 0 && pace.paused(now).is_none());
        let call = pace.start();
        pace.refused(call, now, Some(Duration::from_hours(9)), 1.0);
        assert_eq!(pace.paused(now), None, "something was answered since");
    }
}
