//! Runs that touch nothing: what an app says of itself, and whether it knows a handler. No import is served to them.

use crate::functions::FunctionVersion;
use crate::object::Object;
use std::sync::Arc;
use std::time::Duration;
use types::deployment::Described;
use types::exec::{BoxFuture, ComponentFile, Entry, HandlerKind, Host, Invocation, Job};
use types::{
    Call, Fault, FaultKind, FunctionDef, FunctionKind, FunctionName, Id, Json, Limits, LogStream, Reply, Timestamp,
};

/// Of each such run (spec WSM-1).
const TIME_MAX: Duration = Duration::from_secs(5);
const ANSWER_BYTES_MAX: u64 = 1 << 20;

/// Refuses whatever is asked; lines that are written go nowhere.
struct Quiet(Timestamp);

impl Host for Quiet {
    fn call(&mut self, call: Call) -> BoxFuture<'_, Reply> {
        let message = format!("{} is not there while an app is asked about itself", call.name());
        Box::pin(std::future::ready(Reply::Fault(Fault::forbidden(message))))
    }

    fn log(&mut self, _: LogStream, _: String) {}

    fn now(&mut self) -> Timestamp {
        self.0
    }

    fn is_cancelled(&self) -> bool {
        false
    }
}

impl Object {
    /// What an app says of itself; of another kind of function nothing. `head` is asked first: what the same bytes say
    /// with the same manifest and variables is known.
    ///
    /// # Errors
    /// `DESCRIBE_FAILED` when it does not answer, `DESCRIBE_INVALID` when the answer is not understood.
    pub(crate) async fn described(
        &self,
        name: &FunctionName,
        def: &FunctionDef,
        head: Option<&FunctionVersion>,
    ) -> Result<Option<Json>, Fault> {
        if def.kind != FunctionKind::App {
            return Ok(None);
        }
        let is_same = |head: &&FunctionVersion| {
            head.def.hash == def.hash && head.def.manifest == def.manifest && head.def.vars == def.vars
        };
        let known = head.filter(is_same);
        if let Some(described) = known.and_then(|head| head.def.described.clone()) {
            return Ok(Some(described));
        }
        let answer = self.ask_quietly(name, def, Entry::Describe).await.map_err(|fault| {
            let message = format!("{name} does not say what it is: describe: {}: {}", fault.code, fault.message);
            Fault::invalid("DESCRIBE_FAILED", message)
        })?;
        Described::parse(name, &answer).map_err(|e| Fault::invalid("DESCRIBE_INVALID", format!("{name}: {e}")))?;
        Ok(Some(answer))
    }

    /// Whether an app knows a handler (spec WSM-2).
    ///
    /// # Errors
    /// What the app answered: `UNKNOWN_HANDLER`, or why it cannot be asked.
    pub(super) async fn probe_handler(&self, app: &FunctionVersion, handler: &str) -> Result<(), Fault> {
        let entry = Entry::Handle { kind: HandlerKind::Probe, name: handler.to_owned() };
        self.ask_quietly(&app.name, &app.def, entry).await.map(|_| ())
    }

    async fn ask_quietly(&self, name: &FunctionName, def: &FunctionDef, entry: Entry) -> Result<Json, Fault> {
        let (node, now) = (&self.node.inner, self.node.now());
        let limits = def.manifest.limits.apply(node.config.limits);
        let limits = Limits {
            cpu: limits.cpu.min(TIME_MAX),
            wall: limits.wall.min(TIME_MAX),
            output_bytes_max: limits.output_bytes_max.min(ANSWER_BYTES_MAX),
            ..limits
        };
        let job = Job {
            component: ComponentFile { hash: def.hash, path: node.blobs.path(&def.hash) },
            kind: def.kind,
            entry,
            input: Json::null(),
            limits,
            manifest: Arc::new(def.run_manifest()),
            assets: def.manifest.assets.as_ref().map(|hash| node.blobs.assets_path(hash)),
            secrets: Arc::default(),
            invocation: Invocation {
                id: Id::new(now, rand::random()),
                namespace: self.namespace().to_string(),
                function: name.to_string(),
                version: 0,
                actor: format!("{}/Service/deployment", self.namespace()).into(),
                attempt: 1,
                deadline: now.plus(limits.wall),
                parent: None,
            },
            // The same each time, so that the same bytes say the same.
            seed: [0; 32],
        };
        let run = node.executor.run(job, Box::new(Quiet(now)));
        // The executor ends it by its limits; this is for one that does not.
        let outcome = tokio::time::timeout(2 * TIME_MAX, run).await.map_err(|_| {
            Fault::new(FaultKind::Timeout, "TIMEOUT", format!("no answer within {} s", TIME_MAX.as_secs()))
        })?;
        let answer = outcome.result?;
        match answer.as_str().len() as u64 {
            bytes if bytes > ANSWER_BYTES_MAX => {
                let message =
                    format!("the answer is {bytes} bytes long; at most {} MiB are read", ANSWER_BYTES_MAX >> 20);
                Err(Fault::limit("OUTPUT_LIMIT", message))
            }
            _ => Ok(answer),
        }
    }
}
