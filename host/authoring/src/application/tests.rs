//! What a `do.toml` says, and what is said of one that is wrong.

use super::keys::{self, Key, Kind};
use super::*;
use proptest::prelude::*;
use std::path::Path;

const FULL: &str = include_str!("../../../../tests/golden/do.toml");

fn no_files(path: &Path) -> Result<String, String> {
    Err(format!("there is no file {}", path.display()))
}

fn read(text: &str) -> Application {
    Application::parse(text, None, &mut no_files).unwrap_or_else(|complaints| panic!("{complaints:#?}"))
}

/// Everything that is said of it, a complaint a line.
fn refusal(text: &str, env: Option<&str>) -> String {
    let complaints = Application::parse(text, env, &mut no_files).expect_err(text);
    complaints.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_file_with_every_section_becomes_the_golden_deployment() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/deployment.json");
    let application = read(FULL);
    let json = serde_json::to_string_pretty(&application.deployment).unwrap() + "\n";
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &json).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(golden, json, "if this is meant: UPDATE_GOLDEN=1 cargo test -p org-ai-authoring golden");
    let again: Deployment = serde_json::from_str(&json).unwrap();
    assert_eq!(again, application.deployment);
}

#[test]
fn the_sample_has_every_key_there_is() {
    fn missing(keys: &[Key], table: &toml::Table, path: &str, found: &mut Vec<String>) {
        for key in keys {
            let path = format!("{path}{}", key.name);
            let alias =
                ["exports", "renamed_classes", "deleted_classes", "transferred_classes", "file"].contains(&key.name);
            match (table.get(key.name), key.kind) {
                (None, _) if alias => {}
                (None, _) => found.push(path),
                (Some(toml::Value::Table(inner)), Kind::Table(keys)) => {
                    missing(keys, inner, &format!("{path}."), found)
                }
                (Some(toml::Value::Table(inner)), Kind::Named(_, keys)) => {
                    let all = inner.values().flat_map(|v| v.as_table().unwrap().clone()).collect();
                    missing(keys, &all, &format!("{path}."), found);
                }
                (Some(toml::Value::Array(items)), Kind::Tables(keys)) => {
                    let all = items.iter().flat_map(|v| v.as_table().unwrap().clone()).collect();
                    missing(keys, &all, &format!("{path}."), found);
                }
                (Some(toml::Value::Array(items)), Kind::Steps) if key.name == "steps" => {
                    let all = items.iter().flat_map(|v| v.as_table().unwrap().clone());
                    let inner = |v: &toml::Value| {
                        let then = v.get("then").and_then(|t| t.as_array()).cloned().unwrap_or_default();
                        then.into_iter().flat_map(|s| s.as_table().unwrap().clone()).collect::<Vec<_>>()
                    };
                    let all: toml::Table = all.flat_map(|(k, v)| inner(&v).into_iter().chain([(k, v)])).collect();
                    missing(keys::STEP, &all, &format!("{path}."), found);
                }
                (Some(_), _) => {}
            }
        }
    }
    let mut found = Vec::new();
    missing(keys::ROOT, &FULL.parse().unwrap(), "", &mut found);
    assert_eq!(found, [""; 0], "these keys are in no test");
}

/// The path of a component, the kind of what has none.
fn brought(source: &Source) -> &str {
    match &source.what {
        Brought::Component { path, .. } => path.to_str().unwrap(),
        Brought::Definition(definition) => {
            ["generative", "agentic", "human"].into_iter().find(|kind| definition.to_value()["type"] == *kind).unwrap()
        }
    }
}

