use std::sync::Arc;

use orgo_kernel::key::{Output, StageKey};
use orgo_spec::pipeline::Isolation;

use super::*;
use crate::store::Executor;

fn file(path: &str, content: &str) -> Output {
    Output { path: path.into(), kind: OutputKind::File { blob: Blob::of(content.as_bytes()), executable: false } }
}

fn link(path: &str, target: &str) -> Output {
    Output { path: path.into(), kind: OutputKind::Link(target.into()) }
}

fn cached(outputs: Vec<Output>) -> Cached {
    Cached {
        schema: SCHEMA,
        key: StageKey(Digest::EMPTY),
        outputs: Arc::new(outputs),
        log: None,
        isolation: Isolation::Open,
        executor: Executor { name: "orgo".into(), version: "1".into(), digest: Digest::EMPTY },
        duration_ms: 1,
        origin: None,
    }
}

#[test]
fn what_no_run_can_have_made_is_refused() {
    let honest = cached(vec![file("a/f", "x"), file("a/g", "x"), link("a/l", "f")]);
    assert_eq!(objects(&honest), Ok(vec![Blob::of(b"x")]));
    let two_sizes = OutputKind::File { blob: Blob { size_bytes: 7, ..Blob::of(b"x") }, executable: false };
    let hostile = [
        vec![file("../f", "x")],
        vec![file("/etc/passwd", "x")],
        vec![file("a/./f", "x")],
        vec![file("", "x")],
        vec![file("a\0b", "x")],
        vec![link("l", "/etc")],
        vec![link("l", "../../x")],
        vec![link("d/l", "../..")],
        vec![link("a", "b"), file("a/f", "x")],
        vec![file("a", "x"), file("a", "x")],
        vec![file("b", "x"), file("a", "x")],
        vec![file("a", "x"), Output { path: "b".into(), kind: two_sizes }],
    ];
    for outputs in hostile {
        let shown = format!("{outputs:?}");
        assert!(objects(&cached(outputs)).is_err(), "{shown}");
    }
    assert!(objects(&Cached { schema: 2, ..cached(vec![]) }).is_err());
    assert!(objects(&Cached { duration_ms: 1 << 50, ..cached(vec![]) }).is_err());
    let named = Executor { name: "a\u{202e}b".into(), version: "1".into(), digest: Digest::EMPTY };
    assert!(objects(&Cached { executor: named, ..cached(vec![]) }).is_err());
}

#[test]
fn a_result_has_all_that_its_stage_declares_and_nothing_else() {
    let outs = ["o".to_owned(), "d".to_owned()];
    assert!(are_declared(&cached(vec![file("d/a", "x"), file("o", "x")]), &outs));
    assert!(!are_declared(&cached(vec![file("o", "x")]), &outs), "one is missing");
    assert!(!are_declared(&cached(vec![file("d/a", "x"), file("o", "x"), file("oo", "x")]), &outs));
}

mod packs {
    use std::io::Write;
    use std::path::{Path, PathBuf};

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;
    use crate::cache::pack::{End, Head, Line, line};
    use crate::store::Store;

    const LIMIT: u64 = 1 << 20;

    struct Place {
        folder: tempfile::TempDir,
        store: Store,
    }

    impl Place {
        fn new() -> Self {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let store = Store::open(&folder.path().join("store")).expect("a store");
            Self { folder, store }
        }

        fn file(&self, bytes: &[u8]) -> PathBuf {
            let path = self.folder.path().join("pack");
            std::fs::write(&path, bytes).expect("writable");
            path
        }

        fn take(&self, bytes: &[u8]) -> Result<Unpacked, PackError> {
            unpack(&self.store, "acme", &self.file(bytes), LIMIT, 1)
        }

        /// Removes what was taken.
        fn empty(&self) {
            std::fs::remove_file(self.store.path(Digest::of(b"content"))).expect("taken");
            let key = crate::store::place("actions", Digest::EMPTY);
            std::fs::remove_file(self.folder.path().join("store").join(key)).expect("taken");
        }

        /// That nothing is in the store, not even half of something.
        #[track_caller]
        fn is_empty(&self) {
            let root = self.folder.path().join("store");
            let files = |kind: &str| -> usize {
                let folders = std::fs::read_dir(root.join(kind)).expect("listable").flatten();
                let folders = folders.filter(|e| e.path().is_dir());
                folders.map(|e| std::fs::read_dir(e.path()).expect("listable").count()).sum()
            };
            let new = std::fs::read_dir(root.join("new")).expect("listable").count();
            assert_eq!((files("sha256"), files("actions"), new), (0, 0, 0));
        }
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(bytes).expect("memory");
        gzip.finish().expect("memory")
    }

    /// A pack of these parts, whose last line is what it has to be.
    fn pack_of(tenant: &str, objects: &[&[u8]], results: Vec<Cached>) -> Vec<u8> {
        let mut bytes = line(&Line::Pack(Head { schema: 1, tenant: tenant.into() }));
        for object in objects {
            bytes.extend(line(&Line::Object(Blob::of(object))));
            bytes.extend_from_slice(object);
            bytes.push(b'\n');
        }
        let count = results.len() as u64;
        results.into_iter().for_each(|result| bytes.extend(line(&Line::Result(Box::new(result)))));
        let end = End { digest: Digest::of(&bytes), objects: objects.len() as u64, results: count };
        bytes.extend(line(&Line::End(end)));
        gzip(&bytes)
    }

    fn honest() -> Vec<u8> {
        pack_of("acme", &[b"content"], vec![cached(vec![file("o", "content")])])
    }

