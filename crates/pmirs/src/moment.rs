//! Dates as people type and read them; inside they are milliseconds since 1970.

use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// A moment on the command line: a day, which begins at midnight UTC, or a time of RFC 3339.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Milliseconds since 1970; nothing here is older.
    pub ms: u64,
}

impl FromStr for Moment {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let day = text.parse::<Date>().ok().filter(|_| !text.contains(':'));
        let timestamp = match day {
            Some(day) => day.to_zoned(TimeZone::UTC).map(|midnight| midnight.timestamp()),
            None => text.parse::<Timestamp>(),
        };
        let ms = timestamp.map_err(|_| "it is a day like 2026-01-31 or a time like 2026-01-31T14:00:00Z")?;
        Ok(Self { ms: u64::try_from(ms.as_millisecond()).unwrap_or(0) })
    }
}

/// A time in UTC, to the second, as RFC 3339 writes it. One beyond the year 9999 is shown as its end.
pub fn rfc3339(ms: u64) -> String {
    let seconds = i64::try_from(ms / 1000).unwrap_or(i64::MAX);
    Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(text: &str) -> Result<u64, &'static str> {
        text.parse::<Moment>().map(|moment| moment.ms)
    }

    #[test]
    fn days_begin_at_midnight_and_times_carry_their_zone() {
        assert_eq!(ms("1970-01-02"), Ok(86_400_000));
        assert_eq!(ms("1970-01-02T00:00:00Z"), Ok(86_400_000));
        assert_eq!(ms("1970-01-02T02:00:00+02:00"), Ok(86_400_000));
        assert_eq!(ms("1960-05-05"), Ok(0));
        for wrong in ["yesterday", "2026-02-30", "2026-01-31T14:00:00", "2026-1-1", ""] {
            assert!(ms(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn times_are_told_in_utc() {
        assert_eq!(rfc3339(86_400_999), "1970-01-02T00:00:00Z");
        assert!(rfc3339(u64::MAX).starts_with("9999-12-"));
    }
}
