//! Authoring without tool chains: files, messages, templates, and builds by a command of the test's own.

use crate::process::{Stdout, diagnostics, run};
use crate::*;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

fn project(function_toml: &str) -> (TempDir, Result<Project, ConfigError>) {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("function.toml"), function_toml).unwrap();
    let project = Project::open(dir.path());
    (dir, project)
}

fn refusal(function_toml: &str) -> String {
    let (dir, project) = project(function_toml);
    let message = project.unwrap_err().to_string();
    message.replace(&dir.path().display().to_string(), "").trim_start_matches('/').to_owned()
}

#[test]
fn a_function_toml_is_read_whole() {
    let (_dir, project) = project(
        r#"
name = "price"
language = "javascript"
[build]
engine = "starlingmonkey"
watch = ["data"]
[manifest]
description = "What it costs."
tmp = true
env.CURRENCY = "EUR"
input = { type = "object" }
limits.memory-mb = 32
[[manifest.allow]]
url = "https://api.example.com"
methods = ["GET"]
"#,
    );
    let project = project.unwrap();
    assert_eq!((project.language, project.engine), (Language::JavaScript, Engine::StarlingMonkey));
    assert_eq!(project.kind, WorldKind::Code);
    assert_eq!(project.manifest.limits.memory_mb, Some(32));
    assert_eq!(project.manifest.allow[0].methods, ["GET"]);
    assert_eq!(project.manifest.input.as_ref().unwrap().as_str(), r#"{"type":"object"}"#);
    assert!(watch_paths(&project).contains(&project.dir.join("data")));
}

#[test]
fn what_a_function_toml_gets_wrong_is_named_with_its_line_and_what_would_do() {
    let head = "name = \"a\"\nlanguage = \"c\"\n";
    let check = |text: &str, expected: &str| assert_eq!(refusal(text), expected);
    check("nmae = \"a\"", "function.toml:1: unknown key \"nmae\"; did you mean \"name\"?");
    check(
        "name = \"a\"\nlanguage = \"pyton\"",
        "function.toml:2: unknown language \"pyton\"; did you mean \"python\"?",
    );
    check(
        &format!("{head}[build]\nwhatever = 1"),
        "function.toml:4: unknown key \"whatever\" in [build]; known are entry, world, engine, command, output, watch",
    );
    check(
        &format!("{head}[manifest.limits]\nmemory_mb = 1"),
        "function.toml:4: unknown key \"memory_mb\" in [manifest.limits]; did you mean \"memory-mb\"?",
    );
    check(
        &format!("{head}[[manifest.allow]]\nurl = \"https://a\"\nmethod = []"),
        "function.toml:5: unknown key \"method\" in [manifest.allow]; did you mean \"methods\"?",
    );
    check(
        &format!("{head}[build]\nentry = \"../other.c\""),
        "function.toml:4: \"../other.c\" must be a relative path that stays in the project",
    );
    check(
        "name = \"a\"\nlanguage = \"other\"",
        "function.toml:2: language \"other\" needs [build] with command = [\"make\"] and output = \"out.wasm\"",
    );
    assert!(refusal("name = \"A B\"\nlanguage = \"c\"").starts_with("function.toml:1: \"A B\" is no function name"));
    assert!(refusal("name = \"a\"").contains("missing field `language`"));
    assert!(refusal("name =").starts_with("function.toml:1: "));
    assert!(matches!(Project::open(Path::new("/nowhere")), Err(ConfigError::Missing(_))));
}

#[test]
fn every_template_makes_a_project_that_opens_under_its_own_name() {
    for template in templates() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("greeter");
        new_project(&dir, template.name, "greeter").unwrap();
        let project = Project::open(&dir).unwrap();
        assert_eq!((project.name.as_str(), project.language), ("greeter", template.language), "{}", template.name);
        assert!(dir.join("wit/deps/org-ai-function@0.1.0/function.wit").is_file(), "{}", template.name);
        assert_eq!(fs::read_to_string(dir.join("README.md")).unwrap().lines().count(), 6, "{}", template.name);
        let own = fs::read_dir(&dir).unwrap().flatten().map(|e| e.path()).filter(|p| p.is_file());
        for file in own {
            assert!(!fs::read_to_string(&file).unwrap().contains("my-function"), "{}", file.display());
        }
    }
}

