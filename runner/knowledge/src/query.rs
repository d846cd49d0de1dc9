//! Query: what a verified pack says about an entity, with the evidence behind every value.

use std::collections::BTreeSet;

use orgo_spec::artifact::exchange::{DataValue, EvidenceEntry, Snak};
use orgo_spec::artifact::pack::PackError;
use orgo_spec::artifact::resolved::Rank;
use orgo_spec::artifact::{EntityId, Pid};
use orgo_spec::{Digest, ReasonCode};
use serde::Serialize;

use crate::entities::fold;
use crate::pack::Pack;

/// What a pack says about one entity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// The entity.
    pub entity: EntityId,
    /// Its label.
    pub label: String,
    /// The pack's id, without a prefix.
    pub runtime_pack_id: String,
    /// The Exchange behind the pack.
    pub kristal_id: Digest,
    /// What is said, ordered by property, rank (best first) and statement.
    pub claims: Vec<AnswerClaim>,
}

/// One statement, readable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AnswerClaim {
    /// The property.
    pub property: Pid,
    /// Its label.
    pub property_label: String,
    /// The value as text; amounts without their plus sign.
    pub value: String,
    /// Label of the unit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Conditions: label and text.
    pub qualifiers: Vec<(String, String)>,
    /// Rank.
    pub rank: Rank,
    /// Whether it is of the best rank of its property.
    pub truthy: bool,
    /// The statement in canon.
    pub statement_id: Digest,
    /// The bytes that say so.
    pub evidence: Vec<EvidenceEntry>,
}

/// Why a query has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// The pack must not be believed.
    #[error("{0}")]
    Pack(#[from] PackError),
    /// No entity has that name.
    #[error("nothing in the pack is called `{0}`")]
    Unknown(String),
    /// Several entities have that name.
    #[error("`{word}` may be {}", candidates.join(", "))]
    Ambiguous {
        /// The name.
        word: String,
        /// Ids with labels.
        candidates: Vec<String>,
    },
}

impl QueryError {
    /// The reason code of the refusal.
    #[must_use]
    pub fn code(&self) -> ReasonCode {
        match self {
            Self::Pack(error) => error.code(),
            Self::Unknown(_) | Self::Ambiguous { .. } => ReasonCode::InvalidQuery,
        }
    }
}

/// What the pack says about the entity that `word` names: an id, a label or an alias (exact, then folded),
/// or the exact text of a value, such as a symbol; `property` narrows it to properties of that label or id.
///
/// # Errors
/// [`QueryError`] if the name is unknown or ambiguous, or the pack contradicts itself.
pub fn about(pack: &Pack, word: &str, property: Option<&str>) -> Result<Answer, QueryError> {
    let entity = find(pack, word)?;
    let mut claims = Vec::new();
    for found in pack.rows(&entity)? {
        let row = found.row;
        let property_label = name(pack, row.predicate.as_str())?;
        if property.is_some_and(|p| p != row.predicate.as_str() && fold(p) != fold(&property_label)) {
            continue;
        }
        let mut evidence = Vec::new();
        for id in &row.evidence_ids {
            let missing =
                || PackError::Content { path: "evidence/index.jsonl".to_owned(), why: format!("{id} is missing") };
            evidence.push(pack.evidence(*id)?.ok_or_else(missing)?);
        }
        let (value, unit) = text(pack, &row.object)?;
        let qualifier = |q: &Snak| Ok((name(pack, q.property_id.as_str())?, text(pack, &q.datavalue)?.0));
        claims.push(AnswerClaim {
            property: row.predicate,
            property_label,
            value,
            unit,
            qualifiers: row.qualifiers.iter().map(qualifier).collect::<Result<_, PackError>>()?,
            rank: row.rank,
            truthy: found.truthy,
            statement_id: row.statement_id,
            evidence,
        });
    }
    claims.sort_by(|a, b| {
        (&a.property, std::cmp::Reverse(a.rank), a.statement_id).cmp(&(
            &b.property,
            std::cmp::Reverse(b.rank),
            b.statement_id,
        ))
    });
    Ok(Answer {
        label: name(pack, entity.as_str())?,
        entity,
        runtime_pack_id: pack.manifest().runtime_pack_id.to_string(),
        kristal_id: pack.manifest().exchange_ref.exchange_id,
        claims,
    })
}

fn find(pack: &Pack, word: &str) -> Result<EntityId, QueryError> {
    if let Some(id) = EntityId::new(word)
        && pack.entity(id.as_str())?.is_some()
    {
        return Ok(id);
    }
    let (mut exact, mut folded) = (BTreeSet::new(), BTreeSet::new());
    let folded_word = fold(word);
    for entity in pack.entities() {
        let entity = entity?;
        for name in entity.labels.values().chain(entity.aliases.values().flatten()) {
            if name == word {
                exact.insert(entity.entity_id.clone());
            } else if fold(name) == folded_word {
                folded.insert(entity.entity_id.clone());
            }
        }
    }
    let mut valued = BTreeSet::new();
    if exact.is_empty() && folded.is_empty() {
        for row in pack.all_rows() {
            let row = row?;
            if matches!(&row.object, DataValue::String(text) if text == word) {
                valued.insert(row.subject);
            }
        }
    }
    let found = [exact, folded, valued].into_iter().find(|set| !set.is_empty()).unwrap_or_default();
    let mut candidates = Vec::new();
    for id in &found {
        candidates.push(format!("{id} ({})", name(pack, id.as_str())?));
    }
    let mut found = found.into_iter();
    match (found.next(), candidates.len()) {
        (Some(id), 1) => Ok(id),
        (None, _) => Err(QueryError::Unknown(word.to_owned())),
        (Some(_), _) => Err(QueryError::Ambiguous { word: word.to_owned(), candidates }),
    }
}

fn name(pack: &Pack, id: &str) -> Result<String, PackError> {
    Ok(pack.entity(id)?.map_or_else(|| id.to_owned(), |e| e.name().to_owned()))
}

/// A value as text, and the label of its unit.
fn text(pack: &Pack, value: &DataValue) -> Result<(String, Option<String>), PackError> {
    Ok(match value {
        DataValue::Entity(entity) => (name(pack, entity.id.as_str())?, None),
        DataValue::String(text) => (text.clone(), None),
        DataValue::Quantity(quantity) => {
            let unit = (quantity.unit != "1").then(|| name(pack, &quantity.unit)).transpose()?;
            (quantity.amount.0.to_string(), unit)
        }
        DataValue::Time(date) => (date.time.clone(), None),
        DataValue::Monolingualtext(text) => (format!("{} ({})", text.text, text.language), None),
    })
}
