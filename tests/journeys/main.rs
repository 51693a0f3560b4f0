//! What kubeferry is for, from end to end: the real binary between a real repository and an API server.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../support/envtest.rs"]
mod envtest;
#[path = "../support/ferry.rs"]
mod ferry;
#[path = "../support/git.rs"]
mod git;
#[path = "../support/git_http.rs"]
mod git_http;
#[path = "../support/kubectl.rs"]
mod kubectl;
#[path = "../support/sshd.rs"]
mod sshd;
#[path = "../support/world.rs"]
mod world;

/// Makes tests of journeys, which are functions over `&World`: each on the embedded API server and on a real one, and those
/// that need more than the embedded one serves on a real one only.
macro_rules! journeys {
    (
        $($(#[$attribute:meta])* $name:ident),* $(,)?
        $(; real only: $($(#[$real_attribute:meta])* $real_name:ident),* $(,)?)?
    ) => {
        #[cfg(feature = "sandbox")]
        mod sandbox {
            $(
                #[tokio::test(flavor = "multi_thread")]
                $(#[$attribute])*
                async fn $name() {
                    super::$name(&crate::world::World::sandbox(stringify!($name)).await).await;
                }
            )*
        }

        // A test that needs two things is ignored for the first that is missing.
        #[allow(unused_attributes)]
        mod real {
            $(
                #[tokio::test(flavor = "multi_thread")]
                #[cfg_attr(not(real_server), ignore = "needs a real API server: set KUBEBUILDER_ASSETS")]
                $(#[$attribute])*
                async fn $name() {
                    super::$name(&crate::world::World::real(stringify!($name)).await).await;
                }
            )*
            $($(
                #[tokio::test(flavor = "multi_thread")]
                #[cfg_attr(not(real_server), ignore = "needs a real API server: set KUBEBUILDER_ASSETS")]
                $(#[$real_attribute])*
                async fn $real_name() {
                    super::$real_name(&crate::world::World::real(stringify!($real_name)).await).await;
                }
            )*)?
        }
    };
}

mod both;
mod commits;
mod deleting;
mod from_git;
mod hostile;
mod instances;
mod mishaps;
mod order;
mod places;
mod quiet;
mod reload;
mod remotes;
mod secrets;
mod snapshots;
mod split;
mod to_git;
mod verbs;
