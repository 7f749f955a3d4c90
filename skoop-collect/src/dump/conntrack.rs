//! Connections: `conntrack -L`, with and without `-o extended`, and `/proc/net/nf_conntrack`
//! (`ct_seq_show` in `net/netfilter/nf_conntrack_standalone.c`).

use std::net::{IpAddr, Ipv4Addr};

use skoop_model::{
    ConntrackEntry, ConntrackStatus, ConntrackTable, ConntrackTuple, Item, Mark, Port, Protocol, Sysctls,
};

use super::Reader;
use super::fields::number;

const FILE: &str = "conntrack.txt";

/// The entries, in the order of the dump.
pub(super) fn read(reader: &mut Reader<'_>, sysctls: Option<&Sysctls>) -> Item<ConntrackTable> {
    let text = match reader.text(FILE) {
        Ok(text) => text,
        Err(why) => return Item::Unavailable(why),
    };
    let limit =
        |name: &str| sysctls?.number(&format!("net/netfilter/{name}")).and_then(|value| u64::try_from(value).ok());
    let mut table = ConntrackTable {
        count: limit("nf_conntrack_count"),
        max: limit("nf_conntrack_max"),
        ..ConntrackTable::default()
    };
    for (position, line) in text.lines().enumerate() {
        // How many were shown is told on standard error.
        if line.trim().is_empty() || line.starts_with("conntrack v") {
            continue;
        }
        match entry(line) {
            Ok(entry) => table.entries.push(entry),
            Err(why) => {
                reader.problem(FILE, position + 1, why.clone());
                if table.problems.len() < super::MOST_PROBLEMS {
                    table.problems.push(format!("line {}: {why}", position + 1));
                }
            }
        }
    }
    reader.known(table)
}

/// One direction while it is read.
#[derive(Clone, Copy)]
struct Half {
    tuple: ConntrackTuple,
    kind: Option<u8>,
    code: Option<u8>,
    packets: Option<u64>,
    bytes: Option<u64>,
}

const EMPTY: Half = Half {
    tuple: ConntrackTuple {
        src: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        dst: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        sport: Port(0),
        dport: Port(0),
    },
    kind: None,
    code: None,
    packets: None,
    bytes: None,
};

/// `[ipv4 2] tcp 6 [timeout] [STATE] src=… dst=… sport=… dport=… [UNREPLIED] src=… … [ASSURED] mark=… zone=… helper=…`
fn entry(line: &str) -> Result<ConntrackEntry, String> {
    let mut words = line.split_ascii_whitespace().peekable();
    if words.next_if(|word| *word == "ipv4" || *word == "ipv6").is_some() {
        words.next();
    }
    let _name = words.next().ok_or("no protocol")?;
    let protocol = words.next().and_then(|word| word.parse().ok()).map(Protocol).ok_or("no protocol number")?;
    let timeout_s =
        words.next_if(|word| word.bytes().all(|byte| byte.is_ascii_digit())).and_then(|word| word.parse().ok());
    let mut entry = ConntrackEntry {
        protocol,
        zone: 0,
        original: EMPTY.tuple,
        reply: EMPTY.tuple,
        status: ConntrackStatus::CONFIRMED | ConntrackStatus::SEEN_REPLY,
        mark: Mark(0),
        state: None,
        timeout_s,
        helper: None,
        labels: 0,
        packets: None,
        bytes: None,
    };
    let mut halves: Vec<Half> = Vec::with_capacity(2);
    for word in words {
        match word.split_once('=') {
            Some((key, value)) => field(&mut entry, &mut halves, key, value)?,
            None => switch(&mut entry, word),
        }
    }
    let [original, reply] = halves.as_slice() else { return Err("not two directions".to_owned()) };
    entry.original = tuple(original);
    entry.reply = tuple(reply);
    entry.packets = original.packets.zip(reply.packets).map(|(there, back)| [there, back]);
    entry.bytes = original.bytes.zip(reply.bytes).map(|(there, back)| [there, back]);
    entry.status = entry.status | translation(&entry);
    Ok(entry)
}

fn switch(entry: &mut ConntrackEntry, word: &str) {
    match word {
        "[UNREPLIED]" => entry.status = ConntrackStatus(entry.status.0 & !ConntrackStatus::SEEN_REPLY.0),
        "[ASSURED]" => entry.status = entry.status | ConntrackStatus::ASSURED,
        "[OFFLOAD]" | "[HW_OFFLOAD]" => entry.status = entry.status | ConntrackStatus::OFFLOAD,
        _ if word.starts_with('[') => {}
        state => {
            if entry.state.is_none() {
                entry.state = Some(state.to_owned());
            }
        }
    }
}

fn field(entry: &mut ConntrackEntry, halves: &mut Vec<Half>, key: &str, value: &str) -> Result<(), String> {
    let wrong = || format!("{key}={value} is not understood");
    if key == "src" {
        if halves.len() == 2 {
            return Err("more than two directions".to_owned());
        }
        halves.push(EMPTY);
    }
    match key {
        "mark" => entry.mark = Mark(number(value).and_then(|mark| u32::try_from(mark).ok()).ok_or_else(wrong)?),
        "zone" => entry.zone = value.parse().map_err(|_| wrong())?,
        "helper" => entry.helper = Some(value.to_owned()),
        "labels" => entry.labels = labels(value),
        _ => {
            if let Some(half) = halves.last_mut() {
                direction(half, key, value).ok_or_else(wrong)?;
            }
        }
    }
    Ok(())
}