#[test]
fn what_is_built_first_is_told_in_order() {
    let application = read(FULL);
    let sources: Vec<_> = application.sources.iter().map(|s| (s.name.as_str(), brought(s), s.line)).collect();
    let line = |text: &str| FULL.lines().position(|l| l == text).unwrap() + 1;
    let at = |name: &str| line(&format!("name = \"{name}\"")) - 1;
    let expected = [
        ("shop", "shop", line("main = \"shop\"")),
        ("calc", "calc.wasm", line("path = \"calc.wasm\"")),
        ("summary", "generative", at("summary")),
        ("review", "human", at("review")),
        ("audit-order", "human", at("audit-order")),
        ("answer", "agentic", at("answer")),
    ];
    assert_eq!(sources, expected);
    let mut application = application;
    let hash = Hash::from_bytes([7; 32]);
    application.uploaded(&FunctionName::parse("calc").unwrap(), 7, hash);
    let calc = application.deployment.functions.iter().find(|f| f.name.as_str() == "calc").unwrap();
    assert_eq!(calc.run, FunctionBody::Component { version: 7, hash });
}

#[test]
fn sections_without_effect_are_named() {
    let application = read(FULL);
    let named: Vec<_> = application.warnings.iter().map(|w| w.path.as_str()).collect();
    let mut expected = keys::UNSERVED.to_vec();
    let (mut sorted, _) = (named.clone(), expected.sort_unstable());
    sorted.sort_unstable();
    assert_eq!(sorted, expected);
    let buckets = application.warnings.iter().find(|w| w.path == "buckets").unwrap();
    let line = FULL.lines().position(|l| l == "[[buckets]]").unwrap() + 1;
    assert_eq!(
        buckets.to_string(),
        format!("{line}: \"buckets\" is not served by this platform yet and has no effect")
    );
}

#[test]
fn an_environment_replaces_sections_and_inherits_no_variables() {
    let staging = Application::parse(FULL, Some("staging"), &mut no_files).unwrap();
    assert_eq!(staging.deployment.vars, BTreeMap::from([("REGION".to_owned(), "test".to_owned())]));
    let schedules: Vec<_> = staging.deployment.schedules.iter().map(|s| s.schedule.as_str()).collect();
    assert_eq!(schedules, ["hourly"]);
    assert_eq!(staging.deployment.subscriptions, read(FULL).deployment.subscriptions);
    assert_eq!(staging.deployment.objects, []);
    let warned: Vec<_> = staging.warnings.iter().map(|w| w.message.as_str()).collect();
    assert!(warned.contains(&"\"objects\" has no effect in [env.staging], which has none of its own"), "{warned:?}");
    let line = FULL.lines().position(|l| l == "schedule = \"hourly\"").unwrap() + 1;
    assert_eq!(staging.line("schedules[0].schedule"), Some(line));
    // The file's second schedule is none of this environment's, nor is its place.
    let line = FULL.lines().position(|l| l == "[[env.staging.every]]").unwrap() + 1;
    assert_eq!(staging.line("schedules[1].schedule"), Some(line));

    let check = |env, expected: &str| assert_eq!(refusal(FULL, Some(env)), expected);
    check("stagign", "1: there is no [env.stagign]; did you mean \"staging\"?");
    check("x", "1: there is no [env.x]; there are staging");
    assert_eq!(refusal("", Some("x")), "1: there is no environment \"x\": the file has no [env.NAME]");
    let wrong = "[env.a]\n[[env.a.evry]]\n[env.b.vars]\nX = \"1\"";
    assert_eq!(refusal(wrong, Some("b")), "2: unknown key \"evry\" in [env.a]; did you mean \"every\"?");
}

#[test]
fn a_path_of_the_deployment_is_found_in_the_file() {
    let application = read(FULL);
    let line = |text: &str| FULL.lines().position(|l| l.contains(text)).map(|n| n + 1);
    for (path, text) in [
        ("schedules[0].schedule", "every weekday at 9:30am"),
        ("subscriptions[0].filter", "data.amount > 1000 and"),
        ("workflows[0].run.steps[0].do.retry.maxAttempts", "max_attempts = 5"),
        ("workflows[0].run.steps[5].parallel.branches[1][1].sleep.forMs", "for = 500"),
        ("workflows[0].trigger.event.filter", "data.paid"),
        ("requiredSecrets[0]", "STRIPE_KEY"),
        ("vars.LIMIT", "LIMIT = 1000"),
    ] {
        assert_eq!(application.line(path), line(text), "{path}");
    }
    assert_eq!(application.line("nothing.of.it"), None);
}

