//! Builds a plan: runs the setups of a topology in their namespaces.

use std::thread;

use anyhow::{Context, Result, anyhow};
use skoop_model::Family;

use super::{Setup, Topology, base};
use crate::plan::{NodePlan, Plan};
use crate::{command, netns};

/// Builds every namespace, device, route and rule of the plan, but for kube-proxy's.
pub(crate) fn build(plan: &Plan, topology: &dyn Topology) -> Result<()> {
    netns::create(&plan.namespaces())?;
    let fabric = base::fabric(plan);
    let outside = base::outside(plan);
    let nodes: Vec<(&NodePlan, Setup)> = plan.nodes.iter().map(|node| (node, base::node(plan, node))).collect();
    write_sysctls(&plan.fabric_netns(), &fabric.sysctls)?;
    write_sysctls(&plan.outside_netns(), &outside.sysctls)?;
    // New devices copy `conf/default`, so that comes before the devices.
    for (node, setup) in &nodes {
        write_sysctls(&plan.node_netns(&node.name), &setup.sysctls)?;
    }
    for pod in &plan.pods {
        write_sysctls(&plan.pod_netns(&pod.key), &base::pod_sysctls(plan))?;
    }
    command::ip_batch(Some(&plan.fabric_netns()), &fabric.ip).context("build the nodes' network")?;
    command::ip_batch(Some(&plan.outside_netns()), &outside.ip).context("build the external client")?;
    thread::scope(|scope| {
        let threads: Vec<_> =
            nodes.iter().map(|(node, setup)| scope.spawn(move || build_node(plan, topology, node, setup))).collect();
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| anyhow!("building a node panicked"))?)
    })
}

fn build_node(plan: &Plan, topology: &dyn Topology, node: &NodePlan, base: &Setup) -> Result<()> {
    let namespace = plan.node_netns(&node.name);
    command::ip_batch(Some(&namespace), &base.ip).with_context(|| format!("set up {}", node.name))?;
    run(&namespace, &topology.node(plan, node)).with_context(|| format!("set up {}", node.name))?;
    for pod in plan.pods_on(&node.name) {
        run(&plan.pod_netns(&pod.key), &topology.pod(plan, pod)).with_context(|| format!("set up pod {}", pod.key))?;
    }
    Ok(())
}

fn run(namespace: &str, setup: &Setup) -> Result<()> {
    command::ip_batch(Some(namespace), &setup.ip)?;
    command::bridge_batch(Some(namespace), &setup.bridge)?;
    for (family, rules) in &setup.restore {
        restore(namespace, *family, rules)?;
    }
    write_sysctls(namespace, &setup.sysctls)
}

/// Loads rules beside those that are there.
pub(crate) fn restore(namespace: &str, family: Family, rules: &str) -> Result<()> {
    let tool = match family {
        Family::V4 => "iptables-restore",
        Family::V6 => "ip6tables-restore",
    };
    command::run(Some(namespace), &command::words(&format!("{tool} -w 5 --noflush")), Some(rules)).map(drop)
}

/// Writes values under `/proc/sys`, which shows those of the namespace of the thread that opens it.
fn write_sysctls(namespace: &str, values: &[(String, String)]) -> Result<()> {
    if values.is_empty() {
        return Ok(());
    }
    netns::enter(namespace, || {
        values.iter().try_for_each(|(path, value)| {
            let path = format!("/proc/sys/{path}");
            std::fs::write(&path, value).with_context(|| format!("write {value} to {path}"))
        })
    })?
}
