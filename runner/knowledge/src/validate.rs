//! Validate: rules over the whole batch, and every evidence pointer read back. The report says what was
//! found about exactly one input; finding errors is no failure of the stage.

use std::collections::BTreeMap;

use orgo_spec::artifact::registry::EntityKind;
use orgo_spec::artifact::report::{
    Details, Extensions, Issue, KoaExtension, Location, ReportInputs, RuleRef, Severity, Stats, Tooling,
    ValidationReport, ValidationStatus,
};
use orgo_spec::artifact::resolved::{ResolvedBatch, ResolvedClaim, ResolvedDocument, ResolvedObject, Status};
use orgo_spec::artifact::snapshot::SnapshotSet;
use orgo_spec::artifact::{Pid, Qid, SchemaVersion, read};
use orgo_spec::canonical::{CANONICALIZATION_PROFILE, CANONICALIZATION_VERSION};
use orgo_spec::document::Document;
use orgo_spec::knowledge::{Rule, RuleKind, Rules};
use orgo_spec::{Digest, ReasonCode};

use crate::decide::{decisions_digest, entities};
use crate::entities::Entities;
use crate::error::{Refusals, SpineError};
use crate::folder::{ReadFolder, Spill, WriteFolder};
use crate::lines::{read_existing, read_lines, write_document};
use crate::tool::{content_id, tool};

mod evidence;
mod findings;
mod whole;

use evidence::Rereader;
use findings::Findings;
use whole::Whole;

/// Reads a resolved (or decided) batch, the snapshots behind it and a rules file; writes `report.json`.
///
/// # Errors
/// A batch or rules that cannot be read, snapshots of another set, or what the folders report.
pub fn validate(
    decided: &dyn ReadFolder,
    snapshots: &dyn ReadFolder,
    rules: &Document,
    spill: &dyn Spill,
    out: &mut dyn WriteFolder,
) -> Result<ValidationReport, SpineError> {
    let batch_bytes = read_existing(decided, "batch.json")?;
    let batch: ResolvedBatch = read("the resolved batch", &batch_bytes)?;
    let set = SnapshotSet::read(&read_existing(snapshots, "set.json")?)?;
    if set.snapshot_set_id != batch.snapshot_set_id {
        let message = "the batch was made from other snapshots than those at hand";
        return Err(SpineError::refused(ReasonCode::SubjectMismatch, message));
    }
    let ruleset_digest = Digest::of(rules.text().as_bytes());
    let rules = Rules::decode(rules)?;
    let entities = entities(decided, &batch)?;
    let bound = BoundRules::new(&rules, &entities)?;
    let validator = tool("validate", &[("rules", ruleset_digest.to_string())]);

    let mut findings = Findings::default();
    let mut rereader = Rereader::new(snapshots, decided, &batch.sources);
    let mut whole = Whole::new(&bound, spill);
    let mut claims = 0;
    read_lines(decided, &batch.documents, |line, document: ResolvedDocument| {
        claims += document.claims.len() as u64;
        let mut check = DocumentCheck { line, document: &document, rules: &bound, findings: &mut findings };
        check.run(&mut rereader)?;
        Ok(whole.add(line, &document)?)
    })?;
    if claims != batch.claims {
        let message = format!("the batch declares {} claims and holds {claims}", batch.claims);
        return Err(SpineError::refused(ReasonCode::SchemaInvalid, message));
    }
    whole.finish(&entities, &mut findings)?;

    let decisions = batch.decisions.as_ref().map_or_else(|| decisions_digest(&[]), |d| d.digest);
    let (issues, stats, counts) = findings.finish();
    let mut report = ValidationReport {
        schema_version: SchemaVersion::current(),
        report_id: Digest::EMPTY,
        created_at: batch.created_at,
        validation_status: if stats.error_count == 0 { ValidationStatus::Passed } else { ValidationStatus::Failed },
        tooling: Tooling {
            validator_name: validator.name,
            validator_version: validator.version,
            canonicalization_profile: CANONICALIZATION_PROFILE.to_owned(),
            canonicalization_version: CANONICALIZATION_VERSION.to_owned(),
        },
        inputs: ReportInputs { source_snapshot_id: batch.snapshot_set_id },
        stats,
        issues,
        extensions: Extensions {
            koa: KoaExtension {
                subject_digest: Digest::of(&batch_bytes),
                resolved_batch_id: batch.batch_id,
                ruleset_digest,
                decisions_digest: decisions,
                config_hash: validator.config_hash,
                claims,
                evidence_reread: rereader.count(),
                counts,
            },
        },
    };
    report.report_id = content_id(&report, "report_id");
    write_document(out, "report.json", &report)?;
    Ok(report)
}

