//! Which namespace the other end of a veth is in. The kernel names it by a number of the asking namespace's own
//! (`IFLA_LINK_NETNSID`); `RTM_GETNSID` tells the number of a namespace that one has open.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::AsRawFd;

use netlink_packet_core::Parseable;
use netlink_packet_route::nsid::{NsidAttribute, NsidMessage};
use skoop_model::{IfIndex, Item, Link, LinkKind, NamespaceSnapshot, NetnsId};

use super::netlink::{Netlink, NetlinkError, emit};
use super::netns::Netns;

const RTM_GETNSID: u16 = 90;
/// Requests sent at once: their answers fit the socket's buffer.
const BATCH: usize = 64;

/// A namespace with those of its veths whose peer is in another one, by the namespace's own number for that.
pub(super) type Foreign = Vec<(IfIndex, i32)>;

/// The numbers that the thread's namespace has for `others`. A number is given when a link that needs it is first listed, so links
/// are to be listed before.
pub(super) fn numbers<'a>(
    netlink: &mut Netlink,
    others: impl Iterator<Item = &'a Netns>,
) -> Result<BTreeMap<i32, NetnsId>, NetlinkError> {
    let others: Vec<&Netns> = others.collect();
    let mut numbers = BTreeMap::new();
    for batch in others.chunks(BATCH) {
        let requests: Vec<_> = batch.iter().map(|netns| request(netns)).collect();
        let answers = netlink.ask_all("ask for namespace numbers", RTM_GETNSID, &requests)?;
        for (netns, answer) in batch.iter().zip(answers) {
            // A refusal leaves that namespace without a number: its peers stay unknown.
            if let Some(number) = answer.ok().and_then(|payload| number(&payload)) {
                numbers.insert(number, netns.id);
            }
        }
    }
    Ok(numbers)
}

fn request(netns: &Netns) -> Vec<u8> {
    let mut message = NsidMessage::default();
    message.attributes.push(NsidAttribute::Fd(netns.file.as_raw_fd().unsigned_abs()));
    emit(&message)
}

/// The number in an answer; -1 is none.
fn number(payload: &[u8]) -> Option<i32> {
    NsidMessage::parse(payload).ok()?.attributes.into_iter().find_map(|attribute| match attribute {
        NsidAttribute::Id(number) if number >= 0 => Some(number),
        _ => None,
    })
}

/// Fills in the peers' namespaces. `host` are the numbers of the first namespace; from its end each pair is known at both. Only for
/// a namespace with a veth that leads neither to the first nor nowhere, `ask` is called, those with most such veths first.
pub(super) fn join(
    namespaces: &mut [(NamespaceSnapshot, Foreign)],
    host: &BTreeMap<i32, NetnsId>,
    mut ask: impl FnMut(NetnsId) -> BTreeMap<i32, NetnsId>,
) {
    let mut asked = BTreeSet::new();
    if let Some((snapshot, _)) = namespaces.first() {
        let id = snapshot.id;
        asked.insert(id);
        apply(namespaces, id, host);
    }
    let mut open: Vec<_> =
        namespaces.iter().map(|(snapshot, foreign)| (unresolved(snapshot, foreign), snapshot.id)).collect();
    open.sort_unstable_by(|a, b| b.cmp(a));
    for (_, id) in open {
        let Some((snapshot, foreign)) = namespaces.iter().find(|(snapshot, _)| snapshot.id == id) else { continue };
        if unresolved(snapshot, foreign) > 0 && asked.insert(id) {
            let numbers = ask(id);
            apply(namespaces, id, &numbers);
        }
    }
}

fn unresolved(snapshot: &NamespaceSnapshot, foreign: &Foreign) -> usize {
    foreign
        .iter()
        .filter(|(index, _)| snapshot.link(*index).and_then(Link::veth_peer).is_some_and(|peer| peer.netns.is_none()))
        .count()
}

/// Sets the peers of the veths of namespace `id`, and their peers' peers.
fn apply(namespaces: &mut [(NamespaceSnapshot, Foreign)], id: NetnsId, numbers: &BTreeMap<i32, NetnsId>) {
    let mut pairs = Vec::new();
    if let Some((snapshot, foreign)) = namespaces.iter().find(|(snapshot, _)| snapshot.id == id) {
        for (index, number) in foreign {
            let peer = snapshot.link(*index).and_then(Link::veth_peer);
            if let Some((peer, other)) = peer.zip(numbers.get(number)) {
                pairs.push(((id, *index), (*other, peer.index)));
            }
        }
    }
    for (near, far) in pairs {
        set(namespaces, near, far);
        set(namespaces, far, near);
    }
}

