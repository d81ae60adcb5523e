//! Whole applications: what is checked, what is written, what is taken back.

#[path = "deployments/crash.rs"]
mod crash;

use org_ai_runtime::{ActionFilter, Applied, Caller, DeploymentOptions, InvokeOptions, Object};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use testkit::{ScriptedExecutor, TestNode, completed, failed};
use tokio::sync::{Mutex, Notify};
use types::deployment::{ChangeKind, Deployment};
use types::exec::{Entry, HandlerKind};
use types::{Durability, Fault, FaultKind, FunctionName, Json};

/// A shop whose handlers are `welcome`, `tick`, `total` and `health`; the last fails while `sick` is set.
struct Shop {
    test: TestNode,
    root: Object,
    caller: Caller,
    sick: Arc<AtomicBool>,
    health: Health,
    _dir: tempfile::TempDir,
}

const HANDLERS: [&str; 4] = ["welcome", "tick", "total", "health"];

fn described() -> Value {
    json!({
        "abi": 1,
        "on": [{ "event": "Customer.created", "handler": "welcome" }],
        "every": [{ "schedule": "every weekday at 9am", "handler": "tick" }],
        "functions": [{ "name": "total", "handler": "total", "input": { "type": "object" } }],
    })
}

/// How the shop is, from outside.
#[derive(Clone)]
struct Health {
    sick: Arc<AtomicBool>,
    /// Who asks for its health waits while a test holds this.
    door: Arc<Mutex<()>>,
    asked: Arc<Notify>,
}

/// The shop's code.
fn executor() -> (ScriptedExecutor, Health) {
    let health = Health { sick: Arc::default(), door: Arc::default(), asked: Arc::default() };
    let executor = ScriptedExecutor::new();
    executor.on("shop", {
        let health = health.clone();
        move |job, mut host| {
            let health = health.clone();
            async move {
                match job.entry {
                    Entry::Describe => {
                        let asked = types::Call::TimerCancel { name: "x".into() };
                        assert!(matches!(host.call(asked).await, types::Reply::Fault(_)), "no import is served");
                        completed(&described())
                    }
                    Entry::Handle { name, .. } if !HANDLERS.contains(&name.as_str()) => {
                        failed(Fault::not_found("UNKNOWN_HANDLER", format!("the app has no handler {name:?}")))
                    }
                    Entry::Handle { kind: HandlerKind::Function, name } if name == "health" => {
                        health.asked.notify_one();
                        drop(health.door.lock().await);
                        match health.sick.load(Ordering::Acquire) {
                            true => failed(Fault::new(FaultKind::Failed, "SICK", "the till is empty")),
                            false => completed(&json!(job.manifest.env)),
                        }
                    }
                    Entry::Handle { kind, name } => {
                        completed(&json!([kind.as_str(), name, job.input.to_value(), job.invocation.version]))
                    }
                    Entry::Run
                    | Entry::Export(_)
                    | Entry::Steps { .. }
                    | Entry::Webhook { .. }
                    | Entry::Work { .. }
                    | Entry::Elsewhere { .. }
                    | Entry::Part(_) => failed(Fault::internal()),
                }
            }
        }
    });
    executor.on("mute", |_, _| async { completed(&json!({ "abi": 2 })) });
    executor.on("echo", |job, _| async move { completed(&job.input.to_value()) });
    (executor, health)
}

impl Shop {
    async fn open() -> anyhow::Result<Self> {
        let (dir, (executor, health)) = (tempfile::tempdir()?, executor());
        let test = TestNode::open(dir.path(), executor).await?;
        Self::of(test, health, dir).await
    }

    async fn of(test: TestNode, health: Health, dir: tempfile::TempDir) -> anyhow::Result<Self> {
        let (root, caller) = (test.root().await?, test.caller(&["*.*"])?);
        Ok(Self { test, root, caller, sick: health.sick.clone(), health, _dir: dir })
    }

