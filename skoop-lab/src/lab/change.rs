//! Carries out one step of a scenario.

use anyhow::{Context, Result, bail};

use skoop_model::Protocol;

use super::Lab;
use crate::packets::Probe;
use crate::scenario::{Change, Edit, Place, fill, fill_json};
use crate::servers::Listen;
use crate::{command, objects, packets};

impl Lab {
    /// A change for people, with its placeholders filled in: `bridge fdb del …   # in node/node-1`.
    ///
    /// # Errors
    ///
    /// A placeholder that stands for nothing.
    pub fn describe(&self, change: &Change) -> Result<String> {
        match change {
            Change::Run { place, argv } => {
                let argv = argv.iter().map(|word| fill(word, self)).collect::<Result<Vec<_>>>()?;
                Ok(format!("{}   # in {place}", argv.join(" ")))
            }
            Change::Objects { edit, .. } => Ok(match edit {
                Some(Edit::Patch(patch)) => format!("patch {} {}", patch.kind, patch.name),
                Some(Edit::Delete(object)) => format!("delete {} {}", object.kind, object.name),
                Some(Edit::Create(_)) => "create an object".to_owned(),
                None => "let kube-proxy follow".to_owned(),
            }),
        }
    }

    pub(super) fn change(&self, change: &Change) -> Result<()> {
        match change {
            Change::Run { place, argv } => {
                let argv = argv.iter().map(|word| fill(word, self)).collect::<Result<Vec<_>>>()?;
                self.run_or_serve(place, &argv).with_context(|| format!("in {place}"))
            }
            Change::Objects { edit, sync } => {
                if let Some(edit) = edit {
                    self.edit(edit)?;
                }
                if *sync { self.sync_proxies() } else { Ok(()) }
            }
        }
    }

    fn run_or_serve(&self, place: &Place, argv: &[String]) -> Result<()> {
        let netns = self.netns(place)?;
        match argv {
            [lab, listen, listens @ ..] if lab == "lab" && listen == "listen" => {
                let listens = listens.iter().map(|text| text.parse()).collect::<Result<Vec<Listen>>>()?;
                self.listen(&netns, &listens)
            }
            [lab, send, to, ports @ ..] if lab == "lab" && send == "send" && ports.len() < 2 => {
                let source_port = ports.first().map(|port| port.parse()).transpose().context("a source port")?;
                self.send(netns, to, source_port)
            }
            [lab, ..] if lab == "lab" => {
                bail!("`{}` is no command of the lab: there are `lab listen …` and `lab send …`", argv.join(" "))
            }
            argv => command::run(Some(&netns), argv, None).map(drop),
        }
    }

    /// Sends to `tcp:ADDRESS:PORT` or `udp:ADDRESS:PORT` and waits for what comes back, whatever it is.
    fn send(&self, netns: String, to: &str, source_port: Option<u16>) -> Result<()> {
        let Listen { udp, address, .. } = to.parse()?;
        let protocol = if udp { Protocol::UDP } else { Protocol::TCP };
        let probe = Probe { netns, address: address.ip(), port: address.port(), protocol, size_bytes: 0, source_port };
        packets::measure(&self.background, &probe).map(drop)
    }

    fn edit(&self, edit: &Edit) -> Result<()> {
        match edit {
            Edit::Patch(patch) => {
                let (key, body) = (patch.key(), fill_json(&patch.body()?, self)?);
                self.store.merge_patch(&patch.kind, &key.namespace, &key.name, &body)?;
            }
            Edit::Delete(object) => {
                let key = object.key();
                self.store.delete(&object.kind, &key.namespace, &key.name)?;
            }
            Edit::Create(object) => self.store.put(objects::created(fill_json(object, self)?))?,
        }
        Ok(())
    }
}
