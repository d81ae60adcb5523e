//! Who runs, where, for whom; and the function's log.

use crate::bindings::org_ai::context::context as raw;

pub use raw::{Invocation, Level, cancelled, get};

/// One line into the function's log. `println!` and `eprintln!` end there too, without a level.
pub fn log(level: Level, message: impl AsRef<str>) {
    raw::log(level, message.as_ref());
}

/// [`log`] at level info.
pub fn info(message: impl AsRef<str>) {
    log(Level::Info, message);
}

/// [`log`] at level warn.
pub fn warn(message: impl AsRef<str>) {
    log(Level::Warn, message);
}
