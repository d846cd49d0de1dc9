//! Values in Wikibase's shape.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::Qid;
use super::super::claim::TimePrecision;
use super::ItemType;
use crate::Amount;

/// Wikibase's datatypes, as far as maps make them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Datatype {
    /// Text.
    String,
    /// A number.
    Quantity,
    /// An entity.
    WikibaseItem,
    /// A date.
    Time,
    /// Text in a language.
    Monolingualtext,
    /// An address.
    Url,
}

/// A value in Wikibase's shape.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", content = "value", rename_all = "lowercase", deny_unknown_fields)]
pub enum DataValue {
    /// An entity.
    #[serde(rename = "wikibase-entityid")]
    Entity(EntityValue),
    /// A number.
    Quantity(QuantityValue),
    /// Text or an address.
    String(String),
    /// A date.
    Time(DateValue),
    /// Text in a language.
    Monolingualtext(TextValue),
}

/// An entity as a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct EntityValue {
    /// Always `item`.
    pub entity_type: ItemType,
    /// The id.
    pub id: Qid,
}

/// A number with its unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct QuantityValue {
    /// Exact, signed, canonical.
    pub amount: Amount,
    /// Unit's id, or `1` for a pure number.
    pub unit: String,
}

/// A date.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DateValue {
    /// What of it counts.
    pub precision: TimePrecision,
    /// `YYYY-MM-DD`, Gregorian.
    pub time: String,
}

/// Text in a language.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TextValue {
    /// BCP 47 tag.
    pub language: String,
    /// The text.
    pub text: String,
}
