//! `string` (`net/netfilter/xt_string.c`, `skb_find_text`): a text in the packet, headers included.

use super::Matcher;
use crate::Tri;
use crate::netfilter::args::Args;
use crate::netfilter::image::Image;
use crate::netfilter::run::Run;

#[derive(Debug)]
pub(crate) struct Text {
    pattern: Box<[u8]>,
    from: usize,
    to: usize,
    ignore_case: bool,
    negated: bool,
}

impl Matcher for Text {
    fn parse(args: Args<'_>) -> Option<Self> {
        let mut parsed = Self { pattern: Box::default(), from: 0, to: 0xffff, ignore_case: false, negated: false };
        for arg in args {
            match arg.name {
                "--string" => {
                    parsed.pattern = arg.value()?.as_bytes().into();
                    parsed.negated = arg.negated;
                }
                "--hex-string" => {
                    parsed.pattern = hexadecimal(arg.value()?)?.into();
                    parsed.negated = arg.negated;
                }
                // All algorithms find the same.
                "--algo" => {
                    arg.value()?;
                }
                "--from" => parsed.from = arg.parsed()?,
                "--to" => parsed.to = arg.parsed()?,
                "--icase" => parsed.ignore_case = true,
                _ => return None,
            }
        }
        (!parsed.pattern.is_empty()).then_some(parsed)
    }

    fn eval(&self, run: &Run<'_>) -> Tri {
        self.find(&Image::of(run.packet)).invert_if(self.negated)
    }

    fn doubt(&self) -> Option<String> {
        Some("match `string`: what the packet carries is not known".to_owned())
    }
}

/// Text with parts in hexadecimal: `|0d 0a|GET` (`parse_hex_string`, `libxt_string.c`).
fn hexadecimal(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    for (place, part) in text.split('|').enumerate() {
        if place % 2 == 0 {
            bytes.extend_from_slice(part.as_bytes());
        } else {
            let digits: String = part.chars().filter(|c| !c.is_ascii_whitespace()).collect();
            bytes.extend(skoop_model::Bytes::parse(&digits)?.0);
        }
    }
    Some(bytes)
}

impl Text {
    /// A text within the range. Where a byte is not known it may be any.
    fn find(&self, image: &Image) -> Tri {
        // "ret + patlen <= to - from": the whole text lies before `to`, since Linux 6.7; older ones look only at where it begins.
        let Some(last) = image.total().min(self.to).checked_sub(self.pattern.len()) else {
            return Tri::No;
        };
        let mut found = Tri::No;
        // Behind what is stored nothing is known: one place there stands for all.
        for start in self.from..=last.min(image.stored()) {
            let here = self.pattern.iter().enumerate().fold(Tri::Yes, |all, (place, wanted)| {
                if all == Tri::No { Tri::No } else { all.and(self.fits(*wanted, image.byte(start + place))) }
            });
            found = found.or(here);
            if found == Tri::Yes {
                break;
            }
        }
        found
    }

    fn fits(&self, wanted: u8, byte: Option<(u8, u8)>) -> Tri {
        match byte {
            Some((value, 0xff)) if self.ignore_case => value.eq_ignore_ascii_case(&wanted).into(),
            Some((value, known)) if value & known == wanted & known || self.ignore_case => {
                if known == 0xff {
                    Tri::Yes
                } else {
                    Tri::Maybe
                }
            }
            _ => Tri::No,
        }
    }
}
