//! Flowtables and stateful objects.

use super::super::ast::{Object, ObjectKind, Statement};
use super::super::builder::TableBuilder;
use super::lexer::Token;
use super::parser::Parser;
use super::{statement, table};

/// After `flowtable`: nothing of it is kept.
pub(super) fn flowtable(parser: &mut Parser<'_>) -> Option<()> {
    parser.name()?;
    block(parser, |parser| {
        match parser.peek_word()? {
            // The list may go over several lines.
            "devices" | "device" => drop(table::devices(parser)?),
            _ => parser.skip_line(),
        }
        Some(())
    })
}

/// After the first word of a stateful object, `kind`.
pub(super) fn read(parser: &mut Parser<'_>, table: &mut TableBuilder, kind: &str) -> Option<()> {
    let kind = match kind {
        "ct" => match parser.any_word()? {
            "helper" => "ct helper",
            "timeout" => "ct timeout",
            "expectation" => "ct expectation",
            _ => return None,
        },
        "counter" | "quota" | "limit" | "secmark" | "synproxy" | "tunnel" => kind,
        _ => return None,
    };
    let name = parser.name()?.into();
    let mut found = match kind {
        "counter" => Some(ObjectKind::Counter),
        "ct timeout" => Some(ObjectKind::Timeout),
        "ct expectation" => Some(ObjectKind::Expectation),
        "secmark" => Some(ObjectKind::Secmark),
        "synproxy" => Some(ObjectKind::Synproxy),
        "tunnel" => Some(ObjectKind::Tunnel),
        _ => None,
    };
    block(parser, |parser| {
        match kind {
            "quota" | "limit" if parser.peek_word() != Some("comment") => {
                let statement = if kind == "quota" { statement::quota(parser)? } else { statement::limit(parser)? };
                found = match statement {
                    Statement::Quota(quota) => Some(ObjectKind::Quota(quota)),
                    Statement::Limit(limit) => Some(ObjectKind::Limit(limit)),
                    _ => None,
                };
            }
            "ct helper" if parser.word("type") => {
                found = Some(ObjectKind::Helper(parser.name()?.into()));
                parser.skip_line();
            }
            _ => parser.skip_line(),
        }
        Some(())
    })?;
    table.object(Object { name, kind: found? });
    Some(())
}

/// `{`, lines, `}`.
fn block(parser: &mut Parser<'_>, mut line: impl FnMut(&mut Parser<'_>) -> Option<()>) -> Option<()> {
    parser.require(Token::Open)?;
    loop {
        parser.skip_newlines();
        if parser.eat(Token::Close) {
            return Some(());
        }
        if parser.token == Token::End {
            return None;
        }
        line(parser)?;
    }
}
