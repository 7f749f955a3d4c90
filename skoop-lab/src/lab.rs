//! One cluster made of network namespaces: build it, break it, measure it, mend it, take it down.

mod change;
mod question;
mod values;

use std::sync::{Arc, Mutex};

use anyhow::{Context, Result};
use ipnet::IpNet;
use skoop_model::{Family, Finding};

use crate::api::ObjectStore;
use crate::background::Background;
use crate::claim::Claim;
use crate::objects;
use crate::packets::{self, Measured};
use crate::plan::Plan;
use crate::proxy::{self, Intent, Proxy, ProxyNode};
use crate::scenario::{Ask, Change, Place, Scenario};
use crate::servers::{Children, InProcess, Listen, Servers};
use crate::source::LabSource;
use crate::topology::{self, Topology};
use crate::{command, netns};

/// What to build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabSpec {
    /// Name of a topology.
    pub topology: String,
    /// Name of a proxy.
    pub proxy: String,
    /// Families, the primary one first.
    pub families: Vec<Family>,
}

impl Default for LabSpec {
    /// Flannel over VXLAN, kube-proxy in iptables mode, IPv4.
    fn default() -> Self {
        Self { topology: "flannel-vxlan".to_owned(), proxy: "iptables".to_owned(), families: vec![Family::V4] }
    }
}

impl From<&Scenario> for LabSpec {
    fn from(scenario: &Scenario) -> Self {
        Self { topology: scenario.topology.clone(), proxy: scenario.proxy.clone(), families: vec![scenario.family] }
    }
}

/// A cluster made of network namespaces. Gone when dropped, unless it was left standing.
///
/// Everything here is synchronous and may wait: call it on a thread that drives no async tasks.
pub struct Lab {
    plan: Plan,
    spec: LabSpec,
    proxy: &'static dyn Proxy,
    store: Arc<ObjectStore>,
    servers: Box<dyn Servers>,
    background: Background,
    claim: Mutex<Claim>,
    standing: bool,
}

impl Lab {
    /// Builds a healthy cluster: namespaces, datapath, kube-proxy's rules, listeners, API objects.
    ///
    /// # Errors
    ///
    /// No such topology or proxy, no permission, or the kernel refuses a step. What was built until then is removed.
    pub fn build(spec: &LabSpec) -> Result<Self> {
        Self::build_with(spec, Box::<InProcess>::default())
    }

    /// The same, with listeners that are processes in their pods' namespaces, as containers' would be: processes of `serve`, which must
    /// call [`serve_main`](crate::serve_main).
    ///
    /// # Errors
    ///
    /// As [`Lab::build`].
    pub fn build_serving(spec: &LabSpec, serve: &[String]) -> Result<Self> {
        Self::build_with(spec, Box::new(Children::new(serve)))
    }

    fn build_with(spec: &LabSpec, servers: Box<dyn Servers>) -> Result<Self> {
        let topology = topology::topology(&spec.topology)?;
        let proxy = proxy::proxy(&spec.proxy)?;
        require_root()?;
        let claim = Claim::create()?;
        let plan = Plan::new(claim.id(), &spec.families);
        let lab = Self {
            store: Arc::new(objects::store(&plan, topology, proxy.id())?),
            plan,
            spec: spec.clone(),
            proxy,
            servers,
            background: Background::start()?,
            claim: Mutex::new(claim),
            standing: false,
        };
        lab.erect(topology)?;
        Ok(lab)
    }

    fn erect(&self, topology: &dyn Topology) -> Result<()> {
        topology::build(&self.plan, topology)?;
        self.sync_proxies()?;
        for pod in self.plan.pods.iter().filter(|pod| pod.serves) {
            self.listen(&self.plan.pod_netns(&pod.key), &self.usual_listeners())?;
        }
        // The external client answers too, for questions that end outside.
        self.listen(&self.plan.outside_netns(), &self.usual_listeners())
    }

    /// Names and addresses.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// What was built.
    pub fn spec(&self) -> &LabSpec {
        &self.spec
    }

    /// Applies steps in order.
    ///
    /// # Errors
    ///
    /// A step fails; those before it stay.
    pub fn apply(&self, changes: &[Change]) -> Result<()> {
        changes.iter().enumerate().try_for_each(|(index, change)| {
            self.change(change).with_context(|| format!("step {} of {}", index + 1, changes.len()))
        })
    }

