//! `relate`, `unrelate`, `relations`: edges between things.

use crate::address::Address;
use crate::client::Client;
use crate::failure::{Failure, Result};
use reqwest::{Method, RequestBuilder};

pub(crate) mod list;
pub(crate) mod relate;
pub(crate) mod unrelate;

// The two ends of an edge.
#[derive(Debug, clap::Args)]
pub(crate) struct Ends {
    /// The thing it goes out from, like Startup/acme
    #[arg(value_name = "FROM")]
    from: String,
    /// The verb, like owns
    #[arg(value_parser = super::verbs::verb)]
    verb: String,
    /// The thing it goes to, like Site/home, or any URL
    #[arg(value_name = "TO")]
    to: String,
    #[command(flatten)]
    when: crate::address::When,
}

impl Ends {
    fn request(&self, client: &Client, method: Method) -> Result<RequestBuilder> {
        let from = Address::parse(&self.from)?.at(self.when.at()?)?;
        let to = match self.to.contains("://") {
            true => self.to.clone(),
            false => match Address::parse(&self.to)? {
                Address { at: Some(at), .. } => {
                    let message = format!("an edge goes to a thing, not to one of its states: leave @{at} away");
                    return Err(Failure::usage(message));
                }
                to => to.to_string(),
            },
        };
        from.query(client, method, &["relationships", &self.verb], &[("to", &to)])
    }

    fn shown(&self) -> String {
        format!("{} {} {}", self.from, self.verb, self.to)
    }
}
