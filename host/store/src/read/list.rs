//! Lists of things: of one noun, on a line of sight, filtered and sorted.

use super::things::{COLUMNS, read, through};
use super::{Deleted, Line, Reader, limited};
use crate::Error;
use crate::file::Patience;
use crate::rows::branch_key;
use rusqlite::types::Value;
use types::{BranchName, Noun, ThingId, ThingRow};

/// What can be compared and sorted by.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Field {
    Id,
    Name,
    Version,
    CreatedAt,
    UpdatedAt,
    /// The keys that lead to a value in data. None has a quotation mark or a backslash in it.
    Data(Vec<String>),
}

impl Field {
    /// Levels of a path into data.
    const DEPTH_MAX: usize = 8;

    /// `name`, `updatedAt`, or a path into data like `address.city`; None when no field can be called that.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "id" => Self::Id,
            "name" => Self::Name,
            "version" => Self::Version,
            "createdAt" => Self::CreatedAt,
            "updatedAt" => Self::UpdatedAt,
            path => {
                let keys: Vec<String> = path.split('.').map(str::to_owned).collect();
                let is_key = |key: &String| !key.is_empty() && !key.contains(['"', '\\']) && key.len() <= 256;
                return (keys.len() <= Self::DEPTH_MAX && keys.iter().all(is_key)).then_some(Self::Data(keys));
            }
        })
    }
}

/// How a value is compared with a text that a person wrote: as a number when both are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Comparison {
    Is,
    IsNot,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Contains,
    StartsWith,
    /// `true`: it is there and not null.
    Exists,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ThingFilter {
    pub field: Field,
    pub comparison: Comparison,
    pub value: String,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ThingSort {
    pub field: Field,
    pub descending: bool,
}

/// Which things. Without a sort they come by id.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ThingList {
    pub noun: Noun,
    pub deleted: Deleted,
    pub filters: Vec<ThingFilter>,
    pub sort: Vec<ThingSort>,
    /// Only those after this id; for lists without a sort.
    pub after: Option<ThingId>,
    pub offset: u32,
    /// At most [`PAGE_MAX`](crate::PAGE_MAX).
    pub limit: u32,
}

/// One page.
#[derive(Clone, PartialEq, Debug)]
pub struct ThingPage {
    pub items: Vec<ThingRow>,
    /// There are more behind the last one.
    pub is_more: bool,
}

impl Reader {
    /// The newest version of each thing of a noun that a line shows.
    ///
    /// # Errors
    /// [`Error::TooMuch`] when it would have to look at too much.
    pub fn things(&self, line: &Line, list: &ThingList) -> Result<ThingPage, Error> {
        let mut sql = Sql::default();
        sql.push(&format!("SELECT {COLUMNS} "));
        push_from(&mut sql, line, list);
        push_order(&mut sql, list);
        let limit = limited(list.limit) as usize;
        let (limit_at, offset_at) = (sql.bind((limit as i64 + 1).into()), sql.bind(i64::from(list.offset).into()));
        sql.push(&format!(" LIMIT {limit_at} OFFSET {offset_at}"));
        let mut items = self.bounded(|| self.rows(&sql))?;
        let is_more = items.len() > limit;
        items.truncate(limit);
        Ok(ThingPage { items, is_more })
    }

    /// How many things such a list has, whatever its place and limit.
    ///
    /// # Errors
    /// [`Error::TooMuch`] when it would have to look at too much.
    pub fn count_things(&self, line: &Line, list: &ThingList) -> Result<u64, Error> {
        let is_plain = list.filters.is_empty() && list.deleted == Deleted::Hidden && *line == Line::main();
        if is_plain {
            return Ok(self.tally(&list.noun)?.unwrap_or(0));
        }
        let mut sql = Sql::default();
        sql.push("SELECT count(*) ");
        push_from(&mut sql, line, &ThingList { after: None, ..list.clone() });
        self.bounded(|| {
            let mut statement = self.connection.prepare_cached(&sql.text)?;
            let count: i64 = statement.query_row(rusqlite::params_from_iter(&sql.values), |row| row.get(0))?;
            Ok(count.cast_unsigned())
        })
    }

    fn rows(&self, sql: &Sql) -> Result<Vec<ThingRow>, Error> {
        let mut statement = self.connection.prepare_cached(&sql.text)?;
        let mut rows = statement.query(rusqlite::params_from_iter(&sql.values))?;
        let mut items = Vec::new();
        while let Some(row) = rows.next()? {
            items.push(read(row)?);
        }
        Ok(items)
    }

    /// Stops what takes more than [`Patience::LOOKS_MAX`].
    pub(super) fn bounded<T>(&self, ask: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
        self.patience.set(Patience::LOOKS_MAX);
        let asked = ask();
        self.patience.set(Patience::ENDLESS);
        asked.map_err(|error| match error {
            Error::Sqlite(rusqlite::Error::SqliteFailure(e, _))
                if e.code == rusqlite::ErrorCode::OperationInterrupted =>
            {
                Error::TooMuch
            }
            other => other,
        })
    }
}

/// Text with numbered places for values.
#[derive(Default)]
struct Sql {
    text: String,
    values: Vec<Value>,
}

