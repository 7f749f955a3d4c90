//! `hash:net,iface` (`net/netfilter/ipset/ip_set_hash_netiface.c`): prefixes with devices.

use skoop_model::Link;

use super::element::ElementOptions;
use super::layout::{Dimension, Layout};
use super::{Question, Side, Value, value_of};
use crate::Tri;
use crate::hash::FastMap;
use crate::netfilter::run::Run;

#[derive(Debug)]
pub(super) struct IfaceSet {
    layout: Layout,
    elements: FastMap<(u128, u8), Vec<Device>>,
    /// Prefix lengths that occur, the longest first.
    lengths: Vec<u8>,
    partial: bool,
}

#[derive(Debug)]
struct Device {
    name: Box<str>,
    /// It is a beginning of names.
    wildcard: bool,
    nomatch: bool,
}

impl IfaceSet {
    pub(super) fn new(layout: Layout) -> Self {
        Self { layout, elements: FastMap::default(), lengths: Vec::new(), partial: false }
    }

    pub(super) fn add(&mut self, text: &str, options: &ElementOptions) {
        let Some((net, device)) = text.split_once(',') else {
            self.partial = true;
            return;
        };
        let Some(pieces) = self.layout.addresses(net) else {
            self.partial = true;
            return;
        };
        for (address, length) in pieces {
            if self.lengths.last() != Some(&length) {
                self.lengths.push(length);
            }
            let device = Device { name: device.into(), wildcard: options.wildcard, nomatch: options.nomatch };
            self.elements.entry((address, length)).or_default().push(device);
        }
        if self.lengths.len() > 4096 {
            self.finish();
        }
    }

    pub(super) fn finish(&mut self) {
        self.lengths.sort_unstable_by(|one, other| other.cmp(one));
        self.lengths.dedup();
    }

    pub(super) fn contains(&self, question: &Question, run: &Run<'_>) -> Tri {
        let [first, second, ..] = &*question.sides else { return Tri::No };
        let device: Option<&Link> = match second {
            Side::Src => run.at.in_device,
            Side::Dst => run.at.out_device,
        };
        let (Some(device), Value::Known(address)) = (device, value_of(Dimension::Prefix, *first, run)) else {
            return Tri::No;
        };
        if self.layout.family != Some(run.packet.family()) {
            return Tri::No;
        }
        for length in &self.lengths {
            let devices = self.elements.get(&(address & self.layout.prefix_mask(*length), *length));
            // The longest prefix that is in the set is the last one looked at, whatever its devices ("++*multi" of
            // `hash_netiface4_data_equal`, "!multi" of `mtype_test_cidrs`).
            if let Some(devices) = devices {
                let found = devices.iter().find(|known| known.fits(&device.name));
                return match found {
                    Some(found) => (found.nomatch == question.return_nomatch).into(),
                    None if self.partial => Tri::Maybe,
                    None => Tri::No,
                };
            }
        }
        if self.partial { Tri::Maybe } else { Tri::No }
    }
}

impl Device {
    /// The match of iptables asks for devices, never for ports of a bridge (`IPSET_FLAG_PHYSDEV` in `cmdflags`).
    fn fits(&self, name: &str) -> bool {
        if self.name.starts_with("physdev:") {
            return false;
        }
        if self.wildcard { name.starts_with(&*self.name) } else { *self.name == *name }
    }
}
