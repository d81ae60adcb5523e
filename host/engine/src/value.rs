//! JSON ↔ WIT values.
//!
//! The forms, which [`crate::schema`] describes: numbers as numbers (all digits of a 64-bit one are kept; not-a-number
//! and the infinities are the strings `NaN`, `Infinity`, `-Infinity`), `list<u8>` as base64, records as objects, tuples
//! as arrays, a variant's case as its name or `{"name": payload}`, an option as its value or `null`, a nested result as
//! `{"ok": …}` or `{"err": …}`, flags as an array of names. Reading is strict: what a schema does not name is refused,
//! and every failure of an input is reported, not just the first.

use crate::nearest::hint;
use crate::shape::{Int, Signature, Ty};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Number, Value};
use wasmtime::component::Val;

/// Failures that one answer lists; more would help nobody.
const FAILURES_MAX: usize = 20;

/// The arguments of a call, from an object with a property per parameter. The error lists what was wrong and where:
/// `input.items[2].price: expected f64, got "x"`.
pub fn arguments(signature: &Signature, input: &Value) -> Result<Vec<Val>, Vec<String>> {
    let mut reader = Reader { path: "input".into(), failures: Vec::new() };
    let empty = Map::new();
    // A function without parameters may be called with nothing at all.
    let value = if input.is_null() && signature.params.is_empty() { &Value::Object(empty) } else { input };
    match (reader.fields(&signature.params, value), reader.failures) {
        (Some(fields), failures) if failures.is_empty() => Ok(fields.into_iter().map(|(_, val)| val).collect()),
        (_, failures) => Err(failures),
    }
}

/// `None` from a reading function means that a failure was noted.
struct Reader {
    path: String,
    failures: Vec<String>,
}

impl Reader {
    fn fail<T>(&mut self, what: impl std::fmt::Display) -> Option<T> {
        if self.failures.len() < FAILURES_MAX {
            self.failures.push(format!("{}: {what}", self.path));
        }
        None
    }

    fn expected<T>(&mut self, ty: &Ty, got: &Value) -> Option<T> {
        self.fail(format_args!("expected {}, got {}", ty.name(), brief(got)))
    }

    fn at<T>(&mut self, step: &str, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        let len = self.path.len();
        self.path.push_str(step);
        let out = read(self);
        self.path.truncate(len);
        out
    }

    fn value(&mut self, ty: &Ty, value: &Value) -> Option<Val> {
        match (ty, value) {
            (Ty::Bool, Value::Bool(value)) => Some(Val::Bool(*value)),
            (Ty::Int(int), Value::Number(number)) => self.integer(*int, number),
            (Ty::F32, _) => self.float(ty, value).map(|float| Val::Float32(float as f32)),
            (Ty::F64, _) => self.float(ty, value).map(Val::Float64),
            (Ty::Char, Value::String(text)) => {
                let mut chars = text.chars();
                match (chars.next(), chars.next()) {
                    (Some(only), None) => Some(Val::Char(only)),
                    _ => self.expected(ty, value),
                }
            }
            (Ty::String, Value::String(text)) => Some(Val::String(text.clone())),
            (Ty::Bytes, Value::String(text)) => match STANDARD.decode(text) {
                Ok(bytes) => Some(Val::List(bytes.into_iter().map(Val::U8).collect())),
                Err(error) => self.fail(format_args!("expected base64 with padding: {error}")),
            },
            (Ty::List(inner), Value::Array(items)) => self.items(inner, items).map(Val::List),
            (Ty::FixedList(inner, len), Value::Array(items)) if items.len() == *len => {
                self.items(inner, items).map(Val::FixedLengthList)
            }
            (Ty::Map(key, inner), _) => self.map(ty, key, inner, value),
            (Ty::Record(fields), Value::Object(_)) => self.fields(fields, value).map(Val::Record),
            (Ty::Tuple(types), Value::Array(items)) if items.len() == types.len() => {
                let read: Vec<_> = types
                    .iter()
                    .zip(items)
                    .enumerate()
                    .map(|(index, (ty, item))| self.at(&format!("[{index}]"), |reader| reader.value(ty, item)))
                    .collect();
                read.into_iter().collect::<Option<_>>().map(Val::Tuple)
            }
            (Ty::Variant(cases), _) => self.variant(ty, cases, value),
            (Ty::Enum(names), Value::String(text)) => match names.contains(text) {
                true => Some(Val::Enum(text.clone())),
                false => self.unknown(text, names),
            },
            (Ty::Option(_), Value::Null) => Some(Val::Option(None)),
            (Ty::Option(inner), _) if inner.is_nullable() => match single(value) {
                Some(("some", some)) => {
                    self.at(".some", |reader| reader.value(inner, some)).map(|val| Val::Option(Some(Box::new(val))))
                }
                _ => self.fail(format_args!("expected null or {{\"some\": …}}, got {}", brief(value))),
            },
            (Ty::Option(inner), _) => self.value(inner, value).map(|val| Val::Option(Some(Box::new(val)))),
            (Ty::Result(ok, err), _) => self.result(ok.as_deref(), err.as_deref(), value),
            (Ty::Flags(names), Value::Array(items)) => self.flags(ty, names, items),
            (
                Ty::Bool
                | Ty::Int(_)
                | Ty::Char
                | Ty::String
                | Ty::Bytes
                | Ty::List(_)
                | Ty::FixedList(..)
                | Ty::Record(_)
                | Ty::Tuple(_)
                | Ty::Enum(_)
                | Ty::Flags(_),
                _,
            ) => self.expected(ty, value),
        }
    }

