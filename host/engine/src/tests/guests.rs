//! Components for the tests: core modules as text, wrapped by the crate that every tool chain uses.

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// A component of a world. `wit` holds the package `test:guest` with the world `guest`; our own packages and WASI's are
/// there to be imported.
pub fn build(wit: &str, core: &str) -> Vec<u8> {
    let mut resolve = Resolve::default();
    resolve.push_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../wit")).unwrap();
    let package = resolve.push_str("guest.wit", wit).unwrap();
    let world = resolve.select_world(&[package], Some("guest")).unwrap();
    let mut module = wat::parse_str(core).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    ComponentEncoder::default().module(&module).unwrap().validate(true).encode().unwrap()
}

/// Of world `code`. `core` is a module whose `run` takes pointer and length of the input and gives the
/// pointer to its answer; `;;PRELUDE` in it stands for [`PRELUDE`].
pub fn code(core: &str) -> Vec<u8> {
    guest("include org-ai:function/code@0.1.0;", core)
}

/// With other items in its world.
pub fn guest(items: &str, core: &str) -> Vec<u8> {
    let wit = format!("package test:guest; world guest {{ {items} }}");
    build(&wit, &core.replace(";;PRELUDE", PRELUDE))
}

/// Memory, an allocator that never frees, and `ok` / `err`: where an answer lies, and how one is made.
pub const PRELUDE: &str = r#"
    (memory (export "memory") 2)
    (global $top (mut i32) (i32.const 65536))
    (func $alloc (export "cabi_realloc") (param $old i32) (param $old_len i32) (param $align i32) (param $len i32)
        (result i32)
        (local $at i32)
        ;; 8 satisfies every alignment there is.
        (local.set $at (i32.and (i32.add (global.get $top) (i32.const 7)) (i32.const -8)))
        (global.set $top (i32.add (local.get $at) (local.get $len)))
        (block $fits
            (br_if $fits (i32.le_u (global.get $top) (i32.mul (memory.size) (i32.const 65536))))
            (br_if $fits (i32.ne (i32.const -1)
                (memory.grow (i32.add (i32.const 1) (i32.div_u (local.get $len) (i32.const 65536))))))
            unreachable)
        (memory.copy (local.get $at) (local.get $old) (local.get $old_len))
        (local.get $at))
    (func $ok (param $ptr i32) (param $len i32) (result i32)
        (i32.store (i32.const 16) (i32.const 0))
        (i32.store (i32.const 20) (local.get $ptr))
        (i32.store (i32.const 24) (local.get $len))
        (i32.const 16))
"#;

/// Gives back what it was given.
pub const ECHO: &str = r#"(module ;;PRELUDE
    (func (export "run") (param i32 i32) (result i32) (call $ok (local.get 0) (local.get 1))))"#;
