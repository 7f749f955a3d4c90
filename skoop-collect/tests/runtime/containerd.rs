//! A containerd with a pause image and a network plugin made on the spot.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use prost::Message;
use skoop_collect::runtime::{RuntimeOptions, read};
use tempfile::TempDir;
use tonic::Request;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Endpoint;
use tonic_prost::ProstCodec;

const IMAGE: &str = "skoop.test/pause:1";
const PAUSE: &str = "#include <unistd.h>\nint main(void) { for (;;) pause(); }\n";
/// Says what it would have done, for both the plugin proper and the one of the loopback device.
const PLUGIN: &str = r#"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
int main(void) {
    const char *command = getenv("CNI_COMMAND"), *device = getenv("CNI_IFNAME"), *netns = getenv("CNI_NETNS");
    if (command && !strcmp(command, "VERSION"))
        puts("{\"cniVersion\":\"0.4.0\",\"supportedVersions\":[\"0.3.1\",\"0.4.0\"]}");
    if (!command || strcmp(command, "ADD"))
        return 0;
    int pod = strcmp(device, "lo");
    printf("{\"cniVersion\":\"%s\",\"interfaces\":[{\"name\":\"%s\",\"sandbox\":\"%s\"}],\"ips\":[%s]}",
           pod ? "0.4.0" : "0.3.1", device, netns,
           pod ? "{\"version\":\"4\",\"interface\":0,\"address\":\"10.99.0.2/24\"},"
                 "{\"version\":\"6\",\"interface\":0,\"address\":\"fd00:99::2/64\"}"
               : "{\"version\":\"4\",\"interface\":0,\"address\":\"127.0.0.1/8\"}");
}
"#;

#[derive(Clone, PartialEq, Message)]
struct RunPodSandbox {
    #[prost(message, optional, tag = "1")]
    config: Option<Config>,
}

#[derive(Clone, PartialEq, Message)]
struct Config {
    #[prost(message, optional, tag = "1")]
    metadata: Option<Metadata>,
    #[prost(string, tag = "2")]
    hostname: String,
    #[prost(map = "string, string", tag = "6")]
    labels: HashMap<String, String>,
    #[prost(message, optional, tag = "8")]
    linux: Option<Linux>,
}

#[derive(Clone, PartialEq, Message)]
struct Metadata {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    uid: String,
    #[prost(string, tag = "3")]
    namespace: String,
}

#[derive(Clone, PartialEq, Message)]
struct Linux {
    #[prost(string, tag = "1")]
    cgroup_parent: String,
    #[prost(message, optional, tag = "2")]
    security: Option<Security>,
}

#[derive(Clone, PartialEq, Message)]
struct Security {
    #[prost(message, optional, tag = "1")]
    namespaces: Option<Namespaces>,
}

#[derive(Clone, PartialEq, Message)]
struct Namespaces {
    #[prost(int32, tag = "1")]
    network: i32,
}

/// The sandbox's id: the request to stop or remove it, and the answer to one that runs it.
#[derive(Clone, PartialEq, Message)]
struct Id {
    #[prost(string, tag = "1")]
    id: String,
}

#[derive(Clone, PartialEq, Message)]
struct Nothing {}

/// A running containerd, ended with its sandboxes when dropped.
pub(crate) struct Containerd {
    directory: TempDir,
    daemon: Child,
}

