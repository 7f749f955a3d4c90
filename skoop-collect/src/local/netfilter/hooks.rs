//! Who is registered at which hook (`net/netfilter/nfnetlink_hook.c`, Linux 5.14).

use rustix::io::Errno;
use skoop_model::{HookOwner, Reason, Unavailable};

use super::{HEADER, NFPROTO_IPV4, NFPROTO_IPV6};
use crate::local::modules::{Modules, Part, Presence};
use crate::local::netlink::{Netlink, NetlinkError, attribute, attributes, text};

/// `NFNL_SUBSYS_HOOK << 8 | NFNL_MSG_HOOK_GET`.
const GET: u16 = 12 << 8;
const NFNLA_HOOK_HOOKNUM: u16 = 1;
const NFNLA_HOOK_PRIORITY: u16 = 2;
const NFNLA_HOOK_DEV: u16 = 3;
const NFNLA_HOOK_FUNCTION_NAME: u16 = 4;
const NFNLA_HOOK_MODULE_NAME: u16 = 5;
const NFNLA_HOOK_CHAIN_INFO: u16 = 6;
const NFNLA_HOOK_INFO_DESC: u16 = 1;
const NFNLA_HOOK_INFO_TYPE: u16 = 2;
/// `NFNL_HOOK_TYPE_NFTABLES`, and `NFNL_HOOK_TYPE_NFT_FLOWTABLE`, whose name stands where a chain's does.
const NFTABLES: [u32; 2] = [1, 3];
/// `NFNL_HOOK_TYPE_BPF`.
const BPF: u32 = 2;
const NFNLA_CHAIN_TABLE: u16 = 1;
const NFNLA_CHAIN_FAMILY: u16 = 2;
const NFNLA_CHAIN_NAME: u16 = 3;
const NFNLA_HOOK_BPF_ID: u16 = 1;
const NFPROTO_NETDEV: u8 = 5;

/// Hooks by their numbers (`enum nf_inet_hooks`; `NF_BR_*` are the same).
const INET: &[&str] = &["prerouting", "input", "forward", "output", "postrouting"];
/// `NF_ARP_IN`, `NF_ARP_OUT`.
const ARP: &[&str] = &["input", "output"];
/// `NF_NETDEV_INGRESS`, `NF_NETDEV_EGRESS`.
const NETDEV: &[&str] = &["ingress", "egress"];
/// Families with hooks of their own. Chains of the family `inet` hang in those of `ip` and `ip6`.
const FAMILIES: [(u8, &[&str]); 4] = [(NFPROTO_IPV4, INET), (NFPROTO_IPV6, INET), (3, ARP), (7, INET)];

/// The hooks of the thread's namespace, and those of `devices`.
pub(super) fn read<'a>(
    modules: &Modules,
    devices: impl Iterator<Item = &'a str>,
) -> Result<Vec<HookOwner>, Unavailable> {
    if modules.presence(Part::HookList) != Presence::Askable {
        let module = Part::HookList.module();
        let detail = format!("{module} is a module that is not loaded, and asking would load it");
        return Err(Unavailable::new(Reason::Unsupported, detail));
    }
    let mut netlink = super::open()?;
    let mut owners = Vec::new();
    for (family, hooks) in FAMILIES {
        for (number, hook) in (0..).zip(hooks) {
            owners.extend(at(&mut netlink, family, number, hook, None)?);
        }
    }
    for device in devices {
        for (number, hook) in (0..).zip(NETDEV) {
            owners.extend(at(&mut netlink, NFPROTO_NETDEV, number, hook, Some(device))?);
        }
    }
    Ok(owners)
}

/// Who is at one hook, in the order in which they run.
fn at(
    netlink: &mut Netlink,
    family: u8,
    number: u32,
    hook: &str,
    device: Option<&str>,
) -> Result<Vec<HookOwner>, Unavailable> {
    let mut request = vec![family, 0, 0, 0];
    request.extend(attribute(NFNLA_HOOK_HOOKNUM, &number.to_be_bytes()));
    if let Some(device) = device {
        request.extend(attribute(NFNLA_HOOK_DEV, &[device.as_bytes(), &[0]].concat()));
    }
    let dumped = netlink.dump("list netfilter hooks", GET, &request, |_, payload| {
        Ok(owner(payload).map(|owner| HookOwner {
            family: family_name(family).to_owned(),
            hook: hook.to_owned(),
            device: device.map(str::to_owned),
            ..owner
        }))
    });
    match dumped {
        Ok(owners) => Ok(owners),
        Err(error) => absent(error),
    }
}

/// What an error means: a kernel without the hook, a device that went, a kernel that tells nothing of hooks.
fn absent(error: NetlinkError) -> Result<Vec<HookOwner>, Unavailable> {
    // `nfnl_hook_entries_head`: families and hooks that were not built in.
    if [Errno::PROTONOSUPPORT, Errno::OPNOTSUPP, Errno::NODEV].iter().any(|errno| error.is(*errno)) {
        return Ok(Vec::new());
    }
    // `nfnetlink_rcv_msg`: no such subsystem.
    if error.is(Errno::INVAL) {
        return Err(Unavailable::new(Reason::Unsupported, "this kernel does not tell who is at a netfilter hook"));
    }
    Err(error.into())
}

