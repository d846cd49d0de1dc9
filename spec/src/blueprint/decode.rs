//! A tree to a [`Blueprint`].

use super::{Blueprint, Determinism, KristalPin, MandatePin, Owner, Pin, Pins, SchemaPin, Step, Target, VersionPin};
use crate::document::{
    Document, DocumentError, Fields, FromScalar, Node, Problem, Problems, RelativePath, Span, Spanned, parse,
};
use crate::project::unknown_top;
use crate::{Digest, Name, ReasonCode};

impl Blueprint {
    /// Decodes a blueprint.
    ///
    /// # Errors
    /// [`DocumentError`] with every problem; `BLUEPRINT_UNPINNED` for what floats.
    pub fn parse(document: &Document) -> Result<Self, DocumentError> {
        let nodes = parse(document)?;
        let mut problems = Problems::new(document);
        let mut blueprint = None;
        let mut seen = false;
        for node in &nodes {
            if *node.name == "blueprint" && !seen {
                seen = true;
                blueprint = decode(node, &mut problems);
            } else {
                problems.push(unknown_top(&node.name, &["blueprint"]));
            }
        }
        if !seen && problems.is_empty() {
            let problem =
                Problem::new(ReasonCode::DocumentInvalid, "the document declares no blueprint", Span::default());
            problems.push(problem.help("write `blueprint \"name\" revision=1 { … }`"));
        }
        problems.check(blueprint)
    }
}

fn decode(node: &Node, problems: &mut Problems) -> Option<Blueprint> {
    let mut fields = Fields::new(node);
    let name = fields.arg("a name", problems);
    let revision = fields.required::<u32>("revision", problems);
    let mandate = needed(&mut fields, "mandate", "mandate \"name\" id=\"sha256:…\"", problems)
        .and_then(|node| mandate(node, problems));
    let kristal = needed(&mut fields, "kristal", "kristal version=\"4\" schema-set=\"sha256:…\" …", problems)
        .and_then(|node| kristal(node, problems));
    let toolchain = needed(&mut fields, "toolchain", "toolchain lock=\"sha256:…\"", problems).and_then(|node| {
        let mut fields = Fields::new(node);
        let lock = pinned(&mut fields, "lock", problems);
        fields.finish(problems);
        lock
    });
    let schemas = fields.children("schema").into_iter().filter_map(|node| schema(node, problems)).collect();
    let ontologies = versions(fields.children("ontology"), problems);
    let policies = versions(fields.children("policy"), problems);
    let files: Vec<Pin> = fields.children("pin").into_iter().filter_map(|node| pin(node, problems)).collect();
    let steps: Vec<Step> = fields.children("step").into_iter().filter_map(|node| step(node, problems)).collect();
    fields.finish(problems);
    let mut pins = Pins { kristal: kristal?, toolchain: toolchain?, schemas, ontologies, policies, files };
    pins.schemas.sort_by(|a, b| a.id.value.cmp(&b.id.value));
    pins.ontologies.sort_by(|a, b| (&a.name.value, &a.path.value).cmp(&(&b.name.value, &b.path.value)));
    pins.policies.sort_by(|a, b| (&a.name.value, &a.path.value).cmp(&(&b.name.value, &b.path.value)));
    pins.files.sort_by(|a, b| a.path.value.cmp(&b.path.value));
    let files = pins.ontologies.iter().chain(&pins.policies).map(|p| &p.path).chain(pins.files.iter().map(|p| &p.path));
    once(files.map(|path| (path.as_str(), path.span)), "pinned", problems);
    once(pins.schemas.iter().map(|s| (s.id.as_str(), s.id.span)), "pinned", problems);
    once(steps.iter().map(|s| (s.step_id.as_str(), s.step_id.span)), "a step", problems);
    Some(Blueprint {
        schema_version: Blueprint::SCHEMA_VERSION,
        name: name?,
        revision: revision?.value,
        mandate: mandate?,
        pins,
        steps,
    })
}

fn mandate(node: &Node, problems: &mut Problems) -> Option<Spanned<MandatePin>> {
    let mut fields = Fields::new(node);
    let name = fields.arg::<Name>("a name", problems);
    let id = pinned(&mut fields, "id", problems);
    fields.finish(problems);
    let id = id?;
    Some(Spanned::new(MandatePin { name: name?.value, id: id.value }, id.span))
}

