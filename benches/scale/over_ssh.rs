//! Owns the same live edits with the remote behind a real sshd on this machine. Must never leave the host key unchecked.

use std::path::Path;

use anyhow::Result;

use super::capture::{AT_ONCE, Scene};
use super::floor;
use super::git::known_hosts;
use super::report::{Row, Unit, quantile};
use super::run::patience;
use super::set::Set;
use super::sshd::{KeyKind, KeyPair, Sshd};

/// Edits what was captured, over ssh. Only told where there is no sshd.
pub async fn measure(scene: &mut Scene<'_>) -> Result<()> {
    let (run, count) = (scene.run, scene.objects.len());
    if !Path::new("/usr/sbin/sshd").exists() {
        run.say("ssh: left out, there is no /usr/sbin/sshd");
        return Ok(());
    }
    let (sshd, key) = (Sshd::start(), KeyPair::generate(KeyKind::Ed25519, ""));
    sshd.authorize(&[&key]);
    let url = sshd.url(&scene.remote.repo);
    let (key, hosts) = (key.path().display().to_string(), known_hosts().display().to_string());
    let variables = vec![("SSH_KEY_PATH", key.clone()), ("SSH_KNOWN_HOSTS", hosts.clone())];
    let mut ferry = scene.stage.ferry_with(&Set::Plain.rules(&url, AT_ONCE, "git"), variables).await?;
    ferry.ready(patience(count)).await?;
    let rounds = run.times(20, 5);
    run.say(&format!("ssh: {rounds} edits, kubeferry runs as {}", ferry.id()));
    let times = scene.edit_each(rounds, "ssh").await?;
    ferry.stop().await?;
    let ssh = format!("ssh -F none -i {key} -o IdentitiesOnly=yes -o UserKnownHostsFile={hosts}");
    let of_copy = url.replace(&scene.remote.repo.path().display().to_string(), "PATH");
    let through = Some((of_copy.as_str(), ssh.as_str()));
    let floor = floor::one_push(&scene.remote, &scene.objects[..10], scene.stage.folder(), through)?;
    let note = format!("{rounds} edits, p99 {:.0} ms; floor: `git push` over the same sshd", quantile(&times, 0.99));
    let measure = "edit to commit over ssh, median";
    let row = Row::new("ssh", count, measure, quantile(&times, 0.5), Unit::Milliseconds);
    run.row(row.floor(floor).note(note));
    Ok(())
}
