//! Owns the instance's state as people's commands use it: with the user's own rights, whether the instance runs or not. Must
//! never write over what the instance wrote meanwhile.

use anyhow::{Context as _, anyhow};

use crate::cluster::{ClusterError, FieldManager, StateMap, StateText};

use super::args::Options;
use super::session;

/// How often the state is read again when the instance wrote to it meanwhile.
const TRIES: usize = 5;

/// The state of the instance, and the ConfigMap that it is in.
///
/// # Errors
/// When it cannot be read, or the instance has none.
pub async fn read(options: &Options) -> anyhow::Result<(StateMap, StateText)> {
    let identity = session::identity(options);
    let manager = FieldManager::new(&identity.namespace, &identity.name)?;
    let connection = session::connect(options).await?;
    let map = StateMap::new(&connection, manager, &identity.namespace, &identity.name)?;
    let kept = map.read().await?.with_context(|| {
        let (namespace, name) = (&identity.namespace, &identity.name);
        format!(
            "there is no ConfigMap {namespace}/{name}-state: has the instance run, and are --namespace and --name its?"
        )
    })?;
    Ok((map, kept))
}

/// Writes what `change` makes of the state, and returns what else it gives. It is asked again when the instance wrote
/// meanwhile: what is held may be something else then.
///
/// # Errors
/// Those of `change`, and when the state cannot be read or written.
pub async fn change<T>(
    options: &Options,
    change: impl Fn(StateText) -> anyhow::Result<(StateText, T)>,
) -> anyhow::Result<T> {
    for _ in 0..TRIES {
        let (map, kept) = read(options).await?;
        let (changed, result) = change(kept)?;
        match map.write(changed).await {
            Err(ClusterError::Changed(_)) => continue,
            written => drop(written?),
        }
        return Ok(result);
    }
    Err(anyhow!("the state changes all the time; try again"))
}

/// Who asks, as far as is known.
pub fn by(named: Option<&String>) -> String {
    named.cloned().or_else(|| std::env::var("USER").ok()).unwrap_or_else(|| "somebody".to_owned())
}
