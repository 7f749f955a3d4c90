//! What a ruleset of `nft` says, as both readers (JSON and text) give it and the compiler takes it.
//!
//! Names follow libnftables-json(5). Nothing is resolved here: chains, sets and objects are named, symbolic constants of the text
//! form are turned into the numbers or strings of the JSON form, so that both readers give the same tree for the same ruleset.
//!
//! Both readers turn every symbolic constant whose type is known (by the left side, the key of a set, the assigned field) into the
//! kernel's number: `ct state new` is 8, `established,related` 6, `fib … type local` 2, `tcp` 6, `icmp type echo-request` 8,
//! `meta pkttype broadcast` 1, `ip dscp af11` 10, `tcp flags syn` 2, `meta hour "06:00"` its seconds. Names of devices, helpers,
//! objects and labels stay [`Expr::Text`]; `exists` and `missing` are [`Expr::Bool`]. A default `reject` is `Reject(None)`.

use std::fmt;
mod expr;

pub(crate) use expr::{BinaryOp, Direction, Expr, PayloadBase};
use skoop_model::Family;

/// All tables of a namespace, in the order of the dump.
#[derive(Debug, Default)]
pub(crate) struct Ruleset {
    pub tables: Vec<Table>,
    /// Objects that were not understood and belong to no table's part that could bear the doubt.
    pub problems: Vec<Problem>,
}

/// Something that was not understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub what: String,
    pub why: String,
}

/// Families of tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum TableFamily {
    Ip,
    Ip6,
    Inet,
    Arp,
    Bridge,
    Netdev,
}

impl TableFamily {
    /// The family of addresses, if the table sees only one.
    pub(crate) fn only(self) -> Option<Family> {
        match self {
            Self::Ip => Some(Family::V4),
            Self::Ip6 => Some(Family::V6),
            Self::Inet | Self::Arp | Self::Bridge | Self::Netdev => None,
        }
    }

    /// The name by which `nft` calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ip => "ip",
            Self::Ip6 => "ip6",
            Self::Inet => "inet",
            Self::Arp => "arp",
            Self::Bridge => "bridge",
            Self::Netdev => "netdev",
        }
    }
}

impl fmt::Display for TableFamily {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One table.
#[derive(Debug)]
pub(crate) struct Table {
    pub family: TableFamily,
    pub name: Box<str>,
    /// Flag `dormant`: its base chains are not registered.
    pub dormant: bool,
    /// In the order of the dump.
    pub chains: Vec<Chain>,
    /// Sets and maps.
    pub sets: Vec<Set>,
    pub objects: Vec<Object>,
    /// Something in the table was not understood that may concern any of its chains (a chain whose head was unreadable).
    pub partial: Option<Problem>,
}

/// Where an object stands in its dump: the bytes of its text, its line (text form; 0 in JSON) and its handle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Source {
    pub offset: u32,
    pub length: u32,
    pub line: u32,
    /// 0: not printed.
    pub handle: u32,
}

/// One chain.
#[derive(Debug)]
pub(crate) struct Chain {
    pub name: Box<str>,
    pub base: Option<Base>,
    pub rules: Vec<Rule>,
    pub source: Source,
}

/// What makes a chain a base chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Base {
    pub kind: ChainKind,
    /// `prerouting`, `input`, `forward`, `output`, `postrouting`, `ingress`, `egress`.
    pub hook: Box<str>,
    pub priority: i32,
    pub drops: bool,
    /// Devices of a chain at ingress or egress. Empty there: the dump does not say (nft 1.0.6 prints them in text only).
    pub devices: Vec<Box<str>>,
}

/// Types of base chains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChainKind {
    Filter,
    Nat,
    Route,
    Unknown,
}

/// One rule.
#[derive(Debug)]
pub(crate) struct Rule {
    pub statements: Vec<Statement>,
    pub comment: Option<Box<str>>,
    pub source: Source,
}

/// A set, map or verdict map with a name.
#[derive(Debug)]
pub(crate) struct Set {
    pub name: Box<str>,
    /// It is a map: elements carry a value or a verdict.
    pub is_map: bool,
    /// Types of the parts of its key: `ipv4_addr`, `inet_proto`, `inet_service`, …; one for each part of a concatenation.
    pub key: Vec<Box<str>>,
    /// Types of the parts of a map's values: `verdict`, `ipv4_addr`, `counter`, …; empty in a set.
    pub data: Vec<Box<str>>,
    /// Flag `interval`.
    pub interval: bool,
    /// Flag `dynamic`, or a rule that adds to or deletes from it (old versions of nft do not print the flag).
    pub dynamic: bool,
    /// Elements may expire.
    pub timeout: bool,
    pub elements: Vec<Element>,
    /// An element was not understood: "not in the set" is not certain.
    pub partial: bool,
    pub source: Source,
}

