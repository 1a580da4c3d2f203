//! Addresses that are not public. Source: the registries of special-purpose addresses of the IANA
//! (RFC 6890 and its updates, as of 2026).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Why an address is not public.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Special {
    /// A service that hands credentials of the machine to every program on it.
    Metadata,
    /// The machine itself.
    Loopback,
    /// No address, or an address of "this network".
    Unspecified,
    /// The private ranges of RFC 1918.
    Private,
    /// The range between a provider and its customers (RFC 6598).
    CarrierNat,
    /// Only on one link.
    LinkLocal,
    /// Unique-local (RFC 4193), or site-local, its predecessor.
    UniqueLocal,
    /// A group of machines.
    Multicast,
    /// All machines of a link.
    Broadcast,
    /// For examples in documents.
    Documentation,
    /// For tests of network devices.
    Benchmarking,
    /// An IPv6 address that contains an IPv4 address in an outdated way: IPv4-compatible, 6to4 or
    /// Teredo.
    Tunnel,
    /// The translation of a network's own to an IPv4 address (RFC 8215).
    LocalTranslation,
    /// An address of a translator, whose IPv4 address is special.
    Translated,
    /// Reserved for protocols, or not assigned.
    Reserved,
}

impl fmt::Display for Special {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Metadata => "the address of a cloud's metadata service",
            Self::Loopback => "a loopback address",
            Self::Unspecified => "an unspecified address",
            Self::Private => "a private address",
            Self::CarrierNat => "an address of carrier-grade NAT",
            Self::LinkLocal => "a link-local address",
            Self::UniqueLocal => "a unique-local address",
            Self::Multicast => "a multicast address",
            Self::Broadcast => "the broadcast address",
            Self::Documentation => "an address for documentation",
            Self::Benchmarking => "an address for benchmarks",
            Self::Tunnel => "an IPv6 address that embeds an IPv4 address",
            Self::LocalTranslation => "an address of a local NAT64 translator",
            Self::Translated => "a NAT64 address whose IPv4 address is not public",
            Self::Reserved => "a reserved address",
        })
    }
}

