//! What a JSON Schema may cost.
//!
//! References make a small schema large: definitions that use each other twice double with each level, one that leads
//! to itself at the same place never ends, and one that leads to itself twice below the same place doubles with each
//! level of the *data*. The validator has no bound of its own for any of these, so such schemas are refused here: then
//! a check applies at most [`APPLIED_MAX`] subschemas to each value.
//!
//! The walk below expands references from the root and stops at the first one that returns to a schema it is inside of.

use crate::quote;
use serde_json::Value;

/// Subschemas after expanding the references.
pub(super) const APPLIED_MAX: usize = 2000;

/// Places at which a schema returns to one it is inside of; each is compared with each.
const RETURNS_MAX: usize = 64;

/// Levels of subschemas and references; what is deeper is no schema of data that is 64 deep.
const LEVELS_MAX: usize = 200;

/// A step from a value to what lies in it. Steps that may lead to the same place [overlap](Step::overlaps).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step<'a> {
    Property(&'a str),
    AnyProperty,
    Item,
}

impl Step<'_> {
    fn overlaps(self, other: Self) -> bool {
        match (self, other) {
            (Self::Property(a), Self::Property(b)) => a == b,
            (Self::Item, Self::Item) => true,
            (Self::AnyProperty, Self::Property(_) | Self::AnyProperty) | (Self::Property(_), Self::AnyProperty) => true,
            (Self::Item, Self::Property(_) | Self::AnyProperty)
            | (Self::Property(_) | Self::AnyProperty, Self::Item) => false,
        }
    }
}

struct Walk<'a> {
    root: &'a Value,
    applied: usize,
    alternatives: bool,
    levels: usize,
    /// The steps from the root's value to the one being walked.
    steps: Vec<Step<'a>>,
    /// The schemas the walk is inside of, and how many steps led to each.
    inside: Vec<(*const Value, usize)>,
    /// The places where a reference returned to one of these.
    returns: Vec<Vec<Step<'a>>>,
}

/// What a check against a schema costs at most.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cost {
    /// Subschemas that may be applied to one value.
    pub(super) applied: usize,
    /// Whether there are alternatives (`anyOf`, `oneOf`), of which the validator remembers every failure of each.
    pub(super) alternatives: bool,
}

/// The cost of a schema every check against which ends soon; else what is wrong with it.
pub(super) fn check(schema: &Value) -> Result<Cost, String> {
    let mut walk = Walk {
        root: schema,
        applied: 0,
        alternatives: false,
        levels: 0,
        steps: Vec::new(),
        inside: Vec::new(),
        returns: Vec::new(),
    };
    walk.schema(schema)?;
    for (at, a) in walk.returns.iter().enumerate() {
        for b in walk.returns.iter().skip(at + 1) {
            // One leading through the other: the schema would be applied twice there, four times a level deeper.
            if a.iter().zip(b).all(|(a, b)| a.overlaps(*b)) {
                return Err(
                    "the schema refers to itself in two ways that can meet at one place, which would be checked \
                            ever more often the deeper the data is; refer to itself once under each property"
                        .to_owned(),
                );
            }
        }
    }
    Ok(Cost { applied: walk.applied, alternatives: walk.alternatives })
}

impl<'a> Walk<'a> {
    fn schema(&mut self, schema: &'a Value) -> Result<(), String> {
        let Value::Object(map) = schema else { return Ok(()) };
        self.applied += 1;
        if self.applied > APPLIED_MAX {
            return Err(format!("with its references written out the schema has more than {APPLIED_MAX} parts"));
        }
        if self.levels >= LEVELS_MAX {
            return Err(format!("the schema's parts lie more than {LEVELS_MAX} deep in each other"));
        }
        self.levels += 1;
        self.inside.push((std::ptr::from_ref(schema), self.steps.len()));
        for (key, value) in map {
            self.keyword(key, value)?;
        }
        self.inside.pop();
        self.levels -= 1;
        Ok(())
    }

    fn keyword(&mut self, key: &'a str, value: &'a Value) -> Result<(), String> {
        match key {
            "$ref" => self.reference(value),
            "$dynamicRef" | "$recursiveRef" | "$anchor" | "$dynamicAnchor" => {
                Err(format!("{key} is not supported: refer by $ref to a part of the schema, such as #/$defs/address"))
            }
            "$id" if self.inside.len() > 1 => Err("only the outermost schema has an $id".to_owned()),
            "allOf" => self.list(value),
            "anyOf" | "oneOf" => {
                self.alternatives = true;
                self.list(value)
            }
            "not" | "if" | "then" | "else" => self.schema(value),
            "dependentSchemas" => self.by_name(value, |_| None),
            "properties" => self.by_name(value, |name| Some(Step::Property(name))),
            "patternProperties" => self.by_name(value, |_| Some(Step::AnyProperty)),
            "additionalProperties" | "unevaluatedProperties" | "propertyNames" => {
                self.below(Step::AnyProperty, |walk| walk.schema(value))
            }
            "items" | "contains" | "unevaluatedItems" => self.below(Step::Item, |walk| walk.schema(value)),
            "prefixItems" => self.below(Step::Item, |walk| walk.list(value)),
            _ => Ok(()),
        }
    }

    fn below(&mut self, step: Step<'a>, walk: impl FnOnce(&mut Self) -> Result<(), String>) -> Result<(), String> {
        self.steps.push(step);
        let result = walk(self);
        self.steps.pop();
        result
    }

    fn list(&mut self, value: &'a Value) -> Result<(), String> {
        value.as_array().into_iter().flatten().try_for_each(|schema| self.schema(schema))
    }

    fn by_name(&mut self, value: &'a Value, step: impl Fn(&'a str) -> Option<Step<'a>>) -> Result<(), String> {
        for (name, schema) in value.as_object().into_iter().flatten() {
            match step(name) {
                Some(step) => self.below(step, |walk| walk.schema(schema))?,
                None => self.schema(schema)?,
            }
        }
        Ok(())
    }

    fn reference(&mut self, value: &'a Value) -> Result<(), String> {
        let Some(text) = value.as_str() else { return Err("$ref is a text".to_owned()) };
        let pointer = text.strip_prefix('#').filter(|p| p.is_empty() || p.starts_with('/'));
        let target = pointer.and_then(|pointer| {
            // A percent sign would have to be decoded; no name of a definition needs one.
            if pointer.contains('%') { None } else { self.root.pointer(pointer) }
        });
        let Some(target) = target else {
            let message = "leads to no part of this schema: only references such as #/$defs/address are followed";
            return Err(format!("{} {message}", quote(text)));
        };
        match self.inside.iter().find(|(schema, _)| std::ptr::eq(*schema, target)) {
            Some((_, steps)) if *steps == self.steps.len() => {
                Err(format!("{} leads back to itself without going into the data", quote(text)))
            }
            Some(_) if self.returns.len() == RETURNS_MAX => {
                Err(format!("the schema refers to itself at more than {RETURNS_MAX} places"))
            }
            Some(_) => {
                self.returns.push(self.steps.clone());
                Ok(())
            }
            None => self.schema(target),
        }
    }
}
