//! Native nftables: readers of `nft list ruleset`, as JSON and as text.

#[allow(dead_code, reason = "read by the compiler of rules once the readers fill it")]
pub(crate) mod ast;
#[allow(dead_code, reason = "read by the compiler of rules once the readers fill it")]
mod builder;
#[allow(dead_code, reason = "read by the compiler of rules once the readers fill it")]
mod datatype;
#[allow(dead_code, reason = "read by the compiler of rules once the readers fill it")]
pub(crate) mod json;
#[allow(dead_code, reason = "read by the compiler of rules once the readers fill it")]
pub(crate) mod merge;
#[allow(dead_code, reason = "read by the compiler of rules once the readers fill it")]
mod normal;
#[allow(dead_code, reason = "read by the compiler of rules once the readers fill it")]
pub(crate) mod text;

#[cfg(test)]
mod tests;
