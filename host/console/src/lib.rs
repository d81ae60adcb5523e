//! The web console's pages: what a person sees of their tasks and of what agents did.
//!
//! Pages are text made from plain values: nothing here knows objects, callers or HTTP. Templates escape all that they show.
//! What moves on a page is htmx (one file, vendored with its licence in `assets/`): parts of a page are fetched again
//! when the server says that something has changed, and every form works without it.

mod assets;
pub use assets::{ASSETS, Asset, asset};
mod form;
pub use form::{Choice, Field, FieldError, Input, fields, fill, value_of};
mod link;
pub use link::{Asked, LINK_STYLE, LinkPage};
mod pages;
pub use pages::{
    Act, Button, Chrome, Detail, Entry, HistoryLine, Inbox, InboxList, Item, Login, Message, Run, RunRow, RunStep,
    Runs, Tab, render,
};
