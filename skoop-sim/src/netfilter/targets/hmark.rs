//! `HMARK` (`net/netfilter/xt_HMARK.c`): a hash over the flow becomes the packet's mark.

use skoop_model::{Family, Mark, Protocol, Transport};

use super::{Applied, Effect};
use crate::conntrack::jhash;
use crate::netfilter::args::{Args, number};
use crate::netfilter::common::{Net, bits};
use crate::netfilter::run::Run;
use crate::netfilter::table::RuleId;

#[derive(Debug, Default)]
pub(crate) struct Hmark {
    source_mask: u128,
    destination_mask: u128,
    /// Masks of source and destination port.
    port_masks: (u16, u16),
    /// What is set in them.
    port_bits: (u16, u16),
    protocol_mask: u8,
    seed: u32,
    modulus: u32,
    offset: u32,
    /// Addresses and ports are those of the flow: where it comes from, and where its answers come from.
    of_flow: bool,
}

/// What is hashed (`struct hmark_tuple`).
#[derive(Default)]
struct Hashed {
    source: u128,
    destination: u128,
    ports: Option<(u16, u16)>,
    protocol: u8,
}

const ESP: Protocol = Protocol(50);
const AH: Protocol = Protocol(51);
/// Protocols with ports (`proto_ports_offset`): TCP, UDP, DCCP, SCTP, UDP-Lite.
const WITH_PORTS: [u8; 5] = [6, 17, 33, 132, 136];

impl Applied for Hmark {
    /// Security parameter indexes are ports of 32 bits. A mask of a byte is as good as one of two for a protocol.
    fn parse(args: Args<'_>) -> Option<Self> {
        let family = args.family;
        let mut parsed = Self::default();
        for arg in args {
            arg.plain()?;
            let value = arg.value()?;
            let long = || number(value);
            let short = || number(value).and_then(|number| u16::try_from(number).ok());
            let prefix = || mask(value, family);
            match arg.name {
                "--hmark-src-prefix" => parsed.source_mask = prefix()?,
                "--hmark-dst-prefix" => parsed.destination_mask = prefix()?,
                "--hmark-sport-mask" => parsed.port_masks.0 = short()?,
                "--hmark-dport-mask" => parsed.port_masks.1 = short()?,
                "--hmark-sport" => parsed.port_bits.0 = short()?,
                "--hmark-dport" => parsed.port_bits.1 = short()?,
                "--hmark-spi-mask" => parsed.port_masks = halves(long()?),
                "--hmark-spi" => parsed.port_bits = halves(long()?),
                "--hmark-proto-mask" => parsed.protocol_mask = long()?.to_le_bytes()[0],
                "--hmark-rnd" => parsed.seed = long()?,
                "--hmark-mod" => parsed.modulus = long()?,
                "--hmark-offset" => parsed.offset = long()?,
                "--hmark-tuple" => {
                    for word in value.split(',') {
                        parsed.take(word, family)?;
                    }
                }
                _ => return None,
            }
        }
        (parsed.modulus > 0).then_some(parsed)
    }

    fn apply(&self, run: &mut Run<'_>, rule: RuleId) -> Effect {
        let hashed = match self.hashed(run) {
            Ok(Some(hashed)) => hashed,
            Ok(None) => return Effect::Continue,
            Err(reason) => return Effect::Opaque(format!("target `HMARK`: {reason}").into()),
        };
        run.set_mark(Mark(self.mark(&hashed)), rule);
        Effect::Continue
    }
}

impl Hmark {
    fn take(&mut self, word: &str, family: Family) -> Option<()> {
        let all = u128::MAX >> (128 - u32::from(family.bits()));
        match word {
            "ct" => self.of_flow = true,
            "src" => self.source_mask = all,
            "dst" => self.destination_mask = all,
            "sport" => self.port_masks.0 = u16::MAX,
            "dport" => self.port_masks.1 = u16::MAX,
            "spi" => self.port_masks = (u16::MAX, u16::MAX),
            "proto" => self.protocol_mask = u8::MAX,
            _ => return None,
        }
        Some(())
    }

    /// None where the mark stays as it is.
    fn hashed(&self, run: &Run<'_>) -> Result<Option<Hashed>, &'static str> {
        if self.of_flow {
            let Some((flow, ..)) = run.conntrack.of_packet(run.state) else { return Ok(None) };
            let (original, reply) = (flow.original, flow.reply);
            let ports = Some((original.sport().unwrap_or(0), reply.sport().unwrap_or(0)));
            return Ok(Some(Hashed {
                source: bits(original.src),
                destination: bits(reply.src),
                ports: ports.filter(|_| original.protocol != Protocol::ICMP),
                protocol: original.protocol.0,
            }));
        }
        let mut packet = &*run.packet;
        if is_error(packet) {
            let cited = packet.details.as_ref().and_then(|details| details.cited.as_ref());
            packet = cited.ok_or("the packet that the ICMP error cites is not known")?;
        }
        let wants_ports = (self.port_masks, self.port_bits) != ((0, 0), (0, 0));
        if wants_ports && matches!(packet.protocol, ESP | AH) {
            let spi = packet.details.as_ref().and_then(|details| details.spi);
            let ports = spi.map(halves).ok_or("the security parameter index is not known")?;
            return Ok(Some(Hashed {
                source: bits(packet.src),
                destination: bits(packet.dst),
                ports: Some(ports),
                protocol: packet.protocol.0,
            }));
        }
        let ports = packet.sport().zip(packet.dport()).map(|(sport, dport)| (sport.0, dport.0));
        Ok(Some(Hashed {
            source: bits(packet.src),
            destination: bits(packet.dst),
            ports: ports.filter(|_| WITH_PORTS.contains(&packet.protocol.0)),
            protocol: packet.protocol.0,
        }))
    }

    /// `hmark_hash`.
    fn mark(&self, hashed: &Hashed) -> u32 {
        let source = folded(hashed.source & self.source_mask);
        let destination = folded(hashed.destination & self.destination_mask);
        let ports = hashed.ports.map_or(0, |(sport, dport)| {
            let sport = u32::from((sport & self.port_masks.0) | self.port_bits.0);
            let dport = u32::from((dport & self.port_masks.1) | self.port_bits.1);
            (sport.max(dport) << 16) | sport.min(dport)
        });
        let words = [source.min(destination), source.max(destination), ports];
        let hash = jhash::three(words, self.seed) ^ u32::from(hashed.protocol & self.protocol_mask);
        jhash::scaled(hash, self.modulus).wrapping_add(self.offset)
    }
}

fn is_error(packet: &skoop_model::Packet) -> bool {
    match packet.transport {
        Transport::Icmp { kind, .. } if packet.dst.is_ipv4() => matches!(kind, 3 | 4 | 5 | 11 | 12),
        Transport::Icmp { kind, .. } => (1..128).contains(&kind),
        _ => false,
    }
}

/// The words of an address laid over one another (`hmark_addr6_mask`); one of IPv4 is one word.
fn folded(address: u128) -> u32 {
    let word = |place: u32| u32::try_from((address >> (32 * place)) & u128::from(u32::MAX)).unwrap_or(0);
    word(0) ^ word(1) ^ word(2) ^ word(3)
}

fn halves(word: u32) -> (u16, u16) {
    let [a, b, c, d] = word.to_be_bytes();
    (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]))
}

/// The mask of a prefix length, or a mask as it is.
fn mask(text: &str, family: Family) -> Option<u128> {
    let any = if family == Family::V4 { "0.0.0.0" } else { "::" };
    Net::parse(&format!("{any}/{text}"), family).map(|net| net.mask)
}