    /// Uploads the app and says which version it became, as `run` of its function.
    async fn upload(&self, text: &str) -> anyhow::Result<Value> {
        let deployed = self.test.deploy(&self.root, "shop", &format!("scripted-app:shop {text}")).await?.function;
        Ok(json!({ "name": "shop", "run": { "component": {
            "version": deployed.version, "hash": deployed.def.hash.to_string() } } }))
    }

    async fn apply(&self, wanted: &Value) -> Result<Applied, Fault> {
        self.apply_with(wanted, DeploymentOptions::default()).await
    }

    async fn apply_with(&self, wanted: &Value, options: DeploymentOptions) -> Result<Applied, Fault> {
        let wanted: Deployment = serde_json::from_value(wanted.clone()).expect("tests write deployments right");
        self.root.apply_deployment(&self.caller, wanted, options).await
    }

    async fn total(&self) -> anyhow::Result<Value> {
        let done = self.test.invoke(&self.root, "total", &json!({ "n": 1 })).await?;
        Ok(done.map_err(|failed| failed.fault)?.result.to_value())
    }

    /// What is in effect, by the newest version of the only application.
    async fn current(&self) -> anyhow::Result<Option<Deployment>> {
        let shown = self.root.deployments(&self.caller).await?;
        Ok(shown.into_iter().find(|shown| shown.is_current).map(|shown| shown.deployment))
    }
}

fn changes(applied: &Applied) -> Vec<(ChangeKind, &str)> {
    applied.plan.changes.iter().map(|change| (change.change, change.name.as_str())).collect()
}

/// The paths of everything that was wrong.
fn fields(fault: &Fault) -> Vec<String> {
    let details = fault.details.as_ref().map(Json::to_value).unwrap_or_default();
    let fields = details.as_array().into_iter().flatten();
    fields.map(|told| told["field"].as_str().unwrap_or_default().to_owned()).collect()
}

#[tokio::test]
async fn what_an_app_describes_is_merged_applied_and_served() -> anyhow::Result<()> {
    let shop = Shop::open().await?;
    let wanted = json!({ "name": "shop", "functions": [shop.upload("1").await?], "nouns": [{ "noun": "Receipt" }],
        "verbs": [{ "action": "refund" }] });
    let planned = shop.apply_with(&wanted, DeploymentOptions { dry_run: true, ..Default::default() }).await?;
    let expected = [
        (ChangeKind::Add, "shop"),
        (ChangeKind::Add, "total"),
        (ChangeKind::Add, "Customer.created:shop#welcome"),
        (ChangeKind::Add, "shop#tick:weekday at 09:00"),
        (ChangeKind::Add, "Receipt"),
        (ChangeKind::Add, "refund"),
    ];
    assert_eq!(changes(&planned).len(), expected.len(), "{planned:?}");
    assert_eq!(planned.version, None);
    assert!(shop.current().await?.is_none(), "a plan changes nothing");

    let applied = shop.apply(&wanted).await?;
    assert_eq!(changes(&applied), changes(&planned));
    assert_eq!(changes(&applied)[..3], expected[..3]);
    assert_eq!(shop.total().await?, json!(["function", "total", { "n": 1 }, 1]));
    let refused = shop.test.invoke(&shop.root, "total", &json!(1)).await?.unwrap_err();
    assert_eq!(refused.fault.code, "INPUT_INVALID");
    let options = InvokeOptions { durability: Durability::Do, ..InvokeOptions::default() };
    let durably = shop.root.invoke(&shop.caller, &"total".parse()?, Json::from_value(&json!({})), options).await;
    assert_eq!(durably.map_err(|failed| failed.fault)?.result.to_value()[1], "total");
    assert!(shop.root.nouns(&shop.caller).await?.iter().any(|noun| noun.def.noun == "Receipt"));
    assert!(shop.root.verb(&shop.caller, "refund").await.is_ok());

    let again = shop.apply(&wanted).await?;
    assert!(again.plan.is_empty(), "{again:?}");
    assert_eq!((again.version, shop.root.deployments(&shop.caller).await?.len()), (applied.version, 1));
    Ok(())
}

