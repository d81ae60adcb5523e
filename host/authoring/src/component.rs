//! Components as bytes: made from core modules, looked into, and held against the world they claim.

use crate::{BuildError, Project, WorldKind};
use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
};
use wit_bindgen_core::wit_parser::{WorldItem, WorldKey};
use wit_component::{ComponentEncoder, DecodedWasm};

/// The names that a component imports and exports: `org-ai:actions/actions@0.1.0`, `run`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Surface {
    pub imports: Vec<String>,
    pub exports: Vec<String>,
}

/// What a component imports and exports.
///
/// # Errors
/// [`BuildError::Component`] when these bytes are no component.
pub fn surface(component: &[u8]) -> Result<Surface, BuildError> {
    let refuse = |why: String| BuildError::Component(format!("the build gave no component: {why}"));
    match wit_component::decode(component).map_err(|e| refuse(format!("{e:#}")))? {
        DecodedWasm::Component(resolve, world) => {
            let world = &resolve.worlds[world];
            // Types that the world's own functions use are items of it too; nobody has to offer them.
            let name = |(key, item): (&WorldKey, &WorldItem)| match item {
                WorldItem::Interface { .. } | WorldItem::Function(_) => Some(resolve.name_world_key(key)),
                WorldItem::Type { .. } => None,
            };
            let imports = world.imports.iter().filter_map(name).collect();
            Ok(Surface { imports, exports: world.exports.iter().filter_map(name).collect() })
        }
        DecodedWasm::WitPackage(..) => Err(refuse("it is a package of WIT".to_owned())),
    }
}

/// A component from a core module that speaks WASI preview 1 and carries its world in a custom section.
pub(crate) fn encode(module: &[u8]) -> Result<Vec<u8>, BuildError> {
    let encode = || {
        ComponentEncoder::default()
            .validate(true)
            .module(module)?
            .adapter(WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER)?
            .encode()
    };
    encode().map_err(|e| BuildError::Component(format!("the module does not make a component: {e:#}")))
}

/// Whether the component is what its project says it is.
pub(crate) fn check(component: &[u8], project: &Project) -> Result<(), BuildError> {
    let surface = surface(component)?;
    if let Some(stranger) = surface.imports.iter().find(|i| !i.starts_with("wasi:") && !i.starts_with("org-ai:")) {
        return Err(BuildError::Component(format!(
            "the component imports {stranger:?}, which no host offers: only wasi:* and org-ai:* are there"
        )));
    }
    let wanted: &[&str] = match project.kind {
        WorldKind::Code => &["run"],
        WorldKind::Generative => &["prompt", "finish"],
        WorldKind::Agentic => &["goal", "tools", "call-tool", "finish"],
        WorldKind::Human => &["request", "finish"],
        WorldKind::App => &["describe", "handle"],
        WorldKind::Site => &["wasi:http/incoming-handler"],
        WorldKind::ToolBox => &[],
    };
    let has = |name: &str| surface.exports.iter().any(|e| e == name || e.starts_with(&format!("{name}@")));
    if let Some(absent) = wanted.iter().find(|name| !has(name)) {
        return Err(BuildError::Component(format!(
            "a function of kind {:?} exports {absent:?}; this component exports {}",
            project.kind.as_str(),
            if surface.exports.is_empty() { "nothing".to_owned() } else { surface.exports.join(", ") }
        )));
    }
    if surface.exports.is_empty() {
        return Err(BuildError::Component("the component exports nothing, so nothing could call it".to_owned()));
    }
    Ok(())
}
