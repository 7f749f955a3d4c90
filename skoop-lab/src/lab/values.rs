//! What placeholders stand for, and where places are.

use anyhow::{Context, Result, bail};
use ipnet::IpNet;
use serde_json::Value;
use skoop_model::{Finding, ObjectKey};

use super::Lab;
use crate::command;
use crate::plan::Plan;
use crate::scenario::{Place, Values};
use crate::topology;

impl Values for Lab {
    fn value(&self, kind: &str, of: &str) -> Result<Option<String>> {
        Ok(Some(match kind {
            "ip" => self.address(of)?,
            "mac" => self.mac(of)?,
            "veth" => self.plan.pod(&key(of)?)?.veth.clone(),
            "vtep" => self.vtep(of)?,
            "podcidr" => first(&self.plan.node(of)?.pod_cidrs)?.to_string(),
            "gw" => Plan::gateway(first(&self.plan.node(of)?.pod_cidrs)?).to_string(),
            "nodeport" => self.service_text(of, "/spec/ports/0/nodePort")?,
            "lbip" => self.service_text(of, "/status/loadBalancer/ingress/0/ip")?,
            _ => return Ok(None),
        }))
    }
}

impl Lab {
    fn address(&self, of: &str) -> Result<String> {
        if of.starts_with("svc/") {
            return self.service_text(of, "/spec/clusterIP");
        }
        let nets = match of {
            "outside" => &self.plan.outside,
            pod if pod.contains('/') => &self.plan.pod(&key(pod)?)?.addresses,
            node => &self.plan.node(node)?.addresses,
        };
        Ok(first(nets)?.addr().to_string())
    }

    /// A device's address as the kernel has it now: `NODE/DEVICE` or `NS/POD/DEVICE`.
    fn mac(&self, of: &str) -> Result<String> {
        let (place, device) = of.rsplit_once('/').with_context(|| format!("`{of}` is not NODE/DEVICE"))?;
        let netns = match place {
            "outside" => self.plan.outside_netns(),
            pod if pod.contains('/') => self.plan.pod_netns(&self.plan.pod(&key(pod)?)?.key),
            node => self.plan.node_netns(&self.plan.node(node)?.name),
        };
        let argv = ["ip", "-json", "link", "show", "dev", device].map(str::to_owned);
        let links: Value = serde_json::from_str(&command::run(Some(&netns), &argv, None)?).context("output of ip")?;
        let mac = links.pointer("/0/address").and_then(Value::as_str);
        mac.map(str::to_owned).with_context(|| format!("{device} of {place} has no MAC address"))
    }

    fn vtep(&self, node: &str) -> Result<String> {
        let topology = topology::topology(&self.spec.topology)?;
        let family = *self.plan.families.first().context("a lab without a family")?;
        let vtep = topology.vtep(self.plan.node(node)?, family);
        Ok(vtep.with_context(|| format!("{} has no tunnel", self.spec.topology))?.to_string())
    }

    /// A value of the API object of a service, named `svc/NS/NAME`.
    fn service_text(&self, of: &str, pointer: &str) -> Result<String> {
        let name = of.strip_prefix("svc/").with_context(|| format!("`{of}` is not svc/NAMESPACE/NAME"))?;
        let key = key(name)?;
        let service = self.store.get("Service", &key.namespace, &key.name);
        match service.with_context(|| format!("the API server has no service {name}"))?.pointer(pointer) {
            Some(Value::String(text)) => Ok(text.clone()),
            Some(Value::Number(number)) => Ok(number.to_string()),
            _ => bail!("service {name} has no {pointer}"),
        }
    }

    /// The namespace of a place.
    pub(super) fn netns(&self, place: &Place) -> Result<String> {
        Ok(match place {
            Place::Node(name) => self.plan.node_netns(&self.plan.node(name)?.name),
            Place::Pod(key) => self.plan.pod_netns(&self.plan.pod(key)?.key),
            Place::Outside => self.plan.outside_netns(),
        })
    }

    /// The namespace that a finding is about: `host` of its node, or `pod/NS/NAME`.
    pub(super) fn netns_of_finding(&self, finding: &Finding) -> Result<String> {
        let place = match finding.namespace.as_str() {
            "host" => Place::Node(finding.node.clone()),
            pod if pod.starts_with("pod/") => pod.parse()?,
            other => {
                bail!("{} is about namespace `{other}` of {}, which is none of the lab's", finding.code, finding.node)
            }
        };
        self.netns(&place)
    }
}

fn key(name: &str) -> Result<ObjectKey> {
    let (namespace, name) = name.split_once('/').with_context(|| format!("`{name}` is not NAMESPACE/NAME"))?;
    Ok(ObjectKey::new(namespace, name))
}

fn first(nets: &[IpNet]) -> Result<&IpNet> {
    nets.first().context("a lab without a family")
}
