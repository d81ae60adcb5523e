//! What stands behind the `@` of a URL (spec 1.4): which state of a thing, or of a whole object, is meant.

use crate::{BranchName, Timestamp};
use std::fmt;
use std::str::FromStr;

/// `v12`, `~1`, `experiment~1`, `2024-01-08`, `2024-01-08T12:00:00Z`, `experiment`, `main`; in that order.
#[derive(Clone, PartialEq, Eq, Debug, Default, Hash)]
pub enum Ref {
    /// Nothing was said: the newest version on the branch in effect.
    #[default]
    Head,
    /// The newest version on a branch; None is main.
    Branch(Option<BranchName>),
    /// Exactly this version of the object, whatever branch it is on.
    Version(u64),
    /// So many versions of this thing before its newest; the outer None is the branch in effect, the inner one main.
    Back(Option<Option<BranchName>>, u64),
    /// The newest version that was committed then or before.
    At(Timestamp),
}

/// Why a ref was refused.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "{0:?} is no ref; accepted: v12 (a version), ~1 (one before the newest), a branch, branch~1, 2024-01-08, 2024-01-08T12:00:00Z"
)]
pub struct RefError(String);

impl Ref {
    /// Without the `@`.
    pub fn parse(text: &str) -> Result<Self, RefError> {
        let refuse = || RefError(text.chars().take(200).collect());
        let digits = |n: &str| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit());
        // A number too large for any version is the number of none; nothing was misspelt.
        let number = |n: &str| n.parse().unwrap_or(u64::MAX);
        if let Some(version) = text.strip_prefix('v').filter(|n| digits(n)) {
            return Ok(Self::Version(number(version)));
        }
        if let Some((branch, back)) = text.rsplit_once('~') {
            if !digits(back) {
                return Err(refuse());
            }
            let branch = if branch.is_empty() { None } else { Some(branch_of(branch).ok_or_else(refuse)?) };
            return Ok(Self::Back(branch, number(back)));
        }
        if let Some(at) = Timestamp::parse_date(text).or_else(|| Timestamp::parse(text)) {
            return Ok(Self::At(at));
        }
        branch_of(text).map(Self::Branch).ok_or_else(refuse)
    }

    /// Whether something can be written there (spec ID-15).
    pub fn is_writable(&self) -> bool {
        match self {
            Self::Head | Self::Branch(_) => true,
            Self::Version(_) | Self::Back(..) | Self::At(_) => false,
        }
    }
}

/// The outer None: no branch can be called that.
fn branch_of(text: &str) -> Option<Option<BranchName>> {
    if text == "main" { Some(None) } else { BranchName::parse(text).ok().map(Some) }
}

impl FromStr for Ref {
    type Err = RefError;

    fn from_str(text: &str) -> Result<Self, RefError> {
        Self::parse(text)
    }
}

/// As it is parsed; nothing for [`Ref::Head`].
impl fmt::Display for Ref {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |branch: &Option<BranchName>| branch.as_ref().map_or("main", BranchName::as_str).to_owned();
        match self {
            Self::Head => Ok(()),
            Self::Branch(branch) => f.write_str(&name(branch)),
            Self::Version(version) => write!(f, "v{version}"),
            Self::Back(None, back) => write!(f, "~{back}"),
            Self::Back(Some(branch), back) => write!(f, "{}~{back}", name(branch)),
            Self::At(at) => fmt::Display::fmt(at, f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_means_one_thing() {
        let branch = |name: &str| Some(BranchName::parse(name).unwrap());
        for (text, meant) in [
            ("v12", Ref::Version(12)),
            ("v0", Ref::Version(0)),
            ("v99999999999999999999", Ref::Version(u64::MAX)),
            ("~0", Ref::Back(None, 0)),
            ("~3", Ref::Back(None, 3)),
            ("main", Ref::Branch(None)),
            ("main~2", Ref::Back(Some(None), 2)),
            ("x~2", Ref::Back(Some(branch("x")), 2)),
            ("vnext", Ref::Branch(branch("vnext"))),
            ("feature/x", Ref::Branch(branch("feature/x"))),
            ("2024-01-08", Ref::At(Timestamp::parse("2024-01-08T00:00:00Z").unwrap())),
            ("2024-01-08T12:00:00+02:00", Ref::At(Timestamp::parse("2024-01-08T10:00:00Z").unwrap())),
        ] {
            assert_eq!(Ref::parse(text), Ok(meant), "{text}");
        }
    }

    #[test]
    fn what_is_none_of_them_is_refused() {
        for bad in
            ["", "~", "~x", "x~", "x~y", "@x", "x@y", "a b", "2024-13-01", "2024-01-08T25:00:00Z", "HEAD", "é", "v1~1"]
        {
            assert!(Ref::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_ref_is_printed_as_it_is_read() {
        for text in ["v12", "~3", "main", "x~2", "feature/x", "2024-01-08T12:00:00.000Z"] {
            assert_eq!(Ref::parse(text).unwrap().to_string(), text);
        }
    }
}
