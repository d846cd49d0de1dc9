//! Gates.
use orgo_spec::Digest;
/// A
#[derive(Debug)]
pub struct Pass {
    subject: Digest,
}
/// B
#[derive(Debug)]
pub struct Admission {
    _p: (),
}
impl Pass {
    /// C
    pub fn admit(self, input: Digest, _run: &str) -> Option<Admission> {
        (self.subject == input).then_some(Admission { _p: () })
    }
    /// T
    #[must_use]
    pub fn for_test(subject: Digest) -> Self {
        Self { subject }
    }
}
