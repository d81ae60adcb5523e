//! What the platform's WIT says, in Rust. Generated when this crate is built; every import is reachable here.

wit_bindgen::generate!({
    path: "../wit",
    world: "org-ai:function/imports@0.1.0",
    generate_all,
    additional_derives: [PartialEq],
});
