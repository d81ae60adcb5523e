//! The rules of work that agents and people do: what can be asked, who is asked next and when, what counts as an answer.
//! Pure: values in, values out, no clock and no I/O. `runtime` keeps the records and the timers, and does the asking.
//!
//! - [`draft`] reads what somebody is asked for.
//! - [`plan`] says what happens to a request by itself, and when.
//! - [`decide`] says what an answer makes of it, and whether it counts.
//! - [`outcome`] is what who asked is told in the end.
//! - [`staff`] looks at what is known of agents and people.

pub mod decide;
pub mod draft;
pub mod outcome;
pub mod plan;
pub mod staff;
