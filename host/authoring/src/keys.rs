//! Which keys a `function.toml` may have. An unknown one is an error with its line and the nearest one that exists.

use toml::de::{DeTable, DeValue};

const ROOT: &[&str] = &["name", "language", "kind", "build", "manifest"];
const BUILD: &[&str] = &["entry", "world", "engine", "command", "output", "watch"];
const MANIFEST: &[&str] = &["description", "allow", "secrets", "env", "tmp", "assets", "input", "output", "limits"];
const ALLOW: &[&str] = &["url", "methods", "private"];
const SECRETS: &[&str] = &["name", "hosts"];
const LIMITS: &[&str] = &["memory-mb", "cpu-ms", "timeout-ms"];

/// The first key that is not known: where it begins, as a byte of the text, and what to say.
pub(crate) fn unknown(root: &DeTable<'_>) -> Option<(usize, String)> {
    let sub = |table: &DeTable<'_>, key: &str, keys: &[&str], path: &str| {
        table.get(key).and_then(|v| in_value(v.get_ref(), keys, path))
    };
    in_table(root, ROOT, "").or_else(|| sub(root, "build", BUILD, "build")).or_else(|| {
        let manifest = root.get("manifest")?.get_ref().as_table()?;
        in_table(manifest, MANIFEST, "manifest")
            .or_else(|| sub(manifest, "allow", ALLOW, "manifest.allow"))
            .or_else(|| sub(manifest, "secrets", SECRETS, "manifest.secrets"))
            .or_else(|| sub(manifest, "limits", LIMITS, "manifest.limits"))
    })
}

fn in_value(value: &DeValue<'_>, keys: &[&str], path: &str) -> Option<(usize, String)> {
    if let Some(table) = value.as_table() {
        return in_table(table, keys, path);
    }
    value.as_array()?.iter().find_map(|item| in_table(item.get_ref().as_table()?, keys, path))
}

fn in_table(table: &DeTable<'_>, keys: &[&str], path: &str) -> Option<(usize, String)> {
    let key = table.keys().find(|key| !keys.contains(&key.get_ref().as_ref()))?;
    let name = key.get_ref();
    let place = if path.is_empty() { String::new() } else { format!(" in [{path}]") };
    let known = match nearest(name, keys) {
        Some(near) => format!("did you mean {near:?}?"),
        None => format!("known are {}", keys.join(", ")),
    };
    Some((key.span().start, format!("unknown key {name:?}{place}; {known}")))
}

/// The candidate that somebody may have meant, if any is close.
pub(crate) fn nearest<'a>(asked: &str, candidates: &[&'a str]) -> Option<&'a str> {
    const SIMILAR_MIN: f64 = 0.6;
    let similar = |c: &&str| strsim::normalized_damerau_levenshtein(asked, c);
    let best = candidates.iter().copied().max_by(|a, b| similar(a).total_cmp(&similar(b)))?;
    (similar(&best) >= SIMILAR_MIN).then_some(best)
}
