use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;

use proptest::prelude::*;
use skoop_model::{End, Item, KubeNode, NodeName, ObjectKey, Port, Reason, SCHEMA_VERSION};

use super::manifest::{CLUSTER, FORMAT, MANIFEST, sha256};
use super::read::Limits;
use super::*;

fn node(name: &str) -> NodeSnapshot {
    NodeSnapshot { kernel: Some("6.12.0".to_owned()), ..NodeSnapshot::new(NodeName::from(name), 7) }
}

fn bundle() -> Bundle {
    let kube_node = KubeNode {
        name: NodeName::from("node-1"),
        addresses: vec!["192.0.2.1".parse().unwrap()],
        pod_cidrs: vec!["10.244.1.0/24".parse().unwrap()],
        ready: Some(true),
        labels: std::collections::BTreeMap::new(),
        provider_id: None,
    };
    let cluster = ClusterSnapshot { nodes: Item::known(5, vec![kube_node]), ..ClusterSnapshot::new("lab", 4) };
    Bundle {
        question: Some(Question::tcp(
            End::Pod(ObjectKey::new("default", "client")),
            End::Service(ObjectKey::new("default", "web")),
            Some(Port(80)),
        )),
        cluster: Some(cluster),
        nodes: vec![node("../node-2"), node("node-1")],
        unavailable: vec![("node node-3".to_owned(), Unavailable::new(Reason::Timeout, "no answer within 5 s"))],
        ..Bundle::new("0.1.0", 1_700_000_000_000)
    }
}

fn bytes(bundle: &Bundle) -> Vec<u8> {
    let mut bytes = Vec::new();
    bundle.write(&mut bytes).unwrap();
    bytes
}

/// A zstd frame with a tar of these members, whatever they are.
fn archive(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, contents) in members {
        super::write::append(&mut tar, name, contents).unwrap();
    }
    compress(&tar.into_inner().unwrap())
}

fn compress(data: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn manifest(schema: u32, members: &[(&str, &[u8])]) -> Vec<u8> {
    let members: Vec<_> = members
        .iter()
        .map(|(name, contents)| serde_json::json!({"name": name, "size_bytes": contents.len(), "sha256": sha256(contents)}))
        .collect();
    let manifest = serde_json::json!({
        "format": FORMAT, "schema": schema, "version": "9", "created_at_ms": 1, "members": members, "later": {"a": 1},
    });
    serde_json::to_vec(&manifest).unwrap()
}

fn error(data: &[u8]) -> BundleError {
    Bundle::read(data).unwrap_err()
}

#[test]
fn what_is_written_is_read() {
    let written = bundle();
    let mut expected = written.clone();
    expected.nodes.sort_by(|a, b| a.node.cmp(&b.node));
    assert_eq!(Bundle::read(bytes(&written).as_slice()).unwrap(), expected);
    let empty = Bundle::new("", 0);
    assert_eq!(Bundle::read(bytes(&empty).as_slice()).unwrap(), empty);
}

/// Bundles of skoop 0.1.0, which knew of no connections, hooks or lists of `recent`.
#[test]
fn bundles_of_an_earlier_skoop_are_read_and_miss_nothing_that_they_had() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/bundles");
    let paths = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let bundles: Vec<_> = paths.filter(|path| path.extension().is_some_and(|kind| kind == "skoop")).collect();
    assert!(!bundles.is_empty());
    for path in bundles {
        let bundle = Bundle::read_file(&path).unwrap();
        let namespaces: Vec<_> = bundle.nodes.iter().flat_map(|node| &node.namespaces).collect();
        assert!(!namespaces.is_empty());
        for namespace in namespaces {
            assert_eq!(namespace.unavailable(), [], "{}", path.display());
        }
    }
}

#[test]
fn equal_content_gives_equal_bytes() {
    let one = bundle();
    let mut other = one.clone();
    other.nodes.reverse();
    assert_eq!(bytes(&one), bytes(&other));
}

#[test]
fn members_come_in_order_after_the_manifest() {
    let info = Bundle::verify(bytes(&bundle()).as_slice()).unwrap();
    let names: Vec<&str> = info.members.iter().map(|member| member.name.as_str()).collect();
    assert_eq!(names.first(), Some(&CLUSTER));
    assert!(names.get(1).is_some_and(|name| name.starts_with("nodes/_.._node-2~")), "{names:?}");
    assert_eq!(names.get(2), Some(&"nodes/node-1.json"));
    assert!(info.is_ok());
    assert_eq!((info.schema, info.created_at_ms, info.version.as_str()), (SCHEMA_VERSION, 1_700_000_000_000, "0.1.0"));
    assert_eq!((&info.question, &info.unavailable), (&bundle().question, &bundle().unavailable));
}