#[tokio::test]
async fn what_an_application_no_longer_says_goes_and_what_another_said_stays() -> anyhow::Result<()> {
    let shop = Shop::open().await?;
    let function = shop.upload("1").await?;
    let on = |name: &str| json!({ "name": name, "event": "Order.*", "handler": "shop#tick" });
    let run = json!({ "name": "shop", "run": "deployed" });
    shop.apply(&json!({ "name": "a", "functions": [run], "subscriptions": [on("one"), on("two")] })).await?;
    shop.apply(&json!({ "name": "b", "functions": [function], "subscriptions": [on("three")] })).await?;
    let applied = shop.apply(&json!({ "name": "a", "subscriptions": [on("two")] })).await?;
    assert!(changes(&applied).contains(&(ChangeKind::Remove, "one")), "{applied:?}");
    assert!(changes(&applied).contains(&(ChangeKind::Keep, "two")), "{applied:?}");
    let events = shop.root.actions(&shop.caller, &ActionFilter { limit: 100, ..ActionFilter::default() }).await?.items;
    let deleted: Vec<_> = events.iter().filter(|action| action.verb == "delete").map(|a| a.target.as_str()).collect();
    assert!(deleted.contains(&"EventSubscription/one"), "{deleted:?}");
    assert!(!deleted.contains(&"EventSubscription/three"), "{deleted:?}");
    assert_eq!(shop.total().await?[1], "total", "b declares it still");
    Ok(())
}

#[tokio::test]
async fn an_application_under_another_name_stays_until_it_is_deleted() -> anyhow::Result<()> {
    let shop = Shop::open().await?;
    let function = shop.upload("1").await?;
    let on = |name: &str| json!({ "name": name, "event": "Order.*", "handler": "shop#tick" });
    let run = json!({ "name": "shop", "run": "deployed" });
    let old = json!({ "name": "old", "functions": [function], "subscriptions": [on("one"), on("two")] });
    assert_eq!(shop.apply(&old).await?.plan.warnings, Vec::<String>::new());
    let renamed = json!({ "name": "new", "functions": [run], "subscriptions": [on("two")] });
    let warnings = shop.apply(&renamed).await?.plan.warnings;
    assert!(warnings.iter().any(|w| w.contains("org.ai deployments delete old") && w.contains("two")), "{warnings:?}");
    assert_eq!(shop.apply(&renamed).await?.plan.warnings, Vec::<String>::new(), "it is told once");
    let old = types::FunctionName::parse("old")?;
    let gone = shop.root.delete_deployment(&shop.caller, &old).await?;
    assert_eq!(gone.version, None);
    assert!(changes(&gone).contains(&(ChangeKind::Remove, "one")), "{gone:?}");
    assert!(gone.plan.warnings.iter().any(|w| w.contains("new declares them too")), "{gone:?}");
    let left: Vec<_> = shop.root.subscriptions(&shop.caller).await?.into_iter().map(|s| s.name).collect();
    assert!(left.contains(&"two".to_owned()) && !left.contains(&"one".to_owned()), "{left:?}");
    let again = shop.root.delete_deployment(&shop.caller, &old).await.expect_err("it is gone");
    assert_eq!(again.code, "DEPLOYMENT_NOT_FOUND");
    let reader = shop.test.caller(&["deployments.read", "deployments.create"])?;
    let refused =
        shop.root.delete_deployment(&reader, &types::FunctionName::parse("new")?).await.expect_err("it may not");
    assert_eq!(refused.code, "FORBIDDEN");
    Ok(())
}