#[test]
fn a_new_project_never_overwrites_and_says_which_templates_there_are() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("mine"), "precious").unwrap();
    assert!(matches!(new_project(dir.path(), "rust", "a"), Err(NewError::NotEmpty(_))));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    let error = new_project(&dir.path().join("new"), "cobol", "a").unwrap_err().to_string();
    assert_eq!(error, "no template \"cobol\"; there are rust, js, ts, python, c, go, rust-toolbox");
    assert!(matches!(new_project(&dir.path().join("new"), "rust", "Bad Name"), Err(NewError::Name(_))));
    assert!(!dir.path().join("new").exists());
}

#[test]
fn places_are_found_in_the_output_of_every_compiler() {
    let check = |output: &str, expected: &[&str]| {
        let lines: Vec<String> = output.lines().map(str::to_owned).collect();
        let found: Vec<String> = diagnostics(&lines).iter().map(ToString::to_string).collect();
        assert_eq!(found, expected);
    };
    check(
        "warning: unused\n --> src/a.rs:1:1\nerror[E0425]: cannot find value `x`\n --> src/lib.rs:3:5\n  |",
        &["src/lib.rs:3:5: error[E0425]: cannot find value `x`"],
    );
    check(
        "src/m.c:2:9: warning: unused\nsrc/m.c:4:1: error: expected ';'\nsrc/m.c:3:2: note: here",
        &["src/m.c:4:1: expected ';'"],
    );
    check("# wit_component\n./main.go:12:3: undefined: x", &["./main.go:12:3: undefined: x"]);
    check(
        "✘ [ERROR] Expected \")\" but found \";\"\n\n    src/index.ts:7:12:\n      7 │ f(;",
        &["src/index.ts:7:12: Expected \")\" but found \";\""],
    );
    check(
        "Traceback (most recent call last):\n  File \"app.py\", line 3\n    def f(:\nSyntaxError: invalid syntax",
        &["app.py:3: SyntaxError: invalid syntax"],
    );
    check("error: linker `cc` not found", &[]);
}

/// A component of one of our worlds, with traps for functions.
fn component(world: &str, wit: Option<&str>) -> Vec<u8> {
    use wit_bindgen_core::wit_parser::{ManglingAndAbi, Resolve};
    let dir = tempfile::tempdir().unwrap();
    embedded::write::<embedded::Wit>("", dir.path()).unwrap();
    if let Some(wit) = wit {
        fs::write(dir.path().join("host.wit"), wit).unwrap();
    }
    let mut resolve = Resolve::default();
    let (root, _) = resolve.push_dir(dir.path()).unwrap();
    let world = resolve.select_world(&[root], Some(world)).unwrap();
    let mut module = wit_component::dummy_module(&resolve, world, ManglingAndAbi::Standard32);
    wit_component::embed_component_metadata(&mut module, &resolve, world, Default::default()).unwrap();
    component::encode(&module).unwrap()
}

/// A project whose build copies `made.wasm`.
fn copying(kind: &str, made: &[u8]) -> (TempDir, Project) {
    let (dir, project) = project(&format!(
        "name = \"a\"\nlanguage = \"other\"\nkind = \"{kind}\"\n[build]\n\
         command = [\"cp\", \"made.wasm\", \"out.wasm\"]\noutput = \"out.wasm\"\n[manifest]\nassets = \"files\"\n"
    ));
    fs::create_dir_all(dir.path().join("files/deep")).unwrap();
    fs::write(dir.path().join("files/deep/a.txt"), "text").unwrap();
    fs::write(dir.path().join("made.wasm"), made).unwrap();
    (dir, project.unwrap())
}

