//! Whether a collector pod has started, and why it will not.

use k8s_openapi::api::core::v1::{ContainerStateWaiting, ContainerStatus, Pod};
use skoop_model::{Reason, Unavailable};

use super::PodOptions;

/// States of a waiting container that time alone does not mend, as the kubelet names them.
const HOPELESS: [&str; 8] = [
    "ErrImageNeverPull",
    "ErrImagePull",
    "ImageInspectError",
    "ImagePullBackOff",
    "InvalidImageName",
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
];

/// How far a pod is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Start {
    /// Not yet; in what state.
    Waiting(String),
    /// Its container runs.
    Running,
    /// It will not.
    Failed(Unavailable),
}

/// What the pod's status says.
pub(super) fn of(pod: &Pod, options: &PodOptions) -> Start {
    let Some(status) = &pod.status else { return Start::Waiting("nobody has looked at it yet".to_owned()) };
    let container = status.container_statuses.iter().flatten().next();
    let state = container.and_then(|container| container.state.as_ref());
    if let Some(waiting) = state.and_then(|state| state.waiting.as_ref()) {
        return waiting_for(waiting, options);
    }
    if state.is_some_and(|state| state.running.is_some()) {
        return Start::Running;
    }
    match status.phase.as_deref() {
        Some("Failed" | "Succeeded") => Start::Failed(ended(pod, container)),
        _ => Start::Waiting("the kubelet of its node has not taken it up".to_owned()),
    }
}

fn waiting_for(waiting: &ContainerStateWaiting, options: &PodOptions) -> Start {
    let reason = waiting.reason.as_deref().unwrap_or("unknown reason");
    let told = waiting.message.as_deref().map(|text| format!(": {text}")).unwrap_or_default();
    if !HOPELESS.contains(&reason) {
        return Start::Waiting(format!("{reason}{told}"));
    }
    let advice = if reason.contains("Image") && reason != "CreateContainerError" {
        format!("; name an image that the node can pull with --image (now {})", options.image)
    } else {
        String::new()
    };
    Start::Failed(Unavailable::new(Reason::Failed, format!("the collector pod does not start: {reason}{told}{advice}")))
}

/// Why a pod is over that should be running.
fn ended(pod: &Pod, container: Option<&ContainerStatus>) -> Unavailable {
    let status = pod.status.as_ref();
    let of_pod = status.and_then(|status| status.reason.clone().map(|reason| (reason, status.message.clone())));
    let terminated = container.and_then(|container| container.state.as_ref()?.terminated.as_ref());
    let of_container = terminated.map(|terminated| {
        let reason = terminated.reason.clone().unwrap_or_else(|| "Ended".to_owned());
        (format!("{reason}, exit code {}", terminated.exit_code), terminated.message.clone())
    });
    let (reason, message) = of_pod.or(of_container).unwrap_or_else(|| ("no reason given".to_owned(), None));
    let message = message.map(|text| format!(": {text}")).unwrap_or_default();
    Unavailable::new(Reason::Failed, format!("the collector pod ended at once: {reason}{message}"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn start(status: &Value) -> Start {
        let pod: Pod = serde_json::from_value(json!({"metadata": {"name": "x"}, "status": status})).expect("a pod");
        of(&pod, &PodOptions { image: "example.test/skoop:1".to_owned(), ..PodOptions::default() })
    }

    fn container(state: &Value) -> Value {
        json!({"phase": "Pending", "containerStatuses": [{
            "name": "collector", "image": "", "imageID": "", "ready": false, "restartCount": 0, "state": state}]})
    }

    fn failure(status: &Value) -> String {
        let Start::Failed(why) = start(status) else { panic!("{status} is hopeless") };
        why.detail
    }

    #[test]
    fn states_of_a_start() {
        assert_eq!(start(&container(&json!({"running": {}}))), Start::Running);
        let creating = container(&json!({"waiting": {"reason": "ContainerCreating"}}));
        assert_eq!(start(&creating), Start::Waiting("ContainerCreating".to_owned()));
        assert!(matches!(start(&json!({"phase": "Pending"})), Start::Waiting(text) if text.contains("kubelet")));
    }

    #[test]
    fn an_image_that_cannot_be_pulled_is_told_early() {
        let waiting = json!({"waiting": {"reason": "ImagePullBackOff", "message": "no such host"}});
        assert_eq!(
            failure(&container(&waiting)),
            "the collector pod does not start: ImagePullBackOff: no such host; name an image that the node can pull with \
             --image (now example.test/skoop:1)"
        );
        let waiting = json!({"waiting": {"reason": "RunContainerError", "message": "operation not permitted"}});
        assert!(!failure(&container(&waiting)).contains("--image"));
    }

    #[test]
    fn a_pod_that_the_kubelet_refuses_says_why() {
        let refused = json!({"phase": "Failed", "reason": "OutOfcpu", "message": "Node didn't have enough resource"});
        assert_eq!(failure(&refused), "the collector pod ended at once: OutOfcpu: Node didn't have enough resource");
        let mut ended = container(&json!({"terminated": {"exitCode": 1, "reason": "Error"}}));
        ended["phase"] = json!("Failed");
        assert_eq!(failure(&ended), "the collector pod ended at once: Error, exit code 1");
    }
}
