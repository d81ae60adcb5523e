//! JSON text that has been looked at once.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::sync::Arc;

/// Why a text was not accepted as JSON.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum JsonError {
    #[error("not JSON: {0}")]
    Syntax(String),
    #[error("the key {0:?} stands twice in one object")]
    DuplicateKey(String),
    #[error("nested deeper than {max} levels", max = Json::DEPTH_MAX)]
    TooDeep,
    #[error("a key is longer than {max} bytes", max = Json::KEY_BYTES_MAX)]
    KeyTooLong,
}

/// One JSON text, known to be well-formed, free of duplicate keys and at most [`Json::DEPTH_MAX`] deep. It is kept as
/// text: what a caller sent is what a guest gets, numbers included (spec 0.5). Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Json(Arc<str>);

impl Json {
    pub const DEPTH_MAX: usize = 64;
    pub const KEY_BYTES_MAX: usize = 1024;

    pub fn parse(text: impl Into<Arc<str>>) -> Result<Self, JsonError> {
        Self::parse_within(text, Self::DEPTH_MAX)
    }

    /// The same with room for what stands around a value of [`Json::DEPTH_MAX`] levels.
    pub fn parse_within(text: impl Into<Arc<str>>, levels: usize) -> Result<Self, JsonError> {
        let text = text.into();
        check(&text, levels)?;
        Ok(Self(text))
    }

    pub fn null() -> Self {
        Self("null".into())
    }

    pub fn from_value(value: &serde_json::Value) -> Self {
        Self(value.to_string().into())
    }

    /// From something of ours that serialises without fail.
    pub fn of(value: &impl Serialize) -> Self {
        Self(serde_json::to_string(value).expect("our own types serialise to JSON").into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn to_value(&self) -> serde_json::Value {
        serde_json::from_str(&self.0).expect("it was parsed when it was made")
    }

    /// As a part of a larger document, without reading it again.
    pub fn to_raw(&self) -> Box<serde_json::value::RawValue> {
        serde_json::value::RawValue::from_string(self.0.as_ref().to_owned()).expect("it was parsed when it was made")
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// In a human-readable format it is the value itself; in the log's binary one it is the text.
impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            self.to_raw().serialize(serializer)
        } else {
            serializer.serialize_str(&self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let raw = Box::<serde_json::value::RawValue>::deserialize(deserializer)?;
            Self::parse(raw.get()).map_err(serde::de::Error::custom)
        } else {
            Ok(Self(String::deserialize(deserializer)?.into()))
        }
    }
}

/// Reads the whole text without building it.
fn check(text: &str, levels: usize) -> Result<(), JsonError> {
    let found = std::cell::RefCell::new(None);
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let read = serde::de::DeserializeSeed::deserialize(Checked { levels, found: &found }, &mut deserializer)
        .and_then(|()| deserializer.end());
    match (found.into_inner(), read) {
        (Some(error), _) => Err(error),
        (None, Err(error)) => Err(JsonError::Syntax(error.to_string())),
        (None, Ok(())) => Ok(()),
    }
}

/// `found` holds the reason when a rule of ours, not of JSON, was broken.
#[derive(Clone, Copy)]
struct Checked<'a> {
    /// How many more there may be.
    levels: usize,
    found: &'a std::cell::RefCell<Option<JsonError>>,
}

impl Checked<'_> {
    fn deeper(self) -> Result<Self, JsonError> {
        let levels = self.levels.checked_sub(1).ok_or(JsonError::TooDeep)?;
        Ok(Self { levels, ..self })
    }

    fn refuse<E: serde::de::Error>(self, error: JsonError) -> E {
        let message = error.to_string();
        self.found.replace(Some(error));
        E::custom(message)
    }
}

