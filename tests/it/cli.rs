//! The command line as people and scripts meet it: the real binary, against the real server.

use crate::components::{constant, echo};
use crate::server::{Server, binary};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// What a command left behind.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Done {
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.stdout
    }

    #[track_caller]
    pub(crate) fn json(self) -> Value {
        let text = self.ok();
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"))
    }

    #[track_caller]
    pub(crate) fn error(self, code: i32) -> Value {
        assert_eq!((self.code, self.stdout.as_str()), (Some(code), ""), "{self:?}");
        let document: Value = serde_json::from_str(&self.stderr).unwrap_or_else(|e| panic!("{e}: {self:?}"));
        assert_eq!(document["error"]["exitCode"], code);
        document["error"].clone()
    }
}

fn command(home: &Path) -> Command {
    let mut command = Command::new(binary());
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env("HOME", home).env_remove("XDG_CONFIG_HOME").current_dir(home);
    command
}

/// Somebody at a terminal of their own, with the server's key.
pub(crate) struct User<'a> {
    server: &'a Server,
    home: TempDir,
}

impl<'a> User<'a> {
    pub(crate) fn of(server: &'a Server) -> anyhow::Result<Self> {
        Ok(Self { server, home: TempDir::new()? })
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> anyhow::Result<Done> {
        self.run_with(arguments, "")
    }

    pub(crate) fn run_with(&self, arguments: &[&str], stdin: &str) -> anyhow::Result<Done> {
        finish(self.command(arguments), stdin)
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = command(self.home.path());
        command.args(arguments).env("ORG_AI_API_URL", &self.server.url).env("ORG_AI_TOKEN", &self.server.key);
        command
    }

    pub(crate) fn file(&self, name: &str, content: &[u8]) -> anyhow::Result<()> {
        Ok(std::fs::write(self.home.path().join(name), content)?)
    }
}

fn finish(mut command: Command, stdin: &str) -> anyhow::Result<Done> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    // A command that reads no input may have ended already.
    let _ = child.stdin.take().expect("stdin is piped").write_all(stdin.as_bytes());
    let output = child.wait_with_output()?;
    let text = |bytes| String::from_utf8(bytes);
    Ok(Done { code: output.status.code(), stdout: text(output.stdout)?, stderr: text(output.stderr)? })
}

#[tokio::test]
async fn a_component_is_deployed_invoked_rolled_back_and_deleted() -> anyhow::Result<()> {
    let server = Server::start()?;
    let user = User::of(&server)?;
    user.file("echo.wasm", &echo())?;
    let first = user.run(&["functions", "deploy", "echo.wasm", "--json"])?.json();
    assert_eq!((&first["name"], &first["type"], &first["unchanged"]), (&json!("echo"), &json!("code"), &json!(false)));
    let again = user.run(&["functions", "deploy", "echo.wasm", "--json"])?.json();
    assert_eq!((&again["version"], &again["unchanged"]), (&first["version"], &json!(true)));

    let input = "{\"n\":12345678901234567890,\"x\":[1.50,null]}";
    assert_eq!(user.run(&["functions", "invoke", "echo", "--input", input])?.ok(), format!("{input}\n"));
    assert_eq!(user.run_with(&["functions", "invoke", "echo", "--input", "-"], "[1]")?.ok(), "[1]\n");

    user.file("two.wasm", &constant("2"))?;
    user.run(&["functions", "deploy", "two.wasm", "--name", "echo"])?.ok();
    assert_eq!(user.run(&["functions", "invoke", "echo"])?.ok(), "2\n");
    let old = format!("echo@v{}", first["version"]);
    assert_eq!(user.run(&["functions", "invoke", &old, "-i", "1"])?.ok(), "1\n");
    user.run(&["functions", "rollback", "echo"])?.ok();
    assert_eq!(user.run(&["functions", "invoke", "echo", "-i", "7"])?.ok(), "7\n");
    let shown = user.run(&["functions", "show", "echo", "--json"])?.json();
    assert_eq!(shown["versions"].as_array().map(Vec::len), Some(3), "{shown}");

    assert_eq!(user.run(&["functions", "delete", "echo", "--json"])?.error(2)["code"], "CONFIRMATION_REQUIRED");
    user.run(&["functions", "delete", "echo", "--yes"])?.ok();
    user.run(&["functions", "invoke", "echo", "--json"])?.error(7);
    assert_eq!(user.run(&["functions", "list", "--json"])?.json(), json!([]));
    Ok(())
}

#[tokio::test]
async fn what_was_done_is_in_the_log_of_actions() -> anyhow::Result<()> {
    let server = Server::start()?;
    let user = User::of(&server)?;
    user.file("echo.wasm", &echo())?;
    user.run(&["functions", "deploy", "echo.wasm"])?.ok();
    let id = user.run(&["functions", "invoke", "echo", "--async", "-i", "5"])?.ok();
    let shown = user.run(&["actions", "show", id.trim(), "--json"])?.json();
    assert_eq!((&shown["verb"], &shown["durability"]), (&json!("invoke"), &json!("send")), "{shown}");
    let listed = user.run(&["actions", "list", "--verb", "invoke", "--json"])?.json();
    assert_eq!(listed.as_array().map(Vec::len), Some(1), "{listed}");
    Ok(())
}

