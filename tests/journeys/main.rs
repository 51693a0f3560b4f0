//! What kubeferry is for, from end to end: the real binary between a real repository and an API server.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../support/envtest.rs"]
mod envtest;
#[path = "../support/ferry.rs"]
mod ferry;
#[path = "../support/git.rs"]
mod git;
#[path = "../support/kubectl.rs"]
mod kubectl;
#[path = "../support/world.rs"]
mod world;

/// Makes tests of journeys, which are functions over `&World`.
macro_rules! journeys {
    ($($name:ident),* $(,)?) => {
        mod real {
            $(
                #[tokio::test(flavor = "multi_thread")]
                #[cfg_attr(not(real_server), ignore = "needs a real API server: set KUBEBUILDER_ASSETS")]
                async fn $name() {
                    super::$name(&crate::world::World::real(stringify!($name)).await).await;
                }
            )*
        }
    };
}

mod from_git;
mod quiet;
mod split;
mod to_git;
