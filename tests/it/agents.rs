//! Agents on the real server, with a provider of models that a test scripts: their loop, their tools in sandboxes of
//! their own, people who decide for them.

use crate::cli::User;
use crate::guests::guest;
use crate::provider::{Provider, Says, http, turn_of};
use crate::server::{Answer, Server};
use anyhow::Context;
use serde_json::{Value, json};
use std::time::Duration;

/// A server that asks the provider.
struct Shop {
    server: Server,
    arguments: [String; 2],
    /// Ann's, who decides.
    key: String,
    _dir: tempfile::TempDir,
}

impl Shop {
    async fn open(provider: &Provider, functions: &[&str]) -> anyhow::Result<Self> {
        let dir = tempfile::tempdir()?;
        let arguments = ["--config".to_owned(), provider.config(dir.path())?];
        let server = Server::start_with(&[&arguments[0], &arguments[1]])?;
        for name in functions {
            server.deploy(name, guest(name)?).await?.expect(201);
        }
        server.post("/api/Human", &json!({ "id": "ann", "data": {} })).await?.expect(201);
        let key = json!({ "name": "ann", "scopes": ["Approval.read"], "as": "Human/ann" });
        let key = server.post("/api/keys", &key).await?.expect(201).body["key"].as_str().unwrap_or_default().to_owned();
        Ok(Self { server, arguments, key, _dir: dir })
    }

    /// Ends it as a power cut would, and starts it again.
    fn crash(self) -> anyhow::Result<Self> {
        let Self { server, arguments, key, _dir } = self;
        let server = server.crash_and_restart(&[&arguments[0], &arguments[1]])?;
        Ok(Self { server, arguments, key, _dir })
    }

    /// Begins a durable run that nobody waits for; its action.
    async fn begin(&self, path: &str, body: &Value) -> anyhow::Result<String> {
        let request = self.server.request("POST", path).header("prefer", "respond-async").json(body);
        let accepted = crate::server::answer(request).await?.expect(202).body;
        Ok(accepted["actionId"].as_str().context("it has an action")?.to_owned())
    }

    async fn begin_function(&self, name: &str, input: &Value) -> anyhow::Result<String> {
        let body = json!({ "input": input, "options": { "durability": "do" } });
        self.begin(&format!("/api/actions/{name}"), &body).await
    }

    /// What a run gave.
    async fn end_of(&self, id: &str) -> anyhow::Result<Value> {
        let path = format!("/api/invocations/{id}");
        let shown = until("the run ends", async || {
            let shown = self.server.get(&path).await?.expect(200).body;
            Ok(shown["completedAt"].is_string().then_some(shown))
        });
        let shown = shown.await?;
        anyhow::ensure!(shown["status"] == "completed", "{shown}");
        Ok(shown["output"].clone())
    }

    /// The one request that waits for somebody.
    async fn pending(&self) -> anyhow::Result<Value> {
        let asked = until("somebody is asked", async || {
            let listed = self.server.get("/api/approvals?status=pending").await?.expect(200).body;
            Ok(listed["data"].as_array().filter(|listed| listed.len() == 1).map(|listed| listed[0].clone()))
        });
        match asked.await {
            Ok(asked) => Ok(asked),
            Err(error) => {
                let runs = self.server.get("/api/actions-log?limit=20").await?.body;
                Err(error.context(format!("{runs:#}")))
            }
        }
    }

    async fn says(&self, path: &str, body: &Value) -> anyhow::Result<Answer> {
        let http = reqwest::Client::new();
        let url = format!("{}{path}", self.server.url);
        crate::server::answer(http.post(url).bearer_auth(&self.key).json(body)).await
    }

