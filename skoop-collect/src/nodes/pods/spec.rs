//! The pod that looks at a node.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    AppArmorProfile, Capabilities, Container, LocalObjectReference, Pod, PodSpec, ResourceRequirements, SELinuxOptions,
    SeccompProfile, SecurityContext, Toleration,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use skoop_model::NodeName;

use super::PodOptions;

/// Label that all collector pods bear, with [`APP`].
pub(super) const APP_LABEL: &str = "app.kubernetes.io/name";
/// Value of [`APP_LABEL`].
pub(super) const APP: &str = "skoop-collector";
/// Label with the run that made the pod.
pub(super) const RUN_LABEL: &str = "skoop.dev/run";
/// Name of the container.
pub(super) const CONTAINER: &str = "collector";
/// What looking at other namespaces takes: entering them (`SYS_ADMIN`), dumping their firewalls and connections (`NET_ADMIN`), finding them
/// through processes of other users (`SYS_PTRACE`, `DAC_READ_SEARCH`).
const CAPABILITIES: [&str; 4] = ["DAC_READ_SEARCH", "NET_ADMIN", "SYS_ADMIN", "SYS_PTRACE"];

/// The pod `name` for `node`.
///
/// It is bound to the node by name, so that neither the scheduler nor a cordon nor a taint keeps it away; it lives in the node's own network,
/// so that it starts where no pod network works; and nothing of the node is mounted.
pub(super) fn pod(name: &str, run: &str, node: &NodeName, options: &PodOptions) -> Pod {
    let labels = [(APP_LABEL, APP), (RUN_LABEL, run), ("app.kubernetes.io/managed-by", "skoop")];
    Pod {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            namespace: Some(options.namespace.clone()),
            labels: Some(labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into()),
            ..ObjectMeta::default()
        },
        spec: Some(PodSpec {
            node_name: Some(node.as_str().to_owned()),
            host_network: Some(true),
            host_pid: Some(true),
            restart_policy: Some("Never".to_owned()),
            // Whatever happens to the asker, the node is rid of it then.
            active_deadline_seconds: Some(i64::try_from(options.lifetime.as_secs()).unwrap_or(i64::MAX)),
            termination_grace_period_seconds: Some(0),
            automount_service_account_token: Some(false),
            enable_service_links: Some(false),
            service_account_name: options.service_account.clone(),
            image_pull_secrets: secrets(&options.pull_secrets),
            tolerations: Some(vec![Toleration { operator: Some("Exists".to_owned()), ..Toleration::default() }]),
            containers: vec![container(node, options)],
            ..PodSpec::default()
        }),
        status: None,
    }
}

fn secrets(names: &[String]) -> Option<Vec<LocalObjectReference>> {
    let all: Vec<_> = names.iter().map(|name| LocalObjectReference { name: name.clone() }).collect();
    (!all.is_empty()).then_some(all)
}

fn container(node: &NodeName, options: &PodOptions) -> Container {
    let command = ["skoop", "snapshot", "--session", "--node", node.as_str()];
    Container {
        name: CONTAINER.to_owned(),
        image: Some(options.image.clone()),
        image_pull_policy: Some("IfNotPresent".to_owned()),
        command: Some(command.map(str::to_owned).into()),
        stdin: Some(true),
        // The first asker is the only one: when it goes, input ends, and with it the program.
        stdin_once: Some(true),
        resources: Some(resources(options)),
        security_context: Some(SecurityContext {
            privileged: Some(false),
            // The API server refuses anything else beside SYS_ADMIN.
            allow_privilege_escalation: Some(true),
            run_as_user: Some(0),
            read_only_root_filesystem: Some(true),
            capabilities: Some(Capabilities {
                add: Some(CAPABILITIES.map(str::to_owned).into()),
                drop: Some(vec!["ALL".to_owned()]),
            }),
            seccomp_profile: Some(SeccompProfile { type_: "RuntimeDefault".to_owned(), ..SeccompProfile::default() }),
            // The runtimes' default profiles forbid what SYS_PTRACE is for.
            app_armor_profile: Some(AppArmorProfile { type_: "Unconfined".to_owned(), ..AppArmorProfile::default() }),
            se_linux_options: Some(SELinuxOptions { type_: Some("spc_t".to_owned()), ..SELinuxOptions::default() }),
            ..SecurityContext::default()
        }),
        ..Container::default()
    }
}

fn resources(options: &PodOptions) -> ResourceRequirements {
    let quantities = |pairs: [(&str, &str); 2]| -> BTreeMap<String, Quantity> {
        pairs.map(|(key, value)| (key.to_owned(), Quantity(value.to_owned()))).into()
    };
    ResourceRequirements {
        requests: Some(quantities([("cpu", "10m"), ("memory", "32Mi")])),
        limits: Some(quantities([("cpu", &options.cpu_limit), ("memory", &options.memory_limit)])),
        ..ResourceRequirements::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pod_can_look_and_no_more() {
        let options = PodOptions { pull_secrets: vec!["registry".to_owned()], ..PodOptions::default() };
        let pod = pod("skoop-collector-x", "r", &NodeName::from("n1"), &options);
        let spec = pod.spec.expect("has a spec");
        assert_eq!((spec.node_name.as_deref(), spec.host_pid, spec.host_network), (Some("n1"), Some(true), Some(true)));
        assert!(spec.volumes.is_none());
        assert_eq!(spec.automount_service_account_token, Some(false));
        assert_eq!(spec.image_pull_secrets.expect("one").len(), 1);
        let container = spec.containers.into_iter().next().expect("has one");
        let security = container.security_context.expect("is set");
        assert_eq!(security.privileged, Some(false));
        assert_eq!(security.capabilities.expect("are set").drop, Some(vec!["ALL".to_owned()]));
        assert_eq!(container.image_pull_policy.as_deref(), Some("IfNotPresent"));
    }
}