fn quiet_build(project: &Project) -> Result<Built, BuildError> {
    build(project, &Toolchains::new("/nowhere"), &mut |_: Event<'_>| {})
}

#[test]
fn a_command_of_the_authors_own_builds_a_component_with_its_assets() {
    let (_dir, project) = copying("code", &component("org-ai:function/code@0.1.0", None));
    let built = quiet_build(&project).unwrap();
    let surface = surface(&fs::read(&built.component).unwrap()).unwrap();
    assert_eq!(surface.exports, ["run"]);
    assert!(surface.imports.iter().all(|i| i.starts_with("org-ai:")), "{:?}", surface.imports);
    assert_eq!((built.assets.len(), built.assets[0].path.as_str()), (1, "deep/a.txt"));
}

#[test]
fn what_is_not_the_component_that_was_asked_for_is_refused_and_the_last_good_one_stays() {
    let code = component("org-ai:function/code@0.1.0", None);
    let (dir, project) = copying("code", &code);
    quiet_build(&project).unwrap();
    let cases: [(&[u8], &str); 2] = [
        (b"not wasm at all", "the build gave no component"),
        (
            &component("org-ai:function/human@0.1.0", None),
            "kind \"code\" exports \"run\"; this component exports request",
        ),
    ];
    for (bytes, expected) in cases {
        fs::write(dir.path().join("made.wasm"), bytes).unwrap();
        let error = quiet_build(&project).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
        assert_eq!(fs::read(project.component_path()).unwrap(), code);
    }
    let foreign = "package other:host; interface odd { f: func(); } world host { import odd; export run: func(); }";
    fs::write(dir.path().join("made.wasm"), component("host", Some(foreign))).unwrap();
    let error = quiet_build(&project).unwrap_err().to_string();
    assert!(error.contains("imports \"other:host/odd\", which no host offers"), "{error}");
}

#[test]
fn a_failing_tool_gives_its_places_and_an_endless_output_is_cut() {
    let script = "echo 'src/m.c:4:1: error: no' >&2; exit 3";
    let error = run("cc", Command::new("sh").args(["-c", script]), Stdout::Person, &mut |_: Event<'_>| {}).unwrap_err();
    assert_eq!(error.to_string(), "cc refused the source\n  src/m.c:4:1: no");

    let script = "head -c 9000000 /dev/zero | tr '\\0' 'a'";
    let lines = run("cat", Command::new("sh").args(["-c", script]), Stdout::Program, &mut |_: Event<'_>| {}).unwrap();
    let bytes: usize = lines.iter().map(String::len).sum();
    assert!(bytes > 1 << 20 && bytes <= 4 << 20, "{bytes} bytes were kept");

    let missing = run("nope", &mut Command::new("/nowhere/nope"), Stdout::Person, &mut |_: Event<'_>| {}).unwrap_err();
    assert!(matches!(missing, BuildError::Setup { .. }));
}

#[test]
fn a_fingerprint_follows_the_sources_and_nothing_else() {
    let (dir, project) = copying("code", b"1");
    let first = fingerprint(&project).unwrap();
    fs::create_dir_all(dir.path().join("target")).unwrap();
    fs::write(dir.path().join("target/x"), "x").unwrap();
    assert_eq!(fingerprint(&project).unwrap(), first);
    fs::write(dir.path().join("made.wasm"), b"2").unwrap();
    let second = fingerprint(&project).unwrap();
    assert_ne!(second, first);
    fs::rename(dir.path().join("made.wasm"), dir.path().join("made2.wasm")).unwrap();
    assert_ne!(fingerprint(&project).unwrap(), second);
}

#[test]
fn assets_beyond_the_limit_are_refused() {
    let (dir, project) = copying("code", &component("org-ai:function/code@0.1.0", None));
    for i in 0..1_001 {
        fs::write(dir.path().join(format!("files/{i}")), "").unwrap();
    }
    let error = quiet_build(&project).unwrap_err().to_string();
    assert!(error.ends_with("files is over its limit of 1000"), "{error}");
}

#[test]
fn every_example_in_the_repository_is_listed_and_opens() {
    let guests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../guests");
    let list: toml::Table = fs::read_to_string(guests.join("examples.toml")).unwrap().parse().unwrap();
    let mut listed: Vec<PathBuf> = Vec::new();
    for guest in list["guest"].as_array().unwrap() {
        let path = guest["path"].as_str().unwrap().strip_prefix("guests/").unwrap();
        let project = Project::open(&guests.join(path)).unwrap();
        assert_eq!(project.name.as_str(), guest["name"].as_str().unwrap());
        listed.push(path.into());
    }
    let mut found = Vec::new();
    for language in fs::read_dir(&guests).unwrap().flatten().filter(|e| e.path().is_dir() && e.file_name() != "target")
    {
        for guest in fs::read_dir(language.path()).unwrap().flatten() {
            found.push(guest.path().strip_prefix(&guests).unwrap().to_owned());
        }
    }
    listed.sort();
    found.sort();
    assert_eq!(found, listed);
}

#[test]
fn the_cache_is_where_the_environment_says() {
    let check = |environment: &[(&str, &str)], expected: Option<&str>| {
        let lookup = |name: &str| environment.iter().find(|(n, _)| *n == name).map(|(_, v)| OsString::from(v));
        assert_eq!(default_cache(lookup), expected.map(PathBuf::from));
    };
    check(&[("XDG_CACHE_HOME", "/x"), ("HOME", "/h")], Some("/x/org.ai"));
    check(&[("XDG_CACHE_HOME", "relative"), ("HOME", "/h")], Some("/h/.cache/org.ai"));
    check(&[], None);
}