#[test]
fn a_handler_is_a_function_an_export_or_main_s_own() {
    let head = "name = \"shop\"\nmain = \"shop\"\n[[functions]]\nname = \"audit\"\n";
    for (written, handler) in [
        ("onOrder", "shop#onOrder"),
        ("#audit", "shop#audit"),
        ("audit", "audit"),
        ("shop", "shop"),
        ("calc.add", "calc.add"),
        ("other#x", "other#x"),
    ] {
        let text = format!("{head}[[on]]\nevent = \"A.b\"\nhandler = \"{written}\"");
        assert_eq!(read(&text).deployment.subscriptions[0].handler.to_string(), handler);
    }
    let alone = read("[[on]]\nevent = \"A.b\"\nhandler = \"audit\"");
    assert_eq!(alone.deployment.subscriptions[0].handler.to_string(), "audit");
}

#[test]
fn each_mistake_is_named_with_its_line_and_what_would_do() {
    let handler =
        "is no handler: write a function (invoice-pay), toolbox.export (calc.add) or app#handler (shop#onCustomer)";
    let on = "[[on]]\nevent = \"A.b\"\nhandler = \"f\"\n";
    for (text, expected) in [
        // keys
        ("\n[[evry]]\nname = \"a\"", "2: unknown section or key \"evry\"; did you mean \"every\"?".to_owned()),
        (
            "[[on]]\nevent = \"A.b\"\nhandler = \"f\"\nmaxRetries = 1",
            "4: unknown key \"maxRetries\" in [on[0]]; did you mean \"max_retries\"?".to_owned(),
        ),
        (
            "[secrets]\nrequired = []\nKEY = \"hunter2\"",
            "3: unknown key \"KEY\" in [secrets]; a secret's value never stands in the file: write required = [\"KEY\"] and \
             store it with `org.ai secrets set`"
                .to_owned(),
        ),
        ("[[on]]\nevent = \"A.b\"", "1: \"handler\" is missing in [on[0]]".to_owned()),
        (
            "[[migrations]]\ntag = \"a\"\nnew_classes = [\"A\"]\nnew_sqlite_classes = [\"B\"]",
            "4: \"new_sqlite_classes\" says again what another key here says already".to_owned(),
        ),
        // types
        ("[on]\nevent = \"A.b\"", "1: on: expected a list, like [[on]], found a table".to_owned()),
        ("vars = 1", "1: vars: expected a table, like [vars], found an integer".to_owned()),
        ("name = 1", "1: name: expected a text in quotes, found an integer".to_owned()),
        (&format!("{on}priority = \"1\""), "4: priority: expected a whole number, found a string".to_owned()),
        (&format!("{on}max_retries = -1"), "4: max_retries: -1 is out of range: 0 to 4294967295".to_owned()),
        (&format!("{on}max_retries = 101"), "4: on[0].max_retries: it is at most 100".to_owned()),
        (&format!("{on}max_retries = 9223372036854775808"), "4: max_retries: 9223372036854775808 is no number of 64 bits".to_owned()),
        ("[integrations.x]\nenabled = 1", "2: enabled: expected true or false, found an integer".to_owned()),
        ("[secrets]\nrequired = [\"A\", 2]", "2: secrets.required[1]: expected a text in quotes, found an integer".to_owned()),
        ("compatibility_date = \"soon\"", "1: compatibility_date: \"soon\" is no date: write one like 2024-01-08".to_owned()),
        (
            "[[every]]\nschedule = \"hourly\"\nhandler = \"f\"\noverlap = \"skp\"",
            "4: overlap: unknown \"skp\"; did you mean \"skip\"?".to_owned(),
        ),
        (
            "[[every]]\nschedule = \"hourly\"\nhandler = \"f\"\ncatch_up = \"twelve\"",
            "4: catch_up: unknown \"twelve\"; it is one of one, none, all".to_owned(),
        ),
        (
            "[probe]\nhandler = \"f\"\ntimeout = \"soon\"",
            "3: timeout: \"soon\" is no duration: write milliseconds (1500), a number with a unit (30s, 5m, 2h, 7d), or PT30S".to_owned(),
        ),
        // names
        ("name = \"A B\"", "1: name: \"A B\" is no function name: 1 to 64 of a-z, 0-9 and -, beginning with a letter (like invoice-pay)".to_owned()),
        ("main = \"shop\"", "1: main becomes the function that \"name\" names, which is missing".to_owned()),
        ("name = \"a\"\nmain = \"../b\"", "2: main: \"../b\" must be a relative path that stays below the file's folder".to_owned()),
        (
            "[[on]]\nevent = \"Customer\"\nhandler = \"f\"",
            "2: event: \"Customer\" is no event: write Noun.event with * for any, like Customer.created, Order.* or *.*".to_owned(),
        ),
        (
            "[[on]]\nevent = \"A.b\"\nhandler = \"onIt\"",
            format!("3: handler: \"onIt\" {handler}; a file with main may name its handlers alone"),
        ),
        ("[[on]]\nevent = \"A.b\"\nhandler = \"#x\"", "3: handler: \"#x\" is a handler of main, and the file has no main".to_owned()),
        ("[[on]]\nevent = \"A.b\"\nhandler = \"a@v1\"", format!("3: handler: \"a@v1\" {handler}; a file with main may name its handlers alone")),
        (&format!("{on}name = \"a b\""), "4: on[0].name: \"a b\" is no name: 1 to 128 of letters, digits and -_.: beginning with a letter or digit".to_owned()),
        ("[vars]\n\"A B\" = \"1\"", "2: vars.A B: \"A B\" is no variable: write letters, digits and _".to_owned()),
        ("[nouns.order]\nplural = \"Orders\"", "1: nouns.order: \"order\" is no noun; a noun is PascalCase, 1 to 64 letters and digits, like Startup or BlogPost".to_owned()),
        // twice
        (&format!("{on}name = \"a\"\n{on}name = \"a\""), "8: on[1].name: \"a\" stands twice; each is there once".to_owned()),
        (&format!("{on}{on}"), "4: on[1]: \"A.b:f\" stands twice; each is there once".to_owned()),
        ("[[functions]]\nname = \"a\"\n[[functions]]\nname = \"a\"", "4: functions[1].name: \"a\" stands twice; each is there once".to_owned()),
        // the environment
        (&format!("{on}filter = \"${{X}}\""), "4: filter: \"${X}\" is not filled in here: only keys that end in _env name a variable".to_owned()),
        (
            "[models.provider]\nkey_env = \"sk-123\"",
            "2: key_env: expected the name of an environment variable, like GITHUB_SECRET; the secret itself never stands in the file".to_owned(),
        ),
        ("[vars]\nA = \"1\"\n[secrets]\nrequired = [\"A\"]", "4: secrets.required[0]: \"A\" is a variable too; one name is one or the other".to_owned()),
        // functions
        ("[[functions]]\nname = \"a\"\npath = \"a\"\nhandler = \"b\"", "1: functions[0]: path and handler each say what runs it; keep one".to_owned()),
        ("[[functions]]\nname = \"a\"\nprompt = \"p\"\ntype = \"human\"", "1: functions[0]: who answers is missing: assignee (Human/ann) or role (finance)".to_owned()),
        ("[[functions]]\nname = \"a\"\nmodel = \"m\"", "1: functions[0]: model stands beside a prompt".to_owned()),
        ("[[functions]]\nname = \"a\"\nmax_iterations = 2", "1: functions[0]: max_iterations stands beside a prompt".to_owned()),
        ("[[functions]]\nname = \"a\"\nprompt = \"{{secret.x}}\"", "1: functions[0]: prompt: {{secret.x}} is no place; write {{input.name}} or {{context.function}}".to_owned()),
        ("[[functions]]\nname = \"a\"\nhandler = \"b\"", "3: functions[0].handler: \"b\" is no handler of an app, like shop#total".to_owned()),
        ("[[functions]]\nname = \"a\"\nmanifest = \"m\"", "1: functions[0]: a manifest stands beside the path of a component".to_owned()),
        (
            "[[functions]]\nname = \"a\"\npermission = \"x\"",
            "1: functions[0]: \"x\" is no permission: write Noun.action or function.invoke, with * on either side for all \
             (like *.read, invoice-pay.invoke, *.*)"
                .to_owned(),
        ),
        // classes
        (
            "[[objects]]\nbinding = \"A\"\nclass = \"Cart\"",
            "3: objects[0].class: no migration makes the class \"Cart\"; add it to new_classes of a new one".to_owned(),
        ),
        (
            "[[migrations]]\ntag = \"a\"\ndeleted = [\"B\"]\n[[exports]]\nclass = \"C\"\nstate = \"created\"",
            "3: migrations[0].deleted: there is no class \"B\" to delete here\n\
             4: exports: migrations and exports say the same thing in two ways; keep one of them"
                .to_owned(),
        ),
        // TOML itself
        ("a = ", "1: string values must be quoted, expected literal string".to_owned()),
    ] {
        let text: &str = text;
        assert_eq!(refusal(text, None), expected, "{text}");
    }
}

