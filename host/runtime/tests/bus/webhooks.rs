//! Events that are posted to a URL.

use super::scene::{Scene, Told, executor};
use org_ai_runtime::{Clock as _, FailedFilter, ForkWanted, Lifecycle, Replayed, SubscriptionTarget, WebhookWanted};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use testkit::TestNode;
use types::exec::{Letter, Receipt};
use types::{FailedStanding, Fault, FaultKind, Namespace, Timestamp};

const URL: &str = "https://hooks.example/in";

fn wanted(name: &str, event: &str, max_retries: u32) -> WebhookWanted {
    let (name, event, url) = (Some(name.to_owned()), event.to_owned(), URL.to_owned());
    WebhookWanted { name, event, url, priority: 0, filter: None, max_retries }
}

fn header<'a>(letter: &'a Letter, name: &str) -> &'a str {
    letter.headers.iter().find(|(n, _)| *n == name).map_or("", |(_, value)| value)
}

fn body(letter: &Letter) -> Value {
    serde_json::from_str(&letter.body).expect("it is JSON")
}

/// What was posted and when, and what is answered to it.
#[derive(Clone, Default)]
struct Posted(Arc<Mutex<Vec<(Timestamp, Letter)>>>);

impl Posted {
    fn all(&self) -> Vec<(Timestamp, Letter)> {
        self.0.lock().expect("no test panics with it").clone()
    }

    /// `answer` gets the number of the letter, from 1.
    async fn scene(
        &self,
        dir: &std::path::Path,
        answer: impl Fn(usize) -> Result<Receipt, Fault> + Send + Sync + 'static,
    ) -> anyhow::Result<Scene> {
        let (kept, executor) = (self.0.clone(), executor(&Told::default()));
        let test = TestNode::open(dir, executor.clone()).await?;
        let clock = test.clock.clone();
        executor.on_post(move |letter| {
            let mut kept = kept.lock().expect("no test panics with it");
            kept.push((clock.now(), letter));
            answer(kept.len())
        });
        let scene = Scene::of(test).await?;
        scene.deploy(&["put", "emit"]).await?;
        Ok(scene)
    }

    async fn until(&self, scene: &Scene, count: usize) -> anyhow::Result<Vec<(Timestamp, Letter)>> {
        scene.until("so many letters", || async { Ok(Some(self.all()).filter(|all| all.len() >= count)) }).await
    }
}

fn status(status: u16) -> Result<Receipt, Fault> {
    Ok(Receipt { status, retry_after: None })
}

