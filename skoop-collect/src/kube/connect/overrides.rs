//! What the caller says otherwise than the kubeconfig.

use std::path::Path;

use ::kube::config::Kubeconfig;

use crate::kube::{ClusterOptions, Overrides};

/// Changes the entries that the context leads to.
pub(super) fn apply(kubeconfig: &mut Kubeconfig, context: &str, options: &ClusterOptions) {
    let chosen = kubeconfig.contexts.iter().find(|known| known.name == context).and_then(|known| known.context.clone());
    let cluster = options.cluster.clone().or_else(|| chosen.as_ref().map(|chosen| chosen.cluster.clone()));
    let user = options.user.clone().or_else(|| chosen.and_then(|chosen| chosen.user));
    let Overrides {
        server,
        tls_server_name,
        certificate_authority,
        insecure_skip_tls_verify,
        client_certificate,
        client_key,
        token,
    } = &options.overrides;
    let cluster = kubeconfig.clusters.iter_mut().find(|known| Some(&known.name) == cluster.as_ref());
    if let Some(cluster) = cluster.and_then(|known| known.cluster.as_mut()) {
        replace(&mut cluster.server, server.as_ref());
        replace(&mut cluster.tls_server_name, tls_server_name.as_ref());
        if let Some(path) = certificate_authority {
            cluster.certificate_authority = Some(text(path));
            cluster.certificate_authority_data = None;
        }
        if *insecure_skip_tls_verify {
            cluster.insecure_skip_tls_verify = Some(true);
            cluster.certificate_authority = None;
            cluster.certificate_authority_data = None;
        }
    }
    let user = kubeconfig.auth_infos.iter_mut().find(|known| Some(&known.name) == user.as_ref());
    if let Some(user) = user.and_then(|known| known.auth_info.as_mut()) {
        if let Some(path) = client_certificate {
            user.client_certificate = Some(text(path));
            user.client_certificate_data = None;
        }
        if let Some(path) = client_key {
            user.client_key = Some(text(path));
            user.client_key_data = None;
        }
        if let Some(token) = token {
            user.token = Some(token.clone().into());
            user.token_file = None;
            user.exec = None;
        }
    }
}

fn replace(field: &mut Option<String>, value: Option<&String>) {
    if let Some(value) = value {
        *field = Some(value.clone());
    }
}

fn text(path: &Path) -> String {
    path.display().to_string()
}
