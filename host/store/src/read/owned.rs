//! What an object has beside its things: other objects, keys, secrets.

use super::{Page, Reader, column, limited, page};
use crate::Error;
use crate::rows::Blob;
use rusqlite::Row;
use types::{Hash, Id, KeyRow, Namespace, ObjectId, ObjectRelation, ObjectRow, Place, Scopes, Timestamp};

const OBJECT: &str = "ns, id, class, relation, parent, createdAt, deleted, region, \"primary\", shardKey, shardIndex";
/// Rows that are looked at to count some of them.
const COUNTED_MAX: u32 = 100_000;
const KEY: &str = "id, name, hash, start, scopes, createdBy, createdAt, expiresAt, revokedAt, subject";

impl Reader {
    pub fn object_at(&self, namespace: &Namespace) -> Result<Option<ObjectRow>, Error> {
        self.first(&format!("SELECT {OBJECT} FROM objects WHERE ns = ?1"), &[&namespace.as_str()], read_object)
    }

    /// Every pointer to another object, the deleted ones too, by namespace; go on after `after`.
    pub fn objects(&self, after: Option<&Namespace>, limit: u32) -> Result<Page<ObjectRow, Namespace>, Error> {
        let limit = limited(limit);
        let sql = format!("SELECT {OBJECT} FROM objects WHERE ns > ?1 ORDER BY ns LIMIT ?2");
        let after = after.map_or("", Namespace::as_str);
        Ok(page(self.list(&sql, &[&after, &(limit + 1)], read_object)?, limit, |o| o.namespace.clone()))
    }

    /// How many children an object has, by its own rows. Of the first [`COUNTED_MAX`] rows: the root has one for each
    /// object of the installation.
    pub fn children_of(&self, parent: &Namespace) -> Result<u64, Error> {
        let sql = "SELECT count(*) FROM (SELECT relation, parent, deleted FROM objects LIMIT ?2)
                   WHERE relation = 'child' AND parent = ?1 AND deleted = 0";
        let count = self.first(sql, &[&parent.as_str(), &COUNTED_MAX], |row| column::number(row, 0))?;
        Ok(count.unwrap_or(0))
    }

    /// Since when the name of a destroyed object rests.
    pub fn destroyed_at(&self, namespace: &Namespace) -> Result<Option<Timestamp>, Error> {
        let sql = "SELECT destroyedAt FROM objects WHERE ns = ?1";
        Ok(self.first(sql, &[&namespace.as_str()], |row| column::optional_time(row, 0))?.flatten())
    }

    /// Which state of which object it was made of, or made from this one; `https://a.b@v7`.
    pub fn forked_from(&self, namespace: &Namespace) -> Result<Option<String>, Error> {
        let sql = "SELECT forkedFrom FROM objects WHERE ns = ?1";
        Ok(self.first(sql, &[&namespace.as_str()], |row| Ok(row.get(0)?))?.flatten())
    }

    /// Whether an object of the registry stands below this one.
    pub fn has_objects_below(&self, parent: &Namespace) -> Result<bool, Error> {
        let sql = "SELECT 1 FROM objects WHERE parent = ?1 AND deleted = 0 LIMIT 1";
        Ok(self.first(sql, &[&parent.as_str()], |_| Ok(()))?.is_some())
    }

    /// Objects that are kept in a location that was named; go on after `after`.
    pub fn objects_elsewhere(
        &self,
        after: Option<&Namespace>,
        limit: u32,
    ) -> Result<Page<ObjectRow, Namespace>, Error> {
        let limit = limited(limit);
        let sql = format!(
            "SELECT {OBJECT} FROM objects WHERE ns > ?1 AND region IS NOT NULL AND deleted = 0 ORDER BY ns LIMIT ?2"
        );
        let after = after.map_or("", Namespace::as_str);
        Ok(page(self.list(&sql, &[&after, &(limit + 1)], read_object)?, limit, |o| o.namespace.clone()))
    }

    pub fn key(&self, id: Id) -> Result<Option<KeyRow>, Error> {
        self.first(&format!("SELECT {KEY} FROM keys WHERE id = ?1"), &[&Blob::of(id)], read_key)
    }

    /// Revoked and expired ones too: whether it opens anything is the caller's to say.
    pub fn key_by_hash(&self, hash: &Hash) -> Result<Option<KeyRow>, Error> {
        self.first(&format!("SELECT {KEY} FROM keys WHERE hash = ?1"), &[&&hash.as_bytes()[..]], read_key)
    }

    /// All keys, oldest first; go on after `after`.
    pub fn keys(&self, after: Option<Id>, limit: u32) -> Result<Page<KeyRow, Id>, Error> {
        let limit = limited(limit);
        let sql = format!("SELECT {KEY} FROM keys WHERE id > ?1 ORDER BY id LIMIT ?2");
        let after = Blob::of(after.unwrap_or(Id::from_u128(0)));
        Ok(page(self.list(&sql, &[&after, &(limit + 1)], read_key)?, limit, |k| k.id))
    }

    /// The ciphertext of a secret.
    pub fn secret(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        self.first("SELECT sealed FROM secrets WHERE name = ?1", &[&name], |row| Ok(row.get(0)?))
    }

    /// By name; go on after `after`.
    pub fn secret_names(&self, after: Option<&str>, limit: u32) -> Result<Page<String, String>, Error> {
        let limit = limited(limit);
        let sql = "SELECT name FROM secrets WHERE name > ?1 ORDER BY name LIMIT ?2";
        let names = self.list(sql, &[&after.unwrap_or(""), &(limit + 1)], |row| Ok(row.get::<_, String>(0)?))?;
        Ok(page(names, limit, String::clone))
    }
}

fn read_object(row: &Row<'_>) -> Result<ObjectRow, Error> {
    let namespace = |text: String| Namespace::parse(&text).ok();
    Ok(ObjectRow {
        namespace: column::parsed(row, 0, "ns", namespace)?,
        id: ObjectId::from_u128(u128::from_be_bytes(row.get(1)?)),
        class: row.get(2)?,
        relation: column::parsed(row, 3, "relation", |text: String| ObjectRelation::parse(&text))?,
        parent: column::optional(row, 4, "parent", namespace)?,
        created_at: column::time(row, 5)?,
        deleted: row.get(6)?,
        place: Place { region: row.get(7)?, primary: row.get(8)?, shard_key: row.get(9)?, shard_index: row.get(10)? },
    })
}

fn read_key(row: &Row<'_>) -> Result<KeyRow, Error> {
    Ok(KeyRow {
        id: column::id(row, 0)?,
        name: row.get(1)?,
        hash: Hash::from_bytes(row.get(2)?),
        start: row.get(3)?,
        scopes: column::parsed(row, 4, "scopes", |text: String| serde_json::from_str::<Scopes>(&text).ok())?,
        created_by: row.get(5)?,
        created_at: column::time(row, 6)?,
        expires_at: column::optional_time(row, 7)?,
        revoked_at: column::optional_time(row, 8)?,
        subject: column::optional(row, 9, "subject", |text: String| text.parse().ok())?,
    })
}
