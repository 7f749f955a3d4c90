//! What is installed beside the command: roles and the manifest of the kubectl plugin.

use std::collections::BTreeSet;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;
use skoop::collect::kube::{Permission, TO_ASK_AGENTS, TO_MAKE_PODS, TO_READ, config_map_names};

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    std::fs::read_to_string(&path).expect("a file of the repository")
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Role {
    metadata: Metadata,
    rules: Vec<Rule>,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    api_groups: Vec<String>,
    resources: Vec<String>,
    #[serde(default)]
    resource_names: Vec<String>,
    verbs: Vec<String>,
}

type Granted = BTreeSet<(String, String, String, Option<String>)>;

fn granted(role: &Role) -> Granted {
    let mut all = Granted::new();
    for rule in &role.rules {
        let names: Vec<Option<&String>> =
            if rule.resource_names.is_empty() { vec![None] } else { rule.resource_names.iter().map(Some).collect() };
        for (group, resource) in
            rule.api_groups.iter().flat_map(|group| rule.resources.iter().map(move |one| (group, one)))
        {
            for (verb, name) in rule.verbs.iter().flat_map(|verb| names.iter().map(move |name| (verb, *name))) {
                all.insert((verb.clone(), group.clone(), resource.clone(), name.cloned()));
            }
        }
    }
    all
}

fn needed(permissions: &[Permission]) -> Granted {
    let names = |one: &Permission| match one.resource {
        "configmaps" => config_map_names().map(|name| Some(name.to_owned())).collect(),
        _ => vec![one.name.map(str::to_owned)],
    };
    let mut all = Granted::new();
    for one in permissions {
        all.extend(names(one).into_iter().map(|name| (one.verb.into(), one.group.into(), one.resource.into(), name)));
    }
    all
}

#[test]
fn roles_grant_what_is_used_and_no_more() {
    let text = [read("deploy/agent/reader.yaml"), read("deploy/agent/collectors.yaml")].join("\n---\n");
    let roles: Vec<Role> = serde_saphyr::from_multiple(&text).expect("roles");
    let expected =
        [("skoop-reader", &TO_READ[..]), ("skoop-agent-client", &TO_ASK_AGENTS), ("skoop-collectors", &TO_MAKE_PODS)];
    assert_eq!(roles.len(), expected.len());
    for (role, (name, permissions)) in roles.iter().zip(expected) {
        assert_eq!(role.metadata.name, name);
        assert_eq!(granted(role), needed(permissions), "{name}");
    }
}

/// The manifest as a release fills it in.
fn plugin() -> Value {
    let version = concat!("v", env!("CARGO_PKG_VERSION"));
    let filled: Vec<String> = read(".krew.yaml")
        .lines()
        .map(|line| {
            let line = line.replace("{{ .TagName }}", version);
            match line
                .split_once("{{addURIAndSha \"")
                .and_then(|(indent, rest)| Some((indent, rest.split_once('"')?.0)))
            {
                Some((indent, uri)) => format!("{indent}uri: {uri}\n{indent}sha256: \"{}\"", "0".repeat(64)),
                None => line,
            }
        })
        .collect();
    serde_saphyr::from_str(&filled.join("\n")).expect("a manifest")
}

#[test]
fn the_plugin_is_what_krew_takes() {
    let plugin = plugin();
    assert_eq!(plugin["apiVersion"], "krew.googlecontainertools.github.com/v1alpha2");
    assert_eq!((&plugin["kind"], &plugin["metadata"]["name"]), (&Value::from("Plugin"), &Value::from("skoop")));
    let spec = &plugin["spec"];
    assert_eq!(spec["version"], concat!("v", env!("CARGO_PKG_VERSION")));
    // krew's guide: at most 50 letters, no full stop.
    let short = spec["shortDescription"].as_str().expect("a text");
    assert!(short.len() <= 50 && !short.ends_with('.'), "{short}: {} letters", short.len());
    let platforms = spec["platforms"].as_array().expect("a list");
    let mut architectures = BTreeSet::new();
    for platform in platforms {
        let labels = &platform["selector"]["matchLabels"];
        assert_eq!(labels["os"], "linux");
        let architecture = labels["arch"].as_str().expect("a text");
        architectures.insert(architecture);
        let uri = platform["uri"].as_str().expect("a text");
        assert!(uri.starts_with("https://") && uri.ends_with(&format!("linux-{architecture}.tar.gz")), "{uri}");
        assert_eq!(platform["sha256"].as_str().map(str::len), Some(64));
        assert_eq!(platform["bin"], "skoop");
    }
    assert_eq!(architectures, BTreeSet::from(["amd64", "arm64"]));
}