#[test]
fn a_node_stands_there_once() {
    let twins = Bundle { nodes: vec![node("a"), node("a")], ..Bundle::new("", 0) };
    assert!(matches!(twins.write(Vec::new()), Err(BundleError::DuplicateNode { node }) if node.as_str() == "a"));
    // The same in a bundle that somebody else wrote, under two member names.
    let contents = serde_json::to_vec(&node("a")).unwrap();
    let members: [(&str, &[u8]); 2] = [("nodes/a.json", &contents), ("nodes/b.json", &contents)];
    let manifest = manifest(1, &members);
    let data = archive(&[(MANIFEST, &manifest), ("nodes/a.json", &contents), ("nodes/b.json", &contents)]);
    assert!(matches!(error(&data), BundleError::DuplicateNode { .. }));
}

#[test]
fn what_is_no_bundle_is_named_so() {
    for data in [b"".as_slice(), b"x", b"PK\x03\x04....", b"\x1f\x8b", b"{\"schema\": 1}"] {
        assert!(matches!(error(data), BundleError::NotBundle), "{data:?}");
    }
    let manifest = br#"{"format": "other", "schema": 1}"#;
    assert!(matches!(error(&archive(&[(MANIFEST, manifest)])), BundleError::NotBundle));
}

#[test]
fn every_cut_is_noticed() {
    let whole = bytes(&bundle());
    for length in 4..whole.len() {
        let cut = whole.get(..length).unwrap();
        assert!(matches!(error(cut), BundleError::Truncated), "{length} of {}: {:?}", whole.len(), error(cut));
    }
}

#[test]
fn a_tar_that_is_cut_before_it_was_compressed_is_noticed() {
    let listed = manifest(1, &[(CLUSTER, b"{}")]);
    let mut tar = tar::Builder::new(Vec::new());
    super::write::append(&mut tar, MANIFEST, &listed).unwrap();
    super::write::append(&mut tar, CLUSTER, b"{}").unwrap();
    let tar = tar.into_inner().unwrap();
    let short = compress(tar.get(..700).unwrap());
    assert!(matches!(error(&short), BundleError::Truncated | BundleError::Manifest(_)), "{:?}", error(&short));
    let without_last = compress(tar.get(..1024).unwrap());
    assert!(matches!(error(&without_last), BundleError::MissingMember { member } if member == CLUSTER));
}

#[test]
fn the_manifest_comes_first_and_is_understood() {
    assert!(matches!(error(&archive(&[])), BundleError::NoManifest));
    assert!(matches!(error(&archive(&[(CLUSTER, b"{}")])), BundleError::NoManifest));
    assert!(matches!(error(&archive(&[(MANIFEST, b"{")])), BundleError::Manifest(_)));
    let no_members = br#"{"format": "skoop-bundle", "schema": 1}"#;
    assert!(matches!(error(&archive(&[(MANIFEST, no_members)])), BundleError::Manifest(_)));
}

#[test]
fn a_newer_schema_is_named_before_anything_else_is_read() {
    // A later manifest may look different in everything but format and schema.
    let newer =
        serde_json::to_vec(&serde_json::json!({"format": FORMAT, "schema": 2, "members": "elsewhere"})).unwrap();
    let error = error(&archive(&[(MANIFEST, &newer)]));
    assert!(matches!(&error, BundleError::Schema(schema) if schema.found == 2), "{error:?}");
    assert!(error.to_string().contains("use a newer skoop"));
}

#[test]
fn a_newer_member_is_named_too() {
    let contents = serde_json::to_vec(&NodeSnapshot { schema: 2, ..node("a") }).unwrap();
    let manifest = manifest(1, &[("nodes/a.json", &contents)]);
    let data = archive(&[(MANIFEST, &manifest), ("nodes/a.json", &contents)]);
    assert!(matches!(error(&data), BundleError::Schema(_)));
}

#[test]
fn an_altered_member_is_named() {
    let manifest = manifest(1, &[(CLUSTER, b"{}"), ("nodes/a.json", b"{}")]);
    let data = archive(&[(MANIFEST, &manifest), (CLUSTER, b"{ }"), ("nodes/a.json", b"{}")]);
    let error = error(&data);
    assert!(error.to_string().starts_with("cluster.json in the bundle is not what was recorded"), "{error}");
    let info = Bundle::verify(data.as_slice()).unwrap();
    let states: Vec<_> = info.members.iter().map(|member| member.state).collect();
    assert_eq!(states, [MemberState::Altered, MemberState::Intact]);
    assert!(!info.is_ok());
}

