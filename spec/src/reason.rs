//! The registry of reason codes: one meaning, one code, for ever.
//!
//! Codes are `UPPER_SNAKE` and append-only. The table generates `schemas/reason-codes.json` and
//! `docs/formats/reason-codes.md`; a test holds the list of codes that have been released, so that
//! none disappears (koa-contract 4.3, supply-chain 5).

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// Who can act on a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Actor {
    /// The author of the pipeline or of the data.
    Author,
    /// Whoever runs the machine.
    Operator,
    /// The steward who decides between sources.
    Steward,
    /// Whoever owns keys, trust and policy.
    Security,
}

macro_rules! registry {
    ($($name:ident $code:literal $actor:ident $meaning:literal $remedy:literal)*) => {
        /// A stable, machine-readable reason.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum ReasonCode { $(#[doc = $meaning] $name,)* }

        impl ReasonCode {
            /// Every code, in the order of the registry.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The code as it is written.
            #[must_use]
            pub const fn as_str(self) -> &'static str { match self { $(Self::$name => $code,)* } }

            /// What it means.
            #[must_use]
            pub const fn meaning(self) -> &'static str { match self { $(Self::$name => $meaning,)* } }

            /// What to do about it.
            #[must_use]
            pub const fn remedy(self) -> &'static str { match self { $(Self::$name => $remedy,)* } }

            /// Who can act.
            #[must_use]
            pub const fn actor(self) -> Actor { match self { $(Self::$name => Actor::$actor,)* } }
        }
    };
}

