//! Who is calling, and what a credential allows.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// What kind of caller (spec AUT-12).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IdentityKind {
    Human,
    Agent,
    Service,
}

/// A caller whose credential was verified. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Identity {
    /// The URL that goes into action rows: `{ns}/Service/{name}`.
    pub actor: Arc<str>,
    pub kind: IdentityKind,
    pub scopes: Scopes,
    /// The id of the API key it came by, if by one.
    pub key: Option<crate::Id>,
}

/// Why a permission was refused.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "{0:?} is no permission: write Noun.action or function.invoke, with * on either side for all (like *.read, invoice-pay.invoke, *.*)"
)]
pub struct PermissionError(String);

/// `<resource>.<action>`, `*` on either side (spec PRM-1); `resource:action` is the same in OAuth's spelling. `write`
/// is create, update and delete; `admin` is everything.
#[derive(Clone, PartialEq, Eq, Debug, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Permission {
    resource: String,
    action: String,
}

impl Permission {
    pub fn parse(text: &str) -> Result<Self, PermissionError> {
        if text == "admin" {
            return Ok(Self { resource: "*".into(), action: "*".into() });
        }
        let refuse = || PermissionError(text.chars().take(200).collect());
        let (resource, action) = text.rsplit_once(['.', ':']).ok_or_else(refuse)?;
        let part = |s: &str| {
            s == "*"
                || (!s.is_empty() && s.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_')))
        };
        if part(resource) && part(action) && !action.contains('.') && text.len() <= 256 {
            Ok(Self { resource: resource.to_owned(), action: action.to_owned() })
        } else {
            Err(refuse())
        }
    }

    /// Whether holding this allows doing `action` on `resource`.
    fn allows(&self, resource: &str, action: &str) -> bool {
        let resources = self.resource == "*" || self.resource.eq_ignore_ascii_case(resource);
        let actions = match self.action.as_str() {
            "*" | "admin" => true,
            "write" => matches!(action, "create" | "update" | "delete" | "write"),
            own => own == action,
        };
        resources && actions
    }

    /// Whether everything `other` allows is allowed by this.
    fn covers(&self, other: &Self) -> bool {
        let resources = self.resource == "*" || self.resource.eq_ignore_ascii_case(&other.resource);
        let actions = match self.action.as_str() {
            "*" | "admin" => true,
            "write" => matches!(other.action.as_str(), "create" | "update" | "delete" | "write"),
            own => own == other.action,
        };
        resources && actions
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.resource, self.action)
    }
}

impl TryFrom<String> for Permission {
    type Error = PermissionError;

    fn try_from(text: String) -> Result<Self, PermissionError> {
        Self::parse(&text)
    }
}

impl From<Permission> for String {
    fn from(permission: Permission) -> Self {
        permission.to_string()
    }
}

/// What a credential allows: nothing, unless something in it says so.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Scopes(Arc<[Permission]>);

impl Scopes {
    pub fn new(permissions: Vec<Permission>) -> Self {
        Self(permissions.into())
    }

    /// All actions on everything: the root key's.
    pub fn all() -> Self {
        Self::new(vec![Permission { resource: "*".into(), action: "*".into() }])
    }

    pub fn allow(&self, resource: &str, action: &str) -> bool {
        self.0.iter().any(|p| p.allows(resource, action))
    }

    /// Whether `other` asks for no more than this has (spec KEY-2).
    pub fn cover(&self, other: &Self) -> bool {
        other.0.iter().all(|wanted| self.0.iter().any(|held| held.covers(wanted)))
    }

    pub fn iter(&self) -> impl Iterator<Item = &Permission> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scopes(texts: &[&str]) -> Scopes {
        Scopes::new(texts.iter().map(|t| Permission::parse(t).unwrap()).collect())
    }

    #[test]
    fn nothing_is_allowed_unless_said() {
        assert!(!scopes(&[]).allow("pay", "invoke"));
        assert!(scopes(&["pay.invoke"]).allow("pay", "invoke"));
        assert!(!scopes(&["pay.invoke"]).allow("pay", "read"));
        assert!(!scopes(&["pay.invoke"]).allow("payroll", "invoke"));
        assert!(scopes(&["*.invoke"]).allow("payroll", "invoke"));
        assert!(scopes(&["calc.add.invoke"]).allow("calc.add", "invoke"));
        assert!(scopes(&["Function.write"]).allow("Function", "delete"));
        assert!(!scopes(&["Function.write"]).allow("Function", "read"));
        assert!(scopes(&["function:read"]).allow("Function", "read"));
        assert!(Scopes::all().allow("keys", "issue"));
    }

    #[test]
    fn nobody_hands_on_more_than_they_have() {
        assert!(scopes(&["*.*"]).cover(&scopes(&["*.invoke", "keys.issue"])));
        assert!(scopes(&["Function.write"]).cover(&scopes(&["Function.create"])));
        assert!(!scopes(&["pay.invoke"]).cover(&scopes(&["*.invoke"])));
        assert!(!scopes(&["pay.invoke"]).cover(&scopes(&["pay.*"])));
    }

    #[test]
    fn odd_permissions_are_refused() {
        for bad in ["", "x", ".x", "x.", "a b.c", "*.*.", "é.x"] {
            assert!(Permission::parse(bad).is_err(), "{bad:?}");
        }
    }
}
