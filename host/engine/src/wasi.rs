//! WASI 0.2 for a run: nothing from the machine, everything from the job.
//!
//! No arguments, no environment but the manifest's, an empty stdin, stdout and stderr into the log, clocks from the
//! `Host`, randomness from the seed, no sockets, no files but those of the manifest. Two runs with equal inputs see equal
//! worlds.

use crate::files;
use crate::http::Hooks;
use crate::log::Log;
use crate::state::{RunState, Shared};
use bytes::Bytes;
use rand::SeedableRng;
use rand::rngs::ChaCha20Rng;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use types::LogStream;
use wasmtime::component::{HasSelf, Linker, Resource, ResourceTable};
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::bindings::clocks::{monotonic_clock, wall_clock};
use wasmtime_wasi::p2::{DynPollable, OutputStream, Pollable, StreamResult};
use wasmtime_wasi::{FsPerms, WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};
use wasmtime_wasi_io::bindings::wasi::io::poll;

/// Resources (streams, files, requests) that a run may hold at once.
const RESOURCES_MAX: usize = 10_000;
/// Random bytes of one call.
const RANDOM_BYTES_MAX: u64 = 1 << 20;

/// What a run's WASI calls share.
pub struct Wasi {
    ctx: WasiCtx,
    table: ResourceTable,
    http: WasiHttpCtx,
    hooks: Hooks,
    /// The wall clock when the monotonic one began.
    started_ms: u64,
    /// The last that the monotonic clock said; it never goes back, whatever the host's does.
    monotonic_ns: u64,
    /// When those of a durable run ring, on the monotonic clock, by the pollable's index.
    timers: BTreeMap<u32, u64>,
}

pub fn add_to_linker(linker: &mut Linker<RunState>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_async(linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(linker)?;
    // The library's clocks are values of their own; ours ask the host each time, so they take the place of those. And
    // waiting is a step of a durable run, whose files have no times.
    linker.allow_shadowing(true);
    poll::add_to_linker::<_, HasSelf<RunState>>(linker, |state| state)?;
    wall_clock::add_to_linker::<_, HasSelf<RunState>>(linker, |state| state)?;
    monotonic_clock::add_to_linker::<_, HasSelf<RunState>>(linker, |state| state)?;
    files::add_to_linker(linker)?;
    linker.allow_shadowing(false);
    Ok(())
}

impl RunState {
    /// Every WASI call comes by here.
    fn wasi(&mut self) -> &mut Wasi {
        self.count_wasi_call();
        self.hand_over_log();
        if self.wasi.is_none() {
            let wasi = Box::new(self.new_wasi());
            self.wasi = Some(wasi);
        }
        self.wasi.as_mut().expect("it was just made")
    }

    fn new_wasi(&mut self) -> Wasi {
        let mut builder = WasiCtxBuilder::new();
        for (key, value) in &self.job.manifest.env {
            builder.env(key, value);
        }
        builder.stdout(Stream(LogStream::Stdout, self.shared.clone()));
        builder.stderr(Stream(LogStream::Stderr, self.shared.clone()));
        builder.allow_tcp(false).allow_udp(false).allow_ip_name_lookup(false);
        // Independent streams from one seed: what is drawn from one does not move the other.
        let seed = |use_: u8| *blake3::Hasher::new_keyed(&self.job.seed).update(&[use_]).finalize().as_bytes();
        builder.secure_random(ChaCha20Rng::from_seed(seed(0)));
        builder.insecure_random(ChaCha20Rng::from_seed(seed(1)));
        let half = *seed(2).first_chunk().expect("32 bytes have a first half");
        builder.insecure_random_seed(u128::from_le_bytes(half));
        builder.max_random_size(RANDOM_BYTES_MAX);
        self.preopen(&mut builder);
        let mut table = ResourceTable::new();
        table.set_max_capacity(RESOURCES_MAX);
        Wasi {
            ctx: builder.build(),
            table,
            http: WasiHttpCtx::new(),
            hooks: Hooks::new(self),
            started_ms: self.host.now().as_millis(),
            monotonic_ns: 0,
            timers: BTreeMap::new(),
        }
    }

    /// A folder that has gone missing is the host's defect: the guest sees no folder, the host's log says why.
    fn preopen(&self, builder: &mut WasiCtxBuilder) {
        let tmp = self.tmp.as_ref().map(|tmp| (tmp.path(), "/tmp", FsPerms::ReadWrite));
        let assets = self.job.assets.as_deref().filter(|_| self.job.manifest.assets.is_some());
        let assets = assets.map(|path| (path, "/assets", FsPerms::ReadOnly));
        for (path, name, perms) in tmp.into_iter().chain(assets) {
            if let Err(error) = builder.preopened_dir(path, name, perms) {
                tracing::error!(path = %path.display(), %error, "a folder of a run cannot be opened");
            }
        }
    }

    /// In nanoseconds, from [`MONOTONIC_START_NS`] on.
    pub fn monotonic(&mut self) -> u64 {
        let now_ms = self.host.now().as_millis();
        let wasi = self.wasi();
        let ns = now_ms.saturating_sub(wasi.started_ms).saturating_mul(MS_NS).saturating_add(MONOTONIC_START_NS);
        wasi.monotonic_ns = wasi.monotonic_ns.max(ns);
        wasi.monotonic_ns
    }

    /// The monotonic clock is not before that any more.
    pub fn advance_monotonic(&mut self, ns: u64) {
        let wasi = self.wasi();
        wasi.monotonic_ns = wasi.monotonic_ns.max(ns);
    }

    pub fn timers(&mut self) -> &mut BTreeMap<u32, u64> {
        &mut self.wasi().timers
    }

    pub fn table(&mut self) -> &mut ResourceTable {
        &mut self.wasi().table
    }
}

/// Nanoseconds of a millisecond.
pub const MS_NS: u64 = 1_000_000;

/// Where a run's monotonic clock begins. Not at zero: Go takes a clock that says zero for a broken one and aborts.
const MONOTONIC_START_NS: u64 = 1_000_000_000;

impl WasiView for RunState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let wasi = self.wasi();
        WasiCtxView { ctx: &mut wasi.ctx, table: &mut wasi.table }
    }
}

