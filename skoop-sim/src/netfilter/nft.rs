//! Native nftables: readers of `nft list ruleset`, as JSON and as text, and what their rules become.

mod action;
pub(crate) mod ast;
mod builder;
mod compile;
mod compiler;
mod datatype;
mod fields;
pub(crate) mod json;
mod merge;
mod normal;
mod print;
mod set;
mod source;
mod step;
mod test;
pub(crate) mod text;

pub(crate) use compile::{looks_like_iptables, read};
pub(crate) use set::{SetChange, SetData};
pub(crate) use step::Step;
pub(crate) use test::{Compare, Lookup, Quota};

#[cfg(test)]
mod tests;
