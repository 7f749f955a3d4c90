//! Reads `nft -j list ruleset` (libnftables-json(5)), object by object.
//!
//! An object or member that is not understood spoils only itself. Of a dump that is cut off, what came before counts.

mod expr;
mod object;
mod set;
mod statement;
mod tape;

use serde::de::{Deserialize, IgnoredAny};
use serde_json::Deserializer;

use super::ast::Ruleset;
use super::builder::Builder;
use tape::Tape;

/// Reads the output of one or several commands.
pub(crate) fn read(text: &str) -> Ruleset {
    let mut reader = Reader { text, at: 0, builder: Builder::default() };
    while reader.peek().is_some() {
        if reader.document().is_none() {
            let at = reader.at;
            reader
                .builder
                .problem("nftables ruleset", format!("not understood from byte {at} on: rules may be missing"));
            break;
        }
    }
    reader.builder.finish()
}

/// A dump and how far it is read.
struct Reader<'a> {
    text: &'a str,
    at: usize,
    builder: Builder,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// The next byte that is not white space, which it goes to.
    fn peek(&mut self) -> Option<u8> {
        let rest = self.rest().trim_ascii_start();
        self.at = self.text.len() - rest.len();
        rest.bytes().next()
    }

    fn eat(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    /// The next value. On an error nothing is passed over.
    fn value<T: Deserialize<'a>>(&mut self) -> Result<T, serde_json::Error> {
        let mut values = Deserializer::from_str(self.rest()).into_iter::<T>();
        let value = values.next().unwrap_or_else(|| Err(serde::de::Error::custom("nothing")))?;
        self.at += values.byte_offset();
        Ok(value)
    }

    /// `{"nftables": [object, …]}`. None where it is cut off or no JSON.
    fn document(&mut self) -> Option<()> {
        self.eat(b'{')?;
        if self.eat(b'}').is_some() {
            return Some(());
        }
        loop {
            let key = self.value::<String>().ok()?;
            self.eat(b':')?;
            if key == "nftables" {
                self.objects()?;
            } else {
                self.value::<IgnoredAny>().ok()?;
            }
            if self.eat(b',').is_none() {
                return self.eat(b'}');
            }
        }
    }

    fn objects(&mut self) -> Option<()> {
        self.eat(b'[')?;
        if self.eat(b']').is_some() {
            return Some(());
        }
        loop {
            self.object()?;
            if self.eat(b',').is_none() {
                return self.eat(b']');
            }
        }
    }

    fn object(&mut self) -> Option<()> {
        self.peek()?;
        let start = self.at;
        match self.value::<Tape<'a>>() {
            Ok(tape) => {
                object::add(&mut self.builder, tape.view(), start, self.at - start);
                Some(())
            }
            Err(error) => {
                let length = balanced(self.rest())?;
                self.builder.problem(format!("object at byte {start}"), error.to_string());
                self.at += length;
                Some(())
            }
        }
    }
}

/// Length of an object that is not understood. None: its end is not there.
fn balanced(text: &str) -> Option<usize> {
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests;
