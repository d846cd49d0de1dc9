//! Decide: stewards' decisions are applied to a resolved batch. Every claim stays; a decision raises a rank
//! or adds a qualifier, and its line becomes evidence of what it changed.

use std::collections::BTreeMap;

use orgo_spec::artifact::evidence::{Evidence, EvidenceSource};
use orgo_spec::artifact::registry::{EntityKind, RegistryEntry};
use orgo_spec::artifact::resolved::{
    Action, Adjudication, Decision as Resolution, DecisionFile, DecisionsRef, Method, PropertyResolution, Rank,
    ResolvedBatch, ResolvedClaim, ResolvedDocument, ResolvedObject, ResolvedQualifier, Status,
};
use orgo_spec::artifact::snapshot::{SourceKind, SourceRef};
use orgo_spec::artifact::{ClaimId, HexDigest, Pid, Qid, read};
use orgo_spec::document::{Document, RelativePath};
use orgo_spec::knowledge::{Decision, Verdict, decode_decisions};
use orgo_spec::{Digest, ReasonCode, canonical};

use crate::entities::Entities;
use crate::error::{Refusals, SpineError};
use crate::folder::{ReadFolder, WriteFolder};
use crate::lines::{LineWriter, read_existing, read_lines, write_bytes, write_document};
use crate::resolve::sort_qualifiers;
use crate::tool::{content_id, tool};

/// Reads a resolved batch and files of decisions (path and text); writes the batch again with
/// `adjudication.jsonl` and `snapshots/<hex>` of the decision files. An empty set of files is fine.
///
/// # Errors
/// `DECISION_STALE` if a value is no longer published, `DECISION_UNKNOWN` for names that the data does not
/// have, a file that cannot be decoded, or what the folders report.
pub fn decide(
    resolved: &dyn ReadFolder,
    files: &[(RelativePath, String)],
    out: &mut dyn WriteFolder,
) -> Result<ResolvedBatch, SpineError> {
    let mut batch: ResolvedBatch = read("the resolved batch", &read_existing(resolved, "batch.json")?)?;
    if batch.decisions.is_some() {
        return Err(SpineError::refused(ReasonCode::DocumentInvalid, "the batch was decided before; decide once"));
    }
    let entities = entities(resolved, &batch)?;
    let mut sorted: Vec<_> = files.iter().collect();
    sorted.sort_by(|a, b| a.0.cmp(&b.0));
    let mut pending = bind(&sorted, &batch, &entities)?;
    find_claims(resolved, &batch, &mut pending)?;

    let mut documents = LineWriter::create(out, "documents.jsonl")?;
    read_lines(resolved, &batch.documents, |_, mut document: ResolvedDocument| {
        apply(&mut document, &pending);
        Ok(documents.push(&document)?)
    })?;
    let mut adjudication = LineWriter::create(out, "adjudication.jsonl")?;
    for decided in pending.values().flatten() {
        adjudication.push(&decided.record)?;
    }
    let mut used = LineWriter::create(out, "entities.jsonl")?;
    for entry in entities.iter() {
        used.push(entry)?;
    }
    let mut list = Vec::new();
    for (path, text) in sorted {
        let snapshot_id = Digest::of(text.as_bytes());
        write_bytes(out, &format!("snapshots/{}", snapshot_id.hex()), text.as_bytes())?;
        list.push(DecisionFile { path: path.clone(), snapshot_id });
        batch.sources.push(SourceRef {
            name: path.to_string(),
            snapshot_id,
            kind: SourceKind::Decisions,
            source_uri: format!("file:{path}"),
            license: None,
            version: None,
            retrieved_at: None,
        });
    }
    batch.sources.sort();
    let digest = decisions_digest(&list);
    batch.decisions = Some(DecisionsRef {
        decider: tool("decide", &[("decisions", digest.to_string())]),
        digest,
        applied: pending.values().map(|d| d.len() as u64).sum(),
        files: list,
        adjudication: adjudication.finish()?,
    });
    batch.documents = documents.finish()?;
    batch.entities = used.finish()?;
    batch.batch_id = content_id(&batch, "batch_id");
    write_document(out, "batch.json", &batch)?;
    Ok(batch)
}

