//! Workflow commands of GitHub Actions: `::warning file=…,line=…,col=…,title=…::message`.

use super::{Annotation, Level};

/// One command for each remark.
pub(crate) fn commands(annotations: &[Annotation]) -> Vec<String> {
    let command = |a: &Annotation| {
        let word = match a.level {
            Level::Error => "error",
            Level::Warning => "warning",
            Level::Note => "notice",
        };
        let (file, title) = (property(&a.place.file), property(&format!("orgo {}", a.rule)));
        let (line, column) = (a.place.line, a.place.column);
        format!("::{word} file={file},line={line},col={column},title={title}::{}", data(&a.message))
    };
    annotations.iter().map(command).collect()
}

/// A message: nothing in it ends the command or begins another.
pub(crate) fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_stays_in_its_command() {
        assert_eq!(data("a\n::set-env name=x::y\r100%"), "a%0A::set-env name=x::y%0D100%25");
        assert_eq!(property("a,b:c%\n"), "a%2Cb%3Ac%25%0A");
    }
}
