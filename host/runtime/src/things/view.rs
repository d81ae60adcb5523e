//! Which state a request is about: the ref it names, and the branch in effect where it names none.

use store::{Line, Reader};
use types::{BranchName, Fault, FaultKind, Ref, ThingKey, ThingRow};

use crate::object::fault_of;

/// What a request sees. Nothing said is the newest of main.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct View {
    /// What was checked out: the branch, or the state, that is meant where a request names none (spec VER-6).
    pub checkout: Ref,
    /// What the request itself named.
    pub at: Ref,
}

impl View {
    pub fn of(at: Ref) -> Self {
        Self { checkout: Ref::Head, at }
    }

    /// The branch that a write goes to; None is main.
    ///
    /// # Errors
    /// `conflict` for a ref that names a past state (spec ID-15, VER-7).
    pub fn writes_to(&self) -> Result<Option<BranchName>, Fault> {
        let at = if self.at == Ref::Head { &self.checkout } else { &self.at };
        match at {
            Ref::Head => Ok(None),
            Ref::Branch(branch) => Ok(branch.clone()),
            Ref::Version(_) | Ref::Back(..) | Ref::At(_) => Err(Fault::conflict(
                "READ_ONLY_REF",
                format!("@{at} is a read-only ref: it names a past state; write to a branch, or without a ref"),
            )),
        }
    }

    /// What lists and other things are seen by.
    pub(crate) fn line(&self, reader: &Reader) -> Result<Line, Fault> {
        match &self.at {
            Ref::Head => checked_out(reader, &self.checkout),
            Ref::Branch(branch) => line_of(reader, branch.as_ref()),
            Ref::Version(version) => Ok(checked_out(reader, &self.checkout)?.through(known(reader, *version)?)),
            Ref::At(at) => {
                let version = reader.version_at(*at).map_err(|e| fault_of(&e))?;
                Ok(checked_out(reader, &self.checkout)?.through(version))
            }
            Ref::Back(..) => Err(Fault::invalid(
                "REF_INVALID",
                format!("@{} counts the versions of one thing; here is more than one", self.at),
            )),
        }
    }

    /// The version of a thing that is meant (spec ID-11, ID-12).
    ///
    /// # Errors
    /// `not-found`, or `gone` for a version that is a delete marker.
    pub(crate) fn find(&self, reader: &Reader, key: &ThingKey) -> Result<ThingRow, Fault> {
        let fault = |e: store::Error| fault_of(&e);
        match &self.at {
            Ref::Version(version) => {
                let row = reader.version(*version).map_err(fault)?.filter(|row| row.key == *key);
                match row {
                    Some(row) => live(row),
                    None => {
                        let archived = reader.archived(*version).map_err(fault)?.filter(|gone| gone.key == *key);
                        Err(archived.map_or_else(|| self.unknown(key), |gone| archived_fault(&gone)))
                    }
                }
            }
            Ref::Back(branch, back) => {
                let line = match branch {
                    None => checked_out(reader, &self.checkout)?,
                    Some(branch) => line_of(reader, branch.as_ref())?,
                };
                if let Some(row) = reader.back(&line, key, *back).map_err(fault)? {
                    return live(row);
                }
                let number = reader.back_number(&line, key, *back).map_err(fault)?;
                let archived = number.map(|number| reader.archived(number)).transpose().map_err(fault)?.flatten();
                Err(archived.map_or_else(|| self.unknown(key), |gone| archived_fault(&gone)))
            }
            Ref::Head | Ref::Branch(_) | Ref::At(_) => {
                let line = self.line(reader)?;
                if !line.is_newest()
                    && let Some(gone) = reader.newest_archived(&line, key).map_err(fault)?
                {
                    return Err(archived_fault(&gone));
                }
                let row = reader.newest(&line, key).map_err(fault)?;
                row.filter(|row| !row.deleted).ok_or_else(|| self.unknown(key))
            }
        }
    }

    fn unknown(&self, key: &ThingKey) -> Fault {
        let at = match &self.at {
            Ref::Head => match &self.checkout {
                Ref::Head => String::new(),
                other => format!(" at @{other}, which is the one in effect"),
            },
            at => format!(" at @{at}"),
        };
        Fault::not_found("NOT_FOUND", format!("there is no {key}{at}"))
    }
}

/// It was there, and an archive has it now (spec LIF-4).
pub(crate) fn archived_fault(gone: &store::Archived) -> Fault {
    let (key, version) = (&gone.key, gone.version);
    let archive = gone.archive.map(|id| id.to_string());
    let message = match &archive {
        Some(id) => format!("{key}@v{version} was archived; restore the archive {id} to see it again"),
        None => format!("{key}@v{version} was removed when its history was compacted, and no archive was made"),
    };
    let details = serde_json::json!({ "version": version, "archive": archive });
    Fault::new(FaultKind::Gone, "GONE", message).with_details(&details)
}

fn live(row: ThingRow) -> Result<ThingRow, Fault> {
    if !row.deleted {
        return Ok(row);
    }
    let message = format!("{}@v{} says that the thing was deleted then", row.key, row.version);
    let details = serde_json::json!({ "version": row.version });
    Err(Fault::new(FaultKind::Gone, "VERSION_DELETED", message).with_details(&details))
}

fn checked_out(reader: &Reader, checkout: &Ref) -> Result<Line, Fault> {
    match checkout {
        Ref::Head => Ok(Line::main()),
        Ref::Branch(branch) => line_of(reader, branch.as_ref()),
        Ref::Version(version) => {
            let fault = |e: store::Error| fault_of(&e);
            let branch = match reader.version(*version).map_err(fault)? {
                Some(row) => row.branch,
                // Which branch it was on is known of one that an archive has, too.
                None => reader.archived(*version).map_err(fault)?.and_then(|gone| gone.branch),
            };
            Ok(line_of(reader, branch.as_ref())?.through(known(reader, *version)?))
        }
        Ref::At(at) => Ok(Line::main().through(reader.version_at(*at).map_err(|e| fault_of(&e))?)),
        Ref::Back(..) => Err(Fault::invalid("REF_INVALID", "@~N cannot be checked out: it is about one thing")),
    }
}

/// A state that was.
fn known(reader: &Reader, version: u64) -> Result<u64, Fault> {
    if version >= 1 && version < reader.next_version() {
        return Ok(version);
    }
    let newest = reader.next_version() - 1;
    Err(Fault::not_found("VERSION_NOT_FOUND", format!("there is no version {version}; the newest is {newest}")))
}

pub(crate) fn line_of(reader: &Reader, branch: Option<&BranchName>) -> Result<Line, Fault> {
    let line = reader.line(branch).map_err(|e| fault_of(&e))?;
    line.ok_or_else(|| {
        let name = branch.map_or("main", BranchName::as_str);
        Fault::not_found("BRANCH_NOT_FOUND", format!("there is no branch {name}"))
    })
}