    fn integer(&mut self, int: Int, number: &Number) -> Option<Val> {
        let (min, max) = int.range();
        // The number is kept as it was written: 1.0 and 1e3 are integers too (JSON Schema says so).
        let exact = number.as_i128().or_else(|| {
            let float = number.as_f64().filter(|float| float.fract() == 0.0 && float.abs() < 9e15)?;
            Some(float as i128)
        });
        let Some(value) = exact.filter(|value| (min..=max).contains(value)) else {
            return self.fail(format_args!("expected {} ({min} to {max}), got {number}", int.name()));
        };
        Some(match int {
            Int::S8 => Val::S8(value as i8),
            Int::U8 => Val::U8(value as u8),
            Int::S16 => Val::S16(value as i16),
            Int::U16 => Val::U16(value as u16),
            Int::S32 => Val::S32(value as i32),
            Int::U32 => Val::U32(value as u32),
            Int::S64 => Val::S64(value as i64),
            Int::U64 => Val::U64(value as u64),
        })
    }

    fn float(&mut self, ty: &Ty, value: &Value) -> Option<f64> {
        match value {
            Value::Number(number) => match number.as_f64().filter(|float| float.is_finite()) {
                Some(float) => Some(float),
                None => self.expected(ty, value),
            },
            Value::String(text) => match text.as_str() {
                "NaN" => Some(f64::NAN),
                "Infinity" => Some(f64::INFINITY),
                "-Infinity" => Some(f64::NEG_INFINITY),
                _ => self.expected(ty, value),
            },
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => self.expected(ty, value),
        }
    }

    fn items(&mut self, ty: &Ty, items: &[Value]) -> Option<Vec<Val>> {
        let mut out = Vec::with_capacity(items.len());
        let mut is_whole = true;
        for (index, item) in items.iter().enumerate() {
            match self.at(&format!("[{index}]"), |reader| reader.value(ty, item)) {
                Some(val) => out.push(val),
                None => is_whole = false,
            }
        }
        is_whole.then_some(out)
    }

    fn map(&mut self, ty: &Ty, key: &Ty, inner: &Ty, value: &Value) -> Option<Val> {
        let mut out = Vec::new();
        match (key, value) {
            (Ty::String, Value::Object(fields)) => {
                for (name, value) in fields {
                    let val = self.at(&format!(".{name}"), |reader| reader.value(inner, value))?;
                    out.push((Val::String(name.clone()), val));
                }
            }
            (Ty::String, _) => return self.expected(ty, value),
            (_, Value::Array(items)) => {
                let pair = Ty::Tuple(vec![key.clone(), inner.clone()]);
                for val in self.items(&pair, items)? {
                    if let Val::Tuple(parts) = val {
                        out.extend(<[Val; 2]>::try_from(parts).ok().map(|[key, value]| (key, value)));
                    }
                }
            }
            _ => return self.expected(ty, value),
        }
        Some(Val::Map(out))
    }