registry! {
    // Bytes.
    DigestAlgorithmRefused "DIGEST_ALGORITHM_REFUSED" Security "a digest names another algorithm than SHA-256" "write it as `sha256:` and 64 lower-case hexadecimal digits"
    DigestMalformed "DIGEST_MALFORMED" Security "a digest is not 64 lower-case hexadecimal digits" "copy the digest again from its source"
    JsonDuplicateKey "JSON_DUPLICATE_KEY" Author "a JSON object has the same key twice" "keep one of the two members"
    JsonNumberRefused "JSON_NUMBER_REFUSED" Author "a JSON number is not finite, not an integer where one is due, or beyond 2^53-1" "write it as text, or as an integer that every reader keeps"
    InputTooDeep "INPUT_TOO_DEEP" Author "a document nests deeper than its profile allows" "flatten the document"
    InputTooLarge "INPUT_TOO_LARGE" Author "a document is larger than its profile allows" "split the document"
    NameNotCanonical "NAME_NOT_CANONICAL" Author "a text is not NFC, or has control, bidi or zero-width characters" "type the name again with plain characters"
    SchemaInvalid "SCHEMA_INVALID" Author "a document does not have the shape that its schema demands" "compare it with the schema in `schemas/`"
    // Signatures and trust.
    SigInvalid "SIG_INVALID" Security "a signature does not match the bytes it claims to sign" "keep the evidence; fetch the record again; treat it as tampering until proven benign"
    SigMissing "SIG_MISSING" Security "a signature is required and there is none" "restore the signature file from another clone"
    SigMalformed "SIG_MALFORMED" Security "a signature is not well formed" "restore the signature file from another clone"
    SigThresholdNotMet "SIG_THRESHOLD_NOT_MET" Security "fewer distinct trusted keys signed than the role demands" "collect the missing signatures"
    PayloadTypeMismatch "PAYLOAD_TYPE_MISMATCH" Security "an envelope's payload type is not the expected one" "use the envelope for what it was signed for"
    EnvelopeFieldUnknown "ENVELOPE_FIELD_UNKNOWN" Security "an envelope has a field that the format does not know" "remove it at its producer; the format has no options"
    KeyUnknown "KEY_UNKNOWN" Security "a signature names a key that the trust in force does not list" "check who signed; add the key by a change of trust if it is legitimate"
    KeyWeak "KEY_WEAK" Security "a public key is of small order or not canonical" "make a new key"
    KeyScopeMismatch "KEY_SCOPE_MISMATCH" Security "a key signed something outside its role" "sign with the key of that role"
    KeyUnusable "KEY_UNUSABLE" Security "a private key cannot be used as it is stored" "run `orgo key list`; keys must be regular files of mode 0600 owned by you"
    RootNotTrusted "ROOT_NOT_TRUSTED" Security "the root of trust in the ledger is not the one that is pinned, or none is pinned" "compare the fingerprint with its owner, then pin it: `orgo verify --root sha256:…`"
    SignerPolicy "SIGNER_POLICY" Security "the signer was asked to sign something outside a run" "let `orgo run` sign"
    TenantMismatch "TENANT_MISMATCH" Security "a record belongs to another tenant" "verify it in the repository of its tenant"
    SubjectMismatch "SUBJECT_MISMATCH" Security "a record or report is about another artifact" "produce it again for this artifact"
    // Ledger.
    RecordMissing "RECORD_MISSING" Security "a record that the numbering demands is not there" "compare with another clone; treat it as tampering"
    RecordAltered "RECORD_ALTERED" Security "a record does not hash to the digest that it is known by" "compare with another clone; treat it as tampering"
    RecordNotDurable "RECORD_NOT_DURABLE" Operator "a record was written but did not verify when read back" "check the disk; run again"
    EvidenceMissing "EVIDENCE_MISSING" Security "evidence that a record names is not in the ledger" "restore it from another clone or an evidence store"
    EvidenceAltered "EVIDENCE_ALTERED" Security "evidence does not hash to the digest that it is named by" "compare with another clone; treat it as tampering"
    GateNotReproduced "GATE_NOT_REPRODUCED" Security "deciding a gate again on the recorded evidence gives another verdict" "compare the recorded facts with the evidence; treat it as tampering"
    OutputWithoutPass "OUTPUT_WITHOUT_PASS" Security "a record of a failed run claims outputs" "quarantine what it claims; treat it as a bypassed gate"
    AuditNotLinear "AUDIT_NOT_LINEAR" Security "the audit branch has a merge, a second root or an edited path" "restore the branch from a clone that verifies"
    AuditCasExhausted "AUDIT_CAS_EXHAUSTED" Operator "the ledger moved under every attempt to append" "run again when other writers are done"
    AuditRewound "AUDIT_REWOUND" Security "the ledger no longer contains what was seen in it before" "restore the branch from another clone; treat it as tampering"
    LogInconsistent "LOG_INCONSISTENT" Security "the log does not continue the one that an earlier checkpoint speaks of" "compare with another clone; treat it as tampering"
    LogMalformed "LOG_MALFORMED" Security "a leaf, tile, edge, checkpoint or proof of the log is not well formed" "restore the file from another clone"
    CheckpointFork "CHECKPOINT_FORK" Security "two checkpoints of one log give different roots to trees of one size" "keep both checkpoints as evidence; treat it as tampering"
    RefAmbiguous "REF_AMBIGUOUS" Security "a short name is that of a branch and of something else that git finds under it" "rename or delete the other one: `git tag -d NAME`, then delete it where it was fetched from"
    SecretInRecord "SECRET_IN_RECORD" Security "something that looks like a secret was about to be signed" "rename or restructure what holds it (the message says where), revoke the secret if it is one, and run again; there is no exception list: see `docs/guide/secrets.md`"
    RepoUnsafe "REPO_UNSAFE" Security "the repository has a shape that could run foreign code or mislead readers" "remove it before building"
    // Declarations.
    CycleInGraph "CYCLE_IN_GRAPH" Author "stages depend on each other in a circle" "remove one of the edges"
    StageUnknown "STAGE_UNKNOWN" Author "an edge names a stage that no pipeline declares" "declare it, or correct the name"
    GateUnknown "GATE_UNKNOWN" Author "a stage names a gate that its pipeline does not declare" "declare it, or correct the name"
    GateRequired "GATE_REQUIRED" Author "a compile stage has no gate in front of it" "add `gate=\"…\"`; there is no way to compile without one"
    ApprovalUnknown "APPROVAL_UNKNOWN" Author "a stage names an approval that its pipeline does not declare, or an approval names nobody whom the trust in force lists" "declare it, or correct the name"
    PoolUnknown "POOL_UNKNOWN" Author "a stage names a pool that its pipeline does not declare" "declare it, or correct the name"
    PoolExceeded "POOL_EXCEEDED" Author "a stage takes more of a pool than there is" "lower the weight, or raise the capacity"
    ServiceUnknown "SERVICE_UNKNOWN" Author "a stage needs a service that its pipeline does not declare" "declare it, or correct the name"
    DocumentInvalid "DOCUMENT_INVALID" Author "a pipeline document is not well formed or has fields of a wrong kind" "correct the places that the report marks"
    FieldUnknown "FIELD_UNKNOWN" Author "a document has a field that its kind does not know" "correct the name, or remove it"
    FieldDuplicate "FIELD_DUPLICATE" Author "a document says one thing twice" "keep one of the two"
    OutputConflict "OUTPUT_CONFLICT" Author "two stages, or an output and an input, claim the same path" "give one of them another path"
    InputMissing "INPUT_MISSING" Author "a declared input file does not exist" "create it, or correct the path"
    InputConverted "INPUT_CONVERTED" Author "git changes the bytes of an input on checkout (line endings or a filter)" "mark the path `-text` in `.gitattributes` and check it out again"
    InputLfsPointer "INPUT_LFS_POINTER" Author "an input is a Git LFS pointer, not the content" "run `git lfs pull` first"
    InputUntracked "INPUT_UNTRACKED" Author "a protected run reads a file that git does not track" "commit it, or remove it from the inputs"
    InputChanged "INPUT_CHANGED" Author "a source file changed while the run was reading it" "run again; nothing was recorded for the changed file"
    TreeDirty "TREE_DIRTY" Author "a protected run was asked for on a tree with uncommitted changes" "commit first, or run in the local lane"
    ServiceFailed "SERVICE_FAILED" Author "a service that a stage needs did not become ready, or ended by itself" "see what it printed: `orgo log SERVICE --service`"
    ToolMissing "TOOL_MISSING" Operator "a program that a stage runs is not on this machine" "install it, or correct the name"
    TemplateUnknown "TEMPLATE_UNKNOWN" Author "a stage names a template that is not declared" "declare it, include the document that does, or correct the name"
    ParameterUnknown "PARAMETER_UNKNOWN" Author "a run is told, or a condition names, a parameter that the pipeline does not declare" "correct the name; `orgo check --resolved` lists the parameters"
    ParameterInvalid "PARAMETER_INVALID" Author "a parameter has no value, or one that is not of its type" "give it with `-p name=value`, of the type that the pipeline declares"
    ListInvalid "LIST_INVALID" Author "a list of items cannot be read, or has an item twice" "correct the line that the message names"
    SpineOrder "SPINE_ORDER" Author "a pipeline that promises the knowledge spine has its stages in another order, or without its gate" "restore the order: ingest, extract, resolve, decide, validate, gate, compile-exchange, compile-pack"
    SecretNotAllowed "SECRET_NOT_ALLOWED" Security "a secret would stand where others can read it, or be given to a run that may not have it" "name it with `secret`, and run it in a lane that may have secrets"
    SecretUnavailable "SECRET_UNAVAILABLE" Operator "a secret that a stage needs is not where its reference says" "set the variable or write the file; values never stand in documents"
    ConditionNotMet "CONDITION_NOT_MET" Author "a stage is not part of the run, because what it waits for does not hold, or because a stage that it reads from is not" "nothing, if that is meant"
    // Running.
    StageFailed "STAGE_FAILED" Author "a stage ended with an exit code other than zero" "read its log: `orgo log STAGE`"
    StageTimeout "STAGE_TIMEOUT" Author "a stage ran longer than its timeout and was killed" "raise `timeout`, or make the stage faster"
    StageSignalled "STAGE_SIGNALLED" Operator "a stage was ended by a signal" "look for memory pressure, or who sent the signal"
    OutputMissing "OUTPUT_MISSING" Author "a stage ended well but did not produce a declared output" "produce it, or remove the declaration"
    OutputRefused "OUTPUT_REFUSED" Author "a stage produced an output that cannot be stored (a device, a socket, a link out of the tree)" "produce regular files, folders and relative links"
    UpstreamFailed "UPSTREAM_FAILED" Author "a stage was not started because one before it failed" "correct the stage before it"
    RunCancelled "RUN_CANCELLED" Operator "the run was cancelled" "run again; finished stages are kept"
    RunAbandoned "RUN_ABANDONED" Operator "a run was started and never ended" "run again; finished stages are kept"
    // Keys and holds.
    KeyRevoked "KEY_REVOKED" Security "a key was revoked, and this record stands where its signature does not count" "sign the record again with a key in force; look at what else the key signed"
    KeyRevokedAtIndex "KEY_REVOKED_AT_INDEX" Security "a record stands in the log after the revocation of the key that signed it" "treat it as forged: the claimed time counts for nothing"
    KeyExpired "KEY_EXPIRED" Security "a key was used outside the window in which it is trusted" "rotate the key before its window ends"
    HoldInForce "HOLD_IN_FORCE" Operator "a hold keeps this back" "look at who holds it and why: `orgo admin list`; release it with `orgo admin release`"
    SpoolUnusable "SPOOL_UNUSABLE" Operator "a file in the spool is not a record that waits" "look at the file; move it away if it does not belong there"
    RemoteUnreachable "REMOTE_UNREACHABLE" Operator "the ledger's remote cannot be read or written" "check the network and the rights; what was spooled stays in the spool"
    EvidenceStoreUnusable "EVIDENCE_STORE_UNUSABLE" Operator "an evidence store cannot be read or written" "check the folder or the network, and the rights; what was not pushed is pushed by `orgo evidence push`"
    EvidenceSealed "EVIDENCE_SEALED" Security "evidence is sealed, and no identity at hand opens it" "name a file with an identity of one of its recipients: `--identity FILE`"
    StoreCorrupt "STORE_CORRUPT" Operator "an object in the store does not hash to its name" "nothing: the object was removed and its stage runs again; check the disk if it recurs"
    CachePackInvalid "CACHE_PACK_INVALID" Operator "a cache pack is cut, damaged, too large or not well formed" "pack again; nothing of it was taken in, and runs do without it"
    OutputNondeterministic "OUTPUT_NONDETERMINISTIC" Author "the same key produced different outputs" "find what the stage reads that it does not declare"
    ReplayImpossible "REPLAY_IMPOSSIBLE" Operator "what a record was made from is not what is here, so that nothing follows from making it again" "replay it where the commit, the programs and the version of orgo are those of the record; `orgo lock` pins programs"
    IsolationUnavailable "ISOLATION_UNAVAILABLE" Operator "this machine or version cannot give the isolation that a stage declares" "run where it can be given, or declare `isolation \"open\"`"
    TraceUnavailable "TRACE_UNAVAILABLE" Operator "the system calls of stages cannot be watched on this machine or in this container" "trace where nobody else listens to system calls and the kernel is new enough; runs that are not traced do not need it"
    NoSpace "NO_SPACE" Operator "a disk or a quota is full" "make room (`orgo gc --max-size SIZE`, or move `store` in `orgo.kdl`) and run again; nothing was damaged, finished stages are kept"
    ReadOnly "READ_ONLY" Operator "a place that has to be written is on a read-only file system" "mount it writable, or name another place: `store` in `orgo.kdl`"
    InternalError "INTERNAL_ERROR" Operator "the program found a state that must not exist" "report it with the command and the message"
    // Gates and policy.
    MandateMissing "MANDATE_MISSING" Security "a governed run has no active mandate" "name one with `mandate=\"…\"` and commit it under `mandates/`"
    UntrustedDefinition "UNTRUSTED_DEFINITION" Security "a change takes more than the base that it is compared with grants" "leave the grant as the base has it, or have it merged first"
    MandateInvalid "MANDATE_INVALID" Security "a mandate cannot be read" "correct it; a mandate that cannot be read permits nothing"
    BlueprintUnpinned "BLUEPRINT_UNPINNED" Author "a blueprint pins something that floats or does not match" "pin the digest of what is in the tree"
    BlueprintDisagrees "BLUEPRINT_DISAGREES" Author "the plan of a blueprint is not that of the pipeline" "bring steps, order, gates and mandate of the two together"
    LockDrifted "LOCK_DRIFTED" Operator "a program or an input is not the one that `orgo.lock` pins" "restore it; if the change is wanted, move the pin: `orgo lock --refresh NAME`"
    LockMissing "LOCK_MISSING" Author "something is used that `orgo.lock` does not pin" "pin it: `orgo lock`"
    LockExtra "LOCK_EXTRA" Author "`orgo.lock` pins something that no pipeline uses" "take it out: `orgo lock`"
    LockConflict "LOCK_CONFLICT" Author "`orgo.lock` holds both sides of a merge" "keep the lines of one side, remove the markers, then see `orgo lock --check`"
    InputUnpinned "INPUT_UNPINNED" Author "a build takes in something that nothing pins" "pin it: `orgo lock`, or `sha256=` in the source"
    PolicyError "POLICY_ERROR" Security "a policy could not be evaluated" "correct the policy; an error refuses"
    PolicyRefused "POLICY_REFUSED" Security "a policy of the mandate forbids it, or none permits it" "read which policy decided; meet what it asks, or change the mandate"
    MandateUnapproved "MANDATE_UNAPPROVED" Security "the mandate at hand is not the active one" "have it approved: `orgo mandate sign`, then `orgo mandate activate`; or restore the active one"
    MandateRollback "MANDATE_ROLLBACK" Security "a mandate is not newer than the active one" "count its version up; an older mandate never comes back"
    ApprovalInsufficient "APPROVAL_INSUFFICIENT" Security "fewer approvers signed than must" "have more approvers sign; one key counts once"
    ValidationFailed "VALIDATION_FAILED" Steward "the validation report does not pass" "read the report; decide the conflicts or correct the sources"
    ReportMissing "REPORT_MISSING" Author "a gate has no report to decide on" "let its stage run first"
    ReportUnreadable "REPORT_UNREADABLE" Author "a validation report does not have the shape of one" "produce it with a conforming validator"
    ValidatorNotAccepted "VALIDATOR_NOT_ACCEPTED" Security "the report comes from a validator that the mandate does not accept" "validate with an accepted one, or change the mandate"
    RulesetNotAccepted "RULESET_NOT_ACCEPTED" Security "the report was made under rules that the mandate does not accept" "restore the rules, or change the mandate"
    GateOrderViolation "GATE_ORDER_VIOLATION" Security "a gated stage was about to run without a verdict about its input" "report it; the run was stopped"
    ApprovalStale "APPROVAL_STALE" Security "an approval has expired, is not in force yet, or lasts longer than its pipeline allows" "approve again: `orgo approve PIPELINE STAGE`"
    ApprovalWithdrawn "APPROVAL_WITHDRAWN" Security "whoever approved this has withdrawn it" "ask why; a newer approval of the same key counts again"
    ApprovalByRunner "APPROVAL_BY_RUNNER" Security "the key that signs for the run approves what the run is to do" "let somebody else approve"
    OverrideNotAllowed "OVERRIDE_NOT_ALLOWED" Security "an override lifts a policy that the mandate does not let anybody lift" "meet what the policy asks, or change the mandate"
    OverrideSpent "OVERRIDE_SPENT" Security "an override was used before; it counts for one run" "have another one signed: `orgo override new`"
    OverrideStale "OVERRIDE_STALE" Security "an override has expired, is not in force yet, or lasts longer than its mandate allows" "have another one signed: `orgo override new`"
    ApprovalRepeated "APPROVAL_REPEATED" Security "a person approves the same thing twice; it counts once" "have another person approve"
    IsolationTooWeak "ISOLATION_TOO_WEAK" Security "a stage runs at less isolation than the mandate, or the trust that is to sign its results, demands" "declare more isolation, or change what demands it"
    // Knowledge.
    ProvenanceIncomplete "PROVENANCE_INCOMPLETE" Author "a source has no license, version or date of retrieval" "declare what is missing"
    SnapshotHashMismatch "SNAPSHOT_HASH_MISMATCH" Security "a source file is not the one that its declaration pins" "restore the file, or change the pin with a reason"
    FunctionalConflict "FUNCTIONAL_CONFLICT" Steward "sources disagree about a property that has one value" "decide with `prefer` or `qualify` in `decisions/`, with a reason"
    ValuesWithinTolerance "VALUES_WITHIN_TOLERANCE" Steward "sources give different values within the declared tolerance; both stay" "nothing"
    DecisionStale "DECISION_STALE" Steward "a decision names a value that its source no longer gives" "decide again with the values as they are now"
    DecisionUnknown "DECISION_UNKNOWN" Steward "a decision names a subject, property or source that is not in the data" "correct the names"
    RequiredMissing "REQUIRED_MISSING" Steward "a subject lacks a property that the rules require" "add it to a source, or change the rule"
    DatatypeMismatch "DATATYPE_MISMATCH" Steward "a value is not of the datatype that the rules demand" "correct the source or the map"
    RangeViolation "RANGE_VIOLATION" Steward "a value lies outside the range that the rules allow" "correct the source, or change the rule"
    ForeignKeyMissing "FOREIGN_KEY_MISSING" Steward "a value names a subject that is not in the data" "add the subject, or correct the value"
    EvidencePointerInvalid "EVIDENCE_POINTER_INVALID" Steward "a claim's evidence does not read back to the same bytes" "extract again from the snapshot"
    NormalizeLiteralLossy "NORMALIZE_LITERAL_LOSSY" Author "a cell does not survive the way from text to value and back" "map the column as text, or correct the cell"
    NormalizeLiteralInvalid "NORMALIZE_LITERAL_INVALID" Author "a cell is not of the kind that the map declares" "correct the map or the cell"
    ResolveEntityNotFound "RESOLVE_ENTITY_NOT_FOUND" Steward "no registry entry matches a name" "add it to the registry, or correct the source"
    ResolveEntityAmbiguous "RESOLVE_ENTITY_AMBIGUOUS" Steward "several registry entries match a name equally well" "make the name or the registry unambiguous"
    ResolvePropertyNotFound "RESOLVE_PROPERTY_NOT_FOUND" Author "no registry entry matches a property" "add it to the registry, or correct the map"
    IngestParseError "INGEST_PARSE_ERROR" Author "a source cannot be read in its declared format" "correct the file or its declaration"
    FileMissing "FILE_MISSING" Security "a manifest lists a file that is not there" "fetch the pack again"
    FileHashMismatch "FILE_HASH_MISMATCH" Security "a file does not hash to what its manifest says" "fetch the pack again; treat it as tampering if it persists"
    PackPathEscape "PACK_PATH_ESCAPE" Security "a manifest names a path outside the pack" "refuse the pack"
    InvalidQuery "INVALID_QUERY" Author "a query is not well formed" "see `orgo query --help`"
    // Attestations.
    BuilderNotTrusted "BUILDER_NOT_TRUSTED" Security "provenance names a builder that is not trusted with the key that signed it" "list the pair of builder and key, if it is legitimate"
    ParametersUnexpected "PARAMETERS_UNEXPECTED" Security "provenance has another build type, or external parameters that are unknown or not the expected ones" "build it again as expected, or correct the expectation"
    ResourceUriMismatch "RESOURCE_URI_MISMATCH" Security "a verification summary is about another resource" "ask for a summary of the artifact as this resource"
    VerifierNotAuthorized "VERIFIER_NOT_AUTHORIZED" Security "a verification summary names a verifier that is not trusted with the key that signed it" "list the pair of verifier and key, if it is legitimate"
    LevelNotVerified "LEVEL_NOT_VERIFIED" Security "a verification summary does not have a level that is demanded" "have the artifact verified for that level"
}

impl std::fmt::Display for ReasonCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for ReasonCode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .iter()
            .copied()
            .find(|c| c.as_str() == text)
            .ok_or_else(|| format!("`{text}` is not a known reason code"))
    }
}

impl Serialize for ReasonCode {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for ReasonCode {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for ReasonCode {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ReasonCode".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[A-Z][A-Z0-9_]*$" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_upper_snake_and_read_back() {
        let mut seen = std::collections::BTreeSet::new();
        for code in ReasonCode::ALL {
            let text = code.as_str();
            assert!(seen.insert(text), "{text} stands twice");
            assert!(text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_'), "{text}");
            assert_eq!(text.parse(), Ok(*code));
            assert!(!code.meaning().ends_with('.') && !code.remedy().ends_with('.'), "{text}");
        }
    }
}
