//! The macro that turns a Rust function into a component's export.

/// Makes `fn(Input) -> Result<Output, Fault>` the component's `run`, for any `Input: Deserialize`, `Output: Serialize`.
/// Once in a crate of type `cdylib`.
#[macro_export]
macro_rules! export_code {
    ($function:path) => {
        const _: () = {
            struct Guest;

            impl $crate::worlds::code::Guest for Guest {
                fn run(input: $crate::Json) -> ::core::result::Result<$crate::Json, $crate::Fault> {
                    $crate::json::run(&input, $function)
                }
            }

    $crate::worlds::code::export!(Guest with_types_in $crate::worlds::code);
        };
    };
}

/// Makes `fn() -> App` the component's handlers and what it says of itself. Once in a crate of type `cdylib`.
#[macro_export]
macro_rules! export_app {
    ($table:path) => {
        const _: () = {
            struct Guest;

            impl $crate::worlds::app::Guest for Guest {
                fn describe() -> $crate::Json {
                    $crate::app::App::describe(&$table())
                }

                fn handle(
                    kind: ::std::string::String,
                    name: ::std::string::String,
                    payload: $crate::Json,
                ) -> ::core::result::Result<$crate::Json, $crate::Fault> {
                    $crate::app::App::handle(&$table(), &kind, &name, &payload)
                }
            }

    $crate::worlds::app::export!(Guest with_types_in $crate::worlds::app);
        };
    };
}
