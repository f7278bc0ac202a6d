//! IP addresses: as text, and in lax mode as the number that they are.
//!
//! The forms are those of Python's `ipaddress`, which equal those of the Rust standard library, except for a
//! zone (`fe80::1%eth0`): Python accepts it, no column of type `inet` does.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{At, Context};
use crate::format::{Item, Raw};
use crate::reject::{Code, code};

/// Reads the text of an IPv4 address, and decides nothing about anything else.
#[inline]
pub(super) fn read_usual(version: Option<u8>, item: Item<'_>) -> Option<Ipv4Addr> {
    match item.raw() {
        Raw::Text(text) if version != Some(6) => version_4(text.as_bytes()),
        _ => None,
    }
}

/// Reads an address of `version`, or of either version.
pub(super) fn read<'a>(
    version: Option<u8>,
    strict: bool,
    at: At<'a, '_>,
    context: &mut Context<'a, '_>,
) -> Option<IpAddr> {
    let number = match at.item.raw() {
        Raw::Text(text) => return read_text(version, text, at, context),
        _ if strict => {
            return context.refuse(at, code::STRING_TYPE, format_args!("not the text of an IP address"));
        }
        Raw::Bool(value) => Some(u128::from(value)),
        Raw::Int(number) => u128::try_from(number).ok(),
        Raw::UInt(number) => Some(u128::from(number)),
        Raw::BigInt(digits) => digits.parse().ok(),
        _ => None,
    };
    let address = number.and_then(|number| match (version, u32::try_from(number)) {
        (Some(4) | None, Ok(number)) => Some(IpAddr::V4(Ipv4Addr::from(number))),
        (Some(4), Err(_)) => None,
        _ => Some(IpAddr::V6(Ipv6Addr::from(number))),
    });
    match address {
        Some(address) => Some(address),
        None => refuse(version, at, context),
    }
}

fn read_text<'a>(
    version: Option<u8>,
    text: &str,
    at: At<'a, '_>,
    context: &mut Context<'a, '_>,
) -> Option<IpAddr> {
    match (version, text.parse::<IpAddr>()) {
        (None, Ok(address)) => Some(address),
        (Some(4), Ok(address @ IpAddr::V4(_))) => Some(address),
        (Some(6), Ok(address @ IpAddr::V6(_))) => Some(address),
        _ if version != Some(4) && has_zone(text) => {
            let message = format_args!("an address with a zone, which a column for addresses cannot hold");
            context.refuse(at, code::NOT_STORABLE, message)
        }
        _ => refuse(version, at, context),
    }
}

/// An IPv4 address. The standard library gives the same result, more slowly.
fn version_4(text: &[u8]) -> Option<Ipv4Addr> {
    let (mut octets, mut rest) = ([0; 4], text);
    for (index, octet) in octets.iter_mut().enumerate() {
        if index > 0 {
            rest = rest.strip_prefix(b".")?;
        }
        let digit = |at: usize| {
            rest.get(at).map(|byte| u16::from(byte.wrapping_sub(b'0'))).filter(|digit| *digit <= 9)
        };
        let first = digit(0)?;
        let (value, length) = match (digit(1), digit(2)) {
            (None, _) => (first, 1),
            // Digits after a leading zero may or may not be octal.
            _ if first == 0 => return None,
            (Some(second), None) => (first * 10 + second, 2),
            (Some(second), Some(third)) => (first * 100 + second * 10 + third, 3),
        };
        *octet = u8::try_from(value).ok()?;
        rest = &rest[length..];
    }
    rest.is_empty().then(|| Ipv4Addr::from(octets))
}

/// Whether it is an IPv6 address followed by a zone.
fn has_zone(text: &str) -> bool {
    text.split_once('%').is_some_and(|(address, zone)| {
        !zone.is_empty() && !zone.contains('%') && address.parse::<Ipv6Addr>().is_ok()
    })
}

fn refuse<'a>(version: Option<u8>, at: At<'a, '_>, context: &mut Context<'a, '_>) -> Option<IpAddr> {
    let (code, message): (Code, _) = match version {
        Some(4) => (code::IP_V4_ADDRESS, "not an IPv4 address"),
        Some(_) => (code::IP_V6_ADDRESS, "not an IPv6 address"),
        None => (code::IP_ANY_ADDRESS, "not an IP address"),
    };
    context.refuse(at, code, format_args!("{message}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::probe::check;
    use super::super::super::{Field, Kind};
    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn an_address_of_version_4_is_that_of_the_standard_library(
            text in "([0-2]?[0-9]{1,2}\\.){3}[0-2]?[0-9]{1,2}|[0-9.a]{0,16}",
        ) {
            prop_assert_eq!(version_4(text.as_bytes()), text.parse().ok());
        }
    }

    fn ip(version: Option<u8>) -> Field {
        Field::new("f", Kind::Ip { version })
    }

    #[test]
    fn an_address_of_any_version() {
        check(
            &ip(None),
            &[
                (r#""1.2.3.4""#, r#""1.2.3.4""#),
                (r#""FE80::A""#, r#""fe80::a""#),
                (r#""::ffff:1.2.3.4""#, r#""::ffff:1.2.3.4""#),
                ("1", r#""0.0.0.1""#),
                ("true", r#""0.0.0.1""#),
                ("4294967296", r#""::1:0:0""#),
                ("340282366920938463463374607431768211455", r#""ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff""#),
                ("340282366920938463463374607431768211456", "ip_any_address"),
                ("-1", "ip_any_address"),
                ("1.5", "ip_any_address"),
                (r#""01.2.3.4""#, "ip_any_address"),
                (r#""1.2.3""#, "ip_any_address"),
                (r#""1.2.3.4/32""#, "ip_any_address"),
                (r#"" 1.2.3.4""#, "ip_any_address"),
                (r#""1::2::3""#, "ip_any_address"),
                (r#""fe80::1%""#, "ip_any_address"),
                (r#""fe80::1%eth0""#, "not_storable"),
                ("null", "ip_any_address"),
            ],
        );
    }

    #[test]
    fn an_address_of_one_version() {
        check(&ip(Some(4)), &[(r#""::1""#, "ip_v4_address"), ("4294967296", "ip_v4_address")]);
        check(&ip(Some(4)), &[(r#""fe80::1%eth0""#, "ip_v4_address"), ("7", r#""0.0.0.7""#)]);
        check(&ip(Some(6)), &[(r#""1.2.3.4""#, "ip_v6_address"), ("7", r#""::7""#)]);
    }

    #[test]
    fn a_number_is_no_address_in_strict_mode() {
        check(&Field { strict: true, ..ip(None) }, &[("1", "string_type"), (r#""::1""#, r#""::1""#)]);
    }
}
