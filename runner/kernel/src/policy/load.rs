//! Loading: policies are parsed, named and validated as a whole, and everything that is wrong is said at once.

use std::collections::BTreeMap;
use std::str::FromStr;

use cedar_policy::{PolicyId, PolicySet, ValidationMode, Validator};
use miette::Diagnostic;
use orgo_spec::document::{Document, DocumentError, Problem, Problems, Span};
use orgo_spec::{Digest, Name, ReasonCode};

use super::schema::schema;
use super::size::{too_much, with_stack};
use super::{Policies, Policy, forbids};

/// Most policies in one mandate.
const MAX_POLICIES: usize = 256;

impl Policies {
    /// Parses the policies of `mandate` and validates them strictly against the schema.
    ///
    /// Every policy has an `@id` of its own; templates are refused, and so is what Cedar only warns of, such as a
    /// policy that can never apply. No document at all gives an empty set, which refuses whatever it is asked.
    ///
    /// # Errors
    /// A [`DocumentError`] for each document with problems.
    pub fn load(mandate: Digest, documents: &[Document]) -> Result<Self, Vec<DocumentError>> {
        with_stack(|| Self::load_here(mandate, documents))
    }

    fn load_here(mandate: Digest, documents: &[Document]) -> Result<Self, Vec<DocumentError>> {
        let mut files: Vec<File<'_>> = documents.iter().map(File::parse).collect();
        let named = name(&mut files);
        let set = PolicySet::from_policies(named.iter().map(|n| n.policy.clone()));
        if let Ok(set) = &set
            && files.iter().all(|f| f.problems.is_empty())
        {
            validate(set, &named, &mut files);
        }
        let list = named.into_iter().map(|n| n.shown).collect();
        let errors: Vec<_> = files.into_iter().filter_map(File::into_error).collect();
        match set {
            Ok(set) if errors.is_empty() => Ok(Self { mandate, set, list }),
            _ => Err(errors),
        }
    }

    /// A set that nobody validated: what Cedar itself makes of it.
    #[cfg(test)]
    pub(crate) fn unchecked(mandate: Digest, text: &str) -> Self {
        let document = Document::new("test.cedar", text);
        let mut files = vec![File::parse(&document)];
        let named = name(&mut files);
        let set = PolicySet::from_policies(named.iter().map(|n| n.policy.clone())).expect("named");
        Self { mandate, set, list: named.into_iter().map(|n| n.shown).collect() }
    }
}

struct File<'d> {
    document: &'d Document,
    problems: Vec<Problem>,
    policies: Vec<(usize, cedar_policy::Policy)>,
}

struct Named {
    file: usize,
    span: Span,
    policy: cedar_policy::Policy,
    shown: Policy,
}

impl<'d> File<'d> {
    fn parse(document: &'d Document) -> Self {
        let mut file = Self { document, problems: Vec::new(), policies: Vec::new() };
        if let Some(at) = too_much(document.text()) {
            let message = "a policy says too much: it has more than 256 operators, brackets and words of the language";
            let problem = Problem::new(ReasonCode::MandateInvalid, message, Span::new(at, 1));
            file.problems.push(problem.help("make several policies of it"));
            return file;
        }
        let set = match PolicySet::from_str(document.text()) {
            Ok(set) => set,
            Err(errors) => {
                file.problems.extend(errors.iter().map(|e| problem(e, e.to_string(), Span::default())));
                return file;
            }
        };
        if set.templates().next().is_some() {
            let message = "a template is no policy: nothing fills it";
            let problem = Problem::new(ReasonCode::MandateInvalid, message, Span::default());
            file.problems.push(problem.help("write `principal`, `resource` or an entity in the place of `?…`"));
        }
        // A policy says its own text, which stands in the file at one place or more; ids count the places.
        let mut policies: Vec<_> = set.policies().cloned().collect();
        policies.sort_by_key(|p| {
            let digits: String = p.id().to_string().chars().filter(char::is_ascii_digit).collect();
            digits.parse::<usize>().unwrap_or(usize::MAX)
        });
        let mut from = 0;
        for policy in policies {
            let text = policy.to_cedar().unwrap_or_default();
            let at = document.text()[from..].find(&text).map_or(from, |at| from + at);
            from = (at + text.len()).min(document.text().len());
            file.policies.push((at, policy));
        }
        file
    }

