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