    fn fields(&mut self, fields: &[(String, Ty)], value: &Value) -> Option<Vec<(String, Val)>> {
        let Value::Object(given) = value else {
            let names: Vec<_> = fields.iter().map(|(name, ty)| format!("{name}: {}", ty.name())).collect();
            return self.fail(format_args!("expected an object {{{}}}, got {}", names.join(", "), brief(value)));
        };
        let mut is_whole = true;
        for name in given.keys().filter(|name| !fields.iter().any(|(known, _)| known == *name)) {
            is_whole = false;
            let known = fields.iter().map(|(name, _)| name.as_str());
            let hint = hint(name, known.clone());
            let names: Vec<_> = known.collect();
            let accepted = if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
            let what = format!("there is no `{name}`{hint} (accepted: {accepted})");
            self.fail::<()>(what);
        }
        let mut out = Vec::with_capacity(fields.len());
        for (name, ty) in fields {
            let read = self.at(&format!(".{name}"), |reader| match given.get(name) {
                Some(value) => reader.value(ty, value),
                None if ty.is_nullable() => Some(Val::Option(None)),
                None => reader.fail(format_args!("missing; expected {}", ty.name())),
            });
            match read {
                Some(val) => out.push((name.clone(), val)),
                None => is_whole = false,
            }
        }
        is_whole.then_some(out)
    }

    fn variant(&mut self, ty: &Ty, cases: &[(String, Option<Ty>)], value: &Value) -> Option<Val> {
        let (name, payload) = match (value, single(value)) {
            (Value::String(name), _) => (name.as_str(), None),
            (_, Some((name, payload))) => (name, Some(payload)),
            _ => return self.expected(ty, value),
        };
        let Some((_, case)) = cases.iter().find(|(known, _)| known == name) else {
            return self.unknown(name, &cases.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>());
        };
        match (case, payload) {
            (None, None | Some(Value::Null)) => Some(Val::Variant(name.to_owned(), None)),
            (Some(ty), Some(payload)) => {
                let val = self.at(&format!(".{name}"), |reader| reader.value(ty, payload))?;
                Some(Val::Variant(name.to_owned(), Some(Box::new(val))))
            }
            (None, Some(_)) => self.fail(format_args!("`{name}` has no payload: write \"{name}\"")),
            (Some(ty), None) => self.fail(format_args!("`{name}` needs {}: write {{\"{name}\": …}}", ty.name())),
        }
    }

    fn result(&mut self, ok: Option<&Ty>, err: Option<&Ty>, value: &Value) -> Option<Val> {
        let (is_ok, ty, payload) = match single(value) {
            Some(("ok", payload)) => (true, ok, payload),
            Some(("err", payload)) => (false, err, payload),
            _ => return self.fail(format_args!("expected {{\"ok\": …}} or {{\"err\": …}}, got {}", brief(value))),
        };
        let inner = match (ty, payload) {
            (None, Value::Null) => None,
            (None, _) => return self.fail("this side of the result is empty: write null"),
            (Some(ty), _) => {
                let step = if is_ok { ".ok" } else { ".err" };
                Some(Box::new(self.at(step, |reader| reader.value(ty, payload))?))
            }
        };
        Some(Val::Result(if is_ok { Ok(inner) } else { Err(inner) }))
    }

    fn flags(&mut self, ty: &Ty, names: &[String], items: &[Value]) -> Option<Val> {
        let mut out: Vec<String> = Vec::new();
        for item in items {
            match item {
                Value::String(text) if names.contains(text) => {
                    if !out.contains(text) {
                        out.push(text.clone());
                    }
                }
                Value::String(text) => return self.unknown(text, names),
                _ => return self.expected(ty, item),
            }
        }
        Some(Val::Flags(out))
    }

    fn unknown<T>(&mut self, name: &str, names: &[String]) -> Option<T> {
        let hint = hint(name, names.iter().map(String::as_str));
        self.fail(format_args!("there is no `{name}`{hint} (accepted: {})", names.join(", ")))
    }
}

/// The one property of an object that has one.
fn single(value: &Value) -> Option<(&str, &Value)> {
    let fields = value.as_object().filter(|fields| fields.len() == 1)?;
    fields.iter().next().map(|(name, value)| (name.as_str(), value))
}

/// A value as an error message shows it.
fn brief(value: &Value) -> String {
    const CHARS_MAX: usize = 40;
    let text = value.to_string();
    match text.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{} …", &text[..end]),
        None => text,
    }
}

