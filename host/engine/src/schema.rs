//! JSON Schema 2020-12 for WIT types: what [`crate::value`] reads and writes, said for people and models.

use crate::shape::{Int, Signature, Ty};
use serde_json::{Map, Value, json};

/// The largest integer that every JSON implementation keeps.
const SAFE_INTEGER: i128 = (1 << 53) - 1;

/// The input of an exported function: an object with a property per parameter.
pub fn input(signature: &Signature) -> Value {
    let mut schema = object(&signature.params);
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema".into();
    schema
}

/// What an invocation answers. The error of a top-level result becomes a fault, so its `ok` is all there is.
pub fn output(signature: &Signature) -> Value {
    let ty = match signature.fallible() {
        Some((ok, _)) => ok,
        None => signature.result.as_ref(),
    };
    let mut schema = ty.map_or_else(|| json!({"type": "null"}), schema);
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema".into();
    schema
}

fn schema(ty: &Ty) -> Value {
    match ty {
        Ty::Bool => json!({"type": "boolean"}),
        Ty::Int(int) => integer(*int),
        Ty::F32 | Ty::F64 => {
            json!({"anyOf": [{"type": "number"}, {"enum": ["NaN", "Infinity", "-Infinity"]}]})
        }
        Ty::Char => json!({"type": "string", "minLength": 1, "maxLength": 1}),
        Ty::String => json!({"type": "string"}),
        Ty::Bytes => json!({"type": "string", "contentEncoding": "base64"}),
        Ty::List(inner) => json!({"type": "array", "items": schema(inner)}),
        Ty::FixedList(inner, len) => {
            json!({"type": "array", "items": schema(inner), "minItems": len, "maxItems": len})
        }
        Ty::Map(key, value) => match **key {
            Ty::String => json!({"type": "object", "additionalProperties": schema(value)}),
            _ => json!({"type": "array", "items": schema(&Ty::Tuple(vec![(**key).clone(), (**value).clone()]))}),
        },
        Ty::Record(fields) => object(fields),
        Ty::Tuple(types) => {
            let items: Vec<_> = types.iter().map(schema).collect();
            json!({"type": "array", "prefixItems": items, "items": false, "minItems": types.len()})
        }
        Ty::Variant(cases) => {
            let cases: Vec<_> = cases.iter().map(|(name, ty)| case(name, ty.as_ref())).collect();
            json!({"oneOf": cases})
        }
        Ty::Enum(names) => json!({"enum": names}),
        Ty::Option(inner) if inner.is_nullable() => json!({"oneOf": [{"type": "null"}, case("some", Some(inner))]}),
        Ty::Option(inner) => json!({"anyOf": [schema(inner), {"type": "null"}]}),
        Ty::Result(ok, err) => {
            json!({"oneOf": [tagged("ok", ok.as_deref()), tagged("err", err.as_deref())]})
        }
        Ty::Flags(names) => json!({"type": "array", "items": {"enum": names}, "uniqueItems": true}),
    }
}

fn integer(int: Int) -> Value {
    let (min, max) = int.range();
    let mut schema = Map::new();
    schema.insert("type".into(), "integer".into());
    // Beyond 2^53 a reader that keeps numbers as doubles would misread the bound itself, so it is left out.
    if min >= -SAFE_INTEGER {
        schema.insert("minimum".into(), json!(min as i64));
    }
    if max <= SAFE_INTEGER {
        schema.insert("maximum".into(), json!(max as i64));
    } else {
        schema.insert("format".into(), if min == 0 { "uint64" } else { "int64" }.into());
    }
    Value::Object(schema)
}

fn object(fields: &[(String, Ty)]) -> Value {
    let properties: Map<_, _> = fields.iter().map(|(name, ty)| (name.clone(), schema(ty))).collect();
    let required: Vec<_> = fields.iter().filter(|(_, ty)| !ty.is_nullable()).map(|(name, _)| name).collect();
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

/// A case without payload is its name, one with payload an object of one key.
fn case(name: &str, ty: Option<&Ty>) -> Value {
    match ty {
        None => json!({"const": name}),
        Some(_) => tagged(name, ty),
    }
}

fn tagged(name: &str, ty: Option<&Ty>) -> Value {
    let inner = ty.map_or_else(|| json!({"type": "null"}), schema);
    json!({"type": "object", "properties": {name: inner}, "required": [name], "additionalProperties": false})
}
