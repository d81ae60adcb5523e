//! Small components made on the spot: a core module in WAT, given the types of a world in `wit/`.

use std::path::Path;
use wit_component::{ComponentEncoder, StringEncoding};
use wit_parser::Resolve;

/// A component of world `code` whose `run` is `body`: locals `$p` and `$n` are the input, `$ok` returns a text,
/// `$grow` allocates. `extra` stands beside it in the module.
pub fn code_with(body: &str, extra: &str, data: &str) -> Vec<u8> {
    let module = format!(
        r#"(module
          {extra}
          (memory (export "memory") 1)
          (global $heap (mut i32) (i32.const 4096))
          (data (i32.const 64) "{data}")
          (func $realloc (export "cabi_realloc") (param $old i32) (param $size0 i32) (param $align i32) (param $size i32) (result i32)
            (local $at i32)
            (local.set $at (i32.and (i32.add (global.get $heap) (i32.const 7)) (i32.const -8)))
            (global.set $heap (i32.add (local.get $at) (local.get $size)))
            (block $fits
              (br_if $fits (i32.le_u (global.get $heap) (i32.mul (memory.size) (i32.const 65536))))
              (drop (memory.grow (i32.add (i32.div_u (local.get $size) (i32.const 65536)) (i32.const 1)))))
            (local.get $at))
          (func $ok (param $p i32) (param $n i32) (result i32)
            (i32.store8 (i32.const 16) (i32.const 0))
            (i32.store (i32.const 20) (local.get $p))
            (i32.store (i32.const 24) (local.get $n))
            (i32.const 16))
          (func $run (export "run") (param $p i32) (param $n i32) (result i32) {body}))"#
    );
    encode(&module, "code")
}

pub fn code(body: &str) -> Vec<u8> {
    code_with(body, "", "")
}

/// Answers with its input.
pub fn echo() -> Vec<u8> {
    code("(call $ok (local.get $p) (local.get $n))")
}

/// Answers with a fixed JSON text; different texts give different bytes.
pub fn constant(json: &str) -> Vec<u8> {
    let data: String = json.bytes().map(|b| format!("\\{b:02x}")).collect();
    code_with(&format!("(call $ok (i32.const 64) (i32.const {}))", json.len()), "", &data)
}

/// A component of world `app` that describes itself by `described`. It knows every handler whose name does not begin with
/// `x`; what it does is to answer `"ok"`, and where `broken` handlers of kind `function` fail.
pub fn app(described: &str, broken: bool) -> Vec<u8> {
    let bytes = |text: &str| text.bytes().map(|b| format!("\\{b:02x}")).collect::<String>();
    let (code, said) = (bytes("UNKNOWN_HANDLER"), bytes("there is no such handler"));
    let (length, described) = (described.len(), bytes(described));
    // `f` of `function`, which nothing but a health check is called as here.
    let fails = if broken { "(i32.eq (i32.load8_u (local.get $k)) (i32.const 102))" } else { "(i32.const 0)" };
    let module = format!(
        r#"(module
          (memory (export "memory") 1)
          (global $heap (mut i32) (i32.const 8192))
          (data (i32.const 64) "{code}") (data (i32.const 96) "{said}") (data (i32.const 128) "\22ok\22")
          (data (i32.const 256) "{described}")
          (func $realloc (export "cabi_realloc") (param $old i32) (param $size0 i32) (param $align i32) (param $size i32) (result i32)
            (local $at i32)
            (local.set $at (i32.and (i32.add (global.get $heap) (i32.const 7)) (i32.const -8)))
            (global.set $heap (i32.add (local.get $at) (local.get $size)))
            (local.get $at))
          (func (export "describe") (result i32)
            (i32.store (i32.const 16) (i32.const 256))
            (i32.store (i32.const 20) (i32.const {length}))
            (i32.const 16))
          (func (export "handle") (param $k i32) (param $kn i32) (param $p i32) (param $n i32) (param $d i32) (param $dn i32) (result i32)
            (if (i32.or (i32.eq (i32.load8_u (local.get $p)) (i32.const 120)) {fails})
              (then
                (i32.store8 (i32.const 16) (i32.const 1))
                (i32.store8 (i32.const 20) (i32.const 3))
                (i32.store (i32.const 24) (i32.const 64)) (i32.store (i32.const 28) (i32.const 15))
                (i32.store (i32.const 32) (i32.const 96)) (i32.store (i32.const 36) (i32.const 24))
                (i32.store8 (i32.const 40) (i32.const 0)))
              (else
                (i32.store8 (i32.const 16) (i32.const 0))
                (i32.store (i32.const 20) (i32.const 128)) (i32.store (i32.const 24) (i32.const 4))))
            (i32.const 16)))"#
    );
    encode(&module, "app")
}

fn encode(module: &str, world: &str) -> Vec<u8> {
    let mut wasm = wat::parse_str(module).expect("the module is well-formed");
    let mut resolve = Resolve::new();
    let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit");
    let (_, _) = resolve.push_dir(&wit).expect("wit/ can be parsed");
    let function = resolve
        .packages
        .iter()
        .find(|(_, p)| p.name.namespace == "org-ai" && p.name.name == "function")
        .map(|(id, _)| id)
        .expect("org-ai:function is there");
    let world = resolve.select_world(&[function], Some(world)).expect("the world is there");
    wit_component::embed_component_metadata(&mut wasm, &resolve, world, StringEncoding::UTF8)
        .expect("types can be embedded");
    ComponentEncoder::default().module(&wasm).and_then(|e| e.validate(true).encode()).expect("it is a component")
}