impl<'de> serde::de::DeserializeSeed<'de> for Checked<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> serde::de::Visitor<'de> for Checked<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let inner = self.deeper().map_err(|e| self.refuse(e))?;
        while seq.next_element_seed(inner)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let inner = self.deeper().map_err(|e| self.refuse(e))?;
        let mut keys = std::collections::HashSet::new();
        while let Some(key) = map.next_key::<std::borrow::Cow<'de, str>>()? {
            if key.len() > Json::KEY_BYTES_MAX {
                return Err(self.refuse(JsonError::KeyTooLong));
            }
            // arbitrary_precision hands a number over as a map of one private key.
            if key == "$serde_json::private::Number" && keys.is_empty() {
                map.next_value::<String>()?;
                continue;
            }
            map.next_value_seed(inner)?;
            if let Some(twice) = keys.replace(key) {
                return Err(self.refuse(JsonError::DuplicateKey(twice.into_owned())));
            }
        }
        Ok(())
    }
}

/// What stands where a secret stood.
pub const REDACTED: &str = "[REDACTED]";

/// The value with what looks like a secret replaced (spec RED-1); for what is kept or shown, never for what is run.
pub fn redact(json: &Json) -> Json {
    // Most payloads name nothing secret: a look at the text is enough then.
    let lower = json.as_str().to_ascii_lowercase();
    if !SECRET_WORDS.iter().any(|word| lower.contains(word)) {
        return json.clone();
    }
    let mut value = json.to_value();
    redact_value(&mut value);
    Json::from_value(&value)
}

const SECRET_WORDS: [&str; 10] =
    ["password", "secret", "token", "authorization", "apikey", "api-key", "api_key", "cookie", "privatekey", "private"];

fn is_secret_key(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    let joined: String = key.chars().filter(|c| !matches!(c, '-' | '_')).collect();
    ["password", "secret", "token", "authorization", "apikey", "cookie", "privatekey"]
        .iter()
        .any(|w| joined.contains(w))
}

fn redact_value(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Object(map) => {
            for (key, inner) in map.iter_mut() {
                if is_secret_key(key) && !is_count(key, inner) {
                    *inner = REDACTED.into();
                } else {
                    redact_value(inner);
                }
            }
        }
        serde_json::Value::Array(items) => items.iter_mut().for_each(redact_value),
        serde_json::Value::Null
        | serde_json::Value::Bool(_)
        | serde_json::Value::Number(_)
        | serde_json::Value::String(_) => {}
    }
}

/// `inputTokens: 30` tells how many there were, not what one is.
fn is_count(key: &str, value: &serde_json::Value) -> bool {
    value.is_number() && key.to_ascii_lowercase().ends_with("tokens")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_checked_once_and_kept_as_it_was() {
        for good in ["1", "null", "\"x\"", "12345678901234567890.5", "{\"a\":[1,{\"b\":2}]}", " [ ] ", "1e400"] {
            assert_eq!(Json::parse(good).unwrap().as_str(), good);
        }
        assert_eq!(Json::parse("{\"a\":1,\"a\":2}"), Err(JsonError::DuplicateKey("a".into())));
        assert_eq!(Json::parse("[".repeat(65) + &"]".repeat(65)), Err(JsonError::TooDeep));
        assert!(Json::parse("[".repeat(64) + &"]".repeat(64)).is_ok());
        for bad in ["", "{", "NaN", "[1,]", "1 2", "{'a':1}", "\"\u{1}\""] {
            assert!(matches!(Json::parse(bad), Err(JsonError::Syntax(_))), "{bad:?}");
        }
        assert!(Json::parse("{\"$serde_json::private::Number\":\"1\"}").is_ok());
    }

    #[test]
    fn a_number_of_tokens_is_no_secret_and_a_token_is() {
        let json = Json::parse(r#"{"inputTokens":30,"max_tokens":5,"token":7,"tokens":"abc"}"#).unwrap();
        let redacted = r#"{"inputTokens":30,"max_tokens":5,"token":"[REDACTED]","tokens":"[REDACTED]"}"#;
        assert_eq!(redact(&json).as_str(), redacted);
    }

    #[test]
    fn secrets_are_redacted_at_any_depth() {
        let json = Json::parse(r#"{"user":"ann","Password":"x","a":[{"api_key":1,"apiKey":2}],"n":1.10}"#).unwrap();
        assert_eq!(
            redact(&json).as_str(),
            r#"{"user":"ann","Password":"[REDACTED]","a":[{"api_key":"[REDACTED]","apiKey":"[REDACTED]"}],"n":1.10}"#
        );
    }
}
