//! The page behind a signed link: what is asked, and the form. It loads nothing and has no script.

use crate::form::Input;
use crate::pages::Act;
use askama::Template;

/// The style inside of the page; the policy of who serves it names its hash.
pub const LINK_STYLE: &str = include_str!("../assets/link.css");

#[derive(Template, Debug)]
#[template(path = "link.html")]
pub struct LinkPage {
    pub style: &'static str,
    pub heading: &'static str,
    pub problem: Option<String>,
    /// None: the link leads nowhere.
    pub asked: Option<Asked>,
}

/// What the link is about.
#[derive(Clone, Debug)]
pub struct Asked {
    pub facts: Vec<(String, String)>,
    pub data: Option<String>,
    pub token: String,
    /// None: it is over.
    pub act: Option<Act>,
}
