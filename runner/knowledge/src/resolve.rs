//! Resolve: names become ids of the registry. What is ambiguous stays so, with every candidate; nothing is
//! dropped, and nothing is guessed: exact identifiers, exact labels, then the declared folds.

use std::collections::BTreeSet;

use orgo_spec::artifact::claim::{Claim, ClaimBatch, ClaimDocument, ClaimObject, ClaimQualifier, EntityRef};
use orgo_spec::artifact::registry::{EntityKind, RegistryEntry};
use orgo_spec::artifact::resolved::{
    Candidate, Decision, EntityResolution, InputRef, Method, PropertyResolution, Rank, ResolutionPolicies,
    ResolvedBatch, ResolvedBatchType, ResolvedClaim, ResolvedDocument, ResolvedObject, ResolvedQualifier,
    ResolvedQuantity, Status,
};
use orgo_spec::artifact::{EntityId, HexDigest, SchemaVersion, canonical, read};
use orgo_spec::{Amount, Decimal, Digest, ReasonCode};

use crate::entities::{Entities, FOLD, Strength};
use crate::error::{Refusals, SpineError};
use crate::folder::{ReadFolder, WriteFolder};
use crate::lines::{LineWriter, read_existing, read_lines, write_document};
use crate::tool::{content_id, tool};

/// Most candidates that an ambiguous name lists.
const TOP_K: u32 = 20;

/// Reads a Claim-IR batch and the bytes of `registry.jsonl`; writes `documents.jsonl`, `entities.jsonl`
/// and `batch.json`. The registry is held in memory, documents are not.
///
/// # Errors
/// A registry that is not injective or reuses Wikidata's numbers, a batch that is not what it says, or
/// what the folders report. Names that cannot be resolved are no error here: validation refuses them.
pub fn resolve(
    claims: &dyn ReadFolder,
    registry: &[u8],
    out: &mut dyn WriteFolder,
) -> Result<ResolvedBatch, SpineError> {
    let batch: ClaimBatch = read("the Claim-IR batch", &read_existing(claims, "batch.json")?)?;
    let entities = load_registry(registry)?;
    let registry_sha256 = HexDigest(Digest::of(registry));
    let mut resolver = Resolver { entities: &entities, used: BTreeSet::new() };
    let mut documents = LineWriter::create(out, "documents.jsonl")?;
    let mut count = 0;
    read_lines(claims, &batch.documents, |line, document: ClaimDocument| {
        let resolved = resolver.document(&document).map_err(|(code, what)| {
            SpineError::refused(code, format!("line {} of `documents.jsonl`: {what}", line + 1))
        })?;
        count += resolved.claims.len() as u64;
        Ok(documents.push(&resolved)?)
    })?;
    let mut used = LineWriter::create(out, "entities.jsonl")?;
    // All properties go along, so that rules and decisions can name one that no claim uses yet.
    for entry in entities.iter().filter(|e| e.kind == EntityKind::Property || resolver.used.contains(&e.id)) {
        used.push(entry)?;
    }
    let settings = [("registry", registry_sha256.to_string()), ("fold", FOLD.to_owned()), ("top_k", TOP_K.to_string())];
    let mut resolved = ResolvedBatch {
        schema_version: SchemaVersion::current(),
        artifact_type: ResolvedBatchType::ResolvedClaimIrBatch,
        batch_id: Digest::EMPTY,
        created_at: batch.created_at,
        snapshot_set_id: batch.snapshot_set_id,
        claim_batch_id: batch.batch_id,
        resolver: tool("resolve", &settings),
        registry_sha256,
        policies: ResolutionPolicies {
            candidate_top_k: TOP_K,
            tie_breakers: vec!["score_desc".to_owned(), "id_bytes_asc".to_owned()],
            normalization_ruleset_id: FOLD.to_owned(),
        },
        sources: batch.sources,
        documents: documents.finish()?,
        entities: used.finish()?,
        claims: count,
        decisions: None,
    };
    resolved.batch_id = content_id(&resolved, "batch_id");
    write_document(out, "batch.json", &resolved)?;
    Ok(resolved)
}

/// Reads a registry and holds it to its rules: ids are unique, local, and of the right letter; no key
/// leads to two entries of one kind.
fn load_registry(bytes: &[u8]) -> Result<Entities, SpineError> {
    let mut entities = Entities::default();
    let mut keys = BTreeSet::new();
    let mut refusals = Refusals::default();
    for (i, line) in bytes.split(|b| *b == b'\n').enumerate().filter(|(_, line)| !line.is_empty()) {
        let place = format!("line {} of the registry", i + 1);
        let entry: RegistryEntry = read(&place, line)?;
        if let Some(problem) = entry.id_problem() {
            refusals.push(ReasonCode::SchemaInvalid, format!("{place}: {problem}"));
        }
        for (space, value) in &entry.keys {
            if !keys.insert((entry.kind, space.clone(), value.clone())) {
                let message = format!("{place}: the key `{space}` = `{value}` leads to two entries");
                refusals.push(ReasonCode::SchemaInvalid, message);
            }
        }
        let id = entry.id.clone();
        if !entities.insert(entry) {
            refusals.push(ReasonCode::SchemaInvalid, format!("{place}: `{id}` stands twice"));
        }
    }
    refusals.check()?;
    Ok(entities)
}

