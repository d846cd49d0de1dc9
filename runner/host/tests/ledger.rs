//! Ledgers in real repositories, judged by our verifier and by stock git, ssh-keygen and openssl.

mod ledger {
    pub(crate) mod support;

    mod good;
    mod tampered;
}
