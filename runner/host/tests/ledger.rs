//! Ledgers in real repositories, judged by our verifier and by stock git, ssh-keygen and openssl.

mod ledger {
    mod again;
    pub(crate) mod attack;
    mod audit;
    mod epochs;
    mod forgery;
    pub(crate) mod support;

    mod filtered;
    mod flips;
    mod good;
    mod group;
    mod proofs;
    mod tampered;
    mod threats_envelope;
    mod threats_isolation;
    mod threats_log;
    mod threats_mandate;
    mod threats_override;
    mod threats_present;
    mod threats_scope;
    mod threats_trust;
    mod tiles;
}
