//! A node on a temporary folder, with a clock that stands still until it is told.

use crate::ScriptedExecutor;
use commit_log::{CommitLog, LocalLog};
use runtime::{Caller, Config, ManualClock, Node, Object, Opened, Upload};
use std::path::Path;
use std::sync::Arc;
use types::exec::{Executor, Outside};
use types::{FunctionName, Identity, IdentityKind, Json, Manifest, Namespace, Scopes, Timestamp};

/// 2024-01-08T12:00:00Z
pub const START: Timestamp = Timestamp::from_millis(1_704_715_200_000);

/// A running node and what a test needs of it.
pub struct TestNode {
    pub node: Node,
    pub clock: Arc<ManualClock>,
    pub executor: ScriptedExecutor,
    pub root_key: Option<auth::Key>,
}

impl TestNode {
    /// On `dir`, which may hold what an earlier node left.
    pub async fn open(dir: &Path, executor: ScriptedExecutor) -> anyhow::Result<Self> {
        Self::open_with(dir, executor, |_| {}).await
    }

    pub async fn open_with(
        dir: &Path,
        executor: ScriptedExecutor,
        change: impl FnOnce(&mut Config),
    ) -> anyhow::Result<Self> {
        let log = LocalLog::open(&dir.join("log"), &commit_log::Config::STANDARD)?;
        Self::open_on(dir, Arc::new(log), executor, change).await
    }

    /// With another log.
    pub async fn open_on(
        dir: &Path,
        log: Arc<dyn CommitLog>,
        executor: ScriptedExecutor,
        change: impl FnOnce(&mut Config),
    ) -> anyhow::Result<Self> {
        Self::open_whole(dir, log, executor, |_| {}, change).await
    }

    /// With more of the world outside than components: `reach` puts in models, channels, tools of others.
    pub async fn open_reaching(
        dir: &Path,
        executor: ScriptedExecutor,
        reach: impl FnOnce(&mut Outside),
    ) -> anyhow::Result<Self> {
        let log = LocalLog::open(&dir.join("log"), &commit_log::Config::STANDARD)?;
        Self::open_whole(dir, Arc::new(log), executor, reach, |_| {}).await
    }

    /// With all that can be another one.
    pub async fn open_whole(
        dir: &Path,
        log: Arc<dyn CommitLog>,
        executor: ScriptedExecutor,
        reach: impl FnOnce(&mut Outside),
        change: impl FnOnce(&mut Config),
    ) -> anyhow::Result<Self> {
        let mut config = Config::standard(dir.to_owned(), Namespace::parse("https://root.test")?);
        change(&mut config);
        let clock = Arc::new(ManualClock::new(START));
        let run: Arc<dyn Executor> = Arc::new(executor.clone());
        let mut outside = Outside::from(run);
        reach(&mut outside);
        let Opened { node, root_key } = Node::open(config, log, outside, clock.clone(), Some(clock.clone())).await?;
        Ok(Self { node, clock, executor, root_key })
    }

    pub async fn root(&self) -> anyhow::Result<Object> {
        let namespace = self.node.default_namespace().clone();
        self.node.object(&namespace).await?.ok_or_else(|| anyhow::anyhow!("the root object is always there"))
    }

    /// Somebody who may do what `scopes` says.
    pub fn caller(&self, scopes: &[&str]) -> anyhow::Result<Caller> {
        let permissions = scopes.iter().map(|s| types::Permission::parse(s)).collect::<Result<Vec<_>, _>>()?;
        let identity = Identity {
            actor: "https://root.test/Service/test".into(),
            kind: IdentityKind::Service,
            scopes: Scopes::new(permissions),
            key: None,
        };
        Ok(Caller { identity, request_id: "test-1".into() })
    }

    /// Deploys the scripted component `text`.
    pub async fn deploy(&self, object: &Object, name: &str, text: &str) -> anyhow::Result<runtime::Deployed> {
        let file = component(text)?;
        let upload = Upload { component: file.path().to_owned(), manifest: Manifest::default(), assets: None };
        Ok(object.deploy(&self.caller(&["*.*"])?, FunctionName::parse(name)?, upload, false).await?)
    }

    /// Calls it with everything allowed.
    pub async fn invoke(
        &self,
        object: &Object,
        action: &str,
        input: &serde_json::Value,
    ) -> anyhow::Result<Result<runtime::Invoked, runtime::InvokeFailed>> {
        let caller = self.caller(&["*.*"])?;
        Ok(object.invoke(&caller, &action.parse()?, Json::from_value(input), runtime::InvokeOptions::default()).await)
    }
}

/// A file with the text of a scripted component.
pub fn component(text: &str) -> anyhow::Result<tempfile::NamedTempFile> {
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(file.path(), text)?;
    Ok(file)
}