#[test]
fn each_mistake_in_a_workflow_is_named_too() {
    let head = "[[workflows]]\nname = \"w\"\n";
    for (text, expected) in [
        ("", "1: workflows[0]: a workflow has either a handler, or steps, or a file with its steps"),
        ("file = \"w.toml\"", "3: file: there is no file w.toml"),
        ("steps = []", "3: workflows[0].steps: a workflow has at least one step"),
        ("handler = \"f\"\nconcurrency = 0", "4: workflows[0].concurrency: it is from 1 to 10000"),
        (
            "handler = \"f\"\ntrigger = \"hand\"",
            "4: trigger: write \"manual\", { event = \"Order.created\" } or { schedule = \"daily at 6am\" }",
        ),
        (
            "handler = \"f\"\ntrigger = { event = \"A.b\", fliter = \"x\" }",
            "4: unknown key \"fliter\" in [workflows[0].trigger]; did you mean \"filter\"?",
        ),
        (
            "steps = [{ name = \"a\", do = { name = \"a\", action = \"f\" } }]",
            "3: workflows[0].steps[0]: a step is a table with one of do, sleep, sleep_until, wait_for_event, branch, parallel, approval",
        ),
        (
            "steps = [{ slep = { name = \"a\" } }]",
            "3: unknown key \"slep\" in [workflows[0].steps[0]]; did you mean \"sleep\"?",
        ),
        ("steps = [{ do = { action = \"f\" } }]", "3: \"name\" is missing in [workflows[0].steps[0].do]"),
        (
            "steps = [{ sleep = { name = \"a\", for = \"1s\" } },\n{ sleep = { name = \"a\", for = \"1s\" } }]",
            "4: workflows[0].steps[1]: two steps are called \"a\"; each name is there once",
        ),
        (
            "steps = [{ do = { name = \"a\", action = \"f\",\ninput = \"{{steps.b.output}}\" } }, { sleep = { name = \"b\", for = 1 } }]",
            "4: workflows[0].steps[0].do.input: {{steps.b.output}}: no step called \"b\" is over when this one begins",
        ),
        (
            "steps = [{ sleep_until = { name = \"a\", until = \"tomorrow\" } }]",
            "3: workflows[0].steps[0].sleep_until.until: \"tomorrow\" is no time: write one like 2024-01-08T12:00:00Z, or a template",
        ),
        (
            "steps = [{ wait_for_event = { name = \"a\", event = \"A.b\", timeout = \"366d\" } }]",
            "3: workflows[0].steps[0].wait_for_event.timeout: it is more than nothing and at most 365 days",
        ),
        (
            "steps = [{ branch = { name = \"a\", when = \"\", then = [] } }]",
            "3: workflows[0].steps[0].branch.when: an expression says something, like data.amount > 1000\n\
             3: workflows[0].steps[0].branch: a branch has steps in then, else or both",
        ),
        (
            "steps = [{ parallel = { name = \"a\", branches = [[]] } }]",
            "3: workflows[0].steps[0].parallel.branches: there are 1 to 64 branches, each with at least one step",
        ),
    ] {
        assert_eq!(refusal(&format!("{head}{text}"), None), expected, "{text}");
    }
}

