//! The pod of a process, by the control group that kubelet put it into.

use std::fs;

/// The UID of the pod that these processes belong to; none if they are of no pod or of several.
pub(super) fn pod_uid(pids: &[u32]) -> Option<String> {
    let mut uids = pids.iter().filter_map(|pid| of_text(&fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?));
    let first = uids.next()?;
    uids.all(|uid| uid == first).then_some(first)
}

/// The UID in the lines of `/proc/PID/cgroup` (cgroups(7)): `ID:CONTROLLERS:PATH`, one for each hierarchy, the unified one without
/// controllers. Seen from another cgroup namespace a path begins with `/..`.
fn of_text(text: &str) -> Option<String> {
    text.lines().find_map(|line| line.splitn(3, ':').nth(2)?.rsplit('/').find_map(of_component))
}

/// `podUID` of the cgroupfs driver, `kubepods[-QOS]-podUID.slice` of the systemd driver, whose UID has underscores for dashes
/// (pkg/kubelet/cm/cgroup_manager_linux.go of Kubernetes).
fn of_component(component: &str) -> Option<String> {
    let uid = match component.strip_suffix(".slice") {
        Some(slice) => slice.rsplit_once("-pod")?.1,
        None => component.strip_prefix("pod")?,
    };
    let uid = uid.replace('_', "-");
    is_uid(&uid).then_some(uid)
}

/// A UUID, or the hash by which a static pod goes.
fn is_uid(text: &str) -> bool {
    let is_hex = text.split('-').all(|part| part.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let lengths: Vec<usize> = text.split('-').map(str::len).collect();
    is_hex && (lengths == [32] || lengths == [8, 4, 4, 4, 12])
}

#[cfg(test)]
mod tests {
    use super::*;

    const UID: &str = "3b1c1b1e-6f0e-4c52-9d4b-0a4c7a0f1e2d";

    #[test]
    fn paths_of_all_drivers_name_the_pod() {
        let cases = [
            "0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod3b1c1b1e_6f0e_4c52_9d4b_0a4c7a0f1e2d.slice/cri-containerd-aa.scope",
            "0::/kubepods.slice/kubepods-pod3b1c1b1e_6f0e_4c52_9d4b_0a4c7a0f1e2d.slice/crio-aa.scope/container",
            "0::/kubepods/besteffort/pod3b1c1b1e-6f0e-4c52-9d4b-0a4c7a0f1e2d/aa",
            "0::/../../pod3b1c1b1e-6f0e-4c52-9d4b-0a4c7a0f1e2d/aa",
            "0::/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod3b1c1b1e_6f0e_4c52_9d4b_0a4c7a0f1e2d.slice/x.scope",
            "13:misc:/\n12:cpu,cpuacct:/kubepods/pod3b1c1b1e-6f0e-4c52-9d4b-0a4c7a0f1e2d/aa\n1:name=systemd:/",
            "1:name=systemd:/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod3b1c1b1e_6f0e_4c52_9d4b_0a4c7a0f1e2d.slice/docker-aa.scope\n0::/",
        ];
        for text in cases {
            assert_eq!(of_text(text).as_deref(), Some(UID), "{text}");
        }
        let of_static = "0::/kubepods/burstable/pod0f4e5b5f9d0c3c5a6c4b2a1908f7e6d5/aa";
        assert_eq!(of_text(of_static).as_deref(), Some("0f4e5b5f9d0c3c5a6c4b2a1908f7e6d5"));
    }

    #[test]
    fn others_are_no_pods() {
        for text in [
            "",
            "0::/",
            "0::/system.slice/containerd.service",
            "0::/machine.slice/libpod-0a4c7a0f1e2d.scope",
            "0::/machine.slice/machine-libpod_pod_0f4e5b5f9d0c3c5a6c4b2a1908f7e6d5.slice",
            "0::/kubepods/podium",
            "0::/user.slice/a-podcast.slice",
            "nonsense",
        ] {
            assert_eq!(of_text(text), None, "{text}");
        }
        assert_eq!(pod_uid(&[std::process::id(), 0]), None);
    }
}