impl WasiHttpView for RunState {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        let wasi = self.wasi();
        WasiHttpCtxView { hooks: &mut wasi.hooks, table: &mut wasi.table, ctx: &mut wasi.http }
    }
}

impl wall_clock::Host for RunState {
    fn now(&mut self) -> wasmtime::Result<wall_clock::Datetime> {
        self.count_wasi_call();
        let now = Duration::from_millis(self.host.now().as_millis());
        Ok(wall_clock::Datetime { seconds: now.as_secs(), nanoseconds: now.subsec_nanos() })
    }

    fn resolution(&mut self) -> wasmtime::Result<wall_clock::Datetime> {
        Ok(wall_clock::Datetime { seconds: 0, nanoseconds: 1_000_000 })
    }
}

impl monotonic_clock::Host for RunState {
    fn now(&mut self) -> wasmtime::Result<u64> {
        Ok(self.monotonic())
    }

    fn resolution(&mut self) -> wasmtime::Result<u64> {
        Ok(1_000_000)
    }

    fn subscribe_instant(&mut self, when: u64) -> wasmtime::Result<Resource<DynPollable>> {
        let wait = when.saturating_sub(self.monotonic());
        self.subscribe_duration(wait)
    }

    /// Waits in real time, within the run's wall limit; a durable run is put away instead (`poll`).
    fn subscribe_duration(&mut self, duration: u64) -> wasmtime::Result<Resource<DynPollable>> {
        let deadline_ns = self.steps.is_some().then(|| self.monotonic().saturating_add(duration));
        let table = self.table();
        let deadline = tokio::time::Instant::now().checked_add(Duration::from_nanos(duration));
        let sleep = table.push(Sleep { deadline, has_yielded: false })?;
        let pollable = wasmtime_wasi::p2::subscribe(table, sleep)?;
        if let Some(deadline_ns) = deadline_ns {
            self.timers().insert(pollable.rep(), deadline_ns);
        }
        Ok(pollable)
    }
}

/// A timer of a run without a journal.
struct Sleep {
    /// None: a time so far away that no run sees it.
    deadline: Option<tokio::time::Instant>,
    /// Whether the last look at it let others run first.
    has_yielded: bool,
}

#[async_trait::async_trait]
impl Pollable for Sleep {
    async fn ready(&mut self) {
        match self.deadline {
            Some(deadline) if deadline > tokio::time::Instant::now() => tokio::time::sleep_until(deadline).await,
            // A guest that polls in a loop must still let others run; every other look finds it ready at once, since one
            // that does not wait would never find it so.
            Some(_) => {
                self.has_yielded = !self.has_yielded;
                if self.has_yielded {
                    tokio::task::yield_now().await;
                }
            }
            None => std::future::pending().await,
        }
    }
}

/// stdout or stderr.
#[derive(Clone)]
struct Stream(LogStream, Arc<Shared>);

/// What one write may bring.
const WRITE_BYTES_MAX: usize = 64 << 10;

impl Stream {
    fn log(&self) -> &Log {
        &self.1.log
    }
}

impl IsTerminal for Stream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Stream {
    fn async_stream(&self) -> Box<dyn tokio::io::AsyncWrite + Send + Sync> {
        // Only WASI 0.3 asks for it, which is not linked.
        Box::new(tokio::io::sink())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[async_trait::async_trait]
impl Pollable for Stream {
    async fn ready(&mut self) {}
}

#[async_trait::async_trait]
impl OutputStream for Stream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.log().write(self.0, &bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE_BYTES_MAX)
    }
}