/// A value that a guest returned. `None` where it is not of the type, which the sandbox excludes.
pub fn to_json(ty: &Ty, val: &Val) -> Option<Value> {
    Some(match (ty, val) {
        (Ty::Bool, Val::Bool(value)) => Value::Bool(*value),
        (Ty::Int(_), Val::S8(value)) => (*value).into(),
        (Ty::Int(_), Val::U8(value)) => (*value).into(),
        (Ty::Int(_), Val::S16(value)) => (*value).into(),
        (Ty::Int(_), Val::U16(value)) => (*value).into(),
        (Ty::Int(_), Val::S32(value)) => (*value).into(),
        (Ty::Int(_), Val::U32(value)) => (*value).into(),
        (Ty::Int(_), Val::S64(value)) => (*value).into(),
        (Ty::Int(_), Val::U64(value)) => (*value).into(),
        // The shortest text that reads back as the same f32, not its f64 neighbour with nine more digits.
        (Ty::F32, Val::Float32(value)) if value.is_finite() => serde_json::from_str(&format!("{value:?}")).ok()?,
        (Ty::F32, Val::Float32(value)) => not_finite(f64::from(*value)),
        (Ty::F64, Val::Float64(value)) => Number::from_f64(*value).map_or_else(|| not_finite(*value), Value::Number),
        (Ty::Char, Val::Char(value)) => value.to_string().into(),
        (Ty::String, Val::String(value)) => value.clone().into(),
        (Ty::Bytes, Val::List(items)) => {
            let bytes: Option<Vec<u8>> =
                items.iter().map(|item| if let Val::U8(byte) = item { Some(*byte) } else { None }).collect();
            STANDARD.encode(bytes?).into()
        }
        (Ty::List(inner), Val::List(items)) | (Ty::FixedList(inner, _), Val::FixedLengthList(items)) => {
            items.iter().map(|item| to_json(inner, item)).collect::<Option<Value>>()?
        }
        (Ty::Map(key, inner), Val::Map(entries)) => map_to_json(key, inner, entries)?,
        (Ty::Record(types), Val::Record(fields)) => types
            .iter()
            .zip(fields)
            .map(|((name, ty), (_, val))| Some((name.clone(), to_json(ty, val)?)))
            .collect::<Option<Map<_, _>>>()?
            .into(),
        (Ty::Tuple(types), Val::Tuple(items)) => {
            types.iter().zip(items).map(|(ty, item)| to_json(ty, item)).collect::<Option<Value>>()?
        }
        (Ty::Variant(cases), Val::Variant(name, payload)) => {
            let (_, ty) = cases.iter().find(|(known, _)| known == name)?;
            match (ty, payload) {
                (Some(ty), Some(payload)) => tagged(name, to_json(ty, payload)?),
                _ => name.clone().into(),
            }
        }
        (Ty::Enum(_), Val::Enum(name)) => name.clone().into(),
        (Ty::Option(_), Val::Option(None)) => Value::Null,
        (Ty::Option(inner), Val::Option(Some(val))) if inner.is_nullable() => tagged("some", to_json(inner, val)?),
        (Ty::Option(inner), Val::Option(Some(val))) => to_json(inner, val)?,
        (Ty::Result(ok, _), Val::Result(Ok(val))) => tagged("ok", part_to_json(ok.as_deref(), val.as_deref())?),
        (Ty::Result(_, err), Val::Result(Err(val))) => tagged("err", part_to_json(err.as_deref(), val.as_deref())?),
        (Ty::Flags(_), Val::Flags(names)) => names.iter().cloned().map(Value::String).collect(),
        _ => return None,
    })
}

/// One side of a result, which may be empty.
pub fn part_to_json(ty: Option<&Ty>, val: Option<&Val>) -> Option<Value> {
    match (ty, val) {
        (Some(ty), Some(val)) => to_json(ty, val),
        _ => Some(Value::Null),
    }
}

fn map_to_json(key: &Ty, inner: &Ty, entries: &[(Val, Val)]) -> Option<Value> {
    if *key == Ty::String {
        let mut out = Map::new();
        for (key, val) in entries {
            let Val::String(name) = key else { return None };
            out.insert(name.clone(), to_json(inner, val)?);
        }
        return Some(Value::Object(out));
    }
    entries.iter().map(|(k, v)| Some(Value::Array(vec![to_json(key, k)?, to_json(inner, v)?]))).collect()
}

fn tagged(name: &str, value: Value) -> Value {
    Value::Object(Map::from_iter([(name.to_owned(), value)]))
}

fn not_finite(value: f64) -> Value {
    if value.is_nan() {
        "NaN"
    } else if value > 0.0 {
        "Infinity"
    } else {
        "-Infinity"
    }
    .into()
}
