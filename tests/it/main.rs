//! Integration tests: one binary, a module per concern. `server` starts the real thing; the others look at it from
//! outside.

mod browser;
mod components;
mod provider;
mod server;

mod agents;
mod approvals;
mod bad_input;
mod branches;
mod channels;
mod cli;
mod cli_things;
mod console;
mod deployments;
mod golden;
mod guests;
mod kills;
mod mcp;
mod outgoing;
mod templates;
mod things;
mod tidy;
mod versions;
mod webhooks;