#[tokio::test]
async fn everything_that_is_wrong_is_told_at_once_and_nothing_is_written() -> anyhow::Result<()> {
    let shop = Shop::open().await?;
    shop.test.deploy(&shop.root, "echo", "scripted:echo").await?;
    let wanted = json!({
        "functions": [shop.upload("1").await?, { "name": "gone", "run": "deployed" }],
        "subscriptions": [
            { "event": "Customer", "handler": "shop#welcome" },
            { "event": "Order.created", "handler": "shop#onOrder", "filter": "data.amount >" },
            { "event": "Order.created", "handler": "echo#x" },
            { "event": "Order.created", "handler": "nobody" },
        ],
        "schedules": [{ "schedule": "whenever", "handler": "echo" }],
        "workflows": [{ "name": "w", "run": { "steps": [
            { "waitForEvent": { "name": "a", "event": "Order.paid", "filter": "nonsense nonsense" } },
            { "do": { "name": "b", "action": "missing" } },
        ] } }],
        "nouns": [{ "noun": "Thing2", "doClass": "Nothing" }],
        "requiredSecrets": ["STRIPE"],
        "migrations": [{ "tag": "v1", "deleted": ["Old"] }],
    });
    let fault = shop.apply(&wanted).await.unwrap_err();
    assert_eq!((fault.kind, fault.code.as_str()), (FaultKind::Invalid, "VALIDATION_FAILED"));
    let fields = fields(&fault);
    for field in [
        "functions[1]",
        "subscriptions[0].event",
        "subscriptions[1].handler",
        "subscriptions[1].filter",
        "subscriptions[2].handler",
        "subscriptions[3].handler",
        "schedules[0].schedule",
        "workflows[0].run.steps[0].waitForEvent.filter",
        "workflows[0].run.steps[1].do.action",
        "nouns[0].doClass",
        "requiredSecrets[0]",
        "migrations[0].deleted",
    ] {
        assert!(fields.iter().any(|f| f == field), "{field} in {fields:?}: {}", fault.message);
    }
    assert!(fault.message.contains("shop#onOrder") && fault.message.contains("no handler \"onOrder\""), "{fault}");
    assert!(shop.current().await?.is_none());
    Ok(())
}

#[tokio::test]
async fn what_is_refused_while_it_is_written_leaves_nothing_behind() -> anyhow::Result<()> {
    let shop = Shop::open().await?;
    let wanted = json!({ "functions": [shop.upload("1").await?], "nouns": [{ "noun": "Receipt" }],
        "verbs": [{ "action": "refund" }, { "action": "create" }] });
    for dry_run in [true, false] {
        let refused = shop.apply_with(&wanted, DeploymentOptions { dry_run, ..Default::default() }).await.unwrap_err();
        assert_eq!(fields(&refused), ["verbs[1]"], "{refused}");
        assert!(shop.root.nouns(&shop.caller).await?.is_empty());
        assert!(shop.root.verb(&shop.caller, "refund").await.is_err());
        assert!(shop.current().await?.is_none() && shop.total().await.is_err());
    }
    Ok(())
}

#[tokio::test]
async fn of_two_deployments_at_once_one_is_told_to_look_again() -> anyhow::Result<()> {
    let shop = Shop::open().await?;
    let (one, two) = (json!({ "vars": { "N": "1" } }), json!({ "vars": { "N": "2" } }));
    let (first, second) = tokio::join!(shop.apply(&one), shop.apply(&two));
    let refused = [first, second].into_iter().filter_map(Result::err).collect::<Vec<_>>();
    assert_eq!(refused.iter().map(|fault| fault.code.as_str()).collect::<Vec<_>>(), ["DEPLOYMENT_CHANGED"]);
    assert_eq!(shop.root.deployments(&shop.caller).await?.len(), 1);
    Ok(())
}

#[tokio::test]
async fn a_failing_probe_brings_the_old_code_and_declarations_back() -> anyhow::Result<()> {
    let shop = Shop::open().await?;
    let old = json!({ "name": "shop", "functions": [shop.upload("1").await?], "probe": { "handler": "shop#health" } });
    shop.apply(&old).await?;
    assert_eq!(shop.total().await?[3], 1);
    let function = shop.upload("2").await?;
    let second = function["run"]["component"]["version"].clone();
    assert_eq!(shop.total().await?[3], second);
    shop.sick.store(true, Ordering::Release);
    let new = json!({ "name": "shop", "functions": [function], "probe": { "handler": "shop#health" },
        "subscriptions": [{ "name": "late", "event": "*.*", "handler": "shop#tick" }] });
    let fault = shop.apply(&new).await.unwrap_err();
    assert_eq!((fault.kind, fault.code.as_str()), (FaultKind::Failed, "PROBE_FAILED"));
    assert!(fault.message.contains("the till is empty") && fault.message.contains("shop#health"), "{fault}");
    let now = shop.root.function(&shop.caller, &FunctionName::parse("shop")?, types::At::Head).await?;
    let then = shop.root.function(&shop.caller, &FunctionName::parse("shop")?, types::At::Version(1)).await?;
    assert_eq!(now.def, then.def, "the code is the old one again");
    assert_eq!(shop.total().await?[3], now.version);
    let current = shop.current().await?.expect("the old one is in effect");
    assert!(current.subscriptions.iter().all(|s| s.name.as_deref() != Some("late")), "{current:?}");
    // The same file once more changes nothing: it is what is in effect.
    let again =
        json!({ "name": "shop", "functions": [shop.upload("1").await?], "probe": { "handler": "shop#health" } });
    assert!(shop.apply(&again).await?.plan.is_empty());
    Ok(())
}