    #[test]
    fn an_honest_pack_is_taken_and_says_where_its_results_came_from() {
        let place = Place::new();
        let taken = place.take(&honest()).expect("an honest pack");
        assert_eq!((taken.results, taken.new, taken.objects), (1, 1, 1));
        let result = place.store.result(StageKey(Digest::EMPTY)).expect("readable").expect("there");
        assert_eq!(result.origin.map(|o| o.name), Some(taken.id.to_string()));
        assert_eq!(place.store.get(Digest::of(b"content")).expect("there"), b"content");
        assert_eq!(place.take(&honest()).expect("again").new, 0);
    }

    #[test]
    fn what_is_here_is_never_replaced_and_a_damaged_object_is_healed() {
        let place = Place::new();
        let mine = cached(vec![file("o", "mine")]);
        place.store.set_result(&mine).expect("written");
        let object = place.store.path(Digest::of(b"content"));
        std::fs::write(&object, b"CONTENT").expect("writable");
        let taken = place.take(&honest()).expect("an honest pack");
        assert_eq!((taken.new, taken.other.as_slice()), (0, &[mine.key][..]));
        assert_eq!(place.store.result(mine.key).expect("readable"), Some(mine));
        assert_eq!(std::fs::read(&object).expect("there"), b"content");
    }

    #[test]
    fn a_pack_that_is_cut_or_changed_anywhere_leaves_nothing() {
        let whole = honest();
        let place = Place::new();
        let id = Place::new().take(&whole).expect("an honest pack").id;
        for length in 0..whole.len() {
            let error = place.take(&whole[..length]).expect_err("it is cut");
            assert!(matches!(error, PackError::Invalid { .. }), "{length}: {error}");
        }
        // Bits of gzip's header say when and where a file was made: nothing that is read.
        for bit in 80..whole.len() * 8 {
            let mut changed = whole.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            match place.take(&changed) {
                Err(PackError::Invalid { .. } | PackError::Tenant { .. }) => {}
                Err(error) => panic!("{bit}: {error}"),
                // A bit between the compressed form and its checksum is nobody's: the content is the same.
                Ok(taken) => {
                    assert_eq!(taken.id, id, "{bit}");
                    place.empty();
                }
            }
        }
        place.is_empty();
        for more in [&b"x"[..], &gzip(b""), &whole] {
            assert!(place.take(&[&whole, more].concat()).is_err());
            place.is_empty();
        }
    }

    #[test]
    fn a_pack_that_was_made_to_harm_leaves_nothing() {
        let place = Place::new();
        let one = |path: &str| cached(vec![file(path, "content")]);
        let keyed = |name: &str, result: Cached| Cached { key: StageKey(Digest::of(name.as_bytes())), ..result };
        let mut twice = vec![keyed("a", one("o")), keyed("a", one("o"))];
        let origin = orgo_spec::record::Origin { by: orgo_spec::record::Bringer::Shared, name: "/mine".into() };
        let hostile = [
            ("leads out", pack_of("acme", &[b"content"], vec![one("../../../etc/cron.d/x")])),
            ("absolute", pack_of("acme", &[b"content"], vec![one("/etc/cron.d/x")])),
            ("a link that leads out", pack_of("acme", &[], vec![cached(vec![link("l", "../../..")])])),
            ("names what is not in it", pack_of("acme", &[], vec![one("o")])),
            ("has what nothing names", pack_of("acme", &[b"content"], vec![])),
            ("an object twice", pack_of("acme", &[b"content", b"content"], vec![one("o")])),
            ("a result twice", pack_of("acme", &[b"content"], std::mem::take(&mut twice))),
            (
                "says where it came from",
                pack_of("acme", &[b"content"], vec![Cached { origin: Some(origin), ..one("o") }]),
            ),
            ("another version", gzip(b"{\"pack\":{\"schema\":2,\"tenant\":\"acme\"}}\n")),
            ("no pack", gzip(b"#!/bin/sh\n")),
            ("not compressed", b"{\"pack\":{\"schema\":1,\"tenant\":\"acme\"}}\n".to_vec()),
        ];
        for (what, bytes) in hostile {
            assert!(matches!(place.take(&bytes), Err(PackError::Invalid { .. })), "{what}");
            place.is_empty();
        }
        let foreign = pack_of("other", &[b"content"], vec![one("o")]);
        assert!(matches!(place.take(&foreign), Err(PackError::Tenant { .. })));
        place.is_empty();
    }

    #[test]
    fn a_pack_that_swells_is_refused_before_it_is_written() {
        let place = Place::new();
        let zeros = vec![0; (LIMIT + 1) as usize];
        let bomb = pack_of("acme", &[&zeros], vec![]);
        assert!(bomb.len() < 20_000, "{}", bomb.len());
        assert!(matches!(place.take(&bomb), Err(PackError::Invalid { .. })));
        place.is_empty();
        // A line without an end, and an object that says to be larger than it is.
        let endless = gzip(&vec![b'{'; 4 << 20]);
        assert!(matches!(place.take(&endless), Err(PackError::Invalid { .. })));
        let mut short = line(&Line::Pack(Head { schema: 1, tenant: "acme".into() }));
        short.extend(line(&Line::Object(Blob { size_bytes: 500_000, ..Blob::of(b"content") })));
        short.extend_from_slice(b"content\n");
        assert!(matches!(place.take(&gzip(&short)), Err(PackError::Invalid { .. })));
        place.is_empty();
    }

    #[test]
    fn a_pack_that_is_no_file_is_the_systems_fault() {
        let place = Place::new();
        let error = unpack(&place.store, "acme", Path::new("/no/such/pack"), LIMIT, 1).expect_err("nothing there");
        assert!(matches!(error, PackError::Path(_)));
    }
}
