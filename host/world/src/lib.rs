//! The Rust side of `wit/`: types and traits generated from the world `org-ai:host/host`, which names every version of
//! every package that the host links. What the functions do is `engine`'s business; this crate only spells them.
//!
//! Exports have no generated code: what a component exports decides its kind, and `engine` calls the functions through
//! typed handles that it looks up once per component.

wasmtime::component::bindgen!({
    path: "../../wit",
    world: "org-ai:host/host",
    imports: { default: async | trappable },
    require_store_data_send: true,
});

pub use org_ai::types::types;
