use super::*;

/// Files in memory.
pub(crate) struct Texts<'t>(pub(crate) &'t [(&'t str, &'t str)]);

impl Files for Texts<'_> {
    type Error = std::convert::Infallible;

    fn list(&self, folder: &str) -> Result<Vec<String>, Self::Error> {
        let below = |path: &&str| path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
        Ok(self.0.iter().map(|(path, _)| *path).filter(below).map(str::to_owned).collect())
    }

    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, Self::Error> {
        Ok(self.0.iter().find(|(p, _)| *p == path).map(|(_, text)| text.as_bytes().to_vec()))
    }

    fn is_link(&self, _: &str) -> Result<bool, Self::Error> {
        Ok(false)
    }
}

#[test]
fn documents_in_either_syntax_are_read_and_what_stands_twice_is_refused() {
    let Ok(declared) = Declared::read(&Texts(&[
        ("orgo.yaml", "project test: {}\n"),
        ("pipelines/a.yaml", "pipeline a:\n  stage s:\n    run: \"true\"\n"),
        ("orgo.yml", "project test: {}\n"),
    ]));
    assert!(declared.is_broken("orgo.yml") && declared.has_broken_project());
    assert_eq!(declared.errors.len(), 1, "{:?}", declared.errors);
    assert!(declared.project.is_some() && declared.pipelines.contains_key("a"));
}

#[test]
fn a_wrong_document_does_not_hide_the_others() {
    let Ok(declared) = Declared::read(&Texts(&[
        ("orgo.kdl", "project \"test\""),
        ("pipelines/a.kdl", "pipeline \"a\" { stage \"s\" { run \"true\" } }"),
        ("pipelines/b.kdl", "pipeline \"b\" { stage \"s\" { rn \"true\" } }"),
        ("pipelines/c.kdl", "pipeline \"a\" { stage \"s\" { run \"true\" } }"),
        ("mandates/m/mandate.kdl", "mandate \"m\""),
        ("mandates/m/notes.txt", "more"),
    ]));
    assert_eq!(declared.pipelines.keys().collect::<Vec<_>>(), ["a"]);
    assert!(declared.is_broken("pipelines/b.kdl") && declared.is_broken("mandates/m/mandate.kdl"));
    assert!(declared.is_broken("pipelines/c.kdl"), "a name is declared once");
    assert_eq!(declared.errors.len(), 3);
    assert!(declared.others.contains_key("mandates/m/notes.txt"));
}
