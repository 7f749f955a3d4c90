//! TCP flags as a byte, a list, or a text.

use serde::{Deserialize, Deserializer, Serializer, de::Error};
use skoop_model::TcpFlags;

/// Flags by name, in the order of their bits.
pub(super) const NAMES: [(&str, u8); 8] = [
    ("fin", 0x01),
    ("syn", 0x02),
    ("rst", 0x04),
    ("psh", 0x08),
    ("ack", 0x10),
    ("urg", 0x20),
    ("ece", 0x40),
    ("cwr", 0x80),
];

/// One flag by name.
pub(super) fn flag(name: &str) -> Option<u8> {
    NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, bit)| *bit)
}

/// Flags in a text: `syn,ack`, `SYN|ACK`, `syn ack`, `none`, `0x12`.
pub(super) fn parse(text: &str) -> Option<TcpFlags> {
    if let Some(digits) = text.strip_prefix("0x") {
        return u8::from_str_radix(digits, 16).ok().map(TcpFlags);
    }
    if let Ok(byte) = text.parse() {
        return Some(TcpFlags(byte));
    }
    let mut flags = TcpFlags(0);
    for name in text.split([',', '|', '+', ' ', '/']).filter(|name| !name.is_empty()) {
        if !name.eq_ignore_ascii_case("none") {
            flags.0 |= flag(name)?;
        }
    }
    Some(flags)
}

/// The flags as a text.
pub(super) fn text(flags: TcpFlags) -> String {
    let names: Vec<&str> = NAMES.iter().filter(|(_, bit)| flags.0 & bit != 0).map(|(name, _)| *name).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(",") }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Form {
    Byte(u8),
    Text(String),
    List(Vec<String>),
}

#[expect(clippy::ref_option, clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
pub(super) fn serialize<S: Serializer>(flags: &Option<TcpFlags>, serializer: S) -> Result<S::Ok, S::Error> {
    match flags {
        Some(flags) => serializer.serialize_str(&text(*flags)),
        None => serializer.serialize_none(),
    }
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<TcpFlags>, D::Error> {
    let form = Option::<Form>::deserialize(deserializer)?;
    let wrong = |text: &str| D::Error::custom(format!("`{text}` are no TCP flags"));
    Ok(match form {
        None => None,
        Some(Form::Byte(byte)) => Some(TcpFlags(byte)),
        Some(Form::Text(text)) => Some(parse(&text).ok_or_else(|| wrong(&text))?),
        Some(Form::List(names)) => {
            let text = names.join(",");
            Some(parse(&text).ok_or_else(|| wrong(&text))?)
        }
    })
}
