//! Options of one match or target.

use std::net::IpAddr;
use std::str::FromStr;

use skoop_model::{Family, PortRange};

use super::words::Word;

/// The options that follow `-m NAME` or `-j NAME`.
#[derive(Debug, Clone)]
pub(crate) struct Args<'w> {
    /// Family of the rule.
    pub family: Family,
    words: &'w [Word<'w>],
}

/// One option with its values.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arg<'w> {
    /// `--dport`.
    pub name: &'w str,
    /// A `!` stood before it.
    pub negated: bool,
    values: &'w [Word<'w>],
}

impl<'w> Args<'w> {
    pub(crate) fn new(family: Family, words: &'w [Word<'w>]) -> Self {
        Self { family, words }
    }
}

impl<'w> Iterator for Args<'w> {
    type Item = Arg<'w>;

    /// The next option. A word that is no option becomes an option with a name that no extension knows.
    fn next(&mut self) -> Option<Arg<'w>> {
        let (first, mut rest) = self.words.split_first()?;
        let mut name = first;
        let negated = first.is("!");
        if negated && let Some((second, after)) = rest.split_first() {
            (name, rest) = (second, after);
        }
        let count = rest.iter().position(|word| word.is("!") || word.is_option()).unwrap_or(rest.len());
        let (values, rest) = rest.split_at_checked(count)?;
        self.words = rest;
        let name = if name.is_option() { name.text.as_ref() } else { "" };
        Some(Arg { name, negated, values })
    }
}

impl<'w> Arg<'w> {
    /// The only value.
    pub(crate) fn value(&self) -> Option<&'w str> {
        match self.values {
            [only] => Some(&only.text),
            _ => None,
        }
    }

    /// The values, if there are two.
    pub(crate) fn two_values(&self) -> Option<(&'w str, &'w str)> {
        match self.values {
            [first, second] => Some((&first.text, &second.text)),
            _ => None,
        }
    }

    /// Nothing, for an option that takes no value and has none.
    pub(crate) fn flag(&self) -> Option<()> {
        self.values.is_empty().then_some(())
    }

    /// Nothing, if no `!` stood before the option.
    pub(crate) fn plain(&self) -> Option<()> {
        (!self.negated).then_some(())
    }

    /// The only value, parsed.
    pub(crate) fn parsed<T: FromStr>(&self) -> Option<T> {
        self.value()?.parse().ok()
    }
}

/// A number as iptables reads it: decimal, `0x…` or `0…`.
pub(crate) fn number(text: &str) -> Option<u32> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => u32::from_str_radix(hex, 16).ok(),
        None if text.len() > 1 && text.starts_with('0') => u32::from_str_radix(text, 8).ok(),
        None => text.parse().ok(),
    }
}

/// A number of one byte.
pub(crate) fn byte(text: &str) -> Option<u8> {
    number(text)?.try_into().ok()
}

/// `VALUE[/MASK]`, with `mask` where none is given.
pub(crate) fn masked(text: &str, mask: u32) -> Option<(u32, u32)> {
    match text.split_once('/') {
        Some((value, mask)) => Some((number(value)?, number(mask)?)),
        None => Some((number(text)?, mask)),
    }
}

/// Ports by the names that `iptables-save -n` does not print but rule files may hold (`/etc/services`).
const SERVICES: [(&str, u16); 8] = [
    ("ssh", 22),
    ("domain", 53),
    ("http", 80),
    ("ntp", 123),
    ("https", 443),
    ("bootps", 67),
    ("bootpc", 68),
    ("sunrpc", 111),
];

/// One port.
pub(crate) fn port(text: &str) -> Option<u16> {
    text.parse().ok().or_else(|| SERVICES.iter().find(|(name, _)| *name == text).map(|(_, port)| *port))
}

/// `FIRST[:LAST]`; a missing end is the end of all ports (`xtables_parse_port_range`).
pub(crate) fn ports(text: &str, separator: char) -> Option<PortRange> {
    let (first, last) = match text.split_once(separator) {
        None => (port(text)?, port(text)?),
        Some((first, last)) => {
            (if first.is_empty() { 0 } else { port(first)? }, if last.is_empty() { u16::MAX } else { port(last)? })
        }
    };
    (first <= last).then_some(PortRange { first: first.into(), last: last.into() })
}

/// `FIRST[-LAST]` of addresses of a family.
pub(crate) fn addresses(text: &str, family: Family) -> Option<(IpAddr, IpAddr)> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last): (IpAddr, IpAddr) = (first.parse().ok()?, last.parse().ok()?);
    (Family::of(first) == family && Family::of(last) == family && first <= last).then_some((first, last))
}

#[cfg(test)]
mod tests {
    use super::super::words::Words;
    use super::*;

    #[test]
    fn options_take_their_values() {
        let words: Vec<_> = Words::new(r#"--a 1 ! --b x y "--c" ! --flag stray"#).collect();
        let found: Vec<_> =
            Args::new(Family::V4, &words).map(|arg| (arg.name, arg.negated, arg.values.len())).collect();
        assert_eq!(found, [("--a", false, 1), ("--b", true, 3), ("--flag", true, 1)]);
        let stray: Vec<_> = Words::new("stray !").collect();
        assert_eq!(Args::new(Family::V4, &stray).map(|arg| arg.name).collect::<Vec<_>>(), ["", ""]);
    }

    #[test]
    fn numbers_are_read_as_c_reads_them() {
        assert_eq!(
            [number("0x10"), number("010"), number("10"), number("0"), number("x")],
            [Some(16), Some(8), Some(10), Some(0), None]
        );
        assert_eq!(masked("0x1/0xff", u32::MAX), Some((1, 255)));
        assert_eq!(ports("80:", ':').map(|range| range.last.0), Some(u16::MAX));
        assert_eq!(ports("90:80", ':'), None);
    }
}
