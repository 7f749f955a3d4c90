//! Reads `nft list ruleset`, of one or several commands (nft(8)), with or without handles.
//!
//! A statement that is not understood spoils only its rule. Of a dump that is cut off, what came before counts.

mod element;
mod expr;
mod header;
mod lexer;
mod nat;
mod object;
mod parser;
mod set;
mod statement;
mod table;

use super::ast::{Ruleset, Statement};
use super::builder::Builder;
use lexer::Token;
use parser::Parser;

/// Reads the output of one or several commands.
pub(crate) fn read(text: &str) -> Ruleset {
    let mut builder = Builder::default();
    let mut parser = Parser::new(text);
    loop {
        parser.skip_newlines();
        if parser.token == Token::End {
            return builder.finish();
        }
        let (start, line) = (parser.start, parser.line);
        // Rulesets as scripts begin so.
        if parser.word("flush") && parser.word("ruleset") {
            continue;
        }
        let _ = parser.word("add") || parser.word("create");
        if !parser.word("table") || table::read(&mut parser, &mut builder).is_none() {
            parser.skip_line();
            let text = parser.excerpt(start);
            builder.problem(format!("line {line}"), format!("not understood, rules may be missing: {text}"));
        }
    }
}

/// Statements that the JSON form holds as text, because its version of nft knows no other form of them.
pub(super) fn statements(text: &str) -> Vec<Statement> {
    statement::rule(&mut Parser::new(text)).statements
}

#[cfg(test)]
mod tests;
