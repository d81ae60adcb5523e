//! What a durable run sees of its files: no times, since they would be others when it is replayed.
//!
//! `/tmp` is made anew for each replay; what the guest writes there it writes again. The functions here take the place of
//! the library's.

use crate::state::RunState;
use wasmtime::Result;
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi::filesystem::{Descriptor, WasiFilesystemView};
use wasmtime_wasi::p2::FsResult;
use wasmtime_wasi::p2::bindings::filesystem::types::{DescriptorStat, ErrorCode, Host, HostDescriptor, PathFlags};

/// As the library's linker names it; under another version these functions would stand beside the library's.
const INTERFACE: &str = "wasi:filesystem/types@0.2.12";

/// Into a linker that allows shadowing.
pub fn add_to_linker(linker: &mut Linker<RunState>) -> Result<()> {
    let mut files = linker.instance(INTERFACE)?;
    files.func_wrap_async("[method]descriptor.stat", |mut store, (file,): (Resource<Descriptor>,)| {
        Box::new(async move {
            let state = store.data_mut();
            let stat = state.filesystem().stat(file).await;
            Ok((state.without_times(stat)?,))
        })
    })?;
    files.func_wrap_async(
        "[method]descriptor.stat-at",
        |mut store, (folder, flags, path): (Resource<Descriptor>, PathFlags, String)| {
            Box::new(async move {
                let state = store.data_mut();
                let stat = state.filesystem().stat_at(folder, flags, path).await;
                Ok((state.without_times(stat)?,))
            })
        },
    )
}

impl RunState {
    fn without_times(&mut self, stat: FsResult<DescriptorStat>) -> Result<Result<DescriptorStat, ErrorCode>> {
        match stat {
            Ok(stat) if self.steps.is_some() => Ok(Ok(DescriptorStat {
                data_access_timestamp: None,
                data_modification_timestamp: None,
                status_change_timestamp: None,
                ..stat
            })),
            Ok(stat) => Ok(Ok(stat)),
            Err(error) => Ok(Err(self.filesystem().convert_error_code(error)?)),
        }
    }
}