#[tokio::test(flavor = "multi_thread")]
async fn each_event_is_posted_signed_with_a_secret_that_is_shown_once() -> anyhow::Result<()> {
    let (dir, posted) = (tempfile::tempdir()?, Posted::default());
    let scene = posted.scene(dir.path(), |_| status(204)).await?;
    let (shown, secret) = scene.root.subscribe_webhook(&scene.caller, wanted("hook", "Order.*", 3)).await?;
    let secret = secret.expect("it is new");
    assert_eq!(shown.target, SubscriptionTarget::Webhook(URL.into()));
    let (_, again) = scene.root.subscribe_webhook(&scene.caller, wanted("hook", "Order.*", 3)).await?;
    assert_eq!(again, None, "the same is there, and its secret was shown");
    let other = scene.root.subscribe_webhook(&scene.caller, wanted("hook", "Invoice.*", 3)).await;
    assert_eq!(other.expect_err("the name is taken").code, "SUBSCRIPTION_EXISTS");

    scene.put("Order", "a").await?;
    let (_, letter) = posted.until(&scene, 1).await?.remove(0);
    let told = body(&letter);
    assert_eq!((letter.url.as_str(), &told["source"], &told["verb"]), (URL, &json!("Order/a"), &json!("created")));
    assert_eq!((&told["subscription"], &told["attempt"]), (&json!("hook"), &json!(1)));
    assert_eq!(header(&letter, "idempotency-key"), told["id"]);
    assert_eq!(header(&letter, "content-type"), "application/json");
    let timestamp = header(&letter, "org-ai-timestamp");
    assert_eq!(header(&letter, "org-ai-signature"), auth::sign(&secret, timestamp.parse()?, &letter.body));
    scene.until_quiet().await?;
    assert_eq!(posted.all().len(), 1, "what is told of the delivery is not delivered itself");

    let names: Vec<_> = scene.root.subscriptions(&scene.caller).await?.into_iter().map(|s| s.name).collect();
    assert_eq!(names, ["hook"]);
    scene.root.unsubscribe(&scene.caller, "hook").await?;
    scene.put("Order", "b").await?;
    scene.until_quiet().await?;
    assert_eq!(posted.all().len(), 1);
    let (_, anew) = scene.root.subscribe_webhook(&scene.caller, wanted("hook", "Order.*", 3)).await?;
    assert_ne!(anew.expect("it is new again"), secret);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_to_everything_is_not_told_of_its_own_deliveries() -> anyhow::Result<()> {
    let (dir, posted) = (tempfile::tempdir()?, Posted::default());
    let scene = posted.scene(dir.path(), |_| status(200)).await?;
    scene.root.subscribe_webhook(&scene.caller, wanted("all", "*.*", 0)).await?;
    scene.put("Order", "a").await?;
    posted.until(&scene, 1).await?;
    scene.until_quiet().await?;
    let sources: Vec<_> = posted.all().iter().map(|(_, letter)| body(letter)["source"].clone()).collect();
    assert!(sources.iter().all(|source| *source != "EventSubscription/all"), "{sources:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_accepted_is_posted_again_when_the_receiver_wants_it_then_a_dead_letter() -> anyhow::Result<()> {
    let (dir, posted) = (tempfile::tempdir()?, Posted::default());
    let scene = posted.scene(dir.path(), |number| match number {
        1 => Ok(Receipt { status: 503, retry_after: Some(Duration::from_secs(1_800)) }),
        2 => status(302),
        3 => Err(Fault::new(FaultKind::Upstream, "HTTP_CONNECTION_REFUSED", "nobody listens there")),
        _ => status(200),
    });
    let scene = scene.await?;
    scene.root.subscribe_webhook(&scene.caller, wanted("hook", "Order.created", 2)).await?;
    scene.put("Order", "a").await?;
    let dead = scene.until_dead(1).await?.remove(0);
    assert_eq!((dead.row.retries, dead.row.error.code.as_str()), (2, "HTTP_CONNECTION_REFUSED"));
    let all = posted.all();
    let waited = all[1].0.millis_since(all[0].0);
    assert!(waited >= 1_800_000, "half an hour was asked for, {waited} ms passed");
    let keys: Vec<_> = all.iter().map(|(_, letter)| header(letter, "idempotency-key")).collect();
    assert!(keys.windows(2).all(|pair| pair[0] == pair[1]), "{keys:?}");
    let attempts: Vec<_> = all.iter().map(|(_, letter)| body(letter)["attempt"].clone()).collect();
    assert_eq!(attempts, [1, 2, 3]);
    let times: Vec<u64> = all.iter().map(|(_, l)| header(l, "org-ai-timestamp").parse()).collect::<Result<_, _>>()?;
    assert!(times[1] >= times[0] + 1_800, "each is signed with its own time: {times:?}");

    assert_eq!(scene.root.replay_failed_delivery(&scene.caller, dead.row.id).await?, Replayed::Succeeded);
    assert!(scene.dead().await?.is_empty());
    assert_eq!(header(&posted.all()[3].1, "idempotency-key"), keys[0]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_refused_is_not_tried_again() -> anyhow::Result<()> {
    let (dir, posted) = (tempfile::tempdir()?, Posted::default());
    let refuse = || Fault::new(FaultKind::Forbidden, "HTTP_ADDRESS_REFUSED", "not on the public internet");
    let scene = posted.scene(dir.path(), move |_| Err(refuse())).await?;
    scene.root.subscribe_webhook(&scene.caller, wanted("hook", "Order.created", 5)).await?;
    scene.put("Order", "a").await?;
    let dead = scene.until_dead(1).await?.remove(0);
    assert_eq!((dead.row.error.code.as_str(), posted.all().len()), ("HTTP_ADDRESS_REFUSED", 1));
    scene.root.unsubscribe(&scene.caller, "hook").await?;
    let gone = scene.root.replay_failed_delivery(&scene.caller, dead.row.id).await.expect_err("it was removed");
    assert_eq!(gone.code, "SUBSCRIPTION_GONE");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fork_does_not_post_in_the_name_of_its_original() -> anyhow::Result<()> {
    let (dir, posted) = (tempfile::tempdir()?, Posted::default());
    let scene = posted.scene(dir.path(), |_| status(200)).await?;
    let (from, to) = (Namespace::parse("https://root.test/a")?, Namespace::parse("https://b.test")?);
    scene.root.create_object(&scene.caller, from.clone(), "App".into()).await?;
    let original = scene.test.node.object(&from).await?.expect("it was made");
    scene.test.deploy(&original, "put", "scripted:put").await?;
    original.subscribe_webhook(&scene.caller, wanted("hook", "Order.*", 3)).await?;
    let fork = ForkWanted { to: to.to_string(), branch: None, at: None };
    original.lifecycle(&scene.caller, Lifecycle::Fork(fork), None).await?.finished().await?;
    let fork = scene.test.node.object(&to).await?.expect("it was forked");
    assert_eq!(fork.subscriptions(&scene.caller).await?.len(), 1);

    let order = json!({ "noun": "Order", "id": "a", "n": 1 });
    scene.test.invoke(&fork, "put", &order).await?.map_err(|f| f.fault)?;
    let filter = FailedFilter { standing: FailedStanding::Dead, subscription: None, after: None, limit: 10 };
    let dead = scene.until("it is a dead letter", || async {
        Ok(fork.failed_deliveries(&scene.caller, &filter).await?.items.into_iter().next())
    });
    assert_eq!(dead.await?.row.error.code, "WEBHOOK_SECRET");
    assert!(posted.all().is_empty(), "{:?}", posted.all());
    Ok(())
}
