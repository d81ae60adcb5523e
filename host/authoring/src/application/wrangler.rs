//! A `wrangler.toml` read into a `do.toml` (spec CFG-4): what both can say is written down, and of all else it is said,
//! with its line, that it was left out.

use super::read::lines_of;
use super::{Application, Complaint};
use std::borrow::Cow;
use std::fmt::Write as _;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};
use types::Class;

/// A `do.toml` that was made of a `wrangler.toml`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Imported {
    /// Its text.
    pub file: String,
    /// What could not be taken over as it stands, by the lines of the `wrangler.toml`.
    pub warnings: Vec<Complaint>,
}

/// Reads the text of a `wrangler.toml`.
///
/// # Errors
/// That it is no TOML, by line, or too long.
pub fn import_wrangler(text: &str) -> Result<Imported, Vec<Complaint>> {
    let complaint = |line: usize, message: String| Complaint { file: None, line, path: String::new(), message };
    if text.len() > Application::BYTES_MAX {
        let message = format!("the file is over its limit of {} KiB", Application::BYTES_MAX >> 10);
        return Err(vec![complaint(1, message)]);
    }
    let lines = lines_of(text);
    let line = |byte: usize| lines.partition_point(|begin| *begin <= byte);
    let (root, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        let told =
            |e: &toml::de::Error| complaint(line(e.span().map_or(0, |s| s.start)), e.message().trim().to_owned());
        return Err(errors.iter().map(told).collect());
    }
    let mut import =
        Import { line: &line, prefix: String::new(), keys: String::new(), tables: String::new(), warnings: Vec::new() };
    let root = root.into_inner();
    import.root(&root);
    let mut file = std::mem::take(&mut import.keys) + &std::mem::take(&mut import.tables);
    if let Some(envs) = root.get("env") {
        for (name, env) in import.table_of(envs, "env").into_iter().flatten() {
            let path = format!("env.{}", name.get_ref());
            let Some(env) = import.table_of(env, &path) else { continue };
            import.prefix = format!("env.{}.", quoted_key(name.get_ref()));
            import.root(env);
            let (keys, tables) = (std::mem::take(&mut import.keys), std::mem::take(&mut import.tables));
            let head = import.prefix.trim_end_matches('.');
            file += &format!("\n[{head}]\n{keys}{tables}");
        }
    }
    let mut warnings = import.warnings;
    warnings.sort_by_key(|warning| warning.line);
    Ok(Imported { file, warnings })
}

struct Import<'l> {
    line: &'l dyn Fn(usize) -> usize,
    /// Of the environment that is read.
    prefix: String,
    /// What stands before the first table.
    keys: String,
    tables: String,
    warnings: Vec<Complaint>,
}

type Value<'i> = Spanned<DeValue<'i>>;

