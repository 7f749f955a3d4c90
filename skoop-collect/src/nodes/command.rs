//! Nodes, seen over `ssh`.

use std::process::Stdio;

use async_trait::async_trait;
use skoop_model::{NodeSnapshot, Reason, Unavailable};
use tokio::io::AsyncReadExt as _;
use tokio::process::Command;

use super::{NodeCollector, Target, session, wire};

/// How much of what `ssh` complains about is told.
const TOLD_BYTES: usize = 300;

/// Runs `skoop snapshot` on the node over `ssh`, which must let in without asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshCollector {
    /// User to log in as; none is what `ssh` is configured to.
    pub user: Option<String>,
    /// The program `ssh` with further arguments, as `-i` and a key.
    pub program: Vec<String>,
    /// The command on the node before `snapshot`: `skoop`, or `sudo -n skoop`.
    pub remote: Vec<String>,
    /// Whether nodes are reached by their names, not by their addresses.
    pub by_name: bool,
}

impl Default for SshCollector {
    fn default() -> Self {
        let ssh = ["ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=5"];
        let remote = vec!["skoop".to_owned()];
        Self { user: None, program: ssh.map(str::to_owned).into(), remote, by_name: false }
    }
}

impl SshCollector {
    /// All arguments, the program first. Nothing of it is a shell's: what `ssh` hands to the shell of the node is `remote`, which the
    /// caller chose, and the node's name, which consists of harmless letters.
    fn arguments(&self, node: &Target) -> Result<Vec<String>, Unavailable> {
        let name = node.name.as_str();
        let is_plain = |letter: char| letter.is_ascii_alphanumeric() || ['-', '.'].contains(&letter);
        if name.is_empty() || name.starts_with('-') || !name.chars().all(is_plain) {
            return Err(Unavailable::new(Reason::Malformed, "this name is no host's"));
        }
        let host = match node.addresses.first() {
            Some(address) if !self.by_name => address.to_string(),
            _ => name.to_owned(),
        };
        let mut arguments = self.program.clone();
        if let Some(user) = &self.user {
            arguments.extend(["-l".to_owned(), user.clone()]);
        }
        arguments.extend(["--".to_owned(), host]);
        arguments.extend(self.remote.iter().cloned());
        arguments.extend(["snapshot", "--node", name, "--output", "-"].map(str::to_owned));
        Ok(arguments)
    }
}

#[async_trait]
impl NodeCollector for SshCollector {
    fn name(&self) -> &'static str {
        "ssh"
    }

    async fn snapshot(&self, node: &Target) -> Result<NodeSnapshot, Unavailable> {
        let arguments = self.arguments(node)?;
        let Some((program, rest)) = arguments.split_first() else {
            return Err(Unavailable::new(Reason::Failed, "no program is named"));
        };
        let failed = |error: std::io::Error| Unavailable::new(Reason::Failed, format!("cannot run {program}: {error}"));
        let mut command = Command::new(program);
        command.args(rest).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().map_err(failed)?;
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let (mut bytes, mut complaint) = (Vec::new(), Vec::new());
        let read = async {
            if let Some(out) = out {
                out.take(wire::MAX_SNAPSHOT_BYTES).read_to_end(&mut bytes).await?;
            }
            Ok(())
        };
        let complain = async {
            if let Some(mut err) = err {
                err.read_to_end(&mut complaint).await?;
            }
            Ok(())
        };
        tokio::try_join!(read, complain).map_err(failed)?;
        let status = child.wait().await.map_err(failed)?;
        if status.success() {
            return session::understood(&bytes);
        }
        let complaint = String::from_utf8_lossy(complaint.get(..TOLD_BYTES).unwrap_or(&complaint)).trim().to_owned();
        Err(Unavailable::new(Reason::Failed, format!("{program} ended with {status}: {complaint}")))
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;

    use skoop_model::NodeName;

    use super::*;
    use crate::nodes::{Answer, encode};

    fn target(name: &str) -> Target {
        Target { name: NodeName::from(name), addresses: vec!["192.0.2.1".parse().expect("a literal")], ready: None }
    }

    /// A program in place of `ssh`, which ignores its arguments.
    fn stand_in(directory: &Path, script: &str) -> SshCollector {
        let path = directory.join("ssh");
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("writable");
        std::fs::set_permissions(&path, Permissions::from_mode(0o755)).expect("ours");
        SshCollector { program: vec![path.display().to_string()], ..SshCollector::default() }
    }

    #[test]
    fn what_runs_on_the_node_is_fixed() {
        let ssh = SshCollector { user: Some("ops".to_owned()), ..SshCollector::default() };
        let arguments = ssh.arguments(&target("n1.example")).expect("a plain name");
        assert_eq!(
            arguments.join(" "),
            "ssh -o BatchMode=yes -o ConnectTimeout=5 -l ops -- 192.0.2.1 skoop snapshot --node n1.example --output -"
        );
        for hostile in ["", "-oProxyCommand=x", "a;reboot", "a b", "a\nb"] {
            assert!(ssh.arguments(&target(hostile)).is_err(), "{hostile:?}");
        }
    }

    #[tokio::test]
    async fn what_the_program_writes_is_the_snapshot() {
        let directory = tempfile::tempdir().expect("a directory");
        let (file, snapshot) = (directory.path().join("s"), NodeSnapshot::new(NodeName::from("a"), 7));
        std::fs::write(&file, encode(&Answer::Snapshot(Box::new(snapshot.clone()))).expect("plain data")).expect("ok");
        assert_eq!(
            stand_in(directory.path(), &format!("cat {}", file.display())).snapshot(&target("a")).await,
            Ok(snapshot)
        );
        let why =
            stand_in(directory.path(), "echo denied >&2; exit 255").snapshot(&target("a")).await.expect_err("it fails");
        assert!(why.detail.ends_with("ssh ended with exit status: 255: denied"), "{why}");
        let missing = SshCollector { program: vec!["/no/such/program".to_owned()], ..SshCollector::default() };
        assert!(missing.snapshot(&target("a")).await.is_err());
    }
}
