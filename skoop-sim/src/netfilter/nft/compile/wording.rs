//! The words of rules and base chains: where they stand in the text form, or as they would stand there.

use std::fmt::Write as _;
use std::sync::Arc;

use crate::netfilter::nft::ast;
use crate::netfilter::table::Span;

/// A text, with the places of things in it.
#[derive(Debug, Default)]
pub(super) struct Wording {
    pub text: Arc<str>,
    /// By chain, as in the table; only base chains have one.
    pub chains: Vec<Span>,
    /// By rule, chain by chain.
    pub rules: Vec<Span>,
}

impl Wording {
    /// The rules of `table` as they stand in `text`, from which `source` was read. None if that holds other rules.
    pub(super) fn verbatim(table: &ast::Table, source: &ast::Table, text: &Arc<str>) -> Option<Self> {
        let mut wording = Self { text: Arc::clone(text), ..Self::default() };
        for (next, chain) in table.chains.iter().enumerate() {
            // Mostly the next one.
            let is = |known: &&ast::Chain| known.name == chain.name;
            let ahead = source.chains.get(next).filter(is);
            let same = ahead.or_else(|| source.chains.iter().find(is))?;
            if same.rules.len() != chain.rules.len() {
                return None;
            }
            wording.chains.push(head(same.source, text));
            wording.rules.extend(same.rules.iter().map(|rule| span(rule.source)));
        }
        Some(wording)
    }

    /// The rules of a table as `nft` would print them.
    pub(super) fn printed(table: &ast::Table) -> Self {
        let mut text = String::new();
        let (mut chains, mut rules) = (Vec::new(), Vec::new());
        for chain in &table.chains {
            chains.push(match &chain.base {
                Some(base) => line(&mut text, format_args!("{base}")),
                None => Span::default(),
            });
            rules.extend(chain.rules.iter().map(|rule| line(&mut text, format_args!("{rule}"))));
        }
        Self { text: text.into(), chains, rules }
    }
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) -> Span {
    let start = text.len();
    // Writing to a string does not fail.
    let _ = text.write_fmt(line);
    let span = Span { offset: narrow(start), length: narrow(text.len() - start), line: 0 };
    text.push('\n');
    span
}

fn span(source: ast::Source) -> Span {
    Span { offset: source.offset, length: source.length, line: source.line }
}

/// The line of a base chain that says where it hangs and what its policy is.
fn head(source: ast::Source, text: &str) -> Span {
    let start = usize::try_from(source.offset).unwrap_or(usize::MAX);
    let mut offset = start;
    let rest = text.get(start..).unwrap_or_default();
    for (number, line) in rest.split('\n').enumerate().take(8) {
        let trimmed = line.trim_ascii();
        if trimmed.starts_with("type ") {
            let indent = line.len() - line.trim_ascii_start().len();
            let line = source.line.saturating_add(narrow(number));
            return Span { offset: narrow(offset + indent), length: narrow(trimmed.len()), line };
        }
        offset += line.len() + 1;
    }
    span(ast::Source { length: source.length.min(80), ..source })
}

fn narrow(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}
