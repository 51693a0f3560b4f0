//! Finds out which tests can run here, so that the others are ignored with a reason:
//! `cfg(real_server)` when `KUBEBUILDER_ASSETS` names a folder with an API server, `cfg(sshd)` where there is an SSH server
//! with git, `cfg(git_http)` where git can serve HTTP.

use std::path::Path;
use std::process::Command;

fn main() {
    for name in ["real_server", "sshd", "git_http"] {
        println!("cargo::rustc-check-cfg=cfg({name})");
    }
    println!("cargo::rerun-if-env-changed=KUBEBUILDER_ASSETS");
    if std::env::var_os("KUBEBUILDER_ASSETS").is_some() {
        println!("cargo::rustc-cfg=real_server");
    }

    let git = Command::new("git").arg("--exec-path").output().ok().filter(|output| output.status.success());
    let git = git.and_then(|output| String::from_utf8(output.stdout).ok());
    let programs = git.as_ref().map(|folder| Path::new(folder.trim()).to_path_buf());
    if programs.as_ref().is_some_and(|folder| exists(&folder.join("git-http-backend"))) {
        println!("cargo::rustc-cfg=git_http");
    }
    if programs.is_some() && exists(Path::new("/usr/sbin/sshd")) && exists(Path::new("/usr/bin/ssh-keygen")) {
        println!("cargo::rustc-cfg=sshd");
    }
}

/// Also sees to it that this is asked again when the answer may have changed.
fn exists(program: &Path) -> bool {
    let there = program.exists();
    let watched = if there { Some(program) } else { program.parent().filter(|folder| folder.exists()) };
    if let Some(watched) = watched {
        println!("cargo::rerun-if-changed={}", watched.display());
    }
    there
}