type Unusable = (ReasonCode, String);

struct Resolver<'e> {
    entities: &'e Entities,
    used: BTreeSet<EntityId>,
}

/// What a name leads to, before it is known whether it is an entity or a property.
struct Found {
    status: Status,
    id: Option<EntityId>,
    candidates: Vec<Candidate>,
    decision: Option<Decision>,
}

impl Resolver<'_> {
    fn document(&mut self, document: &ClaimDocument) -> Result<ResolvedDocument, Unusable> {
        Ok(ResolvedDocument {
            schema_version: SchemaVersion::current(),
            input: InputRef {
                claim_ir_ref: document.document.clone(),
                claim_ir_hash: Digest::of(&canonical(document)).into(),
            },
            subject: self.entity(&document.subject, EntityKind::Item),
            claims: document.claims.iter().map(|claim| self.claim(claim)).collect::<Result<_, _>>()?,
        })
    }

    fn claim(&mut self, claim: &Claim) -> Result<ResolvedClaim, Unusable> {
        let mut qualifiers = claim.qualifiers.iter().map(|q| self.qualifier(q)).collect::<Result<Vec<_>, _>>()?;
        sort_qualifiers(&mut qualifiers);
        Ok(ResolvedClaim {
            claim_id: claim.claim_id.clone(),
            predicate: self.property(&claim.predicate.surface),
            object: self.object(&claim.object)?,
            qualifiers,
            evidence: claim.evidence.clone(),
            confidence: claim.confidence.clone(),
            rank: Rank::Normal,
        })
    }

    fn qualifier(&mut self, qualifier: &ClaimQualifier) -> Result<ResolvedQualifier, Unusable> {
        Ok(ResolvedQualifier {
            predicate: self.property(&qualifier.predicate.surface),
            object: self.object(&qualifier.object)?,
        })
    }

    fn object(&mut self, object: &ClaimObject) -> Result<ResolvedObject, Unusable> {
        Ok(match object {
            ClaimObject::Item(entity) => ResolvedObject::Item(self.entity(entity, EntityKind::Item)),
            ClaimObject::String(text) => ResolvedObject::String(text.clone()),
            ClaimObject::Time(time) => ResolvedObject::Time(time.clone()),
            ClaimObject::MonolingualText(text) => ResolvedObject::MonolingualText(text.clone()),
            ClaimObject::Url(url) => ResolvedObject::Url(url.clone()),
            ClaimObject::Quantity(quantity) => {
                let amount = Decimal::parse(&quantity.amount).map_err(|e| (e.code(), e.to_string()))?;
                let unit = quantity
                    .unit
                    .as_ref()
                    .map(|unit| self.entity(&EntityRef { surface: unit.clone(), key: None }, EntityKind::Unit));
                ResolvedObject::Quantity(ResolvedQuantity { amount: Amount(amount), unit })
            }
        })
    }

    fn entity(&mut self, entity: &EntityRef, kind: EntityKind) -> EntityResolution {
        let found = self.find(&entity.surface, entity.key.as_deref(), kind);
        EntityResolution {
            status: found.status,
            qid: found.id.and_then(|id| id.as_qid()),
            surface: entity.surface.clone(),
            candidates: found.candidates,
            decision: found.decision,
        }
    }

    fn property(&mut self, surface: &str) -> PropertyResolution {
        let found = self.find(surface, None, EntityKind::Property);
        PropertyResolution {
            status: found.status,
            pid: found.id.and_then(|id| id.as_pid()),
            surface: surface.to_owned(),
            candidates: found.candidates,
            decision: found.decision,
        }
    }

    fn find(&mut self, name: &str, key: Option<&str>, kind: EntityKind) -> Found {
        let (strength, entries) = self.entities.find(name, key, kind);
        self.used.extend(entries.iter().map(|e| e.id.clone()));
        let (method, notes, score) = match strength {
            Strength::Exact => (Method::ExactMatch, None, "1"),
            Strength::Folded => (Method::AliasMatch, Some(FOLD.to_owned()), "0.9"),
        };
        match entries.as_slice() {
            [] => Found { status: Status::Unresolved, id: None, candidates: Vec::new(), decision: None },
            [entry] => Found {
                status: Status::Resolved,
                id: Some(entry.id.clone()),
                candidates: Vec::new(),
                decision: Some(Decision { method, notes }),
            },
            several => {
                let score = Decimal::parse(score).expect("scores in code are decimals");
                let candidate = |e: &&RegistryEntry| Candidate {
                    id: e.id.clone(),
                    score: score.clone(),
                    label: e.name().to_owned(),
                };
                // Sets of ids ascend by bytes, and all scores of one strength are equal.
                let candidates = several.iter().take(TOP_K as usize).map(candidate).collect();
                Found { status: Status::Ambiguous, id: None, candidates, decision: None }
            }
        }
    }
}

/// The order of qualifiers everywhere: property, then the canonical bytes of the value.
pub(crate) fn sort_qualifiers(qualifiers: &mut [ResolvedQualifier]) {
    qualifiers.sort_by_cached_key(|q| (q.predicate.pid.clone(), q.predicate.surface.clone(), canonical(&q.object)));
}