    /// Sends real packets, and says what became of them.
    ///
    /// # Errors
    ///
    /// An end does not exist, or nothing could be sent at all.
    pub fn measure(&self, ask: &Ask) -> Result<Measured> {
        packets::measure(&self.background, &self.probe(ask)?)
    }

    /// Runs the commands of a finding's fix in its namespace; false if it has none.
    ///
    /// # Errors
    ///
    /// The finding names no place of this lab, or a command fails.
    pub fn apply_fix(&self, finding: &Finding) -> Result<bool> {
        if finding.fix.commands.is_empty() {
            return Ok(false);
        }
        let netns = self.netns_of_finding(finding)?;
        for argv in &finding.fix.commands {
            command::run(Some(&netns), argv, None).with_context(|| format!("the fix of {}", finding.code))?;
        }
        Ok(true)
    }

    /// Runs a command in a place, and returns what it printed.
    ///
    /// # Errors
    ///
    /// The place does not exist, or the command fails.
    pub fn run(&self, place: &Place, argv: &[String]) -> Result<String> {
        command::run(Some(&self.netns(place)?), argv, None)
    }

    /// Lets kube-proxy's rules follow the API objects on every node.
    ///
    /// # Errors
    ///
    /// A rule could not be loaded.
    pub fn sync_proxies(&self) -> Result<()> {
        let intent = Intent::read(&self.store)?;
        let families: Vec<(Family, IpNet)> =
            self.plan.families.iter().copied().zip(self.plan.pod_networks.iter().copied()).collect();
        std::thread::scope(|scope| {
            let threads: Vec<_> = self
                .plan
                .nodes
                .iter()
                .map(|node| {
                    let node = ProxyNode {
                        netns: self.plan.node_netns(&node.name),
                        name: node.name.clone(),
                        families: families.clone(),
                        addresses: node.addresses.iter().map(IpNet::addr).collect(),
                        service_networks: self.plan.service_networks.clone(),
                    };
                    let intent = &intent;
                    scope.spawn(move || self.proxy.sync(&node, &intent.services, &intent.slices))
                })
                .collect();
            threads
                .into_iter()
                .try_for_each(|thread| thread.join().map_err(|_| anyhow::anyhow!("kube-proxy panicked"))?)
        })
    }

    /// The lab as a source of facts: API objects from an API server, kernel state from the namespaces, and nothing else.
    ///
    /// # Errors
    ///
    /// The API server could not be started.
    pub fn source(&self) -> Result<LabSource> {
        LabSource::start(&self.plan, Arc::clone(&self.store))
    }

    /// Takes everything down.
    ///
    /// # Errors
    ///
    /// A namespace could not be deleted.
    pub fn tear_down(mut self) -> Result<()> {
        self.standing = true;
        self.remove()
    }

    /// Lets the listeners run on without this process, and returns their processes.
    pub(crate) fn detach_servers(&self) -> Result<Vec<u32>> {
        self.servers.stay()
    }

    pub(crate) fn leave_standing(mut self, state: &str) -> Result<()> {
        self.claim.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner).write(state)?;
        self.standing = true;
        Ok(())
    }

    /// The API objects.
    pub fn objects(&self) -> &ObjectStore {
        &self.store
    }

    fn remove(&self) -> Result<()> {
        let names = netns::with_prefix(&self.plan.prefix())?;
        netns::delete(&names)?;
        self.claim.lock().unwrap_or_else(std::sync::PoisonError::into_inner).remove()
    }

    fn listen(&self, netns: &str, listens: &[Listen]) -> Result<()> {
        self.servers.set(netns, listens).with_context(|| format!("listen in {netns}"))
    }

    /// TCP and UDP 80 at every address of every family.
    fn usual_listeners(&self) -> Vec<Listen> {
        let any = match self.plan.families.as_slice() {
            [Family::V4] => std::net::IpAddr::from([0; 4]),
            _ => std::net::IpAddr::from([0; 16]),
        };
        [false, true].map(|udp| Listen { udp, address: (any, 80).into(), v6only: false }).into()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if !self.standing {
            // What is left is found by `down`.
            let _ = self.remove();
        }
    }
}

pub(crate) fn require_root() -> Result<()> {
    if rustix::process::geteuid().is_root() {
        return Ok(());
    }
    anyhow::bail!("the lab makes network namespaces and needs root: run it with sudo")
}
