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
            node: self.entry(ask).map(NodeName::from),
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

    /// Address and port that packets bear: a service is asked by its load-balancer address if the question is external, by node port
    /// if it names a node, else by its cluster address.
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
                Some(node) if !ask.external => {
                    Ok((parse(value("ip", node)?)?, value("nodeport", &to)?.parse().context("a node port")?))
                }
                _ if ask.external => Ok((parse(value("lbip", &to)?)?, port)),
                _ => Ok((parse(value("ip", &to)?)?, port)),
            },
            Some(("pod" | "node", rest)) => Ok((parse(value("ip", rest)?)?, port)),
            None if to == "outside" => Ok((parse(value("ip", &to)?)?, port)),
            _ => bail!("the lab sends no packets to `{to}`"),
        }
    }

    /// The node by which packets from outside enter: to a load balancer's address by the first one, which announces it.
    fn entry<'a>(&'a self, ask: &'a Ask) -> Option<&'a str> {
        let announcer =
            || Some(self.plan.nodes.first()?.name.as_str()).filter(|_| ask.external && ask.from == "outside");
        ask.node.as_deref().or_else(announcer)
    }

    fn family(&self) -> Result<Family> {
        self.plan.families.first().copied().context("a lab without a family")
    }
}
