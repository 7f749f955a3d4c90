use std::fs;
use std::time::Duration;

use super::*;

const TWO_CONTEXTS: &str = r#"
apiVersion: v1
kind: Config
current-context: one
clusters:
- {name: one, cluster: {server: "http://192.0.2.1:8080"}}
- {name: two, cluster: {server: "http://192.0.2.2:8080"}}
contexts:
- {name: one, context: {cluster: one, user: me}}
- {name: two, context: {cluster: two, user: me}}
users:
- {name: me, user: {token: t}}
"#;

/// A self-signed certificate, as kubeconfigs hold them.
const AUTHORITY: &str = "\
LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSUJnVENDQVNlZ0F3SUJBZ0lVYjIvRVpRUkFYb050andRWEJsWnAzSnlMc3ZN\
d0NnWUlLb1pJemowRUF3SXcKRlRFVE1CRUdBMVVFQXd3S2MydHZiM0F0ZEdWemREQWdGdzB5TmpFeE1qUXhNREE0TkRkYUdBOHlN\
VEkyTVRBegpNVEV3TURnME4xb3dGVEVUTUJFR0ExVUVBd3dLYzJ0dmIzQXRkR1Z6ZERCWk1CTUdCeXFHU000OUFnRUdDQ3FHClNN\
NDlBd0VIQTBJQUJHdlRzWUNmM0xHTVpuSGhVWlppT2taY3kycVlOVy9VUE1oY2RFRW1GVTFWRFkxS2M2NFAKaitCdkxSU2RhR0F3\
TlFXc2JxZTZIZklWZkxTYndoMFpVNG1qVXpCUk1CMEdBMVVkRGdRV0JCUWEybDh3NEtDUgpxcXJ3aktjcERKdUIrbGYrYXpBZkJn\
TlZIU01FR0RBV2dCUWEybDh3NEtDUnFxcndqS2NwREp1QitsZithekFQCkJnTlZIUk1CQWY4RUJUQURBUUgvTUFvR0NDcUdTTTQ5\
QkFNQ0EwZ0FNRVVDSVFEUlV5Zm16eXNrcy9MQkV6TW0KbnBZWnFJbW1YdHVCZU9KeHdZb2YzNExVN1FJZ0RaV0U3amJaTm9aQXd4\
bE9IRGE5NTgxdmdidG0wMHdjTk9GbwpPYzdLTmJNPQotLS0tLUVORCBDRVJUSUZJQ0FURS0tLS0tCg==";

fn resolve(options: &ClusterOptions, surroundings: &Surroundings) -> Result<(Config, String), CollectError> {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(config(options, surroundings))
}

fn options(kubeconfig: Option<&Path>, context: Option<&str>) -> ClusterOptions {
    ClusterOptions {
        kubeconfig: kubeconfig.map(Path::to_owned),
        context: context.map(str::to_owned),
        timeout: Duration::from_secs(3),
        ..ClusterOptions::default()
    }
}

/// A home with a kubeconfig.
fn home() -> (tempfile::TempDir, PathBuf) {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join(".kube").join("config");
    fs::create_dir(home.path().join(".kube")).unwrap();
    fs::write(&path, TWO_CONTEXTS).unwrap();
    (home, path)
}

#[test]
fn a_named_kubeconfig_that_is_missing_is_never_replaced() {
    let (home, present) = home();
    let missing = home.path().join("missing");
    let around = Surroundings { home: Some(home.path().to_owned()), kubeconfig: Some(present.into()), in_pod: true };
    let error = resolve(&options(Some(&missing), None), &around).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("kubeconfig {}: there is no such file: name one that exists", missing.display())
    );
    let around = Surroundings { kubeconfig: Some(missing.into()), ..around };
    assert!(matches!(resolve(&options(None, None), &around), Err(CollectError::NoKubeconfig { .. })));
}

#[test]
fn the_first_source_that_is_there_is_taken() {
    let (home, path) = home();
    let at_home = Surroundings { home: Some(home.path().to_owned()), ..Surroundings::default() };
    let (config, source) = resolve(&options(None, None), &at_home).unwrap();
    assert_eq!((config.cluster_url.to_string().as_str(), source.as_str()), ("http://192.0.2.1:8080/", "one"));
    assert_eq!(
        (config.connect_timeout, config.read_timeout),
        (Some(Duration::from_secs(3)), Some(Duration::from_secs(3)))
    );

    // Some of several files may be missing, as with kubectl.
    let other = home.path().join("other");
    fs::write(&other, TWO_CONTEXTS.replace("current-context: one", "current-context: two")).unwrap();
    let files = env::join_paths([home.path().join("missing"), other.clone(), PathBuf::new(), path]).unwrap();
    let around = Surroundings { kubeconfig: Some(files), ..at_home.clone() };
    assert_eq!(resolve(&options(None, None), &around).unwrap().1, "two");
    let (config, source) = resolve(&options(Some(&other), Some("one")), &at_home).unwrap();
    assert_eq!((config.cluster_url.host(), source.as_str()), (Some("192.0.2.1"), "one"));
}

#[test]
fn without_any_source_no_cluster_is_known() {
    let nowhere = Surroundings::default();
    assert!(matches!(resolve(&options(None, None), &nowhere), Err(CollectError::NoCluster)));
    let home = tempfile::tempdir().unwrap();
    let empty_home = Surroundings { home: Some(home.path().to_owned()), ..Surroundings::default() };
    assert!(matches!(resolve(&options(None, None), &empty_home), Err(CollectError::NoCluster)));
    let in_pod = Surroundings { in_pod: true, ..Surroundings::default() };
    assert!(matches!(resolve(&options(None, Some("one")), &in_pod), Err(CollectError::NoCluster)));
}

#[test]
fn a_context_must_exist() {
    let (_home, path) = home();
    let error = resolve(&options(Some(&path), Some("three")), &Surroundings::default()).unwrap_err();
    assert_eq!(error.to_string(), format!("kubeconfig {} has no context `three`: it has one, two", path.display()));
}

#[test]
fn a_broken_kubeconfig_is_not_passed_over() {
    let (home, path) = home();
    for text in ["{", "clusters: 5", "just text"] {
        fs::write(&path, text).unwrap();
        let around = Surroundings { home: Some(home.path().to_owned()), in_pod: true, ..Surroundings::default() };
        let error = resolve(&options(None, None), &around).unwrap_err();
        assert!(matches!(error, CollectError::Kubeconfig { .. } | CollectError::NoContext { .. }), "{text}: {error:?}");
    }
}

#[test]
fn another_user_can_be_acted_as() {
    let (_home, path) = home();
    let options = ClusterOptions { impersonate: Some("system:nobody".to_owned()), ..options(Some(&path), None) };
    let (config, _) = resolve(&options, &Surroundings::default()).unwrap();
    assert_eq!(config.auth_info.impersonate.as_deref(), Some("system:nobody"));
}

#[test]
fn a_cluster_behind_tls_has_a_client() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("kubeconfig");
    let cluster = format!(r#"{{server: "https://192.0.2.1:6443", certificate-authority-data: {AUTHORITY}}}"#);
    fs::write(&path, TWO_CONTEXTS.replace(r#"{server: "http://192.0.2.1:8080"}"#, &cluster)).unwrap();
    let reader = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let reader = reader.block_on(crate::kube::ClusterReader::connect(&options(Some(&path), None))).unwrap();
    assert_eq!(reader.source(), "one");
    assert_eq!(format!("{reader:?}"), r#"ClusterReader { source: "one", .. }"#);
}