#[tokio::test]
async fn the_variables_of_an_application_are_the_environment_of_its_functions() -> anyhow::Result<()> {
    let shop = Shop::open().await?;
    let function = shop.upload("1").await?;
    let wanted = |vars: Value| {
        json!({ "name": "shop", "vars": vars, "probe": { "handler": "shop#health" },
            "functions": [function.clone(), { "name": "health", "run": { "handler": "shop#health" } }] })
    };
    let env = async || -> anyhow::Result<Value> {
        let done = shop.test.invoke(&shop.root, "health", &json!({})).await?;
        Ok(done.map_err(|failed| failed.fault)?.result.to_value())
    };
    shop.apply(&wanted(json!({ "REGION": "eu" }))).await?;
    assert_eq!(env().await?, json!({ "REGION": "eu" }));
    let again = shop.apply(&wanted(json!({ "REGION": "eu" }))).await?;
    assert_eq!(again.version, shop.apply(&wanted(json!({ "REGION": "eu" }))).await?.version);
    // The same bytes once more, without an application: they stay what they are.
    let unchanged = shop.test.deploy(&shop.root, "shop", "scripted-app:shop 1").await?;
    assert!(unchanged.unchanged);
    shop.upload("2").await?;
    assert_eq!(env().await?, json!({ "REGION": "eu" }), "other code keeps the variables");
    // A deploy whose probe fails puts them back, and one that says none takes them away.
    shop.sick.store(true, Ordering::Release);
    assert_eq!(shop.apply(&wanted(json!({ "REGION": "us" }))).await.unwrap_err().code, "PROBE_FAILED");
    shop.sick.store(false, Ordering::Release);
    assert_eq!(env().await?, json!({ "REGION": "eu" }));
    shop.apply(&wanted(json!({}))).await?;
    assert_eq!(env().await?, json!({}));
    shop.root.roll_back_deployment(&shop.caller, again.version.expect("it is in effect")).await?;
    assert_eq!(env().await?, json!({ "REGION": "eu" }), "going back brings them back");
    Ok(())
}

#[tokio::test]
async fn a_first_deployment_whose_probe_fails_leaves_nothing_in_effect() -> anyhow::Result<()> {
    let shop = Shop::open().await?;
    shop.sick.store(true, Ordering::Release);
    let wanted = json!({ "functions": [shop.upload("1").await?], "probe": { "handler": "shop#health" } });
    assert_eq!(shop.apply(&wanted).await.unwrap_err().code, "PROBE_FAILED");
    assert!(shop.current().await?.is_none());
    assert!(shop.total().await.is_err());
    Ok(())
}