#[tokio::test]
async fn a_handler_is_subscribed_and_what_it_could_not_take_is_a_dead_letter() -> anyhow::Result<()> {
    let server = Server::start()?;
    let user = User::of(&server)?;
    user.file("echo.wasm", &echo())?;
    user.run(&["functions", "deploy", "echo.wasm"])?.ok();
    let added =
        ["subscriptions", "add", "Order.created", "echo", "--name", "orders", "--filter", "data.thing.data.n > 1"];
    assert_eq!(user.run(&added)?.ok(), "echo is told of Order.created as orders\n");
    let listed = user.run(&["subscriptions", "list", "--json"])?.json();
    assert_eq!(
        (&listed[0]["name"], &listed[0]["filter"]),
        (&json!("orders"), &json!("data.thing.data.n > 1")),
        "{listed}"
    );
    let refused = user.run(&["subscriptions", "add", "orders", "echo", "--json"])?.error(2);
    assert_eq!(refused["code"], "EVENT_INVALID", "{refused}");
    let dead = user.run(&["events", "dlq", "list"])?.ok();
    assert!(dead.contains("every event was delivered"), "{dead}");
    assert_eq!(user.run(&["events", "dlq", "replay", "--subscription", "orders"])?.ok(), "0 replays began\n");
    assert_eq!(user.run(&["events", "dlq", "purge", "--yes"])?.ok(), "0 purged\n");
    user.run(&["subscriptions", "remove", "orders", "--yes"])?.ok();
    assert_eq!(user.run(&["subscriptions", "list", "--json"])?.json(), json!([]));
    Ok(())
}

#[tokio::test]
async fn a_key_opens_what_its_scopes_say_until_it_is_revoked() -> anyhow::Result<()> {
    let server = Server::start()?;
    let user = User::of(&server)?;
    user.file("echo.wasm", &echo())?;
    user.run(&["functions", "deploy", "echo.wasm"])?.ok();
    let made = user.run(&["keys", "create", "ci", "--scope", "echo.invoke", "--expires-in", "90d", "--json"])?.json();
    let key = made["key"].as_str().expect("the key is shown once");
    let as_ci = |arguments: &[&str]| {
        let mut command = command(user.home.path());
        command.args(arguments).arg("--json").env("ORG_AI_API_URL", &server.url).env("ORG_AI_TOKEN", key);
        finish(command, "")
    };
    assert_eq!(as_ci(&["functions", "invoke", "echo", "-i", "1"])?.ok(), "1\n");
    assert_eq!(as_ci(&["functions", "delete", "echo", "--yes"])?.error(4)["code"], "FORBIDDEN");
    let listed = user.run(&["keys", "list"])?.ok();
    assert!(listed.contains("ci") && !listed.contains(key), "{listed}");
    user.run(&["keys", "revoke", made["id"].as_str().expect("an id"), "--yes"])?.ok();
    as_ci(&["functions", "invoke", "echo"])?.error(3);
    Ok(())
}

#[tokio::test]
async fn a_login_lasts_over_commands_and_objects_are_kept_apart() -> anyhow::Result<()> {
    let server = Server::start()?;
    let home = TempDir::new()?;
    let run = |arguments: &[&str], stdin: &str| {
        let mut command = command(home.path());
        command.args(arguments);
        finish(command, stdin)
    };
    run(&["login", "--with-token", "--api-url", &server.url], &format!("{}\n", server.key))?.ok();
    let who = run(&["whoami", "--json"], "")?.json();
    assert_eq!((&who["authenticated"], &who["tokenSource"]), (&json!(true), &json!("file")), "{who}");
    std::fs::write(home.path().join("echo.wasm"), echo())?;
    run(&["objects", "create", "https://localhost/acme"], "")?.ok();
    run(&["functions", "deploy", "echo.wasm", "--ns", "https://localhost/acme"], "")?.ok();
    assert_eq!(run(&["functions", "list", "--json"], "")?.json(), json!([]));
    let listed = run(&["functions", "list", "--json", "--ns", "https://localhost/acme"], "")?.json();
    assert_eq!(listed.as_array().map(Vec::len), Some(1), "{listed}");
    run(&["secrets", "set", "KEY"], "hunter2")?.ok();
    let secrets = run(&["secrets", "list"], "")?.ok();
    assert!(secrets.contains("KEY") && !secrets.contains("hunter2"), "{secrets}");
    run(&["logout"], "")?.ok();
    run(&["functions", "list", "--api-url", &server.url, "--json"], "")?.error(3);
    Ok(())
}

