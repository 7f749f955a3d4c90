//! The manifests of agents against the types of the Kubernetes API.

use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::{Namespace, Secret, ServiceAccount};
use k8s_openapi::api::rbac::v1::{ClusterRole, Role};
use k8s_openapi::api::scheduling::v1::PriorityClass;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use skoop_collect::nodes::agent::{AGENT_LABEL, AGENT_PORT, CLIENT_SECRET, Credentials};

const AGENT: &str = include_str!("../../deploy/agent/agent.yaml");
const READER: &str = include_str!("../../deploy/agent/reader.yaml");

fn documents(text: &str) -> Vec<Value> {
    text.split("\n---\n").map(|document| serde_saphyr::from_str(document).expect("YAML")).collect()
}

fn kind<'a>(documents: &'a [Value], kind: &str) -> &'a Value {
    documents.iter().find(|document| document["kind"] == kind).expect("a document of the kind")
}

/// Nothing is lost on the way through the type: every field is one of the API's.
fn checked<T: Serialize + DeserializeOwned>(document: &Value) -> T {
    let typed: T = serde_json::from_value(document.clone()).expect("an object of the API");
    assert_eq!(serde_json::to_value(&typed).expect("an object of the API"), *document);
    typed
}

#[test]
fn every_field_is_one_of_the_api() {
    for document in documents(AGENT).iter().chain(&documents(READER)) {
        match document["kind"].as_str().expect("a kind") {
            "Namespace" => drop(checked::<Namespace>(document)),
            "PriorityClass" => drop(checked::<PriorityClass>(document)),
            "ServiceAccount" => drop(checked::<ServiceAccount>(document)),
            "DaemonSet" => drop(checked::<DaemonSet>(document)),
            "ClusterRole" => drop(checked::<ClusterRole>(document)),
            "Role" => drop(checked::<Role>(document)),
            kind => panic!("{kind} has no check"),
        }
    }
}

#[test]
fn the_agents_fit_what_their_callers_look_for() {
    let agent = documents(AGENT);
    let set: DaemonSet = checked(kind(&agent, "DaemonSet"));
    let template = set.spec.template;
    let labels = template.metadata.and_then(|metadata| metadata.labels).expect("labels");
    let (name, value) = AGENT_LABEL.split_once('=').expect("a label");
    assert_eq!(labels.get(name).map(String::as_str), Some(value));
    let pod = template.spec.expect("a pod");
    let arguments = pod.containers[0].args.clone().unwrap_or_default();
    assert!(arguments.contains(&format!("--listen=127.0.0.1:{AGENT_PORT}")), "{arguments:?}");

    let secrets = Credentials::generate(1_790_000_000_000).expect("random numbers").secrets("skoop");
    let names: Vec<_> = secrets.iter().filter_map(|secret: &Secret| secret.metadata.name.as_deref()).collect();
    assert!(names.contains(&CLIENT_SECRET), "{names:?}");
    let mounted = pod.volumes.expect("volumes")[0].secret.clone().and_then(|secret| secret.secret_name);
    assert!(mounted.is_some_and(|mounted| names.contains(&mounted.as_str())));
    let version = env!("CARGO_PKG_VERSION");
    assert!(pod.containers[0].image.as_ref().is_some_and(|image| image.ends_with(&format!(":{version}"))));
}

#[test]
fn agents_get_no_more_than_they_need() {
    let agent = documents(AGENT);
    let set = kind(&agent, "DaemonSet");
    let security = &set["spec"]["template"]["spec"]["containers"][0]["securityContext"];
    assert_eq!(security["privileged"], false);
    assert_eq!(security["readOnlyRootFilesystem"], true);
    assert_eq!(security["capabilities"]["drop"], serde_json::json!(["ALL"]));
    assert!(set["spec"]["template"]["spec"]["volumes"].as_array().is_some_and(|volumes| volumes.len() == 1));
    assert_eq!(set["spec"]["template"]["spec"]["automountServiceAccountToken"], false);
}
