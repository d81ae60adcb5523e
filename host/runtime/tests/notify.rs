//! Telling people something (spec WRK-8): by their channels, in time, and never twice.

#[path = "durable/scene.rs"]
#[expect(dead_code, reason = "the scene of durable runs has more than is used here")]
mod scene;

use commit_log::LocalLog;
use org_ai_runtime::{InvokeOptions, Op, View, Write};
use scene::{Scene, ask, outcome};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use testkit::{ScriptedChannels, ScriptedExecutor, TestNode, completed};
use types::exec::{BoxFuture, ChannelKind, Channels, Dispatch, Outside};
use types::{Call, Fault, FaultKind, Json, ThingKey};

/// Functions: `tell` notifies whom its input says, `echo` gives its input.
fn executor() -> ScriptedExecutor {
    let executor = ScriptedExecutor::new();
    executor.on("tell", |job, mut host| async move {
        let input = job.input.to_value();
        let call = Call::Notify {
            worker: input["worker"].as_str().map(str::to_owned),
            message: Json::from_value(&input["message"]),
            options: Some(Json::from_value(&input["options"])),
        };
        outcome(ask(&mut host, call).await)
    });
    executor.on("echo", |job, _| async move { completed(&job.input.to_value()) });
    executor
}

async fn scene(dir: &Path, channels: Arc<dyn Channels>) -> anyhow::Result<Scene> {
    let log = LocalLog::open(&dir.join("log"), &commit_log::Config::STANDARD)?;
    let reach = |outside: &mut Outside| outside.channels = Some(channels);
    let test = TestNode::open_whole(dir, Arc::new(log), executor(), reach, |_| {}).await?;
    let scene = Scene::of(test).await?;
    scene.deploy(&["tell", "echo"]).await?;
    Ok(scene)
}

async fn put(scene: &Scene, key: &str, data: &Value) -> anyhow::Result<()> {
    let key = ThingKey::parse(key)?;
    let input = model::flat::Input::read(data.clone()).map_err(|e| anyhow::anyhow!("{e:?}"))?;
    scene.root.write(&scene.caller, &View::default(), Write::of(Op::Put { key, input, upsert: true })).await?;
    Ok(())
}

async fn tell(scene: &Scene, worker: &str, options: &Value) -> Result<Value, Fault> {
    let input = json!({ "worker": worker, "message": "Lunch\nis ready", "options": options });
    let invoked = scene.invoke("tell", &input, InvokeOptions::default()).await;
    invoked.map(|invoked| invoked.result.to_value()).map_err(|failed| failed.fault)
}

