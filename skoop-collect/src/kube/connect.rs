//! Which cluster, and with whose credentials.

mod overrides;

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use ::kube::Config;
use ::kube::config::{KubeConfigOptions, Kubeconfig};

use super::ClusterOptions;
use crate::CollectError;

/// Name of the cluster in whose pod this runs.
const IN_CLUSTER: &str = "in-cluster";

/// What the process finds around it, so that the choice can be tested.
#[derive(Debug, Clone, Default)]
pub(super) struct Surroundings {
    /// `KUBECONFIG`: files, joined with `:`.
    pub(super) kubeconfig: Option<OsString>,
    /// Home directory.
    pub(super) home: Option<PathBuf>,
    /// Whether a pod's environment is there (`KUBERNETES_SERVICE_HOST`).
    pub(super) in_pod: bool,
}

impl Surroundings {
    pub(super) fn of_process() -> Self {
        Self {
            kubeconfig: env::var_os("KUBECONFIG"),
            home: env::home_dir(),
            in_pod: env::var_os("KUBERNETES_SERVICE_HOST").is_some(),
        }
    }
}

/// The client's configuration, and the cluster's name for people.
pub(super) async fn config(
    options: &ClusterOptions,
    surroundings: &Surroundings,
) -> Result<(Config, String), CollectError> {
    let files = kubeconfig_files(options, surroundings)?;
    let (mut config, source) = if files.is_empty() {
        // A context names an entry of a kubeconfig; the pod's own cluster would be another one.
        if !surroundings.in_pod || options.context.is_some() {
            return Err(CollectError::NoCluster);
        }
        let config = Config::incluster().map_err(|error| CollectError::InCluster(Box::new(error)))?;
        (config, IN_CLUSTER.to_owned())
    } else {
        from_files(&files, options).await?
    };
    config.connect_timeout = Some(options.timeout);
    config.read_timeout = Some(options.timeout);
    // Else the time that a pooled connection was idle would count.
    config.reset_reader_on_write = true;
    if let Some(user) = &options.impersonate {
        config.auth_info.impersonate = Some(user.clone());
    }
    if !options.impersonate_groups.is_empty() {
        config.auth_info.impersonate_groups = Some(options.impersonate_groups.clone());
    }
    Ok((config, source))
}

/// The kubeconfigs to merge, all of which exist; none: there is no kubeconfig.
fn kubeconfig_files(options: &ClusterOptions, surroundings: &Surroundings) -> Result<Vec<PathBuf>, CollectError> {
    if let Some(path) = &options.kubeconfig {
        return existing(std::slice::from_ref(path));
    }
    let named: Vec<PathBuf> = surroundings
        .kubeconfig
        .iter()
        .flat_map(|files| env::split_paths(files).collect::<Vec<_>>())
        .filter(|path| !path.as_os_str().is_empty())
        .collect();
    if !named.is_empty() {
        return existing(&named);
    }
    let home = surroundings.home.as_deref().map(|home| home.join(".kube").join("config"));
    Ok(home.into_iter().filter(|path| path.exists()).collect())
}

/// Those of the files that exist. As with kubectl some may be missing, but not all.
fn existing(files: &[PathBuf]) -> Result<Vec<PathBuf>, CollectError> {
    let found: Vec<PathBuf> = files.iter().filter(|path| path.exists()).cloned().collect();
    if found.is_empty() { Err(CollectError::NoKubeconfig { path: joined(files) }) } else { Ok(found) }
}

async fn from_files(files: &[PathBuf], options: &ClusterOptions) -> Result<(Config, String), CollectError> {
    let path = joined(files);
    let error = |source| CollectError::Kubeconfig { path: path.clone(), source: Box::new(source) };
    let mut kubeconfig = Kubeconfig::default();
    for file in files {
        kubeconfig = kubeconfig.merge(read(file)?).map_err(error)?;
    }
    let context = options.context.clone().or_else(|| kubeconfig.current_context.clone()).unwrap_or_default();
    if !kubeconfig.contexts.iter().any(|known| known.name == context) {
        let known: Vec<&str> = kubeconfig.contexts.iter().map(|known| known.name.as_str()).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        return Err(CollectError::NoContext { path, context, known });
    }
    overrides::apply(&mut kubeconfig, &context, options);
    let chosen = KubeConfigOptions {
        context: Some(context.clone()),
        cluster: options.cluster.clone(),
        user: options.user.clone(),
    };
    let config = Config::from_custom_kubeconfig(kubeconfig, &chosen).await.map_err(error)?;
    Ok((config, context))
}

fn read(path: &Path) -> Result<Kubeconfig, CollectError> {
    Kubeconfig::read_from(path)
        .map_err(|source| CollectError::Kubeconfig { path: path.display().to_string(), source: Box::new(source) })
}

fn joined(files: &[PathBuf]) -> String {
    files.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(":")
}

#[cfg(test)]
mod tests;
