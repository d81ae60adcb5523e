//! The allow-list of a manifest.

use ::http::{Method, Request, uri};
use types::AllowedHost;
use url::Url;

/// Where one request wants to go.
pub struct Target {
    pub method: Method,
    pub is_tls: bool,
    /// Lower case, an IPv6 address in brackets.
    pub host: String,
    pub port: u16,
}

impl Target {
    /// Nothing when the URL names no host, or says who is asking: `https://user:password@…` is another way to send
    /// credentials, and the best known way to make one host look like another.
    pub fn of<T>(request: &Request<T>) -> Option<Self> {
        let uri = request.uri();
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'))?;
        let is_tls = match uri.scheme() {
            Some(scheme) if *scheme == uri::Scheme::HTTPS => true,
            Some(scheme) if *scheme == uri::Scheme::HTTP => false,
            _ => return None,
        };
        let host = authority.host().to_ascii_lowercase();
        // A name with the root's dot is the same name.
        let host = host.strip_suffix('.').unwrap_or(&host).to_owned();
        let port = authority.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        (!host.is_empty()).then_some(Self { method: request.method().clone(), is_tls, host, port })
    }

    pub fn host_to_resolve(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }

    fn scheme(&self) -> &'static str {
        if self.is_tls { "https" } else { "http" }
    }

    /// As a rule would spell it.
    pub fn origin(&self) -> String {
        let default = if self.is_tls { 443 } else { 80 };
        let port = if self.port == default { String::new() } else { format!(":{}", self.port) };
        format!("{}://{}{port}", self.scheme(), self.host)
    }

    /// What its author should write.
    pub fn missing_rule(&self, rules: &[Rule]) -> String {
        let origin = self.origin();
        if rules.iter().any(|rule| rule.is_to(self)) {
            return format!("the manifest's rule for {origin} does not list the method {}", self.method);
        }
        format!("no rule of the manifest allows it; to allow it, add {{\"url\": \"{origin}\"}} to its \"allow\"")
    }
}

/// One rule, understood.
#[derive(Debug)]
pub struct Rule {
    is_tls: bool,
    /// Behind `*.`, if that is how it begins.
    host: String,
    is_wildcard: bool,
    port: u16,
    methods: Vec<String>,
    pub private: bool,
}

impl Rule {
    /// Nothing when the URL is none: such a rule allows nothing.
    pub fn of(rule: &AllowedHost) -> Option<Self> {
        let mut out = Self::parse(&rule.url)?;
        out.methods = rule.methods.iter().map(|method| method.to_ascii_uppercase()).collect();
        out.private = rule.private;
        Some(out)
    }

    /// Any method, public addresses only.
    pub fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok()?;
        let is_tls = match url.scheme() {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let host = url.host_str()?.to_ascii_lowercase();
        let (host, is_wildcard) = match host.strip_prefix("*.") {
            Some(rest) => (rest.to_owned(), true),
            None => (host, false),
        };
        // A star anywhere else is no rule that anybody described.
        let port = url.port_or_known_default().filter(|_| !host.contains('*') && !host.is_empty())?;
        Some(Self { is_tls, host, is_wildcard, port, methods: Vec::new(), private: false })
    }

    pub fn allows(&self, target: &Target) -> bool {
        self.is_to(target) && (self.methods.is_empty() || self.methods.iter().any(|m| m == target.method.as_str()))
    }

    /// Scheme, host and port.
    pub fn is_to(&self, target: &Target) -> bool {
        let is_host = match self.is_wildcard {
            true => {
                target.host.strip_suffix(&self.host).is_some_and(|labels| labels.len() > 1 && labels.ends_with('.'))
            }
            false => target.host == self.host,
        };
        is_host && self.is_tls == target.is_tls && self.port == target.port
    }
}