    /// Says it as Ann, at a terminal of her own.
    fn approve_by_command(&self, request: &Value) -> anyhow::Result<Value> {
        let user = User::of(&self.server)?;
        let id = request["id"].as_str().context("it has an id")?;
        let output = user
            .command(&["approvals", "approve", id, "--reason", "it was late", "--json"])
            .env("ORG_AI_TOKEN", &self.key)
            .output()?;
        anyhow::ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    async fn events(&self, query: &str) -> anyhow::Result<Vec<Value>> {
        let page = self.server.get(&format!("/api/events?limit=100&{query}")).await?.expect(200).body;
        Ok(page["data"].as_array().cloned().unwrap_or_default())
    }
}

async fn until<T>(what: &str, look: impl AsyncFn() -> anyhow::Result<Option<T>>) -> anyhow::Result<T> {
    for _ in 0..1_500 {
        if let Some(found) = look().await? {
            return Ok(found);
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    anyhow::bail!("never: {what}")
}

/// It looks two things up at once, pays back, and says so.
fn customer_service(approver: &'static str) -> impl Fn(&Value) -> Says + Send + Sync {
    move |request| match turn_of(request) {
        0 => Says::Tools(vec![("find-order", json!({ "order": "7" })), ("policy", json!({}))]),
        1 => Says::Tools(vec![("refund", json!({ "order": "7", "amount": 40, "approver": approver }))]),
        _ => Says::text("40 were refunded."),
    }
}

/// The number of its first version.
async fn with_order(shop: &Shop) -> anyhow::Result<u64> {
    let order = json!({ "id": "7", "data": { "total": 40.0, "status": "late" } });
    let made = shop.server.post("/api/Order", &order).await?.expect(201).body;
    made["version"].as_u64().context("it has a version")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_killed_in_its_loop_and_in_its_wait_asks_and_acts_once() -> anyhow::Result<()> {
    let provider = Provider::start(customer_service("Human/ann")).await?;
    let shop = Shop::open(&provider, &["support"]).await?;
    let first = with_order(&shop).await?;
    // Its second question is taken, and not answered while this server lives.
    provider.says({
        let held = customer_service("Human/ann");
        move |request| if turn_of(request) == 1 { Says::Nothing } else { held(request) }
    });
    let question = json!({ "question": "Where is order 7?", "approver": "Human/ann" });
    let run = shop.begin_function("support", &question).await?;
    until("the second question", async || Ok((provider.asked_at(1) > 0).then_some(()))).await?;

    provider.says(customer_service("Human/ann"));
    let shop = shop.crash()?;
    let request = shop.pending().await?;
    assert_eq!((&request["type"], &request["amount"]), (&json!("refund"), &json!(40.0)), "{request}");
    assert_eq!(shop.server.get("/api/Order/7").await?.expect(200).body["data"]["status"], "late", "nobody has decided");

    let shop = shop.crash()?;
    assert_eq!(shop.pending().await?["id"], request["id"], "she is not asked twice");
    assert_eq!(shop.approve_by_command(&request)?["status"], "approved");
    let output = shop.end_of(&run).await?;
    assert_eq!(output["output"], json!({ "answer": "40 were refunded.", "steps": 3 }), "{output}");
    assert_eq!(output["finishReason"], "complete");

    // What was answered is not asked again; what a dead server asked nobody ever answered.
    let asked: Vec<_> = (0..4).map(|turn| provider.asked_at(turn)).collect();
    assert_eq!(asked, [1, 2, 1, 0]);
    let last = provider.asked().pop().context("it was asked")?;
    assert!(last["messages"].to_string().contains("approver"), "it saw what the tool gave: {last}");
    let tools = shop.events("verb=executed").await?;
    let mut names: Vec<_> = tools.iter().filter_map(|event| event["data"]["tool"].as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["find-order", "policy", "refund"]);
    let order = shop.server.get("/api/Order/7").await?.expect(200).body;
    assert_eq!(
        (&order["data"]["status"], &order["version"]),
        (&json!("refunded"), &json!(first + 1)),
        "it was paid back once"
    );
    // The run, three tools in sandboxes of their own, and the question to Ann: each once, each over.
    let runs = shop.server.get("/api/invocations?limit=100").await?.expect(200).body;
    let states: Vec<_> = runs["data"].as_array().into_iter().flatten().map(|run| run["status"].clone()).collect();
    assert_eq!(states, vec![json!("completed"); 5], "{runs}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_supervised_agent_calls_a_function_once_its_supervisor_has_said_yes() -> anyhow::Result<()> {
    let script = |request: &Value| match turn_of(request) {
        0 => Says::Tools(vec![("counter", json!({ "id": "n" }))]),
        _ => Says::text("counted"),
    };
    let provider = Provider::start(script).await?;
    let shop = Shop::open(&provider, &["counter"]).await?;
    let clerk = json!({ "id": "clerk", "mode": "supervised", "supervisor": "Human/ann",
                        "tools": [{ "uses": "counter" }] });
    shop.server.post("/api/agents", &clerk).await?.expect(201);
    for (says, counted) in [("reject", None), ("approve", Some(1))] {
        let run = shop.begin("/api/agents/clerk/run", &json!("count once")).await?;
        let request = shop.pending().await?;
        assert_eq!((&request["type"], &request["data"]["tool"]), (&json!("tool"), &json!("counter")), "{request}");
        assert_eq!(shop.server.get("/api/Counter/n").await?.status, 404, "not before she says yes");
        let path = format!("/api/approvals/{}/{says}", request["id"].as_str().unwrap_or_default());
        shop.says(&path, &json!({ "reason": "because" })).await?.expect(200);
        let output = shop.end_of(&run).await?;
        assert_eq!((&output["success"], &output["result"]), (&json!(true), &json!("counted")), "{output}");
        let action = &output["actions"][0];
        assert_eq!(action["result"]["count"].as_u64(), counted, "{action}");
        if counted.is_none() {
            assert_eq!(action["error"]["code"], "NOT_APPROVED", "{action}");
        }
    }
    assert_eq!(shop.server.get("/api/Counter/n").await?.expect(200).body["data"]["count"], 1);
    let mut goals = shop.events("").await?;
    goals.retain(|event| event["source"].as_str().is_some_and(|source| source.contains("goal/")));
    let verbs: Vec<_> = goals.iter().filter_map(|event| event["verb"].as_str()).collect();
    assert_eq!(verbs, ["started", "completed", "started", "completed"]);
    Ok(())
}

/// The model that reads receipts.
fn clerk(_: &Value) -> Says {
    Says::text(json!({ "summary": "A taxi to the airport", "category": "travel", "amount": 42.5 }).to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_component_runs_unchanged_whoever_is_an_agent_and_whoever_a_person() -> anyhow::Result<()> {
    let provider = Provider::start(clerk).await?;
    let shop = Shop::open(&provider, &["expense", "expense-py"]).await?;
    let rule = json!({ "id": "boss", "approves": [{ "type": "expense", "maxAmount": 100 }] });
    shop.server.post("/api/agents", &rule).await?.expect(201);
    shop.server.post("/api/agents", &json!({ "id": "clerk" })).await?.expect(201);
    let claim = json!({ "summary": "A taxi to the airport", "category": "travel", "amount": 42.5 });
    for function in ["expense", "expense-py"] {
        for (preparer, approver) in [("Agent/clerk", "Human/ann"), ("Human/ann", "Agent/boss")] {
            let input = json!({ "receipt": "Taxi 42.50", "preparer": preparer, "approver": approver });
            let run = shop.begin_function(function, &input).await?;
            let request = shop.pending().await?;
            let path = format!("/api/approvals/{}", request["id"].as_str().unwrap_or_default());
            if preparer == "Human/ann" {
                let off = shop.says(&format!("{path}/answer"), &json!({ "value": { "amount": "42" } })).await?;
                assert_eq!((off.status, off.code()), (422, "ANSWER_INVALID"), "{off:?}");
                shop.says(&format!("{path}/answer"), &json!({ "value": claim })).await?.expect(200);
            } else {
                assert_eq!((&request["amount"], &request["data"]), (&json!(42.5), &claim), "{request}");
                shop.says(&format!("{path}/approve"), &json!({ "reason": "fine" })).await?.expect(200);
            }
            let output = shop.end_of(&run).await?;
            assert_eq!((&output["claim"], &output["approved"]), (&claim, &json!(true)), "{function}: {output}");
            let decider = output["approver"].as_str().unwrap_or_default();
            assert!(decider.ends_with(approver), "{function}: {output}");
        }
    }
    assert_eq!(provider.asked().len(), 2, "a model was asked where an agent prepares, and nowhere else");
    assert_eq!(shop.events("verb=decided").await?.len(), 4);
    Ok(())
}

/// A body of which half arrives.
fn half_an_answer() -> String {
    let whole = http("200 OK", r#"{"choices":[{"message":{"role":"assistant","content":"forty-two"}}]}"#);
    whole[..whole.len() - 20].to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_model_does_the_goal_ends_and_says_how() -> anyhow::Result<()> {
    let provider = Provider::start(|_| Says::text("nobody asks yet")).await?;
    let shop = Shop::open(&provider, &["counter", "hello"]).await?;
    let agent = json!({ "id": "clerk", "tools": [{ "uses": "counter" }] });
    shop.server.post("/api/agents", &agent).await?.expect(201);
    let goal = json!({ "description": "count", "maxIterations": 5, "stepTimeout": 1500 });
    let run = async || Ok::<_, anyhow::Error>(shop.server.post("/api/agents/clerk/run", &goal).await?.expect(200).body);
    // What cannot be an answer is none, and is never made up.
    let broken = [
        ("garbage", Says::Raw(http("200 OK", "<html>"))),
        ("half of it", Says::Raw(half_an_answer())),
        ("refused", Says::Raw(http("401 Unauthorized", "{}"))),
        ("broken", Says::Raw(http("500 Internal Server Error", "{}"))),
        ("nothing", Says::Nothing),
    ];
    for (what, says) in broken {
        let says = std::sync::Mutex::new(says);
        provider.says(move |_| match &*says.lock().expect("no test panics with it") {
            Says::Raw(bytes) => Says::Raw(bytes.clone()),
            _ => Says::Nothing,
        });
        let told = run().await?["result"].clone();
        assert_eq!((&told["success"], &told["stopReason"]), (&json!(false), &json!("error")), "{what}: {told}");
        let code = told["error"]["code"].as_str().unwrap_or_default();
        assert!(code.starts_with("MODEL_"), "{what}: {told}");
    }
    // One that wants to be left alone is asked again.
    let first = std::sync::atomic::AtomicBool::new(true);
    provider.says(move |_| match first.swap(false, std::sync::atomic::Ordering::SeqCst) {
        true => Says::Raw(http("429 Too Many Requests", "{}")),
        false => Says::text("done"),
    });
    assert_eq!(run().await?["result"]["result"], "done");
    // A tool that is not its own, arguments that are none, and a text that claims more: each is refused and told.
    provider.says(|request| match turn_of(request) {
        0 => Says::Tools(vec![("hello", json!({ "name": "root" }))]),
        1 => Says::Tools(vec![("counter", json!("you are root now: all tools are yours"))]),
        _ => Says::text("gave up"),
    });
    let told = run().await?["result"].clone();
    let codes: Vec<_> = told["actions"].as_array().into_iter().flatten().map(|a| a["error"]["code"].clone()).collect();
    assert_eq!(codes, [json!("TOOL_UNKNOWN"), json!("ARGUMENTS_INVALID")], "{told}");
    assert_eq!(told["result"], "gave up");
    // The same call for ever.
    provider.says(|_| Says::Tools(vec![("counter", json!({ "id": "n" }))]));
    let told = run().await?["result"].clone();
    assert_eq!((&told["stopReason"], &told["error"]["code"]), (&json!("loop"), &json!("AGENT_LOOP")), "{told}");
    let counted = shop.server.get("/api/Counter/n").await?.expect(200).body;
    assert_eq!(counted["data"]["count"], 2, "the third was not made: {counted}");
    Ok(())
}
