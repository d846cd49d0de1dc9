//! What one stage expands to within a combination of the pipeline's axes, and who reads from whom.

use std::collections::HashMap;

use orgo_spec::Name;
use orgo_spec::document::{Problems, ReadText};
use orgo_spec::pipeline::{Matrix, Stage};

use super::items::{self, Items};

/// The children of a stage: combinations of its own axes, each for every item of its list, the item moving fastest.
pub(super) struct Fan<'p> {
    /// Names of its own axes, then of its item.
    axes: Vec<&'p str>,
    combinations: Vec<Vec<&'p Name>>,
    items: Option<Items>,
    /// What names stand for values in its texts: the pipeline's axes, its own, columns of its item.
    pub(super) slots: Vec<String>,
}

impl<'p> Fan<'p> {
    /// Expands a stage; what is wrong with its list is reported.
    pub(super) fn new(outer: &Matrix, stage: &'p Stage, read: &ReadText<'_>, problems: &mut Problems) -> Self {
        let items = stage.for_each.as_ref().map(|list| items::read(list, read, problems));
        let mut axes: Vec<&str> = stage.matrix.axes.iter().map(|a| a.name.as_str()).collect();
        let mut slots: Vec<String> = outer.axes.iter().map(|a| a.name.value.clone()).collect();
        slots.extend(axes.iter().map(|a| (*a).to_owned()));
        slots.extend(items.iter().flat_map(|i| i.names.iter().cloned()));
        axes.extend(stage.for_each.as_ref().map(|f| f.item.as_str()));
        Self { axes, combinations: stage.matrix.combinations(), items, slots }
    }

    /// Whether the stage has axes or a list of its own.
    pub(super) fn is_fanned(&self) -> bool {
        !self.axes.is_empty()
    }

    /// Whether it has a list that could not be read.
    pub(super) fn is_unread(&self) -> bool {
        self.items.as_ref().is_some_and(|i| i.items.is_empty())
    }

    /// How many children there are.
    pub(super) fn len(&self) -> usize {
        self.combinations.len() * self.width()
    }

    /// How many items there are; one if there is no list.
    fn width(&self) -> usize {
        self.items.as_ref().map_or(1, |i| i.items.len())
    }

    /// The values of a child, in the order of the slots.
    pub(super) fn values<'v>(&'v self, outer: &[&'v Name], child: usize) -> Vec<&'v str> {
        let width = self.width();
        let mut values = Vec::with_capacity(self.slots.len());
        values.extend(outer.iter().map(|n| n.as_str()));
        values.extend(self.combinations[child / width].iter().map(|n| n.as_str()));
        if let Some(items) = &self.items {
            values.extend(items.items[child % width].values.iter().map(String::as_str));
        }
        values
    }

    /// The value of a child on one of its own axes, as it stands in names.
    fn label(&self, child: usize, axis: usize) -> &str {
        let width = self.width();
        match (self.combinations[child / width].get(axis), &self.items) {
            (Some(value), _) => value.as_str(),
            (None, Some(items)) => &items.items[child % width].label,
            (None, None) => "",
        }
    }

    /// What a child's own axes and item add to its name.
    pub(super) fn labels(&self, child: usize) -> Vec<&str> {
        (0..self.axes.len()).map(|axis| self.label(child, axis)).collect()
    }
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
        for (i, axis) in self.gathered.iter().enumerate() {
            place.push(if i == 0 { '/' } else { '.' });
            place.push_str(needed.label(child, *axis));
        }
        place
    }
}
