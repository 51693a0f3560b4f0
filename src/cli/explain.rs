//! `kubeferry explain`: which rule decides each field of an object, and why.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{anyhow, bail};
use serde_json::{Value, json};

use crate::cluster::Cluster as _;
use crate::manifest::{self, Caps, Found, Index, ManifestFile};
use crate::object::fieldset::FieldSet;
use crate::object::labels::labels;
use crate::object::schema::{Schema, SchemaView};
use crate::object::{ApiVersion, GroupKind, Kind, ObjectId, clean};
use crate::report::Place;
use crate::repository::{BlobId, FileState, Libgit2, Remote as _};
use crate::rules::{Candidate, Labels, Rule, Rules};
use crate::sync::directions::{Directions, Way};
use crate::sync::spots::patch_paths;

use super::args::{Explain, Format, Options};
use super::say::say;
use super::session::{Session, load_rules};

/// Runs the verb. Exits with 0.
///
/// # Errors
/// When the kind is not served, or a side cannot be read: exit 2.
pub async fn explain(options: &Options, args: &Explain, libgit2: &Libgit2) -> anyhow::Result<ExitCode> {
    let loaded = load_rules(&options.file)?;
    let rules = loaded.rules;
    let session = Session::open(options, args.remote.git_url.as_ref(), libgit2).await?;
    let kinds = session.cluster.kinds();
    let kind = match &*kinds.named(&args.kind) {
        [] => bail!("the API server does not serve {}; `kubectl api-resources` lists what it does", args.kind),
        [kind] => kind.clone(),
        several => several.iter().find(|kind| kind.group_kind.group.is_empty()).cloned().ok_or_else(|| {
            anyhow!("{} is ambiguous: name its group too, as in {}.{}", args.kind, args.kind, "GROUP")
        })?,
    };
    let namespace = args.object.namespace.clone().or_else(|| kind.namespaced.then(|| "default".to_owned()));
    let id = ObjectId::new(kind.group_kind.clone(), namespace.as_deref().unwrap_or(""), &args.object.name);
    let rules = Arc::new(rules);
    let (manifest, patches) = find_manifest(&session, &rules, &kinds, &id).await?;
    let live = session.cluster.get(&id, None).await?;
    let shape = manifest.as_ref().ok().and_then(Option::as_ref).map(|(_, manifest)| manifest).or(live.as_ref());
    let version = shape.and_then(ApiVersion::of);
    let schema = match &version {
        Some(version) => session.cluster.schema(version).await.unwrap_or_default(),
        None => Schema::default(),
    };
    let namespace_labels = namespace_labels(&session, &id).await?;
    let explanation = Explanation {
        id: &id,
        patches,
        kind: &kind,
        rules: &rules,
        manifest: manifest.as_ref().ok().and_then(Option::as_ref).map(|(_, manifest)| manifest),
        live: live.as_ref(),
        namespace_labels,
        view: match shape {
            Some(object) => schema.view_of(object),
            None => SchemaView::unknown(),
        },
    };
    let place = match &manifest {
        Ok(Some((place, _))) => place.to_string(),
        Ok(None) => "not in Git".to_owned(),
        Err(reason) => format!("unreadable in Git: {reason}"),
    };
    match options.output {
        Format::Json => say(format_args!("{}\n", explanation.json(&place)))?,
        Format::Text => say(explanation.text(&place))?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn namespace_labels(session: &Session, id: &ObjectId) -> anyhow::Result<Option<Labels>> {
    let Some(name) = id.namespace() else { return Ok(None) };
    let namespace = ObjectId::new(GroupKind::new("", "Namespace"), "", name);
    Ok(session.cluster.get(&namespace, None).await.ok().flatten().as_ref().map(labels))
}

/// Where the manifest stands and what it says, or the reason when it cannot be told; and where its patches stand.
async fn find_manifest(
    session: &Session,
    rules: &Arc<Rules>,
    kinds: &Arc<crate::object::Kinds>,
    id: &ObjectId,
) -> anyhow::Result<(Result<Option<(Place, Value)>, String>, Vec<Place>)> {
    let repository = session.repository(rules)?;
    let head = repository.fetch().await?;
    let read: Arc<Mutex<(Index, BTreeMap<crate::object::RepoPath, BlobId>)>> = Arc::default();
    let (gathered, caps) = (read.clone(), Caps::default());
    let visit = move |path: crate::object::RepoPath, state: FileState<'_>| {
        if let FileState::File { blob, bytes } = state {
            let mut gathered = gathered.lock().unwrap_or_else(PoisonError::into_inner);
            let file = ManifestFile::read(path.clone(), bytes, &caps);
            gathered.1.insert(path.clone(), blob);
            gathered.0.update(&path, Some(file));
        }
    };
    repository.changes(None, head, Box::new(visit)).await?;
    let (mut index, blobs) = std::mem::take(&mut *read.lock().unwrap_or_else(PoisonError::into_inner));
    index.set_kinds(kinds);
    index.set_patches(patch_paths(rules, kinds));
    let patches = index.fragments(id).into_iter();
    let patches = patches.map(|patch| Place::new(patch.place.path.as_str(), Some(patch.place.line as usize))).collect();
    let place = match index.find(id) {
        Found::Absent => return Ok((Ok(None), patches)),
        Found::Unreadable(reason) => return Ok((Err(reason), patches)),
        Found::Duplicate(places) => {
            let places: Vec<String> = places.iter().map(ToString::to_string).collect();
            return Ok((Err(format!("it stands more than once: {}", places.join(", "))), patches));
        }
        Found::One(place) => place,
    };
    let blob = blobs.get(&place.path).copied().ok_or_else(|| anyhow!("{} vanished while it was read", place.path))?;
    let bytes = repository.read(vec![blob]).await?.pop().unwrap_or_default();
    let manifest = manifest::read(&bytes, &place)?;
    Ok((Ok(Some((Place::new(place.path.as_str(), Some(place.line as usize)), manifest))), patches))
}

struct Explanation<'a> {
    id: &'a ObjectId,
    /// Where patches of it stand.
    patches: Vec<Place>,
    kind: &'a Kind,
    rules: &'a Rules,
    manifest: Option<&'a Value>,
    live: Option<&'a Value>,
    namespace_labels: Option<Labels>,
    view: SchemaView<'a>,
}

