//! What a caller demands of a thing before it is written: the version it is at, and the names in the body.

use super::write::Expect;
use super::writer::Writer;
use model::flat::Input;
use types::{Fault, ThingKey, ThingRow};

impl Writer<'_> {
    /// What the body says the thing is called must be what the path says.
    pub(super) fn agrees(&self, key: &ThingKey, input: &Input) -> Result<(), Fault> {
        let differs = |what: &str, sent: &str, meant: &str| {
            Fault::invalid("BODY_MISMATCH", format!("the body's {what} is {sent:?}, but the path means {meant:?}"))
        };
        if let Some(id) = input.id.as_deref().filter(|id| *id != key.id.as_str()) {
            return Err(differs("id", id, key.id.as_str()));
        }
        if let Some(noun) = input.type_.as_deref().filter(|noun| *noun != key.noun.as_str()) {
            return Err(differs("type", noun, key.noun.as_str()));
        }
        let url = format!("{}/{key}", self.scene.namespace);
        match input.url.as_deref().filter(|sent| sent.contains("://") && **sent != url) {
            Some(sent) => Err(differs("$id", sent, &url)),
            None => Ok(()),
        }
    }

    pub(super) fn expect(
        &self,
        expect: &Expect,
        key: &ThingKey,
        before: Option<&ThingRow>,
        in_body: Option<u64>,
    ) -> Result<(), Fault> {
        let live = before.filter(|row| !row.deleted);
        // A thing that was deleted can be restored on the condition that its marker is the newest.
        let current = before.map(|row| row.version);
        let met = match expect {
            Expect::Anything => true,
            Expect::Absent => live.is_none(),
            Expect::Present => live.is_some(),
            Expect::Versions(versions) => current.is_some_and(|version| versions.contains(&version)),
        };
        let now = || match (live, current) {
            (Some(row), _) => format!("its newest version is v{}", row.version),
            (None, Some(version)) => format!("it was deleted by v{version}"),
            (None, None) => "it does not exist".to_owned(),
        };
        let details = || serde_json::json!({ "version": current });
        if !met {
            let wanted = match expect {
                Expect::Anything => String::new(),
                Expect::Absent => "must not exist".to_owned(),
                Expect::Present => "must exist".to_owned(),
                Expect::Versions(versions) if versions.is_empty() => {
                    "must be at a version that a strong tag names, and none was given".to_owned()
                }
                Expect::Versions(versions) => {
                    let tags: Vec<_> = versions.iter().map(|v| format!("v{v}")).collect();
                    format!("must be at {}", tags.join(" or "))
                }
            };
            let message = format!("{key} {wanted}, but {}", now());
            return Err(Fault::conflict("PRECONDITION_FAILED", message).with_details(&details()));
        }
        match in_body.filter(|wanted| current != Some(*wanted)) {
            Some(wanted) => {
                let message = format!("{key} must be at v{wanted} (_version), but {}", now());
                Err(Fault::conflict("VERSION_CONFLICT", message).with_details(&details()))
            }
            None => Ok(()),
        }
    }
}

pub(crate) fn absent(key: &ThingKey) -> Fault {
    Fault::not_found("NOT_FOUND", format!("there is no {key}"))
}

pub(super) fn taken_fault(row: &ThingRow) -> Fault {
    let how = if row.deleted {
        format!("{} was deleted by v{}; restore it, or create it anew with revive=true", row.key, row.version)
    } else {
        format!("{} exists already; its newest version is v{}", row.key, row.version)
    };
    Fault::conflict("CONFLICT", how).with_details(&serde_json::json!({ "version": row.version }))
}
