//! The crash contract of a file and the commit log together: `process` (the process dies), `power` (what was not synced
//! is gone), `damage` (a disk that lies).

mod common;
mod damage;
mod power;
mod process;
