//! Where the rules of a running controller come from: a file or a ConfigMap, followed while it changes.

use std::sync::Arc;

use anyhow::{anyhow, bail};
use tokio::sync::watch;

use crate::cluster::{ConfigMapText, ConfigMapWatch};
use crate::rules::reload::{self, Reading};
use crate::rules::{Loaded, Rules};

use super::names::NamespacedName;
use super::session::Session;

/// What a change of the text came to.
pub enum Update {
    /// It can be used.
    Rules(Arc<Rules>),
    /// It cannot, and why.
    Broken(String),
}

enum Origin {
    File(watch::Receiver<Reading>),
    ConfigMap(watch::Receiver<ConfigMapText>),
}

/// The rules in force and where newer ones come from.
pub struct RulesSource {
    name: String,
    origin: Origin,
    rules: Arc<Rules>,
    /// Ends the watch of the ConfigMap when it is dropped.
    _watch: Option<ConfigMapWatch>,
}

impl RulesSource {
    /// Reads the rules for the first time.
    ///
    /// # Errors
    /// When they cannot be read or used: without a last good text there is nothing to run by.
    pub async fn open(session: &Session, config_map: Option<&NamespacedName>) -> anyhow::Result<Self> {
        let (name, origin, text, watch) = match config_map {
            None => {
                let file = &session.options.file;
                let mut readings = reload::follow(file, reload::Timing::default())?;
                let text = readings.borrow_and_update().text.clone();
                (file.display().to_string(), Origin::File(readings), text, None)
            }
            Some(object) => {
                let watch = ConfigMapWatch::start(session.cluster.connection(), &object.namespace, &object.name)?;
                let mut texts = watch.text();
                let first = texts.wait_for(|text| *text != ConfigMapText::Unread).await;
                let first = first.map_err(|_| anyhow!("the watch of ConfigMap {object} ended"))?.clone();
                let text = match first {
                    ConfigMapText::Text(text) => text,
                    ConfigMapText::Missing(why) => bail!("{why}"),
                    ConfigMapText::Unread => bail!("ConfigMap {object} was not read"),
                };
                (format!("configmap {object}"), Origin::ConfigMap(texts), text, Some(watch))
            }
        };
        let rules = match load(&text, &name) {
            Update::Rules(rules) => rules,
            Update::Broken(problem) => bail!("{problem}"),
        };
        Ok(Self { name, origin, rules, _watch: watch })
    }

    /// Where the rules come from, for people.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The rules in force.
    pub fn rules(&self) -> Arc<Rules> {
        self.rules.clone()
    }

    /// Puts other rules in force; gives back the ones before.
    pub fn replace(&mut self, rules: Arc<Rules>) -> Arc<Rules> {
        std::mem::replace(&mut self.rules, rules)
    }

    /// Waits for another text. Never resolves when nothing can change any more.
    pub async fn changed(&mut self) -> Update {
        loop {
            match &mut self.origin {
                Origin::File(readings) => {
                    if readings.changed().await.is_err() {
                        std::future::pending::<()>().await;
                    }
                    let reading = readings.borrow_and_update().clone();
                    return match reading.problem {
                        Some(problem) => Update::Broken(problem),
                        None => load(&reading.text, &self.name),
                    };
                }
                Origin::ConfigMap(texts) => {
                    if texts.changed().await.is_err() {
                        std::future::pending::<()>().await;
                    }
                    let text = texts.borrow_and_update().clone();
                    match text {
                        ConfigMapText::Text(text) => return load(&text, &self.name),
                        ConfigMapText::Missing(why) => return Update::Broken(why.to_string()),
                        ConfigMapText::Unread => {}
                    }
                }
            }
        }
    }
}

fn load(text: &str, name: &str) -> Update {
    match crate::rules::load(text, name) {
        Ok(Loaded { rules, warnings, .. }) => {
            warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
            Update::Rules(Arc::new(rules))
        }
        Err(problems) => Update::Broken(problems.to_string()),
    }
}