/// Says that the device `at` has its peer at `peer`, if it says itself that it has that index.
fn set(namespaces: &mut [(NamespaceSnapshot, Foreign)], at: (NetnsId, IfIndex), peer: (NetnsId, IfIndex)) {
    let Some((snapshot, _)) = namespaces.iter_mut().find(|(snapshot, _)| snapshot.id == at.0) else { return };
    let Item::Known { value: links, .. } = &mut snapshot.links else { return };
    let link = links.iter_mut().find(|link| link.index == at.1);
    if let Some(LinkKind::Veth { peer: Some(end) }) = link.map(|link| &mut link.kind)
        && end.index == peer.1
        && end.netns.is_none()
    {
        end.netns = Some(peer.0);
    }
}

#[cfg(test)]
mod tests {
    use skoop_model::{HostRole, OperState, VethPeer};

    use super::*;

    /// A namespace with veths: index, the peer's index, and the namespace's number for the peer's namespace.
    fn namespace(id: u64, veths: &[(u32, u32, i32)]) -> (NamespaceSnapshot, Foreign) {
        let mut snapshot = NamespaceSnapshot::new(NetnsId(id), HostRole::Other);
        let link = |&(index, peer, _): &(u32, u32, i32)| Link {
            index: IfIndex(index),
            name: format!("veth{index}"),
            mac: None,
            mtu_bytes: 1500,
            up: true,
            lower_up: true,
            loopback: false,
            no_arp: false,
            point_to_point: false,
            promiscuous: false,
            oper_state: OperState::Up,
            kind: LinkKind::Veth { peer: Some(VethPeer { index: IfIndex(peer), netns: None }) },
            controller: None,
            bridge_port: None,
            group: 0,
            hooks: Vec::new(),
        };
        snapshot.links = Item::known(0, veths.iter().map(link).collect());
        (snapshot, veths.iter().map(|(index, _, number)| (IfIndex(*index), *number)).collect())
    }

    fn peers(namespaces: &[(NamespaceSnapshot, Foreign)]) -> Vec<Vec<Option<u64>>> {
        let of = |link: &Link| link.veth_peer().and_then(|peer| peer.netns).map(|id| id.0);
        namespaces.iter().map(|(snapshot, _)| snapshot.links.elements().iter().map(of).collect()).collect()
    }

    #[test]
    fn pods_behind_their_host_are_not_asked() {
        let mut namespaces = [
            namespace(1, &[(10, 2, 0), (11, 2, 1), (12, 9, 7)]),
            namespace(2, &[(2, 10, 0)]),
            namespace(3, &[(2, 11, 0)]),
        ];
        let host = BTreeMap::from([(0, NetnsId(2)), (1, NetnsId(3))]);
        join(&mut namespaces, &host, |id| panic!("asked {id}"));
        assert_eq!(peers(&namespaces), [vec![Some(2), Some(3), None], vec![Some(1)], vec![Some(1)]]);
    }

    #[test]
    fn one_end_of_a_pair_is_asked_for_both() {
        let mut namespaces = [namespace(1, &[]), namespace(2, &[(5, 6, 3), (7, 8, 4)]), namespace(3, &[(6, 5, 9)])];
        let mut asked = Vec::new();
        join(&mut namespaces, &BTreeMap::new(), |id| {
            asked.push(id);
            BTreeMap::from([(3, NetnsId(3))])
        });
        assert_eq!(peers(&namespaces), [vec![], vec![Some(3), None], vec![Some(2)]]);
        assert_eq!(asked, [NetnsId(2)]);
    }

    #[test]
    fn an_index_used_anew_is_no_peer() {
        // The pod's device was replaced between the two readings: it has another peer than the host believes.
        let mut namespaces = [namespace(1, &[(10, 2, 0)]), namespace(2, &[(2, 99, 0)])];
        join(&mut namespaces, &BTreeMap::from([(0, NetnsId(2))]), |_| BTreeMap::new());
        assert_eq!(peers(&namespaces), [vec![Some(2)], vec![None]]);
    }
}
