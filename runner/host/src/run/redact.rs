//! What stages print is kept without the secrets that the runner knows or that look like one.

use std::os::unix::ffi::{OsStrExt, OsStringExt};

use orgo_spec::secret::{Redactor, names_a_secret, scan};

/// The secrets that must not stay in a log: those of the runner's own environment and those that stages declare.
#[derive(Debug)]
pub(super) struct Secrets {
    /// Values of the runner's environment.
    own: Vec<Vec<u8>>,
    /// Redacts with `own` alone, for stages that declare none.
    redactor: Redactor,
}

impl Secrets {
    /// The secrets of this process: variables whose name promises a secret (`CI_TOKEN`) or whose value holds one,
    /// such as the key file that an `env:` reference names.
    pub(super) fn of_this_process() -> Self {
        let own: Vec<Vec<u8>> = std::env::vars_os()
            .filter(|(name, value)| names_a_secret(&name.to_string_lossy()) || scan(value.as_bytes()).next().is_some())
            .map(|(_, value)| value.into_vec())
            .collect();
        let redactor = redactor(&own, &[]);
        Self { own, redactor }
    }

    /// The redactor for a stage with this environment and these secrets.
    pub(super) fn redactor(&self, env: &[(String, String)], secrets: &[(String, String)]) -> Redactor {
        let named = env.iter().filter(|(n, _)| names_a_secret(n));
        let declared: Vec<&[u8]> = named.chain(secrets).map(|(_, v)| v.as_bytes()).collect();
        if declared.is_empty() { self.redactor.clone() } else { redactor(&self.own, &declared) }
    }
}

fn redactor(own: &[Vec<u8>], declared: &[&[u8]]) -> Redactor {
    let values: Vec<&[u8]> = own.iter().map(Vec::as_slice).chain(declared.iter().copied()).collect();
    Redactor::new(&values)
}
