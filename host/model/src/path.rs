//! The dotted paths by which a field is named in conflicts, changes, resolutions and errors.
//!
//! `address.city` is the field `city` of `address`. What the dots leave ambiguous is escaped the way JSON Pointer does
//! it, with the dot in the slash's place: `~0` is `~`, `~1` is `.`, and `~2` is nothing at all. The last tells a field
//! with an empty key (`~2`) from the whole thing (the empty path), and a field of `data` that is called `name`
//! (`~2name`) from the thing's own name (`name`). Writing and reading are inverse to each other.

use std::collections::BTreeMap;

/// The thing's own name, which is a column and no field of `data`.
pub const NAME: &str = "name";

/// Appends a key of `data` to the path of what holds it (empty for `data` itself).
pub fn push(path: &mut String, key: &str) {
    let top = path.is_empty();
    if !top {
        path.push('.');
    }
    if key.is_empty() || (top && key == NAME) {
        path.push_str("~2");
    }
    for c in key.chars() {
        match c {
            '~' => path.push_str("~0"),
            '.' => path.push_str("~1"),
            other => path.push(other),
        }
    }
}

/// The path of these keys of `data`.
pub fn write<'a>(keys: impl IntoIterator<Item = &'a str>) -> String {
    let mut path = String::new();
    for key in keys {
        push(&mut path, key);
    }
    path
}

/// The keys of a path below `data`; `None` when an escape is none. The thing's own name ([`NAME`]) reads as the key
/// `name`: who must tell them apart compares first.
pub fn read(path: &str) -> Option<Vec<String>> {
    if path.is_empty() { Some(Vec::new()) } else { path.split('.').map(unescape).collect() }
}

fn unescape(part: &str) -> Option<String> {
    let mut key = String::with_capacity(part.len());
    let mut chars = part.chars();
    while let Some(c) = chars.next() {
        match c {
            '~' => match chars.next()? {
                '0' => key.push('~'),
                '1' => key.push('.'),
                '2' => {}
                _ => return None,
            },
            other => key.push(other),
        }
    }
    Some(key)
}

/// Values by path, to be walked along with the data: a look-up a level instead of a path a leaf, which for deep data
/// with long keys would be far longer than the data.
#[derive(Debug)]
pub(crate) struct Tree<T> {
    pub(crate) value: Option<T>,
    below: BTreeMap<String, Tree<T>>,
}

impl<T> Tree<T> {
    pub(crate) fn new() -> Self {
        Self { value: None, below: BTreeMap::new() }
    }

    /// Paths that cannot be read, or lead deeper than any data, name nothing and are left out.
    pub(crate) fn insert(&mut self, path: &str, value: T) {
        let Some(keys) = read(path).filter(|keys| keys.len() <= types::Json::DEPTH_MAX) else { return };
        let mut at = self;
        for key in keys {
            at = at.below.entry(key).or_insert_with(Self::new);
        }
        at.value = Some(value);
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        self.below.get(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        for keys in [
            vec!["a"],
            vec!["a", "b"],
            vec!["a.b"],
            vec!["a", "", "b"],
            vec![""],
            vec!["", ""],
            vec!["~1"],
            vec!["~"],
            vec!["name"],
            vec!["a", "name"],
            vec!["name", "name"],
            vec![],
            vec!["~2name"],
            vec![".", "~0.", "é"],
        ] {
            let path = write(keys.iter().copied());
            assert_eq!(read(&path).as_deref(), Some(&keys.iter().map(|k| (*k).to_owned()).collect::<Vec<_>>()[..]));
        }
        assert_eq!(write(["address", "city"]), "address.city");
        assert_eq!(write(["a.b", "c~d"]), "a~1b.c~0d");
        assert_eq!((write(["name"]), write([""]), write([])), ("~2name".into(), "~2".into(), String::new()));
        for bad in ["~", "a.~", "~3", "a~x"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
