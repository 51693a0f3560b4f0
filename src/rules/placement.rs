//! Owns the path of a new manifest. Must never yield one outside of `gitPath`, nor one that an object's name was able to
//! steer.

use std::fmt;

use crate::object::repo_path::RepoPathError;
use crate::object::{Kind, ObjectId, RepoPath};

use super::problem::Fault;
use super::template::{Part, fill, parse};

/// Where new manifests go unless a rule says otherwise; the layout of the original.
pub(super) const DEFAULT_PATH: &str = "{{ .Namespace }}/{{ .Kind }}/{{ .Name }}.yaml";
/// Longest name of a file or folder that every common file system takes, in bytes.
const LONGEST_NAME: usize = 255;
const FIELDS: [&str; 6] = [".Namespace", ".Name", ".Kind", ".Group", ".Version", ".Resource"];

/// Why an object has no path for a new manifest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// A `/` in what a field stands for would make folders that nobody asked for.
    #[error("{field} of {object} is `{value}`, which holds a `/`; write its manifest by hand")]
    Slash {
        /// The object.
        object: ObjectId,
        /// The template's field.
        field: &'static str,
        /// What it stands for.
        value: String,
    },
    /// A file or folder name that a checkout could not hold.
    #[error(
        "the path of {object} has a name of {bytes} bytes, at most {LONGEST_NAME} are possible; shorten the rule's `path`"
    )]
    TooLong {
        /// The object.
        object: ObjectId,
        /// Length of the name.
        bytes: usize,
    },
    /// The result names something outside of the folder, or Git's own.
    #[error("the path of {object} is not possible: {source}")]
    Refused {
        /// The object.
        object: ObjectId,
        /// What is wrong with it.
        source: RepoPathError,
    },
}

/// Where the manifest of a new object goes.
#[derive(Clone, PartialEq, Eq)]
pub struct PathTemplate {
    text: Box<str>,
    parts: Vec<Part>,
    /// `gitPath`; empty for the repository's root.
    folder: Box<str>,
}

impl PathTemplate {
    /// Reads a template; what it yields lies below `folder` (`.` is the repository's root).
    ///
    /// # Errors
    ///
    /// When it names an unknown field, is absolute, leaves the folder, or does not end like a manifest's file.
    pub fn parse(text: &str, folder: &str) -> Result<Self, Fault> {
        let folder = if folder == "." { "" } else { folder };
        let template = Self { text: text.into(), parts: parse(text, &FIELDS)?, folder: folder.into() };
        if text.starts_with('/') {
            return Err(Fault::new(format!("`{text}` is absolute"))
                .hint("it is below `gitPath` anyway: leave the first `/` out"));
        }
        let ends_well = [".yaml", ".yml", ".json"].iter().any(|ending| text.ends_with(ending));
        if !ends_well {
            return Err(Fault::new(format!("`{text}` does not end in .yaml, .yml or .json"))
                .hint("files with another ending are not read as manifests"));
        }
        let sample = |field: &'static str| if field == ".Namespace" { "namespace" } else { "sample" };
        match template.join(sample).map(|path| RepoPath::parse(&path)) {
            Some(Ok(_)) => Ok(template),
            Some(Err(error)) => Err(Fault::new(error.to_string())),
            None => Err(Fault::new(format!("`{text}` yields no path"))),
        }
    }

    /// The layout of the original, below `folder`.
    pub(super) fn standard(folder: &str) -> Self {
        let folder = if folder == "." { "" } else { folder };
        let parts = parse(DEFAULT_PATH, &FIELDS).unwrap_or_default();
        Self { text: DEFAULT_PATH.into(), parts, folder: folder.into() }
    }

    /// Whether objects of one kind and namespace get different paths.
    pub(super) fn tells_names_apart(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Field { name: ".Name", .. }))
    }

    /// The path of a new manifest, from the repository's root.
    ///
    /// # Errors
    ///
    /// When the object's names would lead out of the folder, into Git's own, or make no file name.
    pub fn render(&self, id: &ObjectId, kind: &Kind) -> Result<RepoPath, PathError> {
        let value = |field: &'static str| match field {
            ".Namespace" => id.namespace().unwrap_or(""),
            ".Name" => id.name(),
            ".Kind" => id.kind(),
            ".Group" => id.group(),
            ".Version" => kind.preferred_version(),
            _ => kind.plural.as_str(),
        };
        for part in &self.parts {
            if let Part::Field { name, .. } = part
                && value(name).contains('/')
            {
                return Err(PathError::Slash { object: id.clone(), field: name, value: value(name).to_owned() });
            }
        }
        let path = self.join(value).unwrap_or_default();
        if let Some(name) = path.split('/').find(|name| name.len() > LONGEST_NAME) {
            return Err(PathError::TooLong { object: id.clone(), bytes: name.len() });
        }
        RepoPath::parse(&path).map_err(|source| PathError::Refused { object: id.clone(), source })
    }

    /// Fills the fields in and drops empty segments; `None` when nothing is left.
    fn join<'a>(&self, value: impl Fn(&'static str) -> &'a str) -> Option<String> {
        let below: String = self
            .parts
            .iter()
            .map(|part| match part {
                Part::Text(text) => text.to_string(),
                Part::Field { name, case } => fill(value(name), *case),
            })
            .collect();
        let segments: Vec<&str> =
            self.folder.split('/').chain(below.split('/')).filter(|part| !part.is_empty()).collect();
        (!segments.is_empty()).then(|| segments.join("/"))
    }
}

