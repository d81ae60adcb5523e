//! A file seen from outside: `turns` and `reads` (what is written and asked), `settle`
//! (one transaction over many turns), and the crash contract of the file and
//! the commit log together: `process` (the process dies), `power` (what was not synced is gone), `damage` (a disk that
//! lies).

mod archive;
mod common;
mod damage;
mod forgetting;
mod power;
mod process;
mod reads;
mod requests;
mod settle;
mod turns;
