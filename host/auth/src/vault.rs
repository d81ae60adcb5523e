//! Secrets at rest: XChaCha20-Poly1305 under a key of the node (a part of spec VLT-1).
//!
//! Each ciphertext is bound to its place, the object and the name: a row copied into another place does not open there.
//! A place's value is replaced, not versioned, so an older ciphertext of the same place does open.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use std::fmt;
use types::{Fault, ObjectId};

/// First byte of every sealed value: the layout `1, nonce, ciphertext and tag`.
const LAYOUT: u8 = 1;
const NONCE_BYTES: usize = 24;
const TAG_BYTES: usize = 16;
/// Separates these ciphertexts from anything else sealed under the same key.
const PURPOSE: &[u8] = b"org.ai secret 1\0";

/// Where a secret belongs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Slot<'a> {
    pub object: ObjectId,
    pub name: &'a str,
}

/// Why a secret was not sealed or not opened. Never says anything of the value.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum VaultError {
    #[error("a secret's name is 1 to {max} of A-Z, a-z, 0-9, _ and -, beginning with a letter or _", max = Vault::NAME_BYTES_MAX)]
    Name,
    #[error("a secret's value is 1 to {max} bytes", max = Vault::VALUE_BYTES_MAX)]
    Size,
    #[error("the stored secret was changed, belongs elsewhere, or was sealed under another key of the host")]
    Opening,
}

impl From<VaultError> for Fault {
    fn from(error: VaultError) -> Self {
        match error {
            VaultError::Name | VaultError::Size => Fault::invalid("SECRET_INVALID", error.to_string()),
            VaultError::Opening => Fault::internal(),
        }
    }
}

/// Seals and opens under one key. The key is 32 random bytes that the node keeps beside its data, readable by it alone.
#[derive(Clone)]
pub struct Vault(XChaCha20Poly1305);

impl Vault {
    pub const NAME_BYTES_MAX: usize = 128;
    /// Spec VLT-1.
    pub const VALUE_BYTES_MAX: usize = 64 << 10;

    pub fn new(key: [u8; 32]) -> Self {
        Self(XChaCha20Poly1305::new(&key.into()))
    }

    /// `nonce` must be random: two values under one nonce would give both away. 24 bytes are enough that chance never
    /// repeats one.
    ///
    /// # Errors
    /// `Name` and `Size`, when the place or the value is outside the limits.
    pub fn seal(&self, slot: Slot<'_>, value: &str, nonce: [u8; NONCE_BYTES]) -> Result<Vec<u8>, VaultError> {
        check_name(slot.name)?;
        if value.is_empty() || value.len() > Self::VALUE_BYTES_MAX {
            return Err(VaultError::Size);
        }
        let payload = Payload { msg: value.as_bytes(), aad: &place(slot) };
        let ciphertext = self.0.encrypt(XNonce::from_slice(&nonce), payload).map_err(|_| VaultError::Size)?;
        let mut sealed = Vec::with_capacity(1 + NONCE_BYTES + ciphertext.len());
        sealed.push(LAYOUT);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&ciphertext);
        Ok(sealed)
    }

    /// # Errors
    /// `Opening`, when `sealed` is not what [`Vault::seal`] made for this very place under this very key.
    pub fn open(&self, slot: Slot<'_>, sealed: &[u8]) -> Result<String, VaultError> {
        if sealed.len() < 1 + NONCE_BYTES + TAG_BYTES || sealed[0] != LAYOUT {
            return Err(VaultError::Opening);
        }
        let (nonce, ciphertext) = sealed[1..].split_at(NONCE_BYTES);
        let payload = Payload { msg: ciphertext, aad: &place(slot) };
        let value = self.0.decrypt(XNonce::from_slice(nonce), payload).map_err(|_| VaultError::Opening)?;
        String::from_utf8(value).map_err(|_| VaultError::Opening)
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vault")
    }
}

/// Names appear in `{{secret:NAME}}`, in URLs and in a guest's environment.
///
/// # Errors
/// `Name`.
pub fn check_name(name: &str) -> Result<(), VaultError> {
    let well_formed = name.len() <= Vault::NAME_BYTES_MAX
        && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
    if well_formed { Ok(()) } else { Err(VaultError::Name) }
}

/// The object's id has a fixed length, so no two places have the same bytes.
fn place(slot: Slot<'_>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(PURPOSE.len() + 16 + slot.name.len());
    bytes.extend_from_slice(PURPOSE);
    bytes.extend_from_slice(&slot.object.as_u128().to_be_bytes());
    bytes.extend_from_slice(slot.name.as_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(object: u128, name: &str) -> Slot<'_> {
        Slot { object: ObjectId::from_u128(object), name }
    }

    #[test]
    fn a_secret_opens_in_its_place_and_its_file_has_no_plaintext() {
        let vault = Vault::new([1; 32]);
        let sealed = vault.seal(slot(1, "STRIPE"), "sk_live_plain", [2; 24]).unwrap();
        assert_eq!(vault.open(slot(1, "STRIPE"), &sealed).as_deref(), Ok("sk_live_plain"));
        assert!(!sealed.windows(5).any(|w| w == b"plain"));
        assert_ne!(sealed, vault.seal(slot(1, "STRIPE"), "sk_live_plain", [3; 24]).unwrap());
    }

    #[test]
    fn swapped_changed_or_cut_rows_do_not_open() {
        let vault = Vault::new([1; 32]);
        let sealed = vault.seal(slot(1, "A"), "value", [2; 24]).unwrap();
        assert_eq!(vault.open(slot(1, "B"), &sealed), Err(VaultError::Opening), "another name");
        assert_eq!(vault.open(slot(2, "A"), &sealed), Err(VaultError::Opening), "another object");
        assert_eq!(Vault::new([9; 32]).open(slot(1, "A"), &sealed), Err(VaultError::Opening), "another key");
        for i in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[i] ^= 1;
            assert_eq!(vault.open(slot(1, "A"), &changed), Err(VaultError::Opening), "byte {i}");
            assert_eq!(vault.open(slot(1, "A"), &sealed[..i]), Err(VaultError::Opening), "cut at {i}");
        }
    }

    #[test]
    fn names_and_values_have_limits() {
        let vault = Vault::new([1; 32]);
        let long = "N".repeat(129);
        for bad in ["", "1A", "-A", "A B", "A}}", "é", "A.B", &long] {
            assert_eq!(vault.seal(slot(1, bad), "x", [0; 24]), Err(VaultError::Name), "{bad:?}");
        }
        for value in ["", "x".repeat(Vault::VALUE_BYTES_MAX + 1).as_str()] {
            assert_eq!(vault.seal(slot(1, "A"), value, [0; 24]), Err(VaultError::Size));
        }
        let largest = "x".repeat(Vault::VALUE_BYTES_MAX);
        let sealed = vault.seal(slot(1, "_a-9"), &largest, [0; 24]).unwrap();
        assert_eq!(vault.open(slot(1, "_a-9"), &sealed), Ok(largest));
    }
}