fn kristal(node: &Node, problems: &mut Problems) -> Option<Spanned<KristalPin>> {
    let mut fields = Fields::new(node);
    let version = version(&mut fields, problems);
    let commit = fields.one::<String>("commit", problems);
    let schema_set = pinned(&mut fields, "schema-set", problems);
    let profile = fields.required::<String>("canonicalization", problems);
    let profile_version = fields.required::<String>("canonicalization-version", problems);
    fields.finish(problems);
    let is_commit =
        |c: &str| [40, 64].contains(&c.len()) && c.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    if let Some(commit) = commit.as_ref().filter(|c| !is_commit(c)) {
        let message = format!("`{}` is no commit: a branch or a tag moves", commit.escape_debug());
        problems.push(Problem::new(ReasonCode::BlueprintUnpinned, message, commit.span).help("write all its digits"));
    }
    let schema_set = schema_set?;
    let pin = KristalPin {
        version: version?,
        commit: commit.map(|c| c.value),
        schema_set_id: schema_set.value,
        canonicalization_profile: profile?.value,
        canonicalization_version: profile_version?.value,
    };
    Some(Spanned::new(pin, schema_set.span))
}

fn schema(node: &Node, problems: &mut Problems) -> Option<SchemaPin> {
    let mut fields = Fields::new(node);
    let name = fields.arg("a name", problems);
    let id = fields.required("id", problems);
    let sha256 = pinned(&mut fields, "sha256", problems);
    fields.finish(problems);
    Some(SchemaPin { name: name?, id: id?, sha256: sha256? })
}

fn versions(nodes: Vec<&Node>, problems: &mut Problems) -> Vec<VersionPin> {
    let one = |node: &Node| {
        let mut fields = Fields::new(node);
        let name = fields.arg("a name", problems);
        let version = version(&mut fields, problems);
        let path = fields.required::<RelativePath>("path", problems);
        let sha256 = pinned(&mut fields, "sha256", problems);
        fields.finish(problems);
        Some(VersionPin { name: name?, version: version?, path: path?, sha256: sha256? })
    };
    nodes.into_iter().filter_map(one).collect()
}

fn pin(node: &Node, problems: &mut Problems) -> Option<Pin> {
    let mut fields = Fields::new(node);
    let kind = fields.arg("a kind such as `map`", problems);
    let path = fields.required("path", problems);
    let sha256 = pinned(&mut fields, "sha256", problems);
    fields.finish(problems);
    Some(Pin { kind: kind?, path: path?, sha256: sha256? })
}

fn step(node: &Node, problems: &mut Problems) -> Option<Step> {
    let mut fields = Fields::new(node);
    let step_id = fields.arg("the name of a stage", problems);
    let owner = fields.required::<Owner>("owner", problems);
    let inputs = some(&mut fields, "input", problems);
    let outputs = some(&mut fields, "output", problems);
    let guards = some::<String>(&mut fields, "guard", problems);
    let mut policy_gates: Vec<Spanned<Name>> = fields.list("gate", problems);
    let determinism = needed(&mut fields, "determinism", "determinism tool=\"orgo\"", problems)
        .and_then(|node| determinism(node, problems));
    let evidence = sorted(fields.list::<String>("evidence", problems));
    let mut targets: Vec<Target> =
        fields.children("target").into_iter().filter_map(|node| target(node, problems)).collect();
    let rollback_plan = fields.one("rollback", problems).map(|r| r.value);
    fields.finish(problems);
    if !targets.is_empty() && rollback_plan.is_none() {
        let message = format!("the step `{}` becomes active somewhere, and has no way back", step_id.as_ref()?);
        let problem = Problem::new(ReasonCode::DocumentInvalid, message, node.name.span);
        problems.push(problem.help("add `rollback \"last-known-good\"` or `rollback \"pinned\"`"));
    }
    targets.sort_unstable();
    policy_gates.sort_by(|a, b| a.value.cmp(&b.value));
    Some(Step {
        step_id: step_id?,
        owner_node: owner?.value,
        inputs,
        outputs,
        guards,
        policy_gates,
        determinism_constraints: determinism?,
        evidence_requirements: evidence,
        targets,
        rollback_plan,
    })
}