/// Rules by the id of their property.
pub(crate) struct BoundRules<'r> {
    version: &'r str,
    by_property: BTreeMap<Pid, Vec<&'r Rule>>,
    units: BTreeMap<&'r str, Qid>,
}

impl<'r> BoundRules<'r> {
    fn new(rules: &'r Rules, entities: &Entities) -> Result<Self, SpineError> {
        let mut refusals = Refusals::default();
        let mut by_property: BTreeMap<Pid, Vec<&Rule>> = BTreeMap::new();
        let mut units = BTreeMap::new();
        for rule in &rules.rules {
            match entities.by_word(rule.property.as_str(), EntityKind::Property).ok().and_then(|e| e.id.as_pid()) {
                Some(pid) => by_property.entry(pid).or_default().push(rule),
                None => refusals.push(
                    ReasonCode::ResolvePropertyNotFound,
                    format!("rule `{}`: the registry has no single property of that name", rule.id()),
                ),
            }
            if let RuleKind::Datatype { unit: Some(unit), .. } = &rule.kind
                && let Ok(entry) = entities.by_word(unit.as_str(), EntityKind::Unit)
            {
                // A unit that no claim uses is not in the batch; then no claim can be in that unit.
                units.extend(entry.id.as_qid().map(|id| (unit.as_str(), id)));
            }
        }
        refusals.check()?;
        Ok(Self { version: &rules.version, by_property, units })
    }

    fn about(&self, property: &Pid) -> &[&'r Rule] {
        self.by_property.get(property).map_or(&[], Vec::as_slice)
    }

    fn of_kind<'b>(&'b self, kind: &'b str) -> impl Iterator<Item = (&'b Pid, &'r Rule)> {
        let all = self.by_property.iter().flat_map(|(pid, rules)| rules.iter().map(move |r| (pid, *r)));
        all.filter(move |(_, r)| r.kind.as_str() == kind)
    }

    fn reference(&self, rule: &Rule) -> RuleRef {
        RuleRef { rule_id: rule.id(), rule_version: self.version.to_owned() }
    }
}

/// What can be said about one document alone.
struct DocumentCheck<'a> {
    line: u64,
    document: &'a ResolvedDocument,
    rules: &'a BoundRules<'a>,
    findings: &'a mut Findings,
}

