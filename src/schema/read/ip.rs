//! IP addresses: as text, and in lax mode as the number that they are.
//!
//! The forms are those of Python's `ipaddress`, which equal those of the Rust standard library, except for a
//! zone (`fe80::1%eth0`): Python accepts it, no column of type `inet` does.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{At, Context};
use crate::format::{Item, Raw};
use crate::reject::{Code, code};

/// Reads the text of an address in its usual form, and decides nothing about anything else.
#[inline]
pub(super) fn read_usual(version: Option<u8>, item: Item<'_>) -> Option<IpAddr> {
    let Raw::Text(text) = item.raw() else { return None };
    match version_4(text.as_bytes()) {
        Some(address) if version != Some(6) => Some(IpAddr::V4(address)),
        None if version != Some(4) => version_6(text.as_bytes()).map(IpAddr::V6),
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
#[inline]
fn version_4(text: &[u8]) -> Option<Ipv4Addr> {
    /// The least number of this many digits: digits after a leading zero may or may not be octal.
    const LEAST: [u32; 4] = [0, 0, 10, 100];
    const ZEROS: u32 = u32::from_le_bytes([b'0'; 4]);
    /// What may be added to a digit before the uppermost bit of its byte is set.
    const ROOM: u32 = u32::from_le_bytes([0x7f - 9; 4]);
    // What is behind the text are zeros, which are no digits.
    let mut rest = match (text.first_chunk::<8>(), text.last_chunk::<8>()) {
        (Some(first), Some(last)) if text.len() <= 15 => {
            let last = u128::from(u64::from_le_bytes(*last)) << (8 * (text.len() - 8));
            u128::from(u64::from_le_bytes(*first)) | last
        }
        // The shortest: `1.1.1.1`.
        _ if text.len() == 7 => text.iter().rev().fold(0, |rest, byte| rest << 8 | u128::from(*byte)),
        _ => return None,
    };
    let (mut octets, mut taken) = ([0; 4], 0);
    for (index, octet) in octets.iter_mut().enumerate() {
        let digits = rest as u32 ^ ZEROS;
        let others = (digits | digits.wrapping_add(ROOM)) & 0x8080_8080;
        let length = others.trailing_zeros() / 8;
        let least = *LEAST.get(length as usize).filter(|_| length > 0)?;
        // The last digit is moved to the uppermost byte.
        let [_, hundreds, tens, ones] = (digits << (8 * (4 - length))).to_le_bytes().map(u32::from);
        let value = hundreds * 100 + tens * 10 + ones;
        let behind = if index < 3 { b'.' } else { 0 };
        if value < least || (rest >> (8 * length)) as u8 != behind {
            return None;
        }
        *octet = u8::try_from(value).ok()?;
        rest >>= 8 * (length + 1);
        taken += length as usize + 1;
    }
    (taken == text.len() + 1).then(|| Ipv4Addr::from(octets))
}

/// An IPv6 address without an embedded IPv4 one. The standard library gives the same result,
/// more slowly.
#[inline(never)]
fn version_6(text: &[u8]) -> Option<Ipv6Addr> {
    let (mut groups, mut count, mut gap) = ([0; 8], 0, None);
    let mut at = 0;
    if text.starts_with(b"::") {
        (gap, at) = (Some(0), 2);
    }
    while at < text.len() {
        let (mut group, start) = (0, at);
        while let Some(digit) = text.get(at).and_then(|byte| char::from(*byte).to_digit(16)) {
            group = group << 4 | digit;
            at += 1;
            if at - start > 4 {
                return None;
            }
        }
        if at == start {
            return None;
        }
        *groups.get_mut(count)? = u16::try_from(group).ok()?;
        count += 1;
        match text[at..] {
            [] => {}
            [b':', b':', ..] if gap.is_none() => (gap, at) = (Some(count), at + 2),
            // Another group must follow.
            [b':', _, ..] => at += 1,
            _ => return None,
        }
    }
    match gap {
        // The gap stands for one group at least.
        Some(gap) if count < 8 => groups[gap..].rotate_right(8 - count),
        None if count == 8 => {}
        _ => return None,
    }
    Some(Ipv6Addr::from(groups))
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
            text in "([0-2]?[0-9]{1,2}\\.){3}[0-2]?[0-9]{1,2}[.\0x]?|[0-9.a\u{0}\u{e4}]{0,16}",
        ) {
            prop_assert_eq!(version_4(text.as_bytes()), text.parse().ok());
        }

        #[test]
        fn an_address_of_version_6_is_that_of_the_standard_library(
            text in "([0-9a-fA-F]{1,4}:){7}[0-9a-f]{1,5}|(:?[0-9a-f]{1,4}:{0,2}){0,8}|::[0-9a-f:]{0,12}|[0-9a-g.:%]{0,12}",
        ) {
            let address = text.parse().ok();
            // One with a point in it is left to others.
            prop_assert_eq!(version_6(text.as_bytes()), address.filter(|_| !text.contains('.')));
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
