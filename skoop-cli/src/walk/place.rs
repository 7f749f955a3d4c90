//! The namespace to walk in: files, a bundle, or this machine.

use std::path::Path;

use skoop::collect::dump::{self, DumpError};
use skoop::collect::local::{self, NetnsRef, Options, Others, Selection};
use skoop::sim::Namespace;
use skoop::walk::Ground;
use skoop_model::{NamespaceSnapshot, NodeName, NodeSnapshot, Reason};

use crate::args::WalkPlace;
use crate::bundle;
use crate::exit::{Exit, Failure, chain};
use crate::output::{self, Style};

/// Problems of the files that are told one by one.
const MOST_TOLD: usize = 10;

/// The namespace that the arguments name.
pub(super) fn ground(place: &WalkPlace, style: &Style) -> Result<Ground, Failure> {
    match (&place.dir, &place.bundle) {
        (Some(dir), _) => of_files(dir, style),
        (None, Some(file)) => of_bundle(file, place),
        (None, None) => of_this_machine(place.netns.as_deref()),
    }
}

fn of_files(dir: &Path, style: &Style) -> Result<Ground, Failure> {
    let dumped = dump::read_dir(dir).map_err(|error| match &error {
        DumpError::Directory { source, .. } if source.kind() == std::io::ErrorKind::PermissionDenied => {
            Failure::new(Exit::NotPermitted, chain(&error))
        }
        _ => Failure::usage(chain(&error)).hint("`skoop walk --how` prints the commands that make such a directory"),
    })?;
    let told = if style.verbose { dumped.problems.len() } else { MOST_TOLD };
    for problem in dumped.problems.iter().take(told) {
        output::note(&format!("{}: {problem}", dir.display()), style);
    }
    if dumped.problems.len() > told {
        output::note(&format!("{} more such problems: -v tells them", dumped.problems.len() - told), style);
    }
    if style.verbose {
        for missing in &dumped.missing {
            output::note(&format!("not known for lack of {}: `{}` prints it", missing.name, missing.command), style);
        }
    }
    let ground = Ground::new(Namespace::new(dumped.snapshot));
    Ok(dumped.half_seen.into_iter().fold(ground, |ground, half| ground.blind_to(half.family, half.text)))
}

fn of_bundle(file: &Path, place: &WalkPlace) -> Result<Ground, Failure> {
    let source = bundle::open(file)?;
    let nodes = &source.bundle().nodes;
    let node = match (&place.node, nodes.as_slice()) {
        (Some(name), _) => nodes.iter().find(|node| node.node.as_str() == name),
        (None, [only]) => Some(only),
        (None, _) => None,
    };
    let Some(node) = node else {
        let names: Vec<&str> = nodes.iter().map(|node| node.node.as_str()).collect();
        let what = place.node.as_ref().map_or_else(
            || "--node is missing".to_owned(),
            |name| format!("there is no node {name} in {}", file.display()),
        );
        return Err(Failure::usage(what).hint(format!("the bundle has {}", listed(&names))));
    };
    let namespace = match &place.netns {
        None => node.host(),
        Some(name) => node.namespaces.iter().find(|namespace| is_called(namespace, name)),
    };
    let Some(namespace) = namespace else {
        let names: Vec<String> = node.namespaces.iter().map(name_of).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let wanted = place.netns.as_deref().unwrap_or("host");
        return Err(Failure::usage(format!("node {} has no namespace {wanted}", node.node))
            .hint(format!("the bundle has {}", listed(&names))));
    };
    Ok(named(node, namespace.clone()))
}

fn of_this_machine(netns: Option<&str>) -> Result<Ground, Failure> {
    let host = match netns {
        None => NetnsRef::Current,
        Some(name) => NetnsRef::Name(name.to_owned()),
    };
    let selection = Selection { host, others: Others::None };
    let mut node = local::collect(local::hostname(), &selection, &Options::default()).map_err(|error| {
        let exit = if error.reason() == Reason::Permission { Exit::NotPermitted } else { Exit::Usage };
        Failure::new(exit, chain(&error))
    })?;
    match node.namespaces.pop() {
        Some(namespace) => Ok(named(&node, namespace)),
        None => Err(Failure::new(Exit::Internal, "this machine's namespace was not read")),
    }
}

fn named(node: &NodeSnapshot, namespace: NamespaceSnapshot) -> Ground {
    let label = name_of(&namespace);
    Ground::named(Namespace::new(namespace), NodeName::from(node.node.as_str()), label)
}

fn is_called(namespace: &NamespaceSnapshot, name: &str) -> bool {
    namespace.names.iter().any(|known| known == name) || name_of(namespace) == name || namespace.id.to_string() == name
}

fn name_of(namespace: &NamespaceSnapshot) -> String {
    match (namespace.role, namespace.names.first()) {
        (skoop_model::HostRole::Host, _) => "host".to_owned(),
        (_, Some(name)) => name.clone(),
        (_, None) => namespace.id.to_string(),
    }
}

fn listed(names: &[&str]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
