//! Places in the working folder that two things claim.

use orgo_spec::document::{Problem, Problems, RelativePath, Span, Spanned};
use orgo_spec::{Name, ReasonCode};

/// Where the runner puts what is its own; stages may not declare anything there.
const RESERVED: &str = ".orgo";

/// A place, and where it is declared.
pub(super) struct Claim {
    pub(super) path: String,
    pub(super) span: Span,
}

/// Reports places in the working folder of a stage that two things claim.
pub(super) fn check_paths(
    stage: &Spanned<Name>,
    froms: &[Claim],
    files: &[Claim],
    outs: &[Claim],
    problems: &mut Problems,
) {
    let mut inputs: Vec<(RelativePath, Span)> = Vec::with_capacity(1 + froms.len() + files.len());
    let place = |text: &str, span| RelativePath::new(text).map(|path| (path, span));
    inputs.extend(place(RESERVED, stage.span));
    for from in froms {
        let Some((at, span)) = place(&from.path, from.span) else { continue };
        if let Some((_, earlier)) = inputs.iter().find(|(other, _)| other.contains(&at) || at.contains(other)) {
            problems.push(
                Problem::new(ReasonCode::OutputConflict, format!("two inputs of `{}` appear at `{at}`", **stage), span)
                    .also(*earlier, "the other one")
                    .help("give one of them another place with `at=\"…\"`"),
            );
        }
        inputs.push((at, span));
    }
    let literal = |claim: &&Claim| !claim.path.contains(['*', '?', '[', '{']);
    inputs.extend(files.iter().filter(literal).filter_map(|f| place(&f.path, f.span)));
    let mut places: Vec<(RelativePath, Span)> = Vec::with_capacity(outs.len());
    for out in outs {
        let Some((path, span)) = place(&out.path, out.span) else { continue };
        if let Some((input, other)) = inputs.iter().find(|(input, _)| input.contains(&path) || path.contains(input)) {
            let problem = Problem::new(
                ReasonCode::OutputConflict,
                format!("the output `{path}` meets the input `{input}`"),
                span,
            )
            .help("write outputs to a place of their own");
            problems.push(if input.as_str() == RESERVED { problem } else { problem.also(*other, "the input") });
        }
        if let Some((_, other)) =
            places.iter().find(|(other, at)| *at != span && (other.contains(&path) || path.contains(other)))
        {
            problems.push(
                Problem::new(ReasonCode::OutputConflict, format!("`{path}` is declared twice"), span)
                    .also(*other, "it meets this output")
                    .help("declare the outer one only"),
            );
        }
        places.push((path, span));
    }
}
