//! Words that are numbers, addresses, prefixes, durations and dates.

use std::net::IpAddr;

use ipnet::IpNet;

use super::super::ast::Expr;
use super::Datatype;

/// The value of a word that is no name.
pub(super) fn read(of: Datatype, word: &str) -> Option<Expr> {
    if let Some(number) = number(word) {
        return Some(Expr::Number(number));
    }
    match of {
        Datatype::Class => class(word).map(Expr::Number),
        Datatype::Time => {
            duration_ms(word).map(|milliseconds| milliseconds / 1000).or_else(|| date(word)).map(Expr::Number)
        }
        Datatype::Hour => hour(word).map(Expr::Number),
        Datatype::Mac => mac(word).map(Expr::Mac),
        _ => address(word).or_else(|| mac(word).map(Expr::Mac)),
    }
}

/// Decimal or hexadecimal. nft 1.0 adds to the ports of `ct` that it has no name for them.
pub(in super::super) fn number(word: &str) -> Option<u64> {
    let word = word.strip_suffix(" [invalid type]").unwrap_or(word);
    let first = *word.as_bytes().first()?;
    if !first.is_ascii_digit() {
        return None;
    }
    // nft 1.0.6 prints elements of sets of `ct original proto-dst` so.
    let word = word.strip_suffix(" [invalid type]").unwrap_or(word);
    match word.strip_prefix("0x") {
        Some(digits) if digits.bytes().all(|digit| digit.is_ascii_hexdigit()) => u64::from_str_radix(digits, 16).ok(),
        Some(_) => None,
        None => word.parse().ok(),
    }
}

fn address(word: &str) -> Option<Expr> {
    if !word.bytes().all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b'.' | b':' | b'/' | b'[' | b']')) {
        return None;
    }
    match word.split_once('/') {
        None => word.parse::<IpAddr>().ok().map(Expr::Address),
        Some((address, length)) => prefix(address, length.parse().ok()?),
    }
}

/// A prefix of an address; its host bits are none.
pub(in super::super) fn prefix(address: &str, length: u8) -> Option<Expr> {
    IpNet::new(address.parse().ok()?, length).ok().map(|net| Expr::Prefix(net.trunc()))
}

fn mac(word: &str) -> Option<[u8; 6]> {
    let mut bytes = [0; 6];
    let mut parts = word.split(':');
    for byte in &mut bytes {
        *byte = u8::from_str_radix(parts.next().filter(|part| part.len() == 2)?, 16).ok()?;
    }
    parts.next().is_none().then_some(bytes)
}

/// `1:2`, both hexadecimal, as traffic control names a class.
fn class(word: &str) -> Option<u64> {
    match word {
        "none" => return Some(0),
        "root" => return Some(u64::from(u32::MAX)),
        _ => {}
    }
    let (major, minor) = word.split_once(':')?;
    let part = |text: &str| if text.is_empty() { Some(0) } else { u16::from_str_radix(text, 16).ok() };
    Some(u64::from(part(major)?) << 16 | u64::from(part(minor)?))
}

/// Milliseconds of `1d2h3m4s5ms`.
pub(in super::super) fn duration_ms(word: &str) -> Option<u64> {
    if word.is_empty() {
        return None;
    }
    let (mut total, mut rest) = (0_u64, word);
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (count, tail) = rest.split_at_checked(digits)?;
        let letters = tail.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, tail) = tail.split_at_checked(letters)?;
        let unit = match unit {
            "w" => 604_800_000,
            "d" => 86_400_000,
            "h" => 3_600_000,
            "m" => 60_000,
            "s" | "" => 1000,
            "ms" => 1,
            _ => return None,
        };
        total = total.checked_add(count.parse::<u64>().ok()?.checked_mul(unit)?)?;
        rest = tail;
    }
    Some(total)
}

/// Seconds since midnight of `HH:MM` or `HH:MM:SS`. The dump shows the local time of the machine; it is taken as UTC.
fn hour(word: &str) -> Option<u64> {
    let mut parts = word.split(':').map(|part| part.parse::<u64>().ok().filter(|part| *part < 60));
    let (hours, minutes) = (parts.next()??, parts.next()??);
    let seconds = parts.next().unwrap_or(Some(0))?;
    (hours < 24 && parts.next().is_none()).then_some(hours * 3600 + minutes * 60 + seconds)
}

/// Nanoseconds since 1970 of `YYYY-MM-DD` or `YYYY-MM-DD HH:MM:SS`, taken as UTC.
fn date(word: &str) -> Option<u64> {
    let (day, time) = word.split_once(' ').unwrap_or((word, "00:00"));
    let mut parts = day.split('-').map(|part| part.parse::<u64>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    if parts.next().is_some()
        || !(1970..=9999).contains(&year)
        || !(1..=12).contains(&month)
        || !(1..=31).contains(&day)
    {
        return None;
    }
    // Days of the Gregorian calendar, with years that begin in March.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 1;
    Some((days.checked_sub(719_468)? * 86_400 + hour(time)?) * 1_000_000_000)
}