impl Containerd {
    pub(crate) async fn start() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let path = |name: &str| directory.path().join(name);
        fs::create_dir_all(path("cni/bin")).expect("a directory");
        compile(PAUSE, &path("pause"));
        compile(PLUGIN, &path("cni/bin/loopback"));
        fs::copy(path("cni/bin/loopback"), path("cni/bin/test")).expect("a copy");
        let network = r#"{"cniVersion": "0.4.0", "name": "test", "plugins": [{"type": "test"}]}"#;
        fs::write(path("cni/10-test.conflist"), network).expect("a file");
        fs::write(path("config.toml"), config(directory.path())).expect("a file");
        let log = fs::File::create(path("log")).expect("a file");
        let daemon = Command::new("containerd")
            .arg("--config")
            .arg(path("config.toml"))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("containerd, which `make setup` installs");
        let containerd = Self { directory, daemon };
        containerd.wait().await;
        containerd.import();
        containerd
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("unix://{}", self.path("containerd.sock").display())
    }

    /// Runs the sandbox of a pod and tells its id.
    pub(crate) async fn run(&self, name: &str, uid: &str, host_network: bool) -> String {
        let metadata = Metadata { name: name.to_owned(), uid: uid.to_owned(), namespace: "default".to_owned() };
        let namespaces = Namespaces { network: if host_network { 2 } else { 0 } };
        let linux = Linux {
            cgroup_parent: format!("/{}/pod{uid}", group()),
            security: Some(Security { namespaces: Some(namespaces) }),
        };
        // A pod on the node's network has the node's name.
        let hostname = if host_network { String::new() } else { name.to_owned() };
        let config = Config { metadata: Some(metadata), hostname, labels: HashMap::new(), linux: Some(linux) };
        let answer: Id = self.call("RunPodSandbox", RunPodSandbox { config: Some(config) }).await;
        answer.id
    }

    pub(crate) async fn stop(&self, id: &str) {
        let _: Nothing = self.call("StopPodSandbox", Id { id: id.to_owned() }).await;
    }

    async fn call<Q: Message + 'static, A: Message + Default + 'static>(&self, method: &str, request: Q) -> A {
        let channel = Endpoint::from_shared(self.endpoint()).expect("a path").connect().await.expect("it listens");
        let mut grpc = Grpc::new(channel);
        grpc.ready().await.expect("it listens");
        let path = PathAndQuery::try_from(format!("/runtime.v1.RuntimeService/{method}")).expect("a path");
        let answer = grpc.unary(Request::new(request), path, ProstCodec::default()).await;
        assert!(answer.is_ok(), "{method}: {:?}\n{}", answer.err(), self.log());
        answer.expect("looked at above").into_inner()
    }

    /// Until it answers.
    async fn wait(&self) {
        let options = RuntimeOptions { endpoint: Some(self.endpoint()), ..RuntimeOptions::default() };
        let mut attempts = 0;
        while read(&options).await.value().is_none() {
            attempts += 1;
            assert!(attempts < 300, "containerd does not answer:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    fn import(&self) {
        let archive = self.path("pause.tar");
        let mut layer = tar::Builder::new(Vec::new());
        layer.append_path_with_name(self.path("pause"), "pause").expect("a program");
        let layer = layer.into_inner().expect("memory");
        let digest = format!("sha256:{}", hex(&layer));
        let config = format!(
            r#"{{"architecture":"amd64","os":"linux","config":{{"Entrypoint":["/pause"]}},"rootfs":{{"type":"layers","diff_ids":["{digest}"]}}}}"#
        );
        let manifest = format!(r#"[{{"Config":"config.json","RepoTags":["{IMAGE}"],"Layers":["layer.tar"]}}]"#);
        let mut image = tar::Builder::new(fs::File::create(&archive).expect("a file"));
        let parts =
            [("config.json", config.into_bytes()), ("layer.tar", layer), ("manifest.json", manifest.into_bytes())];
        for (name, bytes) in parts {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            image.append_data(&mut header, name, bytes.as_slice()).expect("written");
        }
        image.finish().expect("written");
        let arguments = ["--namespace", "k8s.io", "images", "import", "--snapshotter", "native"];
        let address = self.path("containerd.sock");
        let mut ctr = Command::new("ctr");
        ctr.arg("--address").arg(address).args(arguments).arg(&archive).stdout(Stdio::null());
        assert!(ctr.status().expect("ctr comes with containerd").success(), "{}", self.log());
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// Ends what `ctr` lists: tasks, then the containers.
    fn end_all(&self) {
        let address = self.path("containerd.sock");
        let ctr = |arguments: &[&str]| {
            let output = Command::new("ctr")
                .arg("--address")
                .arg(&address)
                .args(["--namespace", "k8s.io"])
                .args(arguments)
                .output();
            output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default()
        };
        for id in ctr(&["tasks", "list", "--quiet"]).lines() {
            ctr(&["tasks", "delete", "--force", id]);
        }
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        self.end_all();
        // It may have ended by itself.
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
        remove_groups();
        for mounted in mounts_below(self.directory.path()) {
            let _ = Command::new("umount").arg("--lazy").arg(mounted).status();
        }
    }
}

/// Control group of this test's sandboxes.
fn group() -> String {
    format!("skoop-test-{}", std::process::id())
}

/// Removes that group from every hierarchy: the unified one, or those below it.
fn remove_groups() {
    let root = Path::new("/sys/fs/cgroup");
    let below = fs::read_dir(root).into_iter().flatten().flatten().map(|entry| entry.path());
    for hierarchy in below.chain([root.to_path_buf()]) {
        remove_group(&hierarchy.join(group()));
    }
}

fn remove_group(group: &Path) {
    for entry in fs::read_dir(group).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_group(&entry.path());
        }
    }
    let _ = fs::remove_dir(group);
}

/// Namespaces and others that were mounted, the last first.
fn mounts_below(directory: &Path) -> Vec<String> {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let places = mounts.lines().filter_map(|line| line.split(' ').nth(1));
    let mut places: Vec<String> =
        places.filter(|place| Path::new(place).starts_with(directory)).map(str::to_owned).collect();
    places.reverse();
    places
}

fn compile(source: &str, program: &Path) {
    let file = program.with_extension("c");
    fs::write(&file, source).expect("a file");
    let status = Command::new("cc").args(["-static", "-O", "-o"]).arg(program).arg(&file).status();
    assert!(status.expect("a compiler, which `make setup` installs").success());
}

fn hex(bytes: &[u8]) -> String {
    use sha2::Digest;
    sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn config(directory: &Path) -> String {
    let directory = directory.display();
    format!(
        r#"version = 2
root = "{directory}/root"
state = "{directory}/state"
[grpc]
address = "{directory}/containerd.sock"
[ttrpc]
address = "{directory}/ttrpc.sock"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{IMAGE}"
netns_mounts_under_state_dir = true
restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "native"
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{directory}/cni/bin"
conf_dir = "{directory}/cni"
[plugins."io.containerd.internal.v1.opt"]
path = "{directory}/opt"
"#
    )
}
