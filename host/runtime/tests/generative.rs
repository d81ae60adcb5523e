//! Functions of a model over a scripted one: what a component says, what is recorded, what a crash and a replay do, what
//! is spent, and what no model may see.

use org_ai_runtime::{GenerateWanted, InvokeOptions};
use serde_json::json;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use testkit::{HeardLog, ScriptedExecutor, ScriptedModels, TestNode, completed, said, stopped_after};
use types::exec::{Entry, Models, Part};
use types::{Durability, Json, ModelBudget, Period, Row};

async fn open(dir: &Path, models: &ScriptedModels) -> TestNode {
    let reached: Arc<dyn Models> = Arc::new(models.clone());
    TestNode::open_reaching(dir, executor(), |outside| outside.models = Some(reached)).await.expect("it opens")
}

/// `classify` asks about its input's text, and makes `{answer}` of the answer.
fn executor() -> ScriptedExecutor {
    let executor = ScriptedExecutor::new();
    executor.on("classify", |job, _| async move {
        let input = job.input.to_value();
        match job.entry {
            Entry::Part(Part::Prompt) => completed(&json!({ "prompt": input["text"], "model": "a/b" })),
            Entry::Part(Part::Finish { answer }) => completed(&json!({ "answer": answer.to_value() })),
            other => panic!("{other:?} is not asked of a generative function"),
        }
    });
    executor
}

fn durable() -> InvokeOptions {
    InvokeOptions { durability: Durability::Do, ..InvokeOptions::default() }
}

#[tokio::test]
async fn a_component_says_what_is_asked_and_makes_the_result() {
    let dir = tempfile::tempdir().expect("a folder");
    let models = ScriptedModels::new();
    models.on(|request| Ok(said(&format!("about {}", request.messages[0].text))));
    let test = open(dir.path(), &models).await;
    let root = test.root().await.expect("it is there");
    test.deploy(&root, "classify", "scripted-generative:classify").await.expect("it deploys");
    let invoked =
        test.invoke(&root, "classify", &json!({ "text": "x" })).await.expect("it runs").expect("it ends well");
    assert_eq!(invoked.result.to_value(), json!({ "answer": "about x" }));
    assert_eq!(invoked.used.expect("a model was asked").spent.model_calls, 1);
    assert_eq!(models.asked()[0].model.as_deref(), Some("a/b"));
}

#[tokio::test]
async fn without_a_model_the_setting_is_named() {
    let dir = tempfile::tempdir().expect("a folder");
    let test = TestNode::open(dir.path(), executor()).await.expect("it opens");
    let root = test.root().await.expect("it is there");
    test.deploy(&root, "classify", "scripted-generative:classify").await.expect("it deploys");
    let failed = test.invoke(&root, "classify", &json!({ "text": "x" })).await.expect("it runs").unwrap_err();
    assert_eq!(failed.fault.code, "MODEL_UNAVAILABLE");
    assert!(failed.fault.message.contains("models.default"), "{}", failed.fault);
}

