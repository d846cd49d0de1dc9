//! Ledgers in real repositories, judged by our verifier and by stock git, ssh-keygen and openssl.

mod ledger {
    pub(crate) mod attack;
    pub(crate) mod support;

    mod good;
    mod tampered;
    mod threats_log;
    mod threats_present;
    mod threats_scope;
    mod threats_trust;
}
