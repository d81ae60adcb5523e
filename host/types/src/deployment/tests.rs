//! A deployment as JSON, what is wrong with one, and what one changes.