impl Explanation<'_> {
    /// For each rule why it does not select the object; `None` when it does.
    fn rules(&self) -> Vec<(&Rule, Option<String>)> {
        let (manifest, live) = (self.manifest.map(labels), self.live.map(labels));
        let candidate = Candidate {
            id: self.id,
            kind: self.kind,
            manifest_labels: manifest.as_ref(),
            live_labels: live.as_ref(),
            base_labels: None,
            namespace_labels: self.namespace_labels.as_ref(),
        };
        let why = |rule: &Rule| rule.mismatch(&candidate).map(|mismatch| format!("its {mismatch} do not match"));
        self.rules.rules.iter().map(|rule| (rule, why(rule))).collect()
    }

    /// Each field that either side has, with the way it goes and the rule that decides.
    fn fields(&self) -> Vec<(String, &'static str, Option<String>)> {
        let rules = self.rules();
        let matching: Vec<&Rule> = rules.iter().filter(|(_, why)| why.is_none()).map(|(rule, _)| *rule).collect();
        let directions = Directions::new(&matching, self.manifest, self.live, self.view);
        let manifest = self.manifest.map(|manifest| FieldSet::of(&clean::for_apply(manifest), self.view));
        let live = self.live.map(|live| FieldSet::of(&clean::for_git(live), self.view));
        let all = manifest.unwrap_or_default().union(&live.unwrap_or_default());
        all.paths()
            .iter()
            .map(|path| {
                let (way, rule) = directions.of(path);
                (path.to_string(), words(way), rule.map(|rule| rule.name.clone()))
            })
            .collect()
    }

    fn text(&self, place: &str) -> String {
        let live = if self.live.is_some() { "live" } else { "not live" };
        let mut text = format!("{} ({live}; {place})\n\nRules, in order:\n", self.id);
        let mut existence = None;
        for (rule, why) in self.rules() {
            let note = match why {
                Some(why) => format!("does not match: {why}"),
                None if rule.suspend => "matches, is suspended".to_owned(),
                None if !rule.fields.is_empty() => {
                    let fields: Vec<String> = rule.fields.iter().map(ToString::to_string).collect();
                    format!("matches, for {}", fields.join(", "))
                }
                None if !rule.decides_existence() => {
                    format!("matches, for every field, as {}", rule.format.as_str())
                }
                None => {
                    existence.get_or_insert(rule.name.clone());
                    "matches, for every field".to_owned()
                }
            };
            text.push_str(&format!("  {:<24} {:<11} {note}\n", rule.name, rule.sync_to.as_str()));
        }
        for patch in &self.patches {
            text.push_str(&format!("\nPatch: {patch}; a field that it sets is written there, not to the manifest\n"));
        }
        text.push_str(&match existence {
            Some(rule) => format!("\nExistence: rule {rule}, the first that matches without filters\n"),
            None => "\nExistence: no rule; it is neither created nor deleted\n".to_owned(),
        });
        text.push_str("\nFields:\n");
        for (path, way, rule) in self.fields() {
            let rule = rule.map(|rule| format!("rule {rule}")).unwrap_or_default();
            text.push_str(&format!("  {way:<16} {path}  {rule}\n"));
        }
        text
    }

    fn json(&self, place: &str) -> Value {
        let rules: Vec<Value> = self
            .rules()
            .into_iter()
            .map(|(rule, why)| json!({"name": rule.name, "syncTo": rule.sync_to.as_str(), "matches": why.is_none(), "why": why}))
            .collect();
        let fields: Vec<Value> = self
            .fields()
            .into_iter()
            .map(|(path, way, rule)| json!({"path": path, "way": way, "rule": rule}))
            .collect();
        json!({"object": self.id.to_string(), "live": self.live.is_some(), "manifest": place, "rules": rules,
            "patches": self.patches.iter().map(ToString::to_string).collect::<Vec<_>>(), "fields": fields})
    }
}

fn words(way: Way) -> &'static str {
    match way {
        Way::ToCluster => "Git -> cluster",
        Way::ToGit => "cluster -> Git",
        Way::Both => "Git <-> cluster",
        Way::Observed => "observe",
        Way::Idle => "no action",
        Way::Uncovered => "no rule",
    }
}
