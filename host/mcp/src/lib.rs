//! The Model Context Protocol, spoken to servers outside.
