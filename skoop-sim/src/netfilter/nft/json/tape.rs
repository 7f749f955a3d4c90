//! One JSON value as a flat list of nodes: no allocation for each object or list, and conversion sees members in any order.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// A value in preorder: a list is followed by its items, an object by its keys and values in turn.
#[derive(Debug)]
pub(super) struct Tape<'a>(Vec<Node<'a>>);

#[derive(Debug)]
enum Node<'a> {
    Null,
    Bool(bool),
    Number(u64),
    /// Negative numbers.
    Negative(i64),
    Float(f64),
    Text(Cow<'a, str>),
    /// With the number of nodes, itself included.
    List(usize),
    /// With the number of nodes, itself included.
    Map(usize),
}

/// A value on a tape.
#[derive(Debug, Clone, Copy)]
pub(super) struct View<'t, 'a>(&'t [Node<'a>]);

impl<'a> Tape<'a> {
    pub(super) fn view(&self) -> View<'_, 'a> {
        View(&self.0)
    }
}

impl Node<'_> {
    fn size(&self) -> usize {
        match self {
            Self::List(size) | Self::Map(size) => *size,
            _ => 1,
        }
    }
}

impl<'t, 'a> View<'t, 'a> {
    fn node(self) -> &'t Node<'a> {
        self.0.first().unwrap_or(&Node::Null)
    }

    pub(super) fn is_list(self) -> bool {
        matches!(self.node(), Node::List(_))
    }

    pub(super) fn bool(self) -> Option<bool> {
        match self.node() {
            Node::Bool(value) => Some(*value),
            _ => None,
        }
    }

    pub(super) fn number(self) -> Option<u64> {
        match self.node() {
            Node::Number(value) => Some(*value),
            _ => None,
        }
    }

    pub(super) fn number32(self) -> Option<u32> {
        self.number().and_then(|value| u32::try_from(value).ok())
    }

    /// A number with a sign that fits 32 bits.
    pub(super) fn signed32(self) -> Option<i32> {
        match self.node() {
            Node::Number(value) => i32::try_from(*value).ok(),
            Node::Negative(value) => i32::try_from(*value).ok(),
            _ => None,
        }
    }

    pub(super) fn text(self) -> Option<&'t str> {
        match self.node() {
            Node::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn boxed(self) -> Option<Box<str>> {
        self.text().map(Box::from)
    }

    /// Items of a list; a value that is no list is the only item.
    pub(super) fn items(self) -> Items<'t, 'a> {
        match self.node() {
            Node::List(_) => Items(self.0.get(1..).unwrap_or_default()),
            _ => Items(self.0),
        }
    }

    /// Two items of a list of two.
    pub(super) fn pair(self) -> Option<(Self, Self)> {
        let mut items = self.items();
        match (items.next(), items.next(), items.next()) {
            (Some(first), Some(second), None) if self.is_list() => Some((first, second)),
            _ => None,
        }
    }

    /// Members of an object; empty for anything else.
    pub(super) fn members(self) -> Members<'t, 'a> {
        match self.node() {
            Node::Map(_) => Members(Items(self.0.get(1..).unwrap_or_default())),
            _ => Members(Items(&[])),
        }
    }

    /// The only member of an object with one.
    pub(super) fn single(self) -> Option<(&'t str, Self)> {
        let mut members = self.members();
        match (members.next(), members.next()) {
            (Some(member), None) => Some(member),
            _ => None,
        }
    }

    pub(super) fn get(self, name: &str) -> Option<Self> {
        self.members().find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    /// A member that is a text.
    pub(super) fn get_text(self, name: &str) -> Option<&'t str> {
        self.get(name).and_then(Self::text)
    }

    /// None if there is a member that is not among these: what it changes is not known.
    pub(super) fn only(self, names: &[&str]) -> Option<()> {
        self.members().all(|(key, _)| names.contains(&key)).then_some(())
    }
}

/// Values one after the other.
#[derive(Debug, Clone)]
pub(super) struct Items<'t, 'a>(&'t [Node<'a>]);

impl<'t, 'a> Iterator for Items<'t, 'a> {
    type Item = View<'t, 'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let (item, rest) = self.0.split_at_checked(self.0.first()?.size())?;
        self.0 = rest;
        Some(View(item))
    }
}

/// Keys with their values.
#[derive(Debug, Clone)]
pub(super) struct Members<'t, 'a>(Items<'t, 'a>);

impl<'t, 'a> Iterator for Members<'t, 'a> {
    type Item = (&'t str, View<'t, 'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let key = self.0.next()?.text()?;
        Some((key, self.0.next()?))
    }
}

/// As JSON.
impl fmt::Display for View<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let separator = |at: usize| if at == 0 { "" } else { ", " };
        match self.node() {
            Node::Null => f.write_str("null"),
            Node::Bool(value) => write!(f, "{value}"),
            Node::Number(value) => write!(f, "{value}"),
            Node::Negative(value) => write!(f, "{value}"),
            Node::Float(value) => write!(f, "{value}"),
            Node::Text(text) => write!(f, "{text:?}"),
            Node::List(_) => {
                f.write_str("[")?;
                for (at, item) in self.items().enumerate() {
                    write!(f, "{}{item}", separator(at))?;
                }
                f.write_str("]")
            }
            Node::Map(_) => {
                f.write_str("{")?;
                for (at, (key, value)) in self.members().enumerate() {
                    write!(f, "{}{key:?}: {value}", separator(at))?;
                }
                f.write_str("}")
            }
        }
    }
}

impl<'de> Deserialize<'de> for Tape<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut nodes = Vec::with_capacity(64);
        Push(&mut nodes).deserialize(deserializer)?;
        Ok(Self(nodes))
    }
}

/// Appends one value to a tape.
struct Push<'t, 'de>(&'t mut Vec<Node<'de>>);

impl<'de> DeserializeSeed<'de> for Push<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Push<'_, 'de> {
    /// Puts a list or object before the nodes that came since `start`.
    fn close(nodes: &mut [Node<'de>], start: usize, node: impl Fn(usize) -> Node<'de>) {
        let size = nodes.len() - start;
        if let Some(place) = nodes.get_mut(start) {
            *place = node(size);
        }
    }
}

impl<'de> Visitor<'de> for Push<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.0.push(Node::Null);
        Ok(())
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.0.push(Node::Bool(value));
        Ok(())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.0.push(Node::Number(value));
        Ok(())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.0.push(u64::try_from(value).map_or(Node::Negative(value), Node::Number));
        Ok(())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        self.0.push(Node::Float(value));
        Ok(())
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<(), E> {
        self.0.push(Node::Text(Cow::Borrowed(text)));
        Ok(())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.0.push(Node::Text(Cow::Owned(text.to_owned())));
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let start = self.0.len();
        self.0.push(Node::Null);
        while items.next_element_seed(Push(self.0))?.is_some() {}
        Self::close(self.0, start, Node::List);
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let start = self.0.len();
        self.0.push(Node::Null);
        while members.next_key_seed(Push(self.0))?.is_some() {
            members.next_value_seed(Push(self.0))?;
        }
        Self::close(self.0, start, Node::Map);
        Ok(())
    }
}
