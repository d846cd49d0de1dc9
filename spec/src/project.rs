//! `orgo.kdl`: what a repository is called, whose it is, and where its ledger lies.

use schemars::JsonSchema;
use serde::Serialize;

use crate::document::{
    Document, DocumentError, Fields, Problem, Problems, RelativePath, Span, Spanned, closest, parse,
};
use crate::evidence::Evidence;
use crate::{Name, ReasonCode};

/// The branch that protected runs append to, unless the project names another.
pub const DEFAULT_LEDGER: &str = "orgo/audit";
/// The branch that all other runs append to; it is never pushed.
pub const LOCAL_LEDGER: &str = "orgo/local";

/// The decoded `orgo.kdl`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Project {
    /// What the project is called.
    pub name: Spanned<Name>,
    /// Whose records these are; it stands in every record.
    pub tenant: Name,
    /// The audit branch, without `refs/heads/`.
    pub ledger: String,
    /// Branches whose runs may be protected; a `*` at the end stands for anything.
    pub protected: Vec<String>,
    /// Whether the repository may have ledgers of several tenants.
    pub shared: bool,
    /// Whether runs of the kristal profile, and those that name a mandate, need an active one.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub mandate_required: bool,
    /// The object store, if it does not lie at `.orgo/store`.
    pub store: Option<RelativePath>,
    /// Where evidence is mirrored, how long it is kept, and what is sealed.
    pub evidence: Evidence,
}

impl Project {
    /// Decodes `orgo.kdl`.
    ///
    /// # Errors
    /// [`DocumentError`] with every problem of the document.
    pub fn parse(document: &Document) -> Result<Self, DocumentError> {
        let nodes = parse(document)?;
        let mut problems = Problems::new(document);
        let mut project = None;
        for node in &nodes {
            if *node.name != "project" {
                problems.push(unknown_top(&node.name, &["project"]));
            } else if project.is_some() {
                problems.push(
                    Problem::new(ReasonCode::FieldDuplicate, "a repository has one project", node.name.span)
                        .help("keep one of the two"),
                );
            } else {
                let mut fields = Fields::new(node);
                let name = fields.arg::<Name>("a name", &mut problems);
                let tenant = fields.one::<Name>("tenant", &mut problems);
                let ledger = fields.one::<String>("ledger", &mut problems);
                let protected = fields.list::<String>("protected", &mut problems);
                let shared = fields.one::<bool>("shared", &mut problems);
                let mandate_required = fields.one::<bool>("mandate-required", &mut problems);
                let store = fields.one("store", &mut problems);
                let evidence = Evidence::decode(&mut fields, &mut problems);
                fields.finish(&mut problems);
                if let Some(reference) = &ledger {
                    check_branch(reference, reference, &mut problems);
                }
                for pattern in &protected {
                    check_branch(
                        pattern.strip_suffix('*').map_or(pattern, |p| p.trim_end_matches('/')),
                        pattern,
                        &mut problems,
                    );
                }
                let Some(name) = name else { continue };
                project = Some(Self {
                    tenant: tenant.map_or_else(|| name.value.clone(), |t| t.value),
                    ledger: ledger.map_or_else(|| DEFAULT_LEDGER.to_owned(), |l| l.value),
                    protected: if protected.is_empty() {
                        vec!["main".to_owned()]
                    } else {
                        protected.into_iter().map(|p| p.value).collect()
                    },
                    shared: shared.is_some_and(|s| s.value),
                    mandate_required: mandate_required.is_some_and(|m| m.value),
                    store: store.map(|s: Spanned<RelativePath>| s.value),
                    evidence,
                    name,
                });
            }
        }
        if project.is_none() && problems.is_empty() {
            problems.push(
                Problem::new(ReasonCode::DocumentInvalid, "the document declares no project", Span::default())
                    .help("write `project \"name\"`"),
            );
        }
        problems.check(project)
    }
}

/// Branch names as `git check-ref-format` wants them, in the part that we need.
/// `name` is what is checked, `written` what stands in the document.
pub(crate) fn check_branch(name: &str, written: &Spanned<String>, problems: &mut Problems) {
    let bad_part = |p: &str| p.is_empty() || p.starts_with('.') || p.ends_with(".lock") || p.ends_with('.');
    let bad_char = |c: char| c.is_control() || " ~^:?*[\\".contains(c);
    if name.contains("..") || name.contains("@{") || name.contains(bad_char) || name.split('/').any(bad_part) {
        problems.push(
            Problem::new(
                ReasonCode::DocumentInvalid,
                format!("`{}` is not a branch name", name.escape_debug()),
                written.span,
            )
            .help("write it without `refs/heads/`, such as `orgo/audit`"),
        );
    }
}

/// Reports a node that may not stand at the top of a document.
pub(crate) fn unknown_top(name: &Spanned<String>, known: &[&'static str]) -> Problem {
    let problem = Problem::new(ReasonCode::FieldUnknown, format!("`{}` may not stand here", **name), name.span);
    match closest(name, known.iter().copied()) {
        Some(near) => problem.label(format!("did you mean `{near}`?")).help(format!("write `{near}`")),
        None => problem.help(format!("this document may hold `{}`", known.join("`, `"))),
    }
}
