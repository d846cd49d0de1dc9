//! Where stages and gates are written, for remarks beside the lines of a change.

use std::collections::BTreeMap;

use orgo_spec::document::Span;
use orgo_spec::review::Place;

use super::Repository;
use crate::here::prefix;

/// Where the stages and the gates of one pipeline are declared, with paths as the repository in git has them.
#[derive(Debug, Default)]
pub(crate) struct Places {
    named: BTreeMap<String, Place>,
    /// For what has no place of its own: the document of the project.
    first: String,
}

impl Places {
    /// Where a stage or a gate is declared; a stage of a matrix, of a list or of a step where all of its kind are.
    pub(crate) fn of(&self, name: &str) -> Place {
        // Names have no dots; what stands behind one are values.
        let declared = name.split_once('.').map_or(name, |(declared, _)| declared);
        let place = self.named.get(name).or_else(|| self.named.get(declared));
        place.cloned().unwrap_or_else(|| Place { file: self.first.clone(), line: 1, column: 1 })
    }
}

impl Repository {
    /// Where the stages and the gates of a pipeline are declared. What cannot be read is found nowhere: this is for
    /// remarks about plans, which were read already.
    pub(crate) fn places(&self, pipeline: &str) -> Places {
        let prefix = prefix(self.workspace.root());
        let mut named = BTreeMap::new();
        for (document, declared) in self.declared().unwrap_or_default() {
            if declared.name.as_str() != pipeline {
                continue;
            }
            let place = |span: Span| {
                let (line, column) = document.position(span);
                Place { file: format!("{prefix}{}", document.name()), line, column }
            };
            let stages = declared.stages.iter().map(|stage| &stage.name);
            for name in declared.gates.iter().map(|gate| &gate.name).chain(stages) {
                named.insert(name.to_string(), place(name.span));
            }
        }
        let first = self.documents.first().map_or("orgo.kdl", |(document, _)| document.name());
        Places { named, first: format!("{prefix}{first}") }
    }
}
