//! A plan that is read shares the lists that its stages have in common, as the plan that was written did.

use std::collections::HashSet;
use std::hash::Hash;
use std::sync::Arc;

use serde::de::{Deserializer, SeqAccess, Visitor};

use super::ResolvedStage;

/// How many different lists of a kind are looked for; those of stages that have lists of their own are not kept.
const KEPT: usize = 256;

/// Stages, one after the other, each list as often as there are different ones.
pub(super) fn stages<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<ResolvedStage>, D::Error> {
    deserializer.deserialize_seq(Stages)
}

struct Stages;

impl<'de> Visitor<'de> for Stages {
    type Value = Vec<ResolvedStage>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the stages of a plan")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        // A length is a claim of the bytes, and so is believed up to a limit only.
        let mut stages: Vec<ResolvedStage> = Vec::with_capacity(seq.size_hint().unwrap_or(0).min(1 << 20));
        let (mut texts, mut pairs) = (HashSet::new(), HashSet::new());
        while let Some(mut stage) = seq.next_element::<ResolvedStage>()? {
            for list in [&mut stage.files, &mut stage.outs, &mut stage.tools] {
                share(list, &mut texts);
            }
            share(&mut stage.env, &mut pairs);
            stages.push(stage);
        }
        Ok(stages)
    }
}

fn share<T: Eq + Hash>(list: &mut Arc<[T]>, known: &mut HashSet<Arc<[T]>>) {
    match known.get(list) {
        Some(same) => *list = Arc::clone(same),
        None if known.len() < KEPT => drop(known.insert(Arc::clone(list))),
        None => {}
    }
}

#[cfg(test)]
mod tests {
    use orgo_spec::document::Document;
    use orgo_spec::pipeline::parse_pipelines;

    use super::*;
    use crate::plan::Resolved;

    #[test]
    fn a_plan_that_is_read_shares_what_the_written_one_did() {
        let text =
            r#"pipeline "p" { matrix { v "1" "2" "3" }; stage "a" { run "x"; tool "t"; files "f"; out "o${v}" } }"#;
        let document = Document::new("p.kdl", text);
        let pipelines = parse_pipelines(&document).expect("decodes");
        let plan = crate::expand::expand(&document, &pipelines[0]).expect("expands");
        let bytes = postcard::to_stdvec(&plan).expect("serializes");
        let again: Resolved = postcard::from_bytes(&bytes).expect("reads");
        assert_eq!(again, plan);
        let (first, last) = (&again.stages[0], &again.stages[2]);
        assert!(Arc::ptr_eq(&first.files, &last.files) && Arc::ptr_eq(&first.env, &last.env));
        assert!(Arc::ptr_eq(&first.tools, &last.tools) && !Arc::ptr_eq(&first.outs, &last.outs));
    }
}
