//! `cgroup` (`net/netfilter/xt_cgroup.c`): the control group of the sender.

use skoop_model::TcpFlags;

use super::Matcher;
use crate::Tri;
use crate::conntrack::Origin;
use crate::netfilter::Hook;
use crate::netfilter::args::Args;
use crate::netfilter::run::Run;

#[derive(Debug)]
pub(crate) struct Cgroup;

impl Matcher for Cgroup {
    fn parse(mut args: Args<'_>) -> Option<Self> {
        args.all(|arg| matches!(arg.name, "--path" | "--cgroup") && arg.value().is_some()).then_some(Self)
    }

    /// Without a socket the answer is no, inverted or not. What was received has one in INPUT if it belongs to a connected socket
    /// (`tcp_v4_early_demux`, `udp_v4_early_demux`).
    fn eval(&self, run: &Run<'_>) -> Tri {
        let begins =
            run.packet.tcp_flags().is_some_and(|flags| flags.contains(TcpFlags::SYN) && !flags.contains(TcpFlags::ACK));
        let connected = run.at.hook == Hook::Input && run.packet.dport().is_some() && !begins;
        match run.state.origin {
            Some(Origin::Received) if !connected => Tri::No,
            _ => Tri::Maybe,
        }
    }

    fn doubt(&self) -> Option<String> {
        Some("match `cgroup`: the control group of the sender is not known".to_owned())
    }
}
