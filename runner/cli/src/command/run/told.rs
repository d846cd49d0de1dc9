//! What a run tells besides its outcome: where its record is, and which signed documents do not count.

use std::cell::RefCell;
use std::collections::BTreeSet;

use orgo_host::run::Standing;
use orgo_spec::approval::ApprovalSubject;
use orgo_spec::record::{Class as RecordClass, Lane};

use crate::command::Context;
use crate::ledger::{Authority, Recorded};

/// Says where the record is, and in the same breath what it is not.
pub(super) fn tell(context: &Context, recorded: &Recorded) {
    let word = if recorded.confirmed { "confirmed by record" } else { "record" };
    let class = match recorded.class {
        RecordClass::Development => ", signed with a development key: never releasable",
        RecordClass::Production => "",
    };
    match recorded.number {
        Some(number) => {
            context.output.line(format!("{word} {number} {} on {}{class}", recorded.id, recorded.branch));
        }
        None => context.output.line(format!(
            "record {} in the spool, for {}: `orgo record submit` appends it{class}",
            recorded.id, recorded.branch
        )),
    }
    if let (Lane::Local, Some(because)) = (recorded.lane, &recorded.because) {
        context.output.note(format!("the run is local: {because}"));
    }
}

/// What is there about a subject; what cannot be read approves nothing, and is told once.
pub(super) fn standing(
    context: &Context,
    authority: Option<&Authority>,
    subject: &ApprovalSubject,
    told: &RefCell<BTreeSet<String>>,
) -> Standing {
    let tell = |line: String| {
        if told.borrow_mut().insert(line.clone()) {
            context.output.warn(crate::output::plain(&line));
        }
    };
    let Some(authority) = authority else { return Standing::default() };
    match authority.about(subject) {
        Ok(papers) => {
            for (path, code, why) in papers.refused {
                tell(format!("{path} does not count: {code}: {why}"));
            }
            papers.standing
        }
        Err(failure) => {
            tell(format!("approvals cannot be read: {}", failure.render(false)));
            Standing::default()
        }
    }
}