#[test]
fn everything_that_is_wrong_is_told_at_once_by_line() {
    let text =
        "nmae = \"a\"\n[[on]]\nevent = \"x\"\n[[every]]\nschedule = 1\nhandler = \"f\"\n[limits]\ncpu_ms = \"a\"\n";
    let told = refusal(text, None);
    let lines: Vec<_> = told.lines().map(|line| line.split(':').next().unwrap()).collect();
    assert_eq!(lines, ["1", "2", "3", "5", "8"], "{told}");
}

#[test]
fn what_is_wrong_without_end_is_told_a_hundred_times() {
    let many: String = (0..500).map(|n| format!("key{n}x = 1\n")).collect();
    assert_eq!(Application::parse(&many, None, &mut no_files).unwrap_err().len(), 100);
    let large = format!("# {}", "x".repeat(Application::BYTES_MAX));
    assert_eq!(refusal(&large, None), "1: the file is over its limit of 1024 KiB");
}

proptest! {
    #[test]
    fn no_text_breaks_the_reader(text in "\\PC{0,200}", env in proptest::option::of("[a-z]{1,3}")) {
        let _ = Application::parse(&text, env.as_deref(), &mut no_files);
    }

    /// A sound file with one stretch of it replaced comes past the TOML parser more often.
    #[test]
    fn no_change_of_a_sound_file_breaks_the_reader(
        at in 0..FULL.len(),
        length in 0..40usize,
        with in "(\\PC{0,8}|\\[\\[[a-z]{2,6}\\]\\]|= (1|true|\"\\{\\{a\\}\\}\"|\\[\\[1\\]\\]|\\{ a = 1 \\}|1979-05-27|nan)\n)",
    ) {
        let (begin, end) = (FULL.floor_char_boundary(at), FULL.floor_char_boundary((at + length).min(FULL.len())));
        let text = format!("{}{with}{}", &FULL[..begin], &FULL[end.max(begin)..]);
        for env in [None, Some("staging")] {
            if let Err(complaints) = Application::parse(&text, env, &mut no_files) {
                let lines = text.lines().count().max(1) + 1;
                prop_assert!(!complaints.is_empty() && complaints.iter().all(|c| (1..=lines).contains(&c.line)));
            }
        }
    }
}