fn determinism(node: &Node, problems: &mut Problems) -> Option<Determinism> {
    let mut fields = Fields::new(node);
    let determinism = Determinism {
        tool: fields.one("tool", problems).map(|t: Spanned<String>| t.value),
        canonicalization: fields.one("canonicalization", problems).map(|t: Spanned<String>| t.value),
        seed: fields.one("seed", problems).map(|s: Spanned<u32>| s.value),
    };
    fields.finish(problems);
    if determinism == (Determinism { tool: None, canonicalization: None, seed: None }) {
        let problem = Problem::new(ReasonCode::DocumentInvalid, "`determinism` says nothing", node.name.span);
        problems.push(problem.help("write at least one of `tool=`, `canonicalization=` and `seed=`"));
    }
    Some(determinism)
}

fn target(node: &Node, problems: &mut Problems) -> Option<Target> {
    let mut fields = Fields::new(node);
    let tenant = fields.required::<Name>("tenant", problems);
    let environment = fields.required::<Name>("environment", problems);
    let channel = fields.required::<Name>("channel", problems);
    fields.finish(problems);
    Some(Target { tenant: tenant?.value, environment: environment?.value, channel: channel?.value })
}

/// The digest that makes the rest of a pin mean one thing.
fn pinned(fields: &mut Fields<'_>, name: &'static str, problems: &mut Problems) -> Option<Spanned<Digest>> {
    if !fields.has(name) {
        let owner = &fields.node().name;
        let message = format!("`{}` has no digest: what is called by a name or a version alone floats", owner.value);
        let problem = Problem::new(ReasonCode::BlueprintUnpinned, message, owner.span);
        problems.push(problem.label(format!("`{name}` is missing")).help(format!("add `{name}=\"sha256:…\"`")));
    }
    fields.one(name, problems)
}

/// A version: it begins with a digit and has no wildcard. Words such as `latest` float.
fn version(fields: &mut Fields<'_>, problems: &mut Problems) -> Option<String> {
    let version = fields.required::<String>("version", problems)?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'+' | b'-');
    let fixed = version.len() <= 40
        && version.bytes().all(plain)
        && version.split('.').all(|part| part.starts_with(|c: char| c.is_ascii_digit()));
    if !fixed {
        let message = format!("`{}` is no version that stays what it is", version.escape_debug());
        let problem = Problem::new(ReasonCode::BlueprintUnpinned, message, version.span);
        problems.push(problem.help("write one such as `4` or `1.3.0`"));
    }
    Some(version.value)
}

/// The only child of that name, which must be there.
fn needed<'n>(fields: &mut Fields<'n>, name: &'static str, form: &str, problems: &mut Problems) -> Option<&'n Node> {
    let child = fields.child(name, problems);
    if child.is_none() {
        let owner = &fields.node().name;
        let problem =
            Problem::new(ReasonCode::DocumentInvalid, format!("`{}` needs `{name}`", owner.value), owner.span);
        problems.push(problem.label(format!("`{name}` is missing")).help(format!("add `{form}`")));
    }
    child
}

/// A list that may not be empty.
fn some<T: FromScalar + Ord>(fields: &mut Fields<'_>, name: &'static str, problems: &mut Problems) -> Vec<T> {
    if !fields.has(name) {
        let owner = &fields.node().name;
        let problem =
            Problem::new(ReasonCode::DocumentInvalid, format!("the step needs at least one `{name}`"), owner.span);
        problems.push(problem.help(format!("add `{name} \"…\"`")));
    }
    sorted(fields.list(name, problems))
}

fn sorted<T: Ord>(list: Vec<Spanned<T>>) -> Vec<T> {
    let mut list: Vec<T> = list.into_iter().map(|s| s.value).collect();
    list.sort_unstable();
    list.dedup();
    list
}

fn once<'p>(names: impl Iterator<Item = (&'p str, Span)>, what: &str, problems: &mut Problems) {
    let mut names: Vec<(&str, Span)> = names.collect();
    names.sort_unstable();
    for pair in names.windows(2).filter(|pair| pair[0].0 == pair[1].0) {
        let problem = Problem::new(ReasonCode::FieldDuplicate, format!("`{}` is {what} twice", pair[1].0), pair[1].1);
        problems.push(problem.also(pair[0].1, "first here").help("keep one of the two"));
    }
}
