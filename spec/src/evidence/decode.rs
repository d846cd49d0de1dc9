//! `evidence`, `retain`, `class` and `gc` of `orgo.kdl`.

use super::{Address, Collect, Evidence, EvidenceStore, Keep, Kind, Push, Restricted};
use crate::document::{Fields, Node, Problem, Problems, Spanned};
use crate::project::check_branch;
use crate::{Digest, Name, ReasonCode};

/// The branch of a git store, unless the project names another.
const BRANCH: &str = "orgo/evidence";

impl Evidence {
    /// Takes what a project declares about evidence.
    pub(crate) fn decode(fields: &mut Fields<'_>, problems: &mut Problems) -> Self {
        let mut evidence = Self::default();
        for node in fields.children("evidence") {
            let Some(store) = EvidenceStore::decode(node, problems) else { continue };
            if evidence.stores.iter().any(|s| s.name == store.name) {
                let message = format!("two evidence stores are called `{}`", store.name);
                problems.push(Problem::new(ReasonCode::FieldDuplicate, message, node.span).help("rename one of them"));
            }
            evidence.stores.push(store);
        }
        for node in fields.children("retain") {
            let mut fields = Fields::new(node);
            let kind = fields.arg::<Kind>("a kind", problems);
            let keep = fields.arg::<Keep>("how long", problems);
            fields.finish(problems);
            let (Some(kind), Some(keep)) = (kind, keep) else { continue };
            if evidence.retain.insert(kind.value, keep.value).is_some() {
                let message = format!("`retain` says twice how long {} are kept", kind.value.as_str());
                problems.push(Problem::new(ReasonCode::FieldDuplicate, message, node.span).help("keep one of the two"));
            }
        }
        if let Some(node) = fields.child("class", problems) {
            evidence.restricted = Restricted::decode(node, &evidence.stores, problems);
        }
        if let Some(node) = fields.child("gc", problems) {
            let mut fields = Fields::new(node);
            evidence.gc = Collect {
                size: fields.one("size", problems).map(|s| s.value),
                age: fields.one("age", problems).map(|a| a.value),
                pins: fields.list::<Digest>("pin", problems).into_iter().map(|p| p.value).collect(),
            };
            fields.finish(problems);
        }
        evidence
    }
}

impl EvidenceStore {
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        let mut fields = Fields::new(node);
        let name = fields.arg::<Name>("a name", problems);
        let directory = fields.one::<String>("directory", problems);
        let git = fields.child("git", problems).and_then(|node| {
            let mut fields = Fields::new(node);
            let url = fields.arg::<String>("an address", problems);
            let branch = fields.one::<String>("branch", problems);
            fields.finish(problems);
            if let Some(branch) = &branch {
                check_branch(branch, branch, problems);
            }
            let plain = |url: &String| !url.is_empty() && !url.starts_with('-') && !url.contains(char::is_control);
            if let Some(bad) = url.as_ref().filter(|u| !plain(u)) {
                problems.push(not(
                    bad,
                    "the address of a git repository",
                    "write a path or an address, as git takes it",
                ));
            }
            Some(Address::Git { url: url?.value, branch: branch.map_or_else(|| BRANCH.to_owned(), |b| b.value) })
        });
        if let Some(bad) = directory.as_ref().filter(|d| d.is_empty() || d.contains(char::is_control)) {
            problems.push(not(bad, "a folder", "write a path; a relative one begins at the repository"));
        }
        let push = fields.one::<Push>("push", problems);
        let kinds = fields.list::<Kind>("kinds", problems);
        fields.finish(problems);
        let address = match (directory, git) {
            (Some(path), None) => Some(Address::Directory(path.value)),
            (None, Some(git)) => Some(git),
            (None, None) | (Some(_), Some(_)) => {
                let message = "an evidence store is a folder or a branch of a git repository";
                problems.push(
                    Problem::new(ReasonCode::DocumentInvalid, message, node.span)
                        .help("write `directory \"../evidence\"`, or `git \"ADDRESS\" branch=\"orgo/evidence\"`"),
                );
                None
            }
        };
        Some(Self {
            name: name?.value,
            address: address?,
            push: push.map_or(Push::Manual, |p| p.value),
            kinds: kinds.into_iter().map(|k| k.value).collect(),
        })
    }
}

