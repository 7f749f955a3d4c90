//! From a request to its answer, without IO.

use serde_json::{Value, json};

use super::kinds::Kind;
use super::query::Query;
use super::status::{self, Failure};
use super::store::text;
use super::{Shared, Trouble, discovery};

/// The parts of a request that matter.
pub(super) struct Asked<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    pub(super) query: &'a str,
    /// Header `Authorization`.
    pub(super) authorization: Option<&'a str>,
}

/// What to answer.
pub(super) enum Answer {
    /// Code and body.
    Json(u16, Value),
    /// 200 and a plain text.
    Text(&'static str),
    /// Nothing, ever.
    Never,
}

/// A resource, as paths name it: `/api/v1/namespaces/NS/pods/NAME`, `/apis/apps/v1/daemonsets`.
struct Target<'a> {
    kind: &'static Kind,
    /// Empty is the whole cluster.
    namespace: &'a str,
    /// Empty is all objects.
    name: &'a str,
}

pub(super) fn answer(shared: &Shared, asked: &Asked<'_>) -> Answer {
    if !asked.authorization.is_some_and(|value| shared.credentials.accept(value)) {
        return failed(status::unauthorized());
    }
    if asked.method != "GET" {
        return failed(status::method_not_allowed());
    }
    let segments: Vec<&str> = asked.path.split('/').filter(|segment| !segment.is_empty()).collect();
    if let ["healthz" | "livez" | "readyz"] = segments.as_slice() {
        return Answer::Text("ok");
    }
    if let Some(body) = discovered(&segments) {
        return Answer::Json(200, body);
    }
    let Some(target) = target(&segments) else { return failed(status::no_resource()) };
    let trouble = shared.trouble_of(target.kind.name);
    let answered = match &trouble {
        Some(Trouble::Stalled) => return Answer::Never,
        Some(Trouble::Denied(why)) => {
            let verb = if target.name.is_empty() { "list" } else { "get" };
            Err(status::forbidden(target.kind, verb, target.namespace, target.name, why))
        }
        _ if target.name.is_empty() => list(shared, &target, asked.query, trouble.as_ref()),
        _ => get(shared, &target),
    };
    match answered {
        Ok(body) => Answer::Json(200, body),
        Err(failure) => failed(failure),
    }
}

fn failed((code, body): Failure) -> Answer {
    Answer::Json(code, body)
}

fn discovered(segments: &[&str]) -> Option<Value> {
    match segments {
        ["version"] => Some(discovery::version()),
        ["api"] => Some(discovery::core_versions()),
        ["apis"] => Some(discovery::groups()),
        ["api", version] => discovery::resources("", version),
        ["apis", group] => discovery::group(group),
        ["apis", group, version] => discovery::resources(group, version),
        _ => None,
    }
}

fn target<'a>(segments: &[&'a str]) -> Option<Target<'a>> {
    let (group, version, rest) = match segments {
        ["api", version, rest @ ..] => ("", *version, rest),
        ["apis", group, version, rest @ ..] if !group.is_empty() => (*group, *version, rest),
        _ => return None,
    };
    let (namespace, plural, name) = match rest {
        [plural] => ("", *plural, ""),
        ["namespaces", namespace, plural] => (*namespace, *plural, ""),
        ["namespaces", namespace, plural, name] => (*namespace, *plural, *name),
        [plural, name] => ("", *plural, *name),
        _ => return None,
    };
    let kind = Kind::of_resource(group, version, plural)?;
    // A cluster-wide kind has no namespace; a single object of any other has one.
    let fits = if kind.namespaced { name.is_empty() || !namespace.is_empty() } else { namespace.is_empty() };
    fits.then_some(Target { kind, namespace, name })
}

fn get(shared: &Shared, target: &Target<'_>) -> Result<Value, Failure> {
    let found = shared.store.get(target.kind.name, target.namespace, target.name);
    found.ok_or_else(|| status::not_found(target.kind, target.name))
}

fn list(shared: &Shared, target: &Target<'_>, query: &str, trouble: Option<&Trouble>) -> Result<Value, Failure> {
    let query = Query::parse(query)?;
    if query.after.is_some() && trouble == Some(&Trouble::Expired) {
        return Err(status::expired());
    }
    let (mut objects, version) = shared.store.list_at_version(target.kind.name);
    objects.retain(|object| {
        let (namespace, name) = key(object);
        let is_after = query.after.as_ref().is_none_or(|(last_namespace, last_name)| {
            (namespace, name) > (last_namespace.as_str(), last_name.as_str())
        });
        is_after && (target.namespace.is_empty() || namespace == target.namespace) && query.selects(object)
    });
    let rest = query.limit.map_or(0, |limit| objects.len().saturating_sub(limit));
    objects.truncate(objects.len() - rest);
    let mut metadata = json!({"resourceVersion": version.to_string()});
    if let (Some(last), Some(fields), true) = (objects.last(), metadata.as_object_mut(), rest > 0) {
        let (namespace, name) = key(last);
        fields.insert("continue".to_owned(), json!(format!("{namespace}/{name}")));
        fields.insert("remainingItemCount".to_owned(), json!(rest));
    }
    for fields in objects.iter_mut().filter_map(Value::as_object_mut) {
        // Within a list the API server leaves these out.
        fields.remove("apiVersion");
        fields.remove("kind");
    }
    Ok(json!({
        "apiVersion": target.kind.api_version(),
        "kind": format!("{}List", target.kind.name),
        "metadata": metadata,
        "items": objects,
    }))
}

fn key(object: &Value) -> (&str, &str) {
    (text(object, "/metadata/namespace"), text(object, "/metadata/name"))
}
