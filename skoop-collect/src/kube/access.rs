//! What may be done, and what has to be allowed.

use ::kube::api::{Api, PostParams};
use futures::future::join_all;
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec};
use skoop_model::Unavailable;

use super::ClusterReader;
use super::failure::{Failure, Request};

/// A permission, as RBAC grants it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Permission {
    /// Verb: `list`, `get`, `create`.
    pub verb: &'static str,
    /// API group; empty is the core group.
    pub group: &'static str,
    /// Resource in the plural, with its subresource: `pods`, `pods/attach`.
    pub resource: &'static str,
    /// Name of the only object that it is needed for.
    pub name: Option<&'static str>,
}

const fn may(verb: &'static str, group: &'static str, resource: &'static str) -> Permission {
    Permission { verb, group, resource, name: None }
}

/// What reading a cluster's objects takes, in all namespaces. Of config maps kube-proxy's stands for those that
/// [`config_map_names`](super::config_map_names) names: roles grant them by name.
pub const TO_READ: [Permission; 8] = [
    may("list", "", "nodes"),
    may("list", "", "pods"),
    may("list", "", "services"),
    may("list", "", "namespaces"),
    Permission { verb: "get", group: "", resource: "configmaps", name: Some("kube-proxy") },
    may("list", "discovery.k8s.io", "endpointslices"),
    may("list", "networking.k8s.io", "networkpolicies"),
    may("list", "apps", "daemonsets"),
];

/// What asking the agents takes, in their namespace.
pub const TO_ASK_AGENTS: [Permission; 4] = [
    may("list", "", "pods"),
    may("get", "", "pods/portforward"),
    may("create", "", "pods/portforward"),
    Permission { verb: "get", group: "", resource: "secrets", name: Some("skoop-agent-client") },
];

/// What making pods that look at nodes takes, in their namespace.
pub const TO_MAKE_PODS: [Permission; 7] = [
    may("create", "", "pods"),
    may("get", "", "pods"),
    may("list", "", "pods"),
    may("watch", "", "pods"),
    may("delete", "", "pods"),
    may("get", "", "pods/attach"),
    may("create", "", "pods/attach"),
];

impl std::fmt::Display for Permission {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.verb, self.resource)?;
        if !self.group.is_empty() {
            write!(f, ".{}", self.group)?;
        }
        self.name.map_or(Ok(()), |name| write!(f, " {name}"))
    }
}

/// What the server says of a permission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reviewed {
    /// The permission.
    pub permission: Permission,
    /// Whether the caller has it; or why the server did not say.
    pub allowed: Result<bool, Unavailable>,
}

impl ClusterReader {
    /// Which of the permissions the caller has (`SelfSubjectAccessReview`), in one namespace or in all. All are asked for at the same time.
    pub async fn review(&self, permissions: &[Permission], namespace: Option<&str>) -> Vec<Reviewed> {
        let asked = permissions.iter().map(|permission| async move {
            Reviewed { permission: *permission, allowed: self.may(permission, namespace).await }
        });
        join_all(asked).await
    }

    async fn may(&self, permission: &Permission, namespace: Option<&str>) -> Result<bool, Unavailable> {
        let (resource, subresource) = match permission.resource.split_once('/') {
            Some((resource, subresource)) => (resource, Some(subresource)),
            None => (permission.resource, None),
        };
        let attributes = ResourceAttributes {
            group: Some(permission.group.to_owned()),
            name: permission.name.map(str::to_owned),
            namespace: namespace.map(str::to_owned),
            resource: Some(resource.to_owned()),
            subresource: subresource.map(str::to_owned),
            verb: Some(permission.verb.to_owned()),
            ..ResourceAttributes::default()
        };
        let review = SelfSubjectAccessReview {
            spec: SelfSubjectAccessReviewSpec {
                resource_attributes: Some(attributes),
                ..SelfSubjectAccessReviewSpec::default()
            },
            ..SelfSubjectAccessReview::default()
        };
        let api: Api<SelfSubjectAccessReview> = Api::all(self.client());
        let asked = tokio::time::timeout(self.lister.timeout, api.create(&PostParams::default(), &review)).await;
        let answer = asked
            .map_err(|_| Failure::NoAnswer(self.lister.timeout))
            .and_then(|answer| answer.map_err(Failure::Refused));
        let request = Request {
            verb: "create",
            group: "authorization.k8s.io".to_owned(),
            resource: "selfsubjectaccessreviews".to_owned(),
            object: None,
        };
        let review = answer.map_err(|failure| failure.unavailable(&request))?;
        Ok(review.status.is_some_and(|status| status.allowed))
    }

    /// Version of the API server, as `v1.34.2`.
    ///
    /// # Errors
    ///
    /// Why it does not answer: the first thing to know of a cluster.
    pub async fn version(&self) -> Result<String, Unavailable> {
        let client = self.client();
        let asked = tokio::time::timeout(self.lister.timeout, client.apiserver_version()).await;
        let answer = asked
            .map_err(|_| Failure::NoAnswer(self.lister.timeout))
            .and_then(|answer| answer.map_err(Failure::Refused));
        let request = Request { verb: "get", group: String::new(), resource: "/version".to_owned(), object: None };
        answer.map(|info| info.git_version).map_err(|failure| failure.unavailable(&request))
    }
}
