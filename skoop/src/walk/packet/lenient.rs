//! Numbers that may be texts.

/// A number, decimal or with `0x`.
pub(super) fn parse<T: TryFrom<u64>>(text: &str) -> Option<T> {
    let number = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok()?,
        None => text.parse().ok()?,
    };
    T::try_from(number).ok()
}

/// A number or a text of one.
pub(super) mod required {
    use std::fmt;
    use std::marker::PhantomData;

    use serde::de::{Error, Visitor};
    use serde::{Deserializer, Serialize, Serializer};

    pub(in super::super) fn serialize<T: Serialize, S: Serializer>(
        value: &T,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        value.serialize(serializer)
    }

    pub(in super::super) fn deserialize<'de, T: TryFrom<u64>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<T, D::Error> {
        deserializer.deserialize_any(Number(PhantomData))
    }

    struct Number<T>(PhantomData<T>);

    impl<T: TryFrom<u64>> Visitor<'_> for Number<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a number that fits its field")
        }

        fn visit_u64<E: Error>(self, value: u64) -> Result<T, E> {
            T::try_from(value).map_err(|_| E::custom(format!("{value} is too large for its field")))
        }

        fn visit_i64<E: Error>(self, value: i64) -> Result<T, E> {
            let value = u64::try_from(value).map_err(|_| E::custom(format!("{value} is below zero")))?;
            self.visit_u64(value)
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
            super::parse(text).ok_or_else(|| E::custom(format!("`{text}` is no number that fits its field")))
        }
    }
}

/// A number, a text of one, or null.
pub(super) mod number {
    use std::fmt;
    use std::marker::PhantomData;

    use serde::de::{Error, Visitor};
    use serde::{Deserializer, Serialize, Serializer};

    #[expect(clippy::ref_option, reason = "serde calls it with a reference")]
    pub(in super::super) fn serialize<T: Serialize, S: Serializer>(
        value: &Option<T>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        value.serialize(serializer)
    }

    pub(in super::super) fn deserialize<'de, T: TryFrom<u64>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<T>, D::Error> {
        deserializer.deserialize_option(Maybe(PhantomData))
    }

    struct Maybe<T>(PhantomData<T>);

    impl<'de, T: TryFrom<u64>> Visitor<'de> for Maybe<T> {
        type Value = Option<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a number that fits its field, or null")
        }

        fn visit_none<E: Error>(self) -> Result<Option<T>, E> {
            Ok(None)
        }

        fn visit_unit<E: Error>(self) -> Result<Option<T>, E> {
            Ok(None)
        }

        fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<T>, D::Error> {
            super::required::deserialize(deserializer).map(Some)
        }
    }
}

/// A protocol by name or number.
pub(super) mod protocol {
    use std::fmt;

    use serde::de::{Error, Visitor};
    use serde::{Deserializer, Serialize, Serializer};
    use skoop_model::Protocol;

    /// The protocols that results call by name.
    const NAMED: [Protocol; 5] = [Protocol::TCP, Protocol::UDP, Protocol::SCTP, Protocol::ICMP, Protocol::ICMPV6];

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
    pub(in super::super) fn serialize<S: Serializer>(protocol: &Protocol, serializer: S) -> Result<S::Ok, S::Error> {
        if NAMED.contains(protocol) { protocol.serialize(serializer) } else { serializer.serialize_u8(protocol.0) }
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Protocol, D::Error> {
        deserializer.deserialize_any(Named)
    }

    struct Named;

    impl Visitor<'_> for Named {
        type Value = Protocol;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("tcp, udp, sctp, icmp, icmp6, or the number of a protocol")
        }

        fn visit_u64<E: Error>(self, value: u64) -> Result<Protocol, E> {
            u8::try_from(value).map(Protocol).map_err(|_| E::custom(format!("{value} is no IP protocol")))
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Protocol, E> {
            text.parse().map_err(E::custom)
        }
    }
}