impl fmt::Display for PathTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for PathTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::GroupKind;

    fn kind() -> Kind {
        Kind {
            group_kind: GroupKind::new("apps", "Deployment"),
            versions: vec!["v1".into()],
            plural: "deployments".into(),
            singular: "deployment".into(),
            short_names: vec![],
            namespaced: true,
            verbs: vec![],
            scalable: true,
        }
    }

    fn render(template: &str, folder: &str, namespace: &str, name: &str) -> Result<String, PathError> {
        let id = ObjectId::new(GroupKind::new("apps", "Deployment"), namespace, name);
        PathTemplate::parse(template, folder).unwrap().render(&id, &kind()).map(|path| path.as_str().to_owned())
    }

    #[test]
    fn the_default_is_the_layout_of_the_original() {
        assert_eq!(render(DEFAULT_PATH, ".", "shop", "web").unwrap(), "shop/Deployment/web.yaml");
        assert_eq!(render(DEFAULT_PATH, "clusters/prod", "", "web").unwrap(), "clusters/prod/Deployment/web.yaml");
    }

    #[test]
    fn every_field_and_function_is_filled_in() {
        for (template, path) in [
            ("{{.Group}}/{{.Version}}/{{ .Resource }}.{{.Name}}.json", "apps/v1/deployments.web.json"),
            ("{{ lower .Kind }}-{{ .Namespace | upper }}.yml", "deployment-SHOP.yml"),
            ("a//b/{{ .Kind | lower | upper }}.yaml", "a/b/DEPLOYMENT.yaml"),
        ] {
            assert_eq!(render(template, ".", "shop", "web").unwrap(), path);
        }
    }

    #[test]
    fn a_bad_template_is_refused_with_advice() {
        for (template, message, hint) in [
            ("{{ .Nmae }}.yaml", "`.Nmae` is no field of this template", "did you mean `.Name`?"),
            ("{{ name }}.yaml", "`name` is no field of this template", "did you mean `.Name`?"),
            ("{{ .Name }.yaml", "`{{` is never closed", "write `{{ .Name }}`"),
            (".Name }}.yaml", "`}}` closes nothing", "write `{{ .Name }}`"),
            ("{{ title .Name }}.yaml", "`title` is no function", "the functions are lower and upper"),
            ("{{ }}.yaml", "`{{ }}` names no field", "fields: .Namespace"),
            ("/{{ .Name }}.yaml", "is absolute", "leave the first `/` out"),
            ("{{ .Name }}", "does not end in", "not read as manifests"),
            ("../{{ .Name }}.yaml", "..", ""),
            ("a/./{{ .Name }}.yaml", ".", ""),
            (".git/{{ .Name }}.yaml", ".git", ""),
            ("a\u{7}/{{ .Name }}.yaml", "control", ""),
        ] {
            let fault = PathTemplate::parse(template, ".").unwrap_err();
            assert!(fault.message.contains(message), "{template}: {fault}");
            assert!(fault.hint.unwrap_or_default().contains(hint), "{template}");
        }
    }

    #[test]
    fn no_name_of_an_object_leads_elsewhere() {
        assert!(matches!(render("{{ .Name }}.yaml", ".", "", "../x"), Err(PathError::Slash { field: ".Name", .. })));
        assert!(matches!(render("{{ .Name }}/x.yaml", ".", "", ".."), Err(PathError::Refused { .. })));
        assert!(matches!(render("{{ .Name }}/x.yaml", "a", "", ".GIT"), Err(PathError::Refused { .. })));
        assert!(matches!(render("{{ .Name }}.yaml", "", "", "a\nb"), Err(PathError::Refused { .. })));
        assert!(matches!(
            render("{{ .Name }}.yaml", "", "", &"a".repeat(253)),
            Err(PathError::TooLong { bytes: 258, .. })
        ));
        assert_eq!(render("{{ .Name }}.yaml", "", "", "system:node").unwrap(), "system:node.yaml");
    }
}