impl Sql {
    fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// The place of a value.
    fn bind(&mut self, value: Value) -> String {
        self.values.push(value);
        format!("?{}", self.values.len())
    }

    fn bind_text(&mut self, text: &str) -> String {
        self.bind(Value::Text(text.to_owned()))
    }
}

fn push_from(sql: &mut Sql, line: &Line, list: &ThingList) {
    let noun = sql.bind_text(list.noun.as_str());
    let after = list.after.as_ref().map(|id| sql.bind_text(id.as_str()));
    let after = after.map_or_else(String::new, |place| format!(" AND id > {place}"));
    match line.spans.as_slice() {
        [only] if only.through == u64::MAX => {
            let branch = sql.bind_text(branch_key(only.branch.as_ref()));
            sql.push(&format!(
                "FROM (SELECT id, version FROM heads WHERE branch = {branch} AND type = {noun}{after}) k \
                 JOIN things t ON t.version = k.version WHERE true"
            ));
        }
        spans => {
            let ids: Vec<_> = spans
                .iter()
                .map(|span| {
                    let branch = sql.bind_text(branch_key(span.branch.as_ref()));
                    format!("SELECT id FROM heads WHERE branch = {branch} AND type = {noun}{after}")
                })
                .collect();
            let newest: Vec<_> = spans
                .iter()
                .map(|span| {
                    let branch = sql.bind(
                        span.branch.as_ref().map_or(Value::Null, |b: &BranchName| Value::Text(b.as_str().to_owned())),
                    );
                    let low = sql.bind(through(span.after).into());
                    let high = sql.bind(through(span.through).into());
                    format!(
                        "(SELECT max(version) FROM things WHERE type = {noun} AND id = i.id AND branch IS {branch} \
                         AND version > {low} AND version <= {high})"
                    )
                })
                .collect();
            let newest = if newest.len() == 1 { newest[0].clone() } else { format!("coalesce({})", newest.join(", ")) };
            sql.push(&format!(
                "FROM (SELECT i.id AS id, {newest} AS version FROM ({} ORDER BY id) i) k \
                 JOIN things t ON t.version = k.version WHERE true",
                ids.join(" UNION ")
            ));
        }
    }
    if list.deleted == Deleted::Hidden {
        sql.push(" AND t.deleted = 0");
    }
    for filter in &list.filters {
        push_filter(sql, filter);
    }
}

fn column(sql: &mut Sql, field: &Field) -> String {
    match field {
        Field::Id => "t.id".into(),
        Field::Name => "t.name".into(),
        Field::Version => "t.version".into(),
        Field::CreatedAt => "coalesce(t.bornAt, t.createdAt)".into(),
        Field::UpdatedAt => "t.createdAt".into(),
        Field::Data(keys) => {
            let path = sql.bind_text(&path(keys));
            format!("(t.data ->> {path})")
        }
    }
}

fn path(keys: &[String]) -> String {
    keys.iter().fold("$".to_owned(), |path, key| format!("{path}.\"{key}\""))
}

fn push_filter(sql: &mut Sql, filter: &ThingFilter) {
    let column = column(sql, &filter.field);
    let kind = match &filter.field {
        Field::Data(keys) => {
            let path = sql.bind_text(&path(keys));
            format!("json_type(t.data, {path})")
        }
        Field::Id | Field::Name | Field::Version | Field::CreatedAt | Field::UpdatedAt => format!("typeof({column})"),
    };
    let value = sql.bind_text(&filter.value);
    let is_number = filter.value.parse::<f64>().is_ok_and(f64::is_finite);
    let ordered = |operator: &str| {
        if is_number {
            format!("({kind} IN ('integer', 'real') AND {column} {operator} CAST({value} AS NUMERIC))")
        } else {
            format!("({kind} = 'text' AND {column} {operator} {value})")
        }
    };
    let is = if is_number {
        format!("({} OR ({kind} = 'text' AND {column} = {value}))", ordered("="))
    } else {
        format!(
            "(({kind} = 'text' AND {column} = {value}) OR ({kind} = {value} AND {value} IN ('true', 'false', 'null')))"
        )
    };
    let condition = match filter.comparison {
        Comparison::Is => is,
        // What is not there is something else too.
        Comparison::IsNot => format!("NOT coalesce({is}, false)"),
        Comparison::Less => ordered("<"),
        Comparison::LessOrEqual => ordered("<="),
        Comparison::Greater => ordered(">"),
        Comparison::GreaterOrEqual => ordered(">="),
        Comparison::Contains => format!("instr({column}, {value}) > 0"),
        Comparison::StartsWith => format!("substr({column}, 1, length({value})) = {value}"),
        Comparison::Exists => format!("(({column} IS NOT NULL) = ({value} IN ('true', '1')))"),
    };
    sql.push(&format!(" AND {condition}"));
}

fn push_order(sql: &mut Sql, list: &ThingList) {
    sql.push(" ORDER BY ");
    for sort in &list.sort {
        let column = match &sort.field {
            // Versions grow with time, and they are the key of the table.
            Field::UpdatedAt => "t.version".to_owned(),
            other => column(sql, other),
        };
        sql.push(&format!("{column} {}, ", if sort.descending { "DESC" } else { "ASC" }));
    }
    sql.push("k.id");
}