const BESIDE: &str = "name = \"a\"\n[[workflows]]\nname = \"w\"\nfile = \"flows/pay.EXT\"\n";

/// The file with its steps in one beside it; what is wrong, with the file it is in.
fn beside(extension: &str, steps: &str) -> Result<Application, Vec<String>> {
    let mut files = |path: &Path| {
        assert_eq!(path, Path::new(&format!("flows/pay.{extension}")));
        Ok(steps.to_owned())
    };
    let said = |c: &Complaint| format!("{}:{c}", c.file.as_deref().unwrap_or("do.toml"));
    Application::parse(&BESIDE.replace("EXT", extension), None, &mut files)
        .map_err(|complaints| complaints.iter().map(said).collect())
}

#[test]
fn steps_in_a_file_of_their_own_are_as_if_they_stood_here() {
    let toml = "[[steps]]\ndo = { name = \"x\", action = \"f\", input = { a = 1 }, retry = { retry_on = [\"BUSY\"] } }\n\n\
                [[steps]]\nsleep = { name = \"y\", for = \"3d\" }\n";
    let json = "{\n  \"steps\": [\n    {\"do\": {\"name\": \"x\", \"action\": \"f\", \"input\": {\"a\": 1},\n      \
                \"retry\": {\"retry_on\": [\"BUSY\"]}}},\n    {\"sleep\": {\"name\": \"y\", \"for\": \"3d\"}}\n  ]\n}\n";
    let here =
        read(&format!("name = \"a\"\n[[workflows]]\nname = \"w\"\n{}", toml.replace("[[steps", "[[workflows.steps")));
    for (extension, steps, line) in [("toml", toml, 5), ("json", json, 5)] {
        let read = beside(extension, steps).unwrap_or_else(|complaints| panic!("{complaints:#?}"));
        assert_eq!(read.deployment, here.deployment);
        let path = "workflows[0].run.steps[1].sleep";
        assert_eq!((read.file(path), read.line(path)), (Some(&*format!("flows/pay.{extension}")), Some(line)));
        assert_eq!((read.file("workflows[0].name"), read.line("workflows[0].name")), (None, Some(3)));
    }
}

