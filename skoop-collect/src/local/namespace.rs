//! Reading one namespace, from a thread that is in it.

use std::collections::BTreeSet;

use netlink_sys::protocols::NETLINK_ROUTE;
use skoop_model::{HostRole, Item, Link, LinkKind, NamespaceSnapshot, NetnsId, Unavailable};

use super::modules::Modules;
use super::netlink::{Netlink, NetlinkError};
use super::peers::Foreign;
use super::tool::Tools;
use super::{addresses, conntrack, item, links, neighbours, netfilter, routes, rules, sockets, sysctls};

/// What all namespaces are read with.
pub(super) struct Means {
    pub(super) tools: Tools,
    pub(super) modules: Modules,
    pub(super) netfilter: bool,
    /// Most entries of a connection table.
    pub(super) conntrack_entries: usize,
}

/// Reads the namespace `id`, in which the thread must be, and tells which veths lead out of it.
pub(super) fn read(id: NetnsId, role: HostRole, means: &Means) -> (NamespaceSnapshot, Foreign) {
    let mut snapshot = NamespaceSnapshot::new(id, role);
    // The tools run while this thread talks to the kernel.
    let dumps = means.netfilter.then(|| netfilter::start(&means.tools, &means.modules));
    let mut route = Route(Netlink::open("open a netlink socket", NETLINK_ROUTE).map_err(Unavailable::from));
    let mut foreign = Foreign::new();
    snapshot.links = route.item(|netlink| links::read(netlink, id)).map(|reads| {
        foreign.extend(reads.iter().filter_map(|read| Some((read.link.index, read.peer_nsid?))));
        reads.into_iter().map(|read| read.link).collect()
    });
    snapshot.addresses = route.item(addresses::read);
    snapshot.routes = route.item(routes::read);
    snapshot.rules = route.item(rules::read);
    snapshot.neighbours = route.item(neighbours::read);
    let vxlans: BTreeSet<_> =
        snapshot.links.elements().iter().filter(|link| is_vxlan(link)).map(|link| link.index).collect();
    snapshot.fdb = route.item(|netlink| neighbours::read_fdb(netlink, &vxlans));
    snapshot.sysctls = item(|| sysctls::read(snapshot.links.elements().iter().map(|link| link.name.as_str())));
    snapshot.sockets = item(|| sockets::read(&means.modules));
    if let Some(dumps) = dumps {
        snapshot.conntrack = item(|| conntrack::read(&means.modules, &snapshot.sysctls, means.conntrack_entries));
        snapshot.netfilter = dumps.finish(&means.tools, &means.modules, role, snapshot.links.elements());
    }
    (snapshot, foreign)
}

/// A route socket, or why there is none.
struct Route(Result<Netlink, Unavailable>);

impl Route {
    fn item<T>(&mut self, read: impl FnOnce(&mut Netlink) -> Result<T, NetlinkError>) -> Item<T> {
        match &mut self.0 {
            Ok(netlink) => item(|| read(netlink).map_err(Unavailable::from)),
            Err(why) => Item::Unavailable(why.clone()),
        }
    }
}

fn is_vxlan(link: &Link) -> bool {
    matches!(link.kind, LinkKind::Vxlan(_))
}
