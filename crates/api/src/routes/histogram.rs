//! How many bars, how wide, and zeros where nothing happened.

use model::Micros;
use store::{At, Bar, LogQuery};

use super::logs::{Histogram, HistogramParams};
use crate::{Problem, ask};

/// Most bars of an answer.
const MOST_BARS: i64 = 2_000;
/// Bars aimed at when the width is not given.
const WANTED_BARS: i64 = 60;
/// Widths people can read, in seconds.
const WIDTHS: [i64; 16] = [10, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 43_200, 86_400, 604_800, 2_592_000, 31_536_000];

/// A histogram to be made.
#[derive(Clone, Debug)]
pub struct Plan {
    pub query: LogQuery,
    /// Of a bar, in seconds.
    pub width: i64,
    start: Micros,
    end: Micros,
}

impl Plan {
    /// Checks what was asked; `now` closes an open end.
    pub fn of(params: HistogramParams, now: Micros) -> Result<Self, Problem> {
        // An open end is rounded up to ten seconds, so that the same question within them is the same.
        let ceil = Micros((now.seconds() + 10).div_euclid(10) * 10 * 1_000_000);
        let end = ask::time("end_time", params.end_time.as_deref())?.unwrap_or(ceil);
        let start = ask::time("start_time", params.start_time.as_deref())?.unwrap_or(Micros(end.0.saturating_sub(86_400_000_000)));
        if start >= end {
            return Err(Problem::invalid("start_time must be before end_time"));
        }
        let span = (end.0.saturating_sub(start.0)).div_euclid(1_000_000).max(1);
        let width = match params.interval_minutes {
            Some(minutes) if !(1..=525_600).contains(&minutes) => {
                return Err(Problem::invalid("interval_minutes must be 1..525600"));
            }
            Some(minutes) => minutes * 60,
            None => WIDTHS.into_iter().find(|w| span / w <= WANTED_BARS).unwrap_or(31_536_000),
        };
        if span / width > MOST_BARS {
            return Err(Problem::invalid(format!("that would be more than {MOST_BARS} bars: widen interval_minutes or narrow the span")));
        }
        let query = LogQuery { search: ask::search(params.search)?, start: Some(start), end: Some(end), ..LogQuery::default() };
        Ok(Self { query, width, start, end })
    }

    /// The bars the database counted, with a zero for every interval that had none.
    pub fn fill(&self, bars: Vec<Bar>) -> Histogram {
        let counted: std::collections::HashMap<i64, i64> =
            bars.iter().map(|b| (b.time.0.seconds().div_euclid(self.width), b.count)).collect();
        let first = self.start.seconds().div_euclid(self.width);
        let last = (self.end.0 - 1).div_euclid(1_000_000).div_euclid(self.width);
        let data = (first..=last)
            .map(|n| Bar { time: At(Micros(n * self.width * 1_000_000)), count: counted.get(&n).copied().unwrap_or(0) })
            .collect();
        Histogram { bucket_seconds: self.width, start: At(self.start), end: At(self.end), data }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(start: &str, end: &str, minutes: Option<i64>) -> HistogramParams {
        HistogramParams { search: None, start_time: Some(start.into()), end_time: Some(end.into()), interval_minutes: minutes }
    }

    #[test]
    fn empty_intervals_have_bars_too() {
        let plan = Plan::of(params("2026-11-23T00:07:00Z", "2026-11-23T01:00:00Z", Some(15)), Micros(0)).unwrap();
        let at = Micros::parse_rfc3339("2026-11-23T00:30:00Z").unwrap();
        let made = plan.fill(vec![Bar { time: At(at), count: 3 }]);
        assert_eq!(made.data.iter().map(|b| b.count).collect::<Vec<_>>(), [0, 0, 3, 0]);
        assert_eq!(made.data[0].time.0.rfc3339(), "2026-11-23T00:00:00.000000Z");
    }

    #[test]
    fn widths_follow_the_span_and_are_bounded() {
        assert_eq!(Plan::of(params("2026-11-23T00:00:00Z", "2026-11-24T00:00:00Z", None), Micros(0)).unwrap().width, 1_800);
        assert_eq!(Plan::of(params("2026-11-23T00:00:00Z", "2026-11-23T00:05:00Z", None), Micros(0)).unwrap().width, 10);
        assert!(Plan::of(params("2020-01-01T00:00:00Z", "2026-01-01T00:00:00Z", Some(1)), Micros(0)).is_err());
        assert!(Plan::of(params("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z", None), Micros(0)).is_err());
    }
}
