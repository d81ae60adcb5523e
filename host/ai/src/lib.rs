//! Models behind endpoints that speak OpenAI's protocol: chat completions, streamed or whole, and embeddings.
//!
//! [`Providers`] is what the composition root hands to the runtime. A request finds its provider and model (`config`),
//! is written and read (`wire`, for streams `stream` over `sse`), is made and made again (`ask`), with `retry` saying
//! when. All that comes from outside is bounded, and what is not understood is an error: no answer is ever invented.
//! A provider's key is in the header of its requests and nowhere else.

mod ask;
mod config;
mod retry;
mod sse;
mod stream;
#[cfg(test)]
mod tests;
mod wire;

pub use ask::Providers;
pub use config::{Config, ConfigError, Key, Provider};
