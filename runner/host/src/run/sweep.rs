//! `out/` shows what the last run stands behind: no result of a stage that is not declared any more.
//!
//! Looked for only where there may be one: the plan has other stages than the last run left, or that run was cut off
//! before it could say what it left.

use std::collections::HashSet;
use std::fs;

use orgo_spec::Name;

use crate::file::{At, PathError, remove_tree};

use super::planner::Planner;

impl Planner<'_> {
    /// Removes the results of stages that are not in the plan, and forgets these. Items of a list that is not known
    /// in this run are left.
    ///
    /// # Errors
    /// [`PathError`] if results cannot be listed or removed.
    pub(super) fn sweep(&mut self, was_cut_off: bool) -> Result<(), PathError> {
        if self.memory.is_of_this_plan() && !was_cut_off {
            return Ok(());
        }
        let stages = &self.plan.stages;
        let names: HashSet<&str> = stages.iter().map(|s| s.name.as_str()).collect();
        let lists: Vec<&str> = stages.iter().filter(|s| s.pending().is_some()).map(|s| s.name.as_str()).collect();
        let is_item = |name: &str, list: &str| name.strip_prefix(list).is_some_and(|rest| rest.starts_with('.'));
        let is_gone = |name: &str| !names.contains(name) && !lists.iter().any(|list| is_item(name, list));
        self.dirty |= self.memory.forget_others(is_gone);
        let out = self.workspace.out(&self.plan.name, "");
        let entries = match fs::read_dir(&out) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            other => other.at("list", &out)?,
        };
        for entry in entries {
            let entry = entry.at("list", &out)?;
            let of_a_stage = entry.file_name().to_str().is_some_and(|name| Name::new(name).is_ok() && is_gone(name));
            let kind = entry.file_type().at("read the status of", &entry.path())?;
            if of_a_stage && (kind.is_dir() || kind.is_symlink()) {
                remove_tree(&entry.path())?;
            }
        }
        Ok(())
    }
}
