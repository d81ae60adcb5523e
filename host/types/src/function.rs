//! A deployed component: what it is, what it offers, what it may reach.

use crate::{Hash, Json, Limits};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// What a component is, read from what it exports (spec WSM-2).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FunctionKind {
    Code,
    Generative,
    Agentic,
    Human,
    App,
    Site,
    /// None of our worlds: each exported function is an action.
    ToolBox,
}

impl FunctionKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::Generative => "generative",
            Self::Agentic => "agentic",
            Self::Human => "human",
            Self::App => "app",
            Self::Site => "site",
            Self::ToolBox => "tool-box",
        }
    }
}

/// One way to call a component.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ActionShape {
    /// The part behind the dot of `calc.add`; a function of a world has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub export: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// JSON Schema 2020-12.
    pub input: Json,
    pub output: Json,
}

/// The data of a thing of noun `Function`: one version of one deployed component.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FunctionDef {
    pub kind: FunctionKind,
    /// Of the component's bytes.
    pub hash: Hash,
    pub size: u64,
    pub actions: Vec<ActionShape>,
    /// The interfaces it imports, as `org-ai:actions/actions@0.1.0`.
    pub imports: Vec<String>,
    #[serde(default)]
    pub manifest: Manifest,
    /// What an app answered to `describe` when it was deployed: a JSON object that `Described::parse` reads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub described: Option<Json>,
    /// The `vars` of the application that it was deployed with: its environment, below what its manifest says.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub vars: BTreeMap<String, String>,
    /// Of a generative, agentic or human function that was declared without a component: what its component would have
    /// said, with `{{input.…}}` for what comes from the input. Its text is what `hash` is of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declared: Option<Json>,
}

impl FunctionDef {
    /// The manifest as a run has it: with the application's variables in its environment.
    pub fn run_manifest(&self) -> Manifest {
        let mut manifest = self.manifest.clone();
        for (name, value) in &self.vars {
            manifest.env.entry(name.clone()).or_insert_with(|| value.clone());
        }
        manifest
    }
}

/// What the author asks for beside the code. Unknown keys are refused, not ignored.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Manifest {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Where outgoing HTTP may go. Empty: nowhere.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<AllowedHost>,
    /// Which secrets may be put into requests, and to where.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<SecretGrant>,
    /// The guest's environment: configuration, never secrets.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Give each run an empty `/tmp`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub tmp: bool,
    /// Files under `/assets`, read-only, by their bundle's hash. The host fills it in from what was uploaded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assets: Option<Hash>,
    /// A JSON Schema that the input must satisfy before anything runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<Json>,
    /// A JSON Schema that the result must satisfy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<Json>,
    #[serde(skip_serializing_if = "LimitOverrides::is_empty")]
    pub limits: LimitOverrides,
}

/// One rule of the allow-list of outgoing HTTP.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AllowedHost {
    /// `https://api.example.com`, `http://localhost:8080`, `https://*.example.com` (any one or more labels).
    pub url: String,
    /// Empty: any method.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<String>,
    /// Allow this host although it resolves to a private, loopback or link-local address. The server must allow it too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub private: bool,
}

impl AllowedHost {
    /// Whether a rule could ever allow anything: a scheme and a host, and nothing behind them.
    pub fn check_url(text: &str) -> Result<(), String> {
        let accepted = "write scheme and host, like https://api.example.com or https://*.example.com";
        // `*` is no character of a host name; for the rest of the check any label does.
        let plain = text.replacen("://*.", "://any.", 1);
        let url = url::Url::parse(&plain).map_err(|_| format!("{text:?} is no URL; {accepted}"))?;
        let bare = matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
        let nobody = url.username().is_empty() && url.password().is_none();
        if matches!(url.scheme(), "http" | "https") && url.has_host() && bare && nobody && !plain.contains('*') {
            Ok(())
        } else {
            Err(format!("{text:?} is no rule; {accepted}"))
        }
    }
}

/// One secret and the hosts it may be sent to.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretGrant {
    pub name: String,
    /// Spelled as [`AllowedHost::url`].
    pub hosts: Vec<String>,
}

/// One file of an asset bundle.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AssetFile {
    /// Relative, `/`-separated, without `..`.
    pub path: String,
    pub content: Vec<u8>,
}

/// What a manifest may lower (never raise) of [`Limits`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LimitOverrides {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_mb: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
}

impl LimitOverrides {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub fn apply(&self, to: Limits) -> Limits {
        let lower = |own: Option<u64>, limit: Duration| own.map_or(limit, |ms| limit.min(Duration::from_millis(ms)));
        Limits {
            memory_bytes_max: self.memory_mb.map_or(to.memory_bytes_max, |mb| to.memory_bytes_max.min(mb << 20)),
            cpu: lower(self.cpu_ms, to.cpu),
            wall: lower(self.timeout_ms, to.wall),
            ..to
        }
    }
}
