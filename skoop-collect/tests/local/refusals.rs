//! What may not or cannot be looked at.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::thread;

use rustix::process::{Gid, Uid};
use rustix::thread::{set_thread_gid, set_thread_groups, set_thread_uid};
use skoop_collect::CollectError;
use skoop_collect::local::{NetnsRef, Options, Others, Selection, collect};
use skoop_model::{NodeName, Reason};

use crate::support::Namespace;

/// Runs `work` as nobody.
fn as_nobody<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| {
        scope
            .spawn(|| {
                set_thread_groups(&[]).unwrap();
                set_thread_gid(Gid::from_raw(65534)).unwrap();
                set_thread_uid(Uid::from_raw(65534)).unwrap();
                work()
            })
            .join()
            .unwrap()
    })
}

#[test]
#[ignore = "needs root: run by make test"]
fn without_permission_the_rest_is_kept() {
    let namespace = Namespace::new("denied");
    let snapshot = as_nobody(|| collect(NodeName::from("node"), &Selection::default(), &Options::default())).unwrap();
    let [host] = snapshot.namespaces.as_slice() else { panic!("only the own namespace") };
    assert!(!host.links.elements().is_empty() && !host.routes.elements().is_empty());
    assert!(host.sysctls.value().is_some() && host.sockets.value().is_some());
    let refused = host.unavailable();
    assert!(!refused.is_empty());
    for (part, why) in refused {
        assert_eq!(why.reason, Reason::Permission, "{part}: {why}");
    }
    for part in [&host.netfilter.legacy_v4, &host.netfilter.nft_json, &host.netfilter.ipset] {
        assert_eq!(part.get().unwrap_err().reason, Reason::Permission);
    }
    for told in [namespace.name.as_str(), "processes"] {
        let why = snapshot.unseen.iter().find(|why| why.detail.contains(told)).unwrap();
        assert_eq!(why.reason, Reason::Permission, "{why}");
    }
}

#[test]
#[ignore = "needs root: run by make test"]
fn a_host_that_may_not_be_entered_is_an_error() {
    let namespace = Namespace::new("denied2");
    let selection = Selection { host: namespace.netns(), others: Others::None };
    let error = as_nobody(|| collect(NodeName::from("node"), &selection, &Options::default())).unwrap_err();
    assert_eq!(error.reason(), Reason::Permission);
    assert_eq!(error.to_string(), format!("cannot enter network namespace {}", namespace.name));
}

#[test]
fn a_namespace_that_is_not_there_is_an_error() {
    for host in [
        NetnsRef::Name("skt-A-nobody".to_owned()),
        NetnsRef::Name("../../proc/1/ns/mnt".to_owned()),
        NetnsRef::Pid(u32::MAX),
        NetnsRef::Path("/no/such/file".into()),
    ] {
        let selection = Selection { host: host.clone(), others: Others::None };
        let error = collect(NodeName::from("node"), &selection, &Options::default()).unwrap_err();
        assert!(matches!(error, CollectError::NoNamespace { .. }), "{error:?}");
        assert!(error.to_string().contains(&host.to_string()), "{error}");
    }
}

#[test]
#[ignore = "needs root: run by make test"]
fn a_namespace_of_another_kind_is_an_error() {
    for path in ["/proc/self/ns/mnt", "/proc/self/status"] {
        let selection = Selection { host: NetnsRef::Path(path.into()), others: Others::None };
        let error = collect(NodeName::from("node"), &selection, &Options::default()).unwrap_err();
        assert!(matches!(error, CollectError::NotNamespace { .. }), "{error:?}");
    }
}

#[test]
#[ignore = "needs root: run by make test"]
fn others_that_are_gone_are_unseen() {
    let namespace = Namespace::new("alive");
    let gone = NetnsRef::Name("skt-A-gone".to_owned());
    let selection = Selection { host: namespace.netns(), others: Others::These(vec![gone, NetnsRef::Current]) };
    let snapshot = collect(NodeName::from("node"), &selection, &Options::default()).unwrap();
    assert_eq!(snapshot.namespaces.len(), 2);
    let [why] = snapshot.unseen.as_slice() else { panic!("{:?}", snapshot.unseen) };
    assert_eq!(why.reason, Reason::NotFound);
    assert!(why.detail.contains("skt-A-gone"));
}

#[test]
#[ignore = "needs root: run by make test"]
fn what_is_left_of_a_name_is_told() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("left-over"), "").unwrap();
    let options = Options { netns_dir: directory.path().to_owned(), netfilter: false, ..Options::default() };
    let snapshot = collect(NodeName::from("node"), &Selection::default(), &options).unwrap();
    let why = snapshot.unseen.iter().find(|why| why.detail.contains("left-over")).unwrap();
    assert_eq!(why.reason, Reason::Gone);
    assert!(snapshot.host().unwrap().netfilter.nft_json.get().is_err_and(|why| why.reason == Reason::NotCollected));
}

#[test]
#[ignore = "needs root: run by make test"]
fn namespaces_that_come_and_go_do_not_fail_the_run() {
    let host = Namespace::new("steady");
    let selection = Selection { host: host.netns(), others: Others::All };
    thread::scope(|scope| {
        let churn = scope.spawn(|| {
            for round in 0..30 {
                let namespace = Namespace::new(&format!("churn{round}"));
                host.ip(&format!("link add churn{round} type veth peer name eth0 netns {}", namespace.name));
            }
        });
        while !churn.is_finished() {
            let snapshot = collect(NodeName::from("node"), &selection, &Options::default()).unwrap();
            assert!(snapshot.host().is_some_and(|host| host.links.value().is_some()));
        }
    });
}

#[test]
#[ignore = "needs root: run by make test"]
fn an_unprivileged_child_sees_its_own_namespace() {
    // As a process of its own, so that its children have no rights either: the tools cannot regain root.
    let test = std::env::current_exe().unwrap();
    let mut child = Command::new("setpriv");
    child.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all", "--"]);
    child.arg(test).args(["--exact", "refusals::as_whoever_this_is", "--ignored"]).process_group(0);
    let output = child.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
#[ignore = "needs root: run by make test"]
fn as_whoever_this_is() {
    let selection = Selection { host: NetnsRef::Current, others: Others::None };
    let snapshot = collect(NodeName::from("node"), &selection, &Options::default()).unwrap();
    let host = snapshot.host().unwrap();
    assert!(host.links.value().is_some());
    for (part, why) in host.unavailable() {
        assert_eq!(why.reason, Reason::Permission, "{part}: {why}");
    }
}