/// The digest of a set of decision files; that of the empty list stands for "none".
pub(crate) fn decisions_digest(files: &[DecisionFile]) -> Digest {
    canonical::digest_of(&files).expect("texts only")
}

/// The entries that go along with a batch.
pub(crate) fn entities(folder: &dyn ReadFolder, batch: &ResolvedBatch) -> Result<Entities, SpineError> {
    let mut entities = Entities::default();
    read_lines(folder, &batch.entities, |line, entry: RegistryEntry| {
        let id = entry.id.clone();
        if entities.insert(entry) {
            return Ok(());
        }
        let message = format!("line {} of `entities.jsonl`: `{id}` stands twice", line + 1);
        Err(SpineError::refused(ReasonCode::SchemaInvalid, message))
    })?;
    Ok(entities)
}

/// A decision with its names bound, waiting for its claims.
struct Pending {
    record: Adjudication,
    qualifier: Option<ResolvedQualifier>,
    place: String,
}

type Key = (Qid, Pid);

/// Decodes all files and binds their names.
fn bind(
    files: &[&(RelativePath, String)],
    batch: &ResolvedBatch,
    entities: &Entities,
) -> Result<BTreeMap<Key, Vec<Pending>>, SpineError> {
    let mut refusals = Refusals::default();
    let mut pending: BTreeMap<Key, Vec<Pending>> = BTreeMap::new();
    for (path, text) in files {
        let snapshot_id = Digest::of(text.as_bytes());
        for decision in decode_decisions(&Document::new(path.as_str(), text.clone()))? {
            let place = format!("{path}:{}", decision.line.line);
            let evidence = Evidence {
                source: EvidenceSource { source_id: snapshot_id, title: path.to_string() },
                quote: decision.text.clone(),
                locator: decision.line.clone(),
                excerpt_sha256: HexDigest(Digest::of(decision.text.as_bytes())),
            };
            match bind_one(decision, evidence, batch, entities) {
                Ok((record, qualifier)) => {
                    let key = (record.subject.clone(), record.property.clone());
                    let others = pending.entry(key).or_default();
                    let same = |p: &Pending| p.record.source == record.source && p.record.value == record.value;
                    if let Some(other) = others.iter().find(|p| same(p)) {
                        let message = format!("{place}: this is decided in {} already", other.place);
                        refusals.push(ReasonCode::FieldDuplicate, message);
                    }
                    others.push(Pending { record, qualifier, place });
                }
                Err(what) => refusals.push(ReasonCode::DecisionUnknown, format!("{place}: {what}")),
            }
        }
    }
    refusals.check()?;
    Ok(pending)
}

fn bind_one(
    decision: Decision,
    evidence: Evidence,
    batch: &ResolvedBatch,
    entities: &Entities,
) -> Result<(Adjudication, Option<ResolvedQualifier>), String> {
    let unknown = |word: &str, what: &str, found: usize| match found {
        0 => format!("no {what} is called `{word}`"),
        n => format!("{n} {what}s are called `{word}`; use the id"),
    };
    let subject =
        entities.by_word(&decision.subject, EntityKind::Item).map_err(|n| unknown(&decision.subject, "subject", n))?;
    let property = |word: &str| {
        let entry = entities.by_word(word, EntityKind::Property).map_err(|n| unknown(word, "property", n))?;
        entry.id.as_pid().ok_or_else(|| unknown(word, "property", 0))
    };
    let property_id = property(decision.property.as_str())?;
    let is_source = |s: &SourceRef| s.kind == SourceKind::Data && s.name == decision.source;
    if !batch.sources.iter().any(is_source) {
        return Err(unknown(&decision.source, "source", 0));
    }
    let (action, qualifier) = match &decision.verdict {
        Verdict::Prefer => (Action::Prefer, None),
        Verdict::Qualify { qualifier, value } => {
            let predicate = PropertyResolution {
                status: Status::Resolved,
                pid: Some(property(qualifier.as_str())?),
                surface: qualifier.to_string(),
                candidates: Vec::new(),
                decision: Some(Resolution { method: Method::ExactMatch, notes: None }),
            };
            (Action::Qualify, Some(ResolvedQualifier { predicate, object: ResolvedObject::String(value.clone()) }))
        }
    };
    let record = Adjudication {
        action,
        subject: subject.id.as_qid().ok_or_else(|| unknown(&decision.subject, "subject", 0))?,
        property: property_id,
        source: decision.source,
        value: decision.value,
        against: decision.against,
        qualifier: qualifier.as_ref().and_then(|q| q.predicate.pid.clone()),
        qualifier_value: match decision.verdict {
            Verdict::Prefer => None,
            Verdict::Qualify { value, .. } => Some(value),
        },
        by: decision.by,
        reason: decision.reason,
        evidence,
        changed: Vec::new(),
        against_claims: Vec::new(),
    };
    Ok((record, qualifier))
}

