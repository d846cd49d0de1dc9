//! Arithmetic on moments: RFC 3339, UTC, whole seconds. Pure, like everything here.

use crate::record::is_moment;

/// Seconds from one moment to another; `None` if one of them is not of the form `2026-01-31T23:59:59Z`.
#[must_use]
pub fn seconds_between(from: &str, to: &str) -> Option<i64> {
    Some(seconds(to)? - seconds(from)?)
}

/// The moment so many seconds after another; `None` if that is no moment, or lies beyond the year 9999.
#[must_use]
pub fn moment_plus(from: &str, more: u64) -> Option<String> {
    let total = seconds(from)?.checked_add(i64::try_from(more).ok()?)?;
    let (days, rest) = (total.div_euclid(86_400), total.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    (year <= 9999)
        .then(|| format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", rest / 3600, rest / 60 % 60, rest % 60))
}

/// Seconds since 1970.
fn seconds(moment: &str) -> Option<i64> {
    if !is_moment(moment) {
        return None;
    }
    let number = |at: std::ops::Range<usize>| moment[at].parse::<i64>().ok();
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let days = days(year, month, day);
    // The 31st of a month that has 30 days is no day.
    (civil(days) == (year, month, day))
        .then_some(days * 86_400)
        .zip(Some(number(11..13)? * 3600 + number(14..16)? * 60 + number(17..19)?))
        .map(|(days, rest)| days + rest)
}

/// Days since 1970 of a day of the Gregorian calendar; years of 400 years begin on 1 March.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Year, month and day of so many days since 1970.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}
