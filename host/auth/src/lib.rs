//! Who is calling, and may they: API keys, the credential of a request, refusals, and the vault of secrets.
//!
//! Everything here is a function of its arguments: rows come from `store` by way of `runtime`, time and randomness from
//! whoever calls. HTTP is not known here; `api` hands over the bytes of two headers.
//!
//! - [`key`]: what an API key looks like and which row it makes
//! - [`credential`]: which of a request's headers counts
//! - [`decide`]: from a stored key to an identity, and what a caller may hand on
//! - [`vault`]: secrets at rest
//! - [`signature`]: what is signed for others, and by others
//! - [`link`]: links by which people answer

pub mod key;
pub use key::Key;
pub mod credential;
pub use credential::Credential;
pub mod decide;
pub use decide::{NewKey, Refusal, check, identity, issue, matches};
pub mod signature;
pub use signature::{sign, webhook_secret};
pub mod link;
pub use link::{Claim, LinkAction, LinkError, Links};
pub mod vault;
pub use vault::{Slot, Vault, VaultError};
