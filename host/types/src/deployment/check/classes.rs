//! Classes: every binding's class must have come from somewhere (spec CFG-3).

use super::super::{ClassStep, Deployment, Migration};
use super::Found;
use std::collections::BTreeSet;

/// Every object knows them (spec CLS-1).
pub const BUILTIN_CLASSES: [&str; 14] = [
    "DO",
    "Object",
    "Business",
    "App",
    "SaaS",
    "Site",
    "Worker",
    "Agent",
    "Human",
    "Entity",
    "Collection",
    "Directory",
    "Package",
    "Service",
];

pub(super) fn check(deployment: &Deployment, found: &mut Found) {
    if !deployment.migrations.is_empty() && !deployment.classes.is_empty() {
        found.add("classes", "migrations and exports say the same thing in two ways; keep one of them");
    }
    found.unique("migrations", "tag", deployment.migrations.iter().map(|m| m.tag.clone()));
    found.unique("classes", "class", deployment.classes.iter().map(|c| c.class.clone()));
    found.unique("objects", "binding", deployment.objects.iter().map(|o| o.binding.clone()));
    let mut classes = history(&deployment.migrations, found);
    for (n, class) in deployment.classes.iter().enumerate() {
        let path = format!("classes[{n}]");
        match class.state {
            ClassStep::Created => {
                classes.insert(&class.class);
            }
            ClassStep::Deleted => {}
            ClassStep::Renamed | ClassStep::Transferred => {
                if class.from.is_none() {
                    found.add(&path, "a class that is renamed or transferred says from what, with from");
                }
                if class.state == ClassStep::Transferred && class.from_app.is_none() {
                    found.add(&path, "a class that is transferred says from which application, with from_app");
                }
                classes.insert(&class.class);
            }
        }
    }
    for (n, object) in deployment.objects.iter().enumerate() {
        let class = object.class.as_str();
        if !BUILTIN_CLASSES.contains(&class) && !classes.contains(class) {
            let message = format!("no migration makes the class {class:?}; add it to new_classes of a new one");
            found.add(format!("objects[{n}].class"), message);
        }
        if let Some(base) = object.extends.as_deref().filter(|base| !BUILTIN_CLASSES.contains(base)) {
            let message = format!("{base:?} is no class to extend; there are {}", BUILTIN_CLASSES.join(", "));
            found.add(format!("objects[{n}].extends"), message);
        }
    }
}

/// The classes that are there after all of them.
fn history<'a>(migrations: &'a [Migration], found: &mut Found) -> BTreeSet<&'a str> {
    let mut classes: BTreeSet<&str> = BTreeSet::new();
    for (n, migration) in migrations.iter().enumerate() {
        let path = |member: &str| format!("migrations[{n}].{member}");
        if migration.tag.trim().is_empty() {
            found.add(path("tag"), "a migration has a tag, like v1");
        }
        for class in &migration.new_classes {
            if BUILTIN_CLASSES.contains(&class.as_str()) {
                found.add(path("newClasses"), format!("{class:?} is built in and needs no migration"));
            } else if !classes.insert(class) {
                found.add(path("newClasses"), format!("the class {class:?} is there already"));
            }
        }
        for rename in &migration.renamed {
            if !classes.remove(rename.from.as_str()) {
                found.add(path("renamed"), format!("there is no class {:?} to rename here", rename.from));
            }
            if !classes.insert(&rename.to) {
                found.add(path("renamed"), format!("the class {:?} is there already", rename.to));
            }
        }
        for class in &migration.deleted {
            if !classes.remove(class.as_str()) {
                found.add(path("deleted"), format!("there is no class {class:?} to delete here"));
            }
        }
        for transfer in &migration.transferred {
            if !classes.insert(&transfer.to) {
                found.add(path("transferred"), format!("the class {:?} is there already", transfer.to));
            }
        }
    }
    classes
}