fn ann() -> Value {
    json!({ "channels": [
        { "type": "email", "target": "ann@acme.example" },
        { "type": "slack", "target": "U1" },
        { "type": "sms", "target": "+15550100", "priority": "urgent" },
    ] })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_is_down_keeps_no_other_from_it_and_is_tried_three_times() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let channels = ScriptedChannels::new();
    channels.break_down(ChannelKind::Slack);
    let scene = scene(dir.path(), Arc::new(channels.clone())).await?;
    put(&scene, "Human/ann", &ann()).await?;
    scene.let_time_pass();
    let told = tell(&scene, "Human/ann", &json!({})).await?;
    assert_eq!((&told["sent"], &told["via"]), (&json!(true), &json!(["email"])), "{told}");
    assert_eq!(told["recipients"], json!(["https://root.test/Human/ann"]));
    let [mail, slack] = told["delivery"].as_array().map(Vec::as_slice).unwrap_or_default() else {
        panic!("two channels take what is not urgent: {told}")
    };
    assert_eq!((&mail["status"], &slack["status"]), (&json!("delivered"), &json!("failed")));
    assert_eq!((&slack["target"], &slack["error"]["code"]), (&json!("U1"), &json!("CHANNEL_DOWN")));
    let sent = channels.sent();
    assert_eq!((sent.len(), sent[0].subject.as_str(), sent[0].text.as_str()), (1, "Lunch", "Lunch\nis ready"));
    let mut tried: Vec<usize> = channels.tried().into_values().collect();
    tried.sort_unstable();
    assert_eq!(tried, [1, 3], "the same message each time");

    channels.on_deliver(|_| Err(Fault::new(FaultKind::Upstream, "CHANNEL_DOWN", "nobody listens there")));
    let told = tell(&scene, "Human/ann", &json!({ "priority": "urgent" })).await?;
    assert_eq!((&told["sent"], &told["via"]), (&json!(false), &json!([])), "{told}");
    assert_eq!(told["delivery"].as_array().map(Vec::len), Some(3));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_with_an_id_is_told_once_and_a_target_that_is_none_is_not_tried_again() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let channels = ScriptedChannels::new();
    channels.on_deliver(|message| {
        let is_wrong = message.target == "nobody";
        if is_wrong { Err(Fault::invalid("CHANNEL_TARGET", "there is nobody")) } else { Ok(()) }
    });
    let scene = scene(dir.path(), Arc::new(channels.clone())).await?;
    put(&scene, "Human/ann", &ann()).await?;
    let options = json!({ "messageId": "lunch-1",
                          "channels": ["email", { "type": "email", "target": "nobody" }] });
    let first = tell(&scene, "Human/ann", &options).await?;
    let second = tell(&scene, "Human/ann", &options).await?;
    assert_eq!((&first["messageId"], &first), (&json!("lunch-1"), &second));
    assert_eq!(channels.tried().values().sum::<usize>(), 2, "each way once: {:?}", channels.tried());
    let other = json!({ "worker": "Human/ann", "message": "Dinner", "options": options });
    let fault = scene.invoke("tell", &other, InvokeOptions::default()).await.map_err(|f| f.fault).err();
    assert_eq!(fault.map(|fault| fault.code).as_deref(), Some("REQUEST_EXISTS"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_urgent_waits_for_the_end_of_quiet_hours() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let channels = ScriptedChannels::new();
    let scene = scene(dir.path(), Arc::new(channels.clone())).await?;
    // It is noon.
    let quiet = json!({ "from": "11:00", "to": "14:00" });
    let data = json!({ "channels": [{ "type": "email", "target": "ann@acme.example" }], "quietHours": quiet });
    put(&scene, "Human/ann", &data).await?;
    let told = tell(&scene, "Human/ann", &json!({})).await?;
    assert_eq!((&told["sent"], &told["delivery"][0]["status"]), (&json!(true), &json!("queued")), "{told}");
    let urgent = tell(&scene, "Human/ann", &json!({ "priority": "urgent" })).await?;
    assert_eq!(urgent["delivery"][0]["status"], "delivered");
    assert_eq!(channels.sent().len(), 1, "the urgent one alone");
    scene.test.clock.advance(Duration::from_secs(2 * 3600 - 1));
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
    assert_eq!(channels.sent().len(), 1, "a second is left");
    // Whatever dies meanwhile.
    scene.test.node.shutdown().await;
    drop(scene);
    let scene = self::scene(dir.path(), Arc::new(channels.clone())).await?;
    scene.test.clock.advance(Duration::from_secs(2 * 3600));
    scene.let_time_pass();
    for _ in 0..5_000 {
        if channels.sent().len() == 2 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert_eq!(channels.sent().len(), 2);
    assert!(channels.counts().values().all(|count| *count == 1));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_cannot_be_told_is_said() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let scene = scene(dir.path(), Arc::new(ScriptedChannels::new())).await?;
    put(&scene, "Human/bob", &json!({ "inactive": true, "roles": ["cook"] })).await?;
    put(&scene, "Human/eve", &json!({})).await?;
    put(&scene, "Agent/cat", &json!({ "supervisor": "Agent/dog" })).await?;
    put(&scene, "Agent/dog", &json!({ "supervisor": "Agent/cat" })).await?;
    put(&scene, "Agent/fox", &json!({ "supervisor": "Human/eve" })).await?;
    for (worker, code) in [
        ("Human/nobody", "WORKER_NOT_FOUND"),
        ("Human/bob", "WORKER_INACTIVE"),
        ("role:cook", "NO_ASSIGNEE"),
        ("Agent/nobody", "WORKER_NOT_FOUND"),
        ("Agent/cat", "NO_ASSIGNEE"),
        ("somebody", "WORKER_INVALID"),
    ] {
        let fault = tell(&scene, worker, &json!({})).await.expect_err("nobody can be told");
        assert_eq!(fault.code, code, "{worker}: {}", fault.message);
    }
    for (options, code) in
        [(json!({ "priority": "soon" }), "PRIORITY_INVALID"), (json!({ "channels": ["pigeon"] }), "CHANNELS_INVALID")]
    {
        let fault = tell(&scene, "Human/eve", &options).await.expect_err("it is wrong");
        assert_eq!(fault.code, code, "{}", fault.message);
    }
    for worker in ["Human/eve", "Agent/fox"] {
        let told = tell(&scene, worker, &json!({})).await?;
        assert_eq!((&told["sent"], &told["warnings"]), (&json!(false), &json!(["NO_CHANNELS"])), "{told}");
    }
    Ok(())
}

/// Channels that hold every message until they are let go.
#[derive(Default)]
struct Held {
    waiting: AtomicUsize,
    most: AtomicUsize,
    sent: AtomicUsize,
    open: tokio::sync::Notify,
    is_open: std::sync::atomic::AtomicBool,
}

impl Channels for Held {
    fn deliver(&self, _: Dispatch) -> BoxFuture<'_, Result<(), Fault>> {
        Box::pin(async move {
            let opened = self.open.notified();
            let now = 1 + self.waiting.fetch_add(1, Ordering::SeqCst);
            self.most.fetch_max(now, Ordering::SeqCst);
            if !self.is_open.load(Ordering::SeqCst) {
                opened.await;
            }
            self.waiting.fetch_sub(1, Ordering::SeqCst);
            self.sent.fetch_add(1, Ordering::SeqCst);
            Ok(())
        })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_people_are_told_side_by_side_and_others_are_served_meanwhile() -> anyhow::Result<()> {
    const PEOPLE: usize = 1_000;
    let dir = tempfile::tempdir()?;
    let channels = Arc::new(Held::default());
    let scene = Arc::new(scene(dir.path(), channels.clone()).await?);
    for n in 0..PEOPLE {
        let target = format!("p{n}@acme.example");
        put(
            &scene,
            &format!("Human/p{n}"),
            &json!({ "roles": ["all"], "channels": [{ "type": "email", "target": target }] }),
        )
        .await?;
    }
    let telling = tokio::spawn({
        let scene = scene.clone();
        async move { tell(&scene, "role:all", &json!({})).await }
    });
    // Until every part is at its first message, which nobody takes.
    for _ in 0..10_000 {
        if channels.waiting.load(Ordering::SeqCst) == PEOPLE / 50 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(channels.waiting.load(Ordering::SeqCst), PEOPLE / 50, "one message of each part is on its way");
    for n in 0..50 {
        assert_eq!(scene.run("echo", &json!(n)).await?, json!(n), "others are served");
    }
    assert_eq!(channels.sent.load(Ordering::SeqCst), 0);
    channels.is_open.store(true, Ordering::SeqCst);
    channels.open.notify_waiters();
    let told = telling.await??;
    assert_eq!((&told["sent"], told["recipients"].as_array().map(Vec::len)), (&json!(true), Some(PEOPLE)));
    assert_eq!(channels.sent.load(Ordering::SeqCst), PEOPLE);
    assert_eq!(channels.most.load(Ordering::SeqCst), PEOPLE / 50);
    Ok(())
}
