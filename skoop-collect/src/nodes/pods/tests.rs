use ::kube::core::Status;

use super::*;

fn answer(code: u16, message: &str) -> ::kube::Error {
    ::kube::Error::Api(Status::failure(message, "Reason").with_code(code).boxed())
}

#[test]
fn what_stands_against_the_pod_is_told_with_its_remedy() {
    let options = PodOptions { namespace: "tools".to_owned(), ..PodOptions::default() };
    for (code, message, reason, told) in [
        (
            403,
            "pods \"x\" is forbidden: violates PodSecurity \"baseline:latest\": hostPID",
            Reason::Permission,
            "kubectl label namespace tools pod-security.kubernetes.io/enforce=privileged",
        ),
        (
            403,
            "User \"a\" cannot create",
            Reason::Permission,
            "grant verb `create` on resource `pods` in namespace tools",
        ),
        (404, "namespaces \"tools\" not found", Reason::NotFound, "there is no namespace tools"),
        (500, "etcd", Reason::Failed, "cannot create collector pod"),
    ] {
        let why = refused(&answer(code, message), &options);
        assert_eq!(why.reason, reason, "{code}");
        assert!(why.detail.contains(told), "{}", why.detail);
    }
}

#[test]
fn missing_verbs_are_named() {
    let why = failed("attach to", "x", &answer(403, "no"));
    assert_eq!(why.reason, Reason::Permission);
    assert!(why.detail.ends_with("grant verbs `create` and `get` on resource `pods/attach`"), "{}", why.detail);
    assert!(failed("watch", "x", &answer(403, "no")).detail.ends_with("grant verb `watch` on resource `pods`"));
    assert_eq!(failed("get", "x", &answer(404, "no")).reason, Reason::Gone);
}

#[test]
fn two_runs_never_meet() {
    let names: std::collections::BTreeSet<String> = (0..1000).map(|_| unique()).collect();
    assert_eq!(names.len(), 1000);
    assert!(names.iter().all(|name| name.len() == 16 && name.bytes().all(|byte| byte.is_ascii_alphanumeric())));
}
