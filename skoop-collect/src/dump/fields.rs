//! Fields of a JSON object as `ip` and `bridge` print them: numbers may be texts, and switches are present with `null`.

use std::borrow::Cow;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use serde_json::{Map, Value};
use skoop_model::Family;

/// One object.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a>(pub(super) &'a Map<String, Value>);

impl<'a> Fields<'a> {
    pub(super) fn get(self, key: &str) -> Option<&'a Value> {
        self.0.get(key)
    }

    /// A text, or a number as one.
    pub(super) fn text(self, key: &str) -> Option<Cow<'a, str>> {
        match self.get(key)? {
            Value::String(text) => Some(Cow::Borrowed(text)),
            Value::Number(number) => Some(Cow::Owned(number.to_string())),
            _ => None,
        }
    }

    /// A number, decimal or with `0x`, as a number or a text.
    pub(super) fn number<T: TryFrom<u64>>(self, key: &str) -> Result<Option<T>, String> {
        let Some(text) = self.text(key) else { return Ok(None) };
        match number(&text).and_then(|number| T::try_from(number).ok()) {
            Some(number) => Ok(Some(number)),
            None => Err(format!("{key}: `{text}` is not such a number")),
        }
    }

    /// Something that reads itself from text.
    pub(super) fn parse<T: FromStr>(self, key: &str) -> Result<Option<T>, String> {
        let Some(text) = self.text(key) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| format!("{key}: `{text}` is not understood"))
    }

    /// An address; `any` and `default` are none.
    pub(super) fn address(self, key: &str) -> Result<Option<IpAddr>, String> {
        match self.text(key) {
            Some(text) if text == "any" => Ok(None),
            _ => self.parse(key),
        }
    }

    /// A prefix as `ip route` prints it: `default`, `10.0.0.0/8`, `10.0.0.1`.
    pub(super) fn prefix(self, key: &str, family: Family) -> Result<Option<IpNet>, String> {
        let Some(text) = self.text(key) else { return Ok(None) };
        prefix(&text, family).map(Some).ok_or_else(|| format!("{key}: `{text}` is no prefix"))
    }

    /// Whether a switch is on: present with `null`, true, or a number that is not zero.
    pub(super) fn is_on(self, key: &str) -> bool {
        match self.get(key) {
            None => false,
            Some(Value::Bool(on)) => *on,
            Some(Value::Number(number)) => number.as_f64() != Some(0.0),
            Some(Value::String(text)) => !["off", "0", "false", ""].contains(&text.as_str()),
            // `null` is how a switch is printed.
            Some(_) => true,
        }
    }

    /// The same, with what holds where it is not told.
    pub(super) fn is_on_or(self, key: &str, otherwise: bool) -> bool {
        if self.0.contains_key(key) { self.is_on(key) } else { otherwise }
    }

    /// Whether an array of texts holds `word`.
    pub(super) fn lists(self, key: &str, word: &str) -> bool {
        self.get(key).and_then(Value::as_array).is_some_and(|words| words.iter().any(|found| found == word))
    }

    /// An object in this one.
    pub(super) fn object(self, key: &str) -> Option<Fields<'a>> {
        self.get(key)?.as_object().map(Fields)
    }

    /// The objects of an array.
    pub(super) fn objects(self, key: &str) -> impl Iterator<Item = Fields<'a>> {
        self.get(key).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object).map(Fields)
    }
}

/// A number, decimal or with `0x`.
pub(super) fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

/// A prefix as iproute2 prints it: `default`, `all`, `10.0.0.0/8`, `10.0.0.1`, and old and short ones as `10/8`.
pub(super) fn prefix(text: &str, family: Family) -> Option<IpNet> {
    let any: IpAddr = match family {
        Family::V4 => [0_u8; 4].into(),
        Family::V6 => [0_u8; 16].into(),
    };
    let net = match text {
        "default" | "all" | "any" => IpNet::new(any, 0).ok()?,
        _ => match text.parse::<IpAddr>() {
            Ok(address) => IpNet::from(address),
            Err(_) => text.parse().ok()?,
        },
    };
    Some(net)
}
