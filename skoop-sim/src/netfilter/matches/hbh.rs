//! `hbh` and `dst` (`net/ipv6/netfilter/ip6t_hbh.c`): hop-by-hop and destination options.

use super::Matcher;
use super::shared::{Header, extension, extension_length};
use crate::Tri;
use crate::netfilter::args::{Args, byte, number};
use crate::netfilter::run::Run;

const HOP_BY_HOP: u8 = 0;
const DESTINATION: u8 = 60;

#[derive(Debug)]
pub(crate) struct Hbh(Options);

#[derive(Debug)]
pub(crate) struct Dst(Options);

#[derive(Debug)]
struct Options {
    length: Option<(u32, bool)>,
    /// Type, and length if it counts, of the first options.
    wanted: Option<Vec<(u8, Option<u8>)>>,
}

impl Matcher for Hbh {
    fn parse(args: Args<'_>) -> Option<Self> {
        Options::parse(args, "--hbh-len", "--hbh-opts").map(Self)
    }

    fn eval(&self, run: &Run<'_>) -> Tri {
        self.0.eval(run, HOP_BY_HOP)
    }
}

impl Matcher for Dst {
    fn parse(args: Args<'_>) -> Option<Self> {
        Options::parse(args, "--dst-len", "--dst-opts").map(Self)
    }

    fn eval(&self, run: &Run<'_>) -> Tri {
        self.0.eval(run, DESTINATION)
    }
}

impl Options {
    fn parse(args: Args<'_>, length: &str, options: &str) -> Option<Self> {
        let mut parsed = Self { length: None, wanted: None };
        for arg in args {
            if arg.name == length {
                parsed.length = Some((number(arg.value()?)?, arg.negated));
            } else if arg.name == options {
                arg.plain()?;
                parsed.wanted = Some(arg.value()?.split(',').map(option).collect::<Option<_>>()?);
            } else {
                return None;
            }
        }
        Some(parsed)
    }

    fn eval(&self, run: &Run<'_>, kind: u8) -> Tri {
        match extension(run.packet, kind) {
            Header::Absent => Tri::No,
            // Number 0 as protocol of the packet is "any", not the header.
            Header::Opaque if kind == HOP_BY_HOP => Tri::No,
            Header::Opaque => Tri::Maybe,
            Header::Known(bytes, _) => self.of_bytes(bytes).into(),
        }
    }

    fn of_bytes(&self, bytes: &[u8]) -> bool {
        let Some(length) = extension_length(bytes) else { return false };
        let fits = self.length.is_none_or(|(wanted, negated)| (usize::try_from(wanted) == Ok(length)) != negated);
        let Some(wanted) = &self.wanted else { return fits };
        let mut rest = bytes.get(2..length).unwrap_or_default();
        for (place, (kind, wanted_length)) in wanted.iter().enumerate() {
            if rest.first() != Some(kind) {
                return false;
            }
            let mut size = 1;
            if *kind != 0 {
                let Some(own) = rest.get(1) else { return false };
                if wanted_length.is_some_and(|wanted| wanted != *own) {
                    return false;
                }
                size = usize::from(*own) + 2;
            }
            if rest.len() < size && place + 1 < wanted.len() {
                return false;
            }
            rest = rest.get(size..).unwrap_or_default();
        }
        fits
    }
}

/// `TYPE[:LENGTH]`; length 255 is any.
fn option(text: &str) -> Option<(u8, Option<u8>)> {
    match text.split_once(':') {
        None => Some((byte(text)?, None)),
        Some((kind, length)) => Some((byte(kind)?, Some(byte(length)?).filter(|length| *length != 255))),
    }
}
