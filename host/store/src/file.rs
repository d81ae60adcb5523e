//! A file and the two SQLite keeps beside it: opening, checking, checkpointing.

use crate::template::{self, MARK_NEW, PAGE_BYTES, SCHEMA};
use crate::{Error, Options};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use types::Faults;

pub(crate) struct Opened {
    pub connection: Connection,
    pub patience: Patience,
    /// Its main part is the template still and was never synced.
    pub is_new: bool,
}

/// How much longer a statement may run: counted down by SQLite's machine.
#[derive(Clone)]
pub(crate) struct Patience(Arc<AtomicI64>);

impl Patience {
    /// How many steps of the machine there are from one look to the next.
    const STEPS_PER_LOOK: i32 = 100_000;
    /// Looks at one list: about half a second.
    pub const LOOKS_MAX: i64 = 300;
    pub const ENDLESS: i64 = i64::MAX;

    fn of(connection: &mut Connection) -> Result<Self, Error> {
        let left = Arc::new(AtomicI64::new(Self::ENDLESS));
        let handler = {
            let left = left.clone();
            move || left.fetch_sub(1, Ordering::Relaxed) <= 0
        };
        connection.progress_handler(Self::STEPS_PER_LOOK, Some(handler))?;
        Ok(Self(left))
    }

    pub fn set(&self, looks: i64) {
        self.0.store(looks, Ordering::Relaxed);
    }
}

/// Prepared statements kept for each open file: all that a turn runs, not all there are.
const STATEMENTS_KEPT: usize = 32;

pub(crate) fn open(path: &Path, options: &Options) -> Result<Opened, Error> {
    let found = look(path)?;
    if matches!(found, Found::Nothing) {
        create(path)?;
    }
    // Exclusive: an object has one owner, and without a third file beside it (-shm, made and removed each time) opening
    // and closing cost half and less. The sqlite3 command opens the file as soon as the object is closed; when it has it
    // open already, the file is shared with it rather than refused.
    let (mut connection, schema) = match connect(path, options, "EXCLUSIVE") {
        Err(Error::Busy) => connect(path, options, "NORMAL")?,
        other => other?,
    };
    if schema > SCHEMA {
        return Err(Error::Newer { found: schema, supported: SCHEMA });
    }
    if schema < SCHEMA {
        template::migrate(&connection, schema)?;
    }
    let patience = Patience::of(&mut connection)?;
    Ok(Opened { connection, patience, is_new: !matches!(found, Found::Synced) })
}

/// A connection, and the schema's number as of the newest turn, which may be in the WAL.
fn connect(path: &Path, options: &Options, locking: &str) -> Result<(Connection, u32), Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    // An object's thread serves others too: it does not wait for a lock.
    connection.busy_timeout(Duration::ZERO)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    // Without it a statement is planned anew whenever other values are bound: that took longer than running it.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    // Not even the WAL's header is synced at a turn. That is safe because `checkpoint` leaves an empty WAL on the disk:
    // a stale frame can never be taken for one that follows.
    connection.execute_batch(&format!(
        "PRAGMA locking_mode={locking}; PRAGMA synchronous=OFF; PRAGMA wal_autocheckpoint=0; \
         PRAGMA cache_size=-{cache}; PRAGMA temp_store=MEMORY; PRAGMA max_page_count={pages};",
        cache = options.cache_kib,
        pages = options.file_bytes_max / u64::from(PAGE_BYTES),
    ))?;
    let schema = connection.query_row("PRAGMA user_version", (), |row| row.get(0))?;
    Ok((connection, schema))
}

/// What lies at a path.
enum Found {
    Nothing,
    /// A template, with turns in its WAL or without.
    New,
    /// A file that went through a checkpoint.
    Synced,
}

