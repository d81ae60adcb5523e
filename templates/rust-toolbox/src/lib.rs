//! my-function: a tool box. Each function of `wit/toolbox.wit` is an action.

wit_bindgen::generate!({ path: "wit" });

struct Toolbox;

impl Guest for Toolbox {
    fn greet(name: String) -> String {
        format!("Hello, {name}!")
    }

    fn count_words(text: String) -> Result<u32, String> {
        u32::try_from(text.split_whitespace().count()).map_err(|_| "more words than can be counted".to_owned())
    }
}

export!(Toolbox);
