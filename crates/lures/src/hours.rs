//! Working hours: when a person is at the desk, in the person's own time zone.

use jiff::{Timestamp, ZonedDateTime as Zoned, civil::Weekday, tz::TimeZone};
use model::Micros;

use crate::Dice;

/// A daily window in minutes after local midnight. `end <= start` goes over midnight; equal ends mean always.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hours {
    pub start: u16,
    pub end: u16,
}

impl Default for Hours {
    fn default() -> Self {
        Self { start: 9 * 60, end: 18 * 60 }
    }
}

impl Hours {
    /// Reads `HH:MM-HH:MM`.
    pub fn parse(text: &str) -> Option<Self> {
        let (start, end) = text.split_once('-')?;
        Some(Self { start: minutes(start.trim())?, end: minutes(end.trim())? })
    }

    /// Whether `minute` of the day is inside.
    pub fn contains(self, minute: u16) -> bool {
        match self.start.cmp(&self.end) {
            std::cmp::Ordering::Less => (self.start..self.end).contains(&minute),
            std::cmp::Ordering::Equal => true,
            std::cmp::Ordering::Greater => minute >= self.start || minute < self.end,
        }
    }

    /// Length in minutes.
    pub fn length(self) -> u16 {
        let length = (self.end + 1440 - self.start) % 1440;
        if length == 0 { 1440 } else { length }
    }
}

fn minutes(text: &str) -> Option<u16> {
    let (h, m) = text.split_once(':')?;
    let digits = |t: &str| (1..=2).contains(&t.len()) && t.bytes().all(|b| b.is_ascii_digit());
    let (h, m): (u16, u16) = (digits(h).then(|| h.parse().ok())??, (digits(m) && m.len() == 2).then(|| m.parse().ok())??);
    (h < 24 && m < 60).then_some(h * 60 + m)
}

/// The zone called `name`; UTC if this system does not know it.
pub fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).unwrap_or(TimeZone::UTC)
}

/// The local time of `at`.
pub fn local(at: Micros, zone: &TimeZone) -> Zoned {
    Timestamp::from_microsecond(at.0).unwrap_or(Timestamp::UNIX_EPOCH).to_zoned_datetime(zone.clone())
}

/// Whether somebody with these hours is at work: a weekday, inside the hours.
pub fn at_work(at: Micros, hours: Hours, zone: &TimeZone) -> bool {
    let here = local(at, zone);
    let minute = u16::try_from(i32::from(here.hour()) * 60 + i32::from(here.minute())).unwrap_or(0);
    !weekend(&here) && hours.contains(minute)
}

fn weekend(at: &Zoned) -> bool {
    matches!(at.weekday(), Weekday::Saturday | Weekday::Sunday)
}

/// A moment of the local day `day` (days since 1970-01-01) at which somebody writes: busiest in the middle of the
/// morning and of the afternoon, quiet at lunch, now and then before or after hours.
pub fn moment(day: i64, hours: Hours, zone: &TimeZone, dice: &mut Dice) -> Micros {
    let length = f64::from(hours.length());
    let share = loop {
        // Two humps at a quarter and at two thirds of the day.
        let hump = if dice.percent(54) { 0.24 + 0.13 * dice.normal() } else { 0.68 + 0.15 * dice.normal() };
        let lunch = (0.42..0.53).contains(&hump) && dice.percent(65);
        if (-0.12..1.18).contains(&hump) && !lunch && ((0.0..1.0).contains(&hump) || dice.percent(40)) {
            break hump;
        }
    };
    #[expect(clippy::cast_possible_truncation, reason = "a day has 86400 seconds")]
    let seconds = i64::from(hours.start) * 60 + (share * length * 60.0) as i64;
    at_local(day, seconds, zone)
}

/// The instant `seconds` after local midnight of `day`.
pub fn at_local(day: i64, seconds: i64, zone: &TimeZone) -> Micros {
    let start = Timestamp::from_second(day * 86_400).unwrap_or(Timestamp::UNIX_EPOCH).to_zoned_datetime(TimeZone::UTC).datetime();
    let wall = start.saturating_add(jiff::Span::new().seconds(seconds));
    let at = wall
        .to_zoned_datetime(zone.clone())
        .map_or_else(|_| day * 86_400_000_000 + seconds * 1_000_000, |z: Zoned| z.timestamp().as_microsecond());
    Micros(at)
}

/// The local day of `at`, in days since 1970-01-01.
pub fn day_of(at: Micros, zone: &TimeZone) -> i64 {
    let here = local(at, zone);
    (here.timestamp().as_second() + i64::from(here.offset().seconds())).div_euclid(86_400)
}

/// Whether `day` is a Saturday or a Sunday.
pub fn is_weekend(day: i64) -> bool {
    // 1970-01-01 was a Thursday.
    matches!((day + 3).rem_euclid(7), 5 | 6)
}

/// When an answer that was due at `at` is really written: then, if the writer is at work (or, seldom, anyway),
/// else some minutes into the next working day.
pub fn next_at_work(at: Micros, hours: Hours, zone: &TimeZone, dice: &mut Dice) -> Micros {
    if at_work(at, hours, zone) || dice.percent(4) {
        return at;
    }
    let here = local(at, zone);
    let minute = i64::from(here.hour()) * 60 + i64::from(here.minute());
    let mut day = day_of(at, zone);
    if is_weekend(day) || minute >= i64::from(hours.start) {
        day += 1;
        while is_weekend(day) {
            day += 1;
        }
    }
    // Mail that lies there in the morning is answered within the first hours, most of it early.
    let late = (dice.unit() * dice.unit() * 130.0 * 60.0) + 60.0;
    #[expect(clippy::cast_possible_truncation, reason = "some hours")]
    at_local(day, i64::from(hours.start) * 60 + late as i64, zone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_read_exactly() {
        let check = |text: &str, expect: Option<(u16, u16)>| assert_eq!(Hours::parse(text).map(|h| (h.start, h.end)), expect, "{text}");
        check("09:00-18:00", Some((540, 1080)));
        check("8:30 - 17:15", Some((510, 1035)));
        check("22:00-06:00", Some((1320, 360)));
        for wrong in ["", "9-5", "25:00-26:00", "09:00", "09:60-10:00", "09:0-10:00", "-", "a:bb-c:dd", "09:00-18:00-19:00"] {
            check(wrong, None);
        }
    }

    #[test]
    fn nobody_answers_at_night_or_on_sunday() {
        let madrid = zone("Europe/Madrid");
        let mut dice = Dice::of(b"x", &[]);
        let (mut out, all) = (0, 2000);
        for n in 0..all {
            let at = Micros(1_790_000_000_000_000 + n * 7_777_000_000);
            let answer = next_at_work(at, Hours::default(), &madrid, &mut dice);
            assert!(answer >= at);
            out += i32::from(!at_work(answer, Hours::default(), &madrid));
        }
        assert!(out * 100 < 5 * 2000, "{out}");
    }

    #[test]
    fn days_follow_the_zone_over_a_change_of_clock() {
        let zone = zone("Europe/Berlin");
        for day in 20_000..20_400 {
            let noon = at_local(day, 12 * 3600, &zone);
            assert_eq!(day_of(noon, &zone), day);
            assert_eq!(local(noon, &zone).hour(), 12);
        }
        assert!(is_weekend(2) && is_weekend(3) && !is_weekend(4));
    }
}