#[tokio::test]
async fn an_earlier_version_comes_back_by_its_number() -> anyhow::Result<()> {
    let shop = Shop::open().await?;
    let first = shop.apply(&json!({ "functions": [shop.upload("1").await?] })).await?.version.expect("it is written");
    let on = json!([{ "name": "s", "event": "*.*", "handler": "shop#tick" }]);
    shop.apply(&json!({ "functions": [shop.upload("2").await?], "subscriptions": on })).await?;
    let back = shop.root.roll_back_deployment(&shop.caller, first).await?;
    assert!(changes(&back).contains(&(ChangeKind::Remove, "s")), "{back:?}");
    let shown = shop.root.deployments(&shop.caller).await?;
    assert_eq!(shown.iter().map(|shown| shown.is_current).collect::<Vec<_>>(), [true, false, false]);
    assert_eq!(shown[0].version, back.version.expect("it is written"));
    let head = shop.root.function(&shop.caller, &FunctionName::parse("shop")?, types::At::Head).await?;
    let then = shop.root.function(&shop.caller, &FunctionName::parse("shop")?, types::At::Version(1)).await?;
    assert_eq!(head.def, then.def);
    assert_eq!(shop.root.roll_back_deployment(&shop.caller, 1).await.unwrap_err().code, "DEPLOYMENT_NOT_FOUND");
    Ok(())
}

#[tokio::test]
async fn an_app_that_cannot_say_what_it_is_is_not_deployed() -> anyhow::Result<()> {
    let shop = Shop::open().await?;
    let error = shop.test.deploy(&shop.root, "mute", "scripted-app:mute").await.unwrap_err();
    let fault = error.downcast_ref::<Fault>().expect("it is a fault");
    assert_eq!(fault.code, "DESCRIBE_INVALID", "{fault}");
    assert!(shop.root.functions(&shop.caller).await?.is_empty());
    Ok(())
}

#[tokio::test]
async fn a_class_of_an_application_extends_a_built_in_one() -> anyhow::Result<()> {
    let shop = Shop::open().await?;
    let (all, ns) = (shop.caller.clone(), |text: &str| types::Namespace::parse(text).expect("it is one"));
    let made = |name: &'static str| {
        let (root, all) = (shop.root.clone(), all.clone());
        async move { root.create_object(&all, ns(name), "Cart".into()).await.map_err(|fault| fault.code) }
    };
    assert_eq!(made("https://cart.test").await.unwrap_err(), "CLASS_INVALID");
    let with = |base: &str| {
        json!({
            "functions": [], "objects": [{ "binding": "CARTS", "class": "Cart", "extends": base }],
            "migrations": [{ "tag": "1", "newClasses": ["Cart"] }], "nouns": [{ "noun": "Basket", "doClass": "Cart" }],
            "vars": { "REGION": base },
        })
    };
    shop.apply(&with("Collection")).await?;
    made("https://cart.test").await.map_err(anyhow::Error::msg)?;
    let cart = shop.test.node.object(&ns("https://cart.test")).await?.expect("it was made");
    // An object below knows the classes of those above it.
    cart.create_object(&all, ns("https://cart.test/inner"), "Cart".into()).await?;
    let noun = json!({ "noun": "Wish", "plural": "Wishes", "doClass": "Cart" });
    cart.put_noun(&all, &org_ai_runtime::View::default(), serde_json::from_value(noun)?).await?;
    for name in ["https://cart.test", "https://cart.test/inner"] {
        let about = shop.test.node.object(&ns(name)).await?.expect("it was made").about(&all).await?;
        let extends: Vec<_> = about.extends.iter().map(|class| class.as_str()).collect();
        assert_eq!((about.class.as_str(), extends), ("Cart", vec!["Collection", "Entity", "DO"]));
    }
    assert!(shop.root.about(&all).await?.extends.is_empty(), "the root is a DO");
    let refused = shop.apply(&with("App")).await.unwrap_err();
    assert_eq!(fields(&refused), ["objects[0].extends"], "its objects are what they are: {refused}");
    Ok(())
}

#[tokio::test]
async fn deployments_need_their_own_scopes() -> anyhow::Result<()> {
    let mut shop = Shop::open().await?;
    shop.caller = shop.test.caller(&["deployments.read"])?;
    let wanted = json!({ "vars": { "REGION": "eu" } });
    shop.apply_with(&wanted, DeploymentOptions { dry_run: true, ..Default::default() }).await?;
    assert_eq!(shop.apply(&wanted).await.unwrap_err().kind, FaultKind::Forbidden);
    assert_eq!(shop.root.roll_back_deployment(&shop.caller, 1).await.unwrap_err().kind, FaultKind::Forbidden);
    Ok(())
}
