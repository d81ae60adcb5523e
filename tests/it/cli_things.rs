//! The data model from the command line: things, branches, merges and events, with the real binary and the real server.

use crate::cli::User;
use crate::server::Server;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

#[tokio::test]
async fn a_thing_lives_from_its_making_to_its_restoration() -> anyhow::Result<()> {
    let server = Server::start()?;
    let user = User::of(&server)?;
    let made =
        user.run(&["things", "create", "Startup/acme", "--name", "Acme", "--set", "city=Oslo", "--json"])?.json();
    assert_eq!((&made["version"], &made["data"]), (&json!(1), &json!({"city": "Oslo"})));
    assert_eq!(
        user.run(&["things", "update", "Startup/acme", "--set", "team.size=4", "--if-version", "1"])?.ok(),
        "Updated Startup/acme  v2 on main\n"
    );
    let late =
        user.run(&["things", "update", "Startup/acme", "--set", "city=Rome", "--if-version", "1", "--json"])?.error(1);
    assert_eq!(late["code"], "PRECONDITION_FAILED");
    let same = user.run(&["things", "update", "startups", "acme", "--set", "city=Oslo"])?.ok();
    assert_eq!(same, "Unchanged: Startup/acme  v2 on main\n");
    user.run(&["things", "update", "Startup/acme", "--unset", "team", "--set", "city=Bergen", "--name", "Acme AS"])?
        .ok();

    for (thing, version) in
        [("Startup/acme", 3), ("startup/acme@~1", 2), ("Startup/acme@v1", 1), ("Startup/acme@main~2", 1)]
    {
        assert_eq!(user.run(&["things", "get", thing, "--json"])?.json()["version"], version, "{thing}");
    }
    user.run(&["things", "get", "Startup/acme@v9", "--json"])?.error(7);
    user.run(&["things", "get", "Startup/acme@nope", "--json"])?.error(7);
    assert_eq!(
        user.run(&["things", "diff", "Startup/acme"])?.ok(),
        "Startup/acme  ~1 → ~0\n- name: \"Acme\"\n+ name: \"Acme AS\"\n- city: \"Oslo\"\n+ city: \"Bergen\"\n- team: {\"size\":4}\n"
    );

    user.run(&["things", "delete", "Startup/acme"])?.ok();
    user.run(&["things", "get", "Startup/acme", "--json"])?.error(7);
    user.run(&["things", "get", "Startup/acme@v4", "--json"])?.error(7);
    assert_eq!(user.run(&["things", "restore", "Startup/acme"])?.ok(), "Restored Startup/acme  v5 on main\n");
    let history = user.run(&["things", "history", "Startup/acme", "--json"])?.json();
    let verbs: Vec<&Value> = history.as_array().into_iter().flatten().map(|v| &v["action"]["verb"]).collect();
    assert_eq!(verbs, ["restore", "delete", "update", "update", "create"]);
    let actions = user.run(&["actions", "list", "--target", "Startup/acme", "--json"])?.json();
    let newest = actions[0]["id"].as_str().expect("an action has an id");
    assert_eq!(user.run(&["actions", "undo", newest])?.ok(), "Undone: Startup/acme  v6 on main, deleted\n");
    Ok(())
}

#[tokio::test]
async fn ids_are_whatever_they_are() -> anyhow::Result<()> {
    let server = Server::start()?;
    let user = User::of(&server)?;
    for id in ["john@acme.com", "a/b", "100%", "ü 1", "v1", "~1"] {
        user.run(&["things", "create", "Contact", id, "--set", "n=12345678901234567890.10"])?.ok();
        let shown = user.run(&["things", "get", "contacts", id, "--json"])?.json();
        assert_eq!(
            (&shown["id"], shown["data"].to_string()),
            (&json!(id), "{\"n\":12345678901234567890.10}".to_owned())
        );
    }
    let shown = user.run(&["things", "get", "Contact/john%40acme.com@v1", "--json"])?.json();
    assert_eq!(shown["id"], "john@acme.com");
    user.run_with(&["things", "create", "Contact/copy", "--data", "-"], &shown.to_string())?.ok();
    Ok(())
}

