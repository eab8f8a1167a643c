//! Time: a clock that never goes back, and the time of day for the log.

use nix::libc;
use nix::time::{ClockId, clock_gettime};

/// Microseconds since this value was made; it never goes back.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    origin_us: u64,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self {
            origin_us: monotonic_us(),
        }
    }

    pub(crate) fn now(self) -> u64 {
        monotonic_us().saturating_sub(self.origin_us)
    }
}

fn monotonic_us() -> u64 {
    // The call fails only for an unknown clock or a bad pointer, and nix passes neither.
    clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(0, |time| {
        let seconds = u64::try_from(time.tv_sec()).unwrap_or(0);
        seconds * 1_000_000 + u64::try_from(time.tv_nsec()).unwrap_or(0) / 1000
    })
}

/// The local time of day as `HH:MM:SS.mmm`. The zone's offset is looked up once, when this value is made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DayClock {
    offset_s: i64,
}

impl DayClock {
    pub(crate) fn new() -> Self {
        let (now, _) = wall();
        let mut fields = std::mem::MaybeUninit::<libc::tm>::zeroed();
        // SAFETY: both pointers are valid for the call, and `tm` is a plain structure for which zero is a value.
        let offset_s = unsafe {
            libc::localtime_r(&raw const now, fields.as_mut_ptr());
            fields.assume_init().tm_gmtoff
        };
        Self { offset_s }
    }

    pub(crate) fn text(self) -> String {
        let (seconds, millis) = wall();
        let day = (seconds + self.offset_s).rem_euclid(86_400);
        format!(
            "{:02}:{:02}:{:02}.{millis:03}",
            day / 3600,
            day / 60 % 60,
            day % 60
        )
    }
}

fn wall() -> (i64, i64) {
    clock_gettime(ClockId::CLOCK_REALTIME).map_or((0, 0), |time| (time.tv_sec(), time.tv_nsec() / 1_000_000))
}