impl Import<'_> {
    fn root(&mut self, root: &DeTable<'_>) {
        for (key, value) in root {
            let name = key.get_ref().as_ref();
            match name {
                "name" | "compatibility_date" => self.key(name, value),
                "compatibility_flags" => self.key(name, value),
                "main" => self.left(key, name, "it is a script; main of a do.toml is a project's folder or a component, which you name yourself"),
                "durable_objects" => self.objects(value),
                "migrations" => self.migrations(value),
                "pipelines" => self.pipelines(value),
                "r2_buckets" => self.buckets(value),
                "vars" => self.vars(value),
                "build" => self.build(value),
                "triggers" => self.left(key, name, "each of its crons becomes an [[every]] with a handler of yours, like schedule = \"0 6 * * *\", handler = \"tick\""),
                "env" if self.prefix.is_empty() => {}
                _ => self.left(key, name, "a do.toml has nothing for it"),
            }
        }
    }

    /// Says that something is not in the file.
    fn left(&mut self, at: &Spanned<impl AsRef<str>>, path: &str, why: &str) {
        self.warn(at.span().start, path, &format!("is left out: {why}"));
    }

    fn warn(&mut self, byte: usize, path: &str, message: &str) {
        let path = format!("{}{path}", self.prefix);
        let message = format!("{path} {message}");
        self.warnings.push(Complaint { file: None, line: (self.line)(byte), path, message });
    }

    fn key(&mut self, name: &str, value: &Value<'_>) {
        match plain(value.get_ref()) {
            Some(text) => drop(writeln!(self.keys, "{name} = {text}")),
            None => self.warn(value.span().start, name, "is left out: it is no plain value or list of such"),
        }
    }

    fn table_of<'v, 'i>(&mut self, value: &'v Value<'i>, path: &str) -> Option<&'v DeTable<'i>> {
        let table = value.get_ref().as_table();
        if table.is_none() {
            self.warn(value.span().start, path, "is left out: it is no table");
        }
        table
    }

    fn tables_of<'v, 'i>(&mut self, value: &'v Value<'i>, path: &str) -> Vec<(String, usize, &'v DeTable<'i>)> {
        let Some(items) = value.get_ref().as_array() else {
            self.warn(value.span().start, path, "is left out: it is no list of tables");
            return Vec::new();
        };
        let mut tables = Vec::new();
        for (n, item) in items.iter().enumerate() {
            let path = format!("{path}[{n}]");
            let table = self.table_of(item, &path);
            tables.extend(table.map(|table| (path, item.span().start, table)));
        }
        tables
    }

    /// The members of a table under the names that a `do.toml` has for them; what has none is told.
    fn members(&mut self, path: &str, table: &DeTable<'_>, names: &[(&str, &str)]) -> String {
        let mut text = String::new();
        for (key, value) in table {
            let name = key.get_ref().as_ref();
            let at = format!("{path}.{name}");
            match (names.iter().find(|(from, _)| *from == name), plain(value.get_ref())) {
                (Some((_, to)), Some(value)) => drop(writeln!(text, "{to} = {value}")),
                (Some(_), None) => self.left(key, &at, "it is no plain value or list of such"),
                (None, _) => self.left(key, &at, "a do.toml has nothing for it"),
            }
        }
        text
    }

    fn list(&mut self, section: &str, members: &str) {
        let _ = write!(self.tables, "\n[[{}{section}]]\n{members}", self.prefix);
    }

    fn objects(&mut self, value: &Value<'_>) {
        let Some(table) = self.table_of(value, "durable_objects") else { return };
        for (key, value) in table {
            if key.get_ref() != "bindings" {
                let path = format!("durable_objects.{}", key.get_ref());
                self.left(key, &path, "a do.toml has nothing for it");
                continue;
            }
            for (path, _, binding) in self.tables_of(value, "durable_objects.bindings") {
                let members = self.members(&path, binding, &[("name", "binding"), ("class_name", "class")]);
                self.list("objects", &members);
            }
        }
    }

    fn migrations(&mut self, value: &Value<'_>) {
        for (path, _, migration) in self.tables_of(value, "migrations") {
            let mut inner = String::new();
            let mut own = DeTable::new();
            for (key, value) in migration {
                let (name, names): (&str, &[(&str, &str)]) = match key.get_ref().as_ref() {
                    "renamed_classes" => ("renamed", &[("from", "from"), ("to", "to")]),
                    "transferred_classes" => {
                        ("transferred", &[("from", "from"), ("from_script", "from_app"), ("to", "to")])
                    }
                    "new_classes" | "new_sqlite_classes" => {
                        own.extend(self.own_classes(&path, key, value));
                        continue;
                    }
                    _ => {
                        own.insert(key.clone(), value.clone());
                        continue;
                    }
                };
                for (path, _, table) in self.tables_of(value, &format!("{path}.{}", key.get_ref())) {
                    let members = self.members(&path, table, names);
                    let _ = write!(inner, "[[{}migrations.{name}]]\n{members}", self.prefix);
                }
            }
            let names = [
                ("tag", "tag"),
                ("new_classes", "new_classes"),
                ("new_sqlite_classes", "new_sqlite_classes"),
                ("deleted_classes", "deleted"),
            ];
            let is_tag_only = own.keys().all(|key| key.get_ref() == "tag") && inner.is_empty();
            if !is_tag_only {
                let members = self.members(&path, &own, &names) + &inner;
                self.list("migrations", &members);
            }
        }
    }

    /// The classes that a migration makes, without those that are built in; None: there are none.
    fn own_classes<'i>(
        &mut self,
        path: &str,
        key: &Spanned<Cow<'i, str>>,
        value: &Value<'i>,
    ) -> Option<(Spanned<Cow<'i, str>>, Value<'i>)> {
        let mut value = value.clone();
        if let DeValue::Array(classes) = value.get_mut() {
            let is_builtin = |class: &Value<'i>| class.get_ref().as_str().is_some_and(|c| Class::parse(c).is_some());
            let known: Vec<String> = classes
                .iter()
                .filter(|c| is_builtin(c))
                .filter_map(|c| Some(c.get_ref().as_str()?.to_owned()))
                .collect();
            let mut left = DeArray::new();
            classes.iter().filter(|class| !is_builtin(class)).for_each(|class| left.push(class.clone()));
            *classes = left;
            if !known.is_empty() {
                let message =
                    format!("makes {}, which are built in here and need no migration: left out", known.join(", "));
                self.warn(key.span().start, &format!("{path}.{}", key.get_ref()), &message);
            }
            if classes.is_empty() {
                return None;
            }
        }
        Some((key.clone(), value))
    }

    /// Events go to one sink: the first pipeline says that there is one.
    fn pipelines(&mut self, value: &Value<'_>) {
        for (n, (path, byte, table)) in self.tables_of(value, "pipelines").into_iter().enumerate() {
            if n > 0 {
                self.warn(byte, &path, "is left out: a do.toml has one sink for events");
                continue;
            }
            let called = ["name", "pipeline", "stream"].into_iter().find_map(|key| table.get(key)?.get_ref().as_str());
            let _ = write!(self.tables, "\n[{}events]\nsink = \"iceberg\"\n", self.prefix);
            let message = match called {
                Some(name) => format!(
                    "becomes [events] sink = \"iceberg\"; its name {name:?} is left out: name the catalog and the warehouse there"
                ),
                None => "becomes [events] sink = \"iceberg\"; name the catalog and the warehouse there".to_owned(),
            };
            self.warn(byte, &path, &message);
            for (key, _) in
                table.iter().filter(|(key, _)| !["name", "pipeline", "stream"].contains(&key.get_ref().as_ref()))
            {
                let path = format!("{path}.{}", key.get_ref());
                self.left(key, &path, "events reach the sink by themselves");
            }
        }
    }

    fn buckets(&mut self, value: &Value<'_>) {
        for (path, _, bucket) in self.tables_of(value, "r2_buckets") {
            let members = self.members(&path, bucket, &[("binding", "binding"), ("bucket_name", "name")]);
            self.list("buckets", &members);
        }
    }

    fn vars(&mut self, value: &Value<'_>) {
        let Some(table) = self.table_of(value, "vars") else { return };
        let _ = write!(self.tables, "\n[{}vars]\n", self.prefix);
        for (key, value) in table {
            let is_one = !matches!(value.get_ref(), DeValue::Array(_) | DeValue::Table(_) | DeValue::Datetime(_));
            match plain(value.get_ref()).filter(|_| is_one) {
                Some(text) => drop(writeln!(self.tables, "{} = {text}", quoted_key(key.get_ref()))),
                None => {
                    self.left(key, &format!("vars.{}", key.get_ref()), "a variable is a text, a number, true or false")
                }
            }
        }
    }

    fn build(&mut self, value: &Value<'_>) {
        let Some(table) = self.table_of(value, "build") else { return };
        let members = self.members("build", table, &[("command", "command")]);
        if !members.is_empty() {
            let _ = write!(self.tables, "\n[{}build]\n{members}", self.prefix);
        }
    }
}

