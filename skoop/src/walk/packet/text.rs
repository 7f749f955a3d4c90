//! The short form of a packet: `eth0: tcp 10.0.0.1:4000 > 10.96.0.1:443 [syn ttl=64 mark=0x10]`.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use skoop_model::{Port, Protocol};

use super::{FIELDS, PacketError, WalkEncap, WalkPacket, WalkState, WalkTunnel, flags, has_ports, lenient};

/// `[DEVICE:] PROTOCOL [SOURCE] > DESTINATION [WORDS]`. `local:`, `out:` or no device: sent by this namespace.
impl FromStr for WalkPacket {
    type Err = PacketError;

    fn from_str(text: &str) -> Result<Self, PacketError> {
        let (head, options) = split_options(text.trim())?;
        let (from, to) =
            head.split_once('>').ok_or_else(|| PacketError::new("no `>` between source and destination"))?;
        let mut words = from.split_whitespace();
        let mut word = words.next().ok_or_else(|| PacketError::new("no protocol"))?;
        let mut device = None;
        if let Some(name) = word.strip_suffix(':') {
            device = (!["local", "out", ""].contains(&name)).then(|| name.to_owned());
            word = words.next().ok_or_else(|| PacketError::new("no protocol"))?;
        }
        let proto: Protocol = word.parse().map_err(|_| PacketError::new(format!("`{word}` is no IP protocol")))?;
        let source = words.next();
        if let Some(more) = words.next() {
            return Err(PacketError::new(format!("`{more}` stands where `>` should")));
        }
        let source = source.filter(|source| *source != "*").map(|source| end(source, proto)).transpose()?;
        let (dst, dport) = end(to.trim(), proto)?;
        let mut packet = Self::new(device.as_deref(), source.map(|(src, _)| src), dst, proto);
        packet.sport = source.and_then(|(_, port)| port);
        packet.dport = dport;
        for option in options.split_whitespace() {
            apply(&mut packet, option)?;
        }
        packet.checked()
    }
}

/// The text before the brackets at the end, and what is in them. An IPv6 address has brackets too, but nothing before them is a blank
/// and the port behind.
fn split_options(text: &str) -> Result<(&str, &str), PacketError> {
    let Some(inside) = text.strip_suffix(']') else { return Ok((text, "")) };
    let start = inside.rfind('[').ok_or_else(|| PacketError::new("`]` without `[`"))?;
    let (head, options) = inside.split_at(start);
    let options = options.trim_start_matches('[');
    // `[fd00::1]` alone is an address without a port.
    if options.parse::<IpAddr>().is_ok() {
        return Ok((text, ""));
    }
    Ok((head.trim_end(), options))
}

/// `10.0.0.1:80`, `[fd00::1]:80`, `10.0.0.1`, `fd00::1`, `[fd00::1]`.
fn end(text: &str, proto: Protocol) -> Result<(IpAddr, Option<u16>), PacketError> {
    let wrong =
        || PacketError::new(format!("`{text}` is no address{}", if has_ports(proto) { " with a port" } else { "" }));
    if let Ok(address) = text.trim_start_matches('[').trim_end_matches(']').parse() {
        return Ok((address, None));
    }
    let (address, port) = text.rsplit_once(':').ok_or_else(wrong)?;
    let bare = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(address);
    let address = bare.parse().map_err(|_| wrong())?;
    Ok((address, Some(port.parse().map_err(|_| wrong())?)))
}

/// One word in the brackets.
fn apply(packet: &mut WalkPacket, option: &str) -> Result<(), PacketError> {
    let Some((key, value)) = option.split_once('=') else { return switch(packet, option) };
    match key {
        "ttl" => packet.ttl = Some(number(option, value)?),
        "mark" => packet.mark = Some(number(option, value)?),
        "tos" => packet.tos = Some(number(option, value)?),
        "uid" => packet.uid = Some(number(option, value)?),
        "gid" => packet.gid = Some(number(option, value)?),
        "len" | "length" => packet.length = Some(number(option, value)?),
        "type" | "icmp_type" => packet.icmp_type = Some(number(option, value)?),
        "code" | "icmp_code" => packet.icmp_code = Some(number(option, value)?),
        "id" | "icmp_id" => packet.icmp_id = Some(number(option, value)?),
        "sport" => packet.sport = Some(number(option, value)?),
        "dport" => packet.dport = Some(number(option, value)?),
        "smac" | "src_mac" => packet.src_mac = Some(value.parse().map_err(|_| unclear(option))?),
        "dmac" | "dst_mac" => packet.dst_mac = Some(value.parse().map_err(|_| unclear(option))?),
        "flags" | "tcp_flags" => packet.tcp_flags = Some(flags::parse(value).ok_or_else(|| unclear(option))?),
        "state" => packet.state = Some(state(value).ok_or_else(|| unclear(option))?),
        "df" => packet.df = Some(truth(value).ok_or_else(|| unclear(option))?),
        "reply" => packet.reply = truth(value).ok_or_else(|| unclear(option))?,
        "vxlan" | "encap" => packet.encap = Some(encap(value).ok_or_else(|| unclear(option))?),
        _ => return Err(unclear(option)),
    }
    Ok(())
}

