//! Which durable object a request means, from its host, its path and the header `DO-Namespace` (spec ID-2, ID-17).
//!
//! Pure: what is registered is asked of the node by whoever calls. The scheme that the client used is not known here (a
//! proxy may have ended TLS), so tenants are compared by authority and path.

use crate::problem::Problem;
use http::{HeaderMap, Uri, header};
use types::Namespace;

/// The header by which a request to a loopback host names its object.
pub(crate) const DO_NAMESPACE: &str = "do-namespace";
/// Of a namespace: its length less host and scheme.
const PATH_BYTES_MAX: usize = Namespace::LENGTH_MAX - HOST_BYTES_MAX - 16;
/// The longest name of DNS, and a port.
const HOST_BYTES_MAX: usize = 260;

/// What a request says about its object.
#[derive(PartialEq, Eq, Debug)]
pub(crate) enum Address<'a> {
    /// A loopback host: the object is named by the header, or it is the node's default.
    Local { named: Option<Namespace> },
    /// A tenant's host: host and path are looked up. `named` must agree with what is found.
    Tenant { host: &'a str, named: Option<Namespace> },
}

/// # Errors
/// 400 for a host or a header that could mean two things.
pub(crate) fn read<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Result<Address<'a>, Problem> {
    let host = host(uri, headers)?;
    let named = named(headers)?;
    if is_loopback(host) { Ok(Address::Local { named }) } else { Ok(Address::Tenant { host, named }) }
}

/// The URLs that a tenant's request may mean, the likelier first. Only as much of the path as can be a namespace is
/// looked at: an id further behind may hide a slash, or be long.
///
/// # Errors
/// 400, when host and path are no URL of a namespace.
pub(crate) fn candidates(host: &str, path: &str) -> Result<[Namespace; 2], Problem> {
    let path = nameable(path);
    let of = |scheme: &str| {
        Namespace::parse(&format!("{scheme}://{host}{path}"))
            .map_err(|_| Problem::bad_request("the host and the path of this request are no valid URL"))
    };
    Ok([of("https")?, of("http")?])
}

fn nameable(path: &str) -> &str {
    let (mut end, mut segments) = (0, 0);
    for segment in path.split_inclusive('/') {
        let hides_a_slash =
            segment.as_bytes().windows(3).any(|w| w.eq_ignore_ascii_case(b"%2f") || w.eq_ignore_ascii_case(b"%5c"));
        if hides_a_slash || segments > Namespace::SEGMENTS_MAX || end + segment.len() > PATH_BYTES_MAX {
            break;
        }
        end += segment.len();
        segments += usize::from(segment != "/");
    }
    &path[..end]
}

/// Whether both name the same place, whatever their schemes.
pub(crate) fn agree(a: &Namespace, b: &Namespace) -> bool {
    let rest = |ns: &Namespace| ns.as_str().find("://").map(|at| ns.as_str()[at..].to_owned());
    rest(a) == rest(b)
}

pub(crate) fn host<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Result<&'a str, Problem> {
    let refuse =
        || Problem::bad_request("the request needs exactly one Host header, like acme.example or localhost:8787");
    let mut values = headers.get_all(header::HOST).iter();
    let header = match (values.next(), values.next()) {
        (first, None) => first.map(|v| v.to_str().map_err(|_| refuse())).transpose()?,
        (_, Some(_)) => return Err(refuse()),
    };
    // The absolute form of a request target wins over the header (RFC 9112, 3.2.2).
    let host = uri.authority().map(http::uri::Authority::as_str).or(header).ok_or_else(refuse)?;
    let well_formed = !host.is_empty()
        && host.len() <= HOST_BYTES_MAX
        && host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':' | b'[' | b']'));
    if well_formed { Ok(host) } else { Err(refuse()) }
}

fn named(headers: &HeaderMap) -> Result<Option<Namespace>, Problem> {
    let mut values = headers.get_all(DO_NAMESPACE).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Problem::bad_request("DO-Namespace stands more than once"));
    }
    let text =
        value.to_str().map_err(|_| Problem::bad_request("DO-Namespace is not ASCII; write an IDN host in punycode"))?;
    Namespace::parse(text).map(Some).map_err(|e| Problem::bad_request(format!("DO-Namespace: {e}")))
}

/// With or without a port.
pub(crate) fn is_loopback(host: &str) -> bool {
    let name = if host.starts_with('[') {
        host.split_inclusive(']').next().unwrap_or(host)
    } else {
        host.split(':').next().unwrap_or(host)
    };
    name.eq_ignore_ascii_case("localhost") || name == "127.0.0.1" || name == "[::1]"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(*name, http::HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        map
    }

    fn check(uri: &str, pairs: &[(&'static str, &str)], expected: Result<(&str, Option<&str>), u16>) {
        let (uri, headers) = (uri.parse().unwrap(), headers(pairs));
        let found = read(&uri, &headers).map_err(|p| p.status.as_u16()).map(|a| match a {
            Address::Local { named } => ("", named.map(|n| n.to_string())),
            Address::Tenant { host, named } => (host, named.map(|n| n.to_string())),
        });
        assert_eq!(found, expected.map(|(h, n)| (h, n.map(str::to_owned))), "{uri} {pairs:?}");
    }

    #[test]
    fn a_loopback_host_takes_the_objects_name_from_the_header() {
        for host in ["localhost", "LOCALHOST:80", "127.0.0.1:8787", "[::1]", "[::1]:9"] {
            check("/", &[("host", host)], Ok(("", None)));
            check("/", &[("host", host), (DO_NAMESPACE, "Crm.x/acme/")], Ok(("", Some("https://crm.x/acme"))));
        }
        for host in ["localhost.evil.example", "127.0.0.1.nip.io", "127.0.0.2", "[::2]", "xlocalhost"] {
            check("/", &[("host", host)], Ok((host, None)));
        }
        check("http://acme.example/x", &[("host", "localhost")], Ok(("acme.example", None)));
    }

    #[test]
    fn a_host_that_could_mean_two_things_is_refused() {
        check("/", &[], Err(400));
        check("/", &[("host", "a.b"), ("host", "c.d")], Err(400));
        for bad in ["", "a/b", "a@b", "a b", "a?b", "a#b", "a\\b", "ü.example"] {
            check("/", &[("host", bad)], Err(400));
        }
        check("/", &[("host", "localhost"), (DO_NAMESPACE, "https://u:p@x.y")], Err(400));
        check("/", &[("host", "localhost"), (DO_NAMESPACE, "a.b"), (DO_NAMESPACE, "c.d")], Err(400));
        assert!(candidates("a.b", "/../etc").is_err());
    }

    #[test]
    fn only_what_can_be_a_namespace_is_looked_for() {
        let long = format!("/acme/api/Note/{}", "x".repeat(3_000));
        for (path, expected) in [
            ("/acme/api/Note/a", "https://a.b/acme/api/Note/a"),
            ("/acme/api/Note/a%2Fb", "https://a.b/acme/api/Note"),
            ("/..%2fetc", "https://a.b"),
            ("/a%5c/b", "https://a.b"),
            (&long, "https://a.b/acme/api/Note"),
        ] {
            assert_eq!(candidates("a.b", path).ok().unwrap()[0].as_str(), expected, "{path}");
        }
    }

    #[test]
    fn namespaces_agree_without_their_scheme() {
        let ns = |text| Namespace::parse(text).unwrap();
        assert!(agree(&ns("http://a.b/c"), &ns("https://a.b/c")));
        assert!(!agree(&ns("https://a.b/c"), &ns("https://a.b")));
    }
}