/// A field of one direction; none if it is not understood.
fn direction(half: &mut Half, key: &str, value: &str) -> Option<()> {
    match key {
        "src" => half.tuple.src = value.parse().ok()?,
        "dst" => half.tuple.dst = value.parse().ok()?,
        // The identifier of an echo stands where ports do; so does the key of GRE.
        "sport" | "id" => half.tuple.sport = Port(value.parse().ok()?),
        "dport" => half.tuple.dport = Port(value.parse().ok()?),
        "srckey" => half.tuple.sport = Port(u16::try_from(number(value)?).ok()?),
        "dstkey" => half.tuple.dport = Port(u16::try_from(number(value)?).ok()?),
        "type" => half.kind = Some(value.parse().ok()?),
        "code" => half.code = Some(value.parse().ok()?),
        "packets" => half.packets = value.parse().ok(),
        "bytes" => half.bytes = value.parse().ok(),
        _ => {}
    }
    Some(())
}

fn tuple(half: &Half) -> ConntrackTuple {
    match half.kind {
        Some(kind) => {
            ConntrackTuple { dport: Port(u16::from(kind) * 256 + u16::from(half.code.unwrap_or(0))), ..half.tuple }
        }
        None => half.tuple,
    }
}

/// The labels as `/proc` prints them, a list of hexadecimal words; names are the host's own.
fn labels(text: &str) -> u128 {
    u128::from_str_radix(text.trim_start_matches("0x"), 16).unwrap_or(0)
}

/// What NAT did to the flow, which shows where the reply is not the mirror image. That nothing more is to be decided holds for every
/// flow that is in the table, unless NAT came later.
fn translation(entry: &ConntrackEntry) -> ConntrackStatus {
    let (original, reply) = (entry.original, entry.reply);
    let has_ports = !entry.protocol.is_icmp();
    let source = original.src != reply.dst
        || if has_ports { original.sport != reply.dport } else { original.sport != reply.sport };
    let destination = original.dst != reply.src || (has_ports && original.dport != reply.sport);
    let mut status = ConntrackStatus::SRC_NAT_DONE | ConntrackStatus::DST_NAT_DONE;
    if source {
        status = status | ConntrackStatus::SRC_NAT;
    }
    if destination {
        status = status | ConntrackStatus::DST_NAT;
    }
    status
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> ConntrackEntry {
        entry(line).expect("an entry")
    }

    #[test]
    fn all_layouts_are_the_same_entry() {
        let rest = "src=10.0.0.1 dst=10.96.0.1 sport=4000 dport=443 src=10.0.1.2 dst=10.0.0.1 sport=6443 dport=4000 [ASSURED] mark=7";
        let plain = read(&format!("tcp      6 431999 ESTABLISHED {rest} use=1"));
        assert_eq!(plain, read(&format!("ipv4     2 tcp      6 431999 ESTABLISHED {rest} zone=0 use=2")));
        assert_eq!(plain.state.as_deref(), Some("ESTABLISHED"));
        assert_eq!(plain.timeout_s, Some(431_999));
        assert_eq!(plain.mark, Mark(7));
        assert_eq!(plain.reply.sport, Port(6443));
        assert!(
            plain.status.contains(ConntrackStatus::DST_NAT | ConntrackStatus::ASSURED | ConntrackStatus::SEEN_REPLY)
        );
        assert!(!plain.status.contains(ConntrackStatus::SRC_NAT));
    }

    #[test]
    fn echoes_unreplied_flows_and_counters() {
        let echo = read(
            "icmp     1 29 src=10.0.0.1 dst=10.0.0.2 type=8 code=0 id=77 [UNREPLIED] src=10.0.0.2 dst=10.0.0.1 type=0 code=0 id=77 mark=0 use=1",
        );
        assert_eq!((echo.original.sport, echo.original.dport, echo.reply.dport), (Port(77), Port(8 * 256), Port(0)));
        assert!(!echo.status.contains(ConntrackStatus::SEEN_REPLY));
        let counted = read(
            "udp      17 20 src=fd00::1 dst=fd00::2 sport=1 dport=2 packets=3 bytes=4 src=fd00::2 dst=fd00::1 sport=2 dport=1 packets=5 bytes=6 mark=0 zone=9 helper=tftp use=1",
        );
        assert_eq!((counted.packets, counted.bytes, counted.zone), (Some([3, 5]), Some([4, 6]), 9));
        assert_eq!(counted.helper.as_deref(), Some("tftp"));
        let offloaded = read(
            "tcp 6 src=1.1.1.1 dst=2.2.2.2 sport=1 dport=2 src=2.2.2.2 dst=1.1.1.1 sport=2 dport=1 [OFFLOAD] mark=0 use=3",
        );
        assert_eq!((offloaded.timeout_s, offloaded.state), (None, None));
    }

    #[test]
    fn what_is_no_entry_is_said_to_be_none() {
        for line in ["tcp", "tcp six", "tcp 6 5 src=x", "tcp 6 5 src=1.1.1.1 dst=2.2.2.2 sport=1 dport=2"] {
            assert!(entry(line).is_err(), "{line}");
        }
    }
}