/// One element of a set or map.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Element {
    /// A value, range, prefix, or a concatenation of those; [`Expr::Wildcard`] is the catch-all `*`.
    pub key: Expr,
    /// Value of a map; [`Expr::Verdict`] in a verdict map.
    pub value: Option<Expr>,
    /// Statements of the element: `counter`, `limit`.
    pub statements: Vec<Statement>,
    /// Seconds until it expires, from the dump.
    pub expires_s: Option<u64>,
    pub comment: Option<Box<str>>,
}

/// A stateful object with a name.
#[derive(Debug)]
pub(crate) struct Object {
    pub name: Box<str>,
    pub kind: ObjectKind,
}

/// Kinds of stateful objects.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ObjectKind {
    Counter,
    Quota(Quota),
    Limit(Limit),
    /// Its type: `ftp`.
    Helper(Box<str>),
    Timeout,
    Expectation,
    Secmark,
    Synproxy,
    Tunnel,
}

/// One statement of a rule.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Statement {
    /// `EXPR OP EXPR`. In the text form's implicit comparison the operator is `Eq`; for bit masks (`tcp flags syn`) it is `In`.
    Match {
        op: MatchOp,
        left: Expr,
        right: Expr,
    },
    Verdict(Verdict),
    /// `EXPR vmap { … }` or `EXPR vmap @name`.
    VerdictMap {
        key: Expr,
        map: SetRef,
    },
    Counter,
    /// The last use of the rule.
    Last,
    /// A named counter, quota, limit, helper, …: kind as in the JSON form, and the expression that names the object.
    ObjectRef {
        kind: Box<str>,
        name: Expr,
    },
    Limit(Limit),
    Quota(Quota),
    /// `ct count [over] N`.
    ConnectionCount {
        over: bool,
        count: u32,
    },
    Log,
    /// None: the default of the family.
    Reject(Option<Reject>),
    Nat(Nat),
    Notrack,
    /// `meta mark set …`, `ct mark set …`, `ip ttl set …`: assigns `value` to `key`.
    Mangle {
        key: Expr,
        value: Expr,
    },
    /// `add`, `update` or `delete @SET { … }`; with a value for maps.
    SetUpdate {
        op: SetOp,
        set: Box<str>,
        key: Expr,
        value: Option<Expr>,
        statements: Vec<Statement>,
    },
    /// `meter NAME { KEY STATEMENT }` of old rulesets.
    Meter {
        name: Box<str>,
        key: Expr,
        statement: Box<Statement>,
    },
    Dup {
        address: Option<Expr>,
        device: Option<Expr>,
    },
    Fwd {
        family: Option<TableFamily>,
        address: Option<Expr>,
        device: Option<Expr>,
    },
    /// `flow add @NAME`.
    FlowOffload(Box<str>),
    Tproxy {
        family: Option<TableFamily>,
        address: Option<Expr>,
        port: Option<Expr>,
    },
    Synproxy,
    Queue {
        bypass: bool,
    },
    /// `tcp option NAME reset`, with the name.
    OptstripTcp(Box<str>),
    /// A match or target of iptables inside native rules; `kind` is `match`, `target` or `watcher`. Its options are not printed.
    Xt {
        kind: Box<str>,
        name: Box<str>,
    },
    /// Not understood; the text of it.
    Unknown(Box<str>),
}

/// Operators of comparisons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MatchOp {
    Eq,
    Ne,
    Lt,
    Gt,
    Le,
    Ge,
    /// Any bit of the right side is set in the left one.
    In,
    /// None of the bits is set.
    NotIn,
}

/// Verdicts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    Accept,
    Drop,
    Continue,
    Return,
    Jump(Box<str>),
    Goto(Box<str>),
}

/// A set that a statement or expression names or brings along.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum SetRef {
    Named(Box<str>),
    Anonymous(Vec<Element>),
}

/// Ways to change a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SetOp {
    Add,
    Update,
    Delete,
}

/// `limit rate [over] RATE UNIT burst N`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Limit {
    pub over: bool,
}

/// `quota [over] BYTES used BYTES`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Quota {
    pub over: bool,
    pub bytes: u64,
    pub used_bytes: u64,
}

/// What `reject` answers with.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Reject {
    TcpReset,
    /// `with icmp …`: the code.
    Icmp(u8),
    /// `with icmpv6 …`: the code.
    Icmp6(u8),
    /// `with icmpx …`: the abstract code (`enum nft_reject_inet_code`).
    Icmpx(u8),
}

/// `snat`, `dnat`, `masquerade`, `redirect`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Nat {
    pub kind: NatKind,
    /// `dnat ip to …` in an inet table.
    pub family: Option<TableFamily>,
    /// Value, range, prefix, map, or concatenation of address and port.
    pub address: Option<Expr>,
    pub port: Option<Expr>,
    pub random: bool,
    pub fully_random: bool,
    pub persistent: bool,
    /// Flag of `snat prefix to`, `dnat prefix to` (`NF_NAT_RANGE_NETMAP`).
    pub netmap: bool,
    /// The address is a concatenation of address and port, or a map to one (`type_flags: concat`).
    pub concat: bool,
}

/// Kinds of NAT statements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NatKind {
    Snat,
    Dnat,
    Masquerade,
    Redirect,
}
