//! Matrix combinations and the `${axis}` that stands for their values.

use orgo_spec::document::{Problem, Problems, Spanned};
use orgo_spec::pipeline::Axis;
use orgo_spec::{Name, ReasonCode};

/// One value of every axis.
pub(super) struct Combination<'p> {
    values: Vec<(&'p str, &'p Name)>,
}

impl<'p> Combination<'p> {
    /// Every combination, the last axis moving fastest; one empty combination without a matrix.
    pub(super) fn all(axes: &'p [Axis]) -> Vec<Self> {
        let mut all = vec![Self { values: Vec::new() }];
        for axis in axes {
            let extended = all.iter().flat_map(|combination| {
                axis.values.iter().map(move |value| {
                    let mut values = combination.values.clone();
                    values.push((axis.name.as_str(), &value.value));
                    Self { values }
                })
            });
            all = extended.collect();
        }
        all
    }

    /// `name`, with the values behind it.
    pub(super) fn label(&self, name: &str) -> String {
        let mut label = name.to_owned();
        for (_, value) in &self.values {
            label.push('.');
            label.push_str(value.as_str());
        }
        label
    }

    /// The text with every `${axis}` replaced; unknown axes are reported.
    pub(super) fn apply(&self, text: &Spanned<String>, problems: &mut Problems) -> String {
        if !text.contains("${") {
            return text.value.clone();
        }
        let mut out = String::with_capacity(text.len());
        let mut rest = text.as_str();
        while let Some((before, after)) = rest.split_once("${") {
            out.push_str(before);
            let Some((axis, behind)) = after.split_once('}') else {
                problems.push(
                    Problem::new(ReasonCode::DocumentInvalid, "`${` is not closed", text.span).help("write `${axis}`"),
                );
                return out;
            };
            match self.values.iter().find(|(name, _)| *name == axis) {
                Some((_, value)) => out.push_str(value.as_str()),
                None => problems.push(
                    Problem::new(
                        ReasonCode::DocumentInvalid,
                        format!("no axis of the matrix is called `{axis}`"),
                        text.span,
                    )
                    .help(format!("add `{axis} \"…\"` to the pipeline's `matrix`, or correct the name")),
                ),
            }
            rest = behind;
        }
        out.push_str(rest);
        out
    }
}
