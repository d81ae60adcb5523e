//! Finds the Go runtime package that ships inside the crate wit-bindgen-go, so that it is embedded at exactly the
//! version the generated Go code needs, without a copy of it in this repository and without Go's module proxy.

use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    for path in
        ["build.rs", "../../wit", "../../sdk-guest", "../../templates", "../../scripts/wasm-rust", "../../Cargo.lock"]
    {
        println!("cargo::rerun-if-changed={path}");
    }
    let package = wit_bindgen_go().expect("cargo names the folder of wit-bindgen-go, which this crate depends on");
    let package = package.join("src/pkg");
    assert!(package.join("go.mod").is_file(), "wit-bindgen-go has no runtime package at {}", package.display());
    println!("cargo::rustc-env=ORG_AI_GO_PKG={}", package.display());
}

fn wit_bindgen_go() -> Option<PathBuf> {
    let host = std::env::var("HOST").ok()?;
    let metadata = |more: &[&str]| {
        let cargo = std::env::var_os("CARGO")?;
        let arguments = ["metadata", "--format-version", "1", "--locked", "--filter-platform", &host];
        Command::new(cargo).args(arguments).args(more).output().ok()
    };
    // What this build needs is downloaded already; what only other builds need may not be.
    let output = metadata(&["--offline"]).filter(|o| o.status.success()).or_else(|| metadata(&[]))?;
    assert!(output.status.success(), "cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).ok()?;
    let package = metadata["packages"].as_array()?.iter().find(|p| p["name"] == "wit-bindgen-go")?;
    Some(Path::new(package["manifest_path"].as_str()?).parent()?.to_owned())
}
