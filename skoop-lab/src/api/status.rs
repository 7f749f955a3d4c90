//! `Status` objects, with the texts of a real API server.

use serde_json::{Value, json};

use super::kinds::Kind;

/// Who asks, in the texts of refusals.
const USER: &str = "system:serviceaccount:kube-system:skoop";

/// An answer that is no object: code and `Status`.
pub(super) type Failure = (u16, Value);

fn failure(code: u16, reason: &str, message: &str, details: &Value) -> Failure {
    let status = json!({
        "apiVersion": "v1",
        "kind": "Status",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason,
        "details": details,
        "code": code,
    });
    (code, status)
}

/// The request has no valid token.
pub(super) fn unauthorized() -> Failure {
    failure(401, "Unauthorized", "Unauthorized", &json!({}))
}

/// The user may not do this; an empty namespace is the whole cluster.
pub(super) fn forbidden(kind: &Kind, verb: &str, namespace: &str, name: &str, why: &str) -> Failure {
    let resource =
        if kind.group.is_empty() { kind.plural.to_owned() } else { format!("{}.{}", kind.plural, kind.group) };
    let object = if name.is_empty() { String::new() } else { format!(" \"{name}\"") };
    let scope = if namespace.is_empty() {
        "at the cluster scope".to_owned()
    } else {
        format!("in the namespace \"{namespace}\"")
    };
    let message = format!(
        "{resource}{object} is forbidden: User \"{USER}\" cannot {verb} resource \"{}\" in API group \"{}\" {scope}: {why}",
        kind.plural, kind.group
    );
    failure(403, "Forbidden", &message, &json!({"name": name, "group": kind.group, "kind": kind.plural}))
}

/// There is no such object.
pub(super) fn not_found(kind: &Kind, name: &str) -> Failure {
    let resource =
        if kind.group.is_empty() { kind.plural.to_owned() } else { format!("{}.{}", kind.plural, kind.group) };
    let details = json!({"name": name, "group": kind.group, "kind": kind.plural});
    failure(404, "NotFound", &format!("{resource} \"{name}\" not found"), &details)
}

/// There is no such path.
pub(super) fn no_resource() -> Failure {
    failure(404, "NotFound", "the server could not find the requested resource", &json!({}))
}

/// The parameters make no sense.
pub(super) fn bad_request(message: &str) -> Failure {
    failure(400, "BadRequest", message, &json!({}))
}

/// Only reading is served.
pub(super) fn method_not_allowed() -> Failure {
    failure(405, "MethodNotAllowed", "the server does not allow this method on the requested resource", &json!({}))
}

/// The list from which the next page is asked is too old.
pub(super) fn expired() -> Failure {
    failure(
        410,
        "Expired",
        "The provided continue parameter is too old to display a consistent list result.",
        &json!({}),
    )
}