#[test]
fn members_and_manifest_agree() {
    let listed = manifest(1, &[(CLUSTER, b"{}")]);
    let data = archive(&[(MANIFEST, &listed)]);
    assert!(matches!(error(&data), BundleError::MissingMember { member } if member == CLUSTER));
    let states: Vec<_> = Bundle::verify(data.as_slice()).unwrap().members.iter().map(|member| member.state).collect();
    assert_eq!(states, [MemberState::Missing]);

    let unlisted = manifest(1, &[]);
    let data = archive(&[(MANIFEST, &unlisted), (CLUSTER, b"{}")]);
    assert!(matches!(error(&data), BundleError::UnlistedMember { member } if member == CLUSTER));
    let twice = manifest(1, &[("later.json", b"1")]);
    let data = archive(&[(MANIFEST, &twice), ("later.json", b"1"), ("later.json", b"1")]);
    assert!(matches!(error(&data), BundleError::UnlistedMember { .. }));
    let listed_twice = manifest(1, &[("later.json", b"1"), ("later.json", b"1")]);
    assert!(matches!(error(&archive(&[(MANIFEST, &listed_twice)])), BundleError::UnlistedMember { .. }));
}

#[test]
fn a_member_of_a_later_writer_is_skipped() {
    let listed = manifest(1, &[("cloud.json", b"[1]")]);
    let data = archive(&[(MANIFEST, &listed), ("cloud.json", b"[1]")]);
    assert_eq!(Bundle::read(data.as_slice()).unwrap(), Bundle::new("9", 1));
}

#[test]
fn contents_that_make_no_sense_are_named() {
    let contents = br#"{"schema": 1}"#;
    let listed = manifest(1, &[(CLUSTER, contents)]);
    let data = archive(&[(MANIFEST, &listed), (CLUSTER, contents)]);
    assert!(matches!(error(&data), BundleError::Malformed { member, .. } if member == CLUSTER));
}

#[test]
fn paths_that_lead_out_are_refused() {
    for name in ["/etc/passwd", "../up.json", "nodes/../../up.json"] {
        let mut header = tar::Header::new_ustar();
        header.as_ustar_mut().unwrap().name.get_mut(..name.len()).unwrap().copy_from_slice(name.as_bytes());
        header.set_size(0);
        header.set_cksum();
        let listed = manifest(1, &[]);
        let mut tar = tar::Builder::new(Vec::new());
        super::write::append(&mut tar, MANIFEST, &listed).unwrap();
        tar.append(&header, [].as_slice()).unwrap();
        let data = compress(&tar.into_inner().unwrap());
        assert!(matches!(error(&data), BundleError::BadMember { member } if member == name), "{name}");

        let listed = manifest(1, &[(name, b"")]);
        assert!(matches!(error(&archive(&[(MANIFEST, &listed)])), BundleError::BadMember { .. }), "{name}");
    }
}

#[test]
fn links_and_extensions_are_refused() {
    use tar::EntryType;
    for kind in [EntryType::Symlink, EntryType::Link, EntryType::Directory, EntryType::GNULongName, EntryType::XHeader]
    {
        let mut header = tar::Header::new_gnu();
        header.set_path("later.json").unwrap();
        header.set_entry_type(kind);
        header.set_size(0);
        header.set_cksum();
        let listed = manifest(1, &[("later.json", b"")]);
        let mut tar = tar::Builder::new(Vec::new());
        super::write::append(&mut tar, MANIFEST, &listed).unwrap();
        tar.append(&header, [].as_slice()).unwrap();
        let data = compress(&tar.into_inner().unwrap());
        assert!(matches!(error(&data), BundleError::BadMember { .. }), "{kind:?}: {:?}", error(&data));
    }
}