#[test]
fn what_is_wrong_with_steps_in_a_file_names_it_and_its_line() {
    let check = |extension: &str, steps: &str, expected: &str| {
        let said = beside(extension, steps).expect_err(steps);
        assert!(said.len() == 1 && said[0].starts_with(expected), "{steps}: {said:#?}");
    };
    check(
        "toml",
        "\n[[steps]]\nsleep = { name = \"y\", fro = \"3d\", for = \"1d\" }",
        "flows/pay.toml:3: unknown key \"fro\"",
    );
    check("toml", "\n# none", "flows/pay.toml:1: \"steps\" is missing");
    check("toml", "steps = [\n", "flows/pay.toml:");
    check("json", "{\"steps\": [\n  {\"sleep\": {\"name\": \"y\",\n \"for\": \"soon\"}}]}", "flows/pay.json:3: for: ");
    check("json", "{\"steps\":\n [}", "flows/pay.json:2: ");
    check(
        "json",
        "{\"steps\": [\n  {\"wait_for_event\": {\"name\": \"y\", \"event\": \"A.b\",\n \"default\": null}}]}",
        "flows/pay.json:3: null",
    );
    check("json", "[]", "flows/pay.json:1: expected an object");
    // What only shows when all is put together: two steps of one name.
    let twice = "{\"steps\": [{\"sleep\": {\"name\": \"y\", \"for\": \"1d\"}},\n {\"sleep\": {\"name\": \"y\", \"for\": \"1d\"}}]}";
    check("json", twice, "flows/pay.json:2: ");
    check("yaml", "", "do.toml:4: file: \"flows/pay.yaml\" is neither .toml nor .json");
    let absent = refusal(&BESIDE.replace("EXT", "toml"), None);
    assert_eq!(absent, "4: file: there is no file flows/pay.toml");
    let both = refusal(&format!("{}handler = \"f\"\n", BESIDE.replace("EXT", "toml")), None);
    assert!(both.starts_with("2: ") && both.contains("either a handler, or steps, or a file"), "{both}");
    let large = "#".repeat(Application::BYTES_MAX + 1);
    check("toml", &large, "do.toml:4: file: flows/pay.toml is over its limit of 1024 KiB");
}
