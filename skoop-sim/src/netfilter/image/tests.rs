use skoop_model::{Details, Encap, Fragment, Mark, Packet, Vni};

use super::*;
use crate::netfilter::testkit::{icmp, ip, syn, udp};

fn web() -> Packet {
    syn("10.0.0.5", 4000, "10.96.0.1", 443)
}

#[test]
fn headers_are_where_linux_has_them() {
    let image = Image::of(&Packet { tos: 0x10, mark: Mark(1), ..web() });
    for (base, offset, length, wanted) in [
        (Base::Network, 0, 8, Some(0x45)),
        (Base::Network, 8, 8, Some(0x10)),
        (Base::Network, 16, 16, Some(60)),
        (Base::Network, 32, 16, None),
        (Base::Network, 48, 16, Some(0x4000)),
        (Base::Network, 64, 16, Some(0x4006)),
        (Base::Network, 96, 64, Some(0x0a00_0005_0a60_0001)),
        (Base::Transport, 0, 32, Some(0x0fa0_01bb)),
        (Base::Transport, 106, 6, Some(2)),
        (Base::Transport, 96, 4, None),
        (Base::Link, 0, 8, None),
    ] {
        assert_eq!(image.bits(base, offset, length), wanted, "{base:?} {offset} {length}");
    }
    assert_eq!(image.read(Base::Network, 60 * 8 - 8, 8).map(|seen| seen.known), Some(0));
    assert_eq!(image.read(Base::Network, 60 * 8 - 7, 8), None, "behind the end");
    assert_eq!(image.read(Base::Inner, 0, 8).map(|seen| seen.known), Some(0), "options are not known");
}

#[test]
fn what_details_say_is_known() {
    let details = Details {
        ip_id: Some(0x1234),
        tcp_options: Some(vec![2, 4, 5, 0xb4].into()),
        payload: Some(b"GET".to_vec().into()),
        window: Some(7),
        ..Details::default()
    };
    let image = Image::of(&Packet { details: Some(Box::new(details)), ..web() });
    assert_eq!(image.bits(Base::Transport, 96, 4), Some(6));
    assert_eq!(image.bits(Base::Transport, 160, 32), Some(0x0204_05b4));
    assert_eq!(image.bits(Base::Inner, 0, 24), Some(0x0047_4554));
    assert!(image.bits(Base::Network, 80, 16).is_some(), "the checksum follows from the rest");

    let place = Fragment { offset_bytes: 1480, more: false };
    let later = Details { fragment: Some(place), ..Details::default() };
    let image = Image::of(&Packet { details: Some(Box::new(later)), dont_fragment: false, ..web() });
    assert_eq!(image.bits(Base::Network, 48, 16), Some(185));
    assert_eq!(image.read(Base::Transport, 0, 16), None);
}

#[test]
fn packets_in_packets() {
    let frame = skoop_model::Frame {
        src_mac: "02:00:00:00:00:01".parse().expect("a MAC address"),
        dst_mac: "02:00:00:00:00:02".parse().expect("a MAC address"),
        packet: web(),
    };
    let outer =
        Packet { encap: Some(Box::new(Encap { vni: Vni(0x1000), frame })), ..udp("1.1.1.1", 5, "2.2.2.2", 8472) };
    let image = Image::of(&outer);
    assert_eq!(image.bits(Base::Inner, 0, 64), Some(0x0800_0000_0010_0000));
    assert_eq!(image.bits(Base::Inner, 64 + 96, 16), Some(0x0800));
    assert_eq!(image.bits(Base::Inner, 64 + 112, 8), Some(0x45));

    let error = Packet {
        details: Some(Box::new(Details { cited: Some(web()), ..Details::default() })),
        ..icmp("10.0.0.9", "10.0.0.5", 3, 3)
    };
    assert_eq!(Image::of(&error).bits(Base::Inner, 96, 32), Some(0x0a00_0005));

    let six = Packet { src: ip("fd00::1"), dst: ip("fd00::2"), ..web() };
    let image = Image::of(&six);
    assert_eq!((image.bits(Base::Network, 48, 8), image.bits(Base::Transport, 0, 16)), (Some(6), Some(4000)));
    assert_eq!(image.bits(Base::Network, 12, 20), None);
}

#[test]
fn partly_known_numbers() {
    let seen = Seen { value: 0b1010_0000, known: 0b1111_0000, width: 8 };
    assert_eq!(seen.within(0xa0, 0xaf), Tri::Yes);
    assert_eq!(seen.within(0xb0, 0xff), Tri::No);
    assert_eq!(seen.is(0xa3), Tri::Maybe);
    assert_eq!(seen.is(0x83), Tri::No);
    assert_eq!(seen.right(4).exact(), Some(0xa));
    assert_eq!(seen.masked(0xf0).exact(), Some(0xa0));
    assert_eq!(seen.left(4).exact(), None);
    assert_eq!(Seen::whole(3, 8).left(7).exact(), Some(0x80));
    assert_eq!(Seen::unknown(8).is(1), Tri::Maybe);
}