#[tokio::test]
async fn a_second_server_on_a_folder_is_refused_with_the_reason() -> anyhow::Result<()> {
    let server = Server::start()?;
    let home = TempDir::new()?;
    let mut second = command(home.path());
    second.args(["serve", "--listen", "127.0.0.1:0", "--json", "--data"]).arg(server.data());
    let error = finish(second, "")?.error(10);
    assert_eq!(error["code"], "DATA_IN_USE");
    assert!(error["message"].as_str().is_some_and(|m| m.contains("in use")), "{error}");
    server.get("/health").await?.expect(200);
    Ok(())
}

#[tokio::test]
async fn a_server_ends_well_when_it_is_asked_to_and_makes_its_root_key_once() -> anyhow::Result<()> {
    let folder = TempDir::new()?;
    let mut first = Server::start_on(folder.path(), &[], None)?;
    assert!(first.key.starts_with("sk_"));
    assert_eq!(first.terminate()?, Some(0));
    let key = first.key.clone();
    drop(first);
    let second = Server::start_on(folder.path(), &[], None)?;
    assert_eq!(second.key, "", "the key is shown by the start that made it");
    drop(second);
    let third = Server::start_on(folder.path(), &[], Some(&key))?;
    third.get("/api/whoami").await?.expect(200);
    Ok(())
}

#[tokio::test]
async fn the_port_and_the_settings_are_checked_before_anything_is_served() -> anyhow::Result<()> {
    let server = Server::start()?;
    let home = TempDir::new()?;
    let serve = |arguments: &[&str]| {
        let mut command = command(home.path());
        command.args(["serve", "--json", "--data", "data"]).args(arguments);
        finish(command, "")
    };
    let taken = server.url.trim_start_matches("http://");
    assert_eq!(serve(&["--listen", taken])?.error(10)["code"], "LISTEN_FAILED");
    std::fs::write(home.path().join("c.toml"), "[server]\nlistn = \"127.0.0.1:0\"\n")?;
    let error = serve(&["--config", "c.toml"])?.error(10);
    assert_eq!(error["message"], "unknown key \"server.listn\"; did you mean \"server.listen\"? in c.toml:2");
    serve(&["--listen", "nonsense"])?.error(10);
    Ok(())
}

/// The project's build is a copy, so that this needs no tool chain.
#[tokio::test]
async fn dev_signs_in_builds_deploys_and_takes_a_change() -> anyhow::Result<()> {
    let home = TempDir::new()?;
    let project = home.path().join("hello");
    std::fs::create_dir_all(project.join("src"))?;
    std::fs::write(project.join("src/hello.wasm"), constant("1"))?;
    std::fs::write(
        project.join("function.toml"),
        "name = \"hello\"\nlanguage = \"other\"\n\n[build]\ncommand = [\"cp\", \"src/hello.wasm\", \"target/out.wasm\"]\noutput = \"target/out.wasm\"\n",
    )?;
    let mut dev = command(home.path());
    dev.args(["dev", "hello", "--port", "0"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut dev = dev.spawn()?;
    let mut lines = BufReader::new(dev.stderr.take().expect("stderr is piped")).lines();
    let mut wait_for = |text: &str| -> anyhow::Result<()> {
        for line in lines.by_ref() {
            if line?.contains(text) {
                return Ok(());
            }
        }
        anyhow::bail!("dev ended before it said {text:?}")
    };
    wait_for("deployed hello")?;
    let invoke = || {
        let mut command = command(&project);
        command.args(["functions", "invoke", "hello"]);
        finish(command, "")
    };
    assert_eq!(invoke()?.ok(), "1\n", "commands in the project find the server and its key");
    std::fs::write(project.join("src/hello.wasm"), b"no component")?;
    wait_for("error")?;
    assert_eq!(invoke()?.ok(), "1\n", "a build that fails leaves what was there");
    std::fs::write(project.join("src/hello.wasm"), constant("2"))?;
    wait_for("deployed hello")?;
    assert_eq!(invoke()?.ok(), "2\n");
    Command::new("kill").args(["-INT", &dev.id().to_string()]).status()?;
    assert_eq!(dev.wait()?.code(), Some(0));
    assert!(!project.join(".org.ai/dev.json").exists(), "the server is gone, and so is its address");
    let mut rest = String::new();
    lines.try_for_each(|line| line.map(|line| rest.push_str(&line)))?;
    assert!(!rest.contains("panicked"), "{rest}");
    Ok(())
}

#[test]
fn a_reader_that_goes_away_is_no_failure() -> anyhow::Result<()> {
    let home = TempDir::new()?;
    let mut child = command(home.path());
    let mut child = child.args(["completions", "bash"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    drop(child.stdout.take());
    let mut stderr = String::new();
    child.stderr.take().expect("stderr is piped").read_to_string(&mut stderr)?;
    assert_eq!((child.wait()?.code(), stderr.as_str()), (Some(0), ""));
    Ok(())
}
