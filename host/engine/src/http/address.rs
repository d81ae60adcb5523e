//! Which addresses an outgoing request may reach.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// How far away from the public internet an address is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Reach {
    Public,
    /// Somebody's own network: allowed where the manifest and the server both say so.
    Private,
    /// Nobody's business of a guest's: not a single machine, or one that hands out the credentials of ours.
    Never,
}

/// `private`: the rule says so. `served`: the server's configuration allows such rules. The error is the reason.
pub fn check(ip: IpAddr, private: bool, served: bool) -> Result<(), String> {
    match reach(ip) {
        Reach::Public => Ok(()),
        Reach::Private if private && served => Ok(()),
        Reach::Private if private => {
            Err(format!("{ip} is not on the public internet, and this server does not allow private networks"))
        }
        Reach::Private => {
            Err(format!("{ip} is not on the public internet; the manifest's rule would have to say \"private\": true"))
        }
        Reach::Never => Err(format!("{ip} is an address that no function may reach")),
    }
}

fn reach(ip: IpAddr) -> Reach {
    match ip {
        IpAddr::V4(ip) => reach_v4(ip),
        IpAddr::V6(ip) => reach_v6(ip),
    }
}

fn reach_v4(ip: Ipv4Addr) -> Reach {
    let [a, b, c, _] = ip.octets();
    // The metadata services of the large clouds give out credentials to whoever asks.
    let is_metadata = matches!(ip.octets(), [169, 254, 169, 254] | [169, 254, 170, 2] | [100, 100, 100, 200]);
    if is_metadata || ip.is_unspecified() || ip.is_multicast() || ip.is_broadcast() {
        return Reach::Never;
    }
    let is_special = a == 0                             // this network, RFC 791
        || (a == 100 && (64..128).contains(&b))         // carrier-grade NAT, RFC 6598
        || (a == 192 && b == 0 && c == 0)               // protocol assignments, RFC 6890
        || (a == 192 && b == 88 && c == 99)             // 6to4 relays, RFC 7526
        || (a == 198 && (18..20).contains(&b))          // benchmarks, RFC 2544
        || a >= 240; // reserved, RFC 1112
    if ip.is_loopback() || ip.is_private() || ip.is_link_local() || ip.is_documentation() || is_special {
        return Reach::Private;
    }
    Reach::Public
}

fn reach_v6(ip: Ipv6Addr) -> Reach {
    let segments = ip.segments();
    // AWS's metadata service has an address of its own there.
    if ip.is_multicast() || ip.is_unspecified() || segments == [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254] {
        return Reach::Never;
    }
    if ip.is_loopback() {
        return Reach::Private;
    }
    if let Some(embedded) = embedded_v4(ip) {
        return reach_v4(embedded);
    }
    let is_special = segments[0] & 0xfe00 == 0xfc00     // unique local, RFC 4193
        || segments[0] & 0xffc0 == 0xfe80               // link-local
        || segments[0] & 0xffc0 == 0xfec0               // site-local, RFC 3879
        || segments[..2] == [0x2001, 0]                 // Teredo: the address inside is disguised
        || segments[..2] == [0x2001, 0xdb8]             // documentation
        || segments[..3] == [0x64, 0xff9b, 1]           // local-use NAT64, RFC 8215
        || segments[..4] == [0x100, 0, 0, 0]; // discard, RFC 6666
    if is_special { Reach::Private } else { Reach::Public }
}

/// The IPv4 address that a packet to this one ends at: mapped (RFC 4291), compatible, NAT64 (RFC 6052), 6to4 (RFC 3056).
fn embedded_v4(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    let segments = ip.segments();
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Ipv4Addr::new(a, b, c, d)
    };
    match segments {
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] => Some(v4(high, low)),
        // SIIT's form of a mapped address (RFC 2765).
        [0, 0, 0, 0, 0xffff, 0, high, low] => Some(v4(high, low)),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some(v4(high, low)),
        [0x2002, high, low, ..] => Some(v4(high, low)),
        _ => None,
    }
}
