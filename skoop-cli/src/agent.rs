//! `skoop agent`: what it takes to install agents.

use serde_json::Value;
use skoop::collect::nodes::agent::Credentials;

use crate::args::{AgentCommand, AgentManifestArgs};
use crate::exit::{Exit, Failure};
use crate::output;

/// Manifests without Secrets, for the namespace `skoop`.
const MANIFESTS: [&str; 2] =
    [include_str!("../../deploy/agent/agent.yaml"), include_str!("../../deploy/agent/reader.yaml")];
/// Namespace in those.
const NAMESPACE: &str = "skoop";

pub(crate) fn run(command: &AgentCommand) -> Result<Exit, Failure> {
    match command {
        AgentCommand::Manifest(args) => {
            let credentials = Credentials::generate(output::now_ms()).map_err(anyhow::Error::from)?;
            output::print(&manifest(args, &credentials)?)?;
            Ok(Exit::Fine)
        }
    }
}

/// All documents, Secrets after their namespace.
fn manifest(args: &AgentManifestArgs, credentials: &Credentials) -> anyhow::Result<String> {
    let mut documents = Vec::new();
    for text in MANIFESTS {
        for document in text.split("\n---\n") {
            documents.push(serde_saphyr::from_str::<Value>(document)?);
        }
    }
    for document in &mut documents {
        adapt(document, args);
    }
    let secrets = credentials.secrets(&args.namespace);
    let secrets = secrets.iter().map(serde_json::to_value).collect::<Result<Vec<_>, _>>()?;
    let rest = documents.split_off(1);
    documents.extend(secrets);
    documents.extend(rest);
    let mut text = String::from(
        "# Made by `skoop agent manifest`. Holds a key and a token made anew: apply it, and keep no copy.\n",
    );
    for document in documents {
        text.push_str("---\n");
        text.push_str(&serde_saphyr::to_string(&document)?);
    }
    Ok(text)
}

/// Puts a document into the namespace that was asked for, with the image that was.
fn adapt(document: &mut Value, args: &AgentManifestArgs) {
    let of_namespace = document.get("kind").and_then(Value::as_str) == Some("Namespace");
    let path = if of_namespace { "/metadata/name" } else { "/metadata/namespace" };
    if let Some(namespace) = document.pointer_mut(path).filter(|namespace| *namespace == NAMESPACE) {
        *namespace = args.namespace.clone().into();
    }
    let pod = document.pointer_mut("/spec/template/spec");
    if let Some(image) = pod.and_then(|pod| pod.pointer_mut("/containers/0/image"))
        && let Some(wanted) = &args.image
    {
        *image = wanted.clone().into();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn documents(args: &AgentManifestArgs) -> Vec<Value> {
        let text = manifest(args, &Credentials::generate(1_790_000_000_000).unwrap()).unwrap();
        text.split("---\n").skip(1).map(|document| serde_saphyr::from_str(document).unwrap()).collect()
    }

    #[test]
    fn the_manifest_is_whole_and_in_its_namespace() {
        let image = Some("example.test/agent:7".to_owned());
        let all = documents(&AgentManifestArgs { namespace: "net-tools".to_owned(), image });
        let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
        for document in &all {
            *kinds.entry(document["kind"].as_str().unwrap()).or_default() += 1;
            let namespace = document["metadata"].get("namespace");
            assert!(namespace.is_none_or(|namespace| namespace == "net-tools"), "{document}");
        }
        let expected = [
            ("ClusterRole", 1),
            ("DaemonSet", 1),
            ("Namespace", 1),
            ("PriorityClass", 1),
            ("Role", 1),
            ("Secret", 2),
            ("ServiceAccount", 1),
        ];
        assert_eq!(kinds.into_iter().collect::<Vec<_>>(), expected);
        assert_eq!(all[0]["metadata"]["name"], "net-tools");
        let set = all.iter().find(|document| document["kind"] == "DaemonSet").unwrap();
        let container = &set["spec"]["template"]["spec"]["containers"][0];
        assert_eq!(container["image"], "example.test/agent:7");
        // Quantities, words and numbers come back as what they were.
        assert_eq!(container["resources"]["limits"]["memory"], "256Mi");
        assert_eq!(set["spec"]["template"]["spec"]["volumes"][0]["secret"]["defaultMode"], 256);
    }

    #[test]
    fn each_manifest_has_its_own_secrets() {
        let args = AgentManifestArgs { namespace: "skoop".to_owned(), image: None };
        let secrets =
            |all: Vec<Value>| all.into_iter().filter(|document| document["kind"] == "Secret").collect::<Vec<_>>();
        let (one, two) = (secrets(documents(&args)), secrets(documents(&args)));
        assert_ne!(one, two);
        assert_eq!(one[0]["data"]["token"], one[1]["data"]["token"]);
    }
}
