//! The server's settings for models: `[models]` of its file.

use crate::env::Env;
use crate::failure::{Failure, Result};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::time::Duration;
use types::Price;

/// The table whose tables have names of the operator's own.
pub(crate) const PROVIDERS: &str = "models.providers";

/// For one request, unless the file says.
const TIMEOUT_MS: u64 = 60_000;
/// Requests that a provider gets at once, unless the file says.
const CONCURRENCY_MAX: usize = 16;
/// Before a request is made again for the first time.
const RETRY_AFTER: Duration = Duration::from_millis(500);

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Text {
    default: Option<String>,
    embedding: Option<String>,
    providers: BTreeMap<String, ProviderText>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProviderText {
    base_url: String,
    key_env: Option<String>,
    timeout_ms: Option<u64>,
    concurrency_max: Option<usize>,
    #[serde(default)]
    prices: BTreeMap<String, PriceText>,
}

/// US dollars for a million tokens.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PriceText {
    input: f64,
    output: f64,
}

/// None: no provider is named.
pub(crate) fn read(text: Text, env: &Env) -> Result<Option<ai::Config>> {
    let said = |text: Option<String>| text.filter(|text| !text.is_empty());
    let (default, embedding) = (said(text.default), said(text.embedding));
    if text.providers.is_empty() && default.is_none() && embedding.is_none() {
        return Ok(None);
    }
    let providers = text.providers.into_iter().map(|(name, text)| provider(name, text, env));
    Ok(Some(ai::Config { default, embedding, providers: providers.collect::<Result<_>>()? }))
}

fn provider(name: String, text: ProviderText, env: &Env) -> Result<ai::Provider> {
    let refuse = |what: String| Failure::new("CONFIG_INVALID", format!("{PROVIDERS}.{name}: {what}"));
    let is_name = |name: &str| (1..=64).contains(&name.len()) && !name.contains(['/', ' ']);
    if !is_name(&name) {
        return Err(refuse("a provider's name has 1 to 64 characters without / and space".to_owned()));
    }
    let base_url = text.base_url.parse().map_err(|_| refuse(format!("base_url {:?} is no URL", text.base_url)))?;
    let key = match &text.key_env {
        None => None,
        // Its value is shown nowhere; that it is missing is better known now than with the first question.
        Some(variable) => {
            let value = env.get(variable).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
            let value = value.ok_or_else(|| refuse(format!("the variable {variable} (key_env) is not set")))?;
            Some(ai::Key::new(value))
        }
    };
    if text.timeout_ms == Some(0) || text.concurrency_max == Some(0) {
        return Err(refuse("timeout_ms and concurrency_max must be more than 0".to_owned()));
    }
    let price = |(model, price): (String, PriceText)| {
        let micros = |usd: f64| match usd.is_finite() && (0.0..=1e6).contains(&usd) {
            true => Ok((usd * 1e6).round() as u64),
            false => Err(refuse(format!("the price of {model} is {usd}; dollars for a million tokens are wanted"))),
        };
        Ok((model.clone(), Price { input: micros(price.input)?, output: micros(price.output)? }))
    };
    Ok(ai::Provider {
        base_url,
        key,
        timeout: Duration::from_millis(text.timeout_ms.unwrap_or(TIMEOUT_MS)),
        concurrency_max: text.concurrency_max.unwrap_or(CONCURRENCY_MAX),
        retry_after: RETRY_AFTER,
        prices: text.prices.into_iter().map(price).collect::<Result<_>>()?,
        name,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(file: &str, pairs: &[(&str, &str)]) -> std::result::Result<Option<ai::Config>, String> {
        let text = toml::from_str(file).map_err(|e| e.to_string())?;
        read(text, &Env::of(pairs)).map_err(|failure| failure.message)
    }

    #[test]
    fn a_provider_has_its_key_from_a_variable_and_prices_in_dollars() {
        let file = "default = \"x/m\"\n[providers.x]\nbase_url = \"http://127.0.0.1:1/v1\"\nkey_env = \"K\"\n\
                    prices.\"a.b\" = { input = 0.25, output = 2 }\n";
        let config = of(file, &[("K", "k-1")]).unwrap().unwrap();
        assert_eq!(config.default.as_deref(), Some("x/m"));
        assert_eq!(config.providers[0].prices["a.b"], Price { input: 250_000, output: 2_000_000 });
        assert!(!format!("{config:?}").contains("k-1"));
        assert_eq!(of(file, &[]).unwrap_err(), "models.providers.x: the variable K (key_env) is not set");
    }

    #[test]
    fn nothing_said_is_no_model_and_odd_values_are_refused() {
        assert!(of("default = \"\"\n[providers]\n", &[]).unwrap().is_none());
        for file in [
            "[providers.x]\nbase_url = \"no url\"\n",
            "[providers.x]\nbase_url = \"http://h\"\ntimeout_ms = 0\n",
            "[providers.x]\nbase_url = \"http://h\"\nprices.m = { input = -1, output = 0 }\n",
            "[providers.x]\nbase_uri = \"http://h\"\n",
            "[providers.\"a/b\"]\nbase_url = \"http://h\"\n",
        ] {
            assert!(of(file, &[]).is_err(), "{file}");
        }
    }
}