#[test]
fn a_bomb_is_stopped() {
    let limits = Limits { total_bytes: 10_000, members: 1 };
    let zeros = vec![b' '; 100_000];
    let listed = manifest(1, &[(CLUSTER, &zeros)]);
    let data = archive(&[(MANIFEST, &listed), (CLUSTER, &zeros)]);
    assert!(data.len() < 2_000, "it is a bomb");
    let error = super::read::read(data.as_slice(), &limits).unwrap_err();
    assert!(matches!(error, BundleError::TooLarge { limit_bytes: 10_000 }), "{error:?}");

    // Many small members, and data behind the end of the tar.
    let small = vec![b' '; 3_000];
    let members: Vec<(&str, &[u8])> = ["a", "b", "c", "d"].iter().map(|name| (*name, small.as_slice())).collect();
    let listed = manifest(1, &members);
    let mut all: Vec<(&str, &[u8])> = vec![(MANIFEST, &listed)];
    all.extend(members);
    let many = Limits { total_bytes: 10_000, members: 4 };
    assert!(matches!(super::read::read(archive(&all).as_slice(), &many), Err(BundleError::TooLarge { .. })));
    let few = Limits { total_bytes: 100_000, members: 3 };
    let error = super::read::read(archive(&all).as_slice(), &few).unwrap_err();
    assert!(matches!(error, BundleError::TooManyMembers { limit: 3 }));

    let mut tar = tar::Builder::new(Vec::new());
    super::write::append(&mut tar, MANIFEST, &manifest(1, &[])).unwrap();
    let mut tail = tar.into_inner().unwrap();
    tail.extend_from_slice(&zeros);
    assert!(matches!(super::read::read(compress(&tail).as_slice(), &limits), Err(BundleError::TooLarge { .. })));
}

#[test]
fn a_wide_window_is_refused() {
    // Frame header with a window of 2 GiB (RFC 8878, section 3.1.1.1.2: exponent 21, mantissa 0), then one raw block.
    let wide = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 21 << 3, 0x09, 0x00, 0x00, b'x'];
    assert!(matches!(error(&wide), BundleError::Corrupt(_)), "{:?}", error(&wide));
}

#[test]
fn files_are_whole_private_and_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.skoop");
    std::fs::write(&path, "before").unwrap();
    let written = Bundle { nodes: vec![node("a")], ..Bundle::new("1", 2) };
    written.write_file(&path).unwrap();
    assert_eq!(Bundle::read_file(&path).unwrap(), written);
    assert!(Bundle::verify_file(&path).unwrap().is_ok());
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1, "no temporary file is left");

    let twins = Bundle { nodes: vec![node("a"), node("a")], ..Bundle::new("1", 2) };
    assert!(twins.write_file(&path).is_err());
    assert_eq!(Bundle::read_file(&path).unwrap(), written, "a failed write leaves the old file");
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1, "no temporary file is left");
}

#[test]
fn file_errors_name_the_file() {
    let missing = Bundle::read_file(Path::new("/nonexistent/a.skoop")).unwrap_err();
    assert_eq!(missing.to_string(), "cannot open bundle /nonexistent/a.skoop");
    let unwritable = bundle().write_file(Path::new("/nonexistent/a.skoop")).unwrap_err();
    assert!(unwritable.to_string().starts_with("cannot create bundle /nonexistent/a.skoop"));
    assert!(matches!(bundle().write_file(Path::new("/")), Err(BundleError::Create { .. })));
}

#[test]
fn a_failing_writer_is_told() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let error = bundle().write(Full).unwrap_err();
    assert!(
        matches!(&error, BundleError::Write(source) if source.kind() == std::io::ErrorKind::StorageFull),
        "{error:?}"
    );
}

proptest! {
    #[test]
    fn any_bytes_are_a_bundle_or_an_error(data: Vec<u8>) {
        prop_assert!(Bundle::read(data.as_slice()).is_err());
    }

    #[test]
    fn a_changed_byte_never_passes_for_other_content(at in any::<prop::sample::Index>(), flip in 1u8..) {
        let whole = bytes(&bundle());
        let original = Bundle::read(whole.as_slice()).unwrap();
        let mut data = whole.clone();
        let index = at.index(data.len());
        *data.get_mut(index).unwrap() ^= flip;
        // Bits that zstd ignores may change; content may not.
        if let Ok(read) = Bundle::read(data.as_slice()) {
            prop_assert_eq!(read, original);
        }
    }

    #[test]
    fn a_changed_tar_never_panics(at in any::<prop::sample::Index>(), flip in 1u8.., cut in any::<prop::sample::Index>()) {
        let whole = bytes(&bundle());
        let mut tar = zstd::decode_all(whole.as_slice()).unwrap();
        let index = at.index(tar.len());
        *tar.get_mut(index).unwrap() ^= flip;
        let _ = Bundle::read(compress(&tar).as_slice());
        let _ = Bundle::verify(compress(&tar).as_slice());
        tar.truncate(cut.index(tar.len()));
        let _ = Bundle::read(compress(&tar).as_slice());
    }
}