/// A value as TOML that stands on one line; None: a table.
fn plain(value: &DeValue<'_>) -> Option<String> {
    Some(match value {
        DeValue::String(text) => toml::Value::from(text.as_ref()).to_string(),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix()).ok()?.to_string(),
        DeValue::Float(number) => number.as_str().to_owned(),
        DeValue::Boolean(value) => value.to_string(),
        DeValue::Datetime(time) => time.to_string(),
        DeValue::Array(items) => {
            let items: Option<Vec<String>> = items.iter().map(|item| plain(item.get_ref())).collect();
            format!("[{}]", items?.join(", "))
        }
        DeValue::Table(_) => return None,
    })
}

fn quoted_key(key: &str) -> String {
    let is_bare = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
    if is_bare { key.to_owned() } else { toml::Value::from(key).to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    const FOUNDING: &str = include_str!("../../tests/data/wrangler.toml");

    fn no_files(path: &Path) -> Result<String, String> {
        Err(format!("there is no file {}", path.display()))
    }

    fn said(imported: &Imported) -> Vec<String> {
        imported.warnings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_founding_file_has_eight_classes_a_sink_and_a_bucket() {
        let imported = import_wrangler(FOUNDING).unwrap();
        let read = Application::parse(&imported.file, None, &mut no_files)
            .unwrap_or_else(|c| panic!("{c:#?}\n{}", imported.file));
        assert_eq!(read.deployment.objects.len(), 8);
        assert_eq!(read.deployment.objects[0].binding, "BUSINESS");
        assert!(read.deployment.migrations.is_empty(), "all of them are built in");
        assert_eq!(read.deployment.compatibility_date.as_deref(), Some("2024-11-12"));
        assert_eq!(imported.file.matches("sink = \"iceberg\"").count(), 1);
        assert!(
            imported.file.contains("[[buckets]]\nbinding = \"ANALYTICS\"\nname = \"analytics\"\n"),
            "{}",
            imported.file
        );
        let told = said(&imported);
        assert!(told[0].starts_with("2: main is left out"), "{told:#?}");
        assert!(told[1].starts_with("20: migrations[0].new_sqlite_classes makes Business, App"), "{told:#?}");
        let sink = |t: &String| t.starts_with("22: pipelines[0] becomes [events]") && t.contains("\"events\"");
        assert!(told.iter().any(sink), "{told:#?}");
        assert!(told.iter().any(|t| t.contains("pipelines[0].binding is left out")), "{told:#?}");
        assert_eq!(told.len(), 4, "{told:#?}");
    }

    #[test]
    fn what_cannot_be_taken_over_is_told_with_its_line() {
        let text = "name = \"a\"\nkv_namespaces = [{ binding = \"K\" }]\n[triggers]\ncrons = [\"0 6 * * *\"]\n[vars]\nA = 1\n\"b c\" = \"x\\\"\"\nO = { x = 1 }\n\
            [[durable_objects.bindings]]\nname = \"B\"\nclass_name = \"C\"\nscript_name = \"other\"\n[[migrations]]\ntag = \"v1\"\n\
            new_classes = [\"C\"]\nrenamed_classes = [{ from = \"D\", to = \"E\" }]\n[env.dev.vars]\nA = true\n[env.dev.site]\nbucket = \"x\"\n";
        let imported = import_wrangler(text).unwrap();
        let expected = [
            "2: kv_namespaces is left out",
            "3: triggers is left out",
            "8: vars.O is left out",
            "12: durable_objects.bindings[0].script_name is left out",
            "19: env.dev.site is left out",
        ];
        let told = said(&imported);
        assert_eq!(told.len(), expected.len(), "{told:#?}");
        for (told, expected) in told.iter().zip(expected) {
            assert!(told.starts_with(expected), "{told}: {expected}");
        }
        let file: toml::Table = imported.file.parse().unwrap();
        assert_eq!(file["vars"]["b c"].as_str(), Some("x\""));
        assert_eq!(file["env"]["dev"]["vars"]["A"].as_bool(), Some(true));
        assert_eq!(file["migrations"][0]["renamed"][0]["to"].as_str(), Some("E"));
        assert_eq!(import_wrangler("a = [").unwrap_err()[0].line, 1);
    }
}
