//! A namespace with the state of a generated node.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use skoop_collect::local::{NetnsRef, Options, Others, Selection, collect};
use skoop_model::{NamespaceSnapshot, NodeName};

use super::generate::Node;

/// A namespace, removed when dropped.
pub(crate) struct Lab {
    name: String,
}

/// What one command of a batch gave.
pub(crate) type Answer = Result<serde_json::Value, String>;

impl Lab {
    pub(crate) fn build(label: &str, node: &Node) -> Self {
        let lab = Self { name: format!("skt-f-{}-{label}", std::process::id()) };
        let added = Command::new("ip").args(["netns", "add", &lab.name]).output().expect("ip runs");
        assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
        // No link-local addresses of the kernel's own: they would turn usable at some later time.
        lab.sysctl(&[("net.ipv6.conf.default.addr_gen_mode", 1), ("net.ipv6.conf.default.accept_dad", 0)]);
        // ip_forward resets the per-device values: first of all.
        lab.sysctl(&[("net.ipv4.ip_forward", 1)]);
        lab.batch(&[], &node.links);
        // Before the routes: next hops keep the hash thresholds that they got from the values of their time.
        lab.sysctl(&node.sysctls.iter().map(|(name, value)| (name.as_str(), *value)).collect::<Vec<_>>());
        // One run of the tool is of one family.
        let (v6, v4): (Vec<_>, Vec<_>) = node.commands.iter().partition(|command| command.starts_with("-6 "));
        lab.batch(&[], &v4.into_iter().cloned().collect::<Vec<_>>());
        lab.batch(&["-6"], &v6.into_iter().map(|command| command.replace("-6 ", "")).collect::<Vec<_>>());
        lab
    }

    /// Runs `ip` on several command lines; what fails is left out.
    pub(crate) fn batch(&self, options: &[&str], lines: &[String]) -> Output {
        let mut child = Command::new("ip")
            .args(["-n", &self.name, "-force"])
            .args(options)
            .args(["-batch", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("ip runs");
        child.stdin.take().expect("piped").write_all(lines.join("\n").as_bytes()).expect("ip reads");
        child.wait_with_output().expect("ip ends")
    }

    /// Asks one question a line, and gives one answer for each: JSON, or the kernel's error.
    pub(crate) fn ask(&self, options: &[&str], lines: &[String]) -> Vec<Answer> {
        let options: Vec<&str> = options.iter().copied().chain(["-j"]).collect();
        let output = self.batch(&options, lines);
        let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let mut failed = std::collections::HashMap::new();
        let mut message = String::new();
        for line in stderr.lines() {
            match line.strip_prefix("Command failed -:") {
                Some(number) => {
                    failed.insert(number.trim().parse::<usize>().expect("a line number"), std::mem::take(&mut message));
                }
                None => line.clone_into(&mut message),
            }
        }
        let mut answers = stdout.lines().filter(|line| !line.trim().is_empty());
        (1..=lines.len())
            .map(|number| match failed.remove(&number) {
                Some(message) => Err(message),
                None => Ok(serde_json::from_str(answers.next().expect("an answer")).expect("JSON")),
            })
            .collect()
    }

    pub(crate) fn sysctl(&self, values: &[(&str, i64)]) {
        if values.is_empty() {
            return;
        }
        let settings: Vec<String> = values.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let output = Command::new("ip")
            .args(["netns", "exec", &self.name, "sysctl", "-q", "-w"])
            .args(settings)
            .output()
            .expect("sysctl runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// The state as the tool prints it, for people who look at a difference.
    pub(crate) fn describe(&self) -> String {
        let v4 = ["link", "address", "rule", "route show table all", "nexthop", "neighbour"].map(str::to_owned);
        let v6 = ["rule", "route show table all"].map(str::to_owned);
        let text = |output: Output| String::from_utf8_lossy(&output.stdout).into_owned();
        format!("{}{}", text(self.batch(&[], &v4)), text(self.batch(&["-6"], &v6)))
    }

    /// The state as the collector sees it.
    pub(crate) fn snapshot(&self) -> NamespaceSnapshot {
        let selection = Selection { host: NetnsRef::Name(self.name.clone()), others: Others::None };
        let options = Options { netfilter: false, ..Options::default() };
        let node = collect(NodeName::from("node"), &selection, &options).expect("the namespace exists");
        node.namespaces.into_iter().next().expect("one namespace")
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let removed = Command::new("ip").args(["netns", "del", &self.name]).output();
        assert!(removed.is_ok_and(|output| output.status.success()) || std::thread::panicking());
    }
}
