//! Files that pages load, inside of the binary.

/// A file as it is served.
#[derive(Clone, Copy, Debug)]
pub struct Asset {
    pub content_type: &'static str,
    pub body: &'static [u8],
}

const SCRIPT: &str = "text/javascript; charset=utf-8";

/// The names of all of them.
pub const ASSETS: [&str; 4] = ["htmx.js", "sse.js", "keys.js", "console.css"];

/// The file of that name.
pub fn asset(name: &str) -> Option<Asset> {
    let (content_type, body): (_, &[u8]) = match name {
        "htmx.js" => (SCRIPT, include_bytes!("../assets/htmx.min.js")),
        "sse.js" => (SCRIPT, include_bytes!("../assets/sse.min.js")),
        "keys.js" => (SCRIPT, include_bytes!("../assets/keys.js")),
        "console.css" => ("text/css; charset=utf-8", include_bytes!("../assets/console.css")),
        _ => return None,
    };
    Some(Asset { content_type, body })
}