impl DocumentCheck<'_> {
    fn run(&mut self, rereader: &mut Rereader<'_>) -> Result<(), SpineError> {
        let document = self.document;
        let subject = &document.subject;
        if subject.id().is_none() {
            let pointer = format!("/{}/subject", self.line);
            self.unresolved(
                subject.status,
                "subject",
                &subject.surface,
                Location { json_pointer: Some(pointer), ..Location::default() },
            );
        }
        for (i, claim) in document.claims.iter().enumerate() {
            self.names(i, claim);
            self.values(i, claim);
            for problem in rereader.claim(claim)? {
                let location = self.at(i, claim, "evidence");
                self.findings.error(ReasonCode::EvidencePointerInvalid, problem, location, None, None);
            }
        }
        Ok(())
    }

    fn at(&self, i: usize, claim: &ResolvedClaim, part: &str) -> Location {
        Location {
            json_pointer: Some(format!("/{}/claims/{i}/{part}", self.line)),
            entity_id: self.document.subject.id().cloned(),
            claim_id: Some(claim.claim_id.clone()),
        }
    }

    /// Every name of a claim is bound.
    fn names(&mut self, i: usize, claim: &ResolvedClaim) {
        let predicates = std::iter::once(&claim.predicate).chain(claim.qualifiers.iter().map(|q| &q.predicate));
        for predicate in predicates.filter(|p| p.id().is_none()) {
            let location = self.at(i, claim, "predicate");
            self.unresolved(predicate.status, "property", &predicate.surface, location);
        }
        let objects = std::iter::once(&claim.object).chain(claim.qualifiers.iter().map(|q| &q.object));
        for object in objects {
            let entity = match object {
                ResolvedObject::Item(entity) => Some(("item", entity)),
                ResolvedObject::Quantity(quantity) => quantity.unit.as_ref().map(|unit| ("unit", unit)),
                ResolvedObject::String(_)
                | ResolvedObject::Time(_)
                | ResolvedObject::MonolingualText(_)
                | ResolvedObject::Url(_) => None,
            };
            if let Some((what, entity)) = entity.filter(|(_, e)| e.id().is_none()) {
                let location = self.at(i, claim, "object");
                self.unresolved(entity.status, what, &entity.surface, location);
            }
        }
    }

    fn unresolved(&mut self, status: Status, what: &str, surface: &str, location: Location) {
        let shown: String = surface.escape_debug().take(80).collect();
        let (code, message) = match (status, what) {
            (Status::Ambiguous, _) => (
                ReasonCode::ResolveEntityAmbiguous,
                format!("the {what} `{shown}` may be several entries of the registry"),
            ),
            (Status::Unresolved | Status::Resolved, "property") => {
                (ReasonCode::ResolvePropertyNotFound, format!("the registry has no property `{shown}`"))
            }
            (Status::Unresolved | Status::Resolved, _) => {
                (ReasonCode::ResolveEntityNotFound, format!("the registry has no {what} `{shown}`"))
            }
        };
        self.findings.error(code, message, location, None, None);
    }

    /// Rules that look at one value.
    fn values(&mut self, i: usize, claim: &ResolvedClaim) {
        let Some(property) = claim.predicate.id() else { return };
        for rule in self.rules.about(property) {
            let broken = match &rule.kind {
                RuleKind::Datatype { is, unit } => self.datatype(claim, is.as_str(), unit.as_ref().map(|u| u.as_str())),
                RuleKind::Range { min, max } => match &claim.object {
                    ResolvedObject::Quantity(quantity) => {
                        let amount = &quantity.amount.0;
                        let below = min.as_ref().filter(|min| amount < *min).map(|min| format!("below {min}"));
                        let above = max.as_ref().filter(|max| amount > *max).map(|max| format!("above {max}"));
                        let how = below.or(above);
                        how.map(|how| (ReasonCode::RangeViolation, format!("{} is {amount}, {how}", rule.property)))
                    }
                    other @ (ResolvedObject::Item(_)
                    | ResolvedObject::String(_)
                    | ResolvedObject::Time(_)
                    | ResolvedObject::MonolingualText(_)
                    | ResolvedObject::Url(_)) => Some((
                        ReasonCode::DatatypeMismatch,
                        format!("{} is of kind {}, a range needs a quantity", rule.property, other.kind()),
                    )),
                },
                RuleKind::ForeignKey if !matches!(claim.object, ResolvedObject::Item(_)) => Some((
                    ReasonCode::DatatypeMismatch,
                    format!("{} is of kind {}, a foreign key needs an item", rule.property, claim.object.kind()),
                )),
                RuleKind::Required | RuleKind::Functional { .. } | RuleKind::ForeignKey => None,
            };
            if let Some((code, message)) = broken {
                let location = self.at(i, claim, "object");
                let details = Details { property: Some(rule.property.to_string()), ..whole::details_of(claim) };
                self.findings.error(code, message, location, Some(self.rules.reference(rule)), Some(details));
            }
        }
    }

    fn datatype(&self, claim: &ResolvedClaim, is: &str, unit: Option<&str>) -> Option<(ReasonCode, String)> {
        let kind = claim.object.kind();
        if kind != is {
            return Some((
                ReasonCode::DatatypeMismatch,
                format!("{} is of kind {kind}, not {is}", claim.predicate.surface),
            ));
        }
        let ResolvedObject::Quantity(quantity) = &claim.object else { return None };
        let actual = quantity.unit.as_ref().and_then(|u| u.id());
        let matches = match unit {
            Some(unit) => self.rules.units.get(unit).is_some_and(|id| actual == Some(id)),
            None => true,
        };
        let shown = quantity.unit.as_ref().map_or("no unit", |u| u.surface.as_str());
        (!matches).then(|| {
            let wanted = unit.unwrap_or("none");
            (ReasonCode::DatatypeMismatch, format!("{} is in {shown}, not in {wanted}", claim.predicate.surface))
        })
    }
}

impl Findings {
    fn error(
        &mut self,
        code: ReasonCode,
        message: String,
        location: Location,
        rule: Option<RuleRef>,
        details: Option<Details>,
    ) {
        self.add(Issue { severity: Severity::Error, code: code.into(), message, location, rule, details });
    }
}

/// Counts, for [`findings`].
type Counted = (Vec<Issue>, Stats, BTreeMap<String, u64>);
