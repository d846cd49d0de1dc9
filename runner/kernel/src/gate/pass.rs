//! The token that lets compilers run.

use orgo_spec::Digest;

/// A gate passed, for one stage, about one input, in one run. Consumed by [`Pass::admit`].
#[derive(Debug)]
pub struct Pass {
    pub(super) gate: String,
    pub(super) subject: Digest,
    pub(super) report: Digest,
    pub(super) policy: Option<Digest>,
    pub(super) run: String,
}

/// A gated stage may be looked up and started.
#[derive(Debug)]
pub struct Admission {
    pass: Pass,
}

impl Pass {
    /// Admits a stage whose input is really the one that was decided about, in the run in which it was.
    #[must_use]
    pub fn admit(self, input: Digest, run: &str) -> Option<Admission> {
        (self.subject == input && self.run == run).then_some(Admission { pass: self })
    }

    /// A pass from a report that passes, for tests of those who need one.
    #[cfg(test)]
    pub(crate) fn for_test(subject: Digest, run: &str) -> Self {
        let report = super::tests::report("passed", 0, subject);
        super::decide(super::tests::facts(&report, subject), Some(&report), None, run).1.expect("the report passes")
    }
}

impl Admission {
    /// What was decided about, by which report, under which policy, at which gate.
    #[must_use]
    pub fn basis(&self) -> (&str, Digest, Digest, Option<Digest>) {
        (&self.pass.gate, self.pass.subject, self.pass.report, self.pass.policy)
    }
}
