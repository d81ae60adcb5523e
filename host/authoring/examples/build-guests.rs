//! Builds every guest of `guests/examples.toml` into `target/guests/`, by the same `authoring::build` that the command
//! line uses. What did not change since the last time is skipped. `scripts/build-guests` runs this.

use org_ai_authoring::{BuildError, Event, Project, Toolchains, build, default_cache, fingerprint};
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Examples {
    guest: Vec<Guest>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Guest {
    name: String,
    language: String,
    /// From the repository's root.
    path: PathBuf,
}

fn main() -> ExitCode {
    let names: Vec<String> = std::env::args().skip(1).collect();
    match build_all(&names) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("build-guests: {error}");
            ExitCode::FAILURE
        }
    }
}

/// All guests, or those of these names.
fn build_all(names: &[String]) -> Result<(), Box<dyn Error>> {
    let root = fs::canonicalize(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."))?;
    let examples: Examples = toml::from_str(&fs::read_to_string(root.join("guests/examples.toml"))?)?;
    if let Some(unknown) = names.iter().find(|n| examples.guest.iter().all(|g| g.name != **n)) {
        return Err(format!("no guest {unknown:?} in guests/examples.toml").into());
    }
    let cache = default_cache(|name| std::env::var_os(name)).ok_or("neither XDG_CACHE_HOME nor HOME is set")?;
    let tools = Toolchains::new(cache);
    let out = root.join("target/guests");
    fs::create_dir_all(&out)?;
    for guest in examples.guest.iter().filter(|g| names.is_empty() || names.contains(&g.name)) {
        build_one(guest, &root, &out, &tools).map_err(|e| format!("{} ({}): {e}", guest.name, guest.path.display()))?;
    }
    Ok(())
}

fn build_one(guest: &Guest, root: &Path, out: &Path, tools: &Toolchains) -> Result<(), Box<dyn Error>> {
    let began = Instant::now();
    let project = Project::open(&root.join(&guest.path))?;
    if project.name.as_str() != guest.name || project.language.as_str() != guest.language {
        return Err("its function.toml has another name or language than guests/examples.toml".into());
    }
    let component = out.join(format!("{}.wasm", guest.name));
    let stamp = out.join(format!("{}.stamp", guest.name));
    let fingerprint = fingerprint(&project)?;
    if component.is_file() && fs::read_to_string(&stamp).is_ok_and(|old| old == fingerprint) {
        eprintln!("{:<10} {:<7} unchanged", guest.name, guest.language);
        return Ok(());
    }
    let mut show = |event: Event<'_>| match event {
        Event::Step(text) | Event::Output(text) => eprintln!("  {text}"),
    };
    let built = match build(&project, tools, &mut show) {
        Err(BuildError::Compile { tool, diagnostics, output }) => {
            let places: String = diagnostics.iter().map(|d| format!("\n  {d}")).collect();
            return Err(format!("{tool} refused the source{places}\n{output}").into());
        }
        other => other?,
    };
    let fresh = component.with_extension("new");
    fs::copy(&built.component, &fresh)?;
    fs::rename(&fresh, &component)?;
    fs::write(&stamp, fingerprint)?;
    let bytes = fs::metadata(&component)?.len();
    eprintln!("{:<10} {:<7} {bytes} bytes, {:.1} s", guest.name, guest.language, began.elapsed().as_secs_f64());
    Ok(())
}