/// The published text of a claim and the source that published it.
pub(crate) fn published(claim: &ResolvedClaim) -> Option<(&str, &str)> {
    claim.evidence.first().map(|e| (e.source.title.as_str(), e.quote.as_str()))
}

/// Finds the claims that each decision names; a decision without both values is stale.
fn find_claims(
    resolved: &dyn ReadFolder,
    batch: &ResolvedBatch,
    pending: &mut BTreeMap<Key, Vec<Pending>>,
) -> Result<(), SpineError> {
    if pending.is_empty() {
        return Ok(());
    }
    let mut seen: BTreeMap<Key, Vec<String>> = BTreeMap::new();
    let mut refusals = Refusals::default();
    read_lines(resolved, &batch.documents, |_, document: ResolvedDocument| {
        let Some(subject) = document.subject.id() else { return Ok(()) };
        for claim in &document.claims {
            let Some(property) = claim.predicate.id() else { continue };
            let key = (subject.clone(), property.clone());
            let Some(decisions) = pending.get_mut(&key) else { continue };
            let Some((source, quote)) = published(claim) else { continue };
            seen.entry(key).or_default().push(format!("{source} says `{quote}`"));
            for decision in decisions {
                let record = &mut decision.record;
                if record.source == source && record.value == quote {
                    if let Some(qualifier) = &decision.qualifier
                        && claim.qualifiers.iter().any(|q| q.predicate.pid == qualifier.predicate.pid)
                    {
                        let message = format!("{}: the value has that qualifier already", decision.place);
                        refusals.push(ReasonCode::DecisionStale, message);
                    }
                    record.changed.push(claim.claim_id.clone());
                } else if record.source != source && record.against == quote {
                    record.against_claims.push(claim.claim_id.clone());
                }
            }
        }
        Ok(())
    })?;
    for (key, decisions) in pending {
        for decision in decisions {
            let record = &mut decision.record;
            record.changed.sort();
            record.against_claims.sort();
            let now = || seen.get(key).map_or_else(|| "nothing".to_owned(), |v| v.join(", "));
            let mut stale = |value: &str, whose: &str, claims: &[ClaimId]| {
                if claims.is_empty() {
                    let message = format!("{}: `{value}` is not what {whose} says now: {}", decision.place, now());
                    refusals.push(ReasonCode::DecisionStale, message);
                }
            };
            stale(&record.value, &record.source, &record.changed);
            stale(&record.against, "another source", &record.against_claims);
        }
    }
    refusals.check()
}

/// Applies the decisions about one document.
fn apply(document: &mut ResolvedDocument, pending: &BTreeMap<Key, Vec<Pending>>) {
    let Some(subject) = document.subject.id().filter(|_| !pending.is_empty()).cloned() else { return };
    for claim in &mut document.claims {
        let Some(property) = claim.predicate.id().cloned() else { continue };
        for decision in pending.get(&(subject.clone(), property)).into_iter().flatten() {
            if decision.record.changed.binary_search(&claim.claim_id).is_err() {
                continue;
            }
            match &decision.qualifier {
                None => claim.rank = Rank::Preferred,
                Some(qualifier) => {
                    claim.qualifiers.push(qualifier.clone());
                    sort_qualifiers(&mut claim.qualifiers);
                }
            }
            claim.evidence.push(decision.record.evidence.clone());
        }
    }
}
