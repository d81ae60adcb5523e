//! Outgoing HTTP.
use crate::config::Config;
use crate::state::RunState;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

pub struct Outside {}
impl Outside {
    pub fn new(_: &Config) -> Self {
        Self {}
    }
}
pub struct Hooks {}
impl Hooks {
    pub fn new(_: &RunState) -> Self {
        Self {}
    }
}
impl WasiHttpHooks for Hooks {
    fn send_request(
        &mut self,
        _request: ::http::Request<WasiBody>,
        _options: Option<RequestOptions>,
        _fut: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<
        dyn Future<
                Output = Result<
                    (::http::Response<WasiBody>, Box<dyn Future<Output = Result<(), Error>> + Send>),
                    Error,
                >,
            > + Send,
    > {
        Box::new(async { Err(Error::HttpRequestDenied) })
    }
}
