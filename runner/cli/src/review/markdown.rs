//! A review as Markdown for the thread of a pull request. Whatever comes from the change is inert in it: no link, no
//! mention, no mark-up.

use orgo_spec::review::{Finding, PipelineReview, Review, Status, Strength};

use super::Reviewed;
use super::mermaid::{graph, left_out};
use super::text::{about, because, counts, differ, estimated, headline, short, side_text};
use crate::output::plain;

/// The most rows of a table.
const MAX_ROWS: usize = 100;

/// The page.
pub(crate) fn markdown(reviewed: &Reviewed) -> String {
    let review = &reviewed.review;
    let mut page = format!(
        "## What this change does\n\nFrom {} to {}: ",
        code(&side_text(&review.base)),
        code(&side_text(&review.head))
    );
    if review.findings.is_empty() && review.pipelines.is_empty() && review.problems.is_empty() {
        page.push_str("nothing changes.\n");
        return page;
    }
    page.push_str(&counts(review));
    page.push_str(".\n");
    if !review.problems.is_empty() {
        page.push_str("\n### Problems\n\nThe head cannot be read; what is said below is not complete.\n\n");
        for problem in review.problems.iter().take(MAX_ROWS) {
            let place = format!("{}:{}", problem.place.file, problem.place.line);
            page.push_str(&format!("- `{}` {}: {}\n", problem.code, code(&place), prose(&problem.message)));
        }
    }
    for (strength, title) in [
        (Strength::Weaker, "⚠️ Weaker"),
        (Strength::Unclear, "❓ To be read: which way it goes cannot be told"),
        (Strength::Stronger, "Stronger"),
        (Strength::Neutral, "Neutral"),
    ] {
        let found: Vec<&Finding> = review.findings.iter().filter(|f| f.strength == strength).collect();
        table(title, &found, &mut page);
    }
    for pipeline in &review.pipelines {
        section(reviewed, pipeline, &mut page);
    }
    files(review, &mut page);
    page
}

fn table(title: &str, found: &[&Finding], page: &mut String) {
    if found.is_empty() {
        return;
    }
    page.push_str(&format!("\n### {title}\n\n| About | What | Was | Is | Where |\n|---|---|---|---|---|\n"));
    for finding in found.iter().take(MAX_ROWS) {
        let value = |v: &Option<String>| v.as_ref().map_or_else(String::new, |v| code(&short(v)));
        let place = finding.place.as_ref().map_or_else(String::new, |p| code(&format!("{}:{}", p.file, p.line)));
        let about = about(finding).map_or_else(String::new, |a| code(&a));
        let message = prose(&finding.message);
        page.push_str(&format!(
            "| {about} | {message} | {} | {} | {place} |\n",
            value(&finding.before),
            value(&finding.after)
        ));
    }
    more(found.len(), page);
}

fn more(count: usize, page: &mut String) {
    if count > MAX_ROWS {
        page.push_str(&format!("\nand {} more.\n", count - MAX_ROWS));
    }
}

fn section(reviewed: &Reviewed, pipeline: &PipelineReview, page: &mut String) {
    page.push_str(&format!("\n### Pipeline {}\n\n{}.\n", code(&pipeline.name), prose(&headline(pipeline))));
    let again: Vec<_> = pipeline.stages.iter().filter(|s| s.rerun.is_some()).collect();
    if !again.is_empty() {
        page.push_str("\n| Stage | Runs | Why |\n|---|---|---|\n");
        for stage in again.iter().take(MAX_ROWS) {
            let certain = stage.rerun.as_ref().is_some_and(|r| r.certain);
            let word = if certain { "yes" } else { "perhaps" };
            page.push_str(&format!("| {} | {word} | {} |\n", code(&stage.stage), prose(&because(stage))));
        }
        more(again.len(), page);
    }
    if let Some(text) = estimated(&pipeline.estimate) {
        page.push_str(&format!("\n{}.\n", prose(&text)));
    }
    let Some(plan) = reviewed.plan(&pipeline.name).filter(|_| pipeline.status != Status::Removed) else { return };
    page.push_str(&format!("\n```mermaid\n{}```\n", graph(plan, pipeline)));
    match left_out(plan, pipeline) {
        0 => {}
        n => page.push_str(&format!("\n{n} stages that are not next to a change are left out.\n")),
    }
}

fn files(review: &Review, page: &mut String) {
    if review.files.is_empty() {
        return;
    }
    page.push_str(&format!("\n<details><summary>{}</summary>\n\n", differ(review.files.len())));
    for file in review.files.iter().take(MAX_ROWS) {
        let from = file.from.as_ref().map_or_else(String::new, |from| format!(" from {}", code(from)));
        page.push_str(&format!("- {} {}{from}\n", file.change.as_str(), code(&file.path)));
    }
    more(review.files.len(), page);
    page.push_str("\n</details>\n");
}

/// A text of ours with names from elsewhere between back-ticks.
fn prose(text: &str) -> String {
    let part = |(at, part): (usize, &str)| if at % 2 == 1 { code(part) } else { inert(part) };
    text.split('`').enumerate().map(part).collect()
}

/// A text from elsewhere, as code.
fn code(text: &str) -> String {
    format!("<code>{}</code>", inert(text))
}

/// A text in which nothing means anything to a reader of Markdown or HTML.
fn inert(text: &str) -> String {
    let text = plain(text);
    let link = text.to_ascii_lowercase().contains("www.");
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' => out.push(' '),
            '.' if link => out.push_str("&#46;"),
            ' ' | ',' | '.' | '-' | '/' | ';' | '?' | '%' | '+' | '=' => out.push(c),
            c if c.is_ascii_punctuation() => out.push_str(&format!("&#{};", u32::from(c))),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_from_a_change_is_inert() {
        for text in
            ["@all", "[x](y)", "<img src=x>", "a|b", "https://x.y", "**b**", "`c`", "#1", "&amp;", "$x$", "~~s~~"]
        {
            let told = inert(text);
            let rest: String = told.split("&#").map(|p| p.split_once(';').map_or(p, |(_, rest)| rest)).collect();
            assert!(
                !rest.contains(['@', '[', '<', '>', '|', '*', '`', '#', '&', '$', '~', '_', ':']),
                "{text}: {told}"
            );
        }
        assert_eq!(inert("www.x"), "www&#46;x");
        assert_eq!(prose("the gate `a|b` is removed"), "the gate <code>a&#124;b</code> is removed");
        assert_eq!(inert("a\nb"), "a b");
    }
}
