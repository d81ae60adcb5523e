//! Which of a request's headers says who calls (spec AUT-12).

use crate::{Key, Refusal};

/// Bytes of a header that could hold a credential; a longer one is none of ours.
const HEADER_BYTES_MAX: usize = 4096;

/// What a request shows for itself, parsed but not yet verified.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Credential {
    ApiKey(Key),
}

impl Credential {
    /// From all values of the headers `Authorization` and `x-api-key`. Exactly one credential is looked at:
    /// `Authorization` goes first, and when it is there but bad, the request is refused, whatever else it carries.
    ///
    /// # Errors
    /// When the one that counts stands twice, is of a scheme other than `Bearer`, or is no key.
    pub fn from_headers<'a>(
        authorization: impl IntoIterator<Item = &'a [u8]>,
        api_key: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Option<Self>, Refusal> {
        if let Some(value) = single(authorization)? {
            return key(bearer(value)?).map(Some);
        }
        match single(api_key)? {
            Some(value) => key(text(value)?).map(Some),
            None => Ok(None),
        }
    }
}

fn single<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> Result<Option<&'a [u8]>, Refusal> {
    let mut values = values.into_iter();
    match (values.next(), values.next()) {
        (first, None) => Ok(first),
        (_, Some(_)) => Err(Refusal::Ambiguous),
    }
}

fn text(value: &[u8]) -> Result<&str, Refusal> {
    if value.len() > HEADER_BYTES_MAX {
        return Err(Refusal::Malformed);
    }
    std::str::from_utf8(value).map(str::trim).map_err(|_| Refusal::Malformed)
}

/// RFC 6750: the scheme's name in any case, one or more spaces, the token.
fn bearer(value: &[u8]) -> Result<&str, Refusal> {
    let (scheme, token) = text(value)?.split_once(' ').ok_or(Refusal::Malformed)?;
    if scheme.eq_ignore_ascii_case("bearer") { Ok(token.trim_start()) } else { Err(Refusal::Scheme) }
}

fn key(text: &str) -> Result<Credential, Refusal> {
    Key::parse(text).map(Credential::ApiKey).map_err(|_| Refusal::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(authorization: &[&str], api_key: &[&str]) -> Result<Option<Credential>, Refusal> {
        Credential::from_headers(authorization.iter().map(|v| v.as_bytes()), api_key.iter().map(|v| v.as_bytes()))
    }

    #[test]
    fn one_credential_is_evaluated_and_a_bad_one_is_not_passed_over() {
        let (a, b) = (Key::generate([1; 32]), Key::generate([2; 32]));
        let bearer = format!("Bearer {}", a.reveal());
        let of = |key: &Key| Ok(Some(Credential::ApiKey(key.clone())));
        assert_eq!(read(&[], &[]), Ok(None));
        assert_eq!(read(&[&bearer], &[]), of(&a));
        assert_eq!(read(&[], &[b.reveal()]), of(&b));
        assert_eq!(read(&[&bearer], &[b.reveal()]), of(&a), "Authorization goes first");
        assert_eq!(read(&[&format!("bEaReR   {} ", a.reveal())], &[]), of(&a));

        assert_eq!(read(&["Bearer nonsense"], &[b.reveal()]), Err(Refusal::Malformed));
        assert_eq!(read(&["Basic dTpw"], &[b.reveal()]), Err(Refusal::Scheme));
        assert_eq!(read(&[""], &[b.reveal()]), Err(Refusal::Malformed));
        assert_eq!(read(&[a.reveal()], &[]), Err(Refusal::Malformed), "no scheme");
        assert_eq!(read(&[&bearer, &bearer], &[]), Err(Refusal::Ambiguous));
        assert_eq!(read(&[], &[a.reveal(), b.reveal()]), Err(Refusal::Ambiguous));
        assert_eq!(read(&[&format!("Bearer {}", "x".repeat(5000))], &[]), Err(Refusal::Malformed));
        assert_eq!(Credential::from_headers([&b"Bearer \xff\xfe"[..]], []), Err(Refusal::Malformed));
    }
}
