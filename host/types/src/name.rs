//! Names of functions and actions, and which version of them is meant.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Why a name was refused, with what would be accepted.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NameError {
    #[error("{0:?} is no function name: 1 to 64 of a-z, 0-9 and -, beginning with a letter (like invoice-pay)")]
    Function(String),
    #[error("{0:?} is no action: a function's name, or toolbox.export (like invoice-pay or calc.add)")]
    Action(String),
    #[error("{0:?} is no version of a function: use @v3 for version 3, or @~1 for the one before the newest")]
    At(String),
}

/// `^[a-z][a-z0-9-]{0,63}$` (spec FUN-1).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FunctionName(String);

impl FunctionName {
    pub const LENGTH_MAX: usize = 64;

    pub fn parse(text: &str) -> Result<Self, NameError> {
        let mut chars = text.chars();
        let well_formed = chars.next().is_some_and(|c| c.is_ascii_lowercase())
            && chars.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
            && text.len() <= Self::LENGTH_MAX;
        if well_formed { Ok(Self(text.to_owned())) } else { Err(NameError::Function(text.to_owned())) }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for FunctionName {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        Self::parse(&text)
    }
}

impl From<FunctionName> for String {
    fn from(name: FunctionName) -> Self {
        name.0
    }
}

impl fmt::Display for FunctionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which version: the part of a ref (spec ID-10) that functions have.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
pub enum At {
    /// The newest.
    #[default]
    Head,
    /// Exactly this one: the version number in the durable object, as `deploy` told it.
    Version(u64),
    /// So many versions of this function before the newest.
    Back(u64),
}

impl At {
    /// Without the `@`.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let number = |digits: &str| {
            (!digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())).then(|| digits.parse().ok()).flatten()
        };
        let at = if let Some(digits) = text.strip_prefix('v') {
            number(digits).map(Self::Version)
        } else if let Some(digits) = text.strip_prefix('~') {
            number(digits).map(Self::Back)
        } else {
            (text == "main").then_some(Self::Head)
        };
        at.ok_or_else(|| NameError::At(text.to_owned()))
    }
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Head => Ok(()),
            Self::Version(n) => write!(f, "@v{n}"),
            Self::Back(n) => write!(f, "@~{n}"),
        }
    }
}

/// What an invocation names: `invoice-pay`, `invoice-pay@v3`, `calc.add`, `calc.add@~1`.
#[derive(Clone, PartialEq, Eq, Debug, Hash)]
pub struct ActionRef {
    pub function: FunctionName,
    /// Behind the first dot: which export of a tool box. A function of a world has none.
    pub export: Option<String>,
    pub at: At,
}

impl FromStr for ActionRef {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let (path, at) = match text.split_once('@') {
            Some((path, at)) => (path, At::parse(at)?),
            None => (text, At::Head),
        };
        let (function, export) = match path.split_once('.') {
            Some((function, export)) => (function, Some(export)),
            None => (path, None),
        };
        if export.is_some_and(|e| !is_export_path(e)) {
            return Err(NameError::Action(text.to_owned()));
        }
        let function = FunctionName::parse(function).map_err(|_| NameError::Action(text.to_owned()))?;
        Ok(Self { function, export: export.map(str::to_owned), at })
    }
}

/// Exports are kebab-case labels of WIT (`add`, `interface.add`); upper case is legal in them.
fn is_export_path(text: &str) -> bool {
    text.len() <= 256
        && text.split('.').all(|part| {
            part.starts_with(|c: char| c.is_ascii_alphabetic())
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        })
}

impl fmt::Display for ActionRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.function.fmt(f)?;
        if let Some(export) = &self.export {
            write!(f, ".{export}")?;
        }
        self.at.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_names_function_export_and_version() {
        let parse = |text: &str| text.parse::<ActionRef>().map(|a| (a.function.to_string(), a.export, a.at));
        assert_eq!(parse("pay"), Ok(("pay".into(), None, At::Head)));
        assert_eq!(parse("pay@v3"), Ok(("pay".into(), None, At::Version(3))));
        assert_eq!(parse("calc.add@~1"), Ok(("calc".into(), Some("add".into()), At::Back(1))));
        assert_eq!(parse("calc.ops.add"), Ok(("calc".into(), Some("ops.add".into()), At::Head)));
        for bad in ["", "Pay", "-a", "a_b", "a.", "a..b", "a@", "a@v", "a@3", "a@v1@v2", "a@~", "é", "a.b/c"] {
            assert!(parse(bad).is_err(), "{bad:?} must be refused");
        }
        assert!(FunctionName::parse(&"a".repeat(65)).is_err());
    }
}