#[tokio::test]
async fn a_list_is_filtered_sorted_and_read_to_its_end() -> anyhow::Result<()> {
    let server = Server::start()?;
    let user = User::of(&server)?;
    for n in [3, 1, 2] {
        user.run(&["things", "create", &format!("Note/n{n}"), "--set", &format!("n={n}"), "--set", "tag=a"])?.ok();
    }
    let ids = |arguments: &[&str]| -> anyhow::Result<Vec<String>> {
        let listed = user.run(&[&["things", "list", "notes", "--json"], arguments].concat())?.json();
        Ok(listed.as_array().into_iter().flatten().filter_map(|t| t["id"].as_str()).map(str::to_owned).collect())
    };
    assert_eq!(ids(&["--where", "n>1", "--where", "tag=a", "--sort", "-n"])?, ["n3", "n2"]);
    assert_eq!(ids(&["--where", "n<=2", "--sort", "n", "--limit", "1"])?, ["n1"]);
    assert_eq!(ids(&["--where", "missing?"])?, [""; 0]);
    user.run(&["things", "list", "unicorns", "--json"])?.error(7);

    // More than a page of them.
    let note = |n: u32| json!({"op": "create", "id": format!("n{n:03}"), "thing": {"n": n}});
    let body = json!({"operations": (0..130).map(note).collect::<Vec<_>>()});
    server.post("/api/Page/_batch", &body).await?.expect(200);
    let listed = user.run(&["things", "list", "Page", "--all", "--json"])?.json();
    assert_eq!(listed.as_array().map(Vec::len), Some(130));
    let shown = user.run(&["things", "list", "Page", "--limit", "2"])?;
    assert!(shown.stderr.contains("2 of 130"), "{shown:?}");
    Ok(())
}

#[tokio::test]
async fn a_branch_is_checked_out_written_and_merged_with_a_conflict_decided() -> anyhow::Result<()> {
    let server = Server::start()?;
    let user = User::of(&server)?;
    user.run(&["things", "create", "Startup/acme", "--set", "age=1", "--set", "city=Oslo"])?.ok();
    user.run(&["branches", "create", "feature/x"])?.ok();
    assert_eq!(user.run(&["checkout", "feature/x", "--json"])?.json()["branch"], "feature/x");
    user.run(&["things", "update", "Startup/acme", "--set", "age=3", "--set", "city=Bergen"])?.ok();
    assert_eq!(user.run(&["things", "get", "Startup/acme", "--json"])?.json()["data"]["age"], 3);
    assert_eq!(user.run(&["things", "get", "Startup/acme@main", "--json"])?.json()["data"]["age"], 1);
    user.run(&["checkout", "--clear"])?.ok();
    user.run(&["things", "update", "Startup/acme", "--set", "age=2"])?.ok();

    let listed = user.run(&["branches", "list", "--json"])?.json();
    assert_eq!((&listed[0]["name"], &listed[1]["ahead"], &listed[1]["behind"]), (&json!("main"), &json!(1), &json!(1)));
    let refused = user.run(&["merge", "feature/x"])?;
    assert_eq!(refused.code, Some(1));
    let row: Vec<&str> = refused.stderr.lines().nth(1).unwrap_or_default().split_whitespace().collect();
    assert_eq!((refused.stdout.as_str(), row), ("", vec!["Startup/acme", "age", "1", "2", "3"]), "{refused:?}");
    let details = user.run(&["merge", "feature/x", "--dry-run", "--json"])?.error(1)["details"].clone();
    assert_eq!(details["conflicts"][0]["path"], "age", "{details}");
    let merged = user
        .run(&["merge", "feature/x", "--resolve", "Startup/acme={\"age\":30}", "--delete-branch", "--json"])?
        .json();
    assert_eq!((&merged["merged"], merged["versions"].as_array().map(Vec::len)), (&json!(true), Some(1)));
    let acme = user.run(&["things", "get", "Startup/acme", "--json"])?.json();
    assert_eq!(acme["data"], json!({"age": 30, "city": "Bergen"}));
    user.run(&["merge", "feature/x", "--json"])?.error(7);

    user.run(&["checkout", "v1"])?.ok();
    assert_eq!(user.run(&["things", "get", "Startup/acme", "--json"])?.json()["data"]["age"], 1);
    let refused = user.run(&["things", "update", "Startup/acme", "--set", "age=4", "--json"])?.error(1);
    assert!(refused["code"] == "READ_ONLY_REF" && refused["hint"].to_string().contains("--clear"), "{refused}");
    Ok(())
}

#[tokio::test]
async fn types_verbs_and_edges_are_kept() -> anyhow::Result<()> {
    let server = Server::start()?;
    let user = User::of(&server)?;
    user.run(&["nouns", "set", "Person", "--field", "email=string", "--plural", "People"])?.ok();
    user.run(&["nouns", "set", "Person", "--field", "age=number?"])?.ok();
    let person = user.run(&["nouns", "show", "people", "--json"])?.json();
    assert_eq!(person["schema"], json!({"email": "string", "age": "number?"}));
    let refused = user.run(&["things", "create", "Person/ann", "--set", "age=x"])?;
    assert_eq!(refused.code, Some(2));
    assert!(refused.stderr.contains("email: ") && refused.stderr.contains("age: "), "{refused:?}");
    user.run(&["things", "create", "Person/ann", "--set", "email=ann@a.example"])?.ok();
    user.run(&["nouns", "delete", "Person", "--yes", "--json"])?.error(1);

    user.run(&["things", "create", "Startup/acme"])?.ok();
    user.run(&["verbs", "set", "steer", "--reverse-by", "steeredBy"])?.ok();
    assert_eq!(user.run(&["verbs", "show", "steered", "--json"])?.json()["action"], "steer");
    user.run(&["relate", "Person/ann", "steers", "Startup/acme", "--data", "{\"since\":2024}"])?.ok();
    let edges = user.run(&["relations", "Startup/acme", "--json"])?.json();
    assert_eq!(
        (&edges[0]["direction"], &edges[0]["verb"], &edges[0]["data"]["since"]),
        (&json!("in"), &json!("steeredBy"), &json!(2024))
    );
    user.run(&["unrelate", "Person/ann", "steers", "Startup/acme"])?.ok();
    assert_eq!(user.run(&["relations", "Person/ann", "--json"])?.json(), json!([]));
    user.run(&["unrelate", "Person/ann", "steers", "Startup/acme", "--json"])?.error(7);
    let this = user.run(&["objects", "show", "--json"])?.json();
    assert_eq!(this["ns"], "https://localhost");
    Ok(())
}

