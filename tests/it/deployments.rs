//! `org.ai deploy` of a whole application against the real server, with an app that runs in its sandbox.

use crate::cli::User;
use crate::components::{app, constant};
use crate::server::Server;
use serde_json::{Value, json};

const DESCRIBED: &str =
    r#"{"abi":1,"on":[{"event":"Customer.created","handler":"welcome"}],"functions":[{"name":"greeting"}]}"#;

const FILE: &str = r#"name = "shop"
main = "shop.wasm"
[[every]]
schedule = "every weekday at 9am"
handler = "tick"
[[functions]]
name = "price"
path = "price.wasm"
[[on]]
event = "Order.created"
handler = "HANDLER"
[probe]
handler = "shop#health"
"#;

fn write(user: &User<'_>, handler: &str, broken: bool, price: &str) -> anyhow::Result<()> {
    user.file("do.toml", FILE.replace("HANDLER", handler).as_bytes())?;
    user.file("shop.wasm", &app(DESCRIBED, broken))?;
    user.file("price.wasm", &constant(price))
}

/// What was not kept, as `(change, name)`.
fn changed(document: &Value) -> Vec<(&str, &str)> {
    let changes = document["changes"].as_array().map_or(&[][..], Vec::as_slice);
    let changes = changes.iter().filter(|found| found["change"] != "keep");
    changes.filter_map(|found| Some((found["change"].as_str()?, found["name"].as_str()?))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_is_planned_applied_once_and_taken_back_when_it_does_not_work() -> anyhow::Result<()> {
    let server = Server::start()?;
    let user = User::of(&server)?;
    write(&user, "shop#onOrder", false, "1")?;
    let planned = user.run(&["deploy", "--dry-run", "--json"])?.json();
    let wanted = [
        ("add", "price"),
        ("add", "shop"),
        ("add", "greeting"),
        ("add", "Customer.created:shop#welcome"),
        ("add", "Order.created:shop#onOrder"),
        ("add", "shop#health"),
    ];
    for change in wanted {
        assert!(changed(&planned).contains(&change), "{change:?} in {planned}");
    }
    assert_eq!(server.get("/api/functions").await?.body["data"], json!([]), "a plan changes nothing");

    let applied = user.run(&["deploy", "--json"])?.json();
    assert_eq!(changed(&applied), changed(&planned));
    assert_eq!(user.run(&["functions", "invoke", "greeting"])?.ok(), "\"ok\"\n");
    let again = user.run(&["deploy", "--json"])?.json();
    assert_eq!((changed(&again), &again["version"]), (Vec::new(), &applied["version"]), "{again}");

    // A handler that the app does not know.
    write(&user, "shop#xOrder", false, "1")?;
    let refused = user.run(&["deploy", "--json"])?;
    let error = refused.error(10);
    assert!(
        error["message"].as_str().is_some_and(|m| m.contains("do.toml:11") && m.contains("shop#xOrder")),
        "{error}"
    );

    // Its probe fails: the price that was there before is asked again.
    write(&user, "shop#onOrder", true, "2")?;
    let error = user.run(&["deploy", "--json"])?.error(9);
    assert_eq!(error["code"], "PROBE_FAILED", "{error}");
    assert!(error["message"].as_str().is_some_and(|m| m.contains("shop#health")), "{error}");
    assert_eq!(user.run(&["functions", "invoke", "price"])?.ok(), "1\n");
    assert_eq!(user.run(&["functions", "invoke", "greeting"])?.ok(), "\"ok\"\n");

    // The file that is in effect changes nothing; the next one does, and its forerunner comes back by its number.
    write(&user, "shop#onOrder", false, "1")?;
    let kept = user.run(&["deploy", "--json"])?.json();
    assert_eq!(changed(&kept), [], "{kept}");
    write(&user, "shop#onOrder", false, "3")?;
    user.run(&["deploy"])?.ok();
    assert_eq!(user.run(&["functions", "invoke", "price"])?.ok(), "3\n");
    let back = user.run(&["deployments", "rollback", &kept["version"].to_string(), "--json"])?.json();
    assert_eq!(changed(&back), [("change", "price")]);
    let listed = user.run(&["deployments", "list"])?.ok();
    assert!(listed.lines().nth(1).is_some_and(|first| first.ends_with("in effect")), "{listed}");
    let action = server.get("/api/actions/greeting").await?.expect(200).body;
    assert_eq!((&action["name"], &action["type"]), (&json!("greeting"), &json!("app")));
    assert_eq!(user.run(&["functions", "invoke", "price"])?.ok(), "1\n");

    // All of it is there after a crash.
    let server = server.crash_and_restart(&[])?;
    let listed = server.get("/api/deployments").await?.expect(200).body["data"].clone();
    assert_eq!((&listed[0]["version"], &listed[0]["current"]), (&back["version"], &json!(true)), "{listed}");
    assert_eq!(server.invoke("greeting", &json!(null)).await?.expect(200).body["result"], "ok");
    let shown = server.get(&format!("/api/deployments/{}", listed[0]["version"])).await?.expect(200);
    assert_eq!(shown.body["deployment"]["name"], "shop");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployed_workflow_runs_by_its_schedule_with_the_steps_of_its_own_file() -> anyhow::Result<()> {
    let server = Server::start()?;
    let user = User::of(&server)?;
    user.file(
        "do.toml",
        br#"name = "nights"
[[functions]]
name = "price"
path = "price.wasm"
[[workflows]]
name = "nightly"
trigger = { schedule = "every 1 second", allow_sub_minute = true }
file = "nightly.json"
"#,
    )?;
    user.file("price.wasm", &constant("7"))?;
    user.file(
        "nightly.json",
        br#"{"steps": [{"do": {"name": "ask",
  "action": "nobody"}}]}"#,
    )?;
    let refused = user.run(&["deploy", "--json"])?.error(10);
    assert!(refused["message"].as_str().is_some_and(|m| m.contains("nightly.json:2")), "{refused}");

    user.file(
        "nightly.json",
        br#"{"steps": [{"do": {"name": "ask", "action": "price", "retry": {"retry_on": ["BUSY"]}}}]}"#,
    )?;
    user.run(&["deploy", "--json"])?.json();
    let completed = tokio::time::timeout(std::time::Duration::from_secs(60), async {
        loop {
            let runs = server.get("/api/workflows/nightly/runs").await?.expect(200).body["runs"].clone();
            let done = runs.as_array().into_iter().flatten().find(|run| run["status"] == "completed").cloned();
            if let Some(done) = done {
                return anyhow::Ok(done);
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    });
    let run = completed.await??;
    assert_eq!(run["output"], 7, "{run}");
    assert!(run["input"]["scheduledTime"].is_string(), "a tick is its input: {run}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrangler_file_becomes_a_do_toml_that_a_plan_accepts() -> anyhow::Result<()> {
    let server = Server::start()?;
    let user = User::of(&server)?;
    let wrangler = "name = \"shop\"\nmain = \"shop.wasm\"\n[[durable_objects.bindings]]\nname = \"CART\"\nclass_name = \"Cart\"\n\
                    [[migrations]]\ntag = \"v1\"\nnew_sqlite_classes = [\"Cart\"]\n";
    user.file("wrangler.toml", wrangler.as_bytes())?;
    let printed = user.run(&["deployments", "import", "wrangler.toml"])?;
    let imported = printed.ok();
    assert!(imported.contains("class = \"Cart\""), "{imported}");
    user.file("do.toml", imported.as_bytes())?;
    user.file("shop.wasm", &app(r#"{"abi":1}"#, false))?;
    let planned = user.run(&["deploy", "--dry-run", "--json"])?.json();
    assert!(changed(&planned).contains(&("add", "CART")), "{planned}");

    user.file("wrangler.toml", b"name = \"shop\"\nrouts = []\n")?;
    let warned = user.run(&["deployments", "import", "wrangler.toml", "--json"])?.json();
    assert!(warned["warnings"][0].as_str().is_some_and(|told| told.starts_with("wrangler.toml:2: routs")), "{warned}");
    user.file("wrangler.toml", b"name = [\n")?;
    let refused = user.run(&["deployments", "import", "wrangler.toml", "--json"])?.error(10);
    assert!(refused["message"].as_str().is_some_and(|told| told.contains("wrangler.toml:")), "{refused}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_is_a_model_or_a_person_needs_no_more_than_the_file() -> anyhow::Result<()> {
    let server = Server::start()?;
    let user = User::of(&server)?;
    let file = "name = \"desk\"\n[[functions]]\nname = \"sum-up\"\nprompt = \"Sum up {{input.text}}\"\n\
                [[functions]]\nname = \"may-i\"\nprompt = \"May {{input.who}} go?\"\nassignee = \"Human/ann\"\n";
    user.file("do.toml", file.as_bytes())?;
    let planned = user.run(&["deploy", "--dry-run", "--json"])?.json();
    assert_eq!(server.get("/api/functions").await?.body["data"], json!([]), "a plan changes nothing");
    let applied = user.run(&["deploy", "--json"])?.json();
    assert_eq!(changed(&applied), changed(&planned));
    let kinds = server.get("/api/functions").await?.body["data"].clone();
    let kinds: Vec<_> =
        kinds.as_array().into_iter().flatten().map(|f| (f["name"].clone(), f["type"].clone())).collect();
    assert_eq!(kinds, [(json!("may-i"), json!("human")), (json!("sum-up"), json!("generative"))]);
    let refused = user.run(&["functions", "invoke", "sum-up", "--json", "--input", "{\"text\": \"x\"}"])?;
    assert!(refused.stderr.contains("MODEL_UNAVAILABLE") && refused.stderr.contains("models.default"), "{refused:?}");
    let again = user.run(&["deploy", "--json"])?.json();
    assert_eq!(changed(&again), []);
    Ok(())
}
