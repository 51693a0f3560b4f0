//! Sets `cfg(real_server)` when `KUBEBUILDER_ASSETS` names a folder with an API server, so that the tests that need one
//! are ignored, with a reason, where there is none.

fn main() {
    println!("cargo::rustc-check-cfg=cfg(real_server)");
    println!("cargo::rerun-if-env-changed=KUBEBUILDER_ASSETS");
    if std::env::var_os("KUBEBUILDER_ASSETS").is_some() {
        println!("cargo::rustc-cfg=real_server");
    }
}
