//! Owns how new files look: the words of `format` and `strategy`, and which of them go together. Must never let a pair
//! pass that means nothing.

use schemars::JsonSchema;

use super::choices::Direction;
use super::problem::Fault;

/// How a file that the rule makes is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, JsonSchema)]
#[schemars(rename_all = "kebab-case", inline)]
pub enum Format {
    /// A whole manifest in YAML.
    #[default]
    Yaml,
    /// A whole manifest in JSON.
    Json,
    /// What identifies the object and the fields that the rule carries, in YAML, for `kubectl patch`.
    Patch,
    /// The same, listed as a patch in the nearest kustomization.
    KustomizePatch,
}

impl Format {
    /// Every format, as it is written.
    pub(super) const ALL: [(&'static str, Self); 4] =
        [("yaml", Self::Yaml), ("json", Self::Json), ("patch", Self::Patch), ("kustomize-patch", Self::KustomizePatch)];

    /// Whether its files are fragments: they hold some fields of an object, and are no manifests.
    pub fn is_patch(self) -> bool {
        matches!(self, Self::Patch | Self::KustomizePatch)
    }

    /// As it is written in the rules file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Yaml => "yaml",
            Self::Json => "json",
            Self::Patch => "patch",
            Self::KustomizePatch => "kustomize-patch",
        }
    }

    /// The layout of the original, with the ending that this format has.
    pub(super) fn standard_path(self) -> &'static str {
        match self {
            Self::Yaml => "{{ .Namespace }}/{{ .Kind }}/{{ .Name }}.yaml",
            Self::Json => "{{ .Namespace }}/{{ .Kind }}/{{ .Name }}.json",
            Self::Patch | Self::KustomizePatch => "{{ .Namespace }}/{{ .Kind }}/{{ .Name }}.patch.yaml",
        }
    }

    /// The format of a rule: what it says, else what the ending of its `path` says.
    pub(super) fn of(written: Option<Self>, path: Option<&str>) -> Result<Self, Fault> {
        let is_json = path.map(|path| path.ends_with(".json"));
        match (written, is_json) {
            (None, Some(true)) => Ok(Self::Json),
            (None, _) => Ok(Self::Yaml),
            (Some(Self::Json), Some(false)) => {
                let fault = Fault::new("`format: json` and a `path` that does not end in .json contradict each other");
                Err(fault.hint("end `path` in .json, or leave `format` out"))
            }
            (Some(format), Some(true)) if format != Self::Json => {
                let fault =
                    Fault::new(format!("`format: {}` is written as YAML, and `path` ends in .json", format.as_str()));
                let ending = if format.is_patch() { ".patch.yaml" } else { ".yaml" };
                Err(fault.hint(format!("end `path` in {ending}")))
            }
            (Some(format), _) => Ok(format),
        }
    }

    /// Whether the rule's direction writes such files at all.
    pub(super) fn suits(self, sync_to: Direction) -> Result<(), Fault> {
        if !self.is_patch() || sync_to == Direction::Git {
            return Ok(());
        }
        let why = match sync_to {
            Direction::Both => "carries them back too",
            _ => "writes none",
        };
        let fault = Fault::new(format!(
            "`format: {}` says how the cluster's fields are written to Git; a rule with `syncTo: {}` {why}",
            self.as_str(),
            sync_to.as_str()
        ));
        Err(fault.hint("write `syncTo: git`, or leave `format` out"))
    }
}

/// How a patch says what is to change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, JsonSchema)]
#[schemars(rename_all = "kebab-case", inline)]
pub enum Strategy {
    /// Items of keyed lists stand with their keys and what was captured of them.
    StrategicMerge,
    /// JSON merge patch: a list with a captured field stands as a whole.
    JsonMerge,
    /// As strategic merge, but a captured map or keyed list replaces what is there.
    Replace,
}

impl Strategy {
    /// Every strategy, as it is written.
    pub(super) const ALL: [(&'static str, Self); 3] =
        [("strategic-merge", Self::StrategicMerge), ("json-merge", Self::JsonMerge), ("replace", Self::Replace)];

    /// As it is written in the rules file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::StrategicMerge => "strategic-merge",
            Self::JsonMerge => "json-merge",
            Self::Replace => "replace",
        }
    }

    /// Whether it means something in files of this format.
    pub(super) fn suits(self, format: Format) -> Result<(), Fault> {
        match (self, format) {
            (Self::JsonMerge, Format::KustomizePatch) => {
                let fault =
                    Fault::new("`strategy: json-merge` means nothing to kustomize: it merges by the keys of lists");
                Err(fault.hint("write strategic-merge or replace, or `format: patch`"))
            }
            (_, Format::Patch | Format::KustomizePatch) => Ok(()),
            (_, Format::Yaml | Format::Json) => {
                let fault = Fault::new(format!(
                    "`strategy: {}` says how a patch is made, and `format: {}` writes whole manifests",
                    self.as_str(),
                    format.as_str()
                ));
                Err(fault.hint("add `format: patch` or `format: kustomize-patch`, or leave `strategy` out"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_follows_the_ending_of_the_path() {
        for (written, path, format) in [
            (None, None, Some(Format::Yaml)),
            (None, Some("a.yml"), Some(Format::Yaml)),
            (None, Some("a.json"), Some(Format::Json)),
            (Some(Format::Json), None, Some(Format::Json)),
            (Some(Format::Json), Some("a.json"), Some(Format::Json)),
            (Some(Format::Json), Some("a.yaml"), None),
            (Some(Format::Yaml), Some("a.json"), None),
            (Some(Format::Patch), Some("a.yaml"), Some(Format::Patch)),
            (Some(Format::KustomizePatch), Some("a.json"), None),
        ] {
            assert_eq!(Format::of(written, path).ok(), format, "{written:?} {path:?}");
        }
    }

    #[test]
    fn a_strategy_is_taken_where_it_means_something() {
        use Format::{Json, KustomizePatch, Patch, Yaml};
        for (_, strategy) in Strategy::ALL {
            assert!(strategy.suits(Patch).is_ok());
            assert_eq!(strategy.suits(KustomizePatch).is_ok(), strategy != Strategy::JsonMerge);
            assert!(strategy.suits(Yaml).is_err() && strategy.suits(Json).is_err());
        }
    }
}