impl Restricted {
    fn decode(node: &Node, known: &[EvidenceStore], problems: &mut Problems) -> Option<Self> {
        let mut fields = Fields::new(node);
        let class = fields.arg::<String>("the class", problems);
        if let Some(class) = class.filter(|c| c.value != "restricted") {
            problems.push(not(&class, "a class", "there is one: `class \"restricted\"`"));
        }
        let kinds = fields.list::<Kind>("kinds", problems);
        let stores = fields.list::<Name>("stores", problems);
        let recipients = fields.list::<String>("recipient", problems);
        let blind = fields.required::<String>("blind", problems);
        fields.finish(problems);
        for store in stores.iter().filter(|s| known.iter().all(|k| k.name != s.value)) {
            let message = format!("no evidence store is called `{}`", store.value);
            problems.push(
                Problem::new(ReasonCode::DocumentInvalid, message, store.span).help("declare it, or correct the name"),
            );
        }
        for recipient in recipients.iter().filter(|r| !looks_like_a_recipient(r)) {
            problems.push(not(
                recipient,
                "an age recipient",
                "write `age1…`, as `orgo evidence identity FILE` or `age-keygen` prints it",
            ));
        }
        let missing = |what: &str, help: &str| {
            Problem::new(ReasonCode::DocumentInvalid, format!("`class` needs {what}"), node.span).help(help.to_owned())
        };
        if recipients.is_empty() {
            problems.push(missing("somebody who can open it", "add `recipient \"age1…\"`"));
        }
        if kinds.is_empty() && stores.is_empty() {
            problems.push(missing("something to cover", "add `kinds \"logs\"`, or `stores \"NAME\"`"));
        }
        if let Some(short) = blind.as_ref().filter(|b| b.chars().count() < Self::MIN_BLIND) {
            problems.push(
                Problem::new(ReasonCode::DocumentInvalid, "the blind is too short", short.span)
                    .help(format!("write at least {} random characters", Self::MIN_BLIND)),
            );
        }
        Some(Self {
            kinds: kinds.into_iter().map(|k| k.value).collect(),
            stores: stores.into_iter().map(|s| s.value).collect(),
            recipients: recipients.into_iter().map(|r| r.value).collect(),
            blind: blind?.value,
        })
    }
}

/// `age1` and 58 characters of bech32; whether the checksum holds is found when the recipient is used.
fn looks_like_a_recipient(text: &str) -> bool {
    const BECH32: &str = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
    text.strip_prefix("age1").is_some_and(|rest| rest.len() == 58 && rest.chars().all(|c| BECH32.contains(c)))
}

fn not(written: &Spanned<String>, what: &str, help: &str) -> Problem {
    let shown: String = written.value.escape_debug().take(80).collect();
    Problem::new(ReasonCode::DocumentInvalid, format!("`{shown}` is not {what}"), written.span).help(help.to_owned())
}

#[cfg(test)]
mod tests {
    use crate::document::Document;
    use crate::evidence::{Address, Keep, Kind, Push};
    use crate::project::Project;

    const RECIPIENT: &str = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";

    fn parse(body: &str) -> Result<Project, String> {
        let text = format!("project \"p\" {{\n{body}\n}}\n");
        Project::parse(&Document::new("orgo.kdl", text))
            .map_err(|e| e.problems().map(|p| p.message().to_owned()).collect::<Vec<_>>().join("; "))
    }

    #[test]
    fn stores_retention_class_and_limits_are_read() {
        let project = parse(&format!(
            r#"evidence "main" {{ directory "../evidence"; push "auto" }}
               evidence "mirror" {{ git "file:///x.git"; kinds "logs" "reports" }}
               retain "logs" "90d"
               retain "reports" "forever"
               class "restricted" {{ kinds "logs"; stores "mirror"; recipient "{RECIPIENT}"; blind "0123456789abcdef" }}
               gc {{ size "1GiB"; age "14d" }}"#
        ))
        .expect("a good document");
        let evidence = project.evidence;
        assert_eq!(evidence.stores[0].push, Push::Auto);
        let Address::Git { branch, .. } = &evidence.stores[1].address else { panic!("a git store") };
        assert_eq!(branch, "orgo/evidence");
        assert!(evidence.stores[0].holds([Kind::Outputs]) && !evidence.stores[1].holds([Kind::Outputs]));
        assert_eq!(evidence.keep(Kind::Logs, false), Keep::Days(90));
        assert_eq!(evidence.keep(Kind::Reports, true), Keep::Forever);
        assert_eq!(evidence.keep(Kind::Outputs, false), Keep::Forever);
        assert_eq!(evidence.keep(Kind::Outputs, true), Keep::Days(super::super::LOCAL_DAYS));
        let class = evidence.restricted.expect("declared");
        assert!(class.covers(&evidence.stores[0].name, [Kind::Logs]));
        assert!(!class.covers(&evidence.stores[0].name, [Kind::Outputs]));
        assert!(class.covers(&evidence.stores[1].name, [Kind::Outputs]));
    }

    #[test]
    fn what_could_not_be_kept_is_refused_when_it_is_declared() {
        for (body, expected) in [
            (r#"evidence "a" { push "auto" }"#, "folder or a branch"),
            (r#"evidence "a" { directory "x"; git "y" }"#, "folder or a branch"),
            (r#"evidence "a" { git "--upload-pack=x" }"#, "not the address"),
            (r#"evidence "a" { directory "x" }; evidence "a" { directory "y" }"#, "two evidence stores"),
            (r#"retain "logs" "90""#, "is the text `90`"),
            (r#"retain "logs" "0d""#, "is the text `0d`"),
            (r#"retain "everything" "1d""#, "is the text `everything`"),
            (r#"retain "logs" "1d"; retain "logs" "2d""#, "twice"),
            (r#"class "secret" { kinds "logs"; recipient "age1x"; blind "0123456789abcdef" }"#, "not a class"),
            (
                r#"class "restricted" { kinds "logs"; recipient "age1x"; blind "0123456789abcdef" }"#,
                "not an age recipient",
            ),
            (r#"class "restricted" { kinds "logs"; blind "short" }"#, "somebody who can open it"),
            (r#"class "restricted" { stores "none"; recipient "x"; blind "0123456789abcdef" }"#, "no evidence store"),
        ] {
            let told = parse(body).expect_err(body);
            assert!(told.contains(expected), "{body}: {told}");
        }
    }
}
