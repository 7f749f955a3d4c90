//! No option, however odd, and no packet, however broken, makes a match panic.

use skoop_model::{Bytes, Details, ExtensionHeader, Fragment, Packet, Protocol, SctpChunk, Transport};

use super::super::{JUDGED, Match};
use super::{Mark, dns, ping, sctp, v6, web};
use crate::netfilter::testkit::{FORWARDED, no_rules, stops};
use crate::netfilter::{Netfilter, testkit::table};
use skoop_model::{Family, Item, NetfilterDumps};

/// Numbers that repeat (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % end as u64).expect("a small number")
    }

    fn of<'t>(&mut self, all: &[&'t str]) -> &'t str {
        all[self.below(all.len())]
    }

    fn bytes(&mut self) -> Bytes {
        let count = self.below(70);
        (0..count).map(|_| u8::try_from(self.below(256)).expect("a byte")).collect::<Vec<u8>>().into()
    }
}

/// Options of all matches, as they stand in this crate.
fn options() -> Vec<&'static str> {
    let sources =
        [include_str!("../tests.rs"), include_str!("headers.rs"), include_str!("payload.rs"), include_str!("state.rs")];
    let words = sources.iter().flat_map(|text| text.split(['"', ' ', '\\']));
    let mut found: Vec<_> = words.filter(|word| word.starts_with("--")).collect();
    found.sort_unstable();
    found.dedup();
    found
}

const VALUES: [&str; 24] = [
    "0",
    "1",
    "-1",
    "255",
    "65535",
    "65536",
    "0xffffffff",
    "4294967296",
    "0:",
    ":0",
    "9:1",
    "a,b",
    "10.0.0.1",
    "fd00::/200",
    "0.0.0.0-255.255.255.255",
    "any",
    "src,dst,src,dst",
    "|zz|",
    "|",
    "0>>40&0@0xffffffff@4=0",
    "0<<33=1,2:3",
    "&&",
    "1,0 0 0 0",
    "3,40 0 0 4294967295,52 0 0 0,22 0 0 0",
];

fn packet(random: &mut Random) -> Packet {
    let mut packet = match random.below(5) {
        0 => web(),
        1 => dns(),
        2 => ping(),
        3 => sctp(),
        _ => v6(web()),
    };
    packet.mark = Mark(u32::try_from(random.below(9)).expect("a mark"));
    packet.length_bytes = [0, 1, 19, 40, 60, 1500, u32::MAX][random.below(7)];
    packet.protocol = Protocol([0, 6, 17, 33, 43, 50, 51, 58, 60, 108, 115, 132, 135, 255][random.below(14)]);
    if random.below(3) == 0 {
        packet.transport = Transport::Other;
    }
    let extension =
        ExtensionHeader { protocol: Protocol([0, 43, 51, 60, 135][random.below(5)]), bytes: random.bytes() };
    packet.details = Some(Box::new(Details {
        cited: (random.below(4) == 0).then(web),
        ip_id: Some(u32::MAX),
        ip_options: random.bytes(),
        fragment: (random.below(4) == 0).then_some(Fragment { offset_bytes: u32::MAX, more: true }),
        extensions: vec![extension],
        tcp_options: Some(random.bytes()),
        payload: Some(random.bytes()),
        sctp_chunks: Some(vec![SctpChunk { kind: 255, flags: 255, length_bytes: Some(u16::MAX) }]),
        spi: Some(7),
        ..Details::default()
    }));
    packet
}

#[test]
fn nothing_panics() {
    let (options, mut random) = (options(), Random(0x9e37_79b9));
    assert!(options.len() > 120, "{}", options.len());
    for round in 0..3000 {
        let name = JUDGED[round % JUDGED.len()];
        let mut text = format!("-m {name}");
        for _ in 0..random.below(4) {
            let negation = if random.below(4) == 0 { "! " } else { "" };
            text += &format!(" {negation}{}", random.of(&options));
            for _ in 0..random.below(3) {
                text += &format!(" \"{}\"", random.of(&VALUES));
            }
        }
        let packet = packet(&mut random);
        let item = Item::known(0, table("filter", &[&format!("-A FORWARD {text} -j DROP")]));
        let dumps = if packet.family() == Family::V4 {
            NetfilterDumps { nft_v4: item, ..no_rules() }
        } else {
            NetfilterDumps { nft_v6: item, ..no_rules() }
        };
        stops(&Netfilter::compile(&dumps), &packet, &FORWARDED);
    }
    // A match of a table of 100 000 rules has to be small.
    assert!(size_of::<Match>() <= 64, "{}", size_of::<Match>());
}
