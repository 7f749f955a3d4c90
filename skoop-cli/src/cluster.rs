//! Live clusters, from arguments.

use std::path::PathBuf;
use std::sync::Arc;

use skoop::collect::kube::{ClusterOptions, ClusterReader, Overrides};
use skoop::collect::nodes::{
    AgentCollector, AgentOptions, Collectors, FileCollector, NodeCollector, PodCollector, PodOptions, SshCollector,
    pods,
};
use skoop::driver::LiveCluster;
use skoop_model::Reason;

use crate::args::{CleanupArgs, ClusterArgs, NodeArgs, Way};
use crate::diagnose::runtime;
use crate::exit::{Exit, Failure, chain};
use crate::output::{self, Style};

/// A reader of the cluster that the arguments name.
pub(crate) async fn reader(args: &ClusterArgs) -> Result<ClusterReader, Failure> {
    let options = ClusterOptions {
        kubeconfig: args.kubeconfig.clone(),
        context: args.context.clone(),
        cluster: args.cluster.clone(),
        user: args.user.clone(),
        overrides: Overrides {
            server: args.server.clone(),
            tls_server_name: args.tls_server_name.clone(),
            certificate_authority: args.certificate_authority.clone(),
            insecure_skip_tls_verify: args.insecure_skip_tls_verify,
            client_certificate: args.client_certificate.clone(),
            client_key: args.client_key.clone(),
            token: args.token.clone(),
        },
        impersonate: args.act_as.clone(),
        impersonate_groups: args.act_as_groups.clone(),
        timeout: args.request_timeout,
        ..ClusterOptions::default()
    };
    ClusterReader::connect(&options).await.map_err(|error| Failure::usage(chain(&error)))
}

/// The cluster with its nodes.
pub(crate) async fn live(cluster: &ClusterArgs, nodes: &NodeArgs) -> Result<Arc<LiveCluster>, Failure> {
    let reader = reader(cluster).await?;
    let ways = nodes.collect.iter().map(|way| collector(*way, &reader, nodes)).collect::<Result<Vec<_>, _>>()?;
    let collectors = Collectors::new(ways).with_deadline(nodes.node_timeout);
    Ok(Arc::new(LiveCluster::new(reader, collectors)))
}

fn collector(way: Way, reader: &ClusterReader, args: &NodeArgs) -> Result<Box<dyn NodeCollector>, Failure> {
    Ok(match way {
        Way::Agent => {
            let options = AgentOptions { namespace: args.agent_namespace.clone(), ..AgentOptions::default() };
            Box::new(AgentCollector::new(reader.client(), options))
        }
        Way::Pod => Box::new(PodCollector::new(reader.client(), pod_options(args))),
        Way::Ssh => Box::new(SshCollector {
            user: args.ssh_user.clone(),
            remote: args.ssh_command.split_whitespace().map(str::to_owned).collect(),
            ..SshCollector::default()
        }),
        Way::File => Box::new(FileCollector::new(directory(args)?)),
    })
}

fn pod_options(args: &NodeArgs) -> PodOptions {
    PodOptions {
        namespace: args.pods.collector_namespace.clone(),
        image: args.image.clone(),
        pull_secrets: args.pull_secret.clone(),
        memory_limit: args.memory_limit.clone(),
        cpu_limit: args.cpu_limit.clone(),
        ..PodOptions::default()
    }
}

fn directory(args: &NodeArgs) -> Result<PathBuf, Failure> {
    let missing = || Failure::usage("--collect file: say where the files are, with --snapshots DIR");
    args.snapshots.clone().ok_or_else(missing)
}

/// Removes what runs that were killed have left in the cluster.
pub(crate) fn cleanup(args: &CleanupArgs, style: &Style) -> Result<Exit, Failure> {
    let namespace = &args.pods.collector_namespace;
    let found = runtime()?.block_on(async {
        let client = reader(&args.cluster).await?.client();
        pods::cleanup(client, namespace, args.running).await.map_err(|why| {
            let exit = if why.reason == Reason::Permission { Exit::NotPermitted } else { Exit::Internal };
            Failure::new(exit, why.to_string())
        })
    })?;
    let (mut exit, mut removed, mut left) = (Exit::Fine, 0, 0);
    for pod in &found {
        match (&pod.failure, pod.over || args.running) {
            (Some(why), _) => {
                exit = Exit::Internal;
                output::note(&format!("pod {} stays: {why}", pod.name), style);
            }
            (None, true) => removed += 1,
            (None, false) => left += 1,
        }
    }
    output::print(&format!("removed {removed} collector pods in namespace {namespace}\n"))?;
    if left > 0 {
        output::note(&format!("{left} still run, of other runs perhaps: --running removes them too"), style);
    }
    Ok(exit)
}
