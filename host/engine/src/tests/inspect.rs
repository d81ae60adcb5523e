//! What is refused at deploy, and what is found out about the rest.

use super::*;

#[track_caller]
fn refused(bytes: &[u8]) -> Fault {
    let bench = Bench::new();
    let fault = bench.engine.prepare(&bench.file(bytes)).unwrap_err();
    assert_eq!(fault.kind, types::FaultKind::Invalid, "{fault:?}");
    fault
}

#[test]
fn what_is_no_component_is_refused_by_what_it_is() {
    for (bytes, part) in [
        (&b"\0asm\x01\0\0\0"[..], "core WebAssembly module"),
        (b"", "an empty file"),
        (b"(component)", "text form"),
        (b"#!/bin/sh\necho", "this is text"),
        (&[0; 4096], "zero bytes"),
        (b"\x7fELF\xff\xfe\x00", "some other binary"),
        (b"\0asm\x0d", "cut short"),
    ] {
        let fault = refused(bytes);
        assert_eq!(fault.code, "NOT_A_COMPONENT");
        assert!(fault.message.contains(part), "{fault:?}");
    }
}

#[test]
fn a_truncated_component_is_refused() {
    let whole = guests::code(guests::ECHO);
    for len in [9, whole.len() / 2, whole.len() - 1] {
        assert_eq!(refused(&whole[..len]).code, "INVALID_COMPONENT", "{len}");
    }
}

#[test]
fn a_component_that_is_too_large_is_refused_unread() {
    let bench = Bench::with(|config| config.component_bytes_max = 1000);
    let fault = bench.engine.prepare(&bench.file(&vec![0; 200_000])).unwrap_err();
    assert_eq!(fault.code, "COMPONENT_TOO_LARGE");
    assert!(fault.message.contains("1000"), "{fault:?}");
}

#[test]
fn imports_that_nobody_offers_are_named_with_the_nearest() {
    let bytes = wat::parse_str(
        r#"(component
            (import "org-ai:action/actions@0.1.0" (instance (export "x" (func))))
            (import "acme:database/sql" (instance (export "query" (func)))))"#,
    )
    .unwrap();
    let fault = refused(&bytes);
    assert_eq!(fault.code, "UNKNOWN_IMPORT");
    assert!(
        fault.message.contains("`org-ai:action/actions@0.1.0` (the nearest that is offered: `org-ai:actions/actions`)")
    );
    assert!(fault.message.contains("`acme:database/sql`"), "{fault:?}");
}

#[test]
fn an_import_of_another_type_is_refused_by_name() {
    let bytes = wat::parse_str(
        r#"(component (import "org-ai:context/context@0.1.0" (instance (export "cancelled" (func (result u32)))))
            (core module $m (func (export "f"))) (core instance $i (instantiate $m))
            (func (export "f") (canon lift (core func $i "f"))))"#,
    )
    .unwrap();
    let fault = refused(&bytes);
    assert_eq!(fault.code, "IMPORT_MISMATCH");
    assert!(fault.message.contains("cancelled"), "{fault:?}");
}

#[test]
fn a_component_without_functions_is_refused() {
    assert_eq!(refused(&wat::parse_str("(component)").unwrap()).code, "NO_EXPORTS");
}

#[test]
fn a_resource_in_an_export_is_refused_by_function_and_type() {
    let bytes = guests::build(
        "package test:guest; interface shop { resource cart; open: func() -> cart; } world guest { export shop; }",
        r#"(module ;;PRELUDE
            (func (export "test:guest/shop#open") (result i32) (i32.const 0))
            (func (export "test:guest/shop#[dtor]cart") (param i32)))"#
            .replace(";;PRELUDE", guests::PRELUDE)
            .as_str(),
    );
    let fault = refused(&bytes);
    assert_eq!(fault.code, "UNSUPPORTED_TYPE");
    assert!(fault.message.contains("`test:guest/shop.open` uses a resource"), "{fault:?}");
}

/// A module that does nothing but have the exports of a world.
fn dummy(items: &str) -> Vec<u8> {
    let mut resolve = wit_parser::Resolve::default();
    resolve.push_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../wit")).unwrap();
    let package = resolve.push_str("g.wit", &format!("package test:guest; world guest {{ {items} }}")).unwrap();
    let world = resolve.select_world(&[package], Some("guest")).unwrap();
    let mut module = wit_component::dummy_module(&resolve, world, wit_parser::ManglingAndAbi::Standard32);
    wit_component::embed_component_metadata(&mut module, &resolve, world, wit_component::StringEncoding::UTF8).unwrap();
    wit_component::ComponentEncoder::default().module(&module).unwrap().encode().unwrap()
}

#[tokio::test]
async fn the_kind_is_read_from_the_exports() {
    let bench = Bench::new();
    for (world, kind) in [
        ("code", FunctionKind::Code),
        ("generative", FunctionKind::Generative),
        ("agentic", FunctionKind::Agentic),
        ("human", FunctionKind::Human),
        ("app", FunctionKind::App),
        ("site", FunctionKind::Site),
    ] {
        let file = bench.file(&dummy(&format!("include org-ai:function/{world}@0.1.0;")));
        assert_eq!(bench.engine.prepare(&file).unwrap().kind, kind);
        let code = match kind {
            FunctionKind::Code | FunctionKind::App | FunctionKind::ToolBox => continue,
            // They are called part by part.
            FunctionKind::Generative | FunctionKind::Agentic | FunctionKind::Human => "KIND_MISMATCH",
            FunctionKind::Site => "UNAVAILABLE",
        };
        let outcome = bench.run(Job { kind, ..job(&file, "1") }).await;
        assert_eq!(fault(&outcome).code, code);
        assert!(fault(&outcome).message.contains(kind.as_str()));
    }
    let other = bench.file(&dummy("export run: func(input: string) -> string;"));
    assert_eq!(bench.engine.prepare(&other).unwrap().kind, FunctionKind::ToolBox);
}

#[test]
fn everything_that_is_said_to_be_offered_is_linked() {
    let imports: Vec<_> = crate::engine::OFFERED
        .iter()
        .map(|name| {
            let version = if name.starts_with("wasi:") { "0.2.12" } else { "0.1.0" };
            format!("import {name}@{version};")
        })
        .collect();
    let bench = Bench::new();
    let found = bench.engine.prepare(&bench.file(&dummy(&format!("{} export f: func();", imports.join(" "))))).unwrap();
    assert!(found.imports.len() >= crate::engine::OFFERED.len() - 1, "{:?}", found.imports);
}

#[test]
fn older_and_newer_patches_of_wasi_are_served() {
    for version in ["0.2.0", "0.2.6", "0.2.9", "0.2.12"] {
        let bytes = wat::parse_str(format!(
            r#"(component (import "wasi:random/random@{version}" (instance (export "get-random-u64" (func (result u64)))))
                (core module $m (func (export "f"))) (core instance $i (instantiate $m))
                (func (export "f") (canon lift (core func $i "f"))))"#
        ))
        .unwrap();
        let bench = Bench::new();
        assert!(bench.engine.prepare(&bench.file(&bytes)).is_ok(), "{version}");
    }
}
