//! From a component's file to something that can be run many times.

use crate::cache::DiskCache;
use crate::engine::Inner;
use crate::inspect::{self, Entry};
use crate::state::RunState;
use std::io::Read;
use types::Fault;
use types::exec::{ComponentFile, Inspection};
use wasmtime::component::{Component, InstancePre, Linker};

/// A component that is ready: compiled, its imports resolved, its exports looked up.
pub struct Loaded {
    pub pre: InstancePre<RunState>,
    pub entry: Entry,
    pub inspection: Inspection,
    /// Of its machine code and data: what it costs to keep.
    pub bytes: u32,
}

/// From the disk cache, or compiled, which takes seconds for a large one.
pub fn load(inner: &Inner, file: &ComponentFile) -> Result<Loaded, Fault> {
    let component = match inner.disk.load(&inner.wasmtime, &file.hash) {
        Some(component) => component,
        None => compile(inner, &inner.disk, file)?,
    };
    link(inner, &component)
}

fn compile(inner: &Inner, disk: &DiskCache, file: &ComponentFile) -> Result<Component, Fault> {
    let bytes = read(file, inner.config.component_bytes_max)?;
    inspect::check_bytes(&bytes, inner.config.component_bytes_max)?;
    let component = Component::from_binary(&inner.wasmtime, &bytes).map_err(|error| invalid(&error))?;
    inner.compiled.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    // Refused before it is kept: what nobody can run needs no place in the cache.
    link(inner, &component)?;
    disk.store(&component, &file.hash);
    Ok(component)
}

fn read(file: &ComponentFile, bytes_max: u64) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::new();
    // One byte more than allowed tells "too large" from "just fits", without reading the rest.
    let read = std::fs::File::open(&file.path).and_then(|f| f.take(bytes_max + 1).read_to_end(&mut bytes));
    match read {
        Ok(_) => Ok(bytes),
        Err(error) => {
            tracing::error!(hash = %file.hash, path = %file.path.display(), %error, "a component cannot be read");
            Err(Fault::internal())
        }
    }
}

fn link(inner: &Inner, component: &Component) -> Result<Loaded, Fault> {
    let unknown = inspect::unknown_imports(&component.component_type(), &inner.wasmtime, &inner.offered);
    if !unknown.is_empty() {
        let message = format!("the component imports what this host does not offer: {}", unknown.join(", "));
        return Err(Fault::invalid("UNKNOWN_IMPORT", message));
    }
    let pre = inner.linker.instantiate_pre(component).map_err(|error| {
        let message = format!("the component does not fit what this host offers: {}", chain(&error));
        Fault::invalid("IMPORT_MISMATCH", message)
    })?;
    let (inspection, entry) = inspect::inspect(component)?;
    let range = component.image_range();
    let bytes = u32::try_from(range.end as usize - range.start as usize).unwrap_or(u32::MAX);
    Ok(Loaded { pre, entry, inspection, bytes })
}

fn invalid(error: &wasmtime::Error) -> Fault {
    Fault::invalid("INVALID_COMPONENT", format!("the component is not valid: {}", chain(error)))
}

/// The whole of what wasmtime says: about the component, nothing of the host's.
fn chain(error: &wasmtime::Error) -> String {
    format!("{error:#}")
}

/// Everything that any component may import.
pub fn linker(engine: &wasmtime::Engine) -> wasmtime::Result<Linker<RunState>> {
    let mut linker = Linker::new(engine);
    world::Host_::add_to_linker::<_, wasmtime::component::HasSelf<_>>(&mut linker, |state| state)?;
    crate::wasi::add_to_linker(&mut linker)?;
    Ok(linker)
}