    fn into_error(self) -> Option<DocumentError> {
        if self.problems.is_empty() {
            return None;
        }
        let mut problems = Problems::new(self.document);
        self.problems.into_iter().for_each(|p| problems.push(p));
        Some(problems.into_error())
    }
}

/// Gives every policy the id that it says it has.
fn name(files: &mut [File<'_>]) -> Vec<Named> {
    let mut named = Vec::new();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for (at, file) in files.iter_mut().enumerate() {
        for (offset, policy) in std::mem::take(&mut file.policies) {
            let text = policy.to_cedar().unwrap_or_default();
            let span = Span::new(offset, text.lines().next().map_or(0, str::len));
            let mut refuse = |message: String, help: &str| {
                file.problems.push(Problem::new(ReasonCode::MandateInvalid, message, span).help(help.to_owned()));
            };
            let id = match policy.annotation("id").map(Name::new) {
                Some(Ok(id)) => id.to_string(),
                Some(Err(error)) => {
                    refuse(format!("the policy's id: {error}"), Name::RULE);
                    continue;
                }
                None => {
                    refuse("the policy has no id".to_owned(), "write `@id(\"what-it-holds\")` above it");
                    continue;
                }
            };
            if seen.insert(id.clone(), at).is_some() {
                refuse(format!("two policies are called `{id}`"), "give each an id of its own");
                continue;
            }
            if named.len() == MAX_POLICIES {
                refuse(format!("a mandate has at most {MAX_POLICIES} policies"), "make fewer of them");
                return named;
            }
            let shown = Policy {
                id: id.clone(),
                file: file.document.name().rsplit('/').next().unwrap_or_default().to_owned(),
                forbids: forbids(&policy),
                text,
            };
            named.push(Named { file: at, span, policy: policy.new_id(PolicyId::new(id)), shown });
        }
    }
    named
}

/// Strict validation; what Cedar only warns of is refused, too.
fn validate(set: &PolicySet, named: &[Named], files: &mut [File<'_>]) {
    let result = Validator::new(schema().clone()).validate(set, ValidationMode::Strict);
    let mut found: Vec<(usize, Problem)> = Vec::new();
    let mut place = |id: &PolicyId, error: &dyn Diagnostic| {
        let id = id.to_string();
        let at = named.iter().find(|n| n.shown.id == id);
        let (file, span) = at.map_or((0, Span::default()), |n| (n.file, n.span));
        let message = error.to_string().replace("for policy ", "the policy ");
        found.push((file, problem(error, message, span)));
    };
    result.validation_errors().for_each(|e| place(e.policy_id(), e));
    result.validation_warnings().for_each(|w| place(w.policy_id(), w));
    // Cedar walks its policies in no order of its own.
    found.sort_by_key(|(file, p)| (*file, p.span().offset, p.message().to_owned()));
    for (file, problem) in found {
        files[file].problems.push(problem);
    }
}

fn problem(error: &dyn Diagnostic, message: String, unless: Span) -> Problem {
    let label = error.labels().and_then(|mut labels| labels.next());
    let span = label.as_ref().map_or(unless, |l| Span::new(l.offset(), l.len()));
    let problem = Problem::new(ReasonCode::MandateInvalid, message, span);
    let problem = match label.as_ref().and_then(|l| l.label()) {
        Some(label) => problem.label(label.to_owned()),
        None => problem,
    };
    match error.help() {
        Some(help) => problem.help(help.to_string()),
        None => problem.help("see `docs/formats/mandate.md` for what policies may ask about"),
    }
}
