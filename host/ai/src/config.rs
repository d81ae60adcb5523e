//! Which providers there are, and which of them a request means.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;
use types::{Fault, FaultKind, Price};
use url::Url;

/// All that can be asked.
#[derive(Clone, Debug)]
pub struct Config {
    /// `provider/model`, asked where nobody names one.
    pub default: Option<String>,
    /// `provider/model`, for embeddings where nobody names one.
    pub embedding: Option<String>,
    pub providers: Vec<Provider>,
}

/// One endpoint.
#[derive(Clone, Debug)]
pub struct Provider {
    /// As the first part of `provider/model` names it.
    pub name: String,
    /// What `/chat/completions` and `/embeddings` are put behind. Whether it is private is the operator's own business.
    pub base_url: Url,
    /// None: it wants none.
    pub key: Option<Key>,
    /// For one request, its answer included.
    pub timeout: Duration,
    /// Requests that it gets at once; more wait as long as one may take.
    pub concurrency_max: usize,
    /// Before the first request that is made again; each further one waits twice as long.
    pub retry_after: Duration,
    /// What its models cost.
    pub prices: BTreeMap<String, Price>,
}

/// What opens an endpoint. It shows itself to nobody.
#[derive(Clone)]
pub struct Key(String);

impl Key {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

/// Why a configuration cannot be used.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("models.{setting} is {text:?}; write provider/model with a provider of [models.providers]: {known}")]
    NoSuchProvider { setting: &'static str, text: String, known: String },
    #[error("models.providers.{0}: base_url must be an http or https URL with a host, like https://models.example/v1")]
    BaseUrl(String),
    #[error("models.providers.{0}: the key has characters that no HTTP header can have")]
    Key(String),
    #[error("no connection to models can be made: {0}")]
    Client(String),
}

impl Config {
    /// The provider and the model that a text means.
    ///
    /// # Errors
    /// `MODEL_UNAVAILABLE`, with the setting that would help.
    pub(crate) fn find<'a>(&'a self, wanted: Option<&'a str>, standard: Setting) -> Result<(usize, &'a str), Fault> {
        let fallback = match standard {
            Setting::Default => self.default.as_deref(),
            Setting::Embedding => self.embedding.as_deref(),
        };
        let Some(text) = wanted.or(fallback) else {
            let name = standard.name();
            return Err(unavailable(if self.providers.is_empty() {
                format!("no model is configured on this server; set models.{name} and [models.providers.NAME]")
            } else {
                format!("no model was named and models.{name} is not set; name one as provider/model")
            }));
        };
        let place = |name: &str| self.providers.iter().position(|provider| provider.name == name);
        if let Some((name, model)) = text.split_once('/') {
            return match place(name).filter(|_| !model.is_empty()) {
                Some(provider) => Ok((provider, model)),
                None => Err(unavailable(format!(
                    "there is no provider {name:?} for the model {text:?}; set [models.providers.{name}], or use one of: {}",
                    self.known()
                ))),
            };
        }
        let provider = fallback.and_then(|text| place(text.split_once('/')?.0));
        provider.map(|provider| (provider, text)).ok_or_else(|| {
            unavailable(format!(
                "the model {text:?} has no provider; name it as provider/model (providers: {}), or set models.{}",
                self.known(),
                standard.name()
            ))
        })
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        for provider in &self.providers {
            let url = &provider.base_url;
            if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
                return Err(ConfigError::BaseUrl(provider.name.clone()));
            }
        }
        for (setting, text) in [("default", &self.default), ("embedding", &self.embedding)] {
            let Some(text) = text else { continue };
            let is_known = text
                .split_once('/')
                .is_some_and(|(name, model)| !model.is_empty() && self.providers.iter().any(|p| p.name == name));
            if !is_known {
                return Err(ConfigError::NoSuchProvider { setting, text: text.clone(), known: self.known() });
            }
        }
        Ok(())
    }

    fn known(&self) -> String {
        let names: Vec<_> = self.providers.iter().map(|provider| provider.name.as_str()).collect();
        if names.is_empty() { "none is configured".to_owned() } else { names.join(", ") }
    }
}

/// Where the model stands that is meant when nobody names one.
#[derive(Clone, Copy)]
pub(crate) enum Setting {
    Default,
    Embedding,
}

impl Setting {
    fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Embedding => "embedding",
        }
    }
}

fn unavailable(message: String) -> Fault {
    Fault::new(FaultKind::Upstream, "MODEL_UNAVAILABLE", message)
}
