//! Carries out one step of a scenario.

use anyhow::{Context, Result, bail};

use super::Lab;
use crate::scenario::{Change, Edit, Place, fill, fill_json};
use crate::servers::Listen;
use crate::{command, objects};

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
            [lab, ..] if lab == "lab" => {
                bail!("`{}` is no command of the lab: there is `lab listen …`", argv.join(" "))
            }
            argv => command::run(Some(&netns), argv, None).map(drop),
        }
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