#[tokio::test]
async fn events_are_followed_until_ctrl_c() -> anyhow::Result<()> {
    let server = Server::start()?;
    let user = User::of(&server)?;
    user.run(&["things", "create", "Note/before"])?.ok();
    let mut tail = user.command(&["events", "tail", "--after", "0", "--json"]);
    let mut tail = tail.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let mut lines = BufReader::new(tail.stdout.take().expect("stdout is piped")).lines();
    let mut next = || -> anyhow::Result<Value> {
        let line = lines.next().ok_or_else(|| anyhow::anyhow!("the tail ended"))??;
        Ok(serde_json::from_str(&line)?)
    };
    let first = next()?;
    assert!(first["source"].to_string().contains("Note/before"), "{first}");
    user.run(&["things", "create", "Note/after"])?.ok();
    let second = next()?;
    assert_eq!(
        (&second["verb"], second["sequence"].as_u64()),
        (&json!("created"), first["sequence"].as_u64().map(|n| n + 1))
    );
    Command::new("kill").args(["-INT", &tail.id().to_string()]).status()?;
    assert_eq!(tail.wait()?.code(), Some(0));

    let after = first["sequence"].to_string();
    let listed = user.run(&["events", "list", "--after", &after, "--json"])?.json();
    assert_eq!(listed[0]["id"], second["id"]);
    assert_eq!(user.run(&["events", "tail", "--after", "0", "--limit", "1"])?.ok().lines().count(), 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_is_compacted_forked_moved_promoted_and_destroyed() -> anyhow::Result<()> {
    let (data, ord) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let location = format!("ORD={}", ord.path().display());
    let server = Server::start_on(&data.path().join("data"), &["--location", &location], None)?;
    let user = User::of(&server)?;
    user.run(&["objects", "create", "https://crm.example", "--class", "App"])?.ok();
    let at = |ns: &'static str, args: &[&str]| user.run(&[args, &["--ns", ns]].concat());
    let crm = |args: &[&str]| at("https://crm.example", args);
    for n in 1..=3 {
        let verb = if n == 1 { "create" } else { "update" };
        crm(&["things", verb, "Startup/acme", "--set", &format!("n={n}")])?.ok();
    }
    let compacted = crm(&["compact", "--json"])?.json();
    assert_eq!(compacted["result"]["versionsArchived"], 2, "{compacted}");
    let gone = crm(&["things", "get", "Startup/acme@v1", "--json"])?.error(7);
    assert_eq!(gone["details"]["archive"], compacted["result"]["archive"], "{gone}");
    let archive = compacted["result"]["archive"].as_str().expect("an archive has an id").to_owned();

    crm(&["fork", "https://copy.example"])?.ok();
    let copy = at("https://copy.example", &["things", "get", "Startup/acme", "--json"])?.json();
    assert_eq!((&copy["version"], &copy["data"]), (&json!(1), &json!({ "n": 3 })));

    crm(&["move", "ord"])?.ok();
    crm(&["move", "ORD", "--json"])?.error(1);
    assert!(std::fs::read_dir(ord.path().join("objects"))?.next().is_some(), "its file is there now");
    crm(&["compact", "--restore", &archive])?.ok();
    assert_eq!(crm(&["things", "get", "Startup/acme@v1", "--json"])?.json()["data"], json!({ "n": 1 }));
    assert_eq!(crm(&["things", "update", "Startup/acme", "--set", "n=4", "--json"])?.json()["version"], 4);

    crm(&["promote", "Startup/acme"])?.ok();
    assert_eq!(crm(&["things", "get", "Startup/acme", "--json"])?.json()["isDO"], true);
    let own = at("https://crm.example/acme", &["things", "get", "Startup/acme", "--json"])?.json();
    assert_eq!(own["data"], json!({ "n": 4 }));

    user.run(&["objects", "destroy", "https://copy.example", "--yes"])?.ok();
    at("https://copy.example", &["things", "get", "Startup/acme", "--json"])?.error(7);
    Ok(())
}
