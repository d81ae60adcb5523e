//! The kinds of function: for each a trait to implement (`Guest`) and a macro that makes it the component's export.
//!
//! JSON is text here. [`crate::export_code!`] and [`crate::export_app!`] are the typed ways in for the most common kinds.

macro_rules! world {
    ($(#[$doc:meta])* $name:ident, $world:literal) => {
        $(#[$doc])*
        pub mod $name {
            wit_bindgen::generate!({
                path: "../wit",
                world: $world,
                pub_export_macro: true,
                runtime_path: "::org_ai::wit_bindgen::rt",
                default_bindings_module: "::org_ai::worlds",
                with: {
                    "org-ai:types/types@0.1.0": crate::bindings::org_ai::types::types,
                    "org-ai:context/context@0.1.0": crate::bindings::org_ai::context::context,
                    "org-ai:actions/actions@0.1.0": crate::bindings::org_ai::actions::actions,
                    "org-ai:worker/worker@0.1.0": crate::bindings::org_ai::worker::worker,
                    "org-ai:integration/integration@0.1.0": crate::bindings::org_ai::integration::integration,
                    "org-ai:things/things@0.1.0": crate::bindings::org_ai::things::things,
                    "org-ai:events/events@0.1.0": crate::bindings::org_ai::events::events,
                    "org-ai:search/search@0.1.0": crate::bindings::org_ai::search::search,
                    "org-ai:timers/timers@0.1.0": crate::bindings::org_ai::timers::timers,
                },
            });
        }
    };
}

world!(
    /// JSON in, JSON out.
    code, "org-ai:function/code@0.1.0"
);
world!(
    /// One model call: `prompt` asks, `finish` makes the result.
    generative, "org-ai:function/generative@0.1.0"
);
world!(
    /// A model with tools, in a loop.
    agentic, "org-ai:function/agentic@0.1.0"
);
world!(
    /// A person answers.
    human, "org-ai:function/human@0.1.0"
);
world!(
    /// Handlers by name, for events, schedules, workflows and methods.
    app, "org-ai:function/app@0.1.0"
);