/// Reads the header as the last checkpoint left it. A file that is shorter than it says is damaged, unless its WAL has
/// the rest: a checkpoint that was cut short.
fn look(path: &Path) -> Result<Found, Error> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(error) => return Err(error.into()),
    };
    let length = file.metadata()?.len();
    let mut header = [0; 100];
    if length == 0 {
        return Err(Error::Corrupt("it is empty".into()));
    }
    if length < 512 || file.read_exact(&mut header).is_err() || !header.starts_with(b"SQLite format 3\0") {
        return Err(Error::Corrupt("it is no SQLite file".into()));
    }
    let number = |at: usize| u32::from_be_bytes(header[at..at + 4].try_into().expect("four bytes of a hundred"));
    let (pages, schema, mark) = (number(28), number(60), number(68));
    if schema > SCHEMA {
        return Err(Error::Newer { found: schema, supported: SCHEMA });
    }
    let has_wal = fs::metadata(wal_path(path)).is_ok_and(|m| m.len() > 0);
    if length < u64::from(pages) * u64::from(PAGE_BYTES) && !has_wal {
        return Err(Error::Corrupt(format!(
            "it ends after {length} bytes of {}",
            u64::from(pages) * u64::from(PAGE_BYTES)
        )));
    }
    if mark != MARK_NEW {
        return Ok(Found::Synced);
    }
    if schema == SCHEMA {
        let template = template::bytes()?;
        let mut bytes = Vec::with_capacity(template.len());
        File::open(path)?.take(template.len() as u64 + 1).read_to_end(&mut bytes)?;
        if bytes != template {
            return Err(Error::Torn);
        }
    }
    Ok(Found::New)
}

/// Writes a new file, without a sync. A process that dies in the middle leaves none: it gets its name when it is whole.
/// What a lost file left behind must not be taken for its own.
fn create(path: &Path) -> Result<(), Error> {
    remove_beside(path)?;
    let unnamed = beside(path, "-new");
    let made = match fs::write(&unnamed, template::bytes()?) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)?;
            }
            fs::write(&unnamed, template::bytes()?)
        }
        other => other,
    };
    if let Err(error) = made.and_then(|()| fs::rename(&unnamed, path)) {
        let _ = fs::remove_file(&unnamed);
        return Err(error.into());
    }
    Ok(())
}

/// Removes a file with everything beside it. The file itself goes last: what is left after a crash in the middle is
/// found again.
pub(crate) fn remove(path: &Path) -> Result<(), Error> {
    remove_beside(path)?;
    remove_one(path)
}

fn remove_beside(path: &Path) -> Result<(), Error> {
    remove_one(&wal_path(path))?;
    remove_one(&beside(path, "-shm"))
}

fn remove_one(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

/// Afterwards the file has everything, is synced, and its WAL is empty on the disk too.
pub(crate) fn checkpoint(connection: &Connection, path: &Path, is_new: bool, faults: &Faults) -> Result<(), Error> {
    faults.hit("store.before-checkpoint")?;
    let wal = match OpenOptions::new().write(true).open(wal_path(path)) {
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        other => Some(other?),
    };
    if is_new {
        // From its first copied page on the file no longer says that it is new, so it must be whole before.
        File::open(path)?.sync_all()?;
        sync_folder(path)?;
    }
    connection.execute_batch("PRAGMA synchronous=NORMAL")?;
    let copied = copy(connection, "FULL")
        .and_then(|()| Ok(faults.hit("store.mid-checkpoint")?))
        .and_then(|()| copy(connection, "TRUNCATE"));
    connection.execute_batch("PRAGMA synchronous=OFF")?;
    copied?;
    if let Some(wal) = wal {
        wal.sync_all()?;
    }
    faults.hit("store.after-checkpoint")?;
    Ok(())
}

fn copy(connection: &Connection, how: &str) -> Result<(), Error> {
    let busy: i64 = connection.query_row(&format!("PRAGMA wal_checkpoint({how})"), (), |row| row.get(0))?;
    if busy == 0 { Ok(()) } else { Err(Error::Busy) }
}

pub(crate) fn sync_folder(path: &Path) -> Result<(), Error> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok(File::open(folder)?.sync_all()?)
}

pub(crate) fn wal_path(path: &Path) -> PathBuf {
    beside(path, "-wal")
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}
