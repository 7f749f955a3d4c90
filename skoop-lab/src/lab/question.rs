//! One question, as packets to send and as a question to a diagnosis.

use std::net::IpAddr;

use anyhow::{Context, Result, bail};
use skoop_model::{End, Family, NodeName, Port, Question};

use super::Lab;
use crate::packets::Probe;
use crate::scenario::{Ask, Place, Values, fill};

/// Port asked where a question names none.
const USUAL_PORT: u16 = 80;

impl Lab {
    /// The question for a diagnosis.
    ///
    /// # Errors
    ///
    /// An end is none, or does not exist.
    pub fn question(&self, ask: &Ask) -> Result<Question> {
        let family = self.family()?;
        let end = |text: &str| -> Result<End> {
            Ok(match fill(text, self)?.parse().with_context(|| format!("`{text}`"))? {
                End::Outside(None) => End::Outside(self.plan.outside.first().map(ipnet::IpNet::addr)),
                end => end,
            })
        };
        // A service asked from outside its cluster address is asked by address.
        let to = if ask.external { End::Address(self.target(ask)?.0) } else { end(&ask.to)? };
        let protocol = ask.protocol(family);
        Ok(Question {
            from: end(&ask.from)?,
            to,
            protocol,
            port: ask.port.filter(|_| !protocol.is_icmp()).map(Port),
            source_port: ask.source_port.map(Port),
            family: Some(family),
            size_bytes: ask.size,
            node: ask.node.as_deref().map(NodeName::from),
            reply: true,
        })
    }

    /// The packets to send.
    pub(super) fn probe(&self, ask: &Ask) -> Result<Probe> {
        let from: Place = fill(&ask.from, self)?.parse().with_context(|| format!("packets from `{}`", ask.from))?;
        let (address, port) = self.target(ask)?;
        Ok(Probe {
            netns: self.netns(&from)?,
            address,
            port,
            protocol: ask.protocol(self.family()?),
            size_bytes: ask.size.unwrap_or(0),
            source_port: ask.source_port,
        })
    }

    /// Address and port that packets bear: a service is asked by node port if the question names a node, by its load-balancer address if
    /// it is external, else by its cluster address.
    fn target(&self, ask: &Ask) -> Result<(IpAddr, u16)> {
        let to = fill(&ask.to, self)?;
        let port = ask.port.unwrap_or(USUAL_PORT);
        if let Ok(address) = to.parse() {
            return Ok((address, port));
        }
        let value = |kind: &str, of: &str| self.value(kind, of)?.context("a placeholder of the lab");
        let parse = |text: String| text.parse().with_context(|| format!("`{text}` is no address"));
        match to.split_once('/') {
            Some(("svc", _)) => match &ask.node {
                Some(node) => Ok((parse(value("ip", node)?)?, value("nodeport", &to)?.parse().context("a node port")?)),
                None if ask.external => Ok((parse(value("lbip", &to)?)?, port)),
                None => Ok((parse(value("ip", &to)?)?, port)),
            },
            Some(("pod" | "node", rest)) => Ok((parse(value("ip", rest)?)?, port)),
            None if to == "outside" => Ok((parse(value("ip", &to)?)?, port)),
            _ => bail!("the lab sends no packets to `{to}`"),
        }
    }

    fn family(&self) -> Result<Family> {
        self.plan.families.first().copied().context("a lab without a family")
    }
}