fn switch(packet: &mut WalkPacket, word: &str) -> Result<(), PacketError> {
    match word {
        "df" => packet.df = Some(true),
        "nodf" => packet.df = Some(false),
        "reply" => packet.reply = true,
        _ => match (state(word), flags::parse(word)) {
            (Some(state), _) => packet.state = Some(state),
            (None, Some(more)) if word.parse::<u8>().is_err() => {
                packet.tcp_flags.get_or_insert_default().0 |= more.0;
            }
            _ => return Err(unclear(word)),
        },
    }
    Ok(())
}

fn unclear(option: &str) -> PacketError {
    let name = option.split('=').next().unwrap_or(option);
    PacketError::new(if FIELDS.contains(&name) {
        format!("`{option}` is no value of `{name}`")
    } else {
        format!("`{option}` is not understood")
    })
}

fn number<T: TryFrom<u64>>(option: &str, value: &str) -> Result<T, PacketError> {
    lenient::parse(value).ok_or_else(|| PacketError::new(format!("`{option}`: no number that fits")))
}

fn truth(value: &str) -> Option<bool> {
    match value {
        "1" | "true" | "yes" | "on" => Some(true),
        "0" | "false" | "no" | "off" => Some(false),
        _ => None,
    }
}

fn state(word: &str) -> Option<WalkState> {
    match word.to_ascii_lowercase().as_str() {
        "new" => Some(WalkState::New),
        "established" => Some(WalkState::Established),
        "related" => Some(WalkState::Related),
        "invalid" => Some(WalkState::Invalid),
        "untracked" => Some(WalkState::Untracked),
        _ => None,
    }
}

/// `VNI,SOURCE[:PORT],DESTINATION:PORT[,INNER-SOURCE-MAC,INNER-DESTINATION-MAC]`, with or without `vxlan,` before it.
fn encap(value: &str) -> Option<WalkEncap> {
    let value = value.strip_prefix("vxlan,").unwrap_or(value);
    let mut parts = value.split(',');
    let vni = lenient::parse(parts.next()?)?;
    let (src, sport) = end(parts.next()?, Protocol::UDP).ok()?;
    let (dst, dport) = end(parts.next()?, Protocol::UDP).ok()?;
    let mut mac = || parts.next().map(str::parse).transpose().ok();
    let (inner_src_mac, inner_dst_mac) = (mac()?, mac()?);
    Some(WalkEncap { kind: WalkTunnel::Vxlan, vni, src, dst, sport, dport, inner_src_mac, inner_dst_mac })
}

/// The short form, which [`WalkPacket::from_str`] reads again.
impl fmt::Display for WalkPacket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ", self.device.as_deref().unwrap_or("local"), self.proto)?;
        match self.src {
            Some(src) => write_end(f, src, self.sport)?,
            None => f.write_str("*")?,
        }
        f.write_str(" > ")?;
        write_end(f, self.dst, self.dport)?;
        let options = self.options();
        if options.is_empty() { Ok(()) } else { write!(f, " [{}]", options.join(" ")) }
    }
}

fn write_end(f: &mut fmt::Formatter<'_>, address: IpAddr, port: Option<u16>) -> fmt::Result {
    match (address, port.map(Port)) {
        (address, None) => write!(f, "{address}"),
        (IpAddr::V4(address), Some(port)) => write!(f, "{address}:{port}"),
        (IpAddr::V6(address), Some(port)) => write!(f, "[{address}]:{port}"),
    }
}

impl WalkPacket {
    fn options(&self) -> Vec<String> {
        let mut words = Vec::new();
        let mut put = |name: &str, value: Option<String>| words.extend(value.map(|value| format!("{name}={value}")));
        let number = |value: Option<u32>| value.map(|value| value.to_string());
        if self.src.is_none() {
            put("sport", self.sport.map(|port| port.to_string()));
        }
        put("flags", self.tcp_flags.map(flags::text));
        put("type", number(self.icmp_type.map(u32::from)));
        put("code", number(self.icmp_code.map(u32::from)));
        put("id", number(self.icmp_id.map(u32::from)));
        put("ttl", number(self.ttl.map(u32::from)));
        put("len", number(self.length));
        put("df", number(self.df.map(u32::from)));
        put("tos", self.tos.map(|tos| format!("{tos:#x}")));
        put("mark", self.mark.map(|mark| format!("{mark:#x}")));
        put("uid", number(self.uid));
        put("gid", number(self.gid));
        put("smac", self.src_mac.map(|mac| mac.to_string()));
        put("dmac", self.dst_mac.map(|mac| mac.to_string()));
        put("state", self.state.map(|state| format!("{state:?}").to_lowercase()));
        put("vxlan", self.encap.as_ref().map(encap_text));
        if self.reply {
            words.push("reply".to_owned());
        }
        words
    }
}

fn encap_text(encap: &WalkEncap) -> String {
    let end = |address: IpAddr, port: Option<u16>| match (address, port) {
        (address, None) => address.to_string(),
        (IpAddr::V4(address), Some(port)) => format!("{address}:{port}"),
        (IpAddr::V6(address), Some(port)) => format!("[{address}]:{port}"),
    };
    let mut text = format!("{},{},{}", encap.vni, end(encap.src, encap.sport), end(encap.dst, encap.dport));
    for mac in [encap.inner_src_mac, encap.inner_dst_mac].into_iter().flatten() {
        text.push_str(&format!(",{mac}"));
    }
    text
}
