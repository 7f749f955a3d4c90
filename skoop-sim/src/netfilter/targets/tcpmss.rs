//! `TCPMSS` and `TCPOPTSTRIP` (`net/netfilter/xt_TCPMSS.c`, xt_TCPOPTSTRIP.c): options of the TCP header. Where they are not known, they
//! stay unknown.

use skoop_model::{Bytes, Family, Packet};

use super::{Applied, Effect};
use crate::netfilter::args::{Args, byte};
use crate::netfilter::run::Run;
use crate::netfilter::table::RuleId;

const END: u8 = 0;
const NOP: u8 = 1;
const MSS: u8 = 2;

#[derive(Debug)]
pub(crate) enum TcpMss {
    /// This, or less.
    Set(u16),
    /// What the path takes, in both directions: not modelled beyond that it is then not known.
    Clamp,
}

impl Applied for TcpMss {
    fn parse(args: Args<'_>) -> Option<Self> {
        let mut parsed = None;
        for arg in args {
            arg.plain()?;
            parsed = Some(match arg.name {
                "--set-mss" => Self::Set(arg.parsed()?),
                "--clamp-mss-to-pmtu" => arg.flag().map(|()| Self::Clamp)?,
                _ => return None,
            });
        }
        parsed
    }

    fn apply(&self, run: &mut Run<'_>, rule: RuleId) -> Effect {
        let Some(options) = known_options(run.packet) else { return Effect::Continue };
        let changed = match self {
            Self::Clamp => None,
            Self::Set(most) => match limited(&options.0, *most, run.packet) {
                None => return Effect::Continue,
                changed => changed,
            },
        };
        let longer = changed.as_ref().map_or(0, |changed| changed.len().saturating_sub(options.0.len()));
        run.rewrite(rule, |packet| {
            packet.length_bytes = packet.length_bytes.saturating_add(u32::try_from(longer).unwrap_or(0));
            if let Some(details) = &mut packet.details {
                details.tcp_options = changed.map(Bytes);
            }
        });
        Effect::Continue
    }
}

fn known_options(packet: &Packet) -> Option<&Bytes> {
    packet.tcp_flags()?;
    packet.details.as_ref()?.tcp_options.as_ref()
}

/// Options with an MSS of at most `most`; none if they stay. "Never increase MSS"; a header without the option gets one, if no data
/// follows it.
fn limited(options: &[u8], most: u16, packet: &Packet) -> Option<Vec<u8>> {
    let mut changed = options.to_vec();
    for (at, length) in places(options) {
        if length == 4
            && options.get(at) == Some(&MSS)
            && let Some([high, low]) = changed.get_mut(at + 2..at + 4)
        {
            if u16::from_be_bytes([*high, *low]) <= most {
                return None;
            }
            [*high, *low] = most.to_be_bytes();
            return Some(changed);
        }
    }
    let (header, usual) = if packet.family() == Family::V4 { (40, 536) } else { (60, 1220) };
    if options.len() > 36 || packet.length_bytes > u32::try_from(options.len()).unwrap_or(0) + header {
        return None;
    }
    let [high, low] = most.min(usual).to_be_bytes();
    Some([&[MSS, 4, high, low], options].concat())
}

/// Where options begin, and their lengths (`optlen`).
fn places(options: &[u8]) -> impl Iterator<Item = (usize, usize)> {
    let length = |at: usize| {
        let kind = options.get(at).copied()?;
        let length = options.get(at + 1).copied().unwrap_or(0);
        let length = if matches!(kind, END | NOP) || length == 0 { 1 } else { usize::from(length) };
        (at + length <= options.len()).then_some((at, length))
    };
    std::iter::successors(length(0), move |(at, size)| length(at + size))
}

/// Options that are overwritten with padding, by number.
#[derive(Debug)]
pub(crate) struct TcpOptStrip(Vec<u8>);

/// Options by name (`libxt_TCPOPTSTRIP.c`).
const NAMES: [(&str, u8); 6] =
    [("mss", MSS), ("wscale", 3), ("sack-permitted", 4), ("sack", 5), ("timestamp", 8), ("md5", 19)];

impl Applied for TcpOptStrip {
    fn parse(mut args: Args<'_>) -> Option<Self> {
        let arg = args.next().filter(|arg| arg.name == "--strip-options" && !arg.negated)?;
        let option = |text: &str| {
            let named = NAMES.iter().find(|(name, _)| *name == text).map(|(_, number)| *number);
            named.or_else(|| byte(text))
        };
        let options = arg.value()?.split(',').map(option).collect::<Option<_>>()?;
        args.next().is_none().then_some(Self(options))
    }

    fn apply(&self, run: &mut Run<'_>, rule: RuleId) -> Effect {
        let Some(options) = known_options(run.packet) else { return Effect::Continue };
        let mut changed = options.0.clone();
        for (at, length) in places(&options.0) {
            if options.0.get(at).is_some_and(|kind| self.0.contains(kind))
                && let Some(bytes) = changed.get_mut(at..at + length)
            {
                bytes.fill(NOP);
            }
        }
        if changed != options.0 {
            run.rewrite(rule, |packet| {
                if let Some(details) = &mut packet.details {
                    details.tcp_options = Some(Bytes(changed));
                }
            });
        }
        Effect::Continue
    }
}
