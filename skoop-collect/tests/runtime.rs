//! The runtime's reader against a real containerd of the test's own.

#[path = "runtime/containerd.rs"]
mod containerd;

use containerd::Containerd;
use skoop_collect::local::{NetnsRef, Options, Others, Selection};
use skoop_collect::nodes::{ThisNode, this_node};
use skoop_collect::runtime::{RuntimeOptions, read};
use skoop_model::{NodeName, ObjectKey};

const WEB: &str = "3b1c1b1e-6f0e-4c52-9d4b-0a4c7a0f1e2d";
const PROXY: &str = "7d0a5c1e-1f0b-4f7e-8f51-b1c2d3e4f506";

#[tokio::test]
#[ignore = "needs root: run by make test"]
async fn containerd_tells_its_sandboxes_and_their_namespaces() {
    let containerd = Containerd::start().await;
    let web = containerd.run("web", WEB, false).await;
    containerd.run("proxy", PROXY, true).await;
    let options = RuntimeOptions { endpoint: Some(containerd.endpoint()), ..RuntimeOptions::default() };

    let asked = ThisNode {
        name: NodeName::from("a"),
        selection: Selection { host: NetnsRef::Current, others: Others::All },
        local: Options { netfilter: false, ..Options::default() },
        runtime: Some(options.clone()),
    };
    let node = this_node(&asked).await.expect("this host");
    let runtime = node.runtime.get().expect("containerd answers");
    assert_eq!((runtime.name.as_str(), &runtime.unseen), ("containerd", &Vec::new()));
    let [proxy, pod] = runtime.sandboxes.as_slice() else { panic!("{:?}", runtime.sandboxes) };
    assert_eq!((&proxy.pod, proxy.host_network, proxy.ready), (&ObjectKey::new("default", "proxy"), true, true));
    assert_eq!(proxy.netns, node.host().map(|host| host.id));
    assert_eq!((&pod.pod, pod.uid.as_str(), &pod.id), (&ObjectKey::new("default", "web"), WEB, &web));
    assert_eq!((pod.host_network, pod.ready, pod.pid.is_some()), (false, true, true));
    let addresses: Vec<String> = pod.addresses.iter().map(ToString::to_string).collect();
    assert_eq!(addresses, ["10.99.0.2", "fd00:99::2"]);

    // Runtime, kernel and control group speak of the same namespace.
    let namespace = node.namespace(pod.netns.expect("a namespace")).expect("one of this host's");
    assert!(namespace.pids.contains(&pod.pid.expect("a process")));
    assert_eq!(namespace.pod_uid.as_deref(), Some(WEB));

    containerd.stop(&web).await;
    let runtime = read(&options).await;
    let pod = runtime.get().expect("it still answers").sandboxes.iter().find(|sandbox| sandbox.id == web);
    let pod = pod.expect("it is stopped, not removed");
    assert_eq!((pod.ready, pod.pid, pod.netns), (false, None, None));
}