#[tokio::test]
async fn an_answer_that_was_recorded_is_not_asked_for_again_after_a_crash() {
    let dir = tempfile::tempdir().expect("a folder");
    let models = ScriptedModels::new();
    models.on(|_| Ok(said("yes")));
    // The host stops behind the record that has the model's answer, while the component's `finish` has no end.
    let (answered, written) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
    let (sees, keeps) = (answered.clone(), written.clone());
    let log = HeardLog::open(dir.path(), move |batch| {
        let rows = || batch.iter().flat_map(|record| &record.rows);
        let is_answer = |row: &Row| matches!(row, Row::Step(s) if s.name == "model.complete" && s.reply.is_some());
        let has_answer = rows().any(is_answer);
        assert_eq!(has_answer, rows().any(|row| matches!(row, Row::ModelUsage(_))), "what it cost is written with it");
        if !sees.fetch_or(has_answer, Ordering::SeqCst) {
            keeps.lock().expect("nobody panics with it").extend(batch.iter().cloned());
        }
        true
    })
    .expect("a log");
    let hangs = executor();
    hangs.on("classify", |job, _| async move {
        match job.entry {
            Entry::Part(Part::Prompt) => completed(&json!({ "prompt": "x", "model": "a/b" })),
            _ => std::future::pending().await,
        }
    });
    let reached: Arc<dyn Models> = Arc::new(models.clone());
    let reach = |outside: &mut types::exec::Outside| outside.models = Some(reached);
    let test = TestNode::open_whole(dir.path(), Arc::new(log), hangs, reach, |_| {}).await.expect("it opens");
    let root = test.root().await.expect("it is there");
    test.deploy(&root, "classify", "scripted-generative:classify").await.expect("it deploys");
    let caller = test.caller(&["*.*"]).expect("scopes");
    let action = "classify".parse().expect("a name");
    let input = Json::from_value(&json!({ "text": "x" }));
    root.accept_durably(&caller, &action, input, durable()).await.map_err(|f| f.fault).expect("it is accepted");
    tokio::time::timeout(std::time::Duration::from_secs(10), async {
        while !answered.load(Ordering::SeqCst) {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("the answer is written down");
    let records = written.lock().expect("nobody panics with it").clone();
    let left = stopped_after(dir.path(), &records).expect("a folder");
    let test = open(left.path(), &models).await;
    let root = test.root().await.expect("it is there");
    let done = async {
        loop {
            let usage = root.model_usage(&caller, 1).await.expect("it may");
            let log = root.actions(&caller, &Default::default()).await.expect("it may");
            if log.items.iter().any(|a| a.target == "Function/classify" && a.status == types::ActionStatus::Completed) {
                return usage;
            }
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    };
    let usage = tokio::time::timeout(std::time::Duration::from_secs(10), done).await.expect("it goes on");
    assert_eq!(models.requests(), 1, "the recorded answer is the answer");
    assert_eq!(usage.rows[0].calls, 1, "and is paid once");
}

#[tokio::test]
async fn no_model_sees_a_secret_of_the_object() {
    let dir = tempfile::tempdir().expect("a folder");
    let models = ScriptedModels::new();
    models.on(|_| Ok(said("fine")));
    let test = open(dir.path(), &models).await;
    let root = test.root().await.expect("it is there");
    let caller = test.caller(&["*.*"]).expect("scopes");
    root.put_secret(&caller, "DB", "correct-horse-battery").await.expect("it is stored");
    let definition = json!({ "type": "generative", "prompt": "Log in: {{input.note}} {{input.account}}" });
    let name = types::FunctionName::parse("f").expect("a name");
    root.declare(&caller, name, &definition, false).await.expect("it deploys");
    let input = json!({
        "note": "use correct-horse-battery or sk-abcdefghijklmnopqrstuvwxyz", "account": { "user": "ann", "password": "p" },
    });
    test.invoke(&root, "f", &input).await.expect("it runs").expect("it ends well");
    let expected = r#"Log in: use [REDACTED] or [REDACTED] {"user":"ann","password":"[REDACTED]"}"#;
    assert_eq!(models.asked()[0].messages[0].text, expected);
}

#[tokio::test]
async fn requests_at_once_do_not_go_past_a_budget_together() {
    let dir = tempfile::tempdir().expect("a folder");
    let models = ScriptedModels::new();
    let go = Arc::new(tokio::sync::Semaphore::new(0));
    let waits = go.clone();
    models.on_waiting(move |_| {
        let waits = waits.clone();
        async move {
            let _permit = waits.acquire_owned().await;
            Ok(said("fine"))
        }
    });
    let test = open(dir.path(), &models).await;
    let root = test.root().await.expect("it is there");
    let caller = test.caller(&["*.*"]).expect("scopes");
    let budget = ModelBudget { usd_micros: None, tokens: Some(100), per: Period::Day };
    root.set_model_budget(&caller, Some(budget)).await.expect("it may");
    // Each is taken for one token of prompt and sixty of answer.
    let asking: Vec<_> = (0..5)
        .map(|_| {
            let (root, caller) = (root.clone(), caller.clone());
            tokio::spawn(async move {
                let wanted = GenerateWanted { prompt: "x".into(), max_tokens: Some(60), ..Default::default() };
                root.generate(&caller, wanted, Default::default()).await.map_err(|failed| failed.fault.code)
            })
        })
        .collect();
    tokio::time::timeout(std::time::Duration::from_secs(5), async {
        while asking.iter().filter(|task| task.is_finished()).count() < 3 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("three are refused");
    assert_eq!(models.requests(), 2);
    go.add_permits(100);
    let mut codes = Vec::new();
    for task in asking {
        codes.extend(task.await.expect("it does not panic").err());
    }
    assert_eq!(codes, ["BUDGET_EXCEEDED"; 3]);
    // What was taken for longer than it was is there again.
    let wanted = GenerateWanted { prompt: "x".into(), max_tokens: Some(60), ..Default::default() };
    root.generate(&caller, wanted, Default::default()).await.expect("30 of 100 are spent");
}
