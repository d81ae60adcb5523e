//! What the engine adds to wasmtime: instantiate and call a trivial component through `Engine::run`, against the same
//! through bare wasmtime (pooling, epochs, synchronous, exports looked up once) in the same process.
//!
//! The last line is the ratio; the bar is 1.5.

use criterion::{Criterion, criterion_group, criterion_main};
use org_ai_engine::{Config, Engine, compiler_config};
use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};
use types::exec::{BoxFuture, ComponentFile, Executor, Host, Invocation, Job};
use types::{Call, Fault, FunctionKind, Hash, Id, Json, Limits, LogStream, Manifest, Reply, Timestamp};
use wasmtime::Store;
use wasmtime::component::{Component, InstancePre, Linker};

struct Silent;

impl Host for Silent {
    fn call(&mut self, call: Call) -> BoxFuture<'_, Reply> {
        Box::pin(async move { Reply::Fault(Fault::unavailable(call.name())) })
    }

    fn log(&mut self, _: LogStream, _: String) {}

    fn now(&mut self) -> Timestamp {
        Timestamp::from_millis(0)
    }

    fn is_cancelled(&self) -> bool {
        false
    }
}

/// Of world `code`; it answers with its input.
fn component() -> Vec<u8> {
    let core = r#"(module
        (memory (export "memory") 2)
        (global $top (mut i32) (i32.const 1024))
        (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
            (global.get $top)
            (global.set $top (i32.add (global.get $top) (local.get 3))))
        (func (export "run") (param i32 i32) (result i32)
            (i32.store (i32.const 20) (local.get 0))
            (i32.store (i32.const 24) (local.get 1))
            (i32.const 16)))"#;
    let mut resolve = wit_parser::Resolve::default();
    resolve.push_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../wit")).expect("the WIT folder parses");
    let wit = "package bench:guest; world guest { include org-ai:function/code@0.1.0; }";
    let package = resolve.push_str("guest.wit", wit).expect("the world parses");
    let world = resolve.select_world(&[package], Some("guest")).expect("the world is there");
    let mut module = wat::parse_str(core).expect("the module parses");
    wit_component::embed_component_metadata(&mut module, &resolve, world, wit_component::StringEncoding::UTF8)
        .expect("the world fits");
    wit_component::ComponentEncoder::default()
        .module(&module)
        .and_then(|mut encoder| encoder.encode())
        .expect("the module is of that world")
}

fn bare_call(engine: &wasmtime::Engine, pre: &InstancePre<()>, index: &wasmtime::component::ComponentExportIndex) {
    let mut store = Store::new(engine, ());
    store.set_epoch_deadline(1_000_000);
    let instance = pre.instantiate(&mut store).expect("it instantiates");
    let run = instance
        .get_typed_func::<(&str,), (Result<String, world::types::Fault>,)>(&mut store, index)
        .expect("it has a run");
    black_box(run.call(&mut store, ("{}",)).expect("it answers").0.is_ok());
}

fn bench(criterion: &mut Criterion) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let config = Config {
        cache_dir: dir.path().join("cache"),
        cache_key: [0; 32],
        cache_disk_bytes_max: 1 << 30,
        cache_memory_bytes_max: 1 << 30,
        component_bytes_max: Config::COMPONENT_BYTES_MAX,
        instances_max: 100,
        queue_max: 100,
        memory_bytes_max: 128 << 20,
        tmp_dir: dir.path().to_owned(),
        private_networks_allowed: false,
        tls_roots_extra: Vec::new(),
        http_connect_timeout: Duration::from_secs(10),
    };
    let bytes = component();
    let bare = wasmtime::Engine::new(&compiler_config(&config)).expect("the settings work");
    let compiled = Component::from_binary(&bare, &bytes).expect("it compiles");
    let pre = Linker::new(&bare).instantiate_pre(&compiled).expect("it imports nothing but types");
    let index = compiled.get_export_index(None, "run").expect("it has a run");

    let ours = Engine::new(config).expect("the engine starts");
    let file = ComponentFile { hash: Hash::from_bytes(*blake3::hash(&bytes).as_bytes()), path: dir.path().join("c") };
    std::fs::write(&file.path, &bytes).expect("it can be written");
    ours.prepare(&file).expect("it is a component");
    let job = Job {
        component: file,
        kind: FunctionKind::Code,
        entry: types::exec::Entry::Run,
        input: Json::parse("{}").expect("it is JSON"),
        limits: Limits::STANDARD,
        manifest: Arc::new(Manifest::default()),
        assets: None,
        secrets: Arc::new(BTreeMap::new()),
        invocation: Invocation {
            id: Id::from_u128(1),
            namespace: "https://acme.example".into(),
            function: "f".into(),
            version: 1,
            actor: "key".into(),
            attempt: 1,
            deadline: Timestamp::from_millis(0),
            parent: None,
        },
        seed: [0; 32],
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let our_call = || async {
        let outcome = ours.run(job.clone(), Box::new(Silent)).await;
        assert!(black_box(outcome).result.is_ok());
    };

    let mut group = criterion.benchmark_group("instantiate and call");
    group.bench_function("bare wasmtime", |b| b.iter(|| bare_call(&bare, &pre, &index)));
    // Inside one block_on, as a server's runs are inside one runtime: entering it is not what is measured.
    group.bench_function("Engine::run", |b| {
        b.iter_custom(|n| {
            runtime.block_on(async {
                let start = Instant::now();
                for _ in 0..n {
                    our_call().await;
                }
                start.elapsed()
            })
        });
    });
    group.finish();
    print_ratio(&runtime, || bare_call(&bare, &pre, &index), our_call);
}

/// Both in turn, so that what the machine does meanwhile hits both; the median of the rounds' ratios.
fn print_ratio<F: Future<Output = ()>>(runtime: &tokio::runtime::Runtime, bare: impl Fn(), ours: impl Fn() -> F) {
    const ROUNDS: usize = 51;
    const CALLS: usize = 500;
    let mut ratios: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            (0..CALLS).for_each(|_| bare());
            let bare = start.elapsed();
            let ours = runtime.block_on(async {
                let start = Instant::now();
                for _ in 0..CALLS {
                    ours().await;
                }
                start.elapsed()
            });
            ours.as_secs_f64() / bare.as_secs_f64()
        })
        .collect();
    ratios.sort_by(f64::total_cmp);
    println!("Engine::run / bare wasmtime: {:.2} (median of {ROUNDS} rounds of {CALLS} calls)", ratios[ROUNDS / 2]);
}

criterion_group!(benches, bench);
criterion_main!(benches);
