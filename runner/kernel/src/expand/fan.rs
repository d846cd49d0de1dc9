//! What one stage expands to within a combination of the pipeline's axes, and who reads from whom.

use std::collections::HashMap;

use orgo_spec::Name;
use orgo_spec::document::Problems;
use orgo_spec::pipeline::{ItemList, Pipeline, Stage};

use super::Given;
use super::items::{self, Items};
use super::text::{Names, Text};

/// The children of a stage: combinations of its own axes, each for every item of its list, the item moving fastest.
pub(super) struct Fan<'p> {
    /// Names of its own axes, then of its item.
    axes: Vec<&'p str>,
    combinations: Vec<Vec<&'p Name>>,
    items: Option<Items>,
    /// What names stand for values in its texts: the pipeline's axes, its own, columns of its item.
    pub(super) slots: Vec<String>,
    /// The list that an earlier stage writes, if its items come from one.
    pub(super) list: Option<Written<'p>>,
}

/// A list that a stage of the pipeline writes.
pub(super) struct Written<'p> {
    /// What an item is called.
    pub(super) item: &'p str,
    /// The position of the stage.
    pub(super) stage: usize,
    /// The path of the output.
    pub(super) output: String,
    /// The list's place among those that are known; nothing while it is not.
    pub(super) known: Option<usize>,
}

impl<'p> Fan<'p> {
    /// Expands a stage; what is wrong with its list is reported.
    pub(super) fn new(
        pipeline: &'p Pipeline,
        stage: &'p Stage,
        given: &Given<'_>,
        parameters: &[(String, String)],
        problems: &mut Problems,
    ) -> Self {
        let outer = &pipeline.matrix;
        let list = written(pipeline, stage, given, parameters);
        let items = stage.for_each.as_ref().map(|each| match (&each.list, &list) {
            (ItemList::File(path), _) => items::read(each.item.as_str(), path, given.read, problems),
            (ItemList::Output { stage, .. }, Some(Written { item, output, known: Some(known), .. })) => {
                let path = format!("{output}` of `{}", **stage);
                items::of_text(item, output, &path, &given.lists[*known].text, stage.span, problems)
            }
            (ItemList::Output { .. }, _) => Items::default(),
        });
        let mut axes: Vec<&str> = stage.matrix.axes.iter().map(|a| a.name.as_str()).collect();
        let mut slots: Vec<String> = outer.axes.iter().map(|a| a.name.value.clone()).collect();
        slots.extend(axes.iter().map(|a| (*a).to_owned()));
        slots.extend(items.iter().flat_map(|i| i.names.iter().cloned()));
        axes.extend(stage.for_each.as_ref().map(|f| f.item.as_str()));
        Self { axes, combinations: stage.matrix.combinations(), items, slots, list }
    }

    /// Whether the stage has axes or a list of its own.
    pub(super) fn is_fanned(&self) -> bool {
        !self.axes.is_empty()
    }

    /// Whether it has a list that could not be read.
    pub(super) fn is_unread(&self) -> bool {
        self.pending().is_none() && self.items.as_ref().is_some_and(|i| i.items.is_empty())
    }

    /// Its list, while nobody knows what is in it: then it has one child in place of all items.
    pub(super) fn pending(&self) -> Option<&Written<'p>> {
        self.list.as_ref().filter(|list| list.known.is_none())
    }

    /// How many children it has while its list is not known; all of them if its list is not one that a stage writes.
    pub(super) fn places(&self) -> usize {
        if self.list.is_some() { self.combinations.len() } else { self.len() }
    }

    /// How many children there are.
    pub(super) fn len(&self) -> usize {
        self.combinations.len() * self.width()
    }

    /// How many items there are; one if there is no list, or nothing is known of it.
    pub(super) fn width(&self) -> usize {
        self.items.as_ref().map_or(1, |i| if self.pending().is_some() { 1 } else { i.items.len() })
    }

    /// The values of a child, in the order of the slots.
    pub(super) fn values<'v>(&'v self, outer: &[&'v Name], child: usize) -> Vec<&'v str> {
        let width = self.width();
        let mut values = Vec::with_capacity(self.slots.len());
        values.extend(outer.iter().map(|n| n.as_str()));
        values.extend(self.combinations[child / width].iter().map(|n| n.as_str()));
        if let (Some(items), None) = (&self.items, self.pending()) {
            values.extend(items.items[child % width].values.iter().map(String::as_str));
        }
        values
    }

    /// The value of a child on one of its own axes, as it stands in names.
    fn label(&self, child: usize, axis: usize) -> &str {
        let width = self.width();
        match (self.combinations[child / width].get(axis), &self.items) {
            (Some(value), _) => value.as_str(),
            (None, Some(items)) if self.pending().is_none() => &items.items[child % width].label,
            (None, Some(_) | None) => "",
        }
    }

    /// What a child's own axes and item add to its name.
    pub(super) fn labels(&self, child: usize) -> Vec<&str> {
        self.known_axes().map(|axis| self.label(child, axis)).collect()
    }

    /// Positions of the axes whose values are known.
    fn known_axes(&self) -> std::ops::Range<usize> {
        0..self.axes.len() - usize::from(self.pending().is_some())
    }
}

