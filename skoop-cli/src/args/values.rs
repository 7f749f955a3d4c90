//! Values of arguments.

use std::convert::Infallible;
use std::path::PathBuf;
use std::str::FromStr;

use clap::ValueEnum;

/// Forms of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Text,
    /// For programs: the contract
    Json,
    /// The same as JSON
    Yaml,
    /// One page with everything, and the path drawn
    Html,
    /// The path drawn
    Svg,
}

/// Forms of short output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TextOrJson {
    /// For people
    Text,
    /// For programs
    Json,
}

/// Forms of what became of packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum WalkFormat {
    /// For people
    Text,
    /// A list for programs
    Json,
    /// One line for each packet: the contract
    Jsonl,
    /// The same as JSON
    Yaml,
}

/// Protocols that can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum AskedProtocol {
    /// Can a connection be opened?
    Tcp,
    /// Does a datagram arrive, and one back?
    Udp,
    /// Does an echo request arrive, and its reply?
    Icmp,
}

/// Families that can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FamilyChoice {
    /// IPv4
    #[value(name = "4")]
    V4,
    /// IPv6
    #[value(name = "6")]
    V6,
    /// One after the other
    Both,
}

/// A file, or `-`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FileOrStdout {
    /// Standard output.
    Stdout,
    /// A file.
    File(PathBuf),
}

impl FromStr for FileOrStdout {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(if text == "-" { Self::Stdout } else { Self::File(PathBuf::from(text)) })
    }
}
