//! The help texts, and what is said to who typed something else.

use super::User;
use crate::args::Cli;
use clap::CommandFactory;

/// Every command with its path, depth first.
fn commands() -> Vec<(String, clap::Command)> {
    fn collect(path: &str, command: &clap::Command, found: &mut Vec<(String, clap::Command)>) {
        found.push((path.to_owned(), command.clone()));
        for inner in command.get_subcommands() {
            collect(&format!("{path} {}", inner.get_name()), inner, found);
        }
    }
    let mut root = Cli::command();
    root.build();
    let mut found = Vec::new();
    collect("org.ai", &root, &mut found);
    found
}

#[test]
fn the_help_texts_are_the_golden_ones() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/help.txt");
    let mut text = String::new();
    for (path, mut command) in commands() {
        text.push_str(&format!("$ {path} --help\n{}\n", command.render_long_help()));
    }
    let text: String = text.lines().map(|line| line.trim_end().to_owned() + "\n").collect();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path, &text).unwrap();
    }
    let golden = std::fs::read_to_string(path).unwrap_or_default();
    assert_eq!(golden, text, "if this is meant: UPDATE_GOLDEN=1 cargo test -p org-ai-cli help");
}

#[test]
fn every_command_says_what_it_does_and_shows_an_example() {
    for (path, mut command) in commands() {
        assert!(command.get_about().is_some(), "{path} says nothing");
        if !command.has_subcommands() {
            assert!(command.render_long_help().to_string().contains(&format!("Example:\n  {path}")), "{path}");
        }
    }
    Cli::command().debug_assert();
}

#[tokio::test]
async fn an_unknown_command_or_flag_is_a_usage_error_with_the_nearest_one() {
    let user = User::new();
    for (arguments, suggestion) in [
        (&["functons", "list"][..], "functions"),
        (&["functions", "lst"], "list"),
        (&["functions", "list", "--jsn"], "--json"),
        (&["functions", "invoke", "x", "--inptu", "1"], "--input"),
    ] {
        let done = user.run(arguments).await;
        assert_eq!(done.code, 2, "{done:?}");
        assert_eq!(done.stdout, "");
        assert!(done.stderr.contains(&format!("'{suggestion}'")), "{done:?}");
    }
    let done = user.run(&["--json", "functons"]).await;
    let error = done.error();
    assert_eq!((done.code, &error["code"]), (2, &"USAGE".into()));
    assert!(error["message"].as_str().unwrap().contains("functions"));
}

#[tokio::test]
async fn help_and_version_are_results() {
    let user = User::new();
    let help = user.run(&["functions", "invoke", "--help"]).await;
    assert_eq!((help.code, help.stderr.as_str()), (0, ""));
    assert!(help.stdout.contains("Usage: org.ai functions invoke"), "{}", help.stdout);
    let version = user.run(&["--version"]).await;
    assert_eq!((version.code, version.stdout.as_str()), (0, concat!("org.ai ", env!("CARGO_PKG_VERSION"), "\n")));
}

#[tokio::test]
async fn completions_are_for_the_name_that_people_type() {
    let user = User::new();
    for shell in ["bash", "zsh", "fish"] {
        let done = user.run(&["completions", shell]).await;
        assert_eq!(done.code, 0);
        assert!(done.stdout.contains("org.ai") && done.stdout.contains("rollback"), "{shell}");
    }
    assert_eq!(user.run(&["completions", "tcsh"]).await.code, 2);
}
