//! What the README promises: a project from a template, in each language, built, deployed and called by the command
//! line. The tool chains are those that `scripts/build-guests` has set up.

use crate::server::{Server, binary};
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Output};

fn org_ai(server: &Server, dir: &Path, arguments: &[&str]) -> anyhow::Result<Output> {
    let mut command = Command::new(binary());
    command.args(arguments).current_dir(dir).env("ORG_AI_API_URL", &server.url).env("ORG_AI_TOKEN", &server.key);
    Ok(command.output()?)
}

/// What a command printed; its errors otherwise.
fn printed(output: Output) -> anyhow::Result<String> {
    let (stdout, stderr) = (String::from_utf8(output.stdout)?, String::from_utf8_lossy(&output.stderr));
    anyhow::ensure!(output.status.success(), "{}: {stdout}{stderr}", output.status);
    Ok(stdout)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_template_becomes_a_function_that_answers() -> anyhow::Result<()> {
    let server = Server::start()?;
    let dir = tempfile::tempdir()?;
    for template in authoring::templates() {
        let name = format!("my-{}", template.name);
        printed(org_ai(&server, dir.path(), &["functions", "new", &name, "--lang", template.name])?)?;
        let project = dir.path().join(&name);
        let deployed = printed(org_ai(&server, &project, &["functions", "deploy", ".", "--json"])?)
            .map_err(|e| e.context(format!("the template {}", template.name)))?;
        let deployed: Value = serde_json::from_str(&deployed)?;
        assert_eq!(deployed["name"], name.as_str(), "{deployed}");
        let (action, expected) = match deployed["type"].as_str() {
            Some("tool-box") => (format!("{name}.greet"), json!("Hello, Ann!")),
            _ => (name.clone(), json!({ "message": "Hello, Ann!" })),
        };
        let input = r#"{"name":"Ann"}"#;
        let result =
            printed(org_ai(&server, &project, &["functions", "invoke", &action, "--input", input, "--json"])?)?;
        let result: Value = serde_json::from_str(&result)?;
        assert!(result == expected || result["result"] == expected, "{}: {result}", template.name);
        let again = printed(org_ai(&server, &project, &["functions", "deploy", ".", "--json", "--dry-run"])?)?;
        assert!(serde_json::from_str::<Value>(&again).is_ok(), "{again}");
    }
    Ok(())
}

#[test]
fn a_broken_source_is_reported_with_file_and_line() -> anyhow::Result<()> {
    let server = Server::start()?;
    let dir = tempfile::tempdir()?;
    printed(org_ai(&server, dir.path(), &["functions", "new", "broken", "--lang", "c"])?)?;
    let source = dir.path().join("broken/src/main.c");
    let text = std::fs::read_to_string(&source)?;
    std::fs::write(&source, text.replace("return", "retrun"))?;
    let failed = org_ai(&server, dir.path(), &["functions", "build", "broken"])?;
    assert_eq!(failed.status.code(), Some(1), "{failed:?}");
    let said = String::from_utf8_lossy(&failed.stderr).into_owned();
    assert!(said.contains("main.c:"), "{said}");
    Ok(())
}
