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