/// The address that a connection to `address` reaches: an IPv4-mapped address is that IPv4 address.
pub(crate) fn reached(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

/// Why an address is not public. `None` if it is.
pub(crate) fn special(address: IpAddr) -> Option<Special> {
    match reached(address) {
        IpAddr::V4(address) => special_v4(address),
        IpAddr::V6(address) => special_v6(address),
    }
}

fn special_v4(address: Ipv4Addr) -> Option<Special> {
    Some(match address.octets() {
        // AWS, Azure, Google and most others; credentials of AWS ECS and EKS; Alibaba; Azure's
        // agent; Oracle.
        [169, 254, 169, 254]
        | [169, 254, 170, 2 | 23]
        | [100, 100, 100, 200]
        | [168, 63, 129, 16]
        | [192, 0, 0, 192] => Special::Metadata,
        [0, ..] => Special::Unspecified,
        [127, ..] => Special::Loopback,
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Special::Private,
        [100, 64..=127, ..] => Special::CarrierNat,
        [169, 254, ..] => Special::LinkLocal,
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => Special::Documentation,
        [192, 0, 0, _] => Special::Reserved,
        // The way into 6to4 (RFC 7526).
        [192, 88, 99, _] => Special::Tunnel,
        [198, 18 | 19, ..] => Special::Benchmarking,
        [224..=239, ..] => Special::Multicast,
        [255, 255, 255, 255] => Special::Broadcast,
        [240..=255, ..] => Special::Reserved,
        _ => return None,
    })
}

fn special_v6(address: Ipv6Addr) -> Option<Special> {
    let parts = address.segments();
    Some(match parts {
        [0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x254 | 0x23] | [0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254] => Special::Metadata,
        [0, 0, 0, 0, 0, 0, 0, 0] => Special::Unspecified,
        [0, 0, 0, 0, 0, 0, 0, 1] => Special::Loopback,
        [0, 0, 0, 0, 0, 0, ..] => Special::Tunnel,
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            let [a, b] = high.to_be_bytes();
            let [c, d] = low.to_be_bytes();
            return special_v4(Ipv4Addr::new(a, b, c, d)).map(|special| match special {
                Special::Metadata => Special::Metadata,
                _ => Special::Translated,
            });
        }
        [0x64, 0xff9b, 1, ..] => Special::LocalTranslation,
        [0x2001, 0, ..] | [0x2002, ..] => Special::Tunnel,
        [0x2001, 2, 0, ..] => Special::Benchmarking,
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => Special::Documentation,
        [0x2001, 0..=0x1ff, ..] => Special::Reserved,
        [0xfe80..=0xfebf, ..] => Special::LinkLocal,
        [0xfc00..=0xfdff, ..] | [0xfec0..=0xfeff, ..] => Special::UniqueLocal,
        [0xff00..=0xffff, ..] => Special::Multicast,
        // Global unicast. Everything else is not assigned.
        [0x2000..=0x3fff, ..] => return None,
        _ => Special::Reserved,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(text: &str) -> Option<Special> {
        special(text.parse().unwrap_or_else(|_| panic!("{text} is no address")))
    }

    #[test]
    fn public_addresses_are_public() {
        for text in [
            "1.1.1.1",
            "8.8.8.8",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.1",
            "169.253.255.255",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.167.255.255",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2600::1",
            "2a00:1450:4001::1",
            "2001:200::1",
            "2606:4700::1111",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
        ] {
            assert_eq!(of(text), None, "{text}");
        }
    }

    #[test]
    fn special_addresses_are_named() {
        use Special::*;
        for (text, expected) in [
            ("0.0.0.0", Unspecified),
            ("0.1.2.3", Unspecified),
            ("127.0.0.1", Loopback),
            ("127.255.255.254", Loopback),
            ("10.0.0.0", Private),
            ("172.16.0.1", Private),
            ("172.31.255.255", Private),
            ("192.168.0.1", Private),
            ("100.64.0.1", CarrierNat),
            ("100.127.255.255", CarrierNat),
            ("169.254.0.1", LinkLocal),
            ("169.254.169.254", Metadata),
            ("168.63.129.16", Metadata),
            ("100.100.100.200", Metadata),
            ("192.0.0.8", Reserved),
            ("192.0.2.1", Documentation),
            ("198.51.100.1", Documentation),
            ("203.0.113.1", Documentation),
            ("192.88.99.1", Tunnel),
            ("198.18.0.1", Benchmarking),
            ("198.19.255.255", Benchmarking),
            ("224.0.0.1", Multicast),
            ("239.255.255.255", Multicast),
            ("240.0.0.1", Reserved),
            ("255.255.255.255", Broadcast),
            ("::", Unspecified),
            ("::1", Loopback),
            ("::7f00:1", Tunnel),
            ("::ffff:127.0.0.1", Loopback),
            ("::ffff:169.254.169.254", Metadata),
            ("::ffff:10.0.0.1", Private),
            ("64:ff9b::10.0.0.1", Translated),
            ("64:ff9b::127.0.0.1", Translated),
            ("64:ff9b::169.254.169.254", Metadata),
            ("64:ff9b:1::1", LocalTranslation),
            ("64:ff9b:0:1::1", Reserved),
            ("2001::1", Tunnel),
            ("2001:0:4136:e378:8000:63bf:3fff:fdd2", Tunnel),
            ("2002:7f00:1::", Tunnel),
            ("2001:2::1", Benchmarking),
            ("2001:10::1", Reserved),
            ("2001:db8::1", Documentation),
            ("3fff::1", Documentation),
            ("fe80::1", LinkLocal),
            ("fec0::1", UniqueLocal),
            ("fc00::1", UniqueLocal),
            ("fd00:ec2::254", Metadata),
            ("fd12:3456::1", UniqueLocal),
            ("ff02::1", Multicast),
            ("100::1", Reserved),
            ("5f00::1", Reserved),
            ("4000::1", Reserved),
        ] {
            assert_eq!(of(text), Some(expected), "{text}");
        }
    }

    proptest! {
        /// An IPv6 spelling of an IPv4 address is judged as that address.
        #[test]
        fn spellings_of_an_address_have_one_judgement(bits in any::<u32>()) {
            let v4 = Ipv4Addr::from(bits);
            prop_assert_eq!(special(v4.to_ipv6_mapped().into()), special(v4.into()));
            let [a, b, c, d] = v4.octets();
            let words = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
            let translated = Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, words.0, words.1);
            prop_assert_eq!(special(translated.into()).is_some(), special(v4.into()).is_some());
            prop_assert!(special(v4.to_ipv6_compatible().into()).is_some());
        }

        /// The standard library agrees about the ranges that it knows.
        #[test]
        fn nothing_that_the_standard_library_calls_local_is_public(bits in any::<u32>()) {
            let v4 = Ipv4Addr::from(bits);
            let local = v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_broadcast()
                || v4.is_documentation() || v4.is_multicast() || v4.is_unspecified();
            prop_assert!(!local || special(v4.into()).is_some());
        }
    }
}
