//! Models that answer what a test says.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use types::exec::{BoxFuture, Heard, Models};
use types::{Completed, Completion, Fault, FaultKind, Finish, Spent, ToolCall};

/// What one model does with a request: it may wait.
type Behaviour = Arc<dyn Fn(Completion) -> BoxFuture<'static, Result<Completed, Fault>> + Send + Sync>;
type Embedder = Arc<dyn Fn(&str) -> Vec<f32> + Send + Sync>;

/// Clones are one: what was asked of any of them is known to all.
#[derive(Clone, Default)]
pub struct ScriptedModels(Arc<Inner>);

#[derive(Default)]
struct Inner {
    behaviour: Mutex<Option<Behaviour>>,
    embedder: Mutex<Option<Embedder>>,
    asked: Mutex<Vec<Completion>>,
    embedded: AtomicUsize,
}

impl ScriptedModels {
    pub fn new() -> Self {
        Self::default()
    }

    /// Answers every request so, from now on.
    pub fn on(&self, answer: impl Fn(Completion) -> Result<Completed, Fault> + Send + Sync + 'static) {
        self.on_waiting(move |request| std::future::ready(answer(request)));
    }

    /// Answers every request so, when the future has come to its end.
    pub fn on_waiting<F>(&self, answer: impl Fn(Completion) -> F + Send + Sync + 'static)
    where
        F: Future<Output = Result<Completed, Fault>> + Send + 'static,
    {
        let behaviour: Behaviour = Arc::new(move |request| Box::pin(answer(request)));
        *locked(&self.0.behaviour) = Some(behaviour);
    }

    /// One answer after the other; whoever asks once more than there are is told that the model failed.
    pub fn answers(&self, answers: Vec<Completed>) {
        let rest = Mutex::new(answers.into_iter());
        self.on(move |_| {
            locked(&rest).next().ok_or_else(|| failed_model("the script of this test has no more answers for a model"))
        });
    }

    /// The vector of each text.
    pub fn on_embed(&self, vector: impl Fn(&str) -> Vec<f32> + Send + Sync + 'static) {
        *locked(&self.0.embedder) = Some(Arc::new(vector));
    }

    /// All that was asked until now, the first request first.
    pub fn asked(&self) -> Vec<Completion> {
        locked(&self.0.asked).clone()
    }

    /// How many requests there were for a completion.
    pub fn requests(&self) -> usize {
        locked(&self.0.asked).len()
    }

    /// How many requests there were for embeddings.
    pub fn embeddings(&self) -> usize {
        self.0.embedded.load(Ordering::SeqCst)
    }
}

impl Models for ScriptedModels {
    fn complete(&self, request: Completion, heard: Heard) -> BoxFuture<'_, Result<Completed, Fault>> {
        locked(&self.0.asked).push(request.clone());
        let behaviour = locked(&self.0.behaviour).clone();
        Box::pin(async move {
            let behaviour = behaviour.ok_or_else(|| failed_model("no test has said what this model answers"))?;
            let completed = behaviour(request).await?;
            if let Some(heard) = heard {
                // Word by word, as models speak.
                completed.text.split_inclusive(' ').for_each(|piece| heard(piece));
            }
            Ok(completed)
        })
    }

    fn embed(
        &self,
        _: Option<String>,
        texts: Vec<String>,
        dimensions: Option<u32>,
    ) -> BoxFuture<'_, Result<(Vec<Vec<f32>>, Spent), Fault>> {
        self.0.embedded.fetch_add(1, Ordering::SeqCst);
        let embedder = locked(&self.0.embedder).clone();
        Box::pin(async move {
            let embedder = embedder.ok_or_else(|| failed_model("no test has said what this model's vectors are"))?;
            let mut vectors: Vec<_> = texts.iter().map(|text| embedder(text)).collect();
            if let Some(dimensions) = dimensions {
                vectors.iter_mut().for_each(|vector| vector.resize(dimensions as usize, 0.0));
            }
            let input_tokens = texts.iter().map(|text| text.split_whitespace().count() as u64).sum();
            Ok((vectors, Spent { input_tokens, output_tokens: 0, cost_micros: Some(0), model_calls: 1 }))
        })
    }
}

/// What a model says that has said all: ten tokens in, five out, for 15 millionths of a dollar.
pub fn said(text: &str) -> Completed {
    Completed {
        text: text.to_owned(),
        tool_calls: Vec::new(),
        finish: Finish::Stop,
        model: "scripted/model".to_owned(),
        spent: Spent { input_tokens: 10, output_tokens: 5, cost_micros: Some(15), model_calls: 1 },
    }
}

/// A model wants tools to be called: each with its name and the text of its arguments; the ids are `call-1`, `call-2`, …
pub fn wants(calls: &[(&str, &str)]) -> Completed {
    let call = |(n, (name, arguments)): (usize, &(&str, &str))| ToolCall {
        id: format!("call-{}", n + 1),
        name: (*name).to_owned(),
        arguments: (*arguments).to_owned(),
    };
    Completed { tool_calls: calls.iter().enumerate().map(call).collect(), finish: Finish::ToolCalls, ..said("") }
}

fn failed_model(message: &str) -> Fault {
    Fault::new(FaultKind::Upstream, "MODEL_FAILED", message)
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
