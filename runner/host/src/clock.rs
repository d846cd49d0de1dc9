//! The only clock. Tests put another time in its place, and every record says so.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;

/// A source of time.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    injected: Option<Arc<AtomicI64>>,
}

impl Clock {
    /// The system's clock.
    #[must_use]
    pub fn system() -> Self {
        Self::default()
    }

    /// A clock that starts at an RFC 3339 time and moves one second forward at each look.
    ///
    /// # Errors
    /// The text, if it is not a time.
    pub fn injected(start: &str) -> Result<Self, String> {
        let start: Timestamp =
            start.parse().map_err(|_| format!("`{start}` is not a time such as 2026-11-21T00:00:00Z"))?;
        Ok(Self { injected: Some(Arc::new(AtomicI64::new(start.as_second()))) })
    }

    /// Whether the time is a test's.
    #[must_use]
    pub fn is_injected(&self) -> bool {
        self.injected.is_some()
    }

    /// Now, in milliseconds since the epoch.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        match &self.injected {
            Some(seconds) => seconds.fetch_add(1, Ordering::Relaxed) * 1000,
            None => Timestamp::now().as_millisecond(),
        }
    }

    /// Now, as RFC 3339 in UTC with milliseconds.
    #[must_use]
    pub fn now(&self) -> String {
        rfc3339(self.now_ms())
    }
}

/// A time in milliseconds since the epoch as RFC 3339 in UTC.
#[must_use]
pub fn rfc3339(ms: i64) -> String {
    let time = Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH);
    format!("{time:.3}")
}

/// Milliseconds since the epoch of a time in RFC 3339; `None` if the text is none.
#[must_use]
pub fn millis(text: &str) -> Option<i64> {
    text.parse::<Timestamp>().ok().map(Timestamp::as_millisecond)
}

/// A moment, in seconds since the epoch, as RFC 3339 in UTC with whole seconds: texts of this form sort as the moments do.
#[must_use]
pub fn moment(seconds: i64) -> String {
    let time = Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH);
    format!("{time:.0}")
}

/// A random UUID (version 4).
///
/// # Panics
/// If the system has no randomness to give.
#[must_use]
pub fn random_uuid() -> String {
    let mut bytes = [0u8; 16];
    getrandom::fill(&mut bytes).expect("the system gives random bytes");
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}