/// The list that an earlier stage writes for a stage.
fn written<'p>(
    pipeline: &Pipeline,
    stage: &'p Stage,
    given: &Given<'_>,
    parameters: &[(String, String)],
) -> Option<Written<'p>> {
    let item = stage.for_each.as_ref()?.item.as_str();
    let (name, artifact) = stage.listed_by()?;
    let at = pipeline.stages.iter().position(|s| *s.name == **name)?;
    let writer = &pipeline.stages[at];
    let out = &writer.outs[writer.artifacts.iter().find(|a| *a.name == **artifact)?.out];
    // What is wrong with the text is told where the writer is looked at.
    let names = Names { fixed: parameters, slots: Vec::new(), pending: None, open: false };
    let output = Text::new(out.as_str(), out.span, &names, &mut Problems::new(given.document)).apply(&[]);
    let known = given.lists.iter().position(|l| l.stage == name.as_str() && l.output == output);
    Some(Written { item, stage: at, output, known })
}

/// `name`, with the values of the pipeline's axes behind it, then its own.
pub(super) fn label(name: &str, outer: &[&Name], own: &[&str]) -> String {
    let length: usize = outer.iter().map(|n| n.as_str().len() + 1).chain(own.iter().map(|l| l.len() + 1)).sum();
    let mut label = String::with_capacity(name.len() + length);
    label.push_str(name);
    for part in outer.iter().map(|n| n.as_str()).chain(own.iter().copied()) {
        label.push('.');
        label.push_str(part);
    }
    label
}

/// Which children of `needed` a child of another stage is bound to: those that agree on every axis that both have.
pub(super) struct Join<'f> {
    fan: &'f Fan<'f>,
    /// Positions of the shared axes in the needing stage.
    shared: Vec<usize>,
    /// Positions of the axes that only the needed stage has.
    gathered: Vec<usize>,
    /// By the values of the shared axes; none if the needed stage has one child.
    groups: Option<HashMap<Vec<&'f str>, Vec<u32>>>,
}

/// The only child of a stage without axes of its own.
const ONLY: &[u32] = &[0];

impl<'f> Join<'f> {
    pub(super) fn new(fan: &'f Fan<'f>, needed: &'f Fan<'f>) -> Self {
        let (mut shared, mut theirs, mut gathered) = (Vec::new(), Vec::new(), Vec::new());
        if !needed.is_fanned() {
            return Self { fan, shared, gathered, groups: None };
        }
        for (at, axis) in needed.axes.iter().enumerate() {
            match fan.axes.iter().position(|own| own == axis) {
                Some(own) => {
                    shared.push(own);
                    theirs.push(at);
                }
                None => gathered.push(at),
            }
        }
        let mut groups: HashMap<Vec<&str>, Vec<u32>> = HashMap::new();
        for child in 0..needed.len() {
            let key = theirs.iter().map(|axis| needed.label(child, *axis)).collect();
            groups.entry(key).or_default().push(u32::try_from(child).expect("bounded by MAX_STAGES"));
        }
        Self { fan, shared, gathered, groups: Some(groups) }
    }

    /// The children that `child` is bound to, in order.
    pub(super) fn children(&self, child: usize) -> &[u32] {
        let Some(groups) = &self.groups else { return ONLY };
        let key: Vec<&str> = self.shared.iter().map(|axis| self.fan.label(child, *axis)).collect();
        groups.get(&key).map_or(&[], Vec::as_slice)
    }

    /// Where the outputs of a child appear: at `at`, or in a folder of its own there if several are gathered.
    pub(super) fn place(&self, at: &str, needed: &Fan<'_>, child: usize) -> String {
        let mut place = at.to_owned();
        let known = needed.known_axes();
        for (i, axis) in self.gathered.iter().filter(|axis| known.contains(axis)).enumerate() {
            place.push(if i == 0 { '/' } else { '.' });
            place.push_str(needed.label(child, *axis));
        }
        place
    }
}
