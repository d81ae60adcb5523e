//! What a `do.toml` says, and what is said of one that is wrong.
