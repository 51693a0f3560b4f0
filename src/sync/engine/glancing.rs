//! Owns the short way of an object that is shown as its manifest says: nothing is read of Git, for its digest is known. Must
//! never be taken where a plan could come to anything but that both sides agree.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::cluster::Cluster;
use crate::manifest::Place;
use crate::object::labels::KeptLabels;
use crate::object::schema::Schema;
use crate::object::{ApiVersion, GroupKind, Kind, ObjectId};
use crate::repository::{BlobId, Remote};
use crate::rules::{Candidate, skipped};

use super::super::base::Base;
use super::super::clock::Clock;
use super::super::observe::Observed;
use super::super::plan::{Plan, RuleIndex};
use super::super::settled;
use super::super::targets::TargetFiles;
use super::{Engine, Mode};

/// The schemas by which objects were read last. One that may have changed is forgotten.
#[derive(Debug, Default)]
pub(super) struct Schemas(BTreeMap<GroupKind, (ApiVersion, Schema)>);

impl Schemas {
    /// Takes the schema by which an object was read.
    pub(super) fn know(&mut self, observed: &Observed) {
        let Some(version) = observed.shape().and_then(ApiVersion::of) else { return };
        let kind = observed.id.group_kind();
        if self.0.get(kind).is_none_or(|(known, _)| *known != version) {
            self.0.insert(kind.clone(), (version, observed.schema.clone()));
        }
    }

    fn of(&self, kind: &GroupKind, version: &ApiVersion) -> Option<&Schema> {
        self.0.get(kind).filter(|(known, _)| known == version).map(|(_, schema)| schema)
    }

    /// What is served may have changed.
    pub(super) fn forget(&mut self) {
        self.0.clear();
    }
}

/// What is known of an object that is as its manifest says.
struct Glance {
    blob: BlobId,
    schema: Schema,
    /// The one rule that selects it.
    existence: Option<RuleIndex>,
}

impl<C: Cluster, R: Remote, K: Clock> Engine<C, R, K> {
    /// Takes an object that is shown for one that agrees, if it does. Otherwise gives it back, to be planned.
    pub(super) fn agrees_at_a_glance(
        &mut self,
        id: &ObjectId,
        kind: &Arc<Kind>,
        place: &Place,
        live: Box<Value>,
    ) -> Option<Box<Value>> {
        let since = self.clock.now();
        let Some(Glance { blob, schema, existence }) = self.glance(id, kind, place, &live) else { return Some(live) };
        self.standings.metrics().planned(self.clock.now().saturating_sub(since));
        let plan = Plan { existence, selected: true, agrees: true, ..Plan::nothing(id) };
        let observed = Observed {
            id: id.clone(),
            kind: kind.clone(),
            manifest: Some((place.clone(), Vec::new(), Value::Null)),
            blob: Some(blob),
            then: None,
            fragments: Vec::new(),
            files: Some(TargetFiles::new()),
            texts: BTreeMap::new(),
            live: Some(*live),
            absence: Ok(false),
            schema,
            composing: false,
        };
        self.claims.forget(id);
        self.queue.cancel(id);
        self.planned += 1;
        self.remember_fields(&plan, &observed);
        self.carry_out(plan, observed);
        self.turn_ended(id);
        None
    }

    fn glance(&self, id: &ObjectId, kind: &Kind, place: &Place, live: &Value) -> Option<Glance> {
        let is_plain = self.mode != Mode::Preview
            && self.identity.takes_over.is_none()
            && !skipped::is_own(id, &self.identity.namespace, &self.identity.name)
            && self.index.fragments(id).is_empty()
            && self.autoscalers.of(id).is_empty()
            && self.fights.held(id, self.clock.now()).is_empty();
        let schema = self.schemas.of(id.group_kind(), &ApiVersion::of(live)?).filter(|_| is_plain)?;
        let (entry, blob) = (self.index.entry(id)?, self.blobs.get(&place.path)?);
        let live_labels = KeptLabels::of(live);
        let has_others = |base: &Base| base.manifest_labels != *entry.labels() || base.live_labels != live_labels;
        if self.bases.get(id).is_some_and(has_others) {
            return None;
        }
        let (manifest_labels, live_labels) = (entry.labels().labels(), live_labels.labels());
        let candidate = Candidate {
            id,
            kind,
            manifest_labels: Some(&manifest_labels),
            live_labels: Some(&live_labels),
            base_labels: None,
            namespace_labels: id.namespace().and_then(|name| self.live.namespace(name)).map(|known| &*known.labels),
        };
        let matching: Vec<_> = self.rules.matching(&candidate).collect();
        let rule = settled::sole(&matching)?;
        let shows = settled::shows(live, entry.digest(), schema.view_of(live), &self.identity);
        let existence = rule.decides_existence().then_some(rule.index);
        shows.then(|| Glance { blob: *blob, schema: schema.clone(), existence })
    }
}