/// The owner in one message; family, hook and device are those that were asked for.
fn owner(payload: &[u8]) -> Option<HookOwner> {
    let mut owner = HookOwner {
        family: String::new(),
        hook: String::new(),
        device: None,
        priority: 0,
        function: None,
        module: None,
        chain: None,
        bpf_program: None,
    };
    let mut priority = None;
    for (kind, value) in attributes(payload, HEADER) {
        match kind {
            NFNLA_HOOK_PRIORITY => priority = value.first_chunk().map(|bytes| i32::from_be_bytes(*bytes)),
            NFNLA_HOOK_FUNCTION_NAME => owner.function = Some(text(value)),
            NFNLA_HOOK_MODULE_NAME => owner.module = Some(text(value)),
            NFNLA_HOOK_CHAIN_INFO => describe(&mut owner, value),
            _ => {}
        }
    }
    owner.priority = priority?;
    Some(owner)
}

fn describe(owner: &mut HookOwner, value: &[u8]) {
    let find = |value, wanted| attributes(value, 0).find(|(kind, _)| *kind == wanted).map(|(_, value)| value);
    let number = |value: &[u8]| value.first_chunk().map(|bytes| u32::from_be_bytes(*bytes));
    let Some(description) = find(value, NFNLA_HOOK_INFO_DESC) else { return };
    match find(value, NFNLA_HOOK_INFO_TYPE).and_then(number) {
        Some(kind) if NFTABLES.contains(&kind) => {
            let family = find(description, NFNLA_CHAIN_FAMILY).and_then(|value| value.first());
            let table = find(description, NFNLA_CHAIN_TABLE);
            let chain = find(description, NFNLA_CHAIN_NAME);
            if let (Some(family), Some(table), Some(chain)) = (family, table, chain) {
                owner.chain = Some([family_name(*family).to_owned(), text(table), text(chain)]);
            }
        }
        Some(BPF) => owner.bpf_program = find(description, NFNLA_HOOK_BPF_ID).and_then(number),
        _ => {}
    }
}

/// `NFPROTO_*` as nft calls them.
fn family_name(family: u8) -> &'static str {
    match family {
        1 => "inet",
        NFPROTO_IPV4 => "ip",
        3 => "arp",
        NFPROTO_NETDEV => "netdev",
        7 => "bridge",
        NFPROTO_IPV6 => "ip6",
        _ => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message(parts: &[Vec<u8>]) -> Vec<u8> {
        [vec![0; HEADER], parts.concat()].concat()
    }

    fn info(kind: u32, description: &[Vec<u8>]) -> Vec<u8> {
        let parts = [
            attribute(NFNLA_HOOK_INFO_TYPE, &kind.to_be_bytes()),
            attribute(NFNLA_HOOK_INFO_DESC, &description.concat()),
        ];
        attribute(NFNLA_HOOK_CHAIN_INFO, &parts.concat())
    }

    #[test]
    fn chains_functions_and_programs_are_named() {
        let chain = [
            attribute(NFNLA_CHAIN_TABLE, b"kube-proxy\0"),
            attribute(NFNLA_CHAIN_NAME, b"nat-prerouting\0"),
            attribute(NFNLA_CHAIN_FAMILY, &[1]),
        ];
        let found = owner(&message(&[
            attribute(NFNLA_HOOK_MODULE_NAME, b"nf_tables\0"),
            attribute(NFNLA_HOOK_FUNCTION_NAME, b"nft_do_chain_inet\0"),
            attribute(NFNLA_HOOK_HOOKNUM, &0u32.to_be_bytes()),
            attribute(NFNLA_HOOK_PRIORITY, &(-100i32).to_be_bytes()),
            info(1, &chain),
        ]));
        let found = found.expect("an owner");
        assert_eq!((found.priority, found.function.as_deref()), (-100, Some("nft_do_chain_inet")));
        assert_eq!(found.module.as_deref(), Some("nf_tables"));
        assert_eq!(found.chain, Some(["inet", "kube-proxy", "nat-prerouting"].map(str::to_owned)));

        let priority = attribute(NFNLA_HOOK_PRIORITY, &5i32.to_be_bytes());
        let program = info(2, &[attribute(NFNLA_HOOK_BPF_ID, &77u32.to_be_bytes())]);
        let found = owner(&message(&[priority, program])).expect("an owner");
        assert_eq!((found.bpf_program, found.chain), (Some(77), None));
    }

    proptest! {
        #[test]
        fn any_payload_is_an_owner_or_none(payload: Vec<u8>, kind in 0u32..5) {
            let _ = owner(&message(&[payload.clone(), info(kind, &[payload])]));
        }
    }
}
