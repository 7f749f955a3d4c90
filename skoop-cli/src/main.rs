//! The `skoop` command.
fn main() {}
